//! The pending pool as it is stored: transactions in the order of their arrival, and what finds them.
//!
//! All of it is one database. The first byte of a key says what the record is:
//!
//! | key | value |
//! |---|---|
//! | 0 | count, bytes, the next arrival number |
//! | 1, arrival number | txid, fee, transaction |
//! | 2, txid | arrival number |
//! | 3, txid, index: an output that is spent | arrival number of the spender |
//! | 4, fee rate, complement of the arrival number | nothing |
//!
//! Keys from 5 on are those of [messages](super::pending_messages). The last kind here is ordered from the one that goes first to the one that goes last when the pool is full.

use std::collections::BTreeMap;

use dilithion_wire::{OutPoint, Txid};
use heed::RoTxn;

use super::pending_messages;
use super::pending_transaction::{PendingStats, PendingTransaction};
use super::record::Fields;
use super::tables::{Record, Table, Tables, coin_key};
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "pending";

/// Key of the record of sizes.
const SIZES: &[u8] = &[0];
/// First byte of the key of a transaction.
const ENTRY: u8 = 1;
/// First byte of the key of an id.
const ID: u8 = 2;
/// First byte of the key of a spent output.
const SPENT: u8 = 3;
/// First byte of the key of a fee rate.
const RATE: u8 = 4;

/// Pending transactions by arrival number: no parent comes after its child.
pub(crate) type Entries = BTreeMap<u64, PendingTransaction>;

/// How much the pool holds.
pub(crate) fn stats(table: Table, txn: &RoTxn) -> Result<PendingStats, StoreError> {
    Ok(sizes(table, txn)?.0)
}

/// A pending transaction and its arrival number.
pub(crate) fn find(
    table: Table,
    txn: &RoTxn,
    txid: &Txid,
) -> Result<Option<(u64, PendingTransaction)>, StoreError> {
    let Some(arrival) = number(table, txn, &id_key(txid))? else { return Ok(None) };
    Ok(Some((arrival, get(table, txn, arrival)?)))
}

/// Arrival number of a pending transaction.
pub(crate) fn number_of(table: Table, txn: &RoTxn, txid: &Txid) -> Result<Option<u64>, StoreError> {
    number(table, txn, &id_key(txid))
}

/// Arrival number of the pending transaction that spends an output.
pub(crate) fn spender(table: Table, txn: &RoTxn, outpoint: &OutPoint) -> Result<Option<u64>, StoreError> {
    number(table, txn, &spent_key(outpoint))
}

/// The transaction with an arrival number that another record named.
pub(crate) fn get(table: Table, txn: &RoTxn, arrival: u64) -> Result<PendingTransaction, StoreError> {
    PendingTransaction::from_record(table.get(txn, &entry_key(arrival))?.ok_or_else(damaged)?)
}

/// Transactions in the order of their arrival, from an arrival number on.
pub(crate) fn from<'txn>(
    table: Table,
    txn: &'txn RoTxn,
    arrival: u64,
) -> Result<impl Iterator<Item = Result<(u64, PendingTransaction), StoreError>> + use<'txn>, StoreError> {
    let records = tagged(table, txn, ENTRY, &entry_key(arrival))?;
    Ok(records.map(|record| {
        let (key, record) = record?;
        Ok((last_number(key)?, PendingTransaction::from_record(record)?))
    }))
}

/// Arrival numbers from the lowest fee rate up; of equal ones the youngest first.
pub(crate) fn by_rate<'txn>(
    table: Table,
    txn: &'txn RoTxn,
) -> Result<impl Iterator<Item = Result<u64, StoreError>> + use<'txn>, StoreError> {
    let records = tagged(table, txn, RATE, &[RATE])?;
    Ok(records.map(|record| last_number(record?.0).map(|complement| !complement)))
}

/// A transaction and all that spend its outputs, their outputs, and so on.
pub(crate) fn with_descendants(table: Table, txn: &RoTxn, arrival: u64) -> Result<Entries, StoreError> {
    let mut found = Entries::new();
    let mut left = vec![arrival];
    while let Some(arrival) = left.pop() {
        if found.contains_key(&arrival) {
            continue;
        }
        let entry = get(table, txn, arrival)?;
        for output in entry.outputs() {
            left.extend(spender(table, txn, &output)?);
        }
        found.insert(arrival, entry);
    }
    Ok(found)
}

/// Adds a transaction, as the last one to arrive.
pub(crate) fn push(table: Table, txn: &mut RwTxn, entry: &PendingTransaction) -> Result<(), StoreError> {
    let (mut stats, arrival) = sizes(table, txn)?;
    stats.add(entry);
    put_sizes(table, txn, stats, arrival.saturating_add(1))?;
    table.put(txn, &entry_key(arrival), &entry.to_record())?;
    let number = arrival.to_be_bytes();
    table.put(txn, &id_key(&entry.txid), &number)?;
    for outpoint in entry.spends() {
        table.put(txn, &spent_key(&outpoint), &number)?;
    }
    table.put(txn, &rate_key(entry, arrival), &[])
}

/// Removes a transaction, and nothing that builds on it.
pub(crate) fn remove(
    table: Table,
    txn: &mut RwTxn,
    arrival: u64,
    entry: &PendingTransaction,
) -> Result<(), StoreError> {
    let (mut stats, next) = sizes(table, txn)?;
    stats.remove(entry);
    put_sizes(table, txn, stats, next)?;
    table.delete(txn, &entry_key(arrival))?;
    table.delete(txn, &id_key(&entry.txid))?;
    for outpoint in entry.spends() {
        table.delete(txn, &spent_key(&outpoint))?;
    }
    table.delete(txn, &rate_key(entry, arrival))?;
    Ok(())
}

/// Empties the pool of transactions; arrival numbers go on rising.
pub(crate) fn clear(table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
    let (_, next) = sizes(table, txn)?;
    table.delete_range(txn, SIZES, pending_messages::SIZES)?;
    put_sizes(table, txn, PendingStats::default(), next)
}

/// Checks that all records of the pool agree with each other, and that what the transactions spend exists.
pub(crate) fn check(tables: &Tables, txn: &RoTxn) -> Result<(), StoreError> {
    let table = tables.pending;
    let (stats, next) = sizes(table, txn)?;
    let (mut found, mut records) = (PendingStats::default(), table.get(txn, SIZES)?.map_or(0, |_| 1_u64));
    for entry in from(table, txn, 0)? {
        let (arrival, entry) = entry?;
        let mut sound = arrival < next && entry.transaction.txid() == entry.txid;
        sound &= number_of(table, txn, &entry.txid)? == Some(arrival);
        sound &= table.get(txn, &rate_key(&entry, arrival))?.is_some();
        records = records.saturating_add(3);
        for outpoint in entry.spends() {
            sound &= spender(table, txn, &outpoint)? == Some(arrival);
            sound &= number_of(table, txn, &outpoint.txid)?.is_some_and(|parent| parent < arrival)
                || tables.utxo.get(txn, &coin_key(&outpoint))?.is_some();
            records = records.saturating_add(1);
        }
        if !sound {
            return Err(damaged());
        }
        found.add(&entry);
    }
    if found == stats && records.saturating_add(pending_messages::check(table, txn)?) == table.len(txn)? {
        Ok(())
    } else {
        Err(damaged())
    }
}

/// What the pool holds, and the next arrival number.
fn sizes(table: Table, txn: &RoTxn) -> Result<(PendingStats, u64), StoreError> {
    let Some(record) = table.get(txn, SIZES)? else { return Ok((PendingStats::default(), 0)) };
    let mut fields = Fields::new(TABLE, record);
    let stats = PendingStats { count: fields.u64()?, bytes: fields.u64()? };
    let next = fields.u64()?;
    fields.finish()?;
    Ok((stats, next))
}

fn put_sizes(table: Table, txn: &mut RwTxn, stats: PendingStats, next: u64) -> Result<(), StoreError> {
    table.put(txn, SIZES, &[stats.count, stats.bytes, next].map(u64::to_be_bytes).concat())
}

/// The records whose keys begin with a byte, from a key on.
pub(super) fn tagged<'txn>(
    table: Table,
    txn: &'txn RoTxn,
    tag: u8,
    key: &[u8],
) -> Result<impl Iterator<Item = Result<Record<'txn>, StoreError>> + use<'txn>, StoreError> {
    let records = table.from(txn, key)?.map(|record| Ok(record?));
    Ok(records.take_while(move |record: &Result<Record<'txn>, StoreError>| {
        record.as_ref().map_or(true, |(key, _)| key.first() == Some(&tag))
    }))
}

fn number(table: Table, txn: &RoTxn, key: &[u8]) -> Result<Option<u64>, StoreError> {
    table.get(txn, key)?.map(last_number).transpose()
}

/// The number that a key or a value ends with.
fn last_number(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.last_chunk().map(|number| u64::from_be_bytes(*number)).ok_or_else(damaged)
}

fn entry_key(arrival: u64) -> Vec<u8> {
    [&[ENTRY][..], &arrival.to_be_bytes()].concat()
}

fn id_key(txid: &Txid) -> Vec<u8> {
    [&[ID][..], txid.as_bytes()].concat()
}

fn spent_key(outpoint: &OutPoint) -> Vec<u8> {
    [&[SPENT][..], &coin_key(outpoint)].concat()
}

fn rate_key(entry: &PendingTransaction, arrival: u64) -> Vec<u8> {
    [&[RATE][..], &entry.fee_rate().0.to_be_bytes(), &(!arrival).to_be_bytes()].concat()
}

const fn damaged() -> StoreError {
    StoreError::BadRecord { table: TABLE }
}
