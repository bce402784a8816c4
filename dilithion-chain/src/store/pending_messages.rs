//! Messages that wait for a block, beside the transactions that do: in the same database, with keys of their own.
//!
//! | key | value |
//! |---|---|
//! | 5 | count, bytes, the lowest arrival number, the next arrival number |
//! | 6, arrival number | id, message |
//! | 7, id | arrival number |
//!
//! Arrival numbers begin in the middle, so that what a disconnected block gives back can come first.

use dilithion_wire::{DataMessage, Encode, MessageId};
use heed::RoTxn;

use super::messages::decode;
use super::pending::tagged;
use super::record::Fields;
use super::tables::Table;
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "pending";

/// Key of the record of sizes, and the lowest of these keys.
pub(super) const SIZES: &[u8] = &[5];
/// First byte of the key of a message.
const ENTRY: u8 = 6;
/// First byte of the key of an id.
const ID: u8 = 7;
/// Arrival number of the first message of all.
const MIDDLE: u64 = 1 << 63;

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageStats {
    /// Messages.
    pub count: u64,
    /// Bytes that they will take in coinbases.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    stats: MessageStats,
    first: u64,
    next: u64,
}

/// How much waits.
pub(crate) fn stats(table: Table, txn: &RoTxn) -> Result<MessageStats, StoreError> {
    Ok(sizes(table, txn)?.stats)
}

/// A message that waits.
pub(crate) fn find(table: Table, txn: &RoTxn, id: &MessageId) -> Result<Option<DataMessage>, StoreError> {
    let Some(arrival) = arrival_of(table, txn, id)? else { return Ok(None) };
    let record = table.get(txn, &entry_key(arrival))?.ok_or_else(damaged)?;
    let (found, message) = from_record(record)?;
    if found == *id { Ok(Some(message)) } else { Err(damaged()) }
}

/// Whether a message waits.
pub(crate) fn contains(table: Table, txn: &RoTxn, id: &MessageId) -> Result<bool, StoreError> {
    Ok(table.get(txn, &id_key(id))?.is_some())
}

/// All messages that wait, in their order.
pub(crate) fn all<'txn>(
    table: Table,
    txn: &'txn RoTxn,
) -> Result<impl Iterator<Item = Result<(MessageId, DataMessage), StoreError>> + use<'txn>, StoreError> {
    Ok(tagged(table, txn, ENTRY, &[ENTRY])?.map(|record| from_record(record?.1)))
}

/// Adds a message that does not wait yet, as the last one.
pub(crate) fn push_back(
    table: Table,
    txn: &mut RwTxn,
    id: &MessageId,
    message: &DataMessage,
) -> Result<(), StoreError> {
    let mut sizes = sizes(table, txn)?;
    let arrival = sizes.next;
    sizes.next = arrival.saturating_add(1);
    insert(table, txn, sizes, arrival, (id, message))
}

/// Adds a message that does not wait yet, as the first one.
pub(crate) fn push_front(
    table: Table,
    txn: &mut RwTxn,
    id: &MessageId,
    message: &DataMessage,
) -> Result<(), StoreError> {
    let mut sizes = sizes(table, txn)?;
    sizes.first = sizes.first.saturating_sub(1);
    insert(table, txn, sizes, sizes.first, (id, message))
}

/// Removes a message, if it waits.
pub(crate) fn remove(table: Table, txn: &mut RwTxn, id: &MessageId) -> Result<(), StoreError> {
    let Some(arrival) = arrival_of(table, txn, id)? else { return Ok(()) };
    let message = find(table, txn, id)?.ok_or_else(damaged)?;
    let mut sizes = sizes(table, txn)?;
    sizes.stats.count = sizes.stats.count.saturating_sub(1);
    sizes.stats.bytes = sizes.stats.bytes.saturating_sub(length(&message));
    put_sizes(table, txn, sizes)?;
    table.delete(txn, &entry_key(arrival))?;
    table.delete(txn, &id_key(id))?;
    Ok(())
}

/// Checks that the records agree with each other, and returns how many there are.
pub(super) fn check(table: Table, txn: &RoTxn) -> Result<u64, StoreError> {
    let Sizes { stats, first, next } = sizes(table, txn)?;
    let (mut found, mut records) = (MessageStats::default(), table.get(txn, SIZES)?.map_or(0, |_| 1_u64));
    for record in tagged(table, txn, ENTRY, &[ENTRY])? {
        let (key, record) = record?;
        let (id, message) = from_record(record)?;
        let arrival = arrival_of(table, txn, &id)?.filter(|arrival| entry_key(*arrival) == key);
        if id != message.id() || arrival.is_none_or(|arrival| arrival < first || arrival >= next) {
            return Err(damaged());
        }
        found.count = found.count.saturating_add(1);
        found.bytes = found.bytes.saturating_add(length(&message));
        records = records.saturating_add(2);
    }
    if found == stats { Ok(records) } else { Err(damaged()) }
}

fn insert(
    table: Table,
    txn: &mut RwTxn,
    mut sizes: Sizes,
    arrival: u64,
    (id, message): (&MessageId, &DataMessage),
) -> Result<(), StoreError> {
    sizes.stats.count = sizes.stats.count.saturating_add(1);
    sizes.stats.bytes = sizes.stats.bytes.saturating_add(length(message));
    put_sizes(table, txn, sizes)?;
    let record = [&id.as_bytes()[..], &message.encode_to_vec()].concat();
    table.put(txn, &entry_key(arrival), &record)?;
    table.put(txn, &id_key(id), &arrival.to_be_bytes())
}

fn sizes(table: Table, txn: &RoTxn) -> Result<Sizes, StoreError> {
    let Some(record) = table.get(txn, SIZES)? else {
        return Ok(Sizes { stats: MessageStats::default(), first: MIDDLE, next: MIDDLE });
    };
    let mut fields = Fields::new(TABLE, record);
    let stats = MessageStats { count: fields.u64()?, bytes: fields.u64()? };
    let (first, next) = (fields.u64()?, fields.u64()?);
    fields.finish()?;
    Ok(Sizes { stats, first, next })
}

fn put_sizes(table: Table, txn: &mut RwTxn, sizes: Sizes) -> Result<(), StoreError> {
    let Sizes { stats: MessageStats { count, bytes }, first, next } = sizes;
    table.put(txn, SIZES, &[count, bytes, first, next].map(u64::to_be_bytes).concat())
}

fn arrival_of(table: Table, txn: &RoTxn, id: &MessageId) -> Result<Option<u64>, StoreError> {
    let Some(record) = table.get(txn, &id_key(id))? else { return Ok(None) };
    let mut fields = Fields::new(TABLE, record);
    let arrival = fields.u64()?;
    fields.finish()?;
    Ok(Some(arrival))
}

fn from_record(record: &[u8]) -> Result<(MessageId, DataMessage), StoreError> {
    let mut fields = Fields::new(TABLE, record);
    let id = MessageId::from_bytes(fields.array()?);
    Ok((id, decode(TABLE, fields.rest())?))
}

fn length(message: &DataMessage) -> u64 {
    u64::try_from(message.outputs_len()).unwrap_or(u64::MAX)
}

fn entry_key(arrival: u64) -> Vec<u8> {
    [&[ENTRY][..], &arrival.to_be_bytes()].concat()
}

fn id_key(id: &MessageId) -> Vec<u8> {
    [&[ID][..], id.as_bytes()].concat()
}

const fn damaged() -> StoreError {
    StoreError::BadRecord { table: TABLE }
}
