//! What the server answers from. The node itself is always there; a part that is not has no routes and no methods.

use std::fmt;
use std::sync::Arc;

use dilithion_chain::{Accepted, PendingError, StoreError};
use dilithion_wire::Transaction;
use serde_json::Value;
use thiserror::Error;

use crate::node::NodeHandle;

/// What the server answers from.
#[derive(Clone)]
pub struct Services {
    /// The node.
    pub node: NodeHandle,
    /// The record of events, if one is kept.
    pub journal: Option<Arc<dyn JournalSource>>,
    /// Takes transactions in, if the node does.
    pub transactions: Option<Arc<dyn TransactionSink>>,
}

impl Services {
    /// The node alone.
    #[must_use]
    pub fn new(node: NodeHandle) -> Self {
        Self { node, journal: None, transactions: None }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("node", &self.node)
            .field("journal", &self.journal.is_some())
            .field("transactions", &self.transactions.is_some())
            .finish()
    }
}

/// Events of the node, in order. Calls may wait for the disk.
pub trait JournalSource: Send + Sync + 'static {
    /// How many events there are, and the hash of the last one, as lower-case hex.
    fn head(&self) -> (u64, String);

    /// At most `limit` events that follow the first `after`.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn after(&self, after: u64, limit: usize) -> std::io::Result<Vec<Value>>;
}

/// Where transactions go that somebody hands in. Calls may wait for the store.
pub trait TransactionSink: Send + Sync + 'static {
    /// Makes a transaction pending, and tells the peers of it.
    ///
    /// # Errors
    /// [`SubmitError`].
    fn submit(&self, transaction: Transaction) -> Result<Accepted, SubmitError>;

    /// Whether [`submit`](Self::submit) would take a transaction; changes nothing.
    ///
    /// # Errors
    /// [`SubmitError`].
    fn test(&self, transaction: &Transaction) -> Result<Accepted, SubmitError>;
}

/// Why a transaction is not taken in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] PendingError),
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}
