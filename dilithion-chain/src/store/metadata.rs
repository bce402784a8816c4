//! Facts about the whole store: a few records with names as keys.

use dilithion_pow::Work;
use dilithion_wire::{BlockHash, Height};
use heed::RoTxn;

use super::record::Fields;
use super::tables::Table;
use super::txn::RwTxn;
use crate::error::StoreError;

/// Name of the table, for errors.
const TABLE: &str = "metadata";

/// Version of the layout that this crate reads and writes.
pub(crate) const SCHEMA_VERSION: u32 = 4;
/// The oldest layout that can be read as it is. It lacks the mark of what was pruned, it and version 2 the databases of
/// the miners, and all before 4 that of the blocks that the operator refuses.
const OLDEST_VERSION: u32 = 1;
/// The first layout with the blocks that the operator refuses.
const FIRST_WITH_REVOKED: u32 = 4;

/// Height of the tip, eight bytes.
const LAST_HEIGHT: &[u8] = b"last_height";
/// Hash of the tip.
const LAST_HASH: &[u8] = b"last_hash";
/// Work of the chain up to and including the tip.
const CHAIN_WORK: &[u8] = b"chain_work";
/// Hash of block 0.
const GENESIS_HASH: &[u8] = b"genesis_hash";
/// Layout of the store.
const SCHEMA: &[u8] = b"schema_version";
/// Name of the network, for people.
const NETWORK: &[u8] = b"network";
/// The insertion number that the next new header gets.
const NEXT_NUMBER: &[u8] = b"next_number";

/// The lowest height whose body is stored, if bodies below it were pruned.
const LOWEST_BODY: &[u8] = b"lowest_body";
/// There if miners have identities, and the databases of the miners follow the chain.
const HAS_IDENTITIES: &[u8] = b"has_identities";
/// The lowest height that counts for the heat of miners, if it is not as the chain says.
const WINDOW_FLOOR: &[u8] = b"window_floor";

/// The end of the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height; 0 is the genesis block.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// Work of all blocks from genesis to it, both included (spec: consensus §5c).
    pub work: Work,
}

/// What identifies the chain that a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) genesis: BlockHash,
    pub(crate) network: String,
}

/// The tip, or `None` in a store without any block.
pub(crate) fn tip(table: Table, txn: &RoTxn) -> Result<Option<Tip>, StoreError> {
    let Some(height) = table.get(txn, LAST_HEIGHT)? else { return Ok(None) };
    let mut height = Fields::new(TABLE, height);
    let number = u32::try_from(height.u64()?).map_err(|_| StoreError::BadRecord { table: TABLE })?;
    height.finish()?;
    let hash = BlockHash::from_bytes(required(table, txn, LAST_HASH)?);
    let work = Work::from_be_bytes(required(table, txn, CHAIN_WORK)?);
    Ok(Some(Tip { height: Height(number), hash, work }))
}

/// Moves the tip.
pub(crate) fn put_tip(table: Table, txn: &mut RwTxn, tip: &Tip) -> Result<(), StoreError> {
    table.put(txn, LAST_HEIGHT, &u64::from(tip.height.0).to_be_bytes())?;
    table.put(txn, LAST_HASH, tip.hash.as_bytes())?;
    table.put(txn, CHAIN_WORK, &tip.work.to_be_bytes())?;
    Ok(())
}

/// Whose chain this is; an error if the layout is not the one this crate knows.
pub(crate) fn identity(table: Table, txn: &RoTxn) -> Result<Identity, StoreError> {
    let found = u32::from_be_bytes(required(table, txn, SCHEMA)?);
    if !(OLDEST_VERSION..=SCHEMA_VERSION).contains(&found) {
        return Err(StoreError::Schema { found, supported: SCHEMA_VERSION });
    }
    let genesis = BlockHash::from_bytes(required(table, txn, GENESIS_HASH)?);
    let network = table.get(txn, NETWORK)?.unwrap_or_default();
    Ok(Identity { genesis, network: String::from_utf8_lossy(network).into_owned() })
}

/// Brings a store of an older layout to the present one, so that no older program takes it for its own.
pub(crate) fn migrate(table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
    let lowest = lowest_body(table, txn)?;
    put_lowest_body(table, txn, lowest)?;
    table.put(txn, SCHEMA, &SCHEMA_VERSION.to_be_bytes())
}

/// Whether the store has the present layout.
pub(crate) fn is_current(table: Table, txn: &RoTxn) -> Result<bool, StoreError> {
    Ok(u32::from_be_bytes(required(table, txn, SCHEMA)?) == SCHEMA_VERSION)
}

/// Whether the store has the database of the blocks that the operator refuses.
pub(crate) fn has_revoked(table: Table, txn: &RoTxn) -> Result<bool, StoreError> {
    Ok(u32::from_be_bytes(required(table, txn, SCHEMA)?) >= FIRST_WITH_REVOKED)
}

/// Writes the facts that never change.
pub(crate) fn put_identity(table: Table, txn: &mut RwTxn, identity: &Identity) -> Result<(), StoreError> {
    table.put(txn, SCHEMA, &SCHEMA_VERSION.to_be_bytes())?;
    table.put(txn, GENESIS_HASH, identity.genesis.as_bytes())?;
    table.put(txn, NETWORK, identity.network.as_bytes())?;
    Ok(())
}

/// The lowest height, apart from the genesis block's, from which on bodies and undo records are stored; 0 if all are.
pub(crate) fn lowest_body(table: Table, txn: &RoTxn) -> Result<Height, StoreError> {
    let Some(record) = table.get(txn, LOWEST_BODY)? else { return Ok(Height::GENESIS) };
    let mut fields = Fields::new(TABLE, record);
    let height = Height(fields.u32()?);
    fields.finish()?;
    Ok(height)
}

/// Notes that bodies and undo records below a height are gone.
pub(crate) fn put_lowest_body(table: Table, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    table.put(txn, LOWEST_BODY, &height.0.to_be_bytes())
}

/// Whether the databases of the miners follow the chain.
pub(crate) fn has_identities(table: Table, txn: &RoTxn) -> Result<bool, StoreError> {
    Ok(table.get(txn, HAS_IDENTITIES)?.is_some())
}

/// Notes that the databases of the miners follow the chain from now on.
pub(crate) fn put_has_identities(table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
    table.put(txn, HAS_IDENTITIES, &[1])
}

/// Notes that the databases of the miners do not follow the chain.
pub(crate) fn delete_has_identities(table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
    table.delete(txn, HAS_IDENTITIES).map(drop)
}

/// The lowest height that counts for the heat of miners, if reorganisations made as in the reference node lost some.
pub(crate) fn window_floor(table: Table, txn: &RoTxn) -> Result<Option<Height>, StoreError> {
    let Some(record) = table.get(txn, WINDOW_FLOOR)? else { return Ok(None) };
    let mut fields = Fields::new(TABLE, record);
    let height = Height(fields.u32()?);
    fields.finish()?;
    Ok(Some(height))
}

/// Notes which heights are lost to the heat of miners.
pub(crate) fn put_window_floor(table: Table, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    table.put(txn, WINDOW_FLOOR, &height.0.to_be_bytes())
}

/// Notes that miners are known as the chain says.
pub(crate) fn delete_window_floor(table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
    table.delete(txn, WINDOW_FLOOR).map(drop)
}

/// Hands out the next insertion number.
pub(crate) fn take_number(table: Table, txn: &mut RwTxn) -> Result<u64, StoreError> {
    let number = match table.get(txn, NEXT_NUMBER)? {
        Some(record) => {
            let mut fields = Fields::new(TABLE, record);
            let number = fields.u64()?;
            fields.finish()?;
            number
        }
        None => 0,
    };
    table.put(txn, NEXT_NUMBER, &number.saturating_add(1).to_be_bytes())?;
    Ok(number)
}

/// Makes the next insertion number one that is not in use.
pub(crate) fn put_next_number(table: Table, txn: &mut RwTxn, number: u64) -> Result<(), StoreError> {
    table.put(txn, NEXT_NUMBER, &number.to_be_bytes())
}

/// The insertion number that the next new header gets.
pub(crate) fn next_number(table: Table, txn: &RoTxn) -> Result<u64, StoreError> {
    Ok(u64::from_be_bytes(required(table, txn, NEXT_NUMBER)?))
}

fn required<const N: usize>(table: Table, txn: &RoTxn, key: &[u8]) -> Result<[u8; N], StoreError> {
    let record = table.get(txn, key)?.ok_or(StoreError::BadRecord { table: TABLE })?;
    let mut fields = Fields::new(TABLE, record);
    let value = fields.array()?;
    fields.finish()?;
    Ok(value)
}
