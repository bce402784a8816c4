//! One header of the tree.

use core::num::NonZeroU32;

use dilithion_pow::Work;
use dilithion_wire::{BlockHeader, Height};

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

/// What is known about a header's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Said by the next header; counts against the sender's allowance.
    Claimed,
    /// As `Claimed`, but a proved checkpoint above vouches for it.
    Assumed,
    /// `RandomX` of the header.
    Verified,
}

/// A header and its place in the tree. Its id is in the arena: its children name it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) header: BlockHeader,
    /// Work of the chain from genesis to here (spec: consensus §5c).
    pub(crate) work: Work,
    /// Order of arrival, which decides between equal work.
    pub(super) sequence: u64,
    pub(crate) height: Height,
    pub(crate) parent: Option<NodeId>,
    /// An ancestor further down; see the `skip` module.
    pub(super) skip: Option<NodeId>,
    pub(super) first_child: Option<NodeId>,
    pub(super) next_sibling: Option<NodeId>,
    pub(super) proof: Proof,
    /// Its own body breaks a rule.
    pub(super) broken: bool,
    /// It or an ancestor is broken, or refused by the operator: not part of the best chain. See the `verdict` module.
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
        assert_eq!(size_of::<Node>(), 144, "the README names this number");
    }
}
