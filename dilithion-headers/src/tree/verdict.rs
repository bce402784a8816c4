//! Which blocks are invalid: those that break a rule, those that the operator refuses, and all that build on them.
//!
//! The two causes are kept apart and what follows from them is derived, so that the operator's verdict can be taken back
//! and leaves nothing behind.

use dilithion_wire::{BlockHash, Height};

use super::{HeaderTree, NodeId};

impl HeaderTree {
    /// The body of a node's block breaks a rule: excludes it and its descendants from the best chain. Genesis is always
    /// valid.
    pub(crate) fn invalidate(&mut self, top: NodeId) {
        if self.node(top).parent.is_some() {
            self.node_mut(top).broken = true;
            self.judge(top);
        }
    }

    /// The operator refuses a block, which need not be known yet.
    pub(crate) fn revoke(&mut self, hash: BlockHash) {
        let known = self.get(&hash);
        if known != Some(NodeId::GENESIS) && self.revoked.insert(hash) {
            known.into_iter().for_each(|node| self.judge(node));
        }
    }

    /// The operator refuses a block no longer; tells whether he did.
    pub(crate) fn reinstate(&mut self, hash: &BlockHash) -> bool {
        let was_revoked = self.revoked.remove(hash);
        if was_revoked && let Some(node) = self.get(hash) {
            self.judge(node);
        }
        was_revoked
    }

    /// Whether the operator refuses this very block.
    pub(crate) fn is_revoked(&self, hash: &BlockHash) -> bool {
        self.revoked.contains(hash)
    }

    /// The blocks that the operator refuses and that are `node`, build on it, or that it builds on, lowest first.
    pub(crate) fn revoked_in_line_with(&self, node: NodeId) -> Vec<BlockHash> {
        let in_line = |other: NodeId| {
            let (height, other_height) = (self.node(node).height, self.node(other).height);
            let (low, high) = if height < other_height { (node, other) } else { (other, node) };
            self.ancestor(high, height.min(other_height)) == Some(low)
        };
        let known = self.revoked.iter().filter_map(|hash| Some((*hash, self.get(hash)?)));
        let mut found: Vec<(Height, BlockHash)> = known
            .filter(|(_, other)| in_line(*other))
            .map(|(hash, other)| (self.node(other).height, hash))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, hash)| hash).collect()
    }

    /// Derives anew what is invalid from `top` upwards.
    fn judge(&mut self, top: NodeId) {
        let Some(parent) = self.node(top).parent else { return };
        // Parents come before their children.
        let subtree = self.arena.subtree(top);
        for id in subtree.iter().copied() {
            let node = self.node(id);
            let inherited = node.parent.is_some_and(|parent| self.node(parent).invalid);
            let invalid = inherited || node.broken || self.revoked.contains(&self.hash(id));
            self.node_mut(id).invalid = invalid;
        }
        if self.node(top).invalid {
            self.cut_active(top);
        }
        subtree.into_iter().for_each(|id| self.refresh_candidate(id));
        self.refresh_candidate(parent);
    }
}
