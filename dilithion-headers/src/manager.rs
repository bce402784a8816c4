//! The manager: takes batches in, keeps the tree, tells the best chain.

use std::collections::HashMap;

use dilithion_wire::{BlockHash, BlockHeader, Height, MAX_HEADERS_PER_MESSAGE, PeerId};

use crate::batch::{Batch, Probation};
use crate::random::SplitMix64;
use crate::structure::{check_batch, claim, meets_target};
use crate::tree::{Claim, HeaderTree, NodeId};
use crate::{
    Accepted, Effects, HashJob, HashToken, HeadersConfig, HeadersError, JobPriority, Queued, RESTORED,
    StoredHeader,
};

/// Header tree and claims-then-proof pipeline (spec: design §3). A state machine: it hashes nothing, waits for
/// nothing and knows no clock; see the [crate's documentation](crate).
#[doc(alias = "CHeadersManager")]
#[derive(Debug)]
pub struct HeadersManager {
    pub(crate) config: HeadersConfig,
    pub(crate) tree: HeaderTree,
    pub(crate) probation: Probation,
    /// Claims that are being proved.
    pub(crate) proofs: HashMap<HashToken, PendingProof>,
    pub(crate) next_token: u64,
    random: SplitMix64,
    /// All heights of the best chain up to here are verified.
    pub(crate) ready: Height,
    /// All heights of the best chain up to here may be connected.
    pub(crate) connectable: Height,
    /// The highest checkpoint that the best chain has passed with proof.
    pub(crate) passed: Option<Height>,
}

/// The claim that a token stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingProof {
    pub(crate) node: NodeId,
    pub(crate) priority: JobPriority,
}

/// Where a batch belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The last known header; the new ones follow it.
    pub(crate) parent: NodeId,
    /// Headers of the batch that are known.
    pub(crate) known: usize,
}

/// Why a batch has no place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Misfit {
    Unconnected(BlockHash),
    /// The header at `position` contradicts what is said about `node`.
    Conflict {
        position: usize,
        node: NodeId,
    },
}

impl HeadersManager {
    /// A tree of the genesis block alone, whose id is taken as it is (spec: consensus §2).
    #[must_use]
    pub fn new(config: HeadersConfig, genesis: BlockHeader, genesis_hash: BlockHash) -> Self {
        Self {
            random: SplitMix64::new(config.seed),
            config,
            tree: HeaderTree::new(genesis, genesis_hash),
            probation: Probation::default(),
            proofs: HashMap::new(),
            next_token: 0,
            ready: Height::GENESIS,
            connectable: Height::GENESIS,
            passed: None,
        }
    }

    /// Puts back a header that was stored, parents first. Nothing is checked but that the parent is there: it was
    /// checked before it was stored. Known headers are fine.
    ///
    /// Claims that were not proved yet are handed out by [`outstanding_jobs`](Self::outstanding_jobs).
    ///
    /// # Errors
    /// [`HeadersError::Unconnected`] if the parent is unknown.
    pub fn restore(&mut self, stored: StoredHeader) -> Result<(), HeadersError> {
        let StoredHeader { header, hash, verified } = stored;
        if let Some(node) = self.tree.get(&hash) {
            if verified && self.tree.node(node).header == header {
                self.confirm(node);
            }
        } else {
            let prev = header.prev_hash;
            let parent = self.tree.get(&prev).ok_or(HeadersError::Unconnected { prev })?;
            let claim = (!verified).then(|| self.new_claim(RESTORED));
            let node = self.tree.insert(header, hash, parent, claim);
            self.await_proof(node);
        }
        let _nothing_new_to_the_caller = self.settle();
        Ok(())
    }

    /// Takes in a header whose id is proved already: one that this node has mined. It is checked like any other.
    ///
    /// # Errors
    /// See [`HeadersError`]; nothing has changed.
    pub fn add_proved(
        &mut self,
        header: &BlockHeader,
        hash: BlockHash,
        unix_time: u64,
    ) -> Result<Effects, HeadersError> {
        let headers = [*header];
        let place = self
            .locate(&headers, Some(hash))
            .map_err(|misfit| self.misfit_error(RESTORED, &headers, misfit))?;
        if self.tree.is_revoked(&hash) || (place.known > 0 && self.tree.node(place.parent).invalid) {
            return Err(HeadersError::InvalidAncestor { hash });
        }
        let verified = if place.known > 0 {
            self.confirm(place.parent)
        } else {
            self.check_branch(place.parent)?;
            check_batch(&self.config, &self.tree, place.parent, &headers, unix_time)?;
            if !meets_target(header, &hash) {
                let height = self.tree.node(place.parent).height.next();
                return Err(HeadersError::FalseClaim { height, hash });
            }
            self.tree.insert(*header, hash, place.parent, None);
            Some(hash)
        };
        Ok(Effects { verified: verified.into_iter().collect(), ..self.settle() })
    }

    /// Takes in the headers of one message, at memory speed: checks everything that needs no hash, and says which
    /// few hashes decide whether the batch is kept. `unix_time` is the wall clock in seconds.
    ///
    /// # Errors
    /// See [`HeadersError`]; the batch is refused as a whole and nothing has changed.
    pub fn queue_headers(
        &mut self,
        peer: PeerId,
        headers: &[BlockHeader],
        unix_time: u64,
    ) -> Result<Queued, HeadersError> {
        let (count, max) = (headers.len(), MAX_HEADERS_PER_MESSAGE);
        if count > max {
            return Err(HeadersError::TooManyHeaders { count, max });
        }
        if headers.is_empty() {
            return Ok(Queued::default());
        }
        let Place { parent, known } = match self.locate(headers, None) {
            Ok(place) => place,
            Err(misfit) => return Err(self.misfit_error(peer, headers, misfit)),
        };
        let full = count == max;
        let Some(new @ [_, ..]) = headers.get(known..) else {
            let effects =
                Effects { accepted: vec![self.accepted(peer, 0, parent, full)], ..Effects::default() };
            return Ok(Queued { known, effects, ..Queued::default() });
        };
        self.check_branch(parent)?;
        self.check_room(peer, new.len())?;
        check_batch(&self.config, &self.tree, parent, new, unix_time)?;

        let batch = Batch::new(peer, new, self.tree.node(parent).height.next(), full);
        let next_token = &mut self.next_token;
        let jobs =
            self.probation.add(batch, self.config.spot_checks, &mut self.random, || take_token(next_token));
        Ok(Queued { known, new: new.len(), jobs, effects: Effects::default() })
    }

    /// Excludes a block whose body is invalid, and all blocks on it, from the best chain. Their ids stay known.
    pub fn invalidate(&mut self, hash: &BlockHash) -> Effects {
        if let Some(node) = self.tree.get(hash) {
            self.tree.invalidate(node);
        }
        self.settle()
    }

    /// Excludes a block that the operator refuses, and all blocks on it, from the best chain, whether it is known already or
    /// comes later. Unlike [`invalidate`](Self::invalidate) this can be taken back, by [`reinstate`](Self::reinstate). The
    /// genesis block cannot be refused: nothing happens then.
    #[doc(alias = "InvalidateBlock")]
    pub fn revoke(&mut self, hash: &BlockHash) -> Effects {
        self.tree.revoke(*hash);
        self.settle()
    }

    /// Takes back what the operator said against blocks; what breaks a rule stays invalid. The best chain is then what it
    /// would be if nothing had been said.
    #[doc(alias = "ResetBlockFailureFlags")]
    pub fn reinstate(&mut self, hashes: &[BlockHash]) -> Effects {
        for hash in hashes {
            self.tree.reinstate(hash);
        }
        self.settle()
    }

    /// Forgets what the peer sent and is not in the tree yet. Proofs of accepted headers go on: do not take this
    /// peer's jobs out of the hash queue.
    pub fn on_peer_disconnected(&mut self, peer: PeerId) {
        self.probation.drop_peer(peer);
    }

    /// Every hash that is waited for, oldest first: to be submitted after [`restore`](Self::restore), or when the
    /// jobs handed out before were lost.
    #[must_use]
    pub fn outstanding_jobs(&self) -> Vec<HashJob> {
        let claims = self.tree.claims().filter_map(|claim| {
            let pending = self.proofs.get(&claim.token)?;
            Some(self.proof_job(claim, *pending))
        });
        let mut jobs: Vec<HashJob> = claims.chain(self.probation.jobs()).collect();
        jobs.sort_unstable_by_key(|job| job.token);
        jobs
    }

    /// Those of [`outstanding_jobs`](Self::outstanding_jobs) that can wait, because a checkpoint vouches for their headers or
    /// will: first those that none vouches for yet, as their blocks wait for the proof or for that.
    #[must_use]
    pub fn background_jobs(&self) -> Vec<HashJob> {
        let background = |claim: Claim| {
            let pending = self.proofs.get(&claim.token)?;
            let is_vouched_for = Some(self.tree.node(pending.node).height) <= self.passed;
            (pending.priority == JobPriority::Background)
                .then(|| (is_vouched_for, self.proof_job(claim, *pending)))
        };
        let mut jobs: Vec<_> = self.tree.claims().filter_map(background).collect();
        jobs.sort_unstable_by_key(|(is_vouched_for, job)| (*is_vouched_for, job.token));
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    /// Skips the headers that are in the tree already, comparing ids and bytes, and finds contradictions. `last`
    /// is the id of the last header, if it was hashed.
    pub(crate) fn locate(&self, headers: &[BlockHeader], last: Option<BlockHash>) -> Result<Place, Misfit> {
        let prev = headers.first().map(|first| first.prev_hash).unwrap_or_default();
        let mut parent = self.tree.get(&prev);
        let mut known = 0;
        for (position, header) in headers.iter().enumerate() {
            let id = claim(headers, position).or(last);
            let by_id = id.and_then(|id| self.tree.get(&id));
            // Only on a known header can these bytes be known; on none it must be genesis itself.
            let by_bytes = if known == position { self.tree.child(parent, header) } else { None };
            if parent.is_none() && by_bytes.is_none() {
                return Err(Misfit::Unconnected(prev));
            }
            match (by_bytes, by_id) {
                (Some(same), Some(other)) if same == other => (parent, known) = (Some(same), position + 1),
                (Some(same), None) if id.is_none() => (parent, known) = (Some(same), position + 1),
                (Some(node), _) | (None, Some(node)) => return Err(Misfit::Conflict { position, node }),
                (None, None) => {}
            }
        }
        parent.map(|parent| Place { parent, known }).ok_or(Misfit::Unconnected(prev))
    }

    /// What to tell the sender of a batch that has no place.
    pub(crate) fn misfit_error(
        &mut self,
        peer: PeerId,
        headers: &[BlockHeader],
        misfit: Misfit,
    ) -> HeadersError {
        let (position, id) = match misfit {
            Misfit::Unconnected(prev) => return HeadersError::Unconnected { prev },
            Misfit::Conflict { position, node } => (position, node),
        };
        let node = self.tree.node(id);
        let (height, hash) = (node.height, self.tree.hash(id));
        if node.is_verified() {
            let hash = claim(headers, position).unwrap_or(hash);
            return HeadersError::FalseClaim { height, hash };
        }
        let job = self.hasten(peer, id).map(Box::new);
        HeadersError::ConflictingClaim { height, hash, job }
    }

    /// Refuses branches that cannot become the best chain.
    pub(crate) fn check_branch(&self, parent: NodeId) -> Result<(), HeadersError> {
        let (hash, parent) = (self.tree.hash(parent), self.tree.node(parent));
        if parent.invalid {
            return Err(HeadersError::InvalidAncestor { hash });
        }
        match self.passed {
            Some(checkpoint) if parent.height < checkpoint => {
                Err(HeadersError::BelowCheckpoint { fork: parent.height, checkpoint })
            }
            _ => Ok(()),
        }
    }

    fn check_room(&self, peer: PeerId, new: usize) -> Result<(), HeadersError> {
        let (batches, own_batches) = self.probation.counts(peer);
        let (headers, own_headers) = self.probation.headers(peer);
        let config = &self.config;
        for (pending, max) in [(own_batches, config.max_pending_per_peer), (batches, config.max_pending)] {
            if pending >= max {
                return Err(HeadersError::TooManyPending { pending, max });
            }
        }
        let own = self.tree.claimed_by(peer) + own_headers + new;
        let all = self.tree.claimed_count() + headers + new;
        for (unverified, max) in [(own, config.max_unverified_per_peer), (all, config.max_unverified)] {
            if unverified > max {
                return Err(HeadersError::TooManyUnverified { unverified, max });
            }
        }
        Ok(())
    }

    pub(crate) fn accepted(&self, peer: PeerId, count: usize, last: NodeId, full: bool) -> Accepted {
        Accepted { peer, count, last: self.tree.hash(last), last_height: self.tree.node(last).height, full }
    }

    pub(crate) fn new_claim(&mut self, source: PeerId) -> Claim {
        Claim { source, token: take_token(&mut self.next_token) }
    }
}

fn take_token(next: &mut u64) -> HashToken {
    let token = HashToken(*next);
    *next += 1;
    token
}
