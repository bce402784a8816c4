//! The nodes, and their ids: a header names its parent's id, so that only those of leaves are stored apart.

use std::collections::BTreeMap;

use dilithion_wire::BlockHash;

use super::chunks::Chunks;
use super::{Node, NodeId};

/// Every node of the tree. Children form a list: `first_child`, then each one's `next_sibling`.
#[derive(Debug, Clone)]
pub(super) struct Arena {
    nodes: Chunks<Node>,
    /// Slots of removed nodes.
    free: Vec<NodeId>,
    /// Ids of the nodes without children.
    leaves: BTreeMap<NodeId, BlockHash>,
}

impl Arena {
    pub(super) fn new(genesis: Node, hash: BlockHash) -> Self {
        let leaves = BTreeMap::from([(NodeId::GENESIS, hash)]);
        Self { nodes: Chunks::of(genesis), free: Vec::new(), leaves }
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.slot()]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.slot()]
    }

    /// The id of the node's header.
    pub(super) fn hash(&self, id: NodeId) -> BlockHash {
        match self.node(id).first_child {
            Some(child) => self.node(child).header.prev_hash,
            None => self.leaves.get(&id).copied().unwrap_or_default(),
        }
    }

    /// All nodes with their ids, in the order of the arena.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, BlockHash)> {
        let ids = self.nodes.iter().enumerate().filter_map(|(slot, node)| {
            let id = NodeId::from_slot(slot)?;
            (node.parent.is_some() || id == NodeId::GENESIS).then_some(id)
        });
        ids.map(|id| (id, self.hash(id)))
    }

    pub(super) fn children(&self, parent: NodeId) -> impl Iterator<Item = NodeId> {
        core::iter::successors(self.node(parent).first_child, |child| self.node(*child).next_sibling)
    }

    /// Adds a node as the first child of `parent`, whose id its header names.
    pub(super) fn insert(&mut self, mut node: Node, hash: BlockHash, parent: NodeId) -> NodeId {
        debug_assert_eq!(
            node.header.prev_hash,
            self.hash(parent),
            "the id of a parent is what its children say"
        );
        node.next_sibling = self.node(parent).first_child;
        let id = self.place(node);
        self.node_mut(parent).first_child = Some(id);
        self.leaves.remove(&parent);
        self.leaves.insert(id, hash);
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

    /// `top` and everything built on it.
    pub(super) fn subtree(&self, top: NodeId) -> Vec<NodeId> {
        let mut found = vec![top];
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            found.extend(self.children(id));
            next += 1;
        }
        found
    }

    /// Takes a node and its descendants, which `doomed` lists, off `parent`; their slots are free again.
    pub(super) fn remove(&mut self, doomed: &[NodeId], parent: NodeId) {
        let hash = self.hash(parent);
        let Some(&top) = doomed.first() else { return };
        self.unlink(top, parent);
        if self.node(parent).first_child.is_none() {
            self.leaves.insert(parent, hash);
        }
        for id in doomed {
            self.leaves.remove(id);
            // Tells a free slot from a used one.
            self.node_mut(*id).parent = None;
        }
        self.free.extend(doomed);
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
}
