//! The header tree: an arena of nodes, an index by id, claims, and the best chain.

#[expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "an id is made by the arena, and what it names stays; 2^32 headers fit into no memory"
)]
mod arena;
mod best;
#[expect(
    clippy::indexing_slicing,
    reason = "positions are the arena's, which asks for those that it has filled"
)]
mod chunks;
mod claims;
#[expect(clippy::indexing_slicing, reason = "each place is made by a function that ends within the table")]
mod index;
mod node;
mod skip;
mod verdict;

use std::collections::{BTreeSet, HashSet};

use dilithion_pow::CompactTarget;
use dilithion_wire::{BlockHash, BlockHeader, Height, PeerId};

use self::arena::Arena;
use self::best::Candidate;
use self::chunks::Chunks;
pub(crate) use self::claims::Claim;
use self::claims::Claims;
use self::index::IdIndex;
pub(crate) use self::node::{Node, NodeId, Proof};

/// Every header that is kept.
#[derive(Debug)]
pub(crate) struct HeaderTree {
    arena: Arena,
    by_hash: IdIndex,
    /// The best chain by height.
    active: Chunks<NodeId>,
    /// Valid nodes without valid children, by work.
    candidates: BTreeSet<Candidate>,
    /// The best chain was cut back since it was last brought up to date.
    cut: bool,
    next_sequence: u64,
    /// One for each node that is not verified; charged while it is `Proof::Claimed`.
    claims: Claims,
    /// Blocks that the operator declared invalid, known or not.
    revoked: HashSet<BlockHash>,
}

impl HeaderTree {
    /// A tree of one verified node.
    pub(crate) fn new(header: BlockHeader, hash: BlockHash) -> Self {
        let genesis = Node {
            header,
            work: CompactTarget(header.bits).work(),
            sequence: 0,
            height: Height::GENESIS,
            parent: None,
            skip: None,
            first_child: None,
            next_sibling: None,
            proof: Proof::Verified,
            broken: false,
            invalid: false,
        };
        let candidate = Candidate::of(NodeId::GENESIS, &genesis);
        let mut tree = Self {
            arena: Arena::new(genesis, hash),
            by_hash: IdIndex::default(),
            active: Chunks::of(NodeId::GENESIS),
            candidates: BTreeSet::from([candidate]),
            cut: false,
            next_sequence: 1,
            claims: Claims::default(),
            revoked: HashSet::new(),
        };
        tree.by_hash.grow(tree.arena.iter());
        tree
    }

    /// A node that is in the tree; ids come from this tree only.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.arena.node(id)
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.arena.node_mut(id)
    }

    /// The id of a node's header, proved or claimed.
    pub(crate) fn hash(&self, id: NodeId) -> BlockHash {
        self.arena.hash(id)
    }

    /// Headers in the tree.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// The node with this id, proved or claimed.
    pub(crate) fn get(&self, hash: &BlockHash) -> Option<NodeId> {
        self.by_hash.get(hash, |id| self.hash(id) == *hash)
    }

    /// `node`, its parent, and so on to genesis.
    pub(crate) fn self_and_ancestors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(Some(node), |walk| self.node(*walk).parent)
    }

    /// The child of `parent` with these bytes (of nothing: genesis).
    pub(crate) fn child(&self, parent: Option<NodeId>, header: &BlockHeader) -> Option<NodeId> {
        match parent {
            Some(parent) => self.arena.children(parent).find(|child| self.node(*child).header == *header),
            None => Some(NodeId::GENESIS).filter(|genesis| self.node(*genesis).header == *header),
        }
    }

    /// Adds a header whose id is new; without a claim it is verified. The best chain follows at the next
    /// `update_best`.
    pub(crate) fn insert(
        &mut self,
        header: BlockHeader,
        hash: BlockHash,
        parent: NodeId,
        claim: Option<Claim>,
    ) -> NodeId {
        let above = self.node(parent);
        let node = Node {
            header,
            work: above.work.saturating_add(CompactTarget(header.bits).work()),
            sequence: self.next_sequence,
            height: above.height.next(),
            parent: Some(parent),
            skip: self.skip_of_child(parent),
            first_child: None,
            next_sibling: None,
            proof: if claim.is_some() { Proof::Claimed } else { Proof::Verified },
            broken: false,
            invalid: above.invalid || self.revoked.contains(&hash),
        };
        self.next_sequence += 1;
        if self.by_hash.is_full() {
            self.by_hash.grow(self.arena.iter());
        }
        let id = self.arena.insert(node, hash, parent);
        self.by_hash.insert(id, &hash);
        if let Some(claim) = claim {
            self.claims.insert(id, claim);
        }
        self.refresh_candidate(parent);
        self.refresh_candidate(id);
        id
    }

    /// The claim of a node that is not verified.
    pub(crate) fn claim(&self, id: NodeId) -> Option<Claim> {
        self.claims.get(id)
    }

    /// The claims of all nodes that are not verified, in no order.
    pub(crate) fn claims(&self) -> impl Iterator<Item = Claim> {
        self.claims.iter()
    }

    /// A node's id is proved; returns the claim that this ends.
    pub(crate) fn verify(&mut self, id: NodeId) -> Option<Claim> {
        let claim = self.end_claim(id)?;
        self.node_mut(id).proof = Proof::Verified;
        Some(claim)
    }

    /// A proved checkpoint above a node vouches for its claim, if that is all there is.
    pub(crate) fn assume(&mut self, id: NodeId) {
        if let (Proof::Claimed, Some(claim)) = (self.node(id).proof, self.claim(id)) {
            self.node_mut(id).proof = Proof::Assumed;
            self.claims.discharge(claim.source);
        }
    }

    fn end_claim(&mut self, id: NodeId) -> Option<Claim> {
        let claim = self.claims.remove(id)?;
        if self.node(id).proof == Proof::Claimed {
            self.claims.discharge(claim.source);
        }
        Some(claim)
    }

    /// Nodes in state `Claimed`.
    pub(crate) fn claimed_count(&self) -> usize {
        self.claims.charged()
    }

    /// Nodes in state `Claimed` that came from `peer`.
    pub(crate) fn claimed_by(&self, peer: PeerId) -> usize {
        self.claims.charged_to(peer)
    }

    /// Takes a node and its descendants out, so that their ids are free again; returns the unproved claims.
    pub(crate) fn remove(&mut self, top: NodeId) -> Vec<Claim> {
        let Some(parent) = self.node(top).parent else { return Vec::new() };
        let doomed = self.arena.subtree(top);
        self.cut_active(top);
        let mut claims = Vec::new();
        for id in doomed.iter().copied() {
            claims.extend(self.end_claim(id));
            self.drop_candidate(id);
            // The arena keeps their ids until the last is out of the index.
            self.by_hash.remove(id, &self.arena.hash(id), |other| self.arena.hash(other));
        }
        self.arena.remove(&doomed, parent);
        self.refresh_candidate(parent);
        claims
    }
}
