//! Messages: what waits, what is refused by name without a trace, and what a block does.

use std::slice;
use std::sync::Arc;

use dilithion_chain::{
    Candidate, ChainMessage, Chainstate, MessageError, MessageRoom, MessageStats, StoreError, StoreOptions,
};
use dilithion_wire::{BlockHash, ChainParams, DataMessage, Encode, Height, MAX_CONTENT_BYTES, MessageId};

use crate::builder::{seal, subsidy};
use crate::store::{damage, flipped};
use crate::{import, open, small};

/// A message with a short text.
pub(crate) fn message(sender: &str, nonce: u64) -> DataMessage {
    DataMessage::new(sender, format!("text {nonce}"), 1_700_000_000, nonce).unwrap()
}

/// A block that carries messages.
pub(crate) fn block_with(
    params: &ChainParams,
    parent: (BlockHash, u32),
    tag: u32,
    messages: &[DataMessage],
) -> Candidate {
    let mut coinbase = subsidy(params, parent.1 + 1, tag);
    coinbase.outputs.extend(messages.iter().flat_map(DataMessage::outputs));
    seal(parent.0, vec![coinbase], tag)
}

/// Connects a block that carries messages.
pub(crate) fn mine(chain: &mut Chainstate, messages: &[DataMessage]) -> Candidate {
    let (tip, params) = (chain.tip(), Arc::clone(chain.params()));
    let block = block_with(&params, (tip.hash, tip.height.0), tip.height.0, messages);
    import(chain, slice::from_ref(&block), 1);
    block
}

pub(crate) fn waiting(chain: &Chainstate) -> Vec<DataMessage> {
    chain.reader().pending_messages(MessageRoom::UNBOUNDED).unwrap()
}

fn on_regtest() -> (tempfile::TempDir, Chainstate) {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), &Arc::new(ChainParams::regtest()));
    (dir, chain)
}

fn refused(chain: &Chainstate, message: &DataMessage) -> MessageError {
    let before = (waiting(chain), chain.reader().pending_message_stats().unwrap());
    let error = chain.message_pool().submit(message).unwrap().unwrap_err();
    assert_eq!((waiting(chain), chain.reader().pending_message_stats().unwrap()), before);
    error
}

/// Requirement M15: submitted, waiting, in a block, gone.
#[test]
fn a_message_waits_until_a_block_brings_it() {
    let (dir, mut chain) = on_regtest();
    let (params, reader) = (Arc::clone(chain.params()), chain.reader());
    let (first, second) = (message("Alice", 1), message("Bob", 1));
    let id = chain.message_pool().submit(&first).unwrap().unwrap();
    assert_eq!(id, first.id());
    chain.message_pool().submit(&second).unwrap().unwrap();
    assert_eq!(reader.pending_message(&id).unwrap(), Some(first.clone()));
    assert_eq!(reader.message(&id).unwrap(), None);
    let bytes = u64::try_from(first.outputs_len() + second.outputs_len()).unwrap();
    assert_eq!(reader.pending_message_stats().unwrap(), MessageStats { count: 2, bytes });

    mine(&mut chain, slice::from_ref(&first));
    let expected = ChainMessage { height: Height(1), message: first.clone() };
    assert_eq!(reader.message(&id).unwrap(), Some(expected.clone()));
    assert_eq!(reader.pending_message(&id).unwrap(), None);
    assert_eq!(waiting(&chain), slice::from_ref(&second));
    drop((reader, chain));

    // All of it is still there when the store is opened again, and walked completely.
    let chain = open(dir.path(), &params);
    assert_eq!(chain.reader().message(&id).unwrap(), Some(expected));
    assert_eq!(waiting(&chain), [second]);
}

#[test]
fn what_cannot_wait_is_refused_by_its_name() {
    let (_dir, mut chain) = on_regtest();
    let pending = message("Alice", 1);
    chain.message_pool().submit(&pending).unwrap().unwrap();
    // Another text under the same id.
    let other = DataMessage::new("Alice", "another text", 5, 1).unwrap();
    let error = refused(&chain, &other);
    assert_eq!((&error, error.reject_reason()), (&MessageError::Known { id: other.id() }, "already-pending"));

    mine(&mut chain, &[pending]);
    let error = refused(&chain, &other);
    assert_eq!(error, MessageError::InChain { id: other.id(), height: Height(1) });
    assert_eq!(error.reject_reason(), "already-in-chain");

    // One refused message does not stop the others.
    let results = chain.message_pool().submit_all(&[message("Bob", 1), other, message("Bob", 2)]).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn public_networks_carry_no_messages() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(ChainParams::testnet()));
    let error = refused(&chain, &message("Alice", 1));
    assert_eq!(error, MessageError::NotCarried { network: "testnet".to_owned() });
    assert_eq!(error.reject_reason(), "not-carried");
    // What looks like one in a coinbase is none.
    mine(&mut chain, &[message("Alice", 1)]);
    assert_eq!(chain.reader().message(&message("Alice", 1).id()).unwrap(), None);
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let params = Arc::new(ChainParams::regtest());
    let bytes = u64::try_from(message("Alice", 1).outputs_len()).unwrap();
    let options = StoreOptions { max_pending_message_bytes: 2 * bytes, ..small() };
    let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
    let pool = chain.message_pool();
    let results = pool.submit_all(&[1, 2, 3].map(|nonce| message("Alice", nonce))).unwrap();
    let full = MessageError::Full { bytes: 2 * bytes, max: 2 * bytes };
    assert_eq!((results[2].as_ref().unwrap_err(), full.reject_reason()), (&full, "pool-full"));
    // A change of branch drops nothing all the same.
    mine(&mut chain, &[message("Alice", 1), message("Alice", 2)]);
    pool.submit_all(&[message("Alice", 3), message("Alice", 4)]).unwrap();
    chain.disconnect_tip().unwrap();
    assert_eq!(waiting(&chain), [1, 2, 3, 4].map(|nonce| message("Alice", nonce)));
    refused(&chain, &message("Alice", 5));
}

#[test]
fn a_message_that_no_block_has_room_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = ChainParams::regtest();
    params.consensus.max_block_bytes = 20_000;
    let chain = open(dir.path(), &Arc::new(params));
    let long = DataMessage::new("Alice", "x".repeat(MAX_CONTENT_BYTES), 0, 0).unwrap();
    let error = refused(&chain, &long);
    let expected = MessageError::TooLarge { id: long.id(), bytes: long.outputs_len(), max: 19_000 };
    assert_eq!((&error, error.reject_reason()), (&expected, "too-large"));
}

/// Requirement M15: after a reorganisation the messages of disconnected blocks are pending again.
#[test]
fn what_disconnected_blocks_brought_waits_again() {
    let (_dir, mut chain) = on_regtest();
    let params = Arc::clone(chain.params());
    let all: Vec<DataMessage> = (0..6).map(|nonce| message("Alice", nonce)).collect();
    let first = mine(&mut chain, &all[..1]);
    mine(&mut chain, &all[1..3]);
    mine(&mut chain, &all[3..5]);
    chain.message_pool().submit(&all[5]).unwrap().unwrap();

    // A longer branch that brings two of them, one of which was not in a block before.
    let mut branch: Vec<Candidate> = Vec::new();
    for (place, messages) in [&all[4..], &[], &[]].into_iter().enumerate() {
        let height = u32::try_from(place).unwrap() + 1;
        let parent = (branch.last().map_or(first.hash, |block| block.hash), height);
        branch.push(block_with(&params, parent, 70 + height, messages));
    }
    chain.reorg(Height(1), &branch).unwrap();
    assert_eq!(waiting(&chain), all[1..4]);
    let heights: Vec<_> = all
        .iter()
        .map(|message| chain.reader().message(&message.id()).unwrap().map(|found| found.height.0))
        .collect();
    assert_eq!(heights, [Some(1), None, None, None, Some(2), Some(2)]);
    chain.disconnect_to(Height(0)).unwrap();
    assert_eq!(waiting(&chain), [&all[..1], &all[4..], &all[1..4]].concat());
}

#[test]
fn of_messages_with_one_id_the_first_in_the_chain_counts() {
    let (_dir, mut chain) = on_regtest();
    let texts = ["first", "second", "third"].map(|text| DataMessage::new("Alice", text, 0, 7).unwrap());
    let id = texts[0].id();
    let found = |chain: &Chainstate| chain.reader().message(&id).unwrap().map(|found| found.message);
    mine(&mut chain, &texts[..2]);
    mine(&mut chain, &texts[2..]);
    assert_eq!(found(&chain), Some(texts[0].clone()));
    chain.disconnect_tip().unwrap();
    assert_eq!((found(&chain), waiting(&chain).len()), (Some(texts[0].clone()), 0));
    chain.disconnect_tip().unwrap();
    assert_eq!((found(&chain), waiting(&chain)), (None, texts[..1].to_vec()));
}

/// Requirement M15: more than 1000 messages in one block.
#[test]
fn a_block_carries_more_than_a_thousand_messages() {
    let (_dir, mut chain) = on_regtest();
    let all: Vec<DataMessage> = (0..9000).map(|nonce| message("Alice", nonce)).collect();
    let taken = chain.message_pool().submit_all(&all).unwrap();
    assert!(taken.iter().all(Result::is_ok));
    let room = MessageRoom::of_block(chain.params());
    let fitting = chain.reader().pending_messages(room).unwrap();
    assert!(fitting.len() > 5000, "{} messages", fitting.len());
    let block = mine(&mut chain, &fitting);
    let max = usize::try_from(chain.params().consensus.max_block_bytes).unwrap();
    assert!(block.block.blob_len() <= max);
    assert_eq!(waiting(&chain), all[fitting.len()..]);
    let last = fitting.last().unwrap();
    assert_eq!(chain.reader().message(&last.id()).unwrap().unwrap().message, *last);
}

#[test]
fn the_longest_messages_are_kept_whole() {
    let (dir, mut chain) = on_regtest();
    let params = Arc::clone(chain.params());
    let long: Vec<DataMessage> = (0..20)
        .map(|nonce| DataMessage::new("Alice", "é".repeat(MAX_CONTENT_BYTES / 2), nonce, nonce).unwrap())
        .collect();
    chain.message_pool().submit_all(&long).unwrap();
    let fitting = chain.reader().pending_messages(MessageRoom::of_block(&params)).unwrap();
    assert_eq!(fitting, long[..15]);
    mine(&mut chain, &fitting);
    drop(chain);
    let chain = open(dir.path(), &params);
    assert_eq!(chain.reader().message(&long[14].id()).unwrap().unwrap().message, long[14]);
    assert_eq!(waiting(&chain), long[15..]);
}

/// A record that contradicts the blocks, or other records, is found when the store is opened, and repaired.
#[test]
fn damaged_records_are_found_and_repaired() {
    let (alice, bob) = (message("Alice", 1), message("Bob", 2));
    let in_chain = [&1_u32.to_be_bytes()[..], &alice.encode_to_vec()].concat();
    let pending = [&bob.id().as_bytes()[..], &bob.encode_to_vec()].concat();
    for (record, at, table) in [(in_chain, 30, "messages"), (pending, 3, "pending")] {
        let (dir, mut chain) = on_regtest();
        let params = Arc::clone(chain.params());
        mine(&mut chain, slice::from_ref(&alice));
        chain.message_pool().submit(&bob).unwrap().unwrap();
        drop(chain);
        damage(&dir.path().join("data.mdb"), &record, &flipped(&record, at));
        let error = Chainstate::open(dir.path(), Arc::clone(&params), small()).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::BadRecord { table: found } if found == table), "{error}");
        Chainstate::repair(dir.path(), &params, small()).unwrap();
        let chain = open(dir.path(), &params);
        assert_eq!(
            chain.reader().message(&alice.id()).unwrap().map(|found| found.message),
            Some(alice.clone())
        );
        assert_eq!(waiting(&chain), []);
    }
}

/// Whoever can take in messages keeps other processes from writing.
#[test]
fn a_pool_keeps_the_store_locked() {
    let (dir, chain) = on_regtest();
    let params = Arc::clone(chain.params());
    let pool = chain.message_pool();
    drop(chain);
    let refused = Chainstate::open(dir.path(), Arc::clone(&params), small()).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert_eq!(pool.submit(&message("Alice", 0)).unwrap(), Ok(MessageId::of("Alice", 0)));
    drop(pool);
    assert_eq!(waiting(&open(dir.path(), &params)).len(), 1);
}
