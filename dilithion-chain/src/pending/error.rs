//! Why a transaction does not become pending.

use dilithion_wire::{OutPoint, Txid};

use crate::store::pending_transaction::FeeRate;
use crate::validate::BlockError;

/// The reason for which a transaction is refused before it is in a block. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// It is pending already.
    #[error("transaction {txid} is pending already")]
    Known {
        /// The transaction.
        txid: Txid,
    },
    /// Only a block can bring a coinbase.
    #[error("transaction {txid} is a coinbase")]
    Coinbase {
        /// The transaction.
        txid: Txid,
    },
    /// It spends what another pending transaction spends. The first one stays, whatever the second one pays.
    #[error("transaction {txid} spends {}:{}, as transaction {with} does", outpoint.txid, outpoint.index)]
    Conflict {
        /// The transaction.
        txid: Txid,
        /// What both spend.
        outpoint: OutPoint,
        /// The transaction that came first.
        with: Txid,
    },
    /// The pool is full of transactions that pay more for their size, or that this one builds on.
    #[error("the pending pool is full, and {rate} is too little for transaction {txid} to take a place")]
    Full {
        /// The transaction.
        txid: Txid,
        /// What it pays.
        rate: FeeRate,
    },
    /// A block with it would be refused.
    #[error(transparent)]
    Invalid(#[from] BlockError),
}

impl PendingError {
    /// The word for this rule in reject messages and logs, as in Bitcoin Core where it has the rule.
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::Known { .. } => "txn-already-in-mempool",
            Self::Coinbase { .. } => "coinbase",
            Self::Conflict { .. } => "txn-mempool-conflict",
            Self::Full { .. } => "pool-full",
            Self::Invalid(error) => error.reject_reason(),
        }
    }
}
