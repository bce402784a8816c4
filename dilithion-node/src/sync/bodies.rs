//! Block bodies between the network and the chain.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use dilithion_wire::{BlockHash, Height, PeerId};

/// Bodies of disconnected blocks that are remembered to be in the store; what is more is fetched again.
pub const MAX_STORED: usize = 4096;

/// Where a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Here: the payload of its `block` message.
    Payload(Bytes),
    /// In the store, from before it was disconnected.
    Stored,
}

impl Body {
    /// Bytes that it holds in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Payload(payload) => payload.len(),
            Self::Stored => 0,
        }
    }

    /// Whether it holds no memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A block whose body is here.
#[derive(Clone, Debug)]
pub(super) struct ReceivedBlock {
    pub(super) peer: PeerId,
    pub(super) hash: BlockHash,
    pub(super) body: Body,
}

/// The bodies of the heights that the window holds as received, each in one of two places.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// Their turn has not come.
    waiting: BTreeMap<Height, ReceivedBlock>,
    /// Handed to validation and not yet answered, from the tip upwards without a gap.
    validating: BTreeMap<Height, ReceivedBlock>,
    /// Sum over both.
    bytes: usize,
    /// The largest body there ever was.
    largest: usize,
    /// Blocks that are not connected, whose bodies the store still has.
    stored: BTreeSet<BlockHash>,
    /// The same, oldest first.
    stored_order: VecDeque<BlockHash>,
}

impl Bodies {
    /// Bytes of all bodies in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the largest body there ever was.
    pub(super) const fn largest(&self) -> usize {
        self.largest
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.validating.len()
    }

    pub(super) fn heights(&self) -> impl Iterator<Item = Height> {
        self.validating.keys().chain(self.waiting.keys()).copied()
    }

    pub(super) fn is_waiting(&self, height: Height) -> bool {
        self.waiting.contains_key(&height)
    }

    pub(super) fn is_validating(&self, height: Height) -> bool {
        self.validating.contains_key(&height)
    }

    pub(super) fn validating_len(&self) -> usize {
        self.validating.len()
    }

    /// The last block handed to validation.
    pub(super) fn last_validating(&self) -> Option<(Height, BlockHash)> {
        self.validating.last_key_value().map(|(height, block)| (*height, block.hash))
    }

    /// The block of a height, wherever it is.
    pub(super) fn get(&self, height: Height) -> Option<&ReceivedBlock> {
        self.waiting.get(&height).or_else(|| self.validating.get(&height))
    }

    /// Keeps a body until its turn comes.
    pub(super) fn insert(&mut self, height: Height, block: ReceivedBlock) {
        self.bytes += block.body.len();
        self.largest = self.largest.max(block.body.len());
        if let Some(before) = self.waiting.insert(height, block) {
            self.bytes -= before.body.len();
        }
    }

    /// The turn of a height has come: hands out what is waiting there.
    pub(super) fn validate(&mut self, height: Height) -> Option<ReceivedBlock> {
        let block = self.waiting.remove(&height)?;
        self.validating.insert(height, block.clone());
        Some(block)
    }

    /// Forgets a height.
    pub(super) fn remove(&mut self, height: Height) {
        for block in [self.waiting.remove(&height), self.validating.remove(&height)].into_iter().flatten() {
            self.bytes -= block.body.len();
        }
    }

    /// The answers of validation are void: what it has waits for its turn again.
    pub(super) fn return_validating(&mut self) {
        self.waiting.append(&mut self.validating);
    }

    /// Forgets what waits above a height.
    pub(super) fn truncate_waiting(&mut self, height: Height) {
        for block in self.waiting.split_off(&height.next()).values() {
            self.bytes -= block.body.len();
        }
    }

    /// Forgets all bodies in memory.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.validating.clear();
        self.bytes = 0;
    }

    /// A block was disconnected; its body stays in the store.
    pub(super) fn remember_stored(&mut self, hash: BlockHash) {
        if self.stored.insert(hash) {
            self.stored_order.push_back(hash);
        }
        if self.stored_order.len() > MAX_STORED {
            self.stored_order.pop_front().map(|oldest| self.stored.remove(&oldest));
        }
    }

    /// The store does not have this body after all, or has it connected.
    pub(super) fn forget_stored(&mut self, hash: &BlockHash) {
        if self.stored.remove(hash) {
            self.stored_order.retain(|stored| stored != hash);
        }
    }

    /// Whether the store has the body of any block that is not connected.
    pub(super) fn has_stored(&self) -> bool {
        !self.stored.is_empty()
    }

    /// Whether a body from the store is in validation, or waits for its turn at the height `next`.
    pub(super) fn is_stored_under_way(&self, next: Height) -> bool {
        let waiting = self.waiting.get(&next).into_iter();
        waiting.chain(self.validating.values()).any(|block| block.body == Body::Stored)
    }

    pub(super) fn is_stored(&self, hash: &BlockHash) -> bool {
        self.stored.contains(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: usize) -> ReceivedBlock {
        let body = Body::Payload(vec![0; bytes].into());
        ReceivedBlock { peer: PeerId(1), hash: BlockHash::ZERO, body }
    }

    #[test]
    fn bytes_are_those_of_both_places() {
        let mut bodies = Bodies::default();
        (1..=4).for_each(|height| bodies.insert(Height(height), block(10)));
        bodies.insert(Height(4), block(7));
        assert!(bodies.validate(Height(1)).is_some() && bodies.validate(Height(9)).is_none());
        assert_eq!((bodies.bytes(), bodies.len(), bodies.validating_len()), (37, 4, 1));
        bodies.return_validating();
        assert!(bodies.is_waiting(Height(1)) && !bodies.is_validating(Height(1)));
        bodies.remove(Height(2));
        bodies.truncate_waiting(Height(3));
        assert_eq!((bodies.bytes(), bodies.len()), (20, 2));
        bodies.clear();
        assert_eq!((bodies.bytes(), bodies.len()), (0, 0));
    }

    #[test]
    fn what_is_remembered_of_the_store_is_bounded() {
        let hash = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            BlockHash::from_bytes(bytes)
        };
        let mut bodies = Bodies::default();
        (0..=MAX_STORED).for_each(|number| bodies.remember_stored(hash(number)));
        assert!(!bodies.is_stored(&hash(0)) && bodies.is_stored(&hash(1)));
        bodies.forget_stored(&hash(1));
        assert!(!bodies.is_stored(&hash(1)));
    }
}
