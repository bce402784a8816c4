//! Cutting a damaged store back to what is sound.

use std::path::Path;
use std::sync::Arc;

use dilithion_wire::{ChainParams, Height};
use heed::RoTxn;

use crate::batch::Batch;
use crate::chainstate::{Chainstate, StoreOptions, check_identity};
use crate::disconnect::{active_block, check_reachable, disconnect_one};
use crate::error::StoreError;
use crate::integrity::{self, Depth};
use crate::messages;
use crate::store::env::{DATA_FILE, Environment};
use crate::store::lock::DirLock;
use crate::store::metadata::{self, Tip};
use crate::store::tables::{Table, Tables, height_key, number_key};
use crate::store::txn::RwTxn;
use crate::store::{blocks, heights, pages};

/// Bytes of blocks whose changes to the UTXO set are merged before they are written, when it is built anew.
const REBUILD_BYTES: usize = 16 << 20;

/// What became of a store that was looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Height of the recorded tip before; `None` if that was unreadable.
    pub from: Option<Height>,
    /// Height of the tip now. The blocks above are no longer stored.
    pub to: Height,
    /// What was wrong; `None` if nothing was, and nothing was changed.
    pub damage: Option<String>,
}

impl Chainstate {
    /// Walks all of the store in `dir`, which nobody has open, and if it contradicts itself, cuts the chain back to the
    /// last block up to which everything is sound, in one transaction. Everything stored after that block goes, and the
    /// UTXO set is built anew from the blocks that stay. A pruned store has no such blocks: it goes back by its undo
    /// records, or cannot be repaired. Nothing is pending afterwards.
    ///
    /// Say what was done: blocks that were there are gone.
    ///
    /// # Errors
    /// As [`open`](Self::open). [`StoreError::BadPage`] or [`StoreError::Integrity`] if nothing can be kept: the store has to be filled again.
    pub fn repair(
        dir: &Path,
        params: &Arc<ChainParams>,
        options: StoreOptions,
    ) -> Result<Repaired, StoreError> {
        let _lock = DirLock::acquire(dir)?;
        // A tree that cannot be walked cannot be cut either.
        pages::check_all(&dir.join(DATA_FILE))?;
        let store = Environment::create(dir, options.map_size)?;
        let tables = store.tables;
        let found = store.scan(|txn| {
            check_identity(metadata::identity(tables.metadata, txn)?, params)?;
            let from = metadata::tip(tables.metadata, txn).ok().flatten().map(|tip| tip.height);
            Ok((from, integrity::walk(&tables, txn, Depth::Full).map(drop)))
        })?;
        let (from, damage) = match found {
            (from, Ok(())) => {
                let to = from.ok_or(StoreError::MissingTable { table: "metadata" })?;
                return Ok(Repaired { from, to, damage: None });
            }
            (from, Err(error @ (StoreError::Integrity(_) | StoreError::BadRecord { .. }))) => (from, error),
            (_, Err(error)) => return Err(error),
        };
        let to = store.write(|txn| {
            let sound = integrity::last_sound(&tables, txn)?;
            let tip = if metadata::lowest_body(tables.metadata, txn)? == Height::GENESIS {
                let tip = cut(&tables, txn, sound)?;
                rebuild_coins(&tables, txn, sound)?;
                if params.is_private() {
                    messages::rebuild(&tables, txn, sound)?;
                }
                tip
            } else {
                messages::forget_from(&tables, txn, sound.next())?;
                go_back(&tables, txn, sound)?;
                cut(&tables, txn, sound)?
            };
            metadata::put_tip(tables.metadata, txn, &tip)?;
            tables.pending.clear(txn)?;
            // Repaired is what passes the walk that found the damage.
            integrity::walk(&tables, txn, Depth::Full)?;
            Ok(tip.height)
        })?;
        Ok(Repaired { from, to, damage: Some(damage.to_string()) })
    }
}

/// Removes all that was stored after the active block at a height, which becomes the tip.
fn cut(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<Tip, StoreError> {
    let active = active_block(tables, txn, height)?;
    // A header is stored after its parent, so what builds on the block has a higher number.
    let after = active.number.saturating_add(1);
    remove_from(tables.heights, txn, &height_key(height.next()))?;
    for table in [tables.headers, tables.blocks, tables.undo] {
        remove_from(table, txn, &number_key(after))?;
    }
    let mut stale = Vec::new();
    for entry in tables.index.all(txn)? {
        let (key, number) = entry?;
        if <[u8; 8]>::try_from(number).is_ok_and(|number| u64::from_be_bytes(number) < after) {
            continue;
        }
        stale.push(key.to_vec());
    }
    for key in stale {
        tables.index.delete(txn, &key)?;
    }
    metadata::put_next_number(tables.metadata, txn, after)?;
    Ok(Tip { height, hash: active.hash, work: active.work })
}

/// Removes all records from a key on.
fn remove_from(table: Table, txn: &mut RwTxn, key: &[u8]) -> Result<(), StoreError> {
    let doomed = keys_from(table, txn, key)?;
    for key in doomed {
        table.delete(txn, &key)?;
    }
    Ok(())
}

fn keys_from(table: Table, txn: &RoTxn, key: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    table.from(txn, key)?.map(|entry| Ok(entry?.0.to_vec())).collect()
}

/// Builds the UTXO set anew from the blocks up to a height.
fn rebuild_coins(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    tables.utxo.clear(txn)?;
    let (mut batch, mut bytes) = (Batch::default(), 0_usize);
    for height in (0..=height.0).map(Height) {
        let active = active_block(tables, txn, height)?;
        let block = blocks::load(tables.blocks, txn, height, &active)?;
        let txids = block.txids();
        let before = batch.state_before(&block, &txids, tables.utxo, txn)?;
        batch.connect(&block, &txids, height, &before);
        bytes = bytes.saturating_add(block.blob_len());
        if bytes > REBUILD_BYTES {
            std::mem::take(&mut batch).flush(tables.utxo, txn)?;
            bytes = 0;
        }
    }
    batch.flush(tables.utxo, txn)
}

/// Disconnects the blocks above a height by their undo records.
fn go_back(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    check_reachable(tables, txn, height)?;
    let (top, active) =
        heights::last(tables.heights, txn)?.ok_or(StoreError::MissingTable { table: "heights" })?;
    let mut tip = Tip { height: top, hash: active.hash, work: active.work };
    let mut batch = Batch::default();
    while tip.height > height {
        (tip, _) = disconnect_one(tables, txn, &mut batch, tip)?;
    }
    batch.flush(tables.utxo, txn)
}
