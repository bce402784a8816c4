//! The block validator: the one that writes the store. A plain state machine over a [`BlockStore`]; a thread drives it
//! in a node, virtual time in the simulator.

use std::collections::VecDeque;
use std::time::Duration;

use dilithion_chain::{BlockError, Candidate, CommitSize, StoreError, StoredHeader};
use dilithion_wire::{Block, BlockHash, Height, Limits, Txid};

use super::BlockStore;
use crate::sync::{BlockFault, BlockToConnect, Body, Event, StoreJob};

/// Ids of transactions are told of so many blocks at once, and of no more.
const MAX_BLOCKS_WITH_IDS: usize = 4;

/// Does the coordinator's work on a store.
#[derive(Debug)]
pub struct BlockValidator<S> {
    store: S,
    limits: Limits,
    jobs: VecDeque<StoreJob>,
    /// How many blocks share a transaction: a commit costs an fsync, so more is faster, and takes longer.
    size: CommitSize,
    /// Bytes of the blocks of the last step.
    last_bytes: usize,
    /// Blocks of this generation and older no longer follow the tip.
    void_generation: Option<u64>,
    /// The store failed; nothing is written any more.
    failed: bool,
    /// Ids of the transactions of the blocks of the last step, if those were few.
    confirmed: Vec<Txid>,
}

impl<S: BlockStore> BlockValidator<S> {
    /// A validator of blocks within `limits`.
    pub fn new(store: S, limits: Limits) -> Self {
        Self {
            store,
            limits,
            jobs: VecDeque::new(),
            size: CommitSize::default(),
            last_bytes: 0,
            void_generation: None,
            failed: false,
            confirmed: Vec::new(),
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, to do with it what does not move the chain.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Whether the store failed; nothing is written any more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The store failed: nothing is written any more. Returns what to tell the coordinator.
    pub fn fail(&mut self, error: &StoreError) -> Event {
        tracing::error!("the store failed: {error}");
        self.failed = true;
        Event::StoreFailed { reason: error.to_string() }
    }

    /// Gives the store back; jobs that were not run are forgotten, as in a crash.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Queues a job.
    pub fn push(&mut self, job: StoreJob) {
        self.jobs.push_back(job);
    }

    /// Whether nothing is queued.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How many blocks the next step would connect: those at the front of the queue that may share a transaction.
    pub fn next_batch_len(&self) -> usize {
        self.next_batch().0
    }

    /// The blocks of the next step, and their bytes.
    fn next_batch(&self) -> (usize, usize) {
        let (mut blocks, mut bytes) = (0, 0_usize);
        for job in &self.jobs {
            let StoreJob::Connect(block) = job else { break };
            if !self.size.has_room(blocks, bytes) {
                break;
            }
            blocks += 1;
            bytes = bytes.saturating_add(block.body.len());
        }
        (blocks, bytes)
    }

    /// Ids of the transactions that the last step brought into the chain; none if it connected many blocks, since nobody
    /// announces any of theirs.
    pub fn take_confirmed(&mut self) -> Vec<Txid> {
        std::mem::take(&mut self.confirmed)
    }

    /// Takes note of how long the last step took, so that the next transaction of blocks takes long enough to be worth
    /// its fsync, and not so long that everything waits for it.
    pub fn took(&mut self, time: Duration) {
        if self.last_bytes > 0 {
            self.size.record(self.last_bytes, time);
        }
    }

    /// Does the next job, or as many blocks as share a transaction, and returns what to tell the coordinator.
    pub fn step(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let (batch, bytes) = self.next_batch();
        self.last_bytes = bytes;
        let blocks: Vec<BlockToConnect> = self
            .jobs
            .drain(..batch)
            .filter_map(|job| if let StoreJob::Connect(block) = job { Some(block) } else { None })
            .collect();
        let job = if batch == 0 { self.jobs.pop_front() } else { None };
        if self.failed {
            return events;
        }
        let done = match job {
            None => self.connect(blocks, &mut events),
            Some(StoreJob::Connect(block)) => self.connect(vec![block], &mut events),
            Some(StoreJob::DisconnectTo(height)) => self.disconnect_to(height, &mut events),
            Some(StoreJob::ForgetHeader(hash)) => self.forget_header(hash),
            Some(StoreJob::Revoke(hash)) => {
                self.store.revoke(hash).map(|()| events.push(Event::VerdictStored))
            }
            Some(StoreJob::Reinstate(hashes)) => {
                self.store.reinstate(&hashes).map(|()| events.push(Event::VerdictStored))
            }
            Some(StoreJob::StoreHeaders(headers)) => self.store_headers(&headers),
        };
        if let Err(error) = done {
            events.push(self.fail(&error));
        }
        events
    }

    fn connect(&mut self, mut batch: Vec<BlockToConnect>, events: &mut Vec<Event>) -> Result<(), StoreError> {
        batch.retain(|block| self.void_generation.is_none_or(|void| block.generation > void));
        let mut candidates = Vec::with_capacity(batch.len());
        let mut undecodable = None;
        for block in &batch {
            let payload = match &block.body {
                Body::Payload(payload) => Some(payload.clone()),
                Body::Stored => self.store.body(&block.hash)?,
            };
            let decoded = match payload {
                Some(payload) => {
                    Block::decode_payload(payload, &self.limits).map_err(|error| error.to_string())
                }
                None => Err("the store does not have it any more".to_owned()),
            };
            match decoded {
                Ok(decoded) => {
                    candidates.push(Candidate { hash: block.hash, verified: block.verified, block: decoded });
                }
                Err(reason) => {
                    undecodable = Some((block, reason));
                    break;
                }
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let few = candidates.len() <= MAX_BLOCKS_WITH_IDS;
        let txids: Vec<Vec<Txid>> =
            if few { candidates.iter().map(|block| block.block.txids()).collect() } else { Vec::new() };
        let outcome = self.store.connect(candidates)?;
        self.confirmed = txids.into_iter().take(outcome.connected.len()).flatten().collect();
        let connected: Vec<(Height, BlockHash)> =
            outcome.connected.iter().map(|block| (block.height, block.hash)).collect();
        let done = connected.len();
        if !connected.is_empty() {
            events.push(Event::BlocksConnected { blocks: connected });
        }
        if let Some(failure) = outcome.failure
            && let Some(block) = batch.get(done)
        {
            tracing::warn!("block {} ({}) refused: {}", failure.height, failure.hash, failure.error);
            let reason = failure.error.reject_reason().to_owned();
            events.push(self.reject(block, reason, fault_of(&failure.error)));
        } else if let Some((block, reason)) = undecodable {
            tracing::warn!("block {} undecodable: {reason}", block.height);
            events.push(self.reject(block, reason, BlockFault::Body));
        }
        Ok(())
    }

    fn reject(&mut self, block: &BlockToConnect, reason: String, fault: BlockFault) -> Event {
        self.void_generation = Some(block.generation);
        Event::BlockRejected {
            generation: block.generation,
            height: block.height,
            hash: block.hash,
            peer: block.peer,
            reason,
            fault,
        }
    }

    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        match self.store.forget_header(hash) {
            // The true header of this id came first, and its block is connected: there is nothing false to forget.
            Ok(()) | Err(StoreError::OnActiveChain { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        match self.store.store_headers(headers) {
            // The store is sound; all that is lost is work that a restart does again.
            Err(error @ (StoreError::UnknownParent { .. } | StoreError::HeaderHeight { .. })) => {
                tracing::error!("{} proved headers are not stored: {error}", headers.len());
                Ok(())
            }
            result => result,
        }
    }

    fn disconnect_to(&mut self, height: Height, events: &mut Vec<Event>) -> Result<(), StoreError> {
        let blocks = self.store.disconnect_to(height)?;
        let tip = self.store.tip();
        tracing::info!("disconnected {} blocks; the tip is {} at height {}", blocks.len(), tip.1, tip.0);
        events.push(Event::Disconnected { tip, blocks });
        Ok(())
    }
}

fn fault_of(error: &BlockError) -> BlockFault {
    match error {
        // It does not follow the tip, or was handed out too early: nothing is known against the block itself.
        BlockError::Parent { .. } | BlockError::Unproven { .. } => BlockFault::Stale,
        error if error.is_body_mismatch() => BlockFault::Body,
        BlockError::Miner(_) => BlockFault::MinerRule,
        _ => BlockFault::Rule,
    }
}
