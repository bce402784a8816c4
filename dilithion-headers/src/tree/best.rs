//! The best chain: greatest work, of equal work the first seen (spec: consensus §5c).

use core::cmp::Reverse;

use dilithion_pow::Work;
use dilithion_wire::Height;

use super::{HeaderTree, Node, NodeId};
use crate::BestChange;

/// A tip that could be the best; the greatest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    work: Work,
    arrival: Reverse<u64>,
    node: NodeId,
}

impl Candidate {
    pub(super) fn of(id: NodeId, node: &Node) -> Self {
        Self { work: node.work, arrival: Reverse(node.sequence), node: id }
    }
}

impl HeaderTree {
    /// Tip of the best chain.
    pub(crate) fn best(&self) -> NodeId {
        self.active.last().copied().unwrap_or(NodeId::GENESIS)
    }

    /// The best chain's node at `height`.
    pub(crate) fn active_at(&self, height: Height) -> Option<NodeId> {
        self.active.get(usize::try_from(height.0).ok()?).copied()
    }

    /// Whether the node is part of the best chain.
    pub(crate) fn is_active(&self, id: NodeId) -> bool {
        self.active_at(self.node(id).height) == Some(id)
    }

    pub(super) fn drop_candidate(&mut self, id: NodeId) {
        let candidate = Candidate::of(id, self.node(id));
        self.candidates.remove(&candidate);
    }

    /// Enters or removes a node according to its children.
    pub(super) fn refresh_candidate(&mut self, id: NodeId) {
        let node = self.node(id);
        let candidate = Candidate::of(id, node);
        if node.invalid || self.arena.children(id).any(|child| !self.node(child).invalid) {
            self.candidates.remove(&candidate);
        } else {
            self.candidates.insert(candidate);
        }
    }

    /// Ends the best chain below `id`, if it contains it.
    pub(super) fn cut_active(&mut self, id: NodeId) {
        if !self.is_active(id) {
            return;
        }
        let height = self.node(id).height;
        self.active.truncate(height.0 as usize);
        self.cut = true;
    }

    /// Moves the best chain to the best candidate; says how it moved since the last call.
    pub(crate) fn update_best(&mut self) -> Option<BestChange> {
        let tip = self.candidates.last().map_or(NodeId::GENESIS, |candidate| candidate.node);
        let mut branch: Vec<NodeId> =
            self.self_and_ancestors(tip).take_while(|id| !self.is_active(*id)).collect();
        let cut = core::mem::take(&mut self.cut);
        if tip == self.best() {
            return cut.then(|| BestChange { fork: self.node(tip).height });
        }
        let fork = match branch.last().and_then(|lowest| self.node(*lowest).height.prev()) {
            Some(fork) => fork,
            None => self.node(tip).height,
        };
        self.active.truncate(fork.next().0 as usize);
        branch.reverse();
        branch.into_iter().for_each(|id| self.active.push(id));
        Some(BestChange { fork })
    }
}
