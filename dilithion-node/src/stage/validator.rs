//! The block validator: the one thread that writes the store.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use dilithion_chain::{BlockError, Candidate, Chainstate, StoreError, StoredHeader};
use dilithion_wire::{Block, BlockHash, Height, Limits};

use super::EngineHandle;
use crate::sync::{BlockFault, BlockToConnect, Event};

/// Blocks that share one write transaction at most. A commit costs an fsync, so more is faster; a kill loses at most
/// this many, which are fetched again.
const MAX_BATCH_BLOCKS: usize = 200;
/// Payload bytes that share one write transaction at most, so that a batch of full blocks stays under a second.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Work for the validator, done in order.
#[derive(Debug)]
enum Job {
    Connect(BlockToConnect),
    DisconnectTo(Height),
    ForgetHeader(BlockHash),
    StoreHeaders(Vec<StoredHeader>),
}

/// A handle on the validator thread.
#[derive(Debug)]
pub(crate) struct Validator {
    jobs: Sender<Job>,
    thread: JoinHandle<Chainstate>,
}

/// The thread has ended, so its work cannot be done.
#[derive(Debug)]
pub(crate) struct ValidatorGone;

impl Validator {
    /// Starts the thread.
    pub(crate) fn spawn(chain: Chainstate, limits: Limits, engine: EngineHandle) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new().name("block-validator".to_owned()).spawn(move || {
            Worker { chain, limits, engine, void_generation: None, failed: false }.run(&queue)
        })?;
        Ok(Self { jobs, thread })
    }

    pub(crate) fn connect(&self, block: BlockToConnect) -> Result<(), ValidatorGone> {
        self.submit(Job::Connect(block))
    }

    pub(crate) fn disconnect_to(&self, height: Height) -> Result<(), ValidatorGone> {
        self.submit(Job::DisconnectTo(height))
    }

    pub(crate) fn forget_header(&self, hash: BlockHash) -> Result<(), ValidatorGone> {
        self.submit(Job::ForgetHeader(hash))
    }

    pub(crate) fn store_headers(&self, headers: Vec<StoredHeader>) -> Result<(), ValidatorGone> {
        self.submit(Job::StoreHeaders(headers))
    }

    /// Finishes what is queued and closes the store.
    pub(crate) fn stop(self) {
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!("the block validator panicked; the store is at its last commit");
        }
    }

    fn submit(&self, job: Job) -> Result<(), ValidatorGone> {
        self.jobs.send(job).map_err(|_| ValidatorGone)
    }
}

struct Worker {
    chain: Chainstate,
    limits: Limits,
    engine: EngineHandle,
    /// Blocks of this generation and older no longer follow the tip.
    void_generation: Option<u64>,
    /// The store failed; nothing is written any more.
    failed: bool,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Job>) -> Chainstate {
        let mut next = queue.recv().ok();
        while let Some(job) = next.take() {
            let mut after = None;
            if !self.failed {
                let done = match job {
                    Job::Connect(first) => {
                        let (batch, rest) = gather(first, queue);
                        after = rest;
                        self.connect(batch)
                    }
                    Job::DisconnectTo(height) => self.disconnect_to(height),
                    Job::ForgetHeader(hash) => self.forget_header(hash),
                    Job::StoreHeaders(headers) => self.store_headers(&headers),
                };
                if let Err(error) = done {
                    self.fail(&error);
                }
            }
            next = after.or_else(|| queue.recv().ok());
        }
        self.chain
    }

    fn fail(&mut self, error: &StoreError) {
        tracing::error!("the store failed: {error}");
        self.failed = true;
        self.engine.send(Event::StoreFailed { reason: error.to_string() }, None);
    }

    fn connect(&mut self, mut batch: Vec<BlockToConnect>) -> Result<(), StoreError> {
        batch.retain(|block| self.void_generation.is_none_or(|void| block.generation > void));
        let mut candidates = Vec::with_capacity(batch.len());
        let mut undecodable = None;
        for (position, block) in batch.iter().enumerate() {
            match Block::decode_payload(block.payload.clone(), &self.limits) {
                Ok(decoded) => {
                    candidates.push(Candidate { hash: block.hash, verified: block.verified, block: decoded });
                }
                Err(error) => {
                    undecodable = Some((position, error.to_string()));
                    break;
                }
            }
        }
        let outcome = self.chain.connect(&candidates)?;
        let connected: Vec<(Height, BlockHash)> =
            outcome.connected.iter().map(|block| (block.height, block.hash)).collect();
        let done = connected.len();
        if !connected.is_empty() {
            self.engine.send(Event::BlocksConnected { blocks: connected }, None);
        }
        if let Some(failure) = outcome.failure {
            tracing::warn!("block {} ({}) refused: {}", failure.height, failure.hash, failure.error);
            self.reject(&batch[done], failure.error.reject_reason().to_owned(), fault_of(&failure.error));
        } else if let Some((position, reason)) = undecodable {
            tracing::warn!("block {} undecodable: {reason}", batch[position].height);
            self.reject(&batch[position], reason, BlockFault::Body);
        }
        Ok(())
    }

    fn reject(&mut self, block: &BlockToConnect, reason: String, fault: BlockFault) {
        self.void_generation = Some(block.generation);
        self.engine.send(
            Event::BlockRejected {
                generation: block.generation,
                height: block.height,
                hash: block.hash,
                peer: block.peer,
                reason,
                fault,
            },
            None,
        );
    }

    fn forget_header(&mut self, hash: BlockHash) -> Result<(), StoreError> {
        match self.chain.forget_headers(&[hash]) {
            // The true header of this id came first, and its block is connected: there is nothing false to forget.
            Ok(_) | Err(StoreError::OnActiveChain { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn store_headers(&mut self, headers: &[StoredHeader]) -> Result<(), StoreError> {
        match self.chain.store_headers(headers) {
            // The store is sound; all that is lost is work that a restart does again.
            Err(error @ (StoreError::UnknownParent { .. } | StoreError::HeaderHeight { .. })) => {
                tracing::error!("{} proved headers are not stored: {error}", headers.len());
                Ok(())
            }
            result => result,
        }
    }

    fn disconnect_to(&mut self, height: Height) -> Result<(), StoreError> {
        let disconnected = self.chain.disconnect_to(height)?;
        let tip = self.chain.tip();
        tracing::info!(
            "disconnected {} blocks; the tip is {} at height {}",
            disconnected.len(),
            tip.hash,
            tip.height
        );
        self.engine.send(Event::Disconnected { tip: (tip.height, tip.hash) }, None);
        Ok(())
    }
}

/// Takes what is queued behind a block into the same batch; also returns the job that ended it.
fn gather(first: BlockToConnect, queue: &Receiver<Job>) -> (Vec<BlockToConnect>, Option<Job>) {
    let mut bytes = first.payload.len();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_BLOCKS && bytes < MAX_BATCH_BYTES {
        match queue.try_recv() {
            Ok(Job::Connect(block)) => {
                bytes += block.payload.len();
                batch.push(block);
            }
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}

fn fault_of(error: &BlockError) -> BlockFault {
    match error {
        // It does not follow the tip, or was handed out too early: nothing is known against the block itself.
        BlockError::Parent { .. } | BlockError::Unproven { .. } => BlockFault::Stale,
        error if error.is_body_mismatch() => BlockFault::Body,
        _ => BlockFault::Rule,
    }
}
