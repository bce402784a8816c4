//! Where each height is: one map that is the truth, and the indexes derived from it.
//!
//! [`Table::insert`] and [`Table::remove`] are the only code that writes to the map, and they bring every index along.
//! So a height cannot be in two places, and a count cannot drift from what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

/// Where a tracked height is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState<P> {
    /// To be requested.
    Pending,
    /// Requested, not yet delivered.
    InFlight {
        /// The peer that was asked.
        peer: P,
        /// When it was asked, on the caller's clock.
        since: Duration,
    },
    /// Delivered, not yet connected.
    Received {
        /// The peer that delivered it; whom to avoid if the block turns out bad.
        from: P,
    },
}

/// All that is known of a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<P> {
    pub(crate) state: BlockState<P>,
    /// The peer that failed the height last, which is not to be asked for it next.
    pub(crate) avoid: Option<P>,
    /// How many times the height was requested.
    pub(crate) attempts: u32,
}

impl<P> Entry<P> {
    /// A height that was never requested.
    pub(crate) fn new() -> Self {
        Self { state: BlockState::Pending, avoid: None, attempts: 0 }
    }
}

/// The heights and their entries.
#[derive(Clone, Debug)]
pub(crate) struct Table<P, H> {
    /// The truth. Everything below is derived from it.
    entries: BTreeMap<H, Entry<P>>,
    pending: PendingIndex<P, H>,
    in_flight: BTreeSet<H>,
    in_flight_by_age: BTreeSet<(Duration, H)>,
    in_flight_by_peer: BTreeMap<P, BTreeSet<(Duration, H)>>,
    received: BTreeSet<H>,
}

impl<P: Copy + Ord, H: Copy + Ord> Table<P, H> {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            pending: PendingIndex { groups: BTreeMap::new(), heads: BTreeSet::new() },
            in_flight: BTreeSet::new(),
            in_flight_by_age: BTreeSet::new(),
            in_flight_by_peer: BTreeMap::new(),
            received: BTreeSet::new(),
        }
    }

    /// Makes `entry` the only entry of `height`.
    pub(crate) fn insert(&mut self, height: H, entry: Entry<P>) {
        self.remove(height);
        match entry.state {
            BlockState::Pending => self.pending.update(entry.avoid, |group| group.insert(height)),
            BlockState::InFlight { peer, since } => {
                self.in_flight.insert(height);
                self.in_flight_by_age.insert((since, height));
                self.in_flight_by_peer.entry(peer).or_default().insert((since, height));
            }
            BlockState::Received { .. } => {
                self.received.insert(height);
            }
        }
        self.entries.insert(height, entry);
    }

    /// Forgets `height`.
    pub(crate) fn remove(&mut self, height: H) -> Option<Entry<P>> {
        let entry = self.entries.remove(&height)?;
        match entry.state {
            BlockState::Pending => self.pending.update(entry.avoid, |group| group.remove(&height)),
            BlockState::InFlight { peer, since } => {
                self.in_flight.remove(&height);
                self.in_flight_by_age.remove(&(since, height));
                if let Some(requests) = self.in_flight_by_peer.get_mut(&peer) {
                    requests.remove(&(since, height));
                    if requests.is_empty() {
                        self.in_flight_by_peer.remove(&peer);
                    }
                }
            }
            BlockState::Received { .. } => {
                self.received.remove(&height);
            }
        }
        Some(entry)
    }

    pub(crate) fn get(&self, height: H) -> Option<&Entry<P>> {
        self.entries.get(&height)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn pending_len(&self) -> usize {
        self.len() - self.in_flight_len() - self.received_len()
    }

    pub(crate) fn in_flight_len(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn received_len(&self) -> usize {
        self.received.len()
    }

    /// The heights above `last`, ascending.
    pub(crate) fn above(&self, last: H) -> impl Iterator<Item = H> {
        self.entries.range((Bound::Excluded(last), Bound::Unbounded)).map(|(&height, _)| height)
    }

    /// The lowest height of all.
    pub(crate) fn lowest(&self) -> Option<(H, &Entry<P>)> {
        self.entries.first_key_value().map(|(&height, entry)| (height, entry))
    }

    /// The lowest pending height, and the peer that it avoids.
    pub(crate) fn lowest_pending(&self) -> Option<(H, Option<P>)> {
        self.pending.heads.first().copied()
    }

    /// The lowest pending height that does not avoid `peer`.
    pub(crate) fn lowest_pending_for(&self, peer: P) -> Option<H> {
        // Each group has one head, so this is the first or the second.
        self.pending.heads.iter().find(|(_, avoid)| *avoid != Some(peer)).map(|&(height, _)| height)
    }

    /// The pending heights that avoid `peer`, ascending.
    pub(crate) fn pending_avoiding(&self, peer: P) -> impl Iterator<Item = H> {
        self.pending.groups.get(&Some(peer)).into_iter().flatten().copied()
    }

    /// The in-flight heights, ascending.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = H> {
        self.in_flight.iter().copied()
    }

    /// The in-flight heights with the time of their requests, oldest first.
    pub(crate) fn in_flight_by_age(&self) -> impl Iterator<Item = (Duration, H)> {
        self.in_flight_by_age.iter().copied()
    }

    /// The in-flight heights of `peer` with the time of their requests, oldest first.
    pub(crate) fn in_flight_of(&self, peer: P) -> Option<&BTreeSet<(Duration, H)>> {
        self.in_flight_by_peer.get(&peer)
    }

    /// How many peers have something in flight.
    pub(crate) fn peers_len(&self) -> usize {
        self.in_flight_by_peer.len()
    }
}

/// The pending heights, grouped by the peer that they avoid.
///
/// The grouping is what finds the lowest height for a peer without walking over all those that avoid it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingIndex<P, H> {
    /// No group is empty.
    groups: BTreeMap<Option<P>, BTreeSet<H>>,
    /// The lowest height of each group.
    heads: BTreeSet<(H, Option<P>)>,
}

impl<P: Copy + Ord, H: Copy + Ord> PendingIndex<P, H> {
    /// Applies `change` to the group of heights that avoid `avoid`, and keeps the heads in step.
    fn update(&mut self, avoid: Option<P>, change: impl FnOnce(&mut BTreeSet<H>) -> bool) {
        let group = self.groups.entry(avoid).or_default();
        let before = group.first().copied();
        change(group);
        let after = group.first().copied();
        if before != after {
            if let Some(head) = before {
                self.heads.remove(&(head, avoid));
            }
            match after {
                Some(head) => {
                    self.heads.insert((head, avoid));
                }
                None => {
                    self.groups.remove(&avoid);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// A height and its new entry, if any: state, peer, time and the peer to avoid.
    type Write = (u8, Option<(u8, u8, u8, Option<u8>)>);

    /// What the indexes have to be, recomputed from the entries alone.
    fn rebuilt(table: &Table<u8, u8>) -> Table<u8, u8> {
        let mut fresh = Table::new();
        for (&height, &entry) in &table.entries {
            fresh.entries.insert(height, entry);
            match entry.state {
                BlockState::Pending => {
                    fresh.pending.groups.entry(entry.avoid).or_default().insert(height);
                }
                BlockState::InFlight { peer, since } => {
                    fresh.in_flight.insert(height);
                    fresh.in_flight_by_age.insert((since, height));
                    fresh.in_flight_by_peer.entry(peer).or_default().insert((since, height));
                }
                BlockState::Received { .. } => {
                    fresh.received.insert(height);
                }
            }
        }
        let groups = &fresh.pending.groups;
        fresh.pending.heads = groups.iter().map(|(&avoid, group)| (*group.first().unwrap(), avoid)).collect();
        fresh
    }

    fn assert_indexes_agree(table: &Table<u8, u8>) {
        let expected = rebuilt(table);
        assert_eq!(table.pending, expected.pending);
        assert_eq!(table.in_flight, expected.in_flight);
        assert_eq!(table.in_flight_by_age, expected.in_flight_by_age);
        assert_eq!(table.in_flight_by_peer, expected.in_flight_by_peer);
        assert_eq!(table.received, expected.received);
        let pending: usize = expected.pending.groups.values().map(BTreeSet::len).sum();
        assert_eq!(table.pending_len(), pending);
    }

    fn entry(state: u8, peer: u8, since: u8, avoid: Option<u8>) -> Entry<u8> {
        let state = match state % 3 {
            0 => BlockState::Pending,
            1 => BlockState::InFlight { peer: peer % 4, since: Duration::from_secs(u64::from(since % 8)) },
            _ => BlockState::Received { from: peer % 4 },
        };
        Entry { state, avoid: avoid.map(|peer| peer % 4), attempts: 0 }
    }

    quickcheck! {
        /// Requirements 000-060 and 000-063: after any writes the indexes are what the map says.
        fn indexes_are_derived_from_the_entries(writes: Vec<Write>) -> () {
            let mut table = Table::new();
            for (height, write) in writes {
                match write {
                    Some((state, peer, since, avoid)) => table.insert(height % 16, entry(state, peer, since, avoid)),
                    None => drop(table.remove(height % 16)),
                }
                assert_indexes_agree(&table);
            }
        }

        /// The lowest height for a peer is found without a walk, and is the one that a walk finds.
        fn lowest_for_a_peer_is_exact(heights: Vec<(u8, Option<u8>)>, peer: u8) -> bool {
            let mut table = Table::new();
            for (height, avoid) in heights {
                table.insert(height, entry(0, 0, 0, avoid));
            }
            let walked = table.entries.iter().find(|(_, entry)| entry.avoid != Some(peer % 4)).map(|(&h, _)| h);
            table.lowest_pending_for(peer % 4) == walked
                && table.lowest_pending().map(|(height, _)| height) == table.lowest().map(|(height, _)| height)
        }
    }
}
