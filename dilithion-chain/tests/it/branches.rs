//! Changing over to another branch: what is made, what is refused, and that a refusal changes nothing.

use std::sync::Arc;

use dilithion_chain::{
    BlockError, Candidate, Chainstate, Connected, Depth, MIN_PRUNE, ReorgError, StoreError, StoreOptions,
    StoredHeader,
};
use dilithion_wire::{Amount, BlockHash, ChainParams, Checkpoint, Height};

use crate::builder::{coinbase, seal};
use crate::{digest, import, open, recorded, small};

/// Blocks with one small coinbase each, on top of a block.
pub(crate) fn branch(on: BlockHash, count: u32, tag: u32) -> Vec<Candidate> {
    let mut blocks: Vec<Candidate> = Vec::new();
    for index in 0..count {
        let prev = blocks.last().map_or(on, |block| block.hash);
        blocks.push(seal(prev, vec![coinbase(tag.wrapping_add(index), Amount(1))], tag));
    }
    blocks
}

fn prepared(dir: &std::path::Path, height: usize) -> (Arc<ChainParams>, Chainstate, Vec<Candidate>) {
    let (params, blocks) = recorded::first_500();
    let mut chain = open(dir, &params);
    import(&mut chain, &blocks[..height], 100);
    (params, chain, blocks)
}

#[test]
fn the_branch_with_more_work_takes_over_and_the_old_one_can_return() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut chain, blocks) = prepared(dir.path(), 120);
    let before = digest(&chain);
    let other = branch(blocks[99].hash, 21, 1000);
    let reorg = chain.reorg(Height(100), &other).unwrap();
    assert_eq!(reorg.disconnected.len(), 20);
    assert_eq!(reorg.disconnected[0], Connected { height: Height(120), hash: blocks[119].hash });
    assert_eq!(reorg.connected[20], Connected { height: Height(121), hash: other[20].hash });
    assert_eq!(chain.tip().hash, other[20].hash);
    chain.reader().check_integrity(Depth::Full).unwrap();
    // The old branch has less work until it grows by two more blocks.
    assert!(matches!(
        chain.reorg(Height(100), &blocks[100..120]),
        Err(ReorgError::NotMoreWork { fork: Height(100), .. })
    ));
    chain.reorg(Height(100), &blocks[100..122]).unwrap();
    chain.disconnect_to(Height(120)).unwrap();
    assert_eq!(digest(&chain), before);
}

#[test]
fn a_failing_branch_leaves_the_old_tip() {
    let dir = tempfile::tempdir().unwrap();
    let (params, mut chain, blocks) = prepared(dir.path(), 120);
    let before = (digest(&chain), chain.tip());
    let mut other = branch(blocks[99].hash, 30, 1000);
    let bad = seal(other[24].hash, vec![coinbase(7, Amount(u64::MAX / 2))], 7);
    let bad_hash = bad.hash;
    other.truncate(25);
    other.push(bad);
    let error = chain.reorg(Height(100), &other).unwrap_err();
    let ReorgError::Refused(rejected) = error else { panic!("{error}") };
    assert_eq!((rejected.height, rejected.hash), (Height(126), bad_hash));
    assert_eq!((digest(&chain), chain.tip()), before);
    assert!(!chain.reader().has_block(&other[0].hash).unwrap(), "no trace of the branch");
    let stray = branch(BlockHash::from_bytes([3; 32]), 30, 1);
    let error = chain.reorg(Height(100), &stray).unwrap_err();
    assert!(
        matches!(&error, ReorgError::Refused(rejected) if matches!(rejected.error, BlockError::Parent { .. }))
    );
    drop(chain);
    let chain = open(dir.path(), &params);
    assert_eq!((digest(&chain), chain.tip()), before);
}

#[test]
fn depth_and_checkpoints_bound_it() {
    let (params, blocks) = recorded::first_500();
    let mut params = ChainParams::clone(&params);
    assert_eq!(params.consensus.max_reorg_depth, Some(100));
    params.checkpoints = vec![
        Checkpoint { height: Height(50), hash: blocks[49].hash },
        Checkpoint { height: Height(1000), hash: BlockHash::from_bytes([9; 32]) },
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(params));
    import(&mut chain, &blocks[..120], 100);
    let deep = branch(blocks[18].hash, 200, 1);
    assert!(matches!(
        chain.reorg(Height(19), &deep),
        Err(ReorgError::BelowCheckpoint { fork: Height(19), checkpoint: Height(50) })
    ));
    assert!(matches!(
        chain.reorg(Height(121), &deep),
        Err(ReorgError::AboveTip { fork: Height(121), tip: Height(120) })
    ));
    import(&mut chain, &blocks[120..160], 100);
    let deep = branch(blocks[58].hash, 150, 1);
    let error = chain.reorg(Height(59), &deep).unwrap_err();
    assert!(matches!(error, ReorgError::TooDeep { fork: Height(59), depth: 101, max: 100 }), "{error}");
    assert_eq!(chain.tip().hash, blocks[159].hash);
    chain.reorg(Height(60), &branch(blocks[59].hash, 101, 1)).unwrap();
    // Going deeper is possible for whoever says so.
    chain.disconnect_to(Height(19)).unwrap();
    import(&mut chain, &blocks[19..30], 100);
}

/// A map that is too small for the new branch grows in the middle of it.
#[test]
fn the_map_grows_during_a_reorg() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut chain, blocks) = prepared(dir.path(), 120);
    let before = chain.reader().map_size();
    let other = branch(blocks[99].hash, 3000, 1000);
    chain.reorg(Height(100), &other).unwrap();
    assert!(chain.reader().map_size() > before);
    assert_eq!(chain.tip().hash, other[2999].hash);
}

fn pruned(keep: u32) -> StoreOptions {
    StoreOptions { prune: Some(keep), ..small() }
}

#[test]
fn a_pruned_store_keeps_the_last_blocks() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let error =
        Chainstate::open(dir.path(), Arc::clone(&params), pruned(MIN_PRUNE - 1)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::PruneTooSmall { asked: 287, min: 288 }));

    let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), pruned(MIN_PRUNE)).unwrap();
    import(&mut chain, &blocks[..288], 100);
    let reader = chain.reader();
    assert_eq!(reader.lowest_body().unwrap(), Height(0));
    import(&mut chain, &blocks[288..400], 7);
    assert_eq!(reader.lowest_body().unwrap(), Height(113));
    let gone = reader.block(&blocks[111].hash).unwrap_err();
    assert_eq!(gone.to_string(), "block 112 is pruned: bodies are stored from height 113 on");
    assert!(matches!(reader.block_at(Height(1)), Err(StoreError::Pruned { height: Height(1), .. })));
    assert!(matches!(reader.block_payload(&blocks[0].hash), Err(StoreError::Pruned { .. })));
    assert_eq!(reader.block_payload(&BlockHash::from_bytes([1; 32])).unwrap(), None);
    assert!(!reader.has_block(&blocks[0].hash).unwrap());
    assert_eq!(reader.block_at(Height(113)).unwrap().as_ref(), Some(&blocks[112].block));
    assert_eq!(reader.block_at(Height(0)).unwrap(), Some(params.genesis_block()));
    assert_eq!(reader.header_at(Height(5)).unwrap(), Some(blocks[4].block.header));

    // Back to the block below the lowest body, and not further.
    let before = (chain.tip(), digest(&chain));
    let error = chain.disconnect_to(Height(111)).unwrap_err();
    assert!(matches!(error, StoreError::Pruned { height: Height(112), lowest: Height(113) }), "{error}");
    assert_eq!((chain.tip(), digest(&chain)), before);
    chain.disconnect_to(Height(112)).unwrap();
    import(&mut chain, &blocks[112..400], 50);
    assert_eq!((chain.tip(), digest(&chain)), before);
    drop((chain, reader));

    // It stays pruned, and all walks know it.
    let mut chain = open(dir.path(), &params);
    assert_eq!(chain.reader().check_integrity(Depth::Full).unwrap().blocks, 401);
    import(&mut chain, &blocks[400..], 50);
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(113));
    assert_eq!(digest(&chain), recorded::digest_at(500));
}

/// A false header below a checkpoint, found when the blocks on it were pruned, left a store that could not go back.
#[test]
fn what_only_a_checkpoint_vouches_for_is_not_pruned() {
    let (params, mut blocks) = recorded::first_500();
    let params = ChainParams {
        checkpoints: vec![Checkpoint { height: Height(350), hash: blocks[349].hash }],
        ..(*params).clone()
    };
    blocks[..349].iter_mut().skip(9).for_each(|block| block.verified = false);
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chainstate::open(dir.path(), Arc::new(params), pruned(MIN_PRUNE)).unwrap();
    import(&mut chain, &blocks[..400], 50);
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(10));
    let proved = |height: u32| StoredHeader {
        header: blocks[height as usize - 1].block.header,
        hash: blocks[height as usize - 1].hash,
        height: Height(height),
        verified: true,
    };
    chain.store_headers(&(10..100).map(proved).collect::<Vec<_>>()).unwrap();
    import(&mut chain, &blocks[400..401], 1);
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(100));
    chain.store_headers(&(100..350).map(proved).collect::<Vec<_>>()).unwrap();
    import(&mut chain, &blocks[401..402], 1);
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(115));
}

#[test]
fn an_old_store_is_pruned_with_the_next_block() {
    let dir = tempfile::tempdir().unwrap();
    let (params, mut chain, blocks) = prepared(dir.path(), 350);
    // A body beside the chain, stored between its blocks.
    let side = branch(blocks[349].hash, 1, 5);
    import(&mut chain, &side, 1);
    chain.disconnect_to(Height(350)).unwrap();
    drop(chain);
    let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), pruned(MIN_PRUNE)).unwrap();
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(0));
    import(&mut chain, &blocks[350..351], 1);
    assert_eq!(chain.reader().lowest_body().unwrap(), Height(64));
    assert!(chain.reader().has_block(&side[0].hash).unwrap());
    // Far enough above it, the side branch goes as well.
    let far = branch(blocks[350].hash, 300, 2000);
    import(&mut chain, &far, 300);
    assert!(!chain.reader().has_block(&side[0].hash).unwrap());
    chain.reader().check_integrity(Depth::Full).unwrap();
}
