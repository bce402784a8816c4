//! A block's place in the chain: its parent, its height, the checkpoints.

use dilithion_wire::{BlockHash, ChainParams, Height, Policy};

use super::{BlockError, Candidate};

/// What a block is checked against besides the UTXO set.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Rules of the network.
    pub params: &'a ChainParams,
    /// How many of them are enforced.
    pub policy: Policy,
    /// Height that the block would have.
    pub height: Height,
    /// Id of the block below.
    pub parent: BlockHash,
}

/// How much of a block is checked for its height; how much of that, says the [`Policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// At or below the last checkpoint: parent, checkpoint ids, merkle root, structure, inputs exist.
    Checkpointed,
    /// Above it: also that the id is proven, the rules for transactions, values, scripts and the coinbase's claim.
    Full,
}

impl Context<'_> {
    /// Whether all rules are enforced: the policy is strict, and no checkpoint vouches for the block.
    pub fn enforces_all(&self) -> bool {
        self.policy == Policy::Strict && self.level() == Level::Full
    }

    /// The level of this height. Whoever hands over a block at or below the last checkpoint vouches that the header
    /// chain it belongs to contains the checkpoint.
    pub fn level(&self) -> Level {
        match self.params.last_checkpoint() {
            Some(checkpoint) if self.height <= checkpoint.height => Level::Checkpointed,
            _ => Level::Full,
        }
    }
}

/// Checks the parent link, the checkpoint of this height if there is one (spec: consensus §3), and that an id which
/// no checkpoint vouches for is proven.
pub(super) fn check_place(candidate: &Candidate, context: &Context<'_>) -> Result<(), BlockError> {
    let found = candidate.block.header.prev_hash;
    if found != context.parent {
        return Err(BlockError::Parent { expected: context.parent, found });
    }
    if let Some(expected) = context.params.checkpoint_at(context.height)
        && expected != candidate.hash
    {
        return Err(BlockError::Checkpoint { expected, found: candidate.hash });
    }
    if context.level() == Level::Full && !candidate.verified {
        return Err(BlockError::Unproven { hash: candidate.hash });
    }
    Ok(())
}
