//! What can be wrong with a message.

use crate::table::SqlNameError;
use crate::uv_name::UvNameError;

/// Says what is wrong with a message, and where. The sender made it so: a retry does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("card {card} at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Byte offset of the card in the message.
    pub offset: usize,
    /// Number of the card, counting from 1; comments, `private` and `login` count, blank lines do not.
    pub card: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What can be wrong with a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// The whole message exceeds [`crate::DecodeLimits::message_bytes`].
    #[error("the message has more than {limit} bytes")]
    MessageTooLong {
        /// The limit.
        limit: usize,
    },
    /// More cards than [`crate::DecodeLimits::cards`].
    #[error("the message has more than {limit} cards")]
    TooManyCards {
        /// The limit.
        limit: usize,
    },
    /// A line exceeds [`crate::DecodeLimits::line_bytes`].
    #[error("the line has more than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// A NUL outside a payload.
    #[error("a NUL in the card's line")]
    NulInLine,
    /// The message ends inside a line.
    #[error("the message ends inside this line: it was cut short")]
    UnterminatedLine,
    /// A payload exceeds [`crate::DecodeLimits::payload_bytes`].
    #[error("a payload of {size} bytes exceeds the limit of {limit}")]
    PayloadTooLong {
        /// Size the card states.
        size: u32,
        /// The limit.
        limit: usize,
    },
    /// The message ends inside a payload.
    #[error("a payload of {size} bytes is cut off: {left} are left of the message")]
    Truncated {
        /// Size the card states.
        size: u32,
        /// What is there.
        left: usize,
    },
    /// Too few or too many tokens for a card that cannot be skipped.
    #[error("the wrong number of tokens")]
    TokenCount,
    /// A hash of neither 40 nor 64 digits.
    #[error("a hash has 40 or 64 digits, not {0}")]
    HashLength(usize),
    /// A hash with a character that is no hex digit.
    #[error("a hash with a character that is no hex digit")]
    HashDigit,
    /// A hash in upper case, which no artifact is named by.
    #[error("a hash in upper case: only lower-case hex digits name an artifact")]
    UpperCaseHash,
    /// A number with anything but digits.
    #[error("a number that is not all digits")]
    Integer,
    /// A size, flags word or sequence number over 2^31-1, or a time over 2^63-1.
    #[error("a number over {limit}")]
    IntegerTooLarge {
        /// The largest that is taken.
        limit: i64,
    },
    /// A name of an unversioned file that no peer may use.
    #[error(transparent)]
    UvName(#[from] UvNameError),
    /// A name of a synced table that no peer may use.
    #[error(transparent)]
    SqlName(#[from] SqlNameError),
    /// An unversioned file that is deleted but has a hash or a size, or that has neither hash nor deletion.
    #[error("an unversioned file is deleted exactly if it has no hash and no size")]
    UvDeletion,
    /// No LF after the record of a `config` card, or the JSON of a card about a synced table.
    #[error("no line feed after the record")]
    UnterminatedRecord,
    /// A `login` card after another card.
    #[error("the login card is not the first card")]
    LoginNotFirst,
    /// A second `login` card.
    #[error("more than one login card")]
    RepeatedLogin,
    /// A token that has to be text and is not.
    #[error("a token that is not UTF-8")]
    NotUtf8,
}
