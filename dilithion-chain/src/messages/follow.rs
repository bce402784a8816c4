//! How messages follow the chain, as part of the transaction that moves the tip.

use std::collections::{BTreeMap, BTreeSet};

use dilithion_wire::{Block, DataMessage, Height, MessageId};
use heed::RoTxn;

use crate::disconnect::active_block;
use crate::error::StoreError;
use crate::store::tables::Tables;
use crate::store::txn::RwTxn;
use crate::store::{blocks, messages, pending_messages};

/// A block was connected: its messages are part of the chain now, and wait no longer. Of those with the same id the first in
/// the chain counts.
pub(crate) fn connect_block(
    tables: &Tables,
    txn: &mut RwTxn,
    height: Height,
    block: &Block,
) -> Result<(), StoreError> {
    for message in messages_of(block) {
        let id = message.id();
        if messages::height_of(tables.messages, txn, &id)?.is_none() {
            messages::put(tables.messages, txn, &id, height, &message)?;
        }
        pending_messages::remove(tables.pending, txn, &id)?;
    }
    Ok(())
}

/// A block was disconnected: its messages wait again, in their order and before all others, however much that makes.
pub(crate) fn disconnect_block(
    tables: &Tables,
    txn: &mut RwTxn,
    height: Height,
    block: &Block,
) -> Result<(), StoreError> {
    // Of those with the same id, the first.
    let mut known = BTreeSet::new();
    let mut ids: Vec<MessageId> = messages_of(block).map(|message| message.id()).collect();
    ids.retain(|id| known.insert(*id));
    for id in ids.iter().rev() {
        let found = messages::get(tables.messages, txn, id)?;
        // A message that an earlier block brought stays in the chain.
        if let Some(found) = found.filter(|found| found.height == height) {
            tables.messages.delete(txn, id.as_bytes())?;
            pending_messages::push_front(tables.pending, txn, id, &found.message)?;
        }
    }
    Ok(())
}

/// How many messages a block brought, by the records of the chain; an error if these contradict the block.
pub(crate) fn check_block(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    block: &Block,
) -> Result<u64, StoreError> {
    let mut first: BTreeMap<MessageId, DataMessage> = BTreeMap::new();
    for message in messages_of(block) {
        first.entry(message.id()).or_insert(message);
    }
    let mut brought = 0_u64;
    for (id, message) in first {
        if let Some(found) = messages::get(tables.messages, txn, &id)?
            && found.height == height
        {
            if found.message != message {
                return Err(StoreError::BadRecord { table: "messages" });
            }
            brought = brought.saturating_add(1);
        }
    }
    Ok(brought)
}

/// Enters the messages of all blocks up to a height anew.
pub(crate) fn rebuild(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    tables.messages.clear(txn)?;
    for height in (0..=height.0).map(Height) {
        let active = active_block(tables, txn, height)?;
        let block = blocks::load(tables.blocks, txn, height, &active)?;
        connect_block(tables, txn, height, &block)?;
    }
    Ok(())
}

/// Forgets the messages of blocks from a height on.
pub(crate) fn forget_from(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    let mut doomed = Vec::new();
    for record in tables.messages.all(txn)? {
        let (id, value) = record?;
        // What cannot be read goes as well.
        let at = value.first_chunk().map_or(Height(u32::MAX), |bytes| Height(u32::from_be_bytes(*bytes)));
        if at >= height {
            doomed.push(id.to_vec());
        }
    }
    for id in doomed {
        tables.messages.delete(txn, &id)?;
    }
    Ok(())
}

fn messages_of(block: &Block) -> impl Iterator<Item = DataMessage> {
    let outputs = block.transactions.first().map(|coinbase| coinbase.outputs.as_slice());
    DataMessage::find_in(outputs.unwrap_or_default())
}
