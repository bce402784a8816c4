//! The active chain by height.

use dilithion_pow::Work;
use dilithion_wire::{BlockHash, Height};
use heed::RoTxn;

use super::record::Fields;
use super::tables::{Table, height_key};
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "heights";

/// The active chain's block at some height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActiveBlock {
    /// Insertion number: key of its header, body and undo record.
    pub(crate) number: u64,
    /// Its id.
    pub(crate) hash: BlockHash,
    /// Work of the chain up to and including it.
    pub(crate) work: Work,
}

impl ActiveBlock {
    fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new(TABLE, record);
        let number = fields.u64()?;
        let hash = BlockHash::from_bytes(fields.array()?);
        let work = Work::from_be_bytes(fields.array()?);
        fields.finish()?;
        Ok(Self { number, hash, work })
    }
}

/// The block at a height, if the active chain reaches that far.
pub(crate) fn get(table: Table, txn: &RoTxn, height: Height) -> Result<Option<ActiveBlock>, StoreError> {
    table.get(txn, &height_key(height))?.map(ActiveBlock::from_record).transpose()
}

/// The highest entry of the table.
pub(crate) fn last(table: Table, txn: &RoTxn) -> Result<Option<(Height, ActiveBlock)>, StoreError> {
    let Some((key, record)) = table.last(txn)? else { return Ok(None) };
    let mut fields = Fields::new(TABLE, key);
    let height = Height(fields.u32()?);
    fields.finish()?;
    Ok(Some((height, ActiveBlock::from_record(record)?)))
}

/// Makes `block` the active one at `height`.
pub(crate) fn put(
    table: Table,
    txn: &mut RwTxn,
    height: Height,
    block: &ActiveBlock,
) -> Result<(), StoreError> {
    let mut record = Vec::with_capacity(8 + 32 + 32);
    record.extend_from_slice(&block.number.to_be_bytes());
    record.extend_from_slice(block.hash.as_bytes());
    record.extend_from_slice(&block.work.to_be_bytes());
    table.put(txn, &height_key(height), &record)
}

/// Ends the active chain below `height`, which is its tip.
pub(crate) fn delete(table: Table, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    table.delete(txn, &height_key(height))?;
    Ok(())
}
