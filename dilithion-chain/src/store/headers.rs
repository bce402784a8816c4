//! Headers, keyed by insertion number, and the index from hash to number.

use dilithion_wire::{BlockHash, BlockHeader, Height};
use heed::RoTxn;

use super::metadata;
use super::record::Fields;
use super::tables::{Table, Tables, get_numbered, number_key, put_numbered};
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "headers";

/// A header that is part of the store, with what is known about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHeader {
    /// The header itself.
    pub header: BlockHeader,
    /// Its id: proven if `verified`, else claimed by its child or by a checkpoint.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Whether the proof-of-work hash of the header was computed and found equal to `hash`.
    pub verified: bool,
}

impl StoredHeader {
    fn to_record(self) -> Vec<u8> {
        let mut record = Vec::with_capacity(32 + 4 + 1 + BlockHeader::SIZE);
        record.extend_from_slice(self.hash.as_bytes());
        record.extend_from_slice(&self.height.0.to_be_bytes());
        record.push(u8::from(self.verified));
        record.extend_from_slice(&self.header.to_bytes());
        record
    }

    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new(TABLE, record);
        let hash = BlockHash::from_bytes(fields.array()?);
        let height = Height(fields.u32()?);
        let verified = fields.flag()?;
        let header = BlockHeader::from_bytes(&fields.array()?);
        fields.finish()?;
        Ok(Self { header, hash, height, verified })
    }
}

/// The insertion number of a block whose header is stored.
pub(crate) fn number_of(index: Table, txn: &RoTxn, hash: &BlockHash) -> Result<Option<u64>, StoreError> {
    let Some(record) = index.get(txn, hash.as_bytes())? else { return Ok(None) };
    let mut fields = Fields::new("index", record);
    let number = fields.u64()?;
    fields.finish()?;
    Ok(Some(number))
}

/// The header with an insertion number.
pub(crate) fn get(table: Table, txn: &RoTxn, number: u64) -> Result<Option<StoredHeader>, StoreError> {
    get_numbered(table, txn, number)?.map(StoredHeader::from_record).transpose()
}

/// Stores a header unless it is there, and returns its insertion number. A proof is never forgotten: storing a
/// verified header again as unverified changes nothing. A header that only claimed this id gives way, with its body, to
/// another that has it.
pub(crate) fn insert(tables: &Tables, txn: &mut RwTxn, header: StoredHeader) -> Result<u64, StoreError> {
    if let Some(number) = number_of(tables.index, txn, &header.hash)? {
        let stored = get(tables.headers, txn, number)?.ok_or(StoreError::BadRecord { table: TABLE })?;
        if stored.header != header.header && !stored.verified {
            put_numbered(tables.headers, txn, number, &header.to_record())?;
            tables.blocks.delete(txn, &number_key(number))?;
        } else if header.verified {
            set_verified(tables.headers, txn, number)?;
        }
        return Ok(number);
    }
    let number = metadata::take_number(tables.metadata, txn)?;
    put_numbered(tables.headers, txn, number, &header.to_record())?;
    tables.index.put(txn, header.hash.as_bytes(), &number.to_be_bytes())?;
    Ok(number)
}

/// Records that a header's proof of work was computed.
pub(crate) fn set_verified(table: Table, txn: &mut RwTxn, number: u64) -> Result<(), StoreError> {
    let stored = get(table, txn, number)?.ok_or(StoreError::BadRecord { table: TABLE })?;
    if stored.verified {
        return Ok(());
    }
    put_numbered(table, txn, number, &StoredHeader { verified: true, ..stored }.to_record())
}
