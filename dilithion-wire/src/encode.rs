//! To bytes and back.

use bytes::{BufMut, Bytes};
use thiserror::Error;

use crate::limits::{Counted, Limits};
use crate::misbehaviour::Misbehaviour;
use crate::reader::Reader;

/// Something with one byte layout. All integers in it are little-endian.
pub trait Encode {
    /// Appends the bytes to `out`, which must have room (a `Vec` or `BytesMut` grows).
    fn encode(&self, out: &mut impl BufMut);

    /// How many bytes [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize;

    /// The bytes, in a vector of exactly their size.
    fn encode_to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out
    }
}

/// Something that can be read from untrusted bytes.
pub trait Decode: Sized {
    /// Reads one value; what follows it stays in the reader.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes are none of this type. Where the reader stands then is unspecified.
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError>;

    /// Reads a value that fills `bytes` to the end.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), and [`DecodeError::TrailingBytes`] if something is left over.
    fn decode_exact(bytes: Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let mut reader = Reader::with_limits(bytes, limits);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("{field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that there were.
        left: usize,
    },
    /// More elements than allowed.
    #[error("{count} {what}, at most {max} are allowed")]
    TooMany {
        /// What is counted.
        what: Counted,
        /// The claimed number.
        count: u64,
        /// The allowed number.
        max: usize,
    },
    /// More elements claimed than the bytes at hand can hold.
    #[error("{count} {what} claimed in {left} bytes")]
    Unfounded {
        /// What is counted.
        what: Counted,
        /// The claimed number.
        count: u64,
        /// Bytes that there were.
        left: usize,
    },
    /// A script or a text is longer than allowed.
    #[error("{field} of {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// What was being read.
        field: &'static str,
        /// The claimed length.
        bytes: u64,
        /// The allowed length.
        max: usize,
    },
    /// A text is not UTF-8, where it has to be.
    #[error("{field} is no UTF-8")]
    Text {
        /// What was being read.
        field: &'static str,
    },
    /// The transactions of a block take more bytes than the network lets travel.
    #[error("transactions of {bytes} bytes in a block, at most {max} are allowed")]
    OversizedBlock {
        /// The claimed length.
        bytes: u64,
        /// The allowed length ([`Limits::max_blob_bytes`]).
        max: usize,
    },
    /// A block without a transaction, or with their number in the nine-byte form.
    #[error("invalid number of transactions in a block")]
    TransactionCount,
    /// A header in a `headers` message claims to have transactions.
    #[error("header {index} of a `headers` message claims {count} transactions")]
    HeaderWithTransactions {
        /// Position of the header in the message.
        index: usize,
        /// The claimed number, 0 in a valid message.
        count: u64,
    },
    /// A position of a transaction that no block has room for.
    #[error("position {position} of a transaction, no block has so many")]
    PositionOutOfRange {
        /// The claimed position.
        position: u64,
    },
    /// A header of 144 bytes where one of 80 is wanted.
    #[error("a header of version {version} has 144 bytes, one of 80 is wanted")]
    VdfHeader {
        /// The version of the header.
        version: i32,
    },
    /// Something follows where nothing may.
    #[error("{left} bytes after the end")]
    TrailingBytes {
        /// How many bytes.
        left: usize,
    },
}

impl DecodeError {
    /// What a peer that sent such bytes has done (spec: wire §1.6, §2, §4). A block that cannot be decoded is taken for a
    /// message that cannot be; the reference nodes ban for it where they see it, which is when its parent is unknown.
    #[must_use]
    pub const fn misbehaviour(&self) -> Misbehaviour {
        match self {
            Self::TooMany { what, .. } => what.misbehaviour(),
            Self::OversizedBlock { .. } => Misbehaviour::OversizedBlock,
            Self::HeaderWithTransactions { .. } => Misbehaviour::HeaderWithTransactions,
            Self::PositionOutOfRange { .. } => Misbehaviour::PositionOutOfRange,
            Self::Truncated { .. }
            | Self::Unfounded { .. }
            | Self::TooLong { .. }
            | Self::Text { .. }
            | Self::TransactionCount
            | Self::VdfHeader { .. }
            | Self::TrailingBytes { .. } => Misbehaviour::Malformed,
        }
    }
}
