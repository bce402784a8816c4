//! The claims of the few nodes that are not proved, and how many each peer has made.

use std::collections::HashMap;

use dilithion_wire::PeerId;

use super::NodeId;
use crate::HashToken;

/// Who said that a header has its id, and the token under which that is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) source: PeerId,
    pub(crate) token: HashToken,
}

/// Claims by node. Those that nothing vouches for are charged to their source.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    by_node: HashMap<NodeId, Claim>,
    charged: HashMap<PeerId, usize>,
    total: usize,
}

impl Claims {
    pub(super) fn get(&self, node: NodeId) -> Option<Claim> {
        self.by_node.get(&node).copied()
    }

    /// All claims, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Claim> {
        self.by_node.values().copied()
    }

    /// Adds a claim and charges it.
    pub(super) fn insert(&mut self, node: NodeId, claim: Claim) {
        self.by_node.insert(node, claim);
        *self.charged.entry(claim.source).or_default() += 1;
        self.total += 1;
    }

    /// Ends a claim; one that is still charged must be discharged as well.
    pub(super) fn remove(&mut self, node: NodeId) -> Option<Claim> {
        self.by_node.remove(&node)
    }

    /// Takes one claim off its source's account.
    pub(super) fn discharge(&mut self, source: PeerId) {
        let Some(count) = self.charged.get_mut(&source) else { return };
        *count -= 1;
        if *count == 0 {
            self.charged.remove(&source);
        }
        self.total -= 1;
    }

    /// Charged claims of all peers.
    pub(super) fn charged(&self) -> usize {
        self.total
    }

    /// Charged claims of one peer.
    pub(super) fn charged_to(&self, source: PeerId) -> usize {
        self.charged.get(&source).copied().unwrap_or(0)
    }
}
