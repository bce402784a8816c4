//! Why a sync cannot go on.

use dilithion_wire::Height;
use thiserror::Error;

use super::IllegalTrigger;

/// Something that only the operator can mend: the reason of the state `ERROR`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncFailure {
    /// The store failed.
    #[error("{reason}")]
    Store {
        /// What it reported.
        reason: String,
    },
    /// Proof of work cannot be computed.
    #[error("{reason}")]
    Hash {
        /// What was reported.
        reason: String,
    },
    /// A better chain leaves ours further down than a running node goes back.
    #[error(
        "the best chain leaves ours at height {fork}, {depth} blocks below our tip, and a running node goes back {limit} at \
         most; nothing is lost: restart the node, and it goes back to height {fork} and follows that chain"
    )]
    DeepFork {
        /// The last height that both chains share.
        fork: Height,
        /// Blocks that would have to be disconnected.
        depth: u32,
        /// How many may be.
        limit: u32,
    },
    /// A fault of the node itself.
    #[error("fault in the node: {0}")]
    State(#[from] IllegalTrigger),
}
