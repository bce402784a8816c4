//! Why a message does not wait for a block.

use dilithion_wire::{Height, MessageId};

/// The reason for which a message is refused. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Blocks of public networks carry no messages.
    #[error("the {network} network carries no messages")]
    NotCarried {
        /// Name of the network.
        network: String,
    },
    /// A message with this id waits already.
    #[error("message {id} waits for a block already")]
    Known {
        /// The id.
        id: MessageId,
    },
    /// A message with this id is part of the chain.
    #[error("message {id} is in the block at height {height}")]
    InChain {
        /// The id.
        id: MessageId,
        /// Height of the block.
        height: Height,
    },
    /// No block of this network has room for it.
    #[error("message {id} takes {bytes} bytes of a block, which has room for {max}")]
    TooLarge {
        /// The id.
        id: MessageId,
        /// Bytes that it takes in a coinbase.
        bytes: usize,
        /// Bytes that there are.
        max: usize,
    },
    /// Too much waits.
    #[error("the pool of messages is full: {bytes} of {max} bytes wait for a block")]
    Full {
        /// Bytes that wait.
        bytes: u64,
        /// Bytes that may.
        max: u64,
    },
}

impl MessageError {
    /// A word for this reason, for answers to programs.
    #[must_use]
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::NotCarried { .. } => "not-carried",
            Self::Known { .. } => "already-pending",
            Self::InChain { .. } => "already-in-chain",
            Self::TooLarge { .. } => "too-large",
            Self::Full { .. } => "pool-full",
        }
    }
}
