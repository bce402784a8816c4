//! The pending pool: what becomes pending, what is refused by name without a trace, and what has to go.

use std::sync::Arc;

use dilithion_chain::{
    BlockError, ChainReader, Chainstate, FeeRate, PendingError, PendingStats, PendingTransaction, Policy,
    StoreError, StoreOptions, StructureError, TransactionError,
};
use dilithion_wire::{Amount, Encode, Height, OutPoint, Transaction, Txid};

use crate::builder::{coinbase, nowhere, output, seal, spend};
use crate::fixture::{FEE, Fixture};
use crate::signer::{sign, signed};
use crate::store::{damage, flipped};
use crate::{digest, import, open, small};

/// A time for lock times that do not matter.
const TIME: u32 = 1_730_000_000;

fn ids(chain: &Chainstate) -> Vec<Txid> {
    chain.reader().pending_transactions().map(|entry| entry.unwrap().txid).collect()
}

/// Offers a transaction, expects it to be refused without a trace, and returns why.
fn refused(chain: &mut Chainstate, tx: &Transaction) -> PendingError {
    let before = (ids(chain), chain.reader().pending_stats().unwrap());
    let error = chain.submit(tx, TIME).unwrap().unwrap_err();
    assert_eq!((ids(chain), chain.reader().pending_stats().unwrap()), before);
    error
}

fn invalid(chain: &mut Chainstate, tx: &Transaction) -> BlockError {
    match refused(chain, tx) {
        PendingError::Invalid(error) => error,
        other => unreachable!("{other}"),
    }
}

/// A transaction with so many outputs and such a fee, of an output and its value.
fn pay(from: (OutPoint, Amount), outputs: u64, fee: u64) -> Transaction {
    signed(&[from.0], vec![Amount((from.1.0 - fee) / outputs); usize::try_from(outputs).unwrap()])
}

fn coin(tx: &Transaction, index: u32) -> (OutPoint, Amount) {
    (output(tx, index), tx.outputs[usize::try_from(index).unwrap()].value)
}

#[test]
fn a_pending_transaction_is_found_by_id_and_by_what_it_spends() {
    let mut fixture = Fixture::new();
    let tx = fixture.spending();
    let accepted = fixture.chain.submit(&tx, TIME).unwrap().unwrap();
    let rate = FeeRate(FEE * 1000 / tx.encoded_len() as u64);
    assert_eq!((accepted.txid, accepted.fee, accepted.rate), (tx.txid(), Amount(FEE), rate));
    assert_eq!(accepted.evicted, []);
    let expected = PendingTransaction { txid: tx.txid(), fee: Amount(FEE), transaction: tx.clone() };
    let reader = fixture.chain.reader();
    assert_eq!(reader.pending(&tx.txid()).unwrap(), Some(expected.clone()));
    assert_eq!(reader.pending_spender(&fixture.mature()).unwrap(), Some(expected));
    assert_eq!(reader.pending_spender(&nowhere()).unwrap(), None);
    assert_eq!(reader.pending(&nowhere().txid).unwrap(), None);
    let stats = PendingStats { count: 1, bytes: tx.encoded_len() as u64 };
    assert_eq!(reader.pending_stats().unwrap(), stats);
    // The block that brings it need not verify its signature.
    assert_eq!(fixture.chain.signature_cache().len(), 1);

    let child = signed(&[output(&tx, 0)], vec![Amount(fixture.value().0 - FEE)]);
    fixture.chain.submit(&child, TIME).unwrap().unwrap();
    assert_eq!(fixture.chain.forget_pending(&[nowhere().txid]).unwrap(), []);
    assert_eq!(fixture.chain.forget_pending(&[tx.txid()]).unwrap(), [tx.txid(), child.txid()]);
    assert_eq!(reader.pending_stats().unwrap(), PendingStats::default());
    assert_eq!(reader.pending_spender(&fixture.mature()).unwrap(), None);
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_name() {
    let mut fixture = Fixture::new();
    let tx = fixture.spending();
    let txid = tx.txid();
    let (height, value, mature) = (fixture.height(), fixture.value(), fixture.mature());
    let subsidy = fixture.subsidy();
    let young = output(&fixture.coinbases[1], 0);
    let chain = &mut fixture.chain;

    let error = refused(chain, &subsidy);
    assert_eq!(error.reject_reason(), "coinbase");
    let error = invalid(chain, &spend(&[], vec![Amount(FEE)]));
    assert_eq!(error, BlockError::Structure(StructureError::NoInputs { index: 0 }));
    let error = invalid(chain, &spend(&[mature, mature], vec![Amount(FEE)]));
    assert_eq!(error.reject_reason(), "bad-structure");
    let error = invalid(chain, &signed(&[mature], vec![]));
    assert_eq!(error, BlockError::Structure(StructureError::NoOutputs { index: 0 }));
    let error = invalid(chain, &signed(&[mature], vec![value, Amount(1)]));
    assert_eq!(error.reject_reason(), "dust");
    let error = invalid(chain, &signed(&[nowhere()], vec![value]));
    assert_eq!(error.reject_reason(), "missing-inputs");
    // An output that the parent does not have.
    let error = invalid(chain, &signed(&[OutPoint { index: 1, ..mature }], vec![value]));
    assert_eq!(error.reject_reason(), "missing-inputs");
    let error = invalid(chain, &signed(&[young], vec![value]));
    assert_eq!(error.reject_reason(), "bad-txns-premature-spend-of-coinbase");
    let error = invalid(chain, &signed(&[mature], vec![Amount(value.0 + FEE)]));
    assert_eq!(error.reject_reason(), "min-fee-not-met");
    let error = invalid(chain, &signed(&[mature], vec![Amount(value.0 + 2 * FEE)]));
    assert_eq!(error.reject_reason(), "bad-txns-in-belowout");
    let mut forged = tx.clone();
    forged.outputs[0].value = Amount(value.0 - 1);
    let error = invalid(chain, &forged);
    assert!(matches!(error, BlockError::Transaction { error: TransactionError::Script { .. }, .. }));
    assert_eq!(error.reject_reason(), "bad-signature");
    assert!(chain.signature_cache().is_empty());
    for lock_time in [height + 1, TIME + 1] {
        let mut locked = tx.clone();
        (locked.lock_time, locked.inputs[0].sequence) = (lock_time, 0);
        assert_eq!(invalid(chain, &sign(locked)).reject_reason(), "bad-txns-nonfinal");
    }

    chain.submit(&tx, TIME).unwrap().unwrap();
    assert_eq!(refused(chain, &tx), PendingError::Known { txid });
    // It would pay more, and is refused all the same: the first one stays.
    let rival = signed(&[mature], vec![Amount(value.0 - FEE)]);
    let expected = PendingError::Conflict { txid: rival.txid(), outpoint: mature, with: txid };
    assert_eq!(refused(chain, &rival), expected);
    assert_eq!(expected.reject_reason(), "txn-mempool-conflict");
    assert_eq!(invalid(chain, &signed(&[output(&tx, 1)], vec![value])).reject_reason(), "missing-inputs");

    // In a slice each stands for itself.
    let child = signed(&[output(&tx, 0)], vec![Amount(value.0 - FEE)]);
    let results = chain.submit_all(&[rival, child.clone()], TIME).unwrap();
    assert_eq!(results[0], Err(expected));
    assert_eq!(results[1].as_ref().unwrap().txid, child.txid());
    assert_eq!(ids(chain), [txid, child.txid()]);
}

#[test]
fn locks_that_are_reached_and_all_rules_under_the_reference_policy() {
    let mut fixture = Fixture::with(|params| params.policy = Policy::Reference);
    let mut tx = fixture.spending();
    (tx.lock_time, tx.inputs[0].sequence) = (fixture.height(), 0);
    let unsigned = spend(&[fixture.mature()], vec![fixture.value()]);
    assert_eq!(invalid(&mut fixture.chain, &unsigned).reject_reason(), "bad-script");
    let tx = sign(tx);
    fixture.chain.submit(&tx, TIME).unwrap().unwrap();
    // A block above that is taken back: the height is ahead again.
    fixture.chain.disconnect_tip().unwrap();
    assert_eq!(ids(&fixture.chain), []);
}

#[test]
fn a_transaction_waits_across_restarts_and_in_copies() {
    let mut fixture = Fixture::new();
    let parent = fixture.spending();
    let child = signed(&[output(&parent, 0)], vec![Amount(fixture.value().0 - FEE)]);
    let submitted = [parent, child];
    fixture.chain.submit_all(&submitted, TIME).unwrap().into_iter().for_each(|result| drop(result.unwrap()));
    let before = (ids(&fixture.chain), fixture.chain.reader().pending_stats().unwrap());
    let Fixture { dir, params, chain, .. } = fixture;
    drop(chain);
    let chain = open(dir.path(), &params);
    assert_eq!((ids(&chain), chain.reader().pending_stats().unwrap()), before);
    let copy = dir.path().join("copy");
    chain.reader().copy_to(&copy).unwrap();
    assert_eq!(ChainReader::open(&copy).unwrap().pending_stats().unwrap(), before.1);
}

/// A chain with a block that gives some outputs of equal value to spend, and that block's transaction.
fn with_coins(count: u64, max_bytes: u64) -> (tempfile::TempDir, Chainstate, Transaction) {
    let mut fixture = Fixture::new();
    let split = pay((fixture.mature(), Amount(fixture.value().0 + FEE)), count, 5_000_000);
    fixture.accepted(vec![fixture.subsidy(), split.clone()]);
    let Fixture { dir, params, chain, .. } = fixture;
    drop(chain);
    let options = StoreOptions { max_pending_bytes: max_bytes, ..small() };
    let chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
    (dir, chain, split)
}

#[test]
fn what_pays_least_goes_when_the_pool_is_full() {
    let bytes = pay((nowhere(), Amount(10 * FEE)), 1, FEE).encoded_len() as u64;
    let (dir, mut chain, split) = with_coins(6, 3 * bytes);
    let low = pay(coin(&split, 0), 1, FEE);
    let middle = pay(coin(&split, 1), 1, 2 * FEE);
    let child = pay(coin(&low, 0), 1, 4 * FEE);
    for tx in [&low, &middle, &child] {
        assert_eq!(chain.submit(tx, TIME).unwrap().unwrap().evicted, []);
    }
    // Not what pays no more than the lowest, nor what builds on it.
    let equal = pay(coin(&split, 2), 1, FEE);
    let error = refused(&mut chain, &equal);
    let rate = FeeRate(FEE * 1000 / bytes);
    assert_eq!(error, PendingError::Full { txid: equal.txid(), rate });
    assert_eq!(error.reject_reason(), "pool-full");
    let grandchild = pay(coin(&child, 0), 1, 5 * FEE);
    assert_eq!(refused(&mut chain, &grandchild).reject_reason(), "pool-full");
    // The lowest goes, with what builds on it though that pays well.
    let better = pay(coin(&split, 2), 1, FEE + 1000);
    let accepted = chain.submit(&better, TIME).unwrap().unwrap();
    assert_eq!(accepted.evicted, [low.txid(), child.txid()]);
    assert_eq!(ids(&chain), [middle.txid(), better.txid()]);
    // Of equal ones, the youngest.
    let twin = pay(coin(&split, 3), 1, FEE + 1000);
    chain.submit(&twin, TIME).unwrap().unwrap();
    let best = pay(coin(&split, 4), 1, 3 * FEE);
    assert_eq!(chain.submit(&best, TIME).unwrap().unwrap().evicted, [twin.txid()]);
    assert_eq!(chain.reader().pending_stats().unwrap().bytes, 3 * bytes);

    // A smaller limit holds when the store is opened.
    let params = Arc::clone(chain.params());
    drop(chain);
    let options = StoreOptions { max_pending_bytes: 2 * bytes, ..small() };
    let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
    assert_eq!(ids(&chain), [middle.txid(), best.txid()]);
    // What is bigger than the pool has no place in it, and takes nobody else's.
    let big = pay(coin(&split, 5), 400, 10_000_000);
    assert!(big.encoded_len() as u64 > 2 * bytes);
    assert_eq!(refused(&mut chain, &big).reject_reason(), "pool-full");
}

#[test]
fn a_block_takes_what_it_includes_and_what_contradicts_it() {
    let (_dir, mut chain, split) = with_coins(4, 1 << 20);
    let [included, beside, rival, waiting] = [0, 1, 2, 3].map(|index| pay(coin(&split, index), 2, FEE));
    let on_included = pay(coin(&included, 0), 1, FEE);
    let on_rival = pay(coin(&rival, 0), 1, FEE);
    // Also on something else: it goes with one of its parents.
    let value = on_rival.outputs[0].value.0 + waiting.outputs[0].value.0 - FEE;
    let on_both = signed(&[output(&on_rival, 0), output(&waiting, 0)], vec![Amount(value)]);
    let all = [&included, &beside, &rival, &waiting, &on_included, &on_rival, &on_both];
    for tx in all {
        chain.submit(tx, TIME).unwrap().unwrap();
    }
    let winner = pay(coin(&split, 2), 1, 2 * FEE);
    let fork = chain.tip();
    let block = seal(fork.hash, vec![coinbase(70, Amount(1)), included.clone(), winner.clone()], 1);
    import(&mut chain, &[block], 1);
    assert_eq!(ids(&chain), [beside.txid(), waiting.txid(), on_included.txid()]);

    // Taken back, what it brought comes first, so that no child comes before its parent.
    chain.disconnect_tip().unwrap();
    let again = [included.txid(), winner.txid(), beside.txid(), waiting.txid(), on_included.txid()];
    assert_eq!(ids(&chain), again);

    // Another branch includes one of them, and one that contradicts another.
    let other = pay(coin(&split, 1), 1, 3 * FEE);
    let first = seal(fork.hash, vec![coinbase(71, Amount(1)), winner], 2);
    import(&mut chain, &[first], 1);
    let first = seal(fork.hash, vec![coinbase(72, Amount(1)), included], 3);
    let second = seal(first.hash, vec![coinbase(73, Amount(1)), other], 4);
    chain.reorg(fork.height, &[first, second]).unwrap();
    assert_eq!(ids(&chain), [again[1], waiting.txid(), on_included.txid()]);
}

#[test]
fn what_is_not_mature_any_more_goes() {
    let mut fixture = Fixture::new();
    let tx = fixture.spending();
    fixture.chain.submit(&tx, TIME).unwrap().unwrap();
    fixture.accepted(vec![fixture.subsidy()]);
    fixture.chain.disconnect_tip().unwrap();
    assert_eq!(ids(&fixture.chain), [tx.txid()]);
    fixture.chain.disconnect_tip().unwrap();
    assert_eq!(ids(&fixture.chain), []);
}

/// On networks without BIP30 a coinbase can come again, and has to mature again.
#[test]
fn a_repeated_coinbase_makes_its_spender_wait() {
    let mut fixture = Fixture::new();
    let tx = fixture.spending();
    fixture.chain.submit(&tx, TIME).unwrap().unwrap();
    fixture.accepted(vec![fixture.coinbases[0].clone()]);
    assert_eq!(ids(&fixture.chain), []);
    assert_eq!(invalid(&mut fixture.chain, &tx).reject_reason(), "bad-txns-premature-spend-of-coinbase");
}

#[test]
fn only_as_many_come_back_as_there_is_room_for() {
    let bytes = pay((nowhere(), Amount(10 * FEE)), 1, FEE).encoded_len() as u64;
    let (_dir, mut chain, split) = with_coins(3, 2 * bytes);
    let height = chain.tip().height;
    let first = pay(coin(&split, 0), 1, FEE);
    let second = pay(coin(&first, 0), 1, FEE);
    let third = pay(coin(&second, 0), 1, FEE);
    for (tag, tx) in (80..).zip([&first, &second, &third]) {
        let block = seal(chain.tip().hash, vec![coinbase(tag, Amount(1)), tx.clone()], tag);
        import(&mut chain, &[block], 1);
    }
    chain.disconnect_to(height).unwrap();
    assert_eq!(ids(&chain), [first.txid(), second.txid()]);
}

#[test]
fn a_damaged_pool_is_noticed_and_emptied_by_a_repair() {
    let mut fixture = Fixture::new();
    let tx = fixture.spending();
    fixture.chain.submit(&tx, TIME).unwrap().unwrap();
    let Fixture { dir, params, chain, .. } = fixture;
    let tip = chain.tip();
    drop(chain);
    let bytes = tx.encode_to_vec();
    damage(&dir.path().join("data.mdb"), &bytes, &flipped(&bytes, 1000));
    let error = Chainstate::open(dir.path(), Arc::clone(&params), small()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::BadRecord { table: "pending" }), "{error}");
    let repaired = Chainstate::repair(dir.path(), &params, small()).unwrap();
    assert_eq!((repaired.from, repaired.to), (Some(tip.height), tip.height));
    let mut chain = open(dir.path(), &params);
    assert_eq!((chain.tip(), ids(&chain)), (tip, Vec::new()));
    chain.submit(&tx, TIME).unwrap().unwrap();
    assert_eq!(chain.tip().height, Height(params.consensus.coinbase_maturity));
}

/// What a trial says is what happens, and it leaves nothing behind: not in the pool, not in the chain.
#[test]
fn a_trial_tells_what_would_happen_and_changes_nothing() {
    let mut fixture = Fixture::new();
    let parent = fixture.spending();
    let child = signed(&[output(&parent, 0)], vec![Amount(fixture.value().0 - FEE)]);
    let forged = {
        let mut forged = parent.clone();
        forged.outputs[0].value = Amount(forged.outputs[0].value.0 - 1);
        forged
    };
    let before = (ids(&fixture.chain), digest(&fixture.chain));
    let batch = [child.clone(), forged, parent.clone(), parent.clone(), child.clone()];
    let tried = fixture.chain.try_submit(&batch, TIME).unwrap();
    assert_eq!((ids(&fixture.chain), digest(&fixture.chain)), before);
    assert_eq!(fixture.chain.reader().pending_stats().unwrap(), PendingStats::default());
    let reasons: Vec<_> =
        tried.iter().map(|outcome| outcome.as_ref().map_err(PendingError::reject_reason).err()).collect();
    assert!(reasons[0].is_some() && reasons[1].is_some(), "{reasons:?}");
    assert_eq!(reasons[2..], [None, Some("txn-already-in-mempool"), None], "one after another");

    assert_eq!(fixture.chain.try_submit(&[], TIME).unwrap(), []);
    assert_eq!(fixture.chain.submit_all(&batch, TIME).unwrap(), tried, "that is what happens");
    assert_eq!(ids(&fixture.chain), [parent.txid(), child.txid()]);
    let again = fixture.chain.try_submit(&[parent], TIME).unwrap();
    assert!(matches!(again[..], [Err(PendingError::Known { .. })]), "{again:?}");
}
