//! Looking after a store: repairing it, copying it, opening one of an older layout.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dilithion_chain::{ChainReader, Chainstate, Depth, MIN_PRUNE, StoreError, StoreOptions};
use dilithion_wire::{Encode, Height};

use crate::recorded::{self, digest_at};
use crate::store::{damage, flipped};
use crate::{digest, import, open, small};

/// A closed store with so many blocks.
fn filled(dir: &Path, height: usize) {
    let (params, blocks) = recorded::first_500();
    import(&mut open(dir, &params), &blocks[..height], 100);
}

#[test]
fn a_sound_store_is_left_alone() {
    let (params, _) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 20);
    let before = fs::read(dir.path().join("data.mdb")).unwrap();
    let repaired = Chainstate::repair(dir.path(), &params, small()).unwrap();
    assert_eq!((repaired.from, repaired.to, repaired.damage), (Some(Height(20)), Height(20), None));
    assert_eq!(fs::read(dir.path().join("data.mdb")).unwrap(), before);
}

#[test]
fn a_damaged_chain_is_cut_back_to_what_is_sound() {
    let (params, blocks) = recorded::first_500();
    let body = blocks[69].block.encode_to_vec();
    let tip = [b"last_hash", &blocks[119].hash.as_bytes()[..]].concat();
    let height = [&31_u64.to_be_bytes()[..], blocks[30].hash.as_bytes()].concat();
    let numbers = [b"next_number", &121_u64.to_be_bytes()[..]].concat();
    let coin = [&blocks[4].block.transactions[0].outputs[0].value.0.to_be_bytes()[..], &5_u32.to_be_bytes()]
        .concat();
    // What is flipped, where, and how much of the chain of 120 blocks is sound.
    let cases = [
        (body, 90, 69, "block"),
        (tip, 20, 120, "recorded tip"),
        (height, 10, 30, "index"),
        (numbers, 18, 120, "next number"),
        (coin, 7, 120, "UTXO set"),
    ];
    for (bytes, at, sound, word) in cases {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 120);
        damage(&dir.path().join("data.mdb"), &bytes, &flipped(&bytes, at));
        Chainstate::open(dir.path(), Arc::clone(&params), small()).map(drop).unwrap_err();
        let repaired = Chainstate::repair(dir.path(), &params, small()).unwrap();
        assert_eq!((repaired.from, repaired.to), (Some(Height(120)), Height(sound)));
        assert!(repaired.damage.as_ref().unwrap().contains(word), "{repaired:?}");

        let mut chain = open(dir.path(), &params);
        assert_eq!(chain.tip().height, Height(sound));
        let above = blocks.get(sound as usize).unwrap();
        assert!(!chain.reader().has_block(&above.hash).unwrap());
        import(&mut chain, &blocks[sound as usize..], 100);
        assert_eq!(digest(&chain), digest_at(500));
        chain.reader().check_integrity(Depth::Full).unwrap();
    }
}

#[test]
fn nothing_is_kept_of_a_store_without_a_sound_genesis_block() {
    let (params, _) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 20);
    let body = params.genesis_block().encode_to_vec();
    damage(&dir.path().join("data.mdb"), &body, &flipped(&body, 100));
    let error = Chainstate::repair(dir.path(), &params, small()).unwrap_err();
    assert!(matches!(&error, StoreError::Integrity(error) if error.height == Height(0)), "{error}");
}

#[test]
fn a_pruned_store_goes_back_by_its_undo_records() {
    let (params, blocks) = recorded::first_500();
    let options = StoreOptions { prune: Some(MIN_PRUNE), ..small() };
    for (victim, tip, repairable) in [(410, 419, true), (350, 419, false)] {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
        import(&mut chain, &blocks[..tip], 100);
        drop(chain);
        // The header's copy in front of the body is enough to be unsound; the way back needs the transactions.
        let body = blocks[victim].block.encode_to_vec();
        let at = if repairable { 70 } else { body.len() - 1 };
        damage(&dir.path().join("data.mdb"), &body, &flipped(&body, at));
        let repaired = Chainstate::repair(dir.path(), &params, options);
        if repairable {
            assert_eq!(repaired.unwrap().to, Height(u32::try_from(victim).unwrap()));
            let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
            import(&mut chain, &blocks[victim..], 100);
            assert_eq!(digest(&chain), digest_at(500));
        }
    }
}

#[test]
fn a_copy_is_one_state_of_the_store() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(&dir.path().join("store"), &params);
    import(&mut chain, &blocks[..100], 100);
    let copy = dir.path().join("copy");
    let reader = chain.reader();
    std::thread::scope(|scope| {
        let copier = scope.spawn(|| reader.copy_to(&copy));
        for batch in blocks[100..].chunks(3) {
            import(&mut chain, batch, 3);
        }
        copier.join().unwrap().unwrap();
    });
    let error = reader.copy_to(&copy).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    let copied = ChainReader::open(&copy).unwrap();
    copied.check_integrity(Depth::Full).unwrap();
    drop(copied);
    let mut copied = open(&copy, &params);
    let from = usize::try_from(copied.tip().height.0).unwrap();
    import(&mut copied, &blocks[from..], 100);
    assert_eq!(digest(&copied), digest_at(500));
}

/// The record of the layout, with a version in place of the present one.
fn set_schema(dir: &Path, version: u32) {
    let record = |version: u32| [b"schema_version", &version.to_be_bytes()[..]].concat();
    damage(&dir.join("data.mdb"), &record(4), &record(version));
}

#[test]
fn a_store_of_the_layout_before_is_migrated_and_a_later_one_refused() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 100);
    set_schema(dir.path(), 1);
    // It can be read as it is, which changes nothing.
    let reader = ChainReader::open(dir.path()).unwrap();
    assert_eq!(reader.lowest_body().unwrap(), Height(0));
    assert_eq!(reader.revoked().unwrap(), []);
    drop(reader);
    let bytes = fs::read(dir.path().join("data.mdb")).unwrap();
    assert!(!bytes.windows(18).any(|at| at == [b"schema_version", &[0, 0, 0, 4][..]].concat()));
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[100..], 100);
    drop(chain);
    let bytes = fs::read(dir.path().join("data.mdb")).unwrap();
    assert!(bytes.windows(18).any(|at| at == [b"schema_version", &[0, 0, 0, 4][..]].concat()));

    set_schema(dir.path(), 5);
    let error = Chainstate::open(dir.path(), Arc::clone(&params), small()).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the store has schema version 5, this program reads 4");
    let error = ChainReader::open(dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Schema { found: 5, supported: 4 }), "{error}");
}
