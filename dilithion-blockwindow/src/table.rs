//! Where each height is: one map that is the truth, and the indexes derived from it.
//!
//! [`Table::replace`] is the only code that writes to the map, and it brings every index along. So a height cannot be in
//! two places, and a count cannot drift from what it counts.

use crate::clock::Counted;
use crate::config::WindowConfig;
use crate::pending::PendingIndex;
use crate::place::{Asked, Askees, Entry, Place};
use crate::record::Record;
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;
use core::time::Duration;

/// The heights and their entries, and the peers that were asked.
#[derive(Clone, Debug)]
pub(crate) struct Table<P, H> {
    config: WindowConfig,
    /// The truth about heights.
    entries: BTreeMap<H, Entry<P>>,
    /// The peers that were asked for something since they connected.
    peers: BTreeMap<P, Peer<H>>,
    // Derived from the entries.
    pending: PendingIndex<P, H>,
    in_flight: BTreeSet<H>,
    received: BTreeSet<H>,
    /// When the first request of each peer that has any fails.
    deadlines: BTreeSet<(Counted, P)>,
}

/// One peer.
#[derive(Clone, Debug)]
struct Peer<H> {
    /// The truth about the peer.
    record: Record<H>,
    /// Its open requests, oldest first. Derived from the entries.
    open: BTreeSet<(Counted, H)>,
    /// Its entry in [`Table::deadlines`].
    deadline: Option<Counted>,
}

impl<H> Peer<H> {
    fn new() -> Self {
        Self { record: Record::new(), open: BTreeSet::new(), deadline: None }
    }

    /// When a request of the time `asked` fails. The later it was asked, the later it fails.
    fn deadline(&self, asked: Counted, config: &WindowConfig) -> Counted {
        let silence = self.record.silent_since(asked).after(config.request_timeout);
        silence.min(asked.after(config.max_request_age))
    }
}

impl<P: Copy + Ord, H: Copy + Ord> Table<P, H> {
    pub(crate) fn new(config: WindowConfig) -> Self {
        Self {
            config,
            entries: BTreeMap::new(),
            peers: BTreeMap::new(),
            pending: PendingIndex::new(),
            in_flight: BTreeSet::new(),
            received: BTreeSet::new(),
            deadlines: BTreeSet::new(),
        }
    }

    pub(crate) fn config(&self) -> &WindowConfig {
        &self.config
    }

    /// Makes `entry` the only entry of `height`. A request that this closes is owed by its peer from now on.
    pub(crate) fn insert(&mut self, height: H, entry: Entry<P>) {
        self.replace(height, Some(entry), None);
    }

    /// Forgets `height`. A request that this closes is owed by its peer from now on.
    pub(crate) fn remove(&mut self, height: H) -> Option<Entry<P>> {
        self.replace(height, None, None)
    }

    /// Forgets all heights, and nothing about peers.
    pub(crate) fn clear(&mut self) {
        while let Some(&height) = self.in_flight.first() {
            self.remove(height);
        }
        self.entries.clear();
        self.pending = PendingIndex::new();
        self.received.clear();
    }

    /// Makes `entry` the only entry of `height`, or forgets it. A request that this closes is owed by its peer, unless
    /// that is the one by whom it is `settled`.
    pub(crate) fn replace(
        &mut self,
        height: H,
        entry: Option<Entry<P>>,
        settled: Option<P>,
    ) -> Option<Entry<P>> {
        let old = self.entries.remove(&height);
        if let Some(old) = old {
            match old.place {
                Place::Pending => self.pending.update(old.avoid, |group| group.remove(&height)),
                Place::InFlight(askees) => {
                    let kept = entry.and_then(|entry| entry.askees());
                    self.close(height, askees, kept, settled);
                }
                Place::Received { .. } => drop(self.received.remove(&height)),
            }
        }
        if let Some(entry) = entry {
            match entry.place {
                Place::Pending => self.pending.update(entry.avoid, |group| group.insert(height)),
                Place::InFlight(askees) => self.open(height, askees),
                Place::Received { .. } => drop(self.received.insert(height)),
            }
            self.entries.insert(height, entry);
        }
        old
    }

    fn open(&mut self, height: H, askees: Askees<P>) {
        self.in_flight.insert(height);
        for asked in askees.iter() {
            self.peers.entry(asked.peer).or_insert_with(Peer::new).open.insert((asked.counted, height));
            self.update_deadline(asked.peer);
        }
    }

    fn close(&mut self, height: H, askees: Askees<P>, kept: Option<Askees<P>>, settled: Option<P>) {
        self.in_flight.remove(&height);
        for asked in askees.iter() {
            if let Some(peer) = self.peers.get_mut(&asked.peer) {
                peer.open.remove(&(asked.counted, height));
                let goes_on = kept.is_some_and(|kept| kept.of(asked.peer).is_some());
                if !goes_on && settled != Some(asked.peer) {
                    peer.record.note_owed(height);
                }
            }
            self.update_deadline(asked.peer);
        }
    }

    fn update_deadline(&mut self, id: P) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let deadline = peer.open.first().map(|&(asked, _)| peer.deadline(asked, &self.config));
        if deadline != peer.deadline {
            if let Some(before) = peer.deadline {
                self.deadlines.remove(&(before, id));
            }
            if let Some(deadline) = deadline {
                self.deadlines.insert((deadline, id));
            }
            peer.deadline = deadline;
        }
    }

    /// Records a delivery of something that `id` was asked for; `asked` is given if that request was open.
    pub(crate) fn note_delivery(&mut self, id: P, asked: Option<Counted>, at: Counted) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.record.note_delivery(asked, at);
            self.update_deadline(id);
        }
    }

    /// Forgets a peer that has no open requests.
    pub(crate) fn forget_peer(&mut self, id: P) {
        self.peers.remove(&id);
    }

    /// What is remembered of a peer; nothing of one that was never asked.
    pub(crate) fn record(&self, id: P) -> Option<&Record<H>> {
        self.peers.get(&id).map(|peer| &peer.record)
    }

    /// Changes what is remembered of a peer, but for its deliveries, on which the deadlines depend.
    pub(crate) fn record_mut(&mut self, id: P) -> Option<&mut Record<H>> {
        self.peers.get_mut(&id).map(|peer| &mut peer.record)
    }

    pub(crate) fn limit_of(&self, id: P) -> usize {
        let max = self.config.max_in_flight_per_peer;
        self.record(id).map_or(max, |record| record.limit(max))
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

    /// How many peers have something in flight.
    pub(crate) fn busy_peers_len(&self) -> usize {
        self.deadlines.len()
    }

    /// The heights above `last`, ascending.
    pub(crate) fn above(&self, last: H) -> impl Iterator<Item = H> {
        self.entries.range((Bound::Excluded(last), Bound::Unbounded)).map(|(&height, _)| height)
    }

    /// The lowest height of all.
    pub(crate) fn lowest(&self) -> Option<(H, &Entry<P>)> {
        self.entries.first_key_value().map(|(&height, entry)| (height, entry))
    }

    /// The pending heights.
    pub(crate) fn pending(&self) -> &PendingIndex<P, H> {
        &self.pending
    }

    /// The in-flight heights, ascending.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = H> {
        self.in_flight.iter().copied()
    }

    /// The in-flight heights of `id`, in the order of their requests.
    pub(crate) fn open_of(&self, id: P) -> impl DoubleEndedIterator<Item = (Counted, H)> {
        self.peers.get(&id).into_iter().flat_map(|peer| peer.open.iter().copied())
    }

    /// How many heights are in flight from `id`.
    pub(crate) fn open_len_of(&self, id: P) -> usize {
        self.peers.get(&id).map_or(0, |peer| peer.open.len())
    }

    /// When the next request fails.
    pub(crate) fn next_deadline(&self) -> Option<Counted> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// The requests that have failed by `now`.
    pub(crate) fn failed(&self, now: Counted) -> impl Iterator<Item = (H, Asked<P>)> {
        let silent = self.deadlines.iter().take_while(move |&&(deadline, _)| deadline <= now);
        silent.filter_map(|&(_, id)| Some((id, self.peers.get(&id)?))).flat_map(move |(id, peer)| {
            let failed =
                peer.open.iter().take_while(move |&&(asked, _)| peer.deadline(asked, &self.config) <= now);
            failed.filter_map(move |&(_, height)| Some((height, self.get(height)?.askees()?.of(id)?)))
        })
    }

    /// Since when `id` has been silent about a request of the time `asked`.
    pub(crate) fn silent_since(&self, id: P, asked: Counted) -> Counted {
        self.record(id).map_or(asked, |record| record.silent_since(asked))
    }

    /// How long `id` is usually silent before a delivery.
    pub(crate) fn pace_of(&self, id: P) -> Option<Duration> {
        self.record(id)?.pace()
    }
}

#[cfg(test)]
mod tests;
