//! A memory of the last ids.

use std::collections::HashSet;

use dilithion_wire::Txid;

/// Remembers the last ids that it was given: `capacity` of them at least, twice as many at most.
#[derive(Clone, Debug)]
pub(super) struct RollingSet {
    capacity: usize,
    recent: HashSet<Txid>,
    older: HashSet<Txid>,
}

impl RollingSet {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, recent: HashSet::new(), older: HashSet::new() }
    }

    /// Adds an id; tells whether it is news.
    pub(super) fn insert(&mut self, txid: Txid) -> bool {
        let news = !self.contains(&txid);
        if self.recent.len() >= self.capacity {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(txid);
        news
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.recent.contains(txid) || self.older.contains(txid)
    }

    pub(super) fn remove(&mut self, txid: &Txid) {
        self.recent.remove(txid);
        self.older.remove(txid);
    }

    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.older.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::txid;

    #[test]
    fn the_last_ones_are_remembered_and_no_more_than_twice_as_many() {
        let mut set = RollingSet::new(100);
        for number in 0..1000 {
            assert!(set.insert(txid(number)));
            assert!((number.saturating_sub(99)..=number).all(|recent| set.contains(&txid(recent))));
            assert!(set.recent.len() + set.older.len() <= 200);
        }
        assert!(!set.contains(&txid(0)) && !set.insert(txid(999)));
        set.remove(&txid(999));
        assert!(!set.contains(&txid(999)));
        set.clear();
        assert!(set.insert(txid(998)));
    }
}
