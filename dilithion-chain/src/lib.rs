//! The chain on disk: blocks, undo records and the UTXO set in one LMDB environment, with the rules a block is
//! checked against before it gets there.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dilithion_chain::{Chainstate, Depth, StoreOptions};
//! use dilithion_wire::{ChainParams, Height};
//!
//! let dir = tempfile::tempdir()?;
//! let params = Arc::new(ChainParams::testnet());
//! let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), StoreOptions::default())?;
//! assert_eq!(chain.tip().hash, params.genesis.hash);
//!
//! let outcome = chain.connect(&[])?; // blocks with proven ids, in order
//! assert!(outcome.failure.is_none());
//!
//! let reader = chain.reader(); // clone it, send it to other threads
//! assert_eq!(reader.block_at(Height::GENESIS)?, Some(params.genesis_block()));
//! assert_eq!(reader.utxo_stats()?.count, 1);
//! assert_eq!(reader.check_integrity(Depth::Full)?.blocks, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! | module | what |
//! |---|---|
//! | `chainstate` | [`Chainstate`], the one writer: opening, genesis |
//! | `connect` | connecting a slice of blocks in one transaction |
//! | `deferred` | what is checked of a block on other cores |
//! | `disconnect` | going back to any height in one transaction |
//! | `reorg` | changing over to another branch in one transaction |
//! | `commit_size` | how much to connect in one transaction while a chain is imported |
//! | `orphans` | [`OrphanPool`]: blocks that came before their parents, in memory |
//! | `pending` | the pending pool: transactions that wait for a block |
//! | `messages` | messages in blocks of private networks: [`MessagePool`] takes them in |
//! | `prune` | forgetting the bodies and undo records of old blocks |
//! | `repair` | cutting a damaged store back to what is sound |
//! | `export` | a consistent copy of a store in use |
//! | `headers` | headers ahead of the tip, and which of them are proven |
//! | `reader` | [`ChainReader`]: blocks, headers, coins, from any thread or process |
//! | `search` | a transaction by its id, the coins of a script |
//! | `verdicts` | blocks that the operator refuses |
//! | `integrity` | walking the stored chain, at start or on demand |
//! | `digest` | count, total and hash of the UTXO set |
//! | [`validate`] | the rules of a block, as pure functions |
//! | [`signature`] | what is signed, verifying it, and remembering what was verified |
//! | [`mik`] | identities of miners: what a coinbase says, and whether it is true, as pure functions |
//! | [`dfmp`] | the handicap of those who mine much, as pure functions |
//! | [`mining`] | making blocks that name their miner, for tests and private networks |
//! | `identities` | who mined what on the active chain, kept in step with it |
//! | `batch` | changes to the UTXO set, merged in memory over a batch |
//! | `store` | tables, record layouts, the environment and its map, the directory lock |
//!
//! # What is checked
//!
//! Everything that needs a body, or as little as the reference nodes check: [`Policy`]. Every rule is listed with its
//! error and its test in `docs/validation.md` of the repository. That an id is the proof-of-work hash of its header and
//! meets the target, the expected `bits` and block times are the header pipeline's business, before a block gets here.
//!
//! # Promises
//!
//! * One operation is one transaction, synced when the call returns. After a kill at any instant, or a loss of power,
//!   tip, heights, undo records and UTXO set agree.
//! * A block that is refused leaves no trace, and is refused by name ([`BlockError::reject_reason`]).
//! * What is pending changes with the chain, in the same transaction: transactions, and messages.
//! * No read transaction outlives a call, so a slow caller never makes the file grow.
#![cfg_attr(docsrs, feature(doc_cfg))]
// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

mod batch;
mod chainstate;
mod commit_size;
mod connect;
mod deferred;
pub mod dfmp;
mod digest;
mod disconnect;
mod error;
mod export;
mod headers;
mod identities;
mod integrity;
mod messages;
pub mod mik;
pub mod mining;
mod orphans;
mod pending;
mod prune;
mod reader;
mod reorg;
mod repair;
mod search;
pub mod signature;
mod store;
pub mod validate;
mod verdicts;

pub use chainstate::{Chainstate, DEFAULT_MAP_SIZE, STARTUP_CHECK_BLOCKS, StoreOptions};
pub use commit_size::{COMMIT_TARGET, CommitSize};
pub use connect::{ConnectOutcome, Connected, Rejected};
pub use digest::UtxoStats;
pub use error::{Damage, IntegrityError, StoreError};
pub use integrity::{Depth, Verified};
pub use messages::{DEFAULT_MAX_PENDING_MESSAGE_BYTES, MessageError, MessagePool, MessageRoom};
pub use orphans::{
    DEFAULT_MAX_ORPHAN_BYTES, DEFAULT_MAX_ORPHAN_BYTES_PER_PEER, DEFAULT_ORPHAN_LIFETIME, Orphan,
    OrphanError, OrphanLimits, OrphanPool,
};
pub use pending::{Accepted, DEFAULT_MAX_PENDING_BYTES, PendingError, PendingTransactions};
pub use prune::MIN_PRUNE;
pub use reader::{ChainReader, Headers};
pub use reorg::{Reorg, ReorgError};
pub use repair::Repaired;
pub use search::FoundTransaction;
pub use signature::SignatureCache;
pub use store::headers::StoredHeader;
pub use store::messages::ChainMessage;
pub use store::metadata::Tip;
pub use store::miners::Miner;
pub use store::pending_messages::MessageStats;
pub use store::pending_transaction::{FeeRate, PendingStats, PendingTransaction};
pub use store::utxo::{Coin, UtxoView};
pub use validate::{
    BlockError, Candidate, MinerError, Policy, ScriptError, StructureError, TransactionError,
};

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
