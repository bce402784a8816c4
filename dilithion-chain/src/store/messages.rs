//! The messages of the active chain.
//!
//! Key: id. Value: height of the block that brought it, the message. Of messages with the same id the first in the chain is
//! kept.

use bytes::Bytes;
use dilithion_wire::{DataMessage, Decode, Encode, Height, MessageId};
use heed::RoTxn;

use super::blocks::STORED;
use super::record::Fields;
use super::tables::Table;
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "messages";

/// A message that is part of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainMessage {
    /// Height of its block.
    pub height: Height,
    /// The message.
    pub message: DataMessage,
}

/// A message by its id.
pub(crate) fn get(table: Table, txn: &RoTxn, id: &MessageId) -> Result<Option<ChainMessage>, StoreError> {
    let Some(record) = table.get(txn, id.as_bytes())? else { return Ok(None) };
    let mut fields = Fields::new(TABLE, record);
    let height = Height(fields.u32()?);
    Ok(Some(ChainMessage { height, message: decode(TABLE, fields.rest())? }))
}

/// Height of the block that brought a message.
pub(crate) fn height_of(table: Table, txn: &RoTxn, id: &MessageId) -> Result<Option<Height>, StoreError> {
    let record = table.get(txn, id.as_bytes())?;
    record.map(|record| Ok(Height(Fields::new(TABLE, record).u32()?))).transpose()
}

/// Enters a message of the block at a height.
pub(crate) fn put(
    table: Table,
    txn: &mut RwTxn,
    id: &MessageId,
    height: Height,
    message: &DataMessage,
) -> Result<(), StoreError> {
    let record = [&height.0.to_be_bytes()[..], &message.encode_to_vec()].concat();
    table.put(txn, id.as_bytes(), &record)
}

/// A stored message of a table.
pub(super) fn decode(table: &'static str, bytes: &[u8]) -> Result<DataMessage, StoreError> {
    DataMessage::decode_exact(Bytes::copy_from_slice(bytes), &STORED)
        .map_err(|_| StoreError::BadRecord { table })
}
