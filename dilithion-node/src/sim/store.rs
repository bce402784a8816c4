//! The store of a simulated node: in memory, or the real one on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::{Candidate, Chainstate, ConnectOutcome, Depth, StoreError, StoreOptions, StoredHeader};
use dilithion_wire::{Block, BlockHash, ChainParams, Height, Limits};

use super::memory_store::MemoryStore;
use crate::node::NodeError;
use crate::stage::BlockStore;
use crate::sync::MAX_STORED;

/// Blocks that a preloaded store connects at a time.
const PRELOAD_BATCH: usize = 500;

/// A store of either kind.
#[derive(Debug)]
pub enum SimStore {
    /// As fast as memory; what a crash leaves behind is what the validator has done.
    Memory(MemoryStore),
    /// LMDB, in this folder.
    Disk(Box<Chainstate>, PathBuf),
}

impl SimStore {
    /// A store on disk, in a folder that must not be in use.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub fn on_disk(dir: &Path, params: Arc<ChainParams>) -> Result<Self, NodeError> {
        let options = StoreOptions { check: Depth::Full, ..StoreOptions::default() };
        let chain = Chainstate::open(dir, params, options).map_err(store_error)?;
        Ok(Self::Disk(Box::new(chain), dir.to_owned()))
    }

    /// What a restart finds: a store on disk is closed, opened and checked.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub fn reopen(self) -> Result<Self, NodeError> {
        match self {
            Self::Memory(store) => Ok(Self::Memory(store)),
            Self::Disk(chain, dir) => {
                let params = Arc::clone(chain.params());
                drop(chain);
                Self::on_disk(&dir, params)
            }
        }
    }

    /// The stored headers, parents first.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub fn headers(&self) -> Result<Vec<StoredHeader>, NodeError> {
        match self {
            Self::Memory(store) => Ok(store.headers().to_vec()),
            Self::Disk(store, _) => store.reader().headers().collect::<Result<_, _>>().map_err(store_error),
        }
    }

    /// The blocks that the operator refuses.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub fn revoked(&self) -> Result<Vec<BlockHash>, NodeError> {
        match self {
            Self::Memory(store) => Ok(store.revoked().collect()),
            Self::Disk(store, _) => store.reader().revoked().map_err(store_error),
        }
    }

    /// Blocks beside the connected chain that need not be fetched.
    pub(super) fn stored_beside_chain(&self) -> Result<Vec<BlockHash>, NodeError> {
        match self {
            Self::Memory(store) => Ok(store.stored_beside_chain().collect()),
            Self::Disk(store, _) => store.reader().stored_beside_chain(MAX_STORED).map_err(store_error),
        }
    }

    /// Whether the body of a block is stored.
    #[must_use]
    pub fn has_body(&self, hash: &BlockHash) -> bool {
        match self {
            Self::Memory(store) => store.has_body(hash),
            Self::Disk(store, _) => store.reader().has_block(hash).unwrap_or(false),
        }
    }

    /// Connects blocks of an earlier life.
    ///
    /// # Errors
    /// [`NodeError::Store`].
    pub fn preload(
        &mut self,
        blocks: impl Iterator<Item = (BlockHash, Bytes)>,
        limits: &Limits,
    ) -> Result<(), NodeError> {
        let mut batch = Vec::new();
        let mut blocks = blocks.peekable();
        while let Some((hash, payload)) = blocks.next() {
            if let Ok(block) = Block::decode_payload(payload, limits) {
                batch.push(Candidate { hash, verified: true, block });
            }
            if batch.len() == PRELOAD_BATCH || blocks.peek().is_none() {
                self.connect(std::mem::take(&mut batch)).map_err(store_error)?;
            }
        }
        Ok(())
    }

    fn inner(&mut self) -> &mut dyn BlockStore {
        match self {
            Self::Memory(store) => store,
            Self::Disk(store, _) => store.as_mut(),
        }
    }
}

impl BlockStore for SimStore {
    fn tip(&self) -> (Height, BlockHash) {
        match self {
            Self::Memory(store) => store.tip(),
            Self::Disk(store, _) => BlockStore::tip(store.as_ref()),
        }
    }

    fn connect(&mut self, blocks: Vec<Candidate>) -> Result<ConnectOutcome, StoreError> {
        self.inner().connect(blocks)
    }

    fn disconnect_to(&mut self, height: Height) -> Result<Vec<(Height, BlockHash)>, StoreError> {
        self.inner().disconnect_to(height)
    }

    fn body(&self, hash: &BlockHash) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Memory(store) => store.body(hash),
            Self::Disk(store, _) => BlockStore::body(store.as_ref(), hash),
        }
    }

    fn revoke(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        self.inner().revoke(hash)
    }

    fn reinstate(&mut self, hashes: &[BlockHash]) -> Result<(), StoreError> {
        self.inner().reinstate(hashes)
    }

    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        self.inner().store_headers(headers)
    }

    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        self.inner().forget_header(hash)
    }
}

fn store_error(error: StoreError) -> NodeError {
    NodeError::Store(Box::new(error))
}
