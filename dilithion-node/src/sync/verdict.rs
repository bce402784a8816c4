//! What the operator says against blocks, and takes back.

use dilithion_wire::{BlockHash, Height};
use thiserror::Error;

use super::{Action, Coordinator, StoreJob};
use crate::clock::Now;

/// Why a block is not declared invalid, or not considered again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerdictError {
    /// No header has this id.
    #[error("Block not found")]
    Unknown {
        /// The id.
        hash: BlockHash,
    },
    /// Everything builds on the genesis block.
    #[error("the genesis block cannot be declared invalid")]
    Genesis,
    /// The chain is settled up to its last checkpoint (spec: consensus §3).
    #[error(
        "block {height} is not above the last checkpoint at height {checkpoint}, up to which the chain is settled"
    )]
    BelowCheckpoint {
        /// The block's height.
        height: Height,
        /// The checkpoint's.
        checkpoint: Height,
    },
    /// What is needed to disconnect the block is not stored any more.
    #[error("block {height} cannot be disconnected: the store is pruned up to height {lowest}")]
    Pruned {
        /// The block's height.
        height: Height,
        /// The lowest height whose block can be disconnected.
        lowest: Height,
    },
    /// The node failed before it was done.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
    /// The node is stopping. What was said may be on disk or not.
    #[error("the node is stopping")]
    Stopping,
}

impl Coordinator {
    /// Whether the operator may declare this block invalid; its height if he may.
    ///
    /// # Errors
    /// [`VerdictError::Unknown`], [`VerdictError::Genesis`] or [`VerdictError::BelowCheckpoint`].
    pub fn may_revoke(&self, hash: &BlockHash) -> Result<Height, VerdictError> {
        let height = self.headers.height_of(hash).ok_or(VerdictError::Unknown { hash: *hash })?;
        match self.headers.last_checkpoint() {
            _ if height == Height::GENESIS => Err(VerdictError::Genesis),
            Some(checkpoint) if height <= checkpoint => {
                Err(VerdictError::BelowCheckpoint { height, checkpoint })
            }
            _ => Ok(height),
        }
    }

    /// Whether all that the operator said against blocks, or took back, is done: it is on disk, no block that he refuses is
    /// connected, and the blocks of the best chain that the store has are. What has to be fetched is not waited for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let next = self.tip.0.next();
        let takes_up = self.bodies.is_stored_under_way(next) && self.headers.is_connectable(next);
        let obeys = !self.headers.is_invalid(&self.tip.1);
        self.verdicts_under_way == 0 && !self.disconnecting && obeys && !takes_up
    }

    /// The operator refuses a block, and all that build on it.
    pub(super) fn on_revoked(&mut self, hash: BlockHash, now: Now, out: &mut Vec<Action>) {
        if self.may_revoke(&hash).is_err() {
            return;
        }
        self.verdicts_under_way += 1;
        out.push(Action::Store(StoreJob::Revoke(hash)));
        self.by_order |= !self.is_off_best_chain();
        let effects = self.headers.revoke(&hash);
        self.apply_effects(effects, now, out);
        self.ask_everybody_again();
    }

    /// The operator takes back what he said against a block, against those that it builds on, and against those that build
    /// on it.
    pub(super) fn on_reinstated(&mut self, hash: &BlockHash, now: Now, out: &mut Vec<Action>) {
        let refused = self.headers.revoked_in_line_with(hash);
        if refused.is_empty() {
            return;
        }
        self.by_order |= !self.is_off_best_chain();
        let effects = self.headers.reinstate(&refused);
        self.verdicts_under_way += 1;
        out.push(Action::Store(StoreJob::Reinstate(refused)));
        self.apply_effects(effects, now, out);
        self.ask_everybody_again();
        // Headers on a refused block were not taken in, so nobody knows who has some.
        self.peers.values_mut().for_each(|peer| peer.hinted = true);
    }

    /// The tip, or a block below it, was declared invalid: goes back to the last one that was not. A better branch, if there
    /// is one, is followed from there like any other.
    pub(super) fn leave_invalid_branch(&mut self, out: &mut Vec<Action>) {
        if let Some((valid, _)) = self.headers.last_valid(&self.tip.1) {
            self.rewind_to(valid, out);
        }
    }
}
