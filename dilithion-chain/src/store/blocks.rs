//! Block bodies: the payload of a `block` message, so that a block is served without being built again.

use bytes::Bytes;
use dilithion_wire::{Block, Decode, Encode, Height, Limits};
use heed::RoTxn;

use super::heights::ActiveBlock;
use super::tables::{Table, get_numbered, put_numbered};
use super::txn::RwTxn;
use crate::error::{Damage, IntegrityError, StoreError};

/// Bodies were decoded under the network's limits before they were stored; nothing is to be refused again.
pub(crate) const STORED: Limits = Limits {
    max_blob_bytes: usize::MAX,
    max_script_sig: usize::MAX,
    max_script_pubkey: usize::MAX,
    max_coinbase_script: usize::MAX,
    vdf_header_version: 0,
};

/// Stores a body, unless it is there from before a reorganisation, undamaged.
pub(crate) fn insert(table: Table, txn: &mut RwTxn, number: u64, block: &Block) -> Result<(), StoreError> {
    let payload = block.encode_to_vec();
    if get_numbered(table, txn, number)? == Some(&payload) {
        return Ok(());
    }
    put_numbered(table, txn, number, &payload)
}

/// Whether a body is stored.
pub(crate) fn contains(table: Table, txn: &RoTxn, number: u64) -> Result<bool, StoreError> {
    Ok(get_numbered(table, txn, number)?.is_some())
}

/// The payload of a stored body.
pub(crate) fn payload(table: Table, txn: &RoTxn, number: u64) -> Result<Option<Bytes>, StoreError> {
    Ok(get_numbered(table, txn, number)?.map(Bytes::copy_from_slice))
}

/// The block that a stored payload holds, or what is wrong with the payload.
pub(crate) fn decode(payload: Bytes) -> Result<Block, String> {
    Block::decode_exact(payload, &STORED).map_err(|error| error.to_string())
}

/// The body of the active chain's block at a height.
pub(crate) fn load(
    table: Table,
    txn: &RoTxn,
    height: Height,
    active: &ActiveBlock,
) -> Result<Block, StoreError> {
    let hash = active.hash;
    let payload = payload(table, txn, active.number)?;
    let payload = payload.ok_or(IntegrityError { height, damage: Damage::BodyMissing { hash } })?;
    let block =
        decode(payload).map_err(|reason| IntegrityError { height, damage: Damage::Body { hash, reason } })?;
    Ok(block)
}
