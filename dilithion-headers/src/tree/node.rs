//! One header of the tree.

use core::num::NonZeroU32;

use dilithion_pow::Work;
use dilithion_wire::{BlockHash, BlockHeader, Height, PeerId};

use crate::HashToken;

/// Place of a node in the arena, counted from 1 so that an `Option` of it takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(NonZeroU32);

impl NodeId {
    /// The genesis block is the first node.
    pub(crate) const GENESIS: Self = Self(NonZeroU32::MIN);

    /// The id of arena slot `slot`.
    pub(super) fn from_slot(slot: usize) -> Option<Self> {
        u32::try_from(slot + 1).ok().and_then(NonZeroU32::new).map(Self)
    }

    pub(super) fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Who said that a header has its id, and the token under which that is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) source: PeerId,
    pub(crate) token: HashToken,
}

/// What is known about a header's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Said by the next header; counts against the sender's allowance.
    Claimed(Claim),
    /// As `Claimed`, but a proved checkpoint above vouches for it.
    Assumed(Claim),
    /// `RandomX` of the header.
    Verified,
}

impl Proof {
    /// The claim, if the id is not proved.
    pub(crate) fn claim(&self) -> Option<Claim> {
        match *self {
            Self::Claimed(claim) | Self::Assumed(claim) => Some(claim),
            Self::Verified => None,
        }
    }
}

/// A header and its place in the tree. Children form a list: `first_child`, then each one's `next_sibling`.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) header: BlockHeader,
    pub(crate) hash: BlockHash,
    /// Work of the chain from genesis to here (spec: consensus §5c).
    pub(crate) work: Work,
    pub(crate) proof: Proof,
    /// Order of arrival, which decides between equal work.
    pub(super) sequence: u64,
    pub(crate) height: Height,
    pub(crate) parent: Option<NodeId>,
    /// An ancestor further down; see the `skip` module.
    pub(super) skip: Option<NodeId>,
    pub(super) first_child: Option<NodeId>,
    pub(super) next_sibling: Option<NodeId>,
    /// Its body, or an ancestor's, breaks a rule: never part of the best chain.
    pub(crate) invalid: bool,
}

impl Node {
    /// Whether the id is proved.
    pub(crate) fn is_verified(&self) -> bool {
        self.proof == Proof::Verified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_small() {
        assert_eq!(size_of::<Option<NodeId>>(), 4);
        assert_eq!(size_of::<Node>(), 200, "the README names this number");
    }
}
