//! The index by id: four bytes and a tag per place, for the arena knows the ids.

use std::hash::{BuildHasher, RandomState};

use dilithion_wire::BlockHash;

use super::NodeId;

/// Tag of an empty place; those of used ones have the top bit set.
const EMPTY: u8 = 0;

/// Places of the smallest table.
const MIN_PLACES: usize = 16;

/// An open-addressing hash table (linear probing, backward-shift removal) of nodes by their ids.
///
/// It does not store the ids: the caller compares, and says the id of a node when others have to move. The hash is
/// keyed at random, so that nobody can choose ids that collide. At most 3/4 of the places are used, and it grows by a
/// half, so that at least 1/2 are, unless nodes were removed.
#[derive(Debug, Clone, Default)]
pub(super) struct IdIndex {
    hasher: RandomState,
    /// Seven bits of each used place's hash: a place is rarely looked at for nothing.
    tags: Vec<u8>,
    nodes: Vec<Option<NodeId>>,
    len: usize,
}

impl IdIndex {
    /// Nodes in the index.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The node with this id; `is_it` compares.
    pub(super) fn get(&self, id: &BlockHash, is_it: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        self.find(id, is_it).and_then(|place| self.nodes.get(place).copied().flatten())
    }

    /// Whether one more node needs a larger table.
    pub(super) fn is_full(&self) -> bool {
        4 * (self.len + 1) > 3 * self.tags.len()
    }

    /// Replaces the table by a larger one of these nodes, which must be all that are in it.
    pub(super) fn grow(&mut self, nodes: impl Iterator<Item = (NodeId, BlockHash)>) {
        let places = (self.tags.len() + self.tags.len() / 2).max(MIN_PLACES);
        // The old table goes first: the nodes come from elsewhere.
        (self.tags, self.nodes) = (Vec::new(), Vec::new());
        (self.tags, self.nodes, self.len) = (vec![EMPTY; places], vec![None; places], 0);
        for (node, id) in nodes {
            self.insert(node, &id);
        }
    }

    /// Adds a node, whose id is not in the index. The table must not be [full](Self::is_full).
    pub(super) fn insert(&mut self, node: NodeId, id: &BlockHash) {
        let hash = self.hasher.hash_one(id);
        let mut place = self.home(hash);
        while self.tags[place] != EMPTY {
            place = self.after(place);
        }
        self.put(place, tag(hash), Some(node));
        self.len += 1;
    }

    /// Takes a node out; `id_of` tells the ids of others, which may have to move up.
    pub(super) fn remove(&mut self, node: NodeId, id: &BlockHash, id_of: impl Fn(NodeId) -> BlockHash) {
        let Some(mut hole) = self.find(id, |other| other == node) else { return };
        self.len -= 1;
        let mut place = self.after(hole);
        while let Some(other) = self.nodes[place] {
            let home = self.home(self.hasher.hash_one(id_of(other)));
            // It may move into the hole unless that is before its home, the table being a ring.
            if self.distance(home, place) >= self.distance(hole, place) {
                self.put(hole, self.tags[place], Some(other));
                hole = place;
            }
            place = self.after(place);
        }
        self.put(hole, EMPTY, None);
    }

    fn find(&self, id: &BlockHash, is_it: impl Fn(NodeId) -> bool) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(id);
        let mut place = self.home(hash);
        // Ends, as there are always empty places.
        while self.tags[place] != EMPTY {
            if self.tags[place] == tag(hash) && self.nodes[place].is_some_and(&is_it) {
                return Some(place);
            }
            place = self.after(place);
        }
        None
    }

    fn put(&mut self, place: usize, tag: u8, node: Option<NodeId>) {
        self.tags[place] = tag;
        self.nodes[place] = node;
    }

    /// Where the search for a hash begins: its share of the table.
    fn home(&self, hash: u64) -> usize {
        let places = self.tags.len() as u128;
        usize::try_from((u128::from(hash) * places) >> u64::BITS).unwrap_or(0)
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 == self.tags.len() { 0 } else { place + 1 }
    }

    /// Steps from one place to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.tags.len() - from }
    }
}

/// The low bits, as the high ones decide about the place.
fn tag(hash: u64) -> u8 {
    hash.to_le_bytes()[0] | 0x80
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use quickcheck::quickcheck;

    use super::*;

    fn id(slot: usize) -> BlockHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(slot as u64).to_le_bytes());
        BlockHash::from_bytes(bytes)
    }

    fn node(slot: usize) -> NodeId {
        NodeId::from_slot(slot).unwrap()
    }

    fn add(index: &mut IdIndex, model: &BTreeMap<usize, NodeId>, slot: usize) {
        if index.is_full() {
            index.grow(model.iter().map(|(slot, node)| (*node, id(*slot))));
        }
        index.insert(node(slot), &id(slot));
    }

    fn get(index: &IdIndex, slot: usize) -> Option<NodeId> {
        index.get(&id(slot), |node| node.slot() == slot)
    }

    quickcheck! {
        fn agrees_with_a_map(steps: Vec<(bool, u8)>) -> bool {
            let (mut index, mut model) = (IdIndex::default(), BTreeMap::new());
            for (insert, slot) in steps {
                let slot = usize::from(slot);
                if insert && !model.contains_key(&slot) {
                    add(&mut index, &model, slot);
                    model.insert(slot, node(slot));
                } else if let Some(node) = model.remove(&slot) {
                    index.remove(node, &id(slot), |other| id(other.slot()));
                }
                if index.len() != model.len() {
                    return false;
                }
            }
            (0..256).all(|slot| get(&index, slot) == model.get(&slot).copied())
        }
    }

    #[test]
    fn keeps_its_load_between_a_half_and_three_quarters() {
        const SLOTS: usize = if cfg!(miri) { 1000 } else { 20_000 };
        let (mut index, mut model) = (IdIndex::default(), BTreeMap::new());
        for slot in 0..SLOTS {
            add(&mut index, &model, slot);
            model.insert(slot, node(slot));
            let (used, places) = (index.len(), index.tags.len());
            assert!(4 * used <= 3 * places && (places == MIN_PLACES || 2 * used >= places));
        }
        for slot in (0..SLOTS).rev().filter(|slot| slot % 3 != 0) {
            index.remove(node(slot), &id(slot), |other| id(other.slot()));
        }
        assert!((0..SLOTS).all(|slot| get(&index, slot).is_some() == (slot % 3 == 0)));
    }

    /// A search that begins at the same place for all ids answers right, after looking at every node.
    #[test]
    fn searches_begin_all_over_the_table() {
        const IDS: usize = 200;
        let mut index = IdIndex::default();
        index.grow(std::iter::empty());
        while 3 * index.tags.len() < 4 * IDS {
            index.grow(std::iter::empty());
        }
        let homes: BTreeSet<_> = (0..IDS).map(|slot| index.home(index.hasher.hash_one(id(slot)))).collect();
        // About 140 are to be expected, give or take 6.
        assert!(homes.len() > IDS / 2 && homes.last().is_some_and(|home| *home < index.tags.len()));
    }

    #[test]
    fn an_empty_index_knows_nothing() {
        let mut index = IdIndex::default();
        assert_eq!((get(&index, 0), index.len()), (None, 0));
        index.remove(node(0), &id(0), |_| BlockHash::ZERO);
    }
}
