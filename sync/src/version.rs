//! Which program we say we are.

use xfer::pragma::Version;

/// What both sides advertise: the newest stock release whose every habit we share. From 2.27 on peers would
/// send their login in a cookie (reference: wire.md sections 4.4 and 5.2).
pub(crate) const ADVERTISED: Version = Version { number: 22_100, build: Some((20_230_226, 192_424)) };

/// Peers before this version can not hold artifacts with 64-digit names.
pub(crate) const SHA3_SINCE: u32 = 20_000;

/// Peers built before this day do not understand `igot HASH 1` as the answer to a `gimme`.
pub(crate) const PRIVATE_IGOT_SINCE: u32 = 20_200_413;
