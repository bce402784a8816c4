//! The writer: opening a store, and the one handle that changes it.

use std::path::Path;
use std::sync::Arc;

use dilithion_pow::CompactTarget;
use dilithion_wire::{ChainParams, Height, Policy};

use crate::batch::Batch;
use crate::error::StoreError;
use crate::identities;
use crate::integrity::{self, Depth};
use crate::messages::DEFAULT_MAX_PENDING_MESSAGE_BYTES;
use crate::pending::DEFAULT_MAX_PENDING_BYTES;
use crate::prune::MIN_PRUNE;
use crate::reader::ChainReader;
use crate::signature::SignatureCache;
use crate::store::blocks;
use crate::store::env::{DATA_FILE, Environment};
use crate::store::headers::{self, StoredHeader};
use crate::store::heights::{self, ActiveBlock};
use crate::store::lock::DirLock;
use crate::store::metadata::{self, Identity, Tip};
use crate::store::tables::Tables;
use crate::store::txn::RwTxn;
use crate::store::utxo::Coins;
use crate::store::{pages, pending};

/// Address space reserved for a new store. The file is only as long as what is in it, and the map doubles when full.
pub const DEFAULT_MAP_SIZE: usize = 1 << 30;
/// How many of the last blocks are walked when a store is opened (`-checkblocks` of Bitcoin Core has the idea).
pub const STARTUP_CHECK_BLOCKS: u32 = 288;

/// How to open a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Address space to reserve at first, in bytes; [`DEFAULT_MAP_SIZE`] unless set.
    pub map_size: usize,
    /// How much of the stored chain is walked before the store is used; the last [`STARTUP_CHECK_BLOCKS`] unless set.
    pub check: Depth,
    /// Keep bodies and undo records of so many of the last blocks only, at least [`MIN_PRUNE`]; all of them unless set.
    /// A store that was pruned stays so: what is gone does not come back when this is `None` again.
    pub prune: Option<u32>,
    /// How many of the rules blocks have to keep; what the parameters of the network say unless set.
    pub policy: Option<Policy>,
    /// Bytes of transactions that may be pending, [`DEFAULT_MAX_PENDING_BYTES`] unless set; what is more goes when the
    /// store is opened.
    pub max_pending_bytes: u64,
    /// Bytes of messages that may wait for a block, [`DEFAULT_MAX_PENDING_MESSAGE_BYTES`] unless set: what is more is
    /// refused.
    pub max_pending_message_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            map_size: DEFAULT_MAP_SIZE,
            check: Depth::Last(STARTUP_CHECK_BLOCKS),
            prune: None,
            policy: None,
            max_pending_bytes: DEFAULT_MAX_PENDING_BYTES,
            max_pending_message_bytes: DEFAULT_MAX_PENDING_MESSAGE_BYTES,
        }
    }
}

/// The chain on disk, open for writing. There is one per directory: it holds the directory's lock until it
/// and its [`MessagePool`](crate::MessagePool)s are dropped.
///
/// Every operation is one transaction, on disk when the call returns: a process killed at any instant, or a machine
/// that loses power, finds the store as some completed operation left it.
#[derive(Debug)]
pub struct Chainstate {
    pub(crate) store: Arc<Environment>,
    pub(crate) params: Arc<ChainParams>,
    pub(crate) policy: Policy,
    pub(crate) signatures: SignatureCache,
    pub(crate) tip: Tip,
    /// The tip that was left for another branch, until that branch has more work.
    pub(crate) left: Option<Tip>,
    /// How many of the last blocks keep their bodies.
    pub(crate) prune: Option<u32>,
    pub(crate) max_pending_bytes: u64,
    pub(crate) max_pending_message_bytes: u64,
    pub(crate) lock: Arc<DirLock>,
}

impl Chainstate {
    /// Opens the store in `dir`, creating directory and store if need be; a new store holds the genesis block. The
    /// chain is walked as far as `options` say, and not touched if it is found damaged. A store of an older layout is
    /// brought to the present one; if the network's miners have identities which the store does not know yet, all of its
    /// blocks are read once. A process that forks must open the store after that.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process writes to it, [`StoreError::AlreadyOpen`] if this one still has it
    /// open (a [`ChainReader`] keeps it open too), [`StoreError::Genesis`] if it belongs to another chain,
    /// [`StoreError::Integrity`] if it is damaged, [`StoreError::MinersPruned`] if blocks that have to be read are not
    /// stored any more, [`StoreError::PruneTooSmall`], and any failure of files or LMDB.
    pub fn open(dir: &Path, params: Arc<ChainParams>, options: StoreOptions) -> Result<Self, StoreError> {
        if let Some(asked) = options.prune.filter(|asked| *asked < MIN_PRUNE) {
            return Err(StoreError::PruneTooSmall { asked, min: MIN_PRUNE });
        }
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Io { path: dir.to_owned(), source })?;
        let lock = DirLock::acquire(dir)?;
        if options.check == Depth::Full {
            pages::check_all(&dir.join(DATA_FILE))?;
        }
        let store = Environment::create(dir, options.map_size)?;
        let tables = store.tables;
        let policy = options.policy.unwrap_or(params.policy);
        let tip = match store.read(|txn| metadata::tip(tables.metadata, txn))? {
            Some(tip) => {
                let current = store.scan(|txn| {
                    check_identity(metadata::identity(tables.metadata, txn)?, &params)?;
                    integrity::walk(&tables, txn, options.check)?;
                    metadata::is_current(tables.metadata, txn)
                })?;
                if !current {
                    // What cannot be brought up to date stays as it was, for the version that can still use it.
                    store.write(|txn| {
                        if params.mik.is_some() && !metadata::has_identities(tables.metadata, txn)? {
                            identities::fill(&tables, txn, tip.height)?;
                        }
                        metadata::migrate(tables.metadata, txn)
                    })?;
                }
                prepare_identities(&store, tip.height, &params, policy)?;
                tip
            }
            None => store.write(|txn| connect_genesis(&tables, txn, &params))?,
        };
        let signatures = SignatureCache::default();
        let StoreOptions { prune, max_pending_bytes, max_pending_message_bytes, .. } = options;
        let chain = Self {
            store: Arc::new(store),
            params,
            policy,
            signatures,
            tip,
            left: None,
            prune,
            max_pending_bytes,
            max_pending_message_bytes,
            lock: Arc::new(lock),
        };
        if chain.store.read(|txn| pending::stats(tables.pending, txn))?.bytes > max_pending_bytes {
            chain.store.write(|txn| chain.pool(tip.height).trim(txn))?;
        }
        Ok(chain)
    }

    /// A handle for reading, to clone and to send anywhere.
    pub fn reader(&self) -> ChainReader {
        ChainReader::new(Arc::clone(&self.store))
    }

    /// The end of the active chain.
    pub const fn tip(&self) -> Tip {
        self.tip
    }

    /// The parameters that blocks are checked against.
    pub const fn params(&self) -> &Arc<ChainParams> {
        &self.params
    }

    /// How many of the rules blocks have to keep.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Signatures that need not be verified again when a block brings them: those of all transactions that were
    /// [`submit`](Self::submit)ted. Connecting blocks adds none.
    pub const fn signature_cache(&self) -> &SignatureCache {
        &self.signatures
    }
}

/// Rigged failures, for tests of what they leave behind.
#[cfg(feature = "fault-injection")]
impl Chainstate {
    /// Lets the `nth` change to the store from now on fail, counted from 1: a record that is written or deleted, or
    /// the commit. What comes after it succeeds again. 0 lets everything succeed.
    pub fn fail_at_change(&self, nth: u64) {
        self.store.faults.fail_at(nth);
    }

    /// How many records of a database were written or deleted since the store was opened; `commit` counts the
    /// transactions.
    pub fn changes(&self, database: &str) -> u64 {
        self.store.faults.changes(database)
    }
}

/// Whether a store belongs to the chain of these parameters.
pub(crate) fn check_identity(stored: Identity, params: &ChainParams) -> Result<(), StoreError> {
    if stored.genesis == params.genesis.hash {
        return Ok(());
    }
    Err(StoreError::Genesis { network: stored.network, found: stored.genesis, expected: params.genesis.hash })
}

/// Fills the identity store of a chain that was stored without one, and empties that of one which goes on without. If it was
/// left as the reference node would have it, and that is not wanted any more, makes it again what the chain says.
fn prepare_identities(
    store: &Environment,
    tip: Height,
    params: &ChainParams,
    policy: Policy,
) -> Result<(), StoreError> {
    let tables = store.tables;
    let (filled, floor) = store.read(|txn| {
        let filled = metadata::has_identities(tables.metadata, txn)?;
        Ok((filled, metadata::window_floor(tables.metadata, txn)?))
    })?;
    if params.mik.is_none() {
        if filled {
            store.write(|txn| identities::forget(&tables, txn))?;
        }
    } else if !filled {
        store.write(|txn| identities::fill(&tables, txn, tip))?;
    } else if policy == Policy::Strict && floor.is_some() {
        store.write(|txn| identities::settle(&tables, txn, tip))?;
    }
    Ok(())
}

/// Fills a new store with the genesis block. Its output enters the UTXO set like any other (spec: consensus §10), and
/// its proof of work is never checked (§2).
fn connect_genesis(tables: &Tables, txn: &mut RwTxn, params: &ChainParams) -> Result<Tip, StoreError> {
    let block = params.genesis_block();
    let hash = params.genesis.hash;
    let identity = Identity { genesis: hash, network: params.name.clone() };
    metadata::put_identity(tables.metadata, txn, &identity)?;
    if params.mik.is_some() {
        metadata::put_has_identities(tables.metadata, txn)?;
    }
    let header = StoredHeader { header: block.header, hash, height: Height::GENESIS, verified: true };
    let number = headers::insert(tables, txn, header)?;
    blocks::insert(tables.blocks, txn, number, &block)?;
    let mut batch = Batch::default();
    batch.connect(&block, &block.txids(), Height::GENESIS, &Coins::new());
    batch.flush(tables.utxo, txn)?;
    let tip = Tip { height: Height::GENESIS, hash, work: CompactTarget(block.header.bits).work() };
    heights::put(tables.heights, txn, tip.height, &ActiveBlock { number, hash, work: tip.work })?;
    metadata::put_tip(tables.metadata, txn, &tip)?;
    Ok(tip)
}
