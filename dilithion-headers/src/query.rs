//! What the manager can be asked.

use dilithion_pow::Work;
use dilithion_wire::{BlockHash, BlockHeader, Height};

use crate::HeadersManager;
use crate::tree::Node;

impl HeadersManager {
    fn best(&self) -> &Node {
        self.tree.node(self.tree.best())
    }

    fn by_hash(&self, hash: &BlockHash) -> Option<&Node> {
        self.tree.get(hash).map(|id| self.tree.node(id))
    }

    /// Height of the best chain: most work, claims included.
    #[must_use]
    pub fn best_height(&self) -> Height {
        self.best().height
    }

    /// Id of the best chain's tip.
    #[must_use]
    pub fn best_hash(&self) -> BlockHash {
        self.tree.hash(self.tree.best())
    }

    /// Work of the best chain, genesis included (spec: consensus §5c).
    #[must_use]
    pub fn best_work(&self) -> Work {
        self.best().work
    }

    /// Whether the best chain has the work that the configuration asks for: until then no block of it is worth a download.
    #[must_use]
    pub fn has_minimum_work(&self) -> bool {
        self.best_work() >= self.config.minimum_chain_work
    }

    /// Greatest height of the best chain at and below which every id is verified.
    #[must_use]
    pub fn ready_height(&self) -> Height {
        self.ready
    }

    /// Greatest height at and below which every block may be connected.
    #[must_use]
    pub fn connectable_height(&self) -> Height {
        self.connectable
    }

    /// Height of the last checkpoint that was given; blocks at or below one may be connected before their headers are proved.
    #[must_use]
    pub fn last_checkpoint(&self) -> Option<Height> {
        self.config.checkpoints.last().map(|last| last.height)
    }

    /// Verified id at a height of the best chain. `None` is not "other": it may be unknown yet.
    #[must_use]
    pub fn hash_at_height(&self, height: Height) -> Option<BlockHash> {
        let id = self.tree.active_at(height).filter(|id| self.tree.node(*id).is_verified());
        id.map(|id| self.tree.hash(id))
    }

    /// Id at a height of the best chain, proved or not: good enough to download a block.
    #[must_use]
    pub fn claimed_hash_at_height(&self, height: Height) -> Option<BlockHash> {
        self.tree.active_at(height).map(|id| self.tree.hash(id))
    }

    /// Whether the best chain is verified up to and with this height.
    #[must_use]
    pub fn is_height_ready(&self, height: Height) -> bool {
        height <= self.ready
    }

    /// Whether the block at this height of the best chain may be connected: its height is ready, or at or below a
    /// checkpoint that the chain has passed with proof and the policy does not wait for more (spec: design §3).
    #[must_use]
    pub fn is_connectable(&self, height: Height) -> bool {
        height <= self.connectable
    }

    /// Height of a header, whatever branch it is on.
    #[must_use]
    pub fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.by_hash(hash).map(|node| node.height)
    }

    /// The header with this id, proved or claimed.
    #[must_use]
    pub fn header(&self, hash: &BlockHash) -> Option<BlockHeader> {
        self.by_hash(hash).map(|node| node.header)
    }

    /// Whether this id is known and proved.
    #[must_use]
    pub fn is_verified(&self, hash: &BlockHash) -> bool {
        self.by_hash(hash).is_some_and(Node::is_verified)
    }

    /// Whether this id is known and its block, or an ancestor's, was reported invalid or refused by the operator.
    #[must_use]
    pub fn is_invalid(&self, hash: &BlockHash) -> bool {
        self.by_hash(hash).is_some_and(|node| node.invalid)
    }

    /// The highest block that is valid, from this one downwards; `None` if this one is not known.
    #[must_use]
    pub fn last_valid(&self, hash: &BlockHash) -> Option<(Height, BlockHash)> {
        let valid =
            self.tree.self_and_ancestors(self.tree.get(hash)?).find(|id| !self.tree.node(*id).invalid)?;
        Some((self.tree.node(valid).height, self.tree.hash(valid)))
    }

    /// The blocks that the operator refuses and that are this one, build on it, or that it builds on, lowest first: what he
    /// has to take back for this one to be considered again.
    #[must_use]
    pub fn revoked_in_line_with(&self, hash: &BlockHash) -> Vec<BlockHash> {
        self.tree.get(hash).map(|node| self.tree.revoked_in_line_with(node)).unwrap_or_default()
    }

    /// Id and height of a header by its 80 bytes, without hashing them.
    #[must_use]
    pub fn find(&self, header: &BlockHeader) -> Option<(BlockHash, Height)> {
        let id = self.tree.child(self.tree.get(&header.prev_hash), header)?;
        Some((self.tree.hash(id), self.tree.node(id).height))
    }

    /// Whether the header is part of the best chain.
    #[must_use]
    pub fn contains_in_best_chain(&self, hash: &BlockHash) -> bool {
        self.tree.get(hash).is_some_and(|id| self.tree.is_active(id))
    }

    /// Id at `height` on the branch that ends in `hash`.
    #[must_use]
    pub fn ancestor(&self, hash: &BlockHash, height: Height) -> Option<BlockHash> {
        let id = self.tree.ancestor(self.tree.get(hash)?, height)?;
        Some(self.tree.hash(id))
    }

    /// Height of the last header that two branches share.
    #[must_use]
    pub fn fork_point(&self, a: &BlockHash, b: &BlockHash) -> Option<Height> {
        let id = self.tree.fork_point(self.tree.get(a)?, self.tree.get(b)?)?;
        Some(self.tree.node(id).height)
    }

    /// Work of the chain from genesis to this header.
    #[must_use]
    pub fn chain_work(&self, hash: &BlockHash) -> Option<Work> {
        self.by_hash(hash).map(|node| node.work)
    }

    /// Headers in the tree whose ids nothing vouches for: neither proof nor a checkpoint above them.
    #[must_use]
    pub fn unverified_count(&self) -> usize {
        self.tree.claimed_count()
    }

    /// Headers in the tree, genesis included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Always `false`: there is a genesis block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
