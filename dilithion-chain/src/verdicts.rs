//! What the operator says against blocks: kept beside the chain, so that a restart does not connect them again.
//!
//! A verdict names an id. It moves nothing by itself: whoever owns the header chain acts on it, and takes such a block off
//! the chain by [`Chainstate::disconnect_to`].

use std::collections::VecDeque;

use dilithion_wire::BlockHash;

use crate::chainstate::Chainstate;
use crate::error::StoreError;
use crate::headers::from_number;
use crate::reader::ChainReader;
use crate::store::{blocks, heights, metadata};

/// Name of the table, for errors.
const TABLE: &str = "revoked";

impl Chainstate {
    /// Notes that the operator refuses a block, whether it is stored or not.
    ///
    /// # Errors
    /// Failures of the store.
    #[doc(alias = "InvalidateBlock")]
    pub fn revoke(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        let table = self.store.tables.revoked;
        self.store.write(|txn| table.put(txn, hash.as_bytes(), &[]))
    }

    /// Notes that the operator refuses these blocks no longer, all of them or none. Those that he does not refuse are passed
    /// over.
    ///
    /// # Errors
    /// Failures of the store.
    #[doc(alias = "ResetBlockFailureFlags")]
    pub fn reinstate(&mut self, hashes: &[BlockHash]) -> Result<(), StoreError> {
        let table = self.store.tables.revoked;
        self.store
            .write(|txn| hashes.iter().try_for_each(|hash| table.delete(txn, hash.as_bytes()).map(drop)))
    }
}

impl ChainReader {
    /// The blocks that the operator refuses, in the order of their ids.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn revoked(&self) -> Result<Vec<BlockHash>, StoreError> {
        let tables = &self.store.tables;
        self.store.read(|txn| {
            if !metadata::has_revoked(tables.metadata, txn)? {
                return Ok(Vec::new());
            }
            let records = tables.revoked.all(txn)?.map(|entry| {
                let (key, _) = entry?;
                let key = key.try_into().map_err(|_| StoreError::BadRecord { table: TABLE })?;
                Ok(BlockHash::from_bytes(key))
            });
            records.collect()
        })
    }

    /// Blocks that are not part of the active chain, but whose bodies are stored and whose ids are proved: at most `max`,
    /// those that were stored last, parents first. They need not be fetched, should the chain turn to them.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn stored_beside_chain(&self, max: usize) -> Result<Vec<BlockHash>, StoreError> {
        let tables = &self.store.tables;
        self.store.scan(|txn| {
            let tip = metadata::tip(tables.metadata, txn)?;
            let tip = tip.ok_or(StoreError::MissingTable { table: "metadata" })?;
            // Of what is pruned, the genesis block stays.
            let pruned = metadata::lowest_body(tables.metadata, txn)?.0.saturating_sub(1);
            let on_chain = u64::from(tip.height.0.saturating_sub(pruned)) + 1;
            let mut found = VecDeque::new();
            if tables.blocks.len(txn)? <= on_chain {
                return Ok(found.into());
            }
            for entry in from_number(tables.headers, txn, 0)? {
                let (number, header) = entry?;
                let active = heights::get(tables.heights, txn, header.height)?;
                if header.verified
                    && active.is_none_or(|active| active.number != number)
                    && blocks::contains(tables.blocks, txn, number)?
                {
                    found.push_back(header.hash);
                }
                if found.len() > max {
                    found.pop_front();
                }
            }
            Ok(found.into())
        })
    }
}
