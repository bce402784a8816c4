//! The identity store from scratch, and whether it is what the chain says.

use std::collections::BTreeMap;

use dilithion_wire::{Block, BlockHash, Height};
use heed::RoTxn;

use super::batch::IdentityBatch;
use super::mined::BlockMiner;
use crate::disconnect::active_block;
use crate::error::{Damage, IntegrityError, StoreError};
use crate::mik::Identity;
use crate::store::miners::{self, MinedBlock, Miner};
use crate::store::tables::Tables;
use crate::store::txn::RwTxn;
use crate::store::{blocks, metadata};

/// Fills the identity store from the bodies of the active chain up to `tip`, all of which must be stored.
pub(crate) fn fill(tables: &Tables, txn: &mut RwTxn, tip: Height) -> Result<(), StoreError> {
    let lowest = metadata::lowest_body(tables.metadata, txn)?;
    if lowest > Height::GENESIS {
        return Err(StoreError::MinersPruned { lowest });
    }
    tables.identities.clear(txn)?;
    tables.miners.clear(txn)?;
    let mut batch = IdentityBatch::default();
    for height in (1..=tip.0).map(Height) {
        let active = active_block(tables, txn, height)?;
        let block = blocks::load(tables.blocks, txn, height, &active)?;
        if let Some(named) = BlockMiner::of(&block) {
            let before = batch.miner(tables, txn, &named.mined.miner)?;
            batch.connect(height, &named, &before);
        }
    }
    batch.flush(tables, txn)?;
    metadata::delete_window_floor(tables.metadata, txn)?;
    metadata::put_has_identities(tables.metadata, txn)
}

/// Empties the identity store of a chain that goes on without it.
pub(crate) fn forget(tables: &Tables, txn: &mut RwTxn) -> Result<(), StoreError> {
    tables.identities.clear(txn)?;
    tables.miners.clear(txn)?;
    metadata::delete_window_floor(tables.metadata, txn)?;
    metadata::delete_has_identities(tables.metadata, txn)
}

/// Makes the identity store again what the chain up to `tip` says, from the records of its blocks alone: after reorganisations
/// as the reference node makes them it may be something else.
pub(crate) fn settle(tables: &Tables, txn: &mut RwTxn, tip: Height) -> Result<(), StoreError> {
    let mut settled = BTreeMap::<Identity, Miner>::new();
    let mut records = Vec::new();
    let mut above = Vec::new();
    for entry in miners::from_height(tables.miners, txn, Height::GENESIS)? {
        let (height, record) = entry?;
        if height <= tip { records.push((height, record)) } else { above.push(height) }
    }
    for height in above {
        miners::set(tables.miners, txn, height, None)?;
    }
    for (height, record) in &mut records {
        let identity = record.mined.miner;
        let miner = settled.entry(identity).or_default();
        record.last_mined = miner.last_mined;
        record.new_key = record.registration && miner.public_key.is_none();
        if record.new_key {
            miner.public_key = miners::get(tables.identities, txn, &identity)?.public_key;
        }
        miner.first_seen = miner.first_seen.or(Some(*height));
        miner.last_mined = Some(*height);
        miners::set(tables.miners, txn, *height, Some(record))?;
    }
    tables.identities.clear(txn)?;
    for (identity, miner) in &settled {
        miners::put(tables.identities, txn, identity, miner)?;
    }
    metadata::delete_window_floor(tables.metadata, txn)
}

/// Whether the record of a block of the active chain is what the block says.
pub(crate) fn check_block(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    hash: BlockHash,
    block: &Block,
) -> Result<(), StoreError> {
    if !metadata::has_identities(tables.metadata, txn)? {
        return Ok(());
    }
    let said = BlockMiner::of(block).map(|named| (named.mined, named.public_key.is_some()));
    let recorded = miners::at(tables.miners, txn, height)?.map(|record| (record.mined, record.registration));
    if said == recorded {
        return Ok(());
    }
    Err(IntegrityError { height, damage: Damage::Miner { hash } }.into())
}

/// Whether what is known about all miners is what the records of the blocks add up to.
pub(crate) fn check_all(tables: &Tables, txn: &RoTxn, tip: Height) -> Result<(), StoreError> {
    // After a reorganisation as the reference node makes it, it need not be.
    let loose = metadata::window_floor(tables.metadata, txn)?.is_some();
    if loose || !metadata::has_identities(tables.metadata, txn)? {
        return Ok(());
    }
    let mut expected = BTreeMap::<Identity, (Option<Height>, Option<Height>, bool)>::new();
    let mut damaged = None;
    for entry in miners::from_height(tables.miners, txn, Height::GENESIS)? {
        let (height, MinedBlock { mined, registration, new_key, last_mined }) = entry?;
        let (first, last, key) = expected.entry(mined.miner).or_default();
        if height > tip || last_mined != *last || new_key != (registration && !*key) {
            damaged = damaged.or(Some((height, mined.miner)));
        }
        (*first, *last, *key) = (first.or(Some(height)), Some(height), *key || registration);
    }
    let all = miners::all(tables.identities, txn)?;
    for (identity, Miner { first_seen, last_mined, public_key }) in &all {
        let own_key = public_key.as_ref().is_none_or(|key| Identity::of_key(key) == *identity);
        if expected.remove(identity) != Some((*first_seen, *last_mined, public_key.is_some())) || !own_key {
            damaged = damaged.or(Some((tip, *identity)));
        }
    }
    damaged = damaged.or(expected.keys().next().map(|identity| (tip, *identity)));
    match damaged {
        Some((height, identity)) => {
            Err(IntegrityError { height, damage: Damage::Identity { identity } }.into())
        }
        None => Ok(()),
    }
}
