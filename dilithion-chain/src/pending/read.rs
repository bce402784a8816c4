//! Reading the pool, from any thread and from other processes.

use std::vec;

use dilithion_wire::{OutPoint, Txid};

use crate::error::StoreError;
use crate::reader::ChainReader;
use crate::store::pending;
use crate::store::pending_transaction::{PendingStats, PendingTransaction};

/// About how many bytes [`PendingTransactions`] reads at once: some hundreds of ordinary transactions.
const BYTES_PER_READ: usize = 1 << 20;

impl ChainReader {
    /// A pending transaction.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending(&self, txid: &Txid) -> Result<Option<PendingTransaction>, StoreError> {
        let found = self.store.read(|txn| pending::find(self.store.tables.pending, txn, txid))?;
        Ok(found.map(|(_, entry)| entry))
    }

    /// The pending transaction that spends an output.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending_spender(&self, outpoint: &OutPoint) -> Result<Option<PendingTransaction>, StoreError> {
        self.store.read(|txn| {
            let table = self.store.tables.pending;
            pending::spender(table, txn, outpoint)?
                .map(|arrival| pending::get(table, txn, arrival))
                .transpose()
        })
    }

    /// All pending transactions in the order of their arrival, so that none comes before one that it builds on. They are
    /// read in portions: one that arrives or goes meanwhile may be part of the walk or not, and one
    /// that a reorganisation puts in order again may be so twice.
    pub fn pending_transactions(&self) -> PendingTransactions {
        PendingTransactions::new(self.clone())
    }

    /// How many transactions are pending, and how many bytes.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending_stats(&self) -> Result<PendingStats, StoreError> {
        self.store.read(|txn| pending::stats(self.store.tables.pending, txn))
    }

    /// A portion of the pending transactions, from an arrival number on: at least one, if there is one, and the number
    /// after the last.
    fn pending_portion(
        &self,
        first: u64,
        bytes: usize,
    ) -> Result<Option<(Vec<PendingTransaction>, u64)>, StoreError> {
        self.store.read(|txn| {
            let (mut portion, mut next, mut taken) = (Vec::new(), first, 0_usize);
            for entry in pending::from(self.store.tables.pending, txn, first)? {
                let (arrival, entry) = entry?;
                taken = taken.saturating_add(entry.bytes());
                next = arrival.saturating_add(1);
                portion.push(entry);
                if taken >= bytes {
                    break;
                }
            }
            Ok((!portion.is_empty()).then_some((portion, next)))
        })
    }
}

/// Iterator over pending transactions in the order of their arrival: see
/// [`ChainReader::pending_transactions`]. It ends at the first error.
#[derive(Debug)]
pub struct PendingTransactions {
    reader: ChainReader,
    /// Where the next portion starts, unless the end was reached.
    next: Option<u64>,
    portion: vec::IntoIter<PendingTransaction>,
}

impl PendingTransactions {
    fn new(reader: ChainReader) -> Self {
        Self { reader, next: Some(0), portion: Vec::new().into_iter() }
    }

    fn refill(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.next.take() else { return Ok(()) };
        if let Some((portion, next)) = self.reader.pending_portion(first, BYTES_PER_READ)? {
            self.next = Some(next);
            self.portion = portion.into_iter();
        }
        Ok(())
    }
}

impl Iterator for PendingTransactions {
    type Item = Result<PendingTransaction, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.portion.len() == 0
            && let Err(error) = self.refill()
        {
            return Some(Err(error));
        }
        self.portion.next().map(Ok)
    }
}
