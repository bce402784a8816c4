//! A node of a simulation: the real coordinator and validator over a store, with a hash pool in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dilithion_headers::{HeadersConfig, HeadersManager, StoredHeader};
use dilithion_pow::Work;
use dilithion_wire::{BlockHash, ChainParams, Height, PeerId};

use super::blocks::BlockIndex;
use super::hasher::SimHasher;
use super::store::SimStore;
use crate::node::NodeError;
use crate::stage::{BlockStore, BlockValidator};
use crate::sync::{Coordinator, CoordinatorConfig, SyncMode};

/// What a node is like.
#[derive(Clone, Debug)]
pub struct NodeProfile {
    /// Hash threads.
    pub threads: usize,
    /// How long one hash takes.
    pub time_per_hash: Duration,
    /// How long the store takes for a transaction.
    pub time_per_commit: Duration,
    /// How long the store takes for a block, on top.
    pub time_per_block: Duration,
    /// Seconds by which the node's wall clock is ahead.
    pub clock_offset: i64,
    /// Work below which a chain is not downloaded.
    pub minimum_chain_work: Work,
    /// How much it fetches.
    pub mode: SyncMode,
    /// The rules, checkpoints included.
    pub params: Arc<ChainParams>,
    /// A fault put into its coordinator.
    #[cfg(test)]
    pub(crate) mutation: Option<crate::sync::Mutation>,
}

/// A node, running or not.
#[derive(Debug)]
pub struct SimNode {
    /// What it is like.
    pub profile: NodeProfile,
    /// Raised at each start: what was under way before is void.
    pub boot: u32,
    /// What it is while it runs.
    pub running: Option<Box<Running>>,
    /// The store of a node that is down.
    stopped: Option<SimStore>,
    /// What it asked for and was sent, over all its lives.
    pub downloads: Downloads,
}

/// What a node asked for.
#[derive(Debug, Default)]
pub struct Downloads {
    /// Blocks asked for since the start.
    pub(super) asked: BlockSet,
    /// Blocks that were delivered since the start.
    pub(super) delivered: BlockSet,
    /// Whom each block that has not come yet was asked of last.
    pub(super) asked_of: BTreeMap<BlockIndex, PeerId>,
    /// Block messages that brought a block for the first time.
    pub blocks: u64,
    /// Block messages that brought a block again.
    pub duplicates: u64,
}

/// Some of the blocks of a run.
#[derive(Debug, Default)]
pub(super) struct BlockSet(Vec<bool>);

impl BlockSet {
    /// Adds a block; tells whether that is news.
    pub(super) fn insert(&mut self, index: BlockIndex) -> bool {
        let index = index as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, false);
        }
        self.0.get_mut(index).is_some_and(|member| !std::mem::replace(member, true))
    }

    pub(super) fn contains(&self, index: BlockIndex) -> bool {
        self.0.get(index as usize).copied().unwrap_or(false)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A running node.
#[derive(Debug)]
pub struct Running {
    /// The state machine under test.
    pub coordinator: Coordinator,
    /// Writes the store.
    pub validator: BlockValidator<SimStore>,
    /// A step of the validator is under way.
    pub storing: bool,
    /// Computes ids.
    pub(super) hasher: SimHasher,
    /// When the coordinator wants to be woken.
    pub tick_at: Duration,
}

impl SimNode {
    /// A node that is down.
    #[must_use]
    pub fn new(profile: NodeProfile, store: SimStore) -> Self {
        Self { profile, boot: 0, running: None, stopped: Some(store), downloads: Downloads::default() }
    }

    /// Starts the node from what its store holds; `seed` is that of its spot checks. Does nothing if it is running.
    ///
    /// # Errors
    /// [`NodeError`] if the store cannot be read.
    pub fn start(&mut self, seed: u64) -> Result<bool, NodeError> {
        let Some(store) = self.stopped.take() else { return Ok(false) };
        let store = if self.boot == 0 { store } else { store.reopen()? };
        let NodeProfile { params, minimum_chain_work, .. } = &self.profile;
        let config = HeadersConfig {
            seed,
            minimum_chain_work: *minimum_chain_work,
            ..HeadersConfig::from_params(params)
        };
        let mut headers = HeadersManager::new(config, params.genesis_header(), params.genesis.hash);
        for stored in store.headers()? {
            let dilithion_chain::StoredHeader { header, hash, verified, .. } = stored;
            headers.restore(StoredHeader { header, hash, verified })?;
        }
        for hash in store.revoked()? {
            let _nothing_runs_yet = headers.revoke(&hash);
        }
        let max_reorg_depth = params.consensus.max_reorg_depth;
        let config = CoordinatorConfig {
            mode: self.profile.mode,
            max_reorg_depth,
            stored: store.stored_beside_chain()?,
            ..CoordinatorConfig::default()
        };
        #[cfg_attr(not(test), expect(unused_mut, reason = "tests put faults in"))]
        let mut coordinator = Coordinator::new(config, headers, store.tip());
        #[cfg(test)]
        {
            coordinator.mutation = self.profile.mutation;
        }
        let validator = BlockValidator::new(store, params.limits);
        let hasher = SimHasher::new(self.profile.threads, self.profile.time_per_hash);
        self.running = Some(Box::new(Running {
            coordinator,
            validator,
            storing: false,
            hasher,
            tick_at: Duration::MAX,
        }));
        self.boot += 1;
        self.downloads.asked.clear();
        self.downloads.delivered.clear();
        self.downloads.asked_of.clear();
        Ok(true)
    }

    /// The node stops without a warning: what is not in the store is lost.
    pub fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            self.stopped = Some(running.validator.into_store());
        }
    }

    /// The store, wherever it is.
    #[must_use]
    pub fn store(&self) -> Option<&SimStore> {
        self.running.as_ref().map(|running| running.validator.store()).or(self.stopped.as_ref())
    }

    /// The end of the connected chain.
    #[must_use]
    pub fn tip(&self) -> (Height, BlockHash) {
        self.store().map(BlockStore::tip).unwrap_or_default()
    }

    /// The end of what it has of the best chain: blocks, or proved headers if it fetches nothing else.
    #[must_use]
    pub fn reached(&self) -> BlockHash {
        match &self.running {
            Some(running) if running.coordinator.mode() == SyncMode::Headers => {
                let headers = running.coordinator.headers();
                headers.hash_at_height(headers.ready_height()).unwrap_or_default()
            }
            _ => self.tip().1,
        }
    }

    /// Connects blocks before the node is started: what it has from an earlier life.
    ///
    /// # Errors
    /// [`NodeError`] if the store fails.
    pub fn preload(&mut self, blocks: impl Iterator<Item = (BlockHash, Bytes)>) -> Result<(), NodeError> {
        let limits = self.profile.params.limits;
        match &mut self.stopped {
            Some(store) => store.preload(blocks, &limits),
            None => Ok(()),
        }
    }
}
