//! Transactions whose parents are missing (`TxOrphanage` of Bitcoin Core).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_wire::{PeerId, Transaction, Txid};

/// Transactions of one peer that wait for their parents.
const MAX_ORPHANS_PER_PEER: usize = 10;
/// Bytes of all that wait. One signed input takes 5.3 kB, so that is some thousand ordinary ones.
const MAX_ORPHAN_BYTES: usize = 8 << 20;
/// A parent that has not come by then will not (`ORPHAN_TX_EXPIRE_TIME` of Bitcoin Core).
const ORPHAN_LIFETIME: Duration = Duration::from_secs(20 * 60);

#[derive(Debug)]
struct Orphan {
    transaction: Transaction,
    peer: PeerId,
    parent: Txid,
    bytes: usize,
    expires: Duration,
}

/// Transactions that wait for a parent each; if that is not the only one that is missing, they come back for the next.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    orphans: BTreeMap<Txid, Orphan>,
    children: BTreeMap<Txid, BTreeSet<Txid>>,
    per_peer: BTreeMap<PeerId, usize>,
    bytes: usize,
}

impl Orphans {
    /// Keeps a transaction until its parent comes; tells whether there was room.
    pub(super) fn insert(
        &mut self,
        txid: Txid,
        transaction: Transaction,
        parent: Txid,
        peer: PeerId,
        now: Duration,
    ) -> bool {
        self.expire(now);
        let bytes = transaction.encoded_len();
        let of_peer = self.per_peer.entry(peer).or_default();
        if *of_peer >= MAX_ORPHANS_PER_PEER || self.bytes.saturating_add(bytes) > MAX_ORPHAN_BYTES {
            return false;
        }
        *of_peer += 1;
        self.bytes += bytes;
        self.children.entry(parent).or_default().insert(txid);
        let expires = now.saturating_add(ORPHAN_LIFETIME);
        self.orphans.insert(txid, Orphan { transaction, peer, parent, bytes, expires });
        true
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.orphans.contains_key(txid)
    }

    /// Takes out what waits for a transaction, with who sent it.
    pub(super) fn take_children(&mut self, parent: &Txid) -> Vec<(Txid, PeerId, Transaction)> {
        let children = self.children.get(parent).cloned().unwrap_or_default();
        children.into_iter().filter_map(|txid| self.remove(&txid)).collect()
    }

    /// Takes out everything.
    pub(super) fn take_all(&mut self) -> Vec<(Txid, PeerId, Transaction)> {
        let all: Vec<Txid> = self.orphans.keys().copied().collect();
        all.iter().filter_map(|txid| self.remove(txid)).collect()
    }

    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.remove_if(|orphan| orphan.peer == peer);
    }

    fn expire(&mut self, now: Duration) {
        self.remove_if(|orphan| orphan.expires <= now);
    }

    fn remove_if(&mut self, condition: impl Fn(&Orphan) -> bool) {
        let gone: Vec<Txid> =
            self.orphans.iter().filter(|(_, orphan)| condition(orphan)).map(|(txid, _)| *txid).collect();
        for txid in gone {
            self.remove(&txid);
        }
    }

    fn remove(&mut self, txid: &Txid) -> Option<(Txid, PeerId, Transaction)> {
        let orphan = self.orphans.remove(txid)?;
        self.bytes -= orphan.bytes;
        if let Some(children) = self.children.get_mut(&orphan.parent) {
            children.remove(txid);
            if children.is_empty() {
                self.children.remove(&orphan.parent);
            }
        }
        if let Some(count) = self.per_peer.get_mut(&orphan.peer) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&orphan.peer);
            }
        }
        Some((*txid, orphan.peer, orphan.transaction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::{transaction, txid};

    const NOW: Duration = Duration::from_secs(1);
    const PEER: PeerId = PeerId(1);

    #[test]
    fn they_wait_within_bounds_and_leave_nothing_behind() {
        let mut orphans = Orphans::default();
        let mut insert = |number: u32, peer| {
            orphans.insert(txid(number), transaction(number, txid(1000)), txid(number % 3), peer, NOW)
        };
        let kept = (0..20).filter(|number| insert(*number, PEER)).count();
        assert_eq!(kept, MAX_ORPHANS_PER_PEER);
        assert!(insert(100, PeerId(2)), "another peer has room of its own");
        assert_eq!(orphans.take_children(&txid(0)).len(), 4);
        assert!(orphans.take_children(&txid(0)).is_empty());
        orphans.forget_peer(PEER);
        assert!(orphans.contains(&txid(100)));
        orphans.expire(NOW + ORPHAN_LIFETIME);
        assert!(orphans.orphans.is_empty() && orphans.children.is_empty() && orphans.per_peer.is_empty());
        assert_eq!(orphans.bytes, 0);
    }

    #[test]
    fn large_ones_do_not_fill_the_memory() {
        let mut orphans = Orphans::default();
        let mut kept = 0_usize;
        for number in 0..100 {
            let mut large = transaction(number, txid(1000));
            large.outputs[0].script_pubkey = vec![0; 1 << 20].into();
            kept += usize::from(orphans.insert(txid(number), large, txid(7), PeerId(number.into()), NOW));
        }
        assert_eq!((kept, orphans.bytes <= MAX_ORPHAN_BYTES), (7, true));
        assert_eq!(orphans.take_all().len(), 7);
    }
}
