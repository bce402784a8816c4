//! What the validator needs of a store.

use bytes::Bytes;
use dilithion_chain::{Candidate, Chainstate, ConnectOutcome, StoreError, StoredHeader};
use dilithion_wire::{BlockHash, Height};

/// A chain that blocks are connected to: the [`Chainstate`] on disk, or one in memory. Each operation is done wholly, or
/// not at all.
pub trait BlockStore {
    /// The end of the connected chain.
    fn tip(&self) -> (Height, BlockHash);

    /// Connects blocks on top of the tip, in order, up to the first that is refused.
    ///
    /// # Errors
    /// Only failures of the store.
    fn connect(&mut self, blocks: Vec<Candidate>) -> Result<ConnectOutcome, StoreError>;

    /// Takes blocks off the chain until `height` is the tip, and tells which; their bodies stay.
    ///
    /// # Errors
    /// Failures of the store.
    fn disconnect_to(&mut self, height: Height) -> Result<Vec<(Height, BlockHash)>, StoreError>;

    /// The body of a block, connected or not, as the payload of a `block` message.
    ///
    /// # Errors
    /// Failures of the store.
    fn body(&self, hash: &BlockHash) -> Result<Option<Bytes>, StoreError>;

    /// Remembers that the operator refuses a block.
    ///
    /// # Errors
    /// Failures of the store.
    fn revoke(&mut self, hash: BlockHash) -> Result<(), StoreError>;

    /// Forgets that the operator refuses these blocks.
    ///
    /// # Errors
    /// Failures of the store.
    fn reinstate(&mut self, hashes: &[BlockHash]) -> Result<(), StoreError>;

    /// Keeps headers, parents first.
    ///
    /// # Errors
    /// Failures of the store, or a header without its parent.
    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError>;

    /// Forgets a header and all that is built on it.
    ///
    /// # Errors
    /// Failures of the store; [`StoreError::OnActiveChain`] if its block is connected.
    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError>;
}

impl BlockStore for Chainstate {
    fn tip(&self) -> (Height, BlockHash) {
        let tip = Self::tip(self);
        (tip.height, tip.hash)
    }

    fn connect(&mut self, blocks: Vec<Candidate>) -> Result<ConnectOutcome, StoreError> {
        Self::connect(self, &blocks)
    }

    fn disconnect_to(&mut self, height: Height) -> Result<Vec<(Height, BlockHash)>, StoreError> {
        Self::disconnect_to(self, height)
    }

    fn body(&self, hash: &BlockHash) -> Result<Option<Bytes>, StoreError> {
        self.reader().block_payload(hash)
    }

    fn revoke(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        Self::revoke(self, hash)
    }

    fn reinstate(&mut self, hashes: &[BlockHash]) -> Result<(), StoreError> {
        Self::reinstate(self, hashes)
    }

    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        Self::store_headers(self, headers)
    }

    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        self.forget_headers(&[hash]).map(drop)
    }
}
