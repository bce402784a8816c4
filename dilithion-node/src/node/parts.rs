//! The parts of a node that commands use as well: the store, the header chain in it, RandomX.

use std::num::NonZeroUsize;
use std::sync::Arc;

use dilithion_chain::{ChainReader, Chainstate, StoreError, StoreOptions};
use dilithion_headers::{HeadersConfig, HeadersManager, StoredHeader};
use dilithion_pow::{Hasher, PowError, PowMode, RandomX, RandomXOptions};
use dilithion_wire::{BlockHash, ChainParams};

use super::{HASH_NICENESS, NodeConfig, NodeError};
use crate::random::random_u64;

/// Opens the store of a node.
///
/// # Errors
///
/// [`NodeError::Store`].
pub fn open_chainstate(config: &NodeConfig) -> Result<Chainstate, NodeError> {
    let folder = config.chainstate_dir();
    let options = StoreOptions { prune: config.prune, ..StoreOptions::default() };
    Chainstate::open(&folder, Arc::clone(&config.params), options).map_err(store_error)
}

fn store_error(error: StoreError) -> NodeError {
    NodeError::Store(Box::new(error))
}

/// RandomX with a network's key.
///
/// # Errors
///
/// [`PowError`] if memory is short or the library gives wrong hashes.
pub fn randomx(
    params: &ChainParams,
    mode: PowMode,
    threads: Option<NonZeroUsize>,
) -> Result<Arc<dyn Hasher>, PowError> {
    let niceness = Some(HASH_NICENESS);
    let options = RandomXOptions { mode, threads, niceness, ..RandomXOptions::default() };
    Ok(Arc::new(RandomX::new(&params.randomx_key, options)?))
}

/// Rebuilds the header chain from the store, and what the operator said against blocks; nothing is hashed.
///
/// # Errors
///
/// [`NodeError`] if the stored headers cannot be read or do not link.
pub fn load_headers(params: &ChainParams, store: &ChainReader) -> Result<HeadersManager, NodeError> {
    let config = HeadersConfig { seed: random_u64(), ..HeadersConfig::from_params(params) };
    let mut headers = HeadersManager::new(config, params.genesis_header(), params.genesis.hash);
    for stored in store.headers() {
        let stored = stored.map_err(store_error)?;
        let dilithion_chain::StoredHeader { header, hash, verified, .. } = stored;
        headers.restore(StoredHeader { header, hash, verified })?;
    }
    for hash in store.revoked().map_err(store_error)? {
        let _nothing_runs_yet = headers.revoke(&hash);
    }
    Ok(headers)
}

/// Checks that the genesis block has the id that its parameters state.
pub(super) fn check_genesis(params: &ChainParams, hasher: &dyn Hasher) -> Result<(), NodeError> {
    let computed = BlockHash::from_bytes(hasher.worker()?.hash(&params.genesis_header().to_bytes()));
    if computed == params.genesis.hash {
        return Ok(());
    }
    Err(NodeError::Genesis { network: params.name.clone(), expected: params.genesis.hash, computed })
}
