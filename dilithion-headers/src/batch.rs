//! Probation: batches that wait for a few hashes before they are kept.

use std::collections::{BTreeMap, BTreeSet};

use dilithion_pow::CompactTarget;
use dilithion_wire::{BlockHash, BlockHeader, Height, PeerId};

use crate::random::SplitMix64;
use crate::structure::{check_id, claim, meets_target};
use crate::{HashJob, HashToken, HeadersConfig, HeadersError, JobPriority};

/// Number of a batch, in order of arrival.
type BatchId = u64;

/// A header of a batch that is hashed before the batch is kept.
#[derive(Debug, Clone, Copy)]
struct Check {
    position: usize,
    token: HashToken,
    done: bool,
}

/// New headers of one message, each on the one before.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) peer: PeerId,
    pub(crate) headers: Vec<BlockHeader>,
    /// Height of the first header.
    pub(crate) start: Height,
    /// The message was full.
    pub(crate) full: bool,
    /// Hash of the last header, once known.
    pub(crate) last: Option<BlockHash>,
    checks: Vec<Check>,
}

impl Batch {
    pub(crate) fn new(peer: PeerId, headers: &[BlockHeader], start: Height, full: bool) -> Self {
        Self { peer, headers: headers.to_vec(), start, full, last: None, checks: Vec::new() }
    }

    /// Height of the header at `position`.
    pub(crate) fn height(&self, position: usize) -> Height {
        Height(self.start.0.saturating_add(u32::try_from(position).unwrap_or(u32::MAX)))
    }

    /// Id of the header at `position`: claimed, or for the last one computed.
    pub(crate) fn id(&self, position: usize) -> Option<BlockHash> {
        claim(&self.headers, position).or(self.last)
    }

    /// Whether it says the same as the other, whoever sent it.
    fn is_the_same_as(&self, other: &Self) -> bool {
        self.start == other.start && self.headers == other.headers
    }

    /// Whether the header at `position` was hashed and is right.
    pub(crate) fn is_proved(&self, position: usize) -> bool {
        self.checks.iter().any(|check| check.position == position && check.done)
    }

    /// The headers that were hashed, with their ids.
    pub(crate) fn proofs(&self) -> impl Iterator<Item = (BlockHeader, BlockHash)> {
        let done = self.checks.iter().filter(|check| check.done);
        done.filter_map(|check| Some((*self.headers.get(check.position)?, self.id(check.position)?)))
    }

    /// Height and id of a claim that one of these proofs refutes: they have the bytes but not the id, or the id but
    /// not the bytes.
    pub(crate) fn contradiction(&self, proofs: &[(BlockHeader, BlockHash)]) -> Option<(Height, BlockHash)> {
        self.headers.iter().enumerate().find_map(|(position, header)| {
            let id = self.id(position)?;
            let refuted = proofs.iter().any(|(proved, hash)| (proved == header) != (*hash == id));
            refuted.then(|| (self.height(position), id))
        })
    }

    /// The positions to hash: the last, a few at random, and one that claims the most work, as such a claim moves
    /// the best chain.
    fn picks(&self, spot_checks: usize, random: &mut SplitMix64) -> BTreeSet<usize> {
        let Some(last) = self.headers.len().checked_sub(1) else { return BTreeSet::new() };
        let mut picks: BTreeSet<usize> = random.pick(spot_checks, last).into_iter().collect();
        picks.insert(last);
        let work = |header: &BlockHeader| CompactTarget(header.bits).work();
        if self.headers.windows(2).any(|pair| matches!(pair, [one, next] if one.bits != next.bits)) {
            picks.extend((0..last).max_by_key(|position| self.headers.get(*position).map(work)));
        }
        picks
    }

    /// Compares a computed hash with what the batch says about the header at `position`.
    fn judge(
        &mut self,
        config: &HeadersConfig,
        position: usize,
        hash: BlockHash,
    ) -> Result<(), HeadersError> {
        let height = self.height(position);
        let Some(header) = self.headers.get(position) else { return Ok(()) };
        if let Some(claimed) = claim(&self.headers, position) {
            let right = claimed == hash;
            return if right { Ok(()) } else { Err(HeadersError::FalseClaim { height, hash: claimed }) };
        }
        // A header that builds on the last one's id cannot come before it, unless some claim between is false.
        if !meets_target(header, &hash) || self.headers.iter().any(|header| header.prev_hash == hash) {
            return Err(HeadersError::FalseClaim { height, hash });
        }
        check_id(config, header, height, &hash).map_err(|fault| HeadersError::BadHeader { height, fault })?;
        self.last = Some(hash);
        Ok(())
    }
}

/// All batches that wait.
#[derive(Debug, Default)]
pub(crate) struct Probation {
    batches: BTreeMap<BatchId, Batch>,
    next_id: BatchId,
}

impl Probation {
    /// Batches that wait, and those of `peer` among them.
    pub(crate) fn counts(&self, peer: PeerId) -> (usize, usize) {
        (self.batches.len(), self.batches.values().filter(|batch| batch.peer == peer).count())
    }

    /// Headers that wait, and those of `peer` among them.
    pub(crate) fn headers(&self, peer: PeerId) -> (usize, usize) {
        self.batches.values().fold((0, 0), |(all, own), batch| {
            let count = batch.headers.len();
            (all + count, if batch.peer == peer { own + count } else { own })
        })
    }

    /// Takes a batch in. A header that another batch waits for already is not hashed twice, and what decides about a batch
    /// decides about the same headers of another peer.
    pub(crate) fn add(
        &mut self,
        mut batch: Batch,
        spot_checks: usize,
        random: &mut SplitMix64,
        mut new_token: impl FnMut() -> HashToken,
    ) -> Vec<HashJob> {
        if let Some(twin) = self.batches.values().find(|other| batch.is_the_same_as(other)) {
            (batch.checks, batch.last) = (twin.checks.clone(), twin.last);
            self.insert(batch);
            return Vec::new();
        }
        let mut jobs = Vec::new();
        // The last first: the next `getheaders` needs its id.
        for position in batch.picks(spot_checks, random).into_iter().rev() {
            let Some(header) = batch.headers.get(position) else { continue };
            let token = self.token_of(header).unwrap_or_else(|| {
                let token = new_token();
                jobs.push(job(token, batch.peer, header));
                token
            });
            batch.checks.push(Check { position, token, done: false });
        }
        self.insert(batch);
        jobs
    }

    fn insert(&mut self, batch: Batch) {
        self.batches.insert(self.next_id, batch);
        self.next_id += 1;
    }

    /// The token under which these bytes are being hashed.
    fn token_of(&self, header: &BlockHeader) -> Option<HashToken> {
        self.waiting().find(|(_, _, other)| *other == header).map(|(token, _, _)| token)
    }

    fn waiting(&self) -> impl Iterator<Item = (HashToken, PeerId, &BlockHeader)> {
        self.batches.values().flat_map(|batch| {
            let open = batch.checks.iter().filter(|check| !check.done);
            open.filter_map(|check| Some((check.token, batch.peer, batch.headers.get(check.position)?)))
        })
    }

    /// The jobs that are not answered, in order of their tokens.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = HashJob> {
        let by_token: BTreeMap<_, _> =
            self.waiting().map(|(token, peer, header)| (token, job(token, peer, header))).collect();
        by_token.into_values()
    }

    /// Enters a hash; returns the batches that have stood the test with it, and the senders of those that have not.
    pub(crate) fn on_hash(
        &mut self,
        config: &HeadersConfig,
        token: HashToken,
        hash: BlockHash,
    ) -> (Vec<Batch>, Vec<(PeerId, HeadersError)>) {
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        let waits = |batch: &Batch| batch.checks.iter().any(|check| check.token == token && !check.done);
        let concerned: Vec<BatchId> =
            self.batches.iter().filter(|(_, batch)| waits(batch)).map(|(id, _)| *id).collect();
        for id in concerned {
            let Some(mut batch) = self.batches.remove(&id) else { continue };
            match batch.enter(config, token, hash) {
                Err(error) => dropped.push((batch.peer, error)),
                Ok(()) if batch.checks.iter().all(|check| check.done) => kept.push(batch),
                Ok(()) => {
                    self.batches.insert(id, batch);
                }
            }
        }
        (kept, dropped)
    }

    /// Forgets the batches of a peer.
    pub(crate) fn drop_peer(&mut self, peer: PeerId) {
        self.batches.retain(|_, batch| batch.peer != peer);
    }
}

impl Batch {
    fn enter(
        &mut self,
        config: &HeadersConfig,
        token: HashToken,
        hash: BlockHash,
    ) -> Result<(), HeadersError> {
        let mut checks = core::mem::take(&mut self.checks);
        for check in checks.iter_mut().filter(|check| check.token == token) {
            self.judge(config, check.position, hash)?;
            check.done = true;
        }
        self.checks = checks;
        Ok(())
    }
}

fn job(token: HashToken, peer: PeerId, header: &BlockHeader) -> HashJob {
    HashJob { token, peer, header: header.to_bytes(), priority: JobPriority::Tip }
}
