//! The store against recorded and synthetic chains, in real LMDB environments.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod branches;
mod builder;
mod care;
mod crash;
#[cfg(feature = "fault-injection")]
mod faults;
mod fixture;
#[cfg(unix)]
mod growth;
#[cfg(unix)]
mod hostile;
mod import;
mod mainnet;
mod mainnet_chain;
mod mainnet_vectors;
mod messages;
mod messages_model;
mod messages_race;
mod miner_crash;
mod miner_model;
mod miner_policy;
mod miner_rules;
mod miners;
mod model;
mod orphans;
mod pending;
mod pending_model;
mod processes;
mod recorded;
mod reorg;
mod rules;
mod rules_policy;
mod rules_scripts;
mod rules_transactions;
mod search;
mod signer;
mod store;
mod vectors;
mod verdicts;

use std::path::Path;
use std::sync::Arc;

use dilithion_chain::{Candidate, Chainstate, Depth, StoreOptions};
use dilithion_wire::ChainParams;

/// Opens a store with a small map that is walked completely.
pub(crate) fn open(dir: &Path, params: &Arc<ChainParams>) -> Chainstate {
    Chainstate::open(dir, Arc::clone(params), small()).unwrap()
}

/// Options for tests: a small map, and a full walk when opening.
pub(crate) fn small() -> StoreOptions {
    StoreOptions { map_size: 1 << 20, check: Depth::Full, ..StoreOptions::default() }
}

/// Connects all blocks in slices, expecting each to be accepted.
pub(crate) fn import(chain: &mut Chainstate, blocks: &[Candidate], batch: usize) {
    for slice in blocks.chunks(batch) {
        let outcome = chain.connect(slice).unwrap();
        assert_eq!(outcome.failure, None);
        assert_eq!(outcome.connected.len(), slice.len());
    }
}

/// The UTXO set as `COUNT TOTAL DIGEST`.
pub(crate) fn digest(chain: &Chainstate) -> String {
    chain.reader().utxo_stats().unwrap().to_string()
}
