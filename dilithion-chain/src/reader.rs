//! Reading the chain, from any thread and from other processes.

use std::path::Path;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use dilithion_wire::{Block, BlockHash, BlockHeader, Height, MikParams, OutPoint};
use heed::RoTxn;

use crate::dfmp::Standing;
use crate::digest::{self, UtxoStats};
use crate::error::{Damage, IntegrityError, StoreError};
use crate::export;
use crate::headers::from_number;
use crate::identities;
use crate::integrity::{self, Depth, Verified};
use crate::mik::Identity;
use crate::store::blocks;
use crate::store::env::Environment;
use crate::store::headers::{self, StoredHeader};
use crate::store::heights::{self, ActiveBlock};
use crate::store::metadata::{self, Tip};
use crate::store::miners::{self, Miner};
use crate::store::tables::coin_key;
use crate::store::utxo::{self, Coin};

/// How many headers [`Headers`] reads at once.
const HEADERS_PER_READ: usize = 2000;

/// A handle for reading a store. Each call sees one consistent state, that of the last completed operation; two calls
/// may see different ones.
///
/// Clones share the store and keep it open. Calls take microseconds, except [`utxo_stats`](Self::utxo_stats) and
/// [`check_integrity`](Self::check_integrity) which read all of it: while they run the store cannot reuse space that
/// is freed, and a writer that has to grow the map waits for them (other readers do not).
#[derive(Debug, Clone)]
pub struct ChainReader {
    pub(crate) store: Arc<Environment>,
}

impl ChainReader {
    pub(crate) const fn new(store: Arc<Environment>) -> Self {
        Self { store }
    }

    /// Opens an existing store for reading only, whether another process writes to it or not. Nothing is created or
    /// changed. In the process that has the [`Chainstate`](crate::Chainstate), use its reader instead.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] or [`StoreError::MissingTable`] if there is none, [`StoreError::AlreadyOpen`] in a
    /// process that has it open, [`StoreError::Schema`] if its layout is unknown.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Environment::open_read_only(dir)?;
        store.read(|txn| metadata::identity(store.tables.metadata, txn))?;
        Ok(Self::new(Arc::new(store)))
    }

    /// The end of the active chain.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn tip(&self) -> Result<Tip, StoreError> {
        let tip = self.store.read(|txn| metadata::tip(self.store.tables.metadata, txn))?;
        tip.ok_or(StoreError::MissingTable { table: "metadata" })
    }

    /// What the active chain knows about a miner; nothing, where miners have no identities.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn miner(&self, identity: &Identity) -> Result<Miner, StoreError> {
        let tables = &self.store.tables;
        self.store.read(|txn| match metadata::has_identities(tables.metadata, txn)? {
            true => miners::get(tables.identities, txn, identity),
            false => Ok(Miner::default()),
        })
    }

    /// All miners of the active chain, in the order of their identities.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn miners(&self) -> Result<Vec<(Identity, Miner)>, StoreError> {
        let tables = &self.store.tables;
        self.store.scan(|txn| match metadata::has_identities(tables.metadata, txn)? {
            true => miners::all(tables.identities, txn),
            false => Ok(Vec::new()),
        })
    }

    /// What the handicap of the block above the tip depends on, if this miner makes it and it pays this payee first.
    /// `rules` are those of the network that the store belongs to.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn standing(
        &self,
        miner: Option<&Identity>,
        payee: &Identity,
        rules: &MikParams,
    ) -> Result<Standing, StoreError> {
        let tables = &self.store.tables;
        self.store.read(|txn| {
            if !metadata::has_identities(tables.metadata, txn)? {
                return Ok(Standing::default());
            }
            let tip = metadata::tip(tables.metadata, txn)?;
            let tip = tip.ok_or(StoreError::MissingTable { table: "metadata" })?;
            identities::standing(tables, txn, tip.height, rules, miner, payee)
        })
    }

    /// Hash of block 0.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn genesis_hash(&self) -> Result<BlockHash, StoreError> {
        self.store.read(|txn| Ok(metadata::identity(self.store.tables.metadata, txn)?.genesis))
    }

    /// Name of the network that the store belongs to.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn network(&self) -> Result<String, StoreError> {
        self.store.read(|txn| Ok(metadata::identity(self.store.tables.metadata, txn)?.network))
    }

    /// Id of the active chain's block at a height, or `None` above the tip.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        self.store.read(|txn| Ok(self.active(txn, height)?.map(|block| block.hash)))
    }

    /// Header of the active chain's block at a height, or `None` above the tip.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn header_at(&self, height: Height) -> Result<Option<BlockHeader>, StoreError> {
        self.store.read(|txn| {
            let Some(block) = self.active(txn, height)? else { return Ok(None) };
            Ok(headers::get(self.store.tables.headers, txn, block.number)?.map(|stored| stored.header))
        })
    }

    /// The active chain's block at a height, or `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if its body was pruned, [`StoreError::Integrity`] if it is damaged.
    pub fn block_at(&self, height: Height) -> Result<Option<Block>, StoreError> {
        self.store.read(|txn| {
            let Some(active) = self.active(txn, height)? else { return Ok(None) };
            self.check_stored(txn, height)?;
            blocks::load(self.store.tables.blocks, txn, height, &active).map(Some)
        })
    }

    /// A block by its id, on the active chain or once part of it; `None` if its body is not stored.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if its body was stored once, [`StoreError::Integrity`] if it is damaged.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Block>, StoreError> {
        let found = self.store.read(|txn| {
            let tables = &self.store.tables;
            let Some(number) = headers::number_of(tables.index, txn, hash)? else { return Ok(None) };
            let Some(payload) = self.payload(txn, number)? else { return Ok(None) };
            let stored = headers::get(tables.headers, txn, number)?;
            let stored = stored.ok_or(StoreError::BadRecord { table: "headers" })?;
            Ok(Some((stored.height, payload)))
        })?;
        let Some((height, payload)) = found else { return Ok(None) };
        let block = blocks::decode(payload)
            .map_err(|reason| IntegrityError { height, damage: Damage::Body { hash: *hash, reason } })?;
        Ok(Some(block))
    }

    /// The payload of the `block` message for a block, as it is stored: cheaper than [`block`](Self::block) for one
    /// that is only sent on.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if its body was stored once; failures of the store.
    pub fn block_payload(&self, hash: &BlockHash) -> Result<Option<Bytes>, StoreError> {
        self.store.read(|txn| {
            let tables = &self.store.tables;
            let Some(number) = headers::number_of(tables.index, txn, hash)? else { return Ok(None) };
            self.payload(txn, number)
        })
    }

    /// The height from which on the bodies of the active chain are stored, and with them undo records: the genesis
    /// block's if nothing was pruned. What a node offers to its peers depends on it.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn lowest_body(&self) -> Result<Height, StoreError> {
        self.store.read(|txn| metadata::lowest_body(self.store.tables.metadata, txn))
    }

    /// Whether the body of a block is stored.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn has_block(&self, hash: &BlockHash) -> Result<bool, StoreError> {
        self.store.read(|txn| {
            let tables = &self.store.tables;
            let Some(number) = headers::number_of(tables.index, txn, hash)? else { return Ok(false) };
            blocks::contains(tables.blocks, txn, number)
        })
    }

    /// A stored header by its id, of the active chain or not.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn header(&self, hash: &BlockHash) -> Result<Option<StoredHeader>, StoreError> {
        self.store.read(|txn| {
            let tables = &self.store.tables;
            let Some(number) = headers::number_of(tables.index, txn, hash)? else { return Ok(None) };
            headers::get(tables.headers, txn, number)
        })
    }

    /// All stored headers, each after its parent, the genesis header first. They are read in portions; headers stored
    /// meanwhile are part of the walk.
    pub fn headers(&self) -> Headers {
        Headers { reader: self.clone(), next: Some(0), portion: Vec::new().into_iter() }
    }

    /// An unspent output.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn utxo(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.store.read(|txn| utxo::get(self.store.tables.utxo, txn, &coin_key(outpoint)))
    }

    /// Number of unspent outputs.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn utxo_count(&self) -> Result<u64, StoreError> {
        self.store.read(|txn| self.store.tables.utxo.len(txn))
    }

    /// Count, total and digest of the whole UTXO set.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn utxo_stats(&self) -> Result<UtxoStats, StoreError> {
        self.store.scan(|txn| digest::utxo_stats(self.store.tables.utxo, txn))
    }

    /// Walks the stored chain and looks for contradictions.
    ///
    /// # Errors
    /// [`StoreError::BadPage`] if the file itself is damaged, which only [`Depth::Full`] finds out,
    /// [`StoreError::Integrity`] with the lowest height where one is found, and what it is.
    pub fn check_integrity(&self, depth: Depth) -> Result<Verified, StoreError> {
        loop {
            let verified = self.store.scan(|txn| {
                // A writer can replace a state's meta page before it is read: then the next state is as good.
                if depth == Depth::Full && self.store.check_pages(txn)?.is_none() {
                    return Ok(None);
                }
                integrity::walk(&self.store.tables, txn, depth).map(Some)
            })?;
            if let Some(verified) = verified {
                return Ok(verified);
            }
        }
    }

    /// Writes a compacted copy of the store into `dir`, which must not exist: the last committed state, whatever is
    /// written meanwhile. When the call returns the copy is on disk, and opens like any store.
    ///
    /// Others read and write on; a writer that has to grow the map waits.
    ///
    /// # Errors
    /// [`StoreError::Io`] if `dir` exists or cannot be written, [`StoreError::DiskFull`]. Nothing that looks like a store
    /// is left then.
    pub fn copy_to(&self, dir: &Path) -> Result<(), StoreError> {
        export::copy(&self.store, dir)
    }

    /// Address space reserved for the store in this process, in bytes.
    pub fn map_size(&self) -> usize {
        self.store.map_size()
    }

    /// The body under a number; an error if it was pruned.
    fn payload(&self, txn: &RoTxn, number: u64) -> Result<Option<Bytes>, StoreError> {
        let payload = blocks::payload(self.store.tables.blocks, txn, number)?;
        if payload.is_none()
            && let Some(header) = headers::get(self.store.tables.headers, txn, number)?
            && self.active(txn, header.height)?.is_some_and(|active| active.number == number)
        {
            self.check_stored(txn, header.height)?;
        }
        Ok(payload)
    }

    /// Checks that the body of the active block at a height was not pruned.
    fn check_stored(&self, txn: &RoTxn, height: Height) -> Result<(), StoreError> {
        let lowest = metadata::lowest_body(self.store.tables.metadata, txn)?;
        if height < lowest && height != Height::GENESIS {
            return Err(StoreError::Pruned { height, lowest });
        }
        Ok(())
    }

    fn active(&self, txn: &RoTxn, height: Height) -> Result<Option<ActiveBlock>, StoreError> {
        heights::get(self.store.tables.heights, txn, height)
    }
}

/// Iterator over stored headers, parents first: see [`ChainReader::headers`]. It ends at the first error.
#[derive(Debug)]
pub struct Headers {
    reader: ChainReader,
    /// Where the next portion starts, unless the end was reached.
    next: Option<u64>,
    portion: vec::IntoIter<StoredHeader>,
}

impl Headers {
    fn refill(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.next.take() else { return Ok(()) };
        let store = &self.reader.store;
        let portion = store.read(|txn| {
            from_number(store.tables.headers, txn, first)?
                .take(HEADERS_PER_READ)
                .collect::<Result<Vec<_>, _>>()
        })?;
        self.next = portion.last().map(|(number, _)| number.saturating_add(1));
        self.portion = portion.into_iter().map(|(_, header)| header).collect::<Vec<_>>().into_iter();
        Ok(())
    }
}

impl Iterator for Headers {
    type Item = Result<StoredHeader, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.portion.len() == 0
            && let Err(error) = self.refill()
        {
            return Some(Err(error));
        }
        self.portion.next().map(Ok)
    }
}
