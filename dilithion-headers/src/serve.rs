//! Answers to a peer's `getheaders` (spec: wire §5.2).

use dilithion_wire::{BlockHash, BlockHeader, Height};

use crate::tree::NodeId;
use crate::{HeadersManager, StoredHeader};

impl HeadersManager {
    /// Headers that follow the locator on the branch that ends in `tip`, at most `limit`, up to and with `stop`.
    ///
    /// The first locator id that we know counts; if it is on another branch, the answer starts where that leaves
    /// ours. Nothing known: the answer starts after genesis.
    #[must_use]
    pub fn headers_after(
        &self,
        locator: &[BlockHash],
        stop: &BlockHash,
        tip: &BlockHash,
        limit: usize,
    ) -> Vec<BlockHeader> {
        let Some(tip) = self.tree.get(tip) else { return Vec::new() };
        let known = locator.iter().find_map(|hash| self.tree.get(hash)).unwrap_or(NodeId::GENESIS);
        let Some(start) = self.tree.fork_point(known, tip) else { return Vec::new() };
        let first = self.tree.node(start).height.next();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut end = self.tree.node(tip).height.0.min(first.0.saturating_add(limit).saturating_sub(1));
        if let Some((stop, height)) = self.tree.get(stop).map(|stop| (stop, self.tree.node(stop).height))
            && height >= first
            && height.0 < end
            && self.tree.ancestor(tip, height) == Some(stop)
        {
            end = height.0;
        }
        let Some(last) = self.tree.ancestor(tip, Height(end)) else { return Vec::new() };
        let count = end.saturating_add(1).saturating_sub(first.0);
        self.ending_at(last, count as usize).into_iter().map(|id| self.tree.node(id).header).collect()
    }

    /// The `count` headers (fewer at genesis) of the branch that ends in `last`, in ascending order, as they would
    /// be stored: after [`Accepted`](crate::Accepted), these are the new ones.
    #[must_use]
    pub fn branch(&self, last: &BlockHash, count: usize) -> Vec<StoredHeader> {
        let Some(last) = self.tree.get(last) else { return Vec::new() };
        let stored = |id| {
            let node = self.tree.node(id);
            StoredHeader { header: node.header, hash: self.tree.hash(id), verified: node.is_verified() }
        };
        self.ending_at(last, count).into_iter().map(stored).collect()
    }

    fn ending_at(&self, last: NodeId, count: usize) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.tree.self_and_ancestors(last).take(count).collect();
        nodes.reverse();
        nodes
    }
}
