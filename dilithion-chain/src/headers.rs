//! Headers ahead of the tip: proven work is kept, so that a restart need not compute it again.

use std::collections::BTreeSet;

use dilithion_wire::BlockHash;
use heed::RoTxn;

use crate::chainstate::Chainstate;
use crate::error::StoreError;
use crate::store::headers::{self, StoredHeader};
use crate::store::heights;
use crate::store::tables::{Table, Tables, number_key};
use crate::store::txn::RwTxn;

impl Chainstate {
    /// Stores headers, each after its parent, in one transaction. One that is stored already is left alone, except
    /// that a proof is noted.
    ///
    /// # Errors
    /// [`StoreError::UnknownParent`] or [`StoreError::HeaderHeight`] if a header does not follow a stored one; none
    /// of the slice is stored then.
    pub fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        let tables = self.store.tables;
        self.store
            .write(|txn| headers.iter().try_for_each(|header| insert_after_parent(&tables, txn, *header)))
    }

    /// Notes that the proof of work of stored headers was computed and matches their ids. Hashes that name no stored
    /// header are passed over. Returns how many were found.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn mark_verified(&mut self, hashes: &[BlockHash]) -> Result<usize, StoreError> {
        let tables = self.store.tables;
        self.store.write(|txn| {
            let mut found = 0_usize;
            for hash in hashes {
                if let Some(number) = headers::number_of(tables.index, txn, hash)? {
                    headers::set_verified(tables.headers, txn, number)?;
                    found = found.saturating_add(1);
                }
            }
            Ok(found)
        })
    }

    /// Removes headers that proved false, or whose blocks proved invalid, with all their descendants and any bodies.
    /// Hashes that name no stored header are passed over. Returns how many headers were removed.
    ///
    /// # Errors
    /// [`StoreError::OnActiveChain`] if one of them is connected; nothing is removed then.
    pub fn forget_headers(&mut self, hashes: &[BlockHash]) -> Result<usize, StoreError> {
        let tables = self.store.tables;
        self.store.write(|txn| {
            let doomed = with_descendants(&tables, txn, hashes)?;
            for (number, header) in &doomed {
                if heights::get(tables.heights, txn, header.height)?
                    .is_some_and(|active| active.hash == header.hash)
                {
                    return Err(StoreError::OnActiveChain { hash: header.hash, height: header.height });
                }
                let key = number_key(*number);
                tables.index.delete(txn, header.hash.as_bytes())?;
                tables.headers.delete(txn, &key)?;
                tables.blocks.delete(txn, &key)?;
            }
            Ok(doomed.len())
        })
    }
}

fn insert_after_parent(tables: &Tables, txn: &mut RwTxn, header: StoredHeader) -> Result<(), StoreError> {
    let (hash, parent) = (header.hash, header.header.prev_hash);
    // Only the genesis block has no parent, and it is there from the beginning.
    if headers::number_of(tables.index, txn, &hash)?.is_none() {
        let number = headers::number_of(tables.index, txn, &parent)?;
        let number = number.ok_or(StoreError::UnknownParent { hash, parent })?;
        let parent = headers::get(tables.headers, txn, number)?;
        let expected =
            parent.ok_or(StoreError::UnknownParent { hash, parent: header.header.prev_hash })?.height.next();
        if header.height != expected {
            return Err(StoreError::HeaderHeight { hash, found: header.height, expected });
        }
    }
    headers::insert(tables, txn, header)?;
    Ok(())
}

/// The headers named by `hashes` and all that build on them. A header is stored after its parent, so one walk in the
/// order of the numbers finds them.
fn with_descendants(
    tables: &Tables,
    txn: &RoTxn,
    hashes: &[BlockHash],
) -> Result<Vec<(u64, StoredHeader)>, StoreError> {
    let mut numbers = Vec::new();
    for hash in hashes {
        numbers.extend(headers::number_of(tables.index, txn, hash)?);
    }
    let Some(first) = numbers.iter().min().copied() else { return Ok(Vec::new()) };
    let mut doomed: BTreeSet<BlockHash> = hashes.iter().copied().collect();
    let mut found = Vec::new();
    for entry in from_number(tables.headers, txn, first)? {
        let (number, header) = entry?;
        if doomed.contains(&header.hash) || doomed.contains(&header.header.prev_hash) {
            doomed.insert(header.hash);
            found.push((number, header));
        }
    }
    Ok(found)
}

/// Stored headers with their numbers, from a number upwards.
pub(crate) fn from_number<'txn>(
    table: Table,
    txn: &'txn RoTxn,
    first: u64,
) -> Result<impl Iterator<Item = Result<(u64, StoredHeader), StoreError>> + use<'txn>, StoreError> {
    Ok(table.from(txn, &number_key(first))?.map(|entry| {
        let (key, record) = entry?;
        let key = key.try_into().map_err(|_| StoreError::BadRecord { table: "headers" })?;
        Ok((u64::from_be_bytes(key), StoredHeader::from_record(record)?))
    }))
}
