//! Changing over to another branch: all of it in one transaction, or nothing.

use dilithion_pow::{CompactTarget, Work};
use dilithion_wire::{ChainParams, Height};

use crate::chainstate::Chainstate;
use crate::connect::{Connected, Rejected};
use crate::disconnect::{Removed, active_block, check_reachable};
use crate::error::StoreError;
use crate::prune;
use crate::store::metadata::Tip;
use crate::validate::{Candidate, MinerRules};

/// A change to another branch that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reorg {
    /// The blocks that are no longer part of the active chain, highest first. Their bodies stay stored.
    pub disconnected: Vec<Connected>,
    /// The blocks that took their place, lowest first.
    pub connected: Vec<Connected>,
}

/// A change to another branch that was not made: the tip is where it was, and nothing is changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReorgError {
    /// The fork is above the tip.
    #[error("the branch starts at height {fork}, above the tip at {tip}")]
    AboveTip {
        /// Height of the block that both branches share.
        fork: Height,
        /// Height of the tip.
        tip: Height,
    },
    /// The network does not go back that far by itself (spec: consensus §0). Whoever wants to can, by
    /// [`Chainstate::disconnect_to`] and [`Chainstate::connect`].
    #[error("the branch starts at height {fork}, {depth} blocks below the tip; at most {max} are allowed")]
    TooDeep {
        /// Height of the block that both branches share.
        fork: Height,
        /// Blocks to disconnect.
        depth: u32,
        /// Most that the network allows.
        max: u32,
    },
    /// The active chain is settled up to its last checkpoint (spec: consensus §3).
    #[error("the branch starts at height {fork}, below the checkpoint at {checkpoint}")]
    BelowCheckpoint {
        /// Height of the block that both branches share.
        fork: Height,
        /// Height of the highest checkpoint that the active chain reaches.
        checkpoint: Height,
    },
    /// The branch has no more work than the active chain.
    #[error("the branch from height {fork} has no more work than the active chain")]
    NotMoreWork {
        /// Height of the block that both branches share.
        fork: Height,
        /// Work of the chain that the branch would make.
        branch: Work,
        /// Work of the active chain.
        active: Work,
    },
    /// A block of the branch breaks a rule.
    #[error(transparent)]
    Refused(#[from] Rejected),
    /// The store failed, or is pruned and cannot go back that far ([`StoreError::Pruned`]).
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Chainstate {
    /// Replaces the blocks above `fork` by `branch`, whose first block builds on the block at that height, in one durable
    /// transaction. If a block of the branch is refused, nothing is changed at all.
    ///
    /// What the blocks before brought and the branch does not is pending again if it is valid on the branch; of what is
    /// pending, only that stays.
    ///
    /// What is cheap to know is asked first: the depth, the checkpoints, and whether the branch has more work. The
    /// caller vouches for the ids as for [`connect`](Self::connect).
    ///
    /// # Errors
    /// [`ReorgError`]; the tip is where it was then.
    pub fn reorg(&mut self, fork: Height, branch: &[Candidate]) -> Result<Reorg, ReorgError> {
        check_depth(&self.params, self.tip.height, fork)?;
        let (tables, start, keep) = (self.store.tables, self.tip, self.prune);
        let base = self.store.read(|txn| active_block(&tables, txn, fork))?;
        let work = branch.iter().fold(base.work, |work, candidate| {
            work.saturating_add(CompactTarget(candidate.block.header.bits).work())
        });
        if work <= start.work {
            return Err(ReorgError::NotMoreWork { fork, branch: work, active: start.work });
        }
        let changed = self.store.try_write(|txn| {
            check_reachable(&tables, txn, fork)?;
            let Removed { tip, blocks, batch, identities, returned } = self.take_off(txn, fork)?;
            let disconnected = blocks.into_iter().map(|(height, hash)| Connected { height, hash }).collect();
            let rules = MinerRules::in_reorg(self.policy);
            let mut connection = self.connection(txn, tip, batch, identities, rules)?;
            let outcome = connection.connect_all(txn, branch)?;
            if let Some(rejected) = outcome.failure {
                return Ok(Err(rejected));
            }
            let tip: Tip = connection.finish(txn)?;
            self.pool(tip.height).rebuild(txn, returned)?;
            prune::step(&tables, txn, tip.height, keep)?;
            Ok(Ok((tip, Reorg { disconnected, connected: outcome.connected })))
        })?;
        let (tip, reorg) = changed?;
        self.tip = tip;
        self.left = None;
        Ok(reorg)
    }
}

/// Whether the network allows to go back from `tip` to `fork`.
fn check_depth(params: &ChainParams, tip: Height, fork: Height) -> Result<(), ReorgError> {
    let depth = tip.0.checked_sub(fork.0).ok_or(ReorgError::AboveTip { fork, tip })?;
    let reached = params.checkpoints.iter().rev().find(|checkpoint| checkpoint.height <= tip);
    if let Some(checkpoint) = reached
        && fork < checkpoint.height
    {
        return Err(ReorgError::BelowCheckpoint { fork, checkpoint: checkpoint.height });
    }
    match params.consensus.max_reorg_depth {
        Some(max) if depth > max => Err(ReorgError::TooDeep { fork, depth, max }),
        _ => Ok(()),
    }
}
