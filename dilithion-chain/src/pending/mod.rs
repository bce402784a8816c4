//! The pending pool: valid transactions that wait for a block.
//!
//! It is part of the store, and changes in the transaction that changes the chain: a block takes what it includes and
//! what it makes impossible, and a block that is disconnected gives its transactions back. So there is no moment at
//! which pool and chain disagree, before or after a crash.

mod admit;
mod error;
mod follow;
mod read;

use std::convert::Infallible;

use dilithion_wire::{Amount, Height, Transaction, Txid};

pub(crate) use admit::Pool;
pub use error::PendingError;
pub(crate) use follow::Returned;
pub use read::PendingTransactions;

use crate::chainstate::Chainstate;
use crate::error::StoreError;
use crate::store::pending_transaction::FeeRate;
use crate::store::txn::RwTxn;

/// Bytes of transactions that the pool holds unless it is told otherwise: what fills 32 blocks of the testnet. A
/// reorganisation writes all of it anew, so this bounds that as well.
pub const DEFAULT_MAX_PENDING_BYTES: u64 = 32 << 20;

/// A transaction that is now pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub txid: Txid,
    /// What it pays.
    pub fee: Amount,
    /// What it pays for its size.
    pub rate: FeeRate,
    /// Transactions that are no longer pending since the pool was full, parents before their children.
    pub evicted: Vec<Txid>,
}

impl Chainstate {
    /// Makes a transaction pending if a block on top of the tip could include it, in one durable transaction: see
    /// [`submit_all`](Self::submit_all).
    ///
    /// # Errors
    /// Only failures of the store; a refused transaction is part of the result.
    pub fn submit(
        &mut self,
        tx: &Transaction,
        time: u32,
    ) -> Result<Result<Accepted, PendingError>, StoreError> {
        self.write_pool(|pool, txn| pool.admit(txn, tx, time))
    }

    /// Makes transactions pending, in order, in one durable transaction: one commit costs the same for one as for many.
    /// A refused one does not stop those after it. `time` is that of the next block, in seconds since 1970; lock times
    /// are compared with it.
    ///
    /// All rules of blocks hold, whatever the [`Policy`](crate::Policy) of the chain: nobody should make or pass on a
    /// transaction that only some nodes take. It may spend outputs of the chain and of pending transactions, but none
    /// that a pending one spends: the first one stays.
    ///
    /// Over the limit ([`StoreOptions::max_pending_bytes`](crate::StoreOptions::max_pending_bytes)) the transactions with the
    /// lowest fee rate go, the youngest first, each with all that build on it; unless they pay as much as the new one,
    /// or the new one builds on them: then it is refused.
    ///
    /// The signatures are remembered in [`signature_cache`](Self::signature_cache).
    ///
    /// # Errors
    /// Only failures of the store; no transaction becomes pending then.
    pub fn submit_all(
        &mut self,
        transactions: &[Transaction],
        time: u32,
    ) -> Result<Vec<Result<Accepted, PendingError>>, StoreError> {
        self.write_pool(|pool, txn| transactions.iter().map(|tx| pool.admit(txn, tx, time)).collect())
    }

    /// What [`submit_all`](Self::submit_all) would say of these transactions, one after another; neither pool nor chain is
    /// changed, and nothing is written. A transaction may spend what one before it would bring. The signatures are
    /// remembered all the same: they are true whatever becomes of the transactions.
    ///
    /// # Errors
    /// Failures of the store.
    #[doc(alias = "testmempoolaccept")]
    pub fn try_submit(
        &mut self,
        transactions: &[Transaction],
        time: u32,
    ) -> Result<Vec<Result<Accepted, PendingError>>, StoreError> {
        let pool = self.pool(self.tip.height);
        let tried = self.store.try_write(|txn| {
            let admit = |tx| pool.admit(txn, tx, time);
            let outcomes = transactions.iter().map(admit).collect::<Result<Vec<_>, StoreError>>()?;
            // Given up on purpose, with what it would have been.
            Ok(Err::<Infallible, _>(outcomes))
        })?;
        let Err(outcomes) = tried;
        Ok(outcomes)
    }

    /// Removes transactions that should wait no longer, with all that build on them. Ids that are not pending are passed
    /// over. Returns the ids of all that were removed.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn forget_pending(&mut self, txids: &[Txid]) -> Result<Vec<Txid>, StoreError> {
        self.write_pool(|pool, txn| {
            let mut removed = Vec::new();
            for txid in txids {
                removed.extend(pool.forget(txn, txid)?);
            }
            Ok(removed)
        })
    }

    /// The pool as it has to be for a block on top of the tip.
    fn write_pool<R>(
        &self,
        mut f: impl FnMut(&Pool<'_>, &mut RwTxn) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let pool = self.pool(self.tip.height);
        self.store.write(|txn| f(&pool, txn))
    }

    /// The rules of the pool on top of a chain of this height.
    pub(crate) fn pool(&self, tip: Height) -> Pool<'_> {
        Pool {
            tables: self.store.tables,
            params: &self.params,
            signatures: &self.signatures,
            max_bytes: self.max_pending_bytes,
            next: tip.next(),
        }
    }
}
