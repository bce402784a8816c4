//! Miners: what the chain knows about each, and who made each block of the active chain.
//!
//! A record of a block is also what undoing it takes. No block at height 0 has a miner, so that height stands for none.

use std::sync::Arc;

use dilithion_wire::Height;
use heed::RoTxn;

use super::record::Fields;
use super::tables::{Table, height_key};
use super::txn::RwTxn;
use crate::dfmp::Mined;
use crate::error::StoreError;
use crate::mik::Identity;
use crate::signature::PUBLIC_KEY_BYTES;

/// Names of the tables, for errors.
const IDENTITIES: &str = "identities";
const MINERS: &str = "miners";

/// What the active chain knows about a miner. The default is that of somebody who was never heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Miner {
    /// The first block of the miner.
    pub first_seen: Option<Height>,
    /// The last block of the miner.
    pub last_mined: Option<Height>,
    /// The miner's ML-DSA-65 key, if a block registered it.
    pub public_key: Option<Arc<[u8; PUBLIC_KEY_BYTES]>>,
}

/// Who made a block of the active chain, and what that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinedBlock {
    pub(crate) mined: Mined,
    /// Whether the block brought a key.
    pub(crate) registration: bool,
    /// Whether that key was not known before.
    pub(crate) new_key: bool,
    /// The miner's last block before this one.
    pub(crate) last_mined: Option<Height>,
}

impl Miner {
    /// First and last height, then the key if there is one.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(4 + 4 + PUBLIC_KEY_BYTES);
        record.extend_from_slice(&height_key(self.first_seen.unwrap_or(Height::GENESIS)));
        record.extend_from_slice(&height_key(self.last_mined.unwrap_or(Height::GENESIS)));
        if let Some(key) = &self.public_key {
            record.extend_from_slice(&key[..]);
        }
        record
    }

    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new(IDENTITIES, record);
        let (first_seen, last_mined) = (some_height(fields.u32()?), some_height(fields.u32()?));
        let public_key = match fields.rest() {
            [] => None,
            key => Some(Arc::new(key.try_into().map_err(|_| StoreError::BadRecord { table: IDENTITIES })?)),
        };
        Ok(Self { first_seen, last_mined, public_key })
    }
}

impl MinedBlock {
    fn to_record(self) -> Vec<u8> {
        let mut record = Vec::with_capacity(2 * Identity::SIZE + 2 + 4);
        record.extend_from_slice(self.mined.miner.as_bytes());
        record.extend_from_slice(self.mined.payee.as_bytes());
        record.extend_from_slice(&[u8::from(self.registration), u8::from(self.new_key)]);
        record.extend_from_slice(&height_key(self.last_mined.unwrap_or(Height::GENESIS)));
        record
    }

    fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new(MINERS, record);
        let miner = Identity::from_bytes(fields.array()?);
        let payee = Identity::from_bytes(fields.array()?);
        let (registration, new_key) = (fields.flag()?, fields.flag()?);
        let last_mined = some_height(fields.u32()?);
        fields.finish()?;
        Ok(Self { mined: Mined { miner, payee }, registration, new_key, last_mined })
    }
}

fn some_height(height: u32) -> Option<Height> {
    Some(Height(height)).filter(|height| *height > Height::GENESIS)
}

/// What is known about a miner.
pub(crate) fn get(table: Table, txn: &RoTxn, identity: &Identity) -> Result<Miner, StoreError> {
    Ok(table.get(txn, identity.as_bytes())?.map(Miner::from_record).transpose()?.unwrap_or_default())
}

/// All miners, in the order of their identities.
pub(crate) fn all(table: Table, txn: &RoTxn) -> Result<Vec<(Identity, Miner)>, StoreError> {
    table
        .all(txn)?
        .map(|entry| {
            let (key, record) = entry?;
            let key = key.try_into().map_err(|_| StoreError::BadRecord { table: IDENTITIES })?;
            Ok((Identity::from_bytes(key), Miner::from_record(record)?))
        })
        .collect()
}

/// Stores what is known about a miner, or that nothing is.
pub(crate) fn put(
    table: Table,
    txn: &mut RwTxn,
    identity: &Identity,
    miner: &Miner,
) -> Result<(), StoreError> {
    if *miner == Miner::default() {
        table.delete(txn, identity.as_bytes())?;
        return Ok(());
    }
    table.put(txn, identity.as_bytes(), &miner.to_record())
}

/// Who made the active chain's block at a height, if it says so.
pub(crate) fn at(table: Table, txn: &RoTxn, height: Height) -> Result<Option<MinedBlock>, StoreError> {
    table.get(txn, &height_key(height))?.map(MinedBlock::from_record).transpose()
}

/// Who made the blocks from a height on, as far as they say so.
pub(crate) fn from_height(
    table: Table,
    txn: &RoTxn,
    height: Height,
) -> Result<impl Iterator<Item = Result<(Height, MinedBlock), StoreError>>, StoreError> {
    let records = table.from(txn, &height_key(height))?;
    Ok(records.map(|entry| {
        let (key, record) = entry?;
        let mut fields = Fields::new(MINERS, key);
        let height = Height(fields.u32()?);
        fields.finish()?;
        Ok((height, MinedBlock::from_record(record)?))
    }))
}

/// Stores who made the active chain's block at a height; `None`: nobody, or there is no such block any more.
pub(crate) fn set(
    table: Table,
    txn: &mut RwTxn,
    height: Height,
    block: Option<&MinedBlock>,
) -> Result<(), StoreError> {
    match block {
        Some(block) => table.put(txn, &height_key(height), &block.to_record()),
        None => table.delete(txn, &height_key(height)).map(drop),
    }
}
