//! The n-th change to the store fails, for n = 1, 2, 3 … until an operation passes: each failure leaves what was there,
//! and the store goes on working.

use std::path::Path;

use std::sync::Arc;

use dilithion_chain::{
    COMMIT_TARGET, Candidate, Chainstate, CommitSize, MIN_PRUNE, MessageRoom, Policy, ReorgError, StoreError,
    StoreOptions, StoredHeader,
};
use dilithion_wire::{Amount, ChainParams, Height};

use crate::branches::branch;
use crate::builder::{coinbase, output, seal, spend};
use crate::fixture::{FEE, Fixture};
use crate::messages::{block_with, message, waiting};
use crate::recorded::{self, digest_at};
use crate::signer::signed;
use crate::{import, mainnet, open, small};

/// Everything in the files that can be read through a handle: what an operation that failed must not change.
fn state(chain: &Chainstate) -> String {
    let reader = chain.reader();
    let mut state = format!("{:?} {}", reader.tip().unwrap(), reader.utxo_stats().unwrap());
    for header in reader.headers() {
        let header = header.unwrap();
        let body = reader.block_payload(&header.hash).unwrap();
        let active = reader.hash_at(header.height).unwrap();
        state.push_str(&format!("\n{header:?} {:?} {active:?}", body.map(|body| body.len())));
    }
    for entry in reader.pending_transactions() {
        state.push_str(&format!("\n{:?}", entry.unwrap().txid));
    }
    state.push_str(&format!("\n{:?}", reader.pending_stats().unwrap()));
    state.push_str(&format!("\n{:?}", reader.pending_messages(MessageRoom::UNBOUNDED).unwrap()));
    state.push_str(&format!("\n{:?}", reader.pending_message_stats().unwrap()));
    state.push_str(&format!("\n{:?}", reader.revoked().unwrap()));
    for (identity, miner) in reader.miners().unwrap() {
        let known = (miner.first_seen, miner.last_mined, miner.public_key.is_some());
        state.push_str(&format!("\n{identity} {known:?}"));
    }
    state
}

/// Runs `operation` with the n-th change failing until it passes, and returns how often it failed.
fn every_change_fails_once(
    chain: &mut Chainstate,
    mut operation: impl FnMut(&mut Chainstate) -> Result<(), StoreError>,
) -> u64 {
    let before = (chain.tip(), state(chain));
    for nth in 1.. {
        chain.fail_at_change(nth);
        let result = operation(chain);
        chain.fail_at_change(0);
        match result {
            Ok(()) => return nth - 1,
            Err(error) => {
                assert!(error.to_string().contains("injected"), "{error}");
                assert!((chain.tip(), state(chain)) == before, "change {nth} left a trace");
            }
        }
    }
    unreachable!("an operation makes a finite number of changes")
}

fn prepared(dir: &Path, height: usize) -> (Chainstate, Vec<Candidate>) {
    let (params, blocks) = recorded::first_500();
    let mut chain = open(dir, &params);
    import(&mut chain, &blocks[..height], 100);
    (chain, blocks)
}

#[test]
fn connecting_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 480);
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.connect(&blocks[480..]).map(|outcome| assert_eq!(outcome.failure, None))
    });
    // Per block: number, header, index, body, undo record, height; and the coins.
    assert!(failures > 20 * 6, "only {failures}");
    assert_eq!(chain.reader().utxo_stats().unwrap().to_string(), digest_at(500));
}

#[test]
fn disconnecting_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 500);
    let failures = every_change_fails_once(&mut chain, |chain| chain.disconnect_to(Height(480)).map(drop));
    assert!(failures > 20 * 2, "only {failures}");
    import(&mut chain, &blocks[480..], 20);
    assert_eq!(chain.reader().utxo_stats().unwrap().to_string(), digest_at(500));
}

#[test]
fn what_the_operator_says_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 20);
    let [one, two] = [blocks[3].hash, blocks[9].hash];
    assert_eq!(every_change_fails_once(&mut chain, |chain| chain.revoke(one)), 2, "the record, the commit");
    chain.revoke(two).unwrap();
    let failures = every_change_fails_once(&mut chain, |chain| chain.reinstate(&[one, two]));
    assert_eq!(failures, 3, "two records, the commit");
    assert_eq!(chain.reader().revoked().unwrap(), []);
}

#[test]
fn a_reorg_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 500);
    let branch = branch(blocks[484].hash, 16, 77);
    let failures = every_change_fails_once(&mut chain, |chain| match chain.reorg(Height(485), &branch) {
        Ok(_) => Ok(()),
        Err(ReorgError::Store(error)) => Err(error),
        Err(error) => panic!("{error}"),
    });
    assert!(failures > 15 * 2 + 16 * 6, "only {failures}");
    assert_eq!(chain.tip().hash, branch[15].hash);
}

/// Where miners have identities, what is known about them is part of it.
#[test]
fn miners_change_with_the_chain_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let blocks: Vec<Candidate> = mainnet::recorded()[1..=60].iter().map(|(block, _)| block.clone()).collect();
    let mut chain = open(dir.path(), &mainnet::params());
    import(&mut chain, &blocks[..48], 48);
    let connected = every_change_fails_once(&mut chain, |chain| {
        chain.connect(&blocks[48..]).map(|outcome| assert_eq!(outcome.failure, None))
    });
    assert!(connected > 12 * 7, "only {connected}");
    let miners = chain.reader().miners().unwrap();
    let disconnected = every_change_fails_once(&mut chain, |chain| chain.disconnect_to(Height(48)).map(drop));
    assert!(disconnected > 12 * 3, "only {disconnected}");
    import(&mut chain, &blocks[48..], 1);
    assert_eq!(chain.reader().miners().unwrap(), miners);
}

#[test]
fn messages_change_with_the_chain_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(ChainParams::regtest()));
    let messages = [1, 2, 3].map(|nonce| message("Alice", nonce));
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.message_pool().submit_all(&messages).map(|results| assert!(results.iter().all(Result::is_ok)))
    });
    assert_eq!(failures, 3 * 3 + 1);

    let parent = (chain.tip().hash, 0);
    let block = block_with(&ChainParams::regtest(), parent, 1, &messages[..2]);
    let failures =
        every_change_fails_once(&mut chain, |chain| chain.connect(std::slice::from_ref(&block)).map(drop));
    assert!(failures > 2 * 4, "only {failures}");
    assert_eq!(waiting(&chain), messages[2..]);
    let failures = every_change_fails_once(&mut chain, |chain| chain.disconnect_tip().map(drop));
    assert!(failures > 2 * 4, "only {failures}");
    assert_eq!(waiting(&chain), messages);
}

#[test]
fn pruning_is_part_of_the_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, blocks) = prepared(dir.path(), 300);
    let (params, options) = (Arc::clone(chain.params()), StoreOptions { prune: Some(MIN_PRUNE), ..small() });
    drop(chain);
    let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
    every_change_fails_once(&mut chain, |chain| chain.connect(&blocks[300..301]).map(drop));
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(14));
}

/// An output that is created and spent inside a batch never touches the database.
#[test]
fn what_comes_and_goes_within_a_batch_is_never_written() {
    let (mut params, _) = recorded::first_500();
    let rules = Arc::make_mut(&mut params);
    rules.consensus.coinbase_maturity = 0;
    rules.policy = Policy::Reference; // nothing here is signed
    let mined = coinbase(1, Amount(50));
    let first = seal(params.genesis.hash, vec![mined.clone()], 1);
    let spender = spend(&[output(&mined, 0)], vec![Amount(20), Amount(30)]);
    let again = spend(&[output(&spender, 0)], vec![Amount(20)]);
    let second = seal(first.hash, vec![coinbase(2, Amount(0)), spender, again], 2);
    let blocks = [first, second];

    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let before = (chain.changes("utxo"), chain.changes("commit"));
    import(&mut chain, &blocks, 2);
    // The second coinbase, the second output of the spender, and the output of the last transaction.
    assert_eq!((chain.changes("utxo") - before.0, chain.changes("commit") - before.1), (3, 1));

    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let before = (chain.changes("utxo"), chain.changes("commit"));
    import(&mut chain, &blocks, 1);
    // One by one, the first coinbase is written and deleted as well.
    assert_eq!((chain.changes("utxo") - before.0, chain.changes("commit") - before.1), (1 + 4, 2));
}

/// A transaction ends at its bound, and the outcome says how far it came.
#[test]
fn a_commit_is_bounded() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let mut size = CommitSize::default();
    for _ in 0..10 {
        size.record(size.bytes(), 2 * COMMIT_TARGET);
    }
    let before = chain.changes("commit");
    let mut rest = &blocks[..];
    while !rest.is_empty() {
        let (count, bytes) = size.split(rest);
        let outcome = chain.connect_some(rest, &size).unwrap();
        assert_eq!((outcome.failure, outcome.connected.len()), (None, count));
        let last = rest[count - 1].block.blob_len();
        assert!(bytes - last < size.bytes());
        rest = &rest[count..];
    }
    assert!(chain.changes("commit") - before > 5);
    assert_eq!(chain.reader().utxo_stats().unwrap().to_string(), digest_at(500));
}

#[test]
fn headers_are_stored_and_forgotten_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 10);
    let headers: Vec<_> = (1..)
        .map(Height)
        .zip(&blocks[..20])
        .map(|(height, block)| StoredHeader {
            header: block.block.header,
            hash: block.hash,
            height,
            verified: false,
        })
        .collect();
    let failures = every_change_fails_once(&mut chain, |chain| chain.store_headers(&headers));
    assert!(failures >= 10 * 3, "only {failures}");
    let hashes: Vec<_> = headers.iter().map(|header| header.hash).collect();
    let failures = every_change_fails_once(&mut chain, |chain| chain.mark_verified(&hashes).map(drop));
    assert_eq!(failures, 10 + 1);
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.forget_headers(&hashes[15..16]).map(|gone| assert_eq!(gone, 5))
    });
    assert_eq!(failures, 5 * 3 + 1);
}

/// Each change of the pool is part of a transaction: of its own, or of the one that moves the tip.
#[test]
fn the_pending_pool_changes_all_or_nothing() {
    let Fixture { dir: _dir, params, mut chain, coinbases } =
        Fixture::with(|params| params.consensus.coinbase_maturity = 4);
    let value = |fees: u64| Amount(params.subsidy(Height(1)).0 - fees * FEE);
    let parent = signed(&[output(&coinbases[0], 0)], vec![value(1)]);
    let child = signed(&[output(&parent, 0)], vec![value(2)]);
    let rival = signed(&[output(&parent, 0)], vec![value(3)]);
    let submitted = [parent.clone(), child.clone()];
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.submit_all(&submitted, 0).map(|results| assert!(results.iter().all(Result::is_ok)))
    });
    // Of either: sizes, transaction, id, spent output, fee rate; and the commit.
    assert_eq!(failures, 2 * 5 + 1);

    // One is included, the other made impossible.
    let tip = chain.tip();
    let block = seal(tip.hash, vec![coinbase(90, Amount(1)), parent.clone(), rival.clone()], 1);
    every_change_fails_once(&mut chain, |chain| {
        chain.connect(std::slice::from_ref(&block)).map(|outcome| assert_eq!(outcome.failure, None))
    });
    assert_eq!(chain.reader().pending_stats().unwrap().count, 0);

    let pending = |chain: &Chainstate| -> Vec<_> {
        chain.reader().pending_transactions().map(|entry| entry.unwrap().txid).collect()
    };
    every_change_fails_once(&mut chain, |chain| chain.disconnect_to(tip.height).map(drop));
    assert_eq!(pending(&chain), [parent.txid(), rival.txid()]);
    import(&mut chain, &[block], 1);

    let block = seal(tip.hash, vec![coinbase(91, Amount(1)), parent], 2);
    let next = seal(block.hash, vec![coinbase(92, Amount(1))], 3);
    let branch = [block, next];
    every_change_fails_once(&mut chain, |chain| match chain.reorg(tip.height, &branch) {
        Ok(_) => Ok(()),
        Err(ReorgError::Store(error)) => Err(error),
        Err(error) => panic!("{error}"),
    });
    assert_eq!(pending(&chain), [rival.txid()]);
    every_change_fails_once(&mut chain, |chain| chain.forget_pending(&[rival.txid()]).map(drop));
    assert_eq!(pending(&chain), []);
}
