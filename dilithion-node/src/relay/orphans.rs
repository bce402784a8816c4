//! Transactions whose parents are missing (`TxOrphanage` of Bitcoin Core).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_wire::{PeerId, Transaction, Txid};

/// Transactions of one peer that wait for their parents.
const MAX_ORPHANS_PER_PEER: usize = 10;
/// Bytes of one peer's that wait: one of the largest, or some two hundred with one signed input.
const MAX_ORPHAN_BYTES_PER_PEER: usize = 1 << 20;
/// Bytes of all that wait.
const MAX_ORPHAN_BYTES: usize = 8 << 20;
/// A parent that has not come by then will not (`ORPHAN_TX_EXPIRE_TIME` of Bitcoin Core).
const ORPHAN_LIFETIME: Duration = Duration::from_secs(20 * 60);

/// A transaction that waits, or waited, for its parent.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    pub(super) txid: Txid,
    pub(super) transaction: Transaction,
    /// Who sent it.
    pub(super) peer: PeerId,
    /// When it came, the first time.
    pub(super) since: Duration,
}

#[derive(Debug)]
struct Waiting {
    orphan: Orphan,
    parent: Txid,
    bytes: usize,
}

/// Transactions that wait for a parent each; if that is not the only one that is missing, they come back for the next.
///
/// Where there is no room the oldest of whoever takes most of it goes, so nobody's orphans are at the mercy of others.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    orphans: BTreeMap<Txid, Waiting>,
    children: BTreeMap<Txid, BTreeSet<Txid>>,
    /// Number and bytes of each peer's.
    per_peer: BTreeMap<PeerId, (usize, usize)>,
    bytes: usize,
}

impl Orphans {
    /// Keeps a transaction until its parent comes; tells whether it is kept.
    pub(super) fn insert(&mut self, orphan: Orphan, parent: Txid, now: Duration) -> bool {
        self.expire(now);
        let (txid, peer, bytes) = (orphan.txid, orphan.peer, orphan.transaction.encoded_len());
        let too_old = is_old(&orphan, now);
        if too_old || bytes > MAX_ORPHAN_BYTES_PER_PEER || self.contains(&txid) {
            return false;
        }
        while self.is_full_for(peer, bytes) {
            self.remove_oldest_of(peer);
        }
        while self.bytes.saturating_add(bytes) > MAX_ORPHAN_BYTES
            && let Some(largest) = self.largest_holder()
        {
            self.remove_oldest_of(largest);
        }
        let (count, of_peer) = self.per_peer.entry(peer).or_default();
        *count += 1;
        *of_peer += bytes;
        self.bytes += bytes;
        self.children.entry(parent).or_default().insert(txid);
        self.orphans.insert(txid, Waiting { orphan, parent, bytes });
        true
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.orphans.contains_key(txid)
    }

    /// Takes out what waits for a transaction.
    pub(super) fn take_children(&mut self, parent: &Txid) -> Vec<Orphan> {
        let children = self.children.get(parent).cloned().unwrap_or_default();
        children.into_iter().filter_map(|txid| self.remove(&txid)).collect()
    }

    /// Takes out everything that is not too old.
    pub(super) fn take_all(&mut self, now: Duration) -> Vec<Orphan> {
        self.expire(now);
        let all: Vec<Txid> = self.orphans.keys().copied().collect();
        all.iter().filter_map(|txid| self.remove(txid)).collect()
    }

    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.remove_if(|orphan| orphan.peer == peer);
    }

    fn is_full_for(&self, peer: PeerId, bytes: usize) -> bool {
        self.per_peer.get(&peer).is_some_and(|(count, of_peer)| {
            *count >= MAX_ORPHANS_PER_PEER || of_peer.saturating_add(bytes) > MAX_ORPHAN_BYTES_PER_PEER
        })
    }

    fn largest_holder(&self) -> Option<PeerId> {
        self.per_peer.iter().max_by_key(|(_, (_, bytes))| *bytes).map(|(peer, _)| *peer)
    }

    fn remove_oldest_of(&mut self, peer: PeerId) {
        let of_peer = self.orphans.values().filter(|waiting| waiting.orphan.peer == peer);
        let oldest = of_peer.min_by_key(|waiting| waiting.orphan.since).map(|waiting| waiting.orphan.txid);
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
    }

    fn expire(&mut self, now: Duration) {
        self.remove_if(|orphan| is_old(orphan, now));
    }

    fn remove_if(&mut self, condition: impl Fn(&Orphan) -> bool) {
        let gone = self.orphans.values().filter(|waiting| condition(&waiting.orphan));
        for txid in gone.map(|waiting| waiting.orphan.txid).collect::<Vec<_>>() {
            self.remove(&txid);
        }
    }

    fn remove(&mut self, txid: &Txid) -> Option<Orphan> {
        let Waiting { orphan, parent, bytes } = self.orphans.remove(txid)?;
        self.bytes -= bytes;
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(txid);
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
        if let Some((count, of_peer)) = self.per_peer.get_mut(&orphan.peer) {
            *count -= 1;
            *of_peer -= bytes;
            if *count == 0 {
                self.per_peer.remove(&orphan.peer);
            }
        }
        Some(orphan)
    }
}

fn is_old(orphan: &Orphan, now: Duration) -> bool {
    now.saturating_sub(orphan.since) >= ORPHAN_LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::{transaction, txid};

    const NOW: Duration = Duration::from_secs(1);
    const PEER: PeerId = PeerId(1);

    fn orphan(number: u32, peer: PeerId) -> Orphan {
        Orphan { txid: txid(number), transaction: transaction(number, txid(1000)), peer, since: NOW }
    }

    #[test]
    fn they_wait_within_bounds_and_leave_nothing_behind() {
        let mut orphans = Orphans::default();
        for number in 0..20 {
            let since = NOW + Duration::from_millis(number.into());
            let younger = Orphan { since, ..orphan(number, PEER) };
            assert!(orphans.insert(younger, txid(number % 3), NOW));
        }
        assert_eq!(orphans.orphans.len(), MAX_ORPHANS_PER_PEER);
        assert!(!orphans.contains(&txid(9)) && orphans.contains(&txid(10)), "the oldest went");
        assert!(orphans.insert(orphan(100, PeerId(2)), txid(1), NOW), "others have room of their own");
        assert_eq!(orphans.take_children(&txid(0)).len(), 3);
        assert!(orphans.take_children(&txid(0)).is_empty());
        orphans.forget_peer(PEER);
        assert!(orphans.contains(&txid(100)));
        assert!(orphans.take_all(NOW + ORPHAN_LIFETIME).is_empty(), "too old");
        assert!(orphans.orphans.is_empty() && orphans.children.is_empty() && orphans.per_peer.is_empty());
        assert_eq!(orphans.bytes, 0);
    }

    #[test]
    fn trying_again_makes_nobody_younger() {
        let mut orphans = Orphans::default();
        assert!(orphans.insert(orphan(1, PEER), txid(0), NOW));
        let later = NOW + ORPHAN_LIFETIME / 2;
        let [again] = &orphans.take_all(later)[..] else { panic!("there is one") };
        assert!(orphans.insert(again.clone(), txid(0), later));
        assert!(!orphans.insert(again.clone(), txid(0), NOW + ORPHAN_LIFETIME));
        assert!(!orphans.contains(&txid(1)));
    }

    #[test]
    fn large_ones_do_not_fill_the_memory_nor_push_out_small_ones() {
        let mut orphans = Orphans::default();
        assert!(orphans.insert(orphan(1000, PeerId(1000)), txid(7), NOW));
        for number in 0..100 {
            let mut large = orphan(number, PeerId(number.into()));
            large.transaction.outputs[0].script_pubkey = vec![0; (1 << 20) - 300].into();
            assert!(orphans.insert(large, txid(7), NOW));
        }
        assert!(orphans.bytes <= MAX_ORPHAN_BYTES && orphans.contains(&txid(1000)));
        assert_eq!(orphans.take_children(&txid(7)).len(), 1 + 8);
    }
}
