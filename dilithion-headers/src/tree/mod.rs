//! The header tree: an arena of nodes, an index by id, and the best chain.

mod best;
mod node;
mod skip;

use std::collections::{BTreeSet, HashMap};

use dilithion_pow::CompactTarget;
use dilithion_wire::{BlockHash, BlockHeader, Height, PeerId};

use self::best::Candidate;
pub(crate) use self::node::{Claim, Node, NodeId, Proof};

/// Every header that is kept.
#[derive(Debug)]
pub(crate) struct HeaderTree {
    nodes: Vec<Node>,
    /// Slots of removed nodes.
    free: Vec<NodeId>,
    by_hash: HashMap<BlockHash, NodeId>,
    /// The best chain by height.
    active: Vec<NodeId>,
    /// Valid nodes without valid children, by work.
    candidates: BTreeSet<Candidate>,
    /// The best chain was cut back since it was last brought up to date.
    cut: bool,
    next_sequence: u64,
    /// Nodes in state `Claimed`, by sender; kept by `set_proof`, `insert` and `remove` alone.
    claimed: HashMap<PeerId, usize>,
    claimed_total: usize,
}

impl HeaderTree {
    /// A tree of one verified node.
    pub(crate) fn new(header: BlockHeader, hash: BlockHash) -> Self {
        let genesis = Node {
            header,
            hash,
            work: CompactTarget(header.bits).work(),
            proof: Proof::Verified,
            sequence: 0,
            height: Height::GENESIS,
            parent: None,
            skip: None,
            first_child: None,
            next_sibling: None,
            invalid: false,
        };
        let candidate = Candidate::of(NodeId::GENESIS, &genesis);
        Self {
            nodes: vec![genesis],
            free: Vec::new(),
            by_hash: HashMap::from([(hash, NodeId::GENESIS)]),
            active: vec![NodeId::GENESIS],
            candidates: BTreeSet::from([candidate]),
            cut: false,
            next_sequence: 1,
            claimed: HashMap::new(),
            claimed_total: 0,
        }
    }

    /// A node that is in the tree; ids come from this tree only.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.slot()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.slot()]
    }

    /// Headers in the tree.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// The node with this id, proved or claimed.
    pub(crate) fn get(&self, hash: &BlockHash) -> Option<NodeId> {
        self.by_hash.get(hash).copied()
    }

    /// All nodes, in the order of the arena.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().filter_map(|node| {
            let id = self.get(&node.hash)?;
            // A freed slot still holds its last node, whose id may be in use elsewhere.
            core::ptr::eq(self.node(id), node).then_some((id, node))
        })
    }

    /// `node`, its parent, and so on to genesis.
    pub(crate) fn self_and_ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(Some(node), |walk| self.node(*walk).parent)
    }

    fn children(&self, parent: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(self.node(parent).first_child, |child| self.node(*child).next_sibling)
    }

    /// The child of `parent` with these bytes (of nothing: genesis).
    pub(crate) fn child(&self, parent: Option<NodeId>, header: &BlockHeader) -> Option<NodeId> {
        match parent {
            Some(parent) => self.children(parent).find(|child| self.node(*child).header == *header),
            None => Some(NodeId::GENESIS).filter(|genesis| self.node(*genesis).header == *header),
        }
    }

    /// Adds a header whose id is new. The best chain follows at the next `update_best`.
    pub(crate) fn insert(
        &mut self,
        header: BlockHeader,
        hash: BlockHash,
        parent: NodeId,
        proof: Proof,
    ) -> NodeId {
        let above = self.node(parent);
        let node = Node {
            header,
            hash,
            work: above.work.saturating_add(CompactTarget(header.bits).work()),
            proof,
            sequence: self.next_sequence,
            height: above.height.next(),
            parent: Some(parent),
            skip: self.skip_of_child(parent),
            first_child: None,
            next_sibling: above.first_child,
            invalid: above.invalid,
        };
        self.next_sequence += 1;
        self.count_claim(proof, 1);
        let id = self.place(node);
        self.node_mut(parent).first_child = Some(id);
        self.by_hash.insert(hash, id);
        self.refresh_candidate(parent);
        self.refresh_candidate(id);
        id
    }

    fn place(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        self.nodes.push(node);
        NodeId::from_slot(self.nodes.len() - 1).expect("2^32 headers do not fit into memory")
    }

    /// Changes what is known about a node's id.
    pub(crate) fn set_proof(&mut self, id: NodeId, proof: Proof) {
        let old = core::mem::replace(&mut self.node_mut(id).proof, proof);
        self.count_claim(old, -1);
        self.count_claim(proof, 1);
    }

    fn count_claim(&mut self, proof: Proof, by: isize) {
        let Proof::Claimed(claim) = proof else { return };
        let count = self.claimed.entry(claim.source).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.claimed.remove(&claim.source);
        }
        self.claimed_total = self.claimed_total.saturating_add_signed(by);
    }

    /// Nodes in state `Claimed`.
    pub(crate) fn claimed_count(&self) -> usize {
        self.claimed_total
    }

    /// Nodes in state `Claimed` that came from `peer`.
    pub(crate) fn claimed_by(&self, peer: PeerId) -> usize {
        self.claimed.get(&peer).copied().unwrap_or(0)
    }

    /// `top` and everything built on it.
    fn subtree(&self, top: NodeId) -> Vec<NodeId> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            found.extend(self.children(id));
            next += 1;
        }
        found
    }

    /// Takes a node and its descendants out, so that their ids are free again; returns the unproved claims.
    pub(crate) fn remove(&mut self, top: NodeId) -> Vec<Claim> {
        let Some(parent) = self.node(top).parent else { return Vec::new() };
        let doomed = self.subtree(top);
        self.cut_active(top);
        self.unlink(top, parent);
        let mut claims = Vec::new();
        for id in doomed {
            let Node { hash, proof, .. } = *self.node(id);
            self.count_claim(proof, -1);
            claims.extend(proof.claim());
            self.drop_candidate(id);
            self.by_hash.remove(&hash);
            self.free.push(id);
        }
        self.refresh_candidate(parent);
        claims
    }

    fn unlink(&mut self, child: NodeId, parent: NodeId) {
        let next = self.node(child).next_sibling;
        if self.node(parent).first_child == Some(child) {
            self.node_mut(parent).first_child = next;
            return;
        }
        let elder = self.children(parent).find(|sibling| self.node(*sibling).next_sibling == Some(child));
        if let Some(elder) = elder {
            self.node_mut(elder).next_sibling = next;
        }
    }

    /// Excludes a node and its descendants from the best chain; genesis is always valid.
    pub(crate) fn invalidate(&mut self, top: NodeId) {
        let Some(parent) = self.node(top).parent else { return };
        self.cut_active(top);
        for id in self.subtree(top) {
            self.node_mut(id).invalid = true;
            self.drop_candidate(id);
        }
        self.refresh_candidate(parent);
    }
}
