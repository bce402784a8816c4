//! What can be wrong with a compact block.

use thiserror::Error;

use crate::hash::{MerkleRoot, Txid};
use crate::misbehaviour::Misbehaviour;

/// Why a block cannot be put together, or its parts not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompactBlockError {
    /// No transaction, or more than a block may have.
    #[error("a compact block of {count} transactions")]
    TransactionCount {
        /// How many it claims.
        count: usize,
    },
    /// A position after the last transaction.
    #[error("position {position} in a block of {count} transactions")]
    PositionOutOfRange {
        /// The position.
        position: u32,
        /// How many transactions the block has.
        count: usize,
    },
    /// Two transactions at one position, or one asked for twice.
    #[error("position {position} occurs twice")]
    RepeatedPosition {
        /// The position.
        position: u32,
    },
    /// More is missing than may be asked for at once. The whole block is to be asked for.
    #[error("{count} transactions are missing, which are too many to ask for")]
    TooManyMissing {
        /// How many.
        count: usize,
    },
    /// Two short ids of the block are the same, by chance. The whole block is to be asked for.
    #[error("two transactions of the block have the same short id")]
    ShortIdCollision,
    /// Other than as many transactions as were asked for.
    #[error("{found} transactions instead of {expected}")]
    WrongNumber {
        /// How many were asked for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// A transaction occurs twice.
    #[error("transaction {txid} occurs twice")]
    RepeatedTransaction {
        /// Its id.
        txid: Txid,
    },
    /// The transactions take more bytes than a block may have.
    #[error("transactions of {bytes} bytes in a block, at most {max} are allowed")]
    Oversized {
        /// Their size.
        bytes: usize,
        /// The allowed size ([`Limits::max_blob_bytes`](crate::Limits)).
        max: usize,
    },
    /// The transactions are not those of the header. The whole block is to be asked for.
    #[error("merkle root {computed} instead of {expected}")]
    MerkleRoot {
        /// In the header.
        expected: MerkleRoot,
        /// Of the transactions.
        computed: MerkleRoot,
    },
}

impl CompactBlockError {
    /// What the peer has done (spec: wire §4, §5.6), or `None` if it may be honest.
    #[must_use]
    pub const fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::TransactionCount { count: 0 }
            | Self::RepeatedPosition { .. }
            | Self::RepeatedTransaction { .. }
            | Self::WrongNumber { .. } => Some(Misbehaviour::Malformed),
            Self::TransactionCount { .. } => Some(Misbehaviour::OversizedCompactBlock),
            Self::PositionOutOfRange { .. } => Some(Misbehaviour::PositionOutOfRange),
            Self::Oversized { .. } => Some(Misbehaviour::OversizedBlock),
            Self::TooManyMissing { .. } | Self::ShortIdCollision | Self::MerkleRoot { .. } => None,
        }
    }
}
