//! Whom each announced transaction is asked of (`TxRequestTracker` of Bitcoin Core).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dilithion_wire::{PeerId, Txid};

/// A request that is unanswered for this long is given to another peer (spec: wire §5.7).
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Shortest time between two requests to one peer. Four a second, beside the twenty for blocks, stay below the 25 that C++
/// nodes always tolerate (spec: wire §4).
pub(super) const REQUEST_INTERVAL: Duration = Duration::from_millis(250);
/// Transactions asked of one peer at once (`MAX_PEER_TX_REQUEST_IN_FLIGHT` of Bitcoin Core).
pub(super) const MAX_IN_FLIGHT_PER_PEER: usize = 100;
/// Announcements of one peer that are remembered (`MAX_PEER_TX_ANNOUNCEMENTS` of Bitcoin Core); what it announces beyond
/// is overlooked.
pub const MAX_OFFERS_PER_PEER: usize = 5000;

/// Announced transactions that are not here yet: each is asked of one peer at a time; of those that we dialled first, then
/// in the order in which they announced it.
#[derive(Debug, Default)]
pub(super) struct RequestTracker {
    wanted: BTreeMap<Txid, Wanted>,
    peers: BTreeMap<PeerId, Offers>,
    deadlines: BTreeSet<(Duration, Txid)>,
}

#[derive(Debug)]
struct Wanted {
    /// Whose turn it is.
    turn: PeerId,
    /// When its time is up, once it has been asked.
    deadline: Option<Duration>,
    /// Who announced it as well, in order.
    others: VecDeque<PeerId>,
    /// Who was asked in vain: announcing it again makes no new turn.
    failed: Vec<PeerId>,
}

#[derive(Debug, Default)]
struct Offers {
    /// We dialled it: an attacker does not choose whom we dial.
    preferred: bool,
    /// Transactions that it is the turn of this peer to be asked for; some may have come meanwhile.
    waiting: VecDeque<Txid>,
    /// Wanted transactions that it announced and has not failed to deliver.
    offered: BTreeSet<Txid>,
    in_flight: usize,
    /// Nothing is asked of it before.
    next_request: Duration,
}

impl Offers {
    fn has_room(&self) -> bool {
        self.in_flight < MAX_IN_FLIGHT_PER_PEER && !self.waiting.is_empty()
    }
}

impl RequestTracker {
    pub(super) fn add_peer(&mut self, peer: PeerId, preferred: bool) {
        self.peers.insert(peer, Offers { preferred, ..Offers::default() });
    }

    pub(super) fn has_peer(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer)
    }

    pub(super) fn is_preferred(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|offers| offers.preferred)
    }

    /// Whether there is a peer that we dialled.
    pub(super) fn has_preferred(&self) -> bool {
        self.peers.values().any(|offers| offers.preferred)
    }

    /// A peer announced a transaction that is wanted.
    pub(super) fn offer(&mut self, peer: PeerId, txid: Txid) {
        let Some(offers) = self.peers.get_mut(&peer) else { return };
        let full = offers.offered.len().max(offers.waiting.len()) >= MAX_OFFERS_PER_PEER;
        if full || offers.offered.contains(&txid) {
            return;
        }
        match self.wanted.get_mut(&txid) {
            None => {
                let wanted =
                    Wanted { turn: peer, deadline: None, others: VecDeque::new(), failed: Vec::new() };
                self.wanted.insert(txid, wanted);
                offers.waiting.push_back(txid);
            }
            Some(wanted) if !wanted.failed.contains(&peer) => wanted.others.push_back(peer),
            Some(_) => return,
        }
        offers.offered.insert(txid);
    }

    /// What is to be asked of whom now.
    pub(super) fn next_requests(&mut self, now: Duration) -> Vec<(PeerId, Vec<Txid>)> {
        let mut requests = Vec::new();
        for (peer, offers) in &mut self.peers {
            if offers.next_request > now {
                continue;
            }
            let mut txids = Vec::new();
            while offers.in_flight < MAX_IN_FLIGHT_PER_PEER
                && let Some(txid) = offers.waiting.pop_front()
            {
                let wanted = self.wanted.get_mut(&txid);
                let Some(wanted) = wanted.filter(|wanted| wanted.turn == *peer && wanted.deadline.is_none())
                else {
                    continue;
                };
                let deadline = now.saturating_add(REQUEST_TIMEOUT);
                wanted.deadline = Some(deadline);
                self.deadlines.insert((deadline, txid));
                offers.in_flight += 1;
                txids.push(txid);
            }
            if !txids.is_empty() {
                offers.next_request = now.saturating_add(REQUEST_INTERVAL);
                requests.push((*peer, txids));
            }
        }
        requests
    }

    /// Whether a peer has been asked for a transaction, and its time is not up.
    pub(super) fn is_asked(&self, txid: &Txid, peer: PeerId) -> bool {
        self.wanted.get(txid).is_some_and(|wanted| wanted.deadline.is_some() && wanted.turn == peer)
    }

    /// A transaction is here, or not wanted any more.
    pub(super) fn forget(&mut self, txid: &Txid) {
        let Some(wanted) = self.wanted.remove(txid) else { return };
        self.close(txid, wanted.turn, wanted.deadline);
        for other in wanted.others {
            self.close(txid, other, None);
        }
    }

    /// Gives requests whose time is up to others.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((deadline, txid)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.pass_on(&txid);
        }
    }

    /// Gives what was to be asked of a peer to others.
    pub(super) fn remove_peer(&mut self, peer: PeerId) {
        let Some(offers) = self.peers.remove(&peer) else { return };
        for txid in offers.offered {
            let Some(wanted) = self.wanted.get_mut(&txid) else { continue };
            if wanted.turn == peer {
                self.pass_on(&txid);
            } else {
                wanted.others.retain(|other| *other != peer);
            }
        }
    }

    /// When there is something to do: a request times out, or may be made.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let timeout = self.deadlines.first().map(|(deadline, _)| *deadline);
        let requests =
            self.peers.values().filter(|offers| offers.has_room()).map(|offers| offers.next_request);
        requests.chain(timeout).min()
    }

    /// It is the next peer's turn.
    fn pass_on(&mut self, txid: &Txid) {
        let Some(wanted) = self.wanted.get_mut(txid) else { return };
        let (failed, deadline) = (wanted.turn, wanted.deadline.take());
        let preferred = |peer: &PeerId| self.peers.get(peer).is_some_and(|offers| offers.preferred);
        let next = wanted.others.iter().position(preferred).unwrap_or(0);
        match wanted.others.remove(next) {
            Some(next) => {
                wanted.failed.push(failed);
                wanted.turn = next;
                if let Some(offers) = self.peers.get_mut(&next) {
                    offers.waiting.push_back(*txid);
                }
            }
            None => {
                self.wanted.remove(txid);
            }
        }
        self.close(txid, failed, deadline);
    }

    /// A transaction does not concern a peer any more.
    fn close(&mut self, txid: &Txid, peer: PeerId, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, *txid));
        }
        if let Some(offers) = self.peers.get_mut(&peer) {
            offers.offered.remove(txid);
            offers.in_flight -= usize::from(deadline.is_some());
        }
    }
}

#[cfg(test)]
impl RequestTracker {
    /// What must hold at any time.
    pub(super) fn audit(&self) {
        for (txid, wanted) in &self.wanted {
            let offers = |peer| self.peers.get(peer).unwrap_or_else(|| panic!("{peer} is gone"));
            let mut concerned = std::iter::once(&wanted.turn).chain(&wanted.others);
            assert!(concerned.all(|peer| offers(peer).offered.contains(txid)));
            match wanted.deadline {
                Some(deadline) => assert!(self.deadlines.contains(&(deadline, *txid))),
                None => assert!(offers(&wanted.turn).waiting.contains(txid), "nobody will be asked"),
            }
        }
        assert!(self.deadlines.iter().all(|(deadline, txid)| self.wanted[txid].deadline == Some(*deadline)));
        for (peer, offers) in &self.peers {
            let asked = |txid: &&Txid| {
                let wanted = &self.wanted[*txid];
                wanted.turn == *peer && wanted.deadline.is_some()
            };
            assert_eq!(offers.in_flight, offers.offered.iter().filter(asked).count());
            assert!(
                offers.in_flight <= MAX_IN_FLIGHT_PER_PEER && offers.offered.len() <= MAX_OFFERS_PER_PEER
            );
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::txid;

    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(2);
    const NOW: Duration = Duration::from_secs(5);

    fn tracker() -> RequestTracker {
        let mut tracker = RequestTracker::default();
        tracker.add_peer(A, false);
        tracker.add_peer(B, false);
        tracker
    }

    #[test]
    fn each_is_asked_of_one_peer_at_a_time_and_of_the_next_when_that_fails() {
        let mut tracker = tracker();
        tracker.offer(B, txid(1));
        tracker.offer(A, txid(1));
        assert_eq!(tracker.next_requests(NOW), [(B, vec![txid(1)])]);
        assert_eq!(tracker.next_requests(NOW), []);
        tracker.expire(NOW + REQUEST_TIMEOUT);
        tracker.offer(B, txid(1));
        assert_eq!(tracker.next_requests(NOW + REQUEST_TIMEOUT), [(A, vec![txid(1)])]);
        tracker.audit();
        tracker.remove_peer(A);
        assert!(tracker.is_empty(), "nobody is left to be asked: who failed has had its turn");
    }

    #[test]
    fn strangers_who_announce_first_do_not_keep_a_transaction_from_us() {
        let mut tracker = RequestTracker::default();
        let (strangers, dialled) = (1..=100, PeerId(200));
        for stranger in strangers.clone() {
            tracker.add_peer(PeerId(stranger), false);
            tracker.offer(PeerId(stranger), txid(1));
        }
        tracker.add_peer(dialled, true);
        tracker.offer(dialled, txid(1));
        assert_eq!(tracker.next_requests(NOW), [(PeerId(1), vec![txid(1)])]);
        tracker.expire(NOW + REQUEST_TIMEOUT);
        assert_eq!(tracker.next_requests(NOW + REQUEST_TIMEOUT), [(dialled, vec![txid(1)])]);
        tracker.audit();
    }

    #[test]
    fn a_peer_has_so_many_to_deliver_and_no_more() {
        let mut tracker = tracker();
        for number in 0..10_000 {
            tracker.offer(A, txid(number));
        }
        assert_eq!(tracker.peers[&A].offered.len(), MAX_OFFERS_PER_PEER);
        let [(A, first)] = &tracker.next_requests(NOW)[..] else { panic!("all of one") };
        assert_eq!(first.len(), MAX_IN_FLIGHT_PER_PEER);
        assert!(tracker.is_asked(&first[0], A));
        tracker.forget(&first[0]);
        assert_eq!(tracker.next_requests(NOW), [], "not at once");
        let due = tracker.next_due().unwrap();
        assert_eq!((due, tracker.next_requests(due)[0].1.len()), (NOW + REQUEST_INTERVAL, 1));
        tracker.audit();
    }

    #[test]
    fn a_delivery_by_another_ends_the_request() {
        let mut tracker = tracker();
        tracker.offer(A, txid(1));
        tracker.offer(B, txid(1));
        assert_eq!(tracker.next_requests(NOW).len(), 1);
        assert!(tracker.is_asked(&txid(1), A) && !tracker.is_asked(&txid(1), B));
        tracker.forget(&txid(1));
        tracker.audit();
        assert!(tracker.is_empty() && tracker.next_due().is_none());
    }
}
