//! Which program we say we are.

use xfer::pragma::Version;

/// What both sides advertise: the stock release whose every habit we share, derived tables included.
///
/// Of a newer version, from 2.27 on, a peer would do one thing more: put its login in a cookie. The service takes
/// it there, since a client that met a newer server keeps to it; but to ask for it would gain nothing, and lose the
/// login wherever something on the way drops cookies (reference: wire.md sections 4.4 and 5.2, appendix D).
pub(crate) const ADVERTISED: Version = Version { number: 22_100, build: Some((20_230_226, 192_424)) };

/// Peers before this version can not hold artifacts with 64-digit names.
pub(crate) const SHA3_SINCE: u32 = 20_000;

/// Peers built before this day do not understand `igot HASH 1` as the answer to a `gimme`.
pub(crate) const PRIVATE_IGOT_SINCE: u32 = 20_200_413;
