//! Answers that need a walk over the store: for people and explorers, not for nodes at work.

use dilithion_wire::{Height, OutPoint, Transaction, Txid};

use crate::error::StoreError;
use crate::reader::ChainReader;
use crate::store::utxo::{self, Coin};

/// A transaction of the active chain, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTransaction {
    /// Height of its block.
    pub height: Height,
    /// Its position in the block; 0 is the coinbase.
    pub position: usize,
    /// The transaction.
    pub transaction: Transaction,
}

impl ChainReader {
    /// The unspent outputs with this script, in the order of their ids: the balance of an address. Reads the whole UTXO
    /// set.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn coins_of(&self, script_pubkey: &[u8]) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
        let mut found = Vec::new();
        self.store.read(|txn| {
            utxo::for_each(self.store.tables.utxo, txn, |key, coin| {
                if coin.output.script_pubkey == script_pubkey {
                    found.push((utxo::outpoint(key), coin.clone()));
                }
            })
        })?;
        Ok(found)
    }

    /// The transaction with this id that is highest in the active chain. There is no index of transactions: blocks are
    /// read one by one from the tip downwards, as far as their bodies are stored.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn find_transaction(&self, txid: &Txid) -> Result<Option<FoundTransaction>, StoreError> {
        let lowest = self.lowest_body()?;
        let mut height = self.tip()?.height;
        loop {
            if let Some(block) = self.block_at(height)? {
                let mut transactions = block.transactions.into_iter().enumerate();
                if let Some((position, transaction)) = transactions.find(|(_, tx)| tx.txid() == *txid) {
                    return Ok(Some(FoundTransaction { height, position, transaction }));
                }
            }
            match height.prev().filter(|below| *below >= lowest) {
                Some(below) => height = below,
                None => return Ok(None),
            }
        }
    }
}
