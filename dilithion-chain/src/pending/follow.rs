//! How the pool follows the chain, as part of the transaction that moves the tip.

use std::collections::VecDeque;

use dilithion_wire::{Block, OutPoint, Transaction};

use super::admit::{ANY_TIME, Pool};
use crate::error::StoreError;
use crate::store::pending;
use crate::store::txn::RwTxn;

impl Pool<'_> {
    /// Blocks were connected: removes what they include, and what can no longer be included because of them.
    pub(crate) fn confirm<'b>(
        &self,
        txn: &mut RwTxn,
        blocks: impl IntoIterator<Item = &'b Block>,
    ) -> Result<(), StoreError> {
        // During an import nothing waits, and no id need be computed.
        if pending::stats(self.tables.pending, txn)?.count == 0 {
            return Ok(());
        }
        for block in blocks {
            let txids = block.txids();
            for (position, (tx, txid)) in block.transactions.iter().zip(txids).enumerate() {
                if position == 0 {
                    // A coinbase that repeats an earlier one makes its outputs young again.
                    for (index, _) in (0..).zip(&tx.outputs) {
                        self.remove_spender(txn, &OutPoint { txid, index })?;
                    }
                } else if let Some((arrival, entry)) = pending::find(self.tables.pending, txn, &txid)? {
                    pending::remove(self.tables.pending, txn, arrival, &entry)?;
                } else {
                    for input in &tx.inputs {
                        self.remove_spender(txn, &input.previous_output)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Blocks were disconnected, and maybe others connected, and the UTXO set is written: what the former brought comes
    /// first now, as if it had arrived before all that is pending, and everything is checked anew against the new chain.
    /// Scripts that were checked when a transaction became pending need not be: they depend on nothing that changed.
    pub(crate) fn rebuild(&self, txn: &mut RwTxn, returned: Returned) -> Result<(), StoreError> {
        let waiting = pending::from(self.tables.pending, txn, 0)?.collect::<Result<Vec<_>, _>>()?;
        if !waiting.is_empty() {
            pending::clear(self.tables.pending, txn)?;
        }
        for tx in returned.into_transactions() {
            // What is not valid any more, or has no room, is gone.
            let _gone_if_refused = self.admit(txn, &tx, ANY_TIME)?;
        }
        for (_, entry) in waiting {
            self.readmit(txn, &entry)?;
        }
        Ok(())
    }

    fn remove_spender(&self, txn: &mut RwTxn, outpoint: &OutPoint) -> Result<(), StoreError> {
        if let Some(arrival) = pending::spender(self.tables.pending, txn, outpoint)? {
            let doomed = pending::with_descendants(self.tables.pending, txn, arrival)?;
            self.remove_all(txn, &doomed)?;
        }
        Ok(())
    }
}

/// Transactions of disconnected blocks, no more than the pool may hold: of more blocks, the lowest ones', on which the
/// others build.
#[derive(Debug)]
pub(crate) struct Returned {
    /// Highest block first.
    blocks: VecDeque<(u64, Vec<Transaction>)>,
    bytes: u64,
    max_bytes: u64,
}

impl Returned {
    /// Nothing yet, and never more than so many bytes, or one block.
    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self { blocks: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Adds a block, which is below those before.
    pub(crate) fn add(&mut self, block: Block) {
        let transactions: Vec<_> = block.transactions.into_iter().skip(1).collect();
        let bytes = transactions.iter().map(Transaction::encoded_len).sum::<usize>();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        self.blocks.push_back((bytes, transactions));
        while self.bytes > self.max_bytes && self.blocks.len() > 1 {
            let highest = self.blocks.pop_front().map_or(0, |(bytes, _)| bytes);
            self.bytes = self.bytes.saturating_sub(highest);
        }
    }

    /// All of them, in the order in which the chain had them.
    fn into_transactions(self) -> impl Iterator<Item = Transaction> {
        self.blocks.into_iter().rev().flat_map(|(_, transactions)| transactions)
    }
}
