//! What the operator says against blocks outlives everything, until he takes it back.

use std::collections::BTreeSet;

use dilithion_chain::{ChainReader, Chainstate, Depth, StoreOptions};
use dilithion_wire::{BlockHash, Height};

use crate::recorded;
use crate::{digest, import, open, small};

/// Goes back to below the lowest block that is refused, as whoever owns the header chain does.
fn obey(chain: &mut Chainstate) {
    let refused = chain.reader().revoked().unwrap();
    let heights = refused.iter().filter_map(|hash| chain.reader().header(hash).unwrap());
    let lowest = heights.map(|header| header.height).min().unwrap();
    chain.disconnect_to(lowest.prev().unwrap()).unwrap();
}

#[test]
fn a_refused_block_stays_refused_over_restarts_and_comes_back_whole() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..295], 100);
    let below = (chain.tip(), digest(&chain));
    import(&mut chain, &blocks[295..300], 100);
    let before = (chain.tip(), digest(&chain));
    assert_eq!(chain.reader().stored_beside_chain(10).unwrap(), []);

    let refused = blocks[295].hash;
    chain.revoke(refused).unwrap();
    chain.revoke(refused).unwrap();
    chain.revoke(BlockHash::from_bytes([7; 32])).unwrap();
    chain.reinstate(&[BlockHash::from_bytes([7; 32]), BlockHash::from_bytes([8; 32])]).unwrap();
    obey(&mut chain);
    assert_eq!((chain.tip(), digest(&chain)), below);
    drop(chain);

    let reader = ChainReader::open(dir.path()).unwrap();
    assert_eq!(reader.revoked().unwrap(), [refused]);
    drop(reader);
    let options = StoreOptions { check: Depth::Full, ..small() };
    let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
    assert_eq!(chain.reader().revoked().unwrap(), [refused]);
    let left: Vec<BlockHash> = blocks[295..300].iter().map(|block| block.hash).collect();
    assert_eq!(chain.reader().stored_beside_chain(10).unwrap(), left);
    assert_eq!(chain.reader().stored_beside_chain(2).unwrap(), left[3..], "those that were stored last");
    let copy = dir.path().join("copy");
    chain.reader().copy_to(&copy).unwrap();
    assert_eq!(ChainReader::open(&copy).unwrap().revoked().unwrap(), [refused], "a copy is a copy");

    chain.reinstate(&[refused]).unwrap();
    assert_eq!(chain.reader().revoked().unwrap(), []);
    import(&mut chain, &blocks[295..300], 2);
    assert_eq!((chain.tip(), digest(&chain)), before);
    assert_eq!(chain.reader().stored_beside_chain(10).unwrap(), []);
}

#[test]
fn a_pruned_store_knows_what_it_has_beside_its_chain() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { prune: Some(288), ..small() };
    let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
    import(&mut chain, &blocks, 50);
    assert!(chain.reader().lowest_body().unwrap() > Height(1));
    assert_eq!(chain.reader().stored_beside_chain(10).unwrap(), []);
    chain.disconnect_to(Height(498)).unwrap();
    let beside: BTreeSet<BlockHash> = chain.reader().stored_beside_chain(10).unwrap().into_iter().collect();
    assert_eq!(beside, BTreeSet::from([blocks[498].hash, blocks[499].hash]));
}
