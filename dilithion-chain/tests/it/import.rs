//! Importing the recorded chain: digests, batches, disconnecting, growth of the map.

use std::env;
use std::path::PathBuf;
use std::time::Instant;

use dilithion_chain::{Chainstate, Depth, StoreOptions};
use dilithion_wire::{Encode, Height};

use crate::model::Model;
use crate::recorded::{self, digest_at};
use crate::{digest, import, open};

#[test]
fn digests_are_those_of_the_reference_node() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    assert_eq!(digest(&chain), digest_at(0));
    import(&mut chain, &blocks[..1], 1);
    assert_eq!(digest(&chain), digest_at(1));
    import(&mut chain, &blocks[1..100], 50);
    assert_eq!(digest(&chain), digest_at(100));
    import(&mut chain, &blocks[100..], 50);
    assert_eq!(digest(&chain), digest_at(500));
    assert_eq!(chain.reader().check_integrity(Depth::Full).unwrap().blocks, 501);
}

#[test]
fn any_batch_size_gives_the_same_chain() {
    let (params, blocks) = recorded::first_500();
    for batch in [1, 7, 200] {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = open(dir.path(), &params);
        import(&mut chain, &blocks, batch);
        assert_eq!(digest(&chain), digest_at(500), "batches of {batch}");
        assert_eq!(chain.tip().hash, blocks[499].hash);
    }
}

#[test]
fn disconnecting_and_connecting_again_changes_nothing() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks, 200);
    let tip = chain.tip();
    for below in [499_u32, 400, 100, 1, 0] {
        let gone = chain.disconnect_to(Height(below)).unwrap();
        let expected: Vec<_> = (below + 1..=500)
            .rev()
            .map(|height| (Height(height), blocks[height as usize - 1].hash))
            .collect();
        assert_eq!(gone, expected);
        let kept = &blocks[..below as usize];
        let genesis = params.genesis_block();
        let model = Model::of(std::iter::once(&genesis).chain(kept.iter().map(|kept| &kept.block)));
        assert_eq!(digest(&chain), model.digest(), "at height {below}");
        chain.reader().check_integrity(Depth::Full).unwrap();

        // The bodies are still there, so that no peer is needed to connect them again.
        let reader = chain.reader();
        let mut again = blocks[below as usize..].to_vec();
        for candidate in &mut again {
            candidate.block = reader.block(&candidate.hash).unwrap().unwrap();
        }
        import(&mut chain, &again, 100);
        assert_eq!(chain.tip(), tip);
        assert_eq!(digest(&chain), digest_at(500));
        chain.reader().check_integrity(Depth::Full).unwrap();
    }
}

#[test]
fn one_tip_at_a_time_down_to_genesis() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..20], 20);
    for height in (0..20).rev() {
        assert_eq!(chain.disconnect_tip().unwrap().height, Height(height));
    }
    assert!(matches!(chain.disconnect_tip(), Err(dilithion_chain::StoreError::AtGenesis)));
    assert_eq!(digest(&chain), digest_at(0));
}

#[test]
fn the_map_grows_while_it_is_used() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let reader = chain.reader();
    let before = reader.map_size();
    assert_eq!(before, 1 << 20);
    // Readers on other threads while the map moves below them: they see some committed chain each time.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stop = &stop;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = chain.reader();
            scope.spawn(move || {
                let mut last = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let tip = reader.tip().unwrap();
                    assert!(tip.height.0 >= last);
                    last = tip.height.0;
                    let block = reader.block(&tip.hash).unwrap().unwrap();
                    assert_eq!(block.header, reader.header_at(tip.height).unwrap().unwrap());
                }
            });
        }
        import(&mut chain, &blocks, 100);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(reader.map_size() > before);
    assert_eq!(digest(&chain), digest_at(500));
    drop((chain, reader));
    assert_eq!(digest(&open(dir.path(), &params)), digest_at(500));
}

#[test]
fn blocks_are_served_as_they_came() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..50], 50);
    let reader = chain.reader();
    for (height, candidate) in (1..).map(Height).zip(&blocks[..50]) {
        let payload = reader.block_payload(&candidate.hash).unwrap().unwrap();
        assert_eq!(&payload[..], &candidate.block.encode_to_vec()[..]);
        assert_eq!(reader.block_at(height).unwrap().as_ref(), Some(&candidate.block));
        assert_eq!(reader.hash_at(height).unwrap(), Some(candidate.hash));
    }
    assert_eq!(reader.block_at(Height(51)).unwrap(), None);
    assert_eq!(reader.block_payload(&blocks[50].hash).unwrap(), None);
    assert!(!reader.has_block(&blocks[50].hash).unwrap());
}

/// Needs `DILITHION_CHAIN_DIR`, a directory with `chain.dat`, `index.jsonl` and `private.toml` (see the README).
#[test]
#[ignore = "needs the whole recorded chain"]
fn the_whole_recorded_chain() {
    let dir = PathBuf::from(env::var_os("DILITHION_CHAIN_DIR").expect("DILITHION_CHAIN_DIR"));
    let (params, mut blocks) =
        recorded::load(&dir.join("chain.dat"), &dir.join("index.jsonl"), &dir.join("private.toml"));
    blocks.remove(0);
    let store = tempfile::tempdir().unwrap();
    let mut chain = Chainstate::open(store.path(), params, StoreOptions::default()).unwrap();
    let start = Instant::now();
    let mut from = 0;
    for (height, expected) in recorded::DIGESTS.into_iter().skip(1) {
        let to = usize::try_from(height).unwrap();
        import(&mut chain, &blocks[from..to], 200);
        assert_eq!(digest(&chain), expected, "at height {height}");
        println!("{height}: {}", digest(&chain));
        from = to;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("connected {from} blocks in {seconds:.2} s, {:.0} blocks/s", f64::from(5000) / seconds);

    let start = Instant::now();
    println!("{} in {:.2?}", chain.reader().check_integrity(Depth::Full).unwrap(), start.elapsed());

    let start = Instant::now();
    chain.disconnect_to(Height(0)).unwrap();
    println!("disconnected in {:.2?}", start.elapsed());
    assert_eq!(digest(&chain), digest_at(0));
    import(&mut chain, &blocks, 200);
    assert_eq!(digest(&chain), digest_at(5000));
}
