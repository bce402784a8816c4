//! What a peer is to hear of, and when.

use std::collections::VecDeque;
use std::time::Duration;

use dilithion_wire::Txid;

use super::rolling_set::RollingSet;
use crate::random::Random;

/// Ids in one announcement (`INVENTORY_BROADCAST_MAX` of Bitcoin Core). One message each two seconds is far below the ten
/// a second that S nodes tolerate (spec: wire §4).
const MAX_PER_ANNOUNCEMENT: usize = 1000;
/// Ids that wait for their announcement. What is more is not announced to this peer.
const MAX_WAITING: usize = 50_000;
/// Ids that a peer is known to know.
const REMEMBERED: usize = 20_000;

/// What one peer is to hear of.
#[derive(Debug)]
pub(super) struct Announcements {
    wants: bool,
    mean: Duration,
    /// What it told us, or we told it.
    known: RollingSet,
    waiting: VecDeque<Txid>,
    due: Duration,
}

impl Announcements {
    /// For a peer that does or does not want to hear of transactions.
    pub(super) fn new(wants: bool, mean: Duration) -> Self {
        let known = RollingSet::new(REMEMBERED);
        Self { wants, mean, known, waiting: VecDeque::new(), due: Duration::ZERO }
    }

    /// The peer knows of a transaction.
    pub(super) fn knows(&mut self, txid: Txid) {
        self.known.insert(txid);
    }

    /// A transaction became pending.
    pub(super) fn push(&mut self, txid: Txid, now: Duration, random: &mut Random) {
        if !self.wants || self.known.contains(&txid) || self.waiting.len() >= MAX_WAITING {
            return;
        }
        // The clock starts with the first: what came since the last announcement has been waiting for nothing.
        if self.waiting.is_empty() {
            self.due = now.saturating_add(random.exponential(self.mean));
        }
        self.waiting.push_back(txid);
    }

    /// What the peer is to hear of now, of what is still pending.
    pub(super) fn take_due(&mut self, now: Duration, random: &mut Random, pending: &RollingSet) -> Vec<Txid> {
        if self.waiting.is_empty() || now < self.due {
            return Vec::new();
        }
        self.due = now.saturating_add(random.exponential(self.mean));
        let mut txids = Vec::new();
        while txids.len() < MAX_PER_ANNOUNCEMENT
            && let Some(txid) = self.waiting.pop_front()
        {
            // It may have told us meanwhile.
            if pending.contains(&txid) && self.known.insert(txid) {
                txids.push(txid);
            }
        }
        txids
    }

    /// When the next announcement is due, if there is one.
    pub(super) fn next_due(&self) -> Option<Duration> {
        (!self.waiting.is_empty()).then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::txid;

    fn pending(numbers: std::ops::Range<u32>) -> RollingSet {
        let mut pending = RollingSet::new(100_000);
        numbers.for_each(|number| {
            pending.insert(txid(number));
        });
        pending
    }

    #[test]
    fn a_peer_hears_once_of_what_it_did_not_tell_us() {
        let (mut random, now) = (Random::new(1), Duration::from_secs(100));
        let mut peer = Announcements::new(true, Duration::from_secs(5));
        let pending = pending(0..4);
        peer.knows(txid(1));
        for number in [1, 2, 3, 2, 9] {
            peer.push(txid(number), now, &mut random);
        }
        peer.knows(txid(3));
        assert!(peer.take_due(now, &mut random, &pending).is_empty(), "not at once");
        let due = peer.next_due().unwrap();
        assert_eq!(peer.take_due(due, &mut random, &pending), [txid(2)], "9 is gone");
        peer.push(txid(2), due, &mut random);
        assert_eq!(peer.next_due(), None);
    }

    #[test]
    fn many_are_announced_in_portions_and_the_excess_is_not() {
        let mut random = Random::new(1);
        let mut peer = Announcements::new(true, Duration::from_secs(5));
        let pending = pending(0..60_000);
        (0..60_000).for_each(|number| peer.push(txid(number), Duration::ZERO, &mut random));
        let mut told = 0;
        while let Some(due) = peer.next_due() {
            let portion = peer.take_due(due, &mut random, &pending).len();
            assert!(portion <= MAX_PER_ANNOUNCEMENT);
            told += portion;
        }
        assert_eq!(told, MAX_WAITING);
        let mut deaf = Announcements::new(false, Duration::from_secs(5));
        deaf.push(txid(1), Duration::ZERO, &mut random);
        assert_eq!(deaf.next_due(), None);
    }
}
