//! A network whose ids are SHA3-256, so that a test can mine, and a hash pool that answers at once.

use std::collections::VecDeque;

use dilithion_headers::{
    Accepted, BelowCheckpoint, BestChange, Dropped, Effects, FalseClaim, HashJob, HeadersConfig,
    HeadersManager, Queued,
};
use dilithion_pow::difficulty::{Retarget, Rules};
use dilithion_pow::{CompactTarget, PowHash, Work};
use dilithion_wire::{BlockHash, BlockHeader, Height, MerkleRoot, PeerId, sha3_256};

/// Half of all hashes meet it.
pub(crate) const EASY: u32 = 0x207f_ffff;
/// One in 16 hashes meets it: about eight times the work.
pub(crate) const HARDER: u32 = 0x200f_ffff;
pub(crate) const GENESIS_TIME: u32 = 1_700_000_000;
pub(crate) const SPACING: u32 = 60;
/// Wall clock of the tests.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ALICE: PeerId = PeerId(1);
pub(crate) const BOB: PeerId = PeerId(2);
pub(crate) const CAROL: PeerId = PeerId(3);

pub(crate) fn mock_hash(header: &[u8; 80]) -> PowHash {
    sha3_256(header)
}

pub(crate) fn id(header: &BlockHeader) -> BlockHash {
    BlockHash::from_bytes(mock_hash(&header.to_bytes()))
}

pub(crate) fn genesis() -> BlockHeader {
    BlockHeader {
        version: 1,
        prev_hash: BlockHash::ZERO,
        merkle_root: MerkleRoot::from_bytes([7; 32]),
        time: GENESIS_TIME,
        bits: EASY,
        nonce: 0,
    }
}

const RETARGET: Retarget = Retarget {
    interval: 2016,
    block_time: 240,
    hardest: CompactTarget(0x1d00_ffff),
    easiest: CompactTarget(EASY),
};

pub(crate) fn config() -> HeadersConfig {
    HeadersConfig {
        policy: BelowCheckpoint::Background,
        spot_checks: HeadersConfig::SPOT_CHECKS,
        seed: 1,
        max_pending_per_peer: HeadersConfig::MAX_PENDING_PER_PEER,
        max_pending: HeadersConfig::MAX_PENDING,
        max_unverified_per_peer: HeadersConfig::MAX_UNVERIFIED_PER_PEER,
        max_unverified: HeadersConfig::MAX_UNVERIFIED,
        max_future_seconds: 7200,
        vdf_header_version: 0,
        timestamp_rules_height: None,
        difficulty: Rules::only(RETARGET, CompactTarget(EASY)),
        enforce_bits_above: None,
        minimum_chain_work: Work::ZERO,
        checkpoints: Vec::new(),
    }
}

pub(crate) fn manager() -> HeadersManager {
    manager_with(config())
}

pub(crate) fn manager_with(config: HeadersConfig) -> HeadersManager {
    HeadersManager::new(config, genesis(), id(&genesis()))
}

/// Finds a nonce.
pub(crate) fn mine(mut header: BlockHeader) -> BlockHeader {
    while !CompactTarget(header.bits).target().is_met_by(&mock_hash(&header.to_bytes())) {
        header.nonce += 1;
    }
    header
}

/// `count` headers on `parent`; different tags make different branches.
pub(crate) fn branch_of_bits(parent: &BlockHeader, count: usize, tag: u8, bits: u32) -> Vec<BlockHeader> {
    let mut headers = Vec::with_capacity(count);
    let mut above = *parent;
    for _ in 0..count {
        above = mine(BlockHeader {
            version: 1,
            prev_hash: id(&above),
            merkle_root: MerkleRoot::from_bytes([tag; 32]),
            time: above.time + SPACING,
            bits,
            nonce: 0,
        });
        headers.push(above);
    }
    headers
}

pub(crate) fn branch(parent: &BlockHeader, count: usize, tag: u8) -> Vec<BlockHeader> {
    branch_of_bits(parent, count, tag, EASY)
}

/// `count` headers on genesis.
pub(crate) fn chain(count: usize, tag: u8) -> Vec<BlockHeader> {
    branch(&genesis(), count, tag)
}

/// The batch with a header replaced by junk, while the next one still names the old id.
pub(crate) fn with_false_claim(headers: &[BlockHeader], position: usize) -> Vec<BlockHeader> {
    let mut headers = headers.to_vec();
    headers[position].merkle_root = MerkleRoot::from_bytes([0xbd; 32]);
    headers
}

/// All that happened.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) verified: Vec<BlockHash>,
    pub(crate) false_claims: Vec<FalseClaim>,
    pub(crate) best: Vec<BestChange>,
    pub(crate) ready: Vec<Height>,
    pub(crate) connectable: Vec<Height>,
    pub(crate) hashed: usize,
    pub(crate) jobs: VecDeque<HashJob>,
}

impl Log {
    pub(crate) fn add(&mut self, effects: Effects) {
        self.accepted.extend(effects.accepted);
        self.dropped.extend(effects.dropped);
        self.verified.extend(effects.verified);
        self.false_claims.extend(effects.false_claims);
        self.best.extend(effects.best_changed);
        self.ready.extend(effects.ready.into_iter().flat_map(heights));
        self.connectable.extend(effects.connectable.into_iter().flat_map(heights));
        self.jobs.extend(effects.jobs);
    }

    pub(crate) fn queue(&mut self, queued: Queued) {
        self.jobs.extend(queued.jobs);
        self.add(queued.effects);
    }

    /// Answers the job at the front; `false` if there is none.
    pub(crate) fn step(&mut self, manager: &mut HeadersManager) -> bool {
        let Some(job) = self.jobs.pop_front() else { return false };
        self.hashed += 1;
        let effects = manager.on_hash(job.token, mock_hash(&job.header));
        self.add(effects);
        true
    }

    /// Answers jobs until a batch is kept or dropped.
    pub(crate) fn decide(&mut self, manager: &mut HeadersManager) {
        let before = self.accepted.len() + self.dropped.len() + self.false_claims.len();
        while self.accepted.len() + self.dropped.len() + self.false_claims.len() == before
            && self.step(manager)
        {}
    }

    /// Answers all jobs.
    pub(crate) fn finish(mut self, manager: &mut HeadersManager) -> Self {
        while self.step(manager) {}
        self
    }
}

pub(crate) fn heights(range: std::ops::RangeInclusive<Height>) -> impl Iterator<Item = Height> {
    (range.start().0..=range.end().0).map(Height)
}

/// Queues a batch that must be taken in.
pub(crate) fn queue(manager: &mut HeadersManager, peer: PeerId, headers: &[BlockHeader]) -> Log {
    let mut log = Log::default();
    log.queue(manager.queue_headers(peer, headers, NOW).unwrap());
    log
}

/// Queues a batch and answers all its hashes.
pub(crate) fn feed(manager: &mut HeadersManager, peer: PeerId, headers: &[BlockHeader]) -> Log {
    queue(manager, peer, headers).finish(manager)
}
