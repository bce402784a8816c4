//! Changes to the UTXO set, merged in memory before they reach LMDB.
//!
//! Most outputs of a chain being imported are spent soon. Merged over a batch of blocks, an output created and spent
//! inside it never touches the database; what is left is written once per output, in key order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dilithion_wire::{Block, Height, OutPoint, Txid};
use heed::RoTxn;

use crate::error::StoreError;
use crate::store::tables::{CoinKey, Table, coin_key};
use crate::store::txn::RwTxn;
use crate::store::utxo::{self, Coin, Coins};

/// What a batch makes of one output.
#[derive(Debug, Clone)]
struct Change {
    /// Whether the database may hold the output now, so that its removal has to be written.
    in_base: bool,
    /// The output after the batch.
    coin: Option<Coin>,
}

/// The UTXO set of the database with the changes of a batch of blocks on top.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    changes: BTreeMap<CoinKey, Change>,
}

impl Batch {
    /// The state, just before `block`, of all outputs it touches: those it spends and those its own outputs
    /// overwrite. For a valid block this is exactly what undoing it has to bring back. Outputs that exist neither in
    /// the database nor in the batch are left out; some may be created by the block itself.
    pub(crate) fn state_before(
        &self,
        block: &Block,
        txids: &[Txid],
        table: Table,
        txn: &RoTxn,
    ) -> Result<Coins, StoreError> {
        let mut before = Coins::new();
        for key in spent_keys(block).chain(created_keys(block, txids)) {
            let coin = match self.changes.get(&key) {
                Some(change) => change.coin.clone(),
                None => utxo::get(table, txn, &key)?,
            };
            if let Some(coin) = coin {
                before.insert(key, coin);
            }
        }
        Ok(before)
    }

    /// Applies a valid block. `before` is its [`Self::state_before`].
    pub(crate) fn connect(&mut self, block: &Block, txids: &[Txid], height: Height, before: &Coins) {
        for (index, (tx, txid)) in block.transactions.iter().zip(txids).enumerate() {
            // An output may be created again after it was spent, so transactions are applied one after another.
            let coinbase = index == 0;
            if !coinbase {
                for input in &tx.inputs {
                    let key = coin_key(&input.previous_output);
                    self.set(key, None, before.contains_key(&key));
                }
            }
            for (index, output) in (0..).zip(&tx.outputs) {
                let key = coin_key(&OutPoint { txid: *txid, index });
                let coin = Coin { output: output.clone(), height, coinbase };
                self.set(key, Some(coin), before.contains_key(&key));
            }
        }
    }

    /// Takes a block back: what it created goes, what it removed returns.
    pub(crate) fn disconnect(&mut self, block: &Block, txids: &[Txid], removed: Coins) {
        for key in created_keys(block, txids) {
            self.set(key, None, true);
        }
        for (key, coin) in removed {
            self.set(key, Some(coin), true);
        }
    }

    /// Writes the changes.
    pub(crate) fn flush(self, table: Table, txn: &mut RwTxn) -> Result<(), StoreError> {
        for (key, change) in self.changes {
            match change.coin {
                Some(coin) => table.put(txn, &key, &coin.to_record())?,
                None if change.in_base => {
                    table.delete(txn, &key)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Sets an output. `existed` says whether it may exist just before the block, which for an output that the
    /// batch has not touched yet means: in the database.
    fn set(&mut self, key: CoinKey, coin: Option<Coin>, existed: bool) {
        match self.changes.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().coin = coin,
            Entry::Vacant(entry) => {
                entry.insert(Change { in_base: existed, coin });
            }
        }
    }
}

/// Keys of the outputs that a block spends; its first transaction spends nothing.
fn spent_keys(block: &Block) -> impl Iterator<Item = CoinKey> {
    block.transactions.iter().skip(1).flat_map(|tx| &tx.inputs).map(|input| coin_key(&input.previous_output))
}

/// Keys of the outputs that a block creates.
fn created_keys(block: &Block, txids: &[Txid]) -> impl Iterator<Item = CoinKey> {
    block.transactions.iter().zip(txids).flat_map(|(tx, txid)| {
        (0..).zip(&tx.outputs).map(|(index, _)| coin_key(&OutPoint { txid: *txid, index }))
    })
}
