//! Which pending transactions a block includes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dilithion_chain::PendingTransaction;
use dilithion_wire::{Amount, Transaction, Txid};

/// Transactions for a block, parents before their children, and what they pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The transactions.
    pub transactions: Vec<Transaction>,
    /// Their bytes.
    pub bytes: usize,
    /// Their fees.
    pub fees: Amount,
}

/// Chooses what pays most for its size, each with the pending transactions that it builds on, until no more fits in `room`
/// bytes. `pending` has no parent after its child, as the pool hands them out; `is_final` says whether the block may
/// include one by its lock time.
#[must_use]
pub fn select(
    pending: Vec<PendingTransaction>,
    room: usize,
    is_final: impl Fn(&Transaction) -> bool,
) -> Selection {
    let mut places: BTreeMap<Txid, usize> = BTreeMap::new();
    let mut candidates: Vec<Candidate> = Vec::with_capacity(pending.len());
    for (place, entry) in pending.into_iter().enumerate() {
        let spent = entry.transaction.inputs.iter().map(|input| input.previous_output.txid);
        let parents: BTreeSet<usize> = spent.filter_map(|txid| places.get(&txid).copied()).collect();
        // What builds on a transaction that has to wait waits as well.
        let waits = !is_final(&entry.transaction)
            || parents.iter().any(|parent| candidates.get(*parent).is_none_or(|parent| parent.waits));
        places.insert(entry.txid, place);
        candidates.push(Candidate { bytes: entry.bytes(), entry, parents, waits });
    }
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|place| candidates.get(*place).map(|tx| Reverse(tx.entry.fee_rate())));
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let mut left = room;
    for place in order {
        if let Some((package, bytes)) = package(&candidates, place, &chosen, left) {
            chosen.extend(package);
            left = left.saturating_sub(bytes);
        }
    }
    let mut selection = Selection { bytes: room.saturating_sub(left), ..Selection::default() };
    for (place, candidate) in candidates.into_iter().enumerate() {
        if chosen.contains(&place) {
            selection.fees = Amount(selection.fees.0.saturating_add(candidate.entry.fee.0));
            selection.transactions.push(candidate.entry.transaction);
        }
    }
    selection
}

struct Candidate {
    entry: PendingTransaction,
    bytes: usize,
    /// Places of the pending transactions whose outputs it spends.
    parents: BTreeSet<usize>,
    waits: bool,
}

/// A transaction with those it builds on that are not chosen yet, and their bytes; `None` if they do not fit, or if there is
/// nothing to choose.
fn package(
    candidates: &[Candidate],
    place: usize,
    chosen: &BTreeSet<usize>,
    room: usize,
) -> Option<(BTreeSet<usize>, usize)> {
    let (mut package, mut bytes, mut left) = (BTreeSet::new(), 0_usize, vec![place]);
    while let Some(place) = left.pop() {
        if chosen.contains(&place) || !package.insert(place) {
            continue;
        }
        let candidate = candidates.get(place).filter(|candidate| !candidate.waits)?;
        bytes = bytes.saturating_add(candidate.bytes);
        // Found out early, so that a long line of ancestors which does not fit costs little.
        if bytes > room {
            return None;
        }
        left.extend(&candidate.parents);
    }
    (!package.is_empty()).then_some((package, bytes))
}

#[cfg(test)]
mod tests {
    use dilithion_wire::{OutPoint, TxIn, TxOut};
    use quickcheck::quickcheck;

    use super::*;

    /// A transaction that spends these, with a script that makes it so long.
    fn pending(parents: &[&PendingTransaction], tag: u8, bytes: usize, fee: u64) -> PendingTransaction {
        let mut outpoints: Vec<OutPoint> =
            parents.iter().map(|parent| OutPoint { txid: parent.txid, index: tag.into() }).collect();
        if outpoints.is_empty() {
            outpoints.push(OutPoint { txid: Txid::from_bytes([tag; 32]), index: 0 });
        }
        let input = |previous_output| TxIn {
            previous_output,
            script_sig: vec![tag; bytes].into(),
            sequence: u32::MAX,
        };
        let transaction = Transaction {
            version: 1,
            inputs: outpoints.into_iter().map(input).collect(),
            outputs: vec![TxOut { value: Amount(1), script_pubkey: vec![0x51].into() }],
            lock_time: 0,
        };
        PendingTransaction { txid: transaction.txid(), fee: Amount(fee), transaction }
    }

    fn ids(selection: &Selection) -> Vec<Txid> {
        selection.transactions.iter().map(Transaction::txid).collect()
    }

    #[test]
    fn what_pays_most_comes_in_and_keeps_its_order() {
        let all: Vec<_> =
            [(1, 10), (2, 30), (3, 20)].map(|(tag, fee)| pending(&[], tag, 100, fee)).into_iter().collect();
        let two = all[0].bytes() * 2;
        let chosen = select(all.clone(), two, |_| true);
        assert_eq!(ids(&chosen), [all[1].txid, all[2].txid]);
        assert_eq!((chosen.bytes, chosen.fees), (two, Amount(50)));
        assert_eq!(select(all, 0, |_| true), Selection::default());
    }

    #[test]
    fn a_child_that_pays_well_brings_its_parents() {
        let parent = pending(&[], 1, 100, 1);
        let child = pending(&[&parent], 2, 100, 1000);
        let other = pending(&[], 3, 100, 500);
        let room = parent.bytes() + child.bytes() + 50;
        let all = vec![parent.clone(), other.clone(), child.clone()];
        assert_eq!(ids(&select(all.clone(), room, |_| true)), [parent.txid, child.txid]);
        // Without room for both, neither has a place.
        assert_eq!(ids(&select(all, child.bytes() + 50, |_| true)), [other.txid]);
    }

    #[test]
    fn what_builds_on_a_locked_transaction_waits_with_it() {
        let locked = pending(&[], 1, 100, 1);
        let child = pending(&[&locked], 2, 100, 1000);
        let id = locked.txid;
        assert_eq!(ids(&select(vec![locked, child], 10_000, |tx| tx.txid() != id)), []);
    }

    quickcheck! {
        fn parents_come_first_and_all_fits(made: Vec<(u8, u8, u16)>, room: u16) -> bool {
            let mut all: Vec<PendingTransaction> = Vec::new();
            for (place, (parent, bytes, fee)) in made.into_iter().take(100).enumerate() {
                let parents: Vec<PendingTransaction> =
                    all.get(usize::from(parent)).into_iter().chain(all.get(usize::from(bytes))).cloned().collect();
                let parents: Vec<&PendingTransaction> = parents.iter().collect();
                all.push(pending(&parents, u8::try_from(place).unwrap(), bytes.into(), fee.into()));
            }
            let pool: BTreeMap<Txid, Amount> = all.iter().map(|entry| (entry.txid, entry.fee)).collect();
            let chosen = select(all, room.into(), |_| true);
            let mut before = BTreeSet::new();
            for tx in &chosen.transactions {
                let mut spent = tx.inputs.iter().map(|input| input.previous_output.txid);
                assert!(spent.all(|txid| before.contains(&txid) || !pool.contains_key(&txid)));
                before.insert(tx.txid());
            }
            let fees: u64 = before.iter().map(|txid| pool[txid].0).sum();
            let bytes: usize = chosen.transactions.iter().map(Transaction::encoded_len).sum();
            before.len() == chosen.transactions.len()
                && fees == chosen.fees.0
                && bytes == chosen.bytes
                && bytes <= usize::from(room)
        }
    }
}
