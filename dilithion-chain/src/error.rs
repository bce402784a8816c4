//! What can go wrong with the store. What can be wrong with a block is [`BlockError`](crate::BlockError).

use std::io::ErrorKind;
use std::path::PathBuf;

use dilithion_wire::{BlockHash, Height, MerkleRoot};
use heed::MdbError;

use crate::mik::Identity;

/// The store could not do what it was asked. Nothing was changed: every operation is one transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file of the store could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// LMDB failed. A file system that takes only part of a write says so as an input/output error here.
    #[error("LMDB: {0}")]
    Lmdb(#[source] heed::Error),
    /// There is no space left for the store's files, or no more is allowed. The store is as it was and goes on working
    /// as soon as there is room.
    #[error("no space left for the chain store: {0}")]
    DiskFull(#[source] std::io::Error),
    /// The address space has no room for a bigger map.
    #[error("the LMDB map cannot grow any further")]
    MapLimit,
    /// Memory for the bigger map was there when it was looked for and gone when it was taken. What was committed is
    /// safe on disk; the store has to be opened anew.
    #[error("the LMDB map was lost while it grew: the store has to be opened anew")]
    MapLost,
    /// Another process writes to this store.
    #[error("{} is in use by {}", dir.display(), pid.map_or("another process".into(), |pid| format!("process {pid}")))]
    Locked {
        /// The store's directory.
        dir: PathBuf,
        /// The process that holds it, if it says so.
        pid: Option<u32>,
    },
    /// This process has the store open already.
    #[error("{} is open in this process: use the reader of its chainstate", dir.display())]
    AlreadyOpen {
        /// The store's directory.
        dir: PathBuf,
    },
    /// There is no store to read.
    #[error("no chain store here: {} is missing", missing.display())]
    NoStore {
        /// The file that was looked for.
        missing: PathBuf,
    },
    /// The store exists but its creation was never finished.
    #[error("no chain store here: database {table} is missing or empty")]
    MissingTable {
        /// The database that was looked for.
        table: &'static str,
    },
    /// The store was written by another version of this crate.
    #[error("the store has schema version {found}, this program reads {supported}")]
    Schema {
        /// Version in the store.
        found: u32,
        /// Version of this crate.
        supported: u32,
    },
    /// The store belongs to another chain.
    #[error("the store belongs to the {network} chain with genesis {found}, not to genesis {expected}")]
    Genesis {
        /// Name of the stored chain.
        network: String,
        /// Genesis hash in the store.
        found: BlockHash,
        /// Genesis hash of the parameters.
        expected: BlockHash,
    },
    /// A page of the data file is not what LMDB would have written.
    #[error("the data file is damaged at page {page}: {reason}")]
    BadPage {
        /// Number of the page.
        page: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A record does not have the layout of its database.
    #[error("damaged record in database {table}")]
    BadRecord {
        /// The database.
        table: &'static str,
    },
    /// The stored chain contradicts itself.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// A header cannot be stored before its parent.
    #[error("header {hash} comes before its parent {parent}")]
    UnknownParent {
        /// The header.
        hash: BlockHash,
        /// The parent that is not stored.
        parent: BlockHash,
    },
    /// A header's height is not one more than its parent's.
    #[error("header {hash} has height {found}, its parent says {expected}")]
    HeaderHeight {
        /// The header.
        hash: BlockHash,
        /// Height it was given with.
        found: Height,
        /// Height of its parent plus one.
        expected: Height,
    },
    /// A block of the active chain cannot be forgotten; disconnect it first.
    #[error("block {hash} at height {height} is on the active chain")]
    OnActiveChain {
        /// The block.
        hash: BlockHash,
        /// Its height.
        height: Height,
    },
    /// The block's body and undo record were pruned.
    #[error("block {height} is pruned: bodies are stored from height {lowest} on")]
    Pruned {
        /// Height of the block.
        height: Height,
        /// Lowest height, apart from the genesis block's, whose body is stored. The chain can go back to the one below.
        lowest: Height,
    },
    /// The network's miners have identities, which the store does not know, and the blocks that name them were pruned. The
    /// store has to be filled again.
    #[error(
        "the store does not know the miners of its blocks, and bodies are stored from height {lowest} on only"
    )]
    MinersPruned {
        /// Lowest height, apart from the genesis block's, whose body is stored.
        lowest: Height,
    },
    /// A pruned store has to keep more blocks than asked.
    #[error("a pruned store keeps at least {min} blocks, not {asked}")]
    PruneTooSmall {
        /// Blocks that were to be kept.
        asked: u32,
        /// Fewest that are.
        min: u32,
    },
    /// The genesis block cannot be disconnected.
    #[error("the genesis block cannot be disconnected")]
    AtGenesis,
}

impl StoreError {
    /// Whether the store is not what was written: to try again is of no use, to repair it may be.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Integrity(_) | Self::BadRecord { .. } | Self::BadPage { .. } => true,
            Self::Lmdb(heed::Error::Mdb(error)) => {
                matches!(error, MdbError::Corrupted | MdbError::Invalid | MdbError::PageNotFound)
            }
            _ => false,
        }
    }
}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Io(source) if is_full(source.kind()) => Self::DiskFull(source),
            error => Self::Lmdb(error),
        }
    }
}

/// Whether an error says that a file cannot become longer.
const fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// The stored chain contradicts itself at some height.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored chain is damaged at height {height}: {damage}")]
pub struct IntegrityError {
    /// Where.
    pub height: Height,
    /// What is wrong there.
    pub damage: Damage,
}

/// What is wrong at a height of the stored chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The active chain has no block there although it reaches higher.
    #[error("no block")]
    Missing,
    /// The block's header names another parent than the block below.
    #[error("the parent of block {hash} is {found}, the block below is {expected}")]
    Link {
        /// The block.
        hash: BlockHash,
        /// Hash of the active chain's block below.
        expected: BlockHash,
        /// Hash of the parent in the header.
        found: BlockHash,
    },
    /// The tip is recorded as another block than the last of the active chain.
    #[error("the recorded tip is {recorded}, the last block is {found}")]
    Tip {
        /// Hash in the metadata.
        recorded: BlockHash,
        /// Hash of the highest block.
        found: BlockHash,
    },
    /// The first block is not the genesis block.
    #[error("the first block is {found}, the genesis block is {expected}")]
    Genesis {
        /// Hash recorded when the store was created.
        expected: BlockHash,
        /// Hash at height 0.
        found: BlockHash,
    },
    /// The index does not lead from the hash to the block's records.
    #[error("the index does not find block {hash}")]
    Index {
        /// The block.
        hash: BlockHash,
    },
    /// The number that the next new header would get is in use.
    #[error("the next number is not above that of block {hash}")]
    Number {
        /// The tip.
        hash: BlockHash,
    },
    /// The header record is missing, or is that of another block.
    #[error("the header of block {hash} is missing or another block's")]
    Header {
        /// The block.
        hash: BlockHash,
    },
    /// The recorded chain work is not that of the block below plus the block's own.
    #[error("the chain work recorded for block {hash} is wrong")]
    Work {
        /// The block.
        hash: BlockHash,
    },
    /// The body is missing.
    #[error("block {hash} has no body")]
    BodyMissing {
        /// The block.
        hash: BlockHash,
    },
    /// The body is not the payload of a `block` message, or begins with another header than the stored one.
    #[error("the body of block {hash} is unreadable: {reason}")]
    Body {
        /// The block.
        hash: BlockHash,
        /// What is wrong with it.
        reason: String,
    },
    /// The transactions are not those that the header commits to.
    #[error("block {hash} commits to merkle root {header}, its transactions have {body}")]
    Merkle {
        /// The block.
        hash: BlockHash,
        /// Merkle root in the header.
        header: MerkleRoot,
        /// Merkle root of the stored transactions.
        body: MerkleRoot,
    },
    /// The recorded miner of a block is not the one that its coinbase names.
    #[error("the recorded miner of block {hash} is not the one it names")]
    Miner {
        /// The block.
        hash: BlockHash,
    },
    /// What is recorded about a miner is not what the recorded blocks add up to.
    #[error("what is recorded about miner {identity} is not what its blocks add up to")]
    Identity {
        /// The miner.
        identity: Identity,
    },
    /// The undo record is missing.
    #[error("block {hash} has no undo record")]
    UndoMissing {
        /// The block.
        hash: BlockHash,
    },
    /// The undo record's checksum or layout is wrong.
    #[error("the undo record of block {hash} is damaged: {reason}")]
    Undo {
        /// The block.
        hash: BlockHash,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The UTXO set is not what the blocks and their undo records add up to.
    #[error("the UTXO set of {found} outputs is not the {expected} that the blocks up to {hash} leave")]
    Utxo {
        /// The tip.
        hash: BlockHash,
        /// Outputs created minus outputs removed by the blocks.
        expected: u64,
        /// Outputs in the set.
        found: u64,
    },
}
