//! What becomes pending, and what has to go for it.

use dilithion_wire::{ChainParams, Height, OutPoint, Transaction, Txid};
use heed::RoTxn;

use super::{Accepted, PendingError};
use crate::error::StoreError;
use crate::signature::SignatureCache;
use crate::store::pending::{self, Entries};
use crate::store::pending_transaction::PendingTransaction;
use crate::store::tables::{Tables, coin_key};
use crate::store::txn::RwTxn;
use crate::store::utxo::{self, Coin};
use crate::validate::{self, BlockError};

/// The pool, with what decides about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool<'a> {
    pub(super) tables: Tables,
    pub(super) params: &'a ChainParams,
    pub(super) signatures: &'a SignatureCache,
    pub(super) max_bytes: u64,
    /// Height of the block that may include what is pending.
    pub(super) next: Height,
}

impl Pool<'_> {
    /// Adds a transaction if it keeps all rules; a refused one leaves no trace.
    pub(super) fn admit(
        &self,
        txn: &mut RwTxn,
        tx: &Transaction,
        time: u32,
    ) -> Result<Result<Accepted, PendingError>, StoreError> {
        let (entry, spent) = match self.check(txn, tx, time)? {
            Ok(valid) => valid,
            Err(error) => return Ok(Err(error)),
        };
        let Some(doomed) = self.make_room(txn, &entry)? else {
            return Ok(Err(full(&entry)));
        };
        // Last, because it costs most.
        let scripts = validate::check_scripts(tx, &spent, self.params, Some(self.signatures));
        if let Err(error) = scripts {
            return Ok(Err(BlockError::Transaction { txid: entry.txid, error }.into()));
        }
        validate::remember_scripts(tx, self.params, self.signatures);
        self.replace(txn, &doomed, &entry).map(Ok)
    }

    /// Adds a transaction again whose scripts were checked when it first became pending.
    pub(super) fn readmit(&self, txn: &mut RwTxn, entry: &PendingTransaction) -> Result<(), StoreError> {
        if let Ok((entry, _)) = self.check(txn, &entry.transaction, ANY_TIME)?
            && let Some(doomed) = self.make_room(txn, &entry)?
        {
            self.replace(txn, &doomed, &entry)?;
        }
        Ok(())
    }

    /// Removes a transaction with all that build on it, and returns their ids.
    pub(super) fn forget(&self, txn: &mut RwTxn, txid: &Txid) -> Result<Vec<Txid>, StoreError> {
        let Some(arrival) = pending::number_of(self.tables.pending, txn, txid)? else {
            return Ok(Vec::new());
        };
        let doomed = pending::with_descendants(self.tables.pending, txn, arrival)?;
        self.remove_all(txn, &doomed)
    }

    /// Removes what is more than the pool may hold.
    pub(crate) fn trim(&self, txn: &mut RwTxn) -> Result<(), StoreError> {
        let mut excess = self.excess(txn, 0)?;
        let doomed = self.cheapest(txn, &mut excess, |_| true)?;
        self.remove_all(txn, &doomed).map(drop)
    }

    pub(super) fn remove_all(&self, txn: &mut RwTxn, doomed: &Entries) -> Result<Vec<Txid>, StoreError> {
        for (arrival, entry) in doomed {
            pending::remove(self.tables.pending, txn, *arrival, entry)?;
        }
        Ok(doomed.values().map(|entry| entry.txid).collect())
    }

    fn replace(
        &self,
        txn: &mut RwTxn,
        doomed: &Entries,
        entry: &PendingTransaction,
    ) -> Result<Accepted, StoreError> {
        let evicted = self.remove_all(txn, doomed)?;
        pending::push(self.tables.pending, txn, entry)?;
        Ok(Accepted { txid: entry.txid, fee: entry.fee, rate: entry.fee_rate(), evicted })
    }

    /// Checks everything but scripts and room. Returns the transaction with its fee, and what it spends.
    fn check(
        &self,
        txn: &RoTxn,
        tx: &Transaction,
        time: u32,
    ) -> Result<Result<(PendingTransaction, Vec<Coin>), PendingError>, StoreError> {
        let (params, height) = (self.params, self.next);
        let txid = tx.txid();
        if pending::number_of(self.tables.pending, txn, &txid)?.is_some() {
            return Ok(Err(PendingError::Known { txid }));
        }
        if tx.is_coinbase() {
            return Ok(Err(PendingError::Coinbase { txid }));
        }
        if let Err(error) = validate::check_alone(tx, &txid, height, time, params) {
            return Ok(Err(error.into()));
        }
        let spent = match self.spent(txn, tx, &txid)? {
            Ok(spent) => spent,
            Err(error) => return Ok(Err(error)),
        };
        if params.consensus.bip30
            && let Some(outpoint) = self.existing_output(txn, tx, txid)?
        {
            return Ok(Err(BlockError::Overwrite { outpoint }.into()));
        }
        Ok(match validate::check_values(tx, &txid, &spent, height, params) {
            Ok(fee) => Ok((PendingTransaction { txid, fee, transaction: tx.clone() }, spent)),
            Err(error) => Err(error.into()),
        })
    }

    /// What a transaction spends: outputs of the chain or of pending transactions, which no pending one spends.
    fn spent(
        &self,
        txn: &RoTxn,
        tx: &Transaction,
        txid: &Txid,
    ) -> Result<Result<Vec<Coin>, PendingError>, StoreError> {
        let mut spent = Vec::with_capacity(tx.inputs.len());
        for input in &tx.inputs {
            let outpoint = input.previous_output;
            if let Some(other) = pending::spender(self.tables.pending, txn, &outpoint)? {
                let with = pending::get(self.tables.pending, txn, other)?.txid;
                return Ok(Err(PendingError::Conflict { txid: *txid, outpoint, with }));
            }
            match self.coin(txn, &outpoint)? {
                Some(coin) => spent.push(coin),
                None => return Ok(Err(BlockError::MissingInput { txid: *txid, outpoint }.into())),
            }
        }
        Ok(Ok(spent))
    }

    fn coin(&self, txn: &RoTxn, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        if let Some(coin) = utxo::get(self.tables.utxo, txn, &coin_key(outpoint))? {
            return Ok(Some(coin));
        }
        let parent = pending::find(self.tables.pending, txn, &outpoint.txid)?;
        let index = usize::try_from(outpoint.index).unwrap_or(usize::MAX);
        let output = parent.and_then(|(_, parent)| parent.transaction.outputs.get(index).cloned());
        Ok(output.map(|output| Coin { output, height: self.next, coinbase: false }))
    }

    /// An output of a transaction that exists before it.
    fn existing_output(
        &self,
        txn: &RoTxn,
        tx: &Transaction,
        txid: Txid,
    ) -> Result<Option<OutPoint>, StoreError> {
        for (index, _) in (0..).zip(&tx.outputs) {
            let outpoint = OutPoint { txid, index };
            if utxo::get(self.tables.utxo, txn, &coin_key(&outpoint))?.is_some() {
                return Ok(Some(outpoint));
            }
        }
        Ok(None)
    }

    /// What has to go so that a new transaction has room; `None` if that would have to be what pays as much, or what the new
    /// one builds on.
    fn make_room(&self, txn: &RoTxn, new: &PendingTransaction) -> Result<Option<Entries>, StoreError> {
        let mut excess = self.excess(txn, u64::try_from(new.bytes()).unwrap_or(u64::MAX))?;
        let doomed = self.cheapest(txn, &mut excess, |entry| entry.fee_rate() < new.fee_rate())?;
        let parents_stay =
            || !doomed.values().any(|entry| new.spends().any(|spent| spent.txid == entry.txid));
        Ok((excess == 0 && parents_stay()).then_some(doomed))
    }

    /// By how much the pool is too big with so many bytes more.
    fn excess(&self, txn: &RoTxn, more: u64) -> Result<u64, StoreError> {
        let bytes = pending::stats(self.tables.pending, txn)?.bytes;
        Ok(bytes.saturating_add(more).saturating_sub(self.max_bytes))
    }

    /// The transactions with the lowest fee rates, with all that build on them, until they take away `excess`, or the next
    /// one may not go.
    fn cheapest(
        &self,
        txn: &RoTxn,
        excess: &mut u64,
        may_go: impl Fn(&PendingTransaction) -> bool,
    ) -> Result<Entries, StoreError> {
        let mut doomed = Entries::new();
        if *excess == 0 {
            return Ok(doomed);
        }
        for arrival in pending::by_rate(self.tables.pending, txn)? {
            let arrival = arrival?;
            if *excess == 0 || !may_go(&pending::get(self.tables.pending, txn, arrival)?) {
                break;
            }
            for (arrival, entry) in pending::with_descendants(self.tables.pending, txn, arrival)? {
                let bytes = u64::try_from(entry.bytes()).unwrap_or(u64::MAX);
                if doomed.insert(arrival, entry).is_none() {
                    *excess = excess.saturating_sub(bytes);
                }
            }
        }
        Ok(doomed)
    }
}

/// Time does not go back: what was once final by its time stays so.
pub(super) const ANY_TIME: u32 = u32::MAX;

fn full(entry: &PendingTransaction) -> PendingError {
    PendingError::Full { txid: entry.txid, rate: entry.fee_rate() }
}
