//! What a computed hash brings about.

use dilithion_wire::{BlockHash, BlockHeader, Checkpoint, Height, Misbehaviour, PeerId};

use crate::batch::Batch;
use crate::manager::{PendingProof, Place};
use crate::structure::{check_batch, meets_target};
use crate::tree::{Claim, NodeId};
use crate::{
    BelowCheckpoint, Dropped, Effects, FalseClaim, HashJob, HashToken, HeadersError, HeadersManager,
    JobPriority,
};

impl HeadersManager {
    /// Enters the hash of a job. Tokens that nothing waits for any more are ignored.
    pub fn on_hash(&mut self, token: HashToken, hash: [u8; 32]) -> Effects {
        let hash = BlockHash::from_bytes(hash);
        let mut effects = Effects::default();
        if let Some(pending) = self.proofs.get(&token).copied() {
            let node = self.tree.node(pending.node);
            if self.tree.hash(pending.node) == hash && meets_target(&node.header, &hash) {
                effects.verified.extend(self.confirm(pending.node));
            } else {
                effects.false_claims.extend(self.condemn(pending.node));
            }
        }
        let (kept, dropped) = self.probation.on_hash(&self.config, token, hash);
        for (peer, error) in dropped {
            give_up(peer, error, &mut effects);
        }
        self.keep_all(&kept, &mut effects);
        let settled = self.settle();
        Effects {
            ready: settled.ready,
            connectable: settled.connectable,
            best_changed: settled.best_changed,
            ..effects
        }
    }

    /// Adds the batches that stood the test with one hash. A computed id beats claims of the tree, and of each other.
    fn keep_all(&mut self, batches: &[Batch], effects: &mut Effects) {
        let proofs: Vec<_> = batches.iter().flat_map(Batch::proofs).collect();
        for (header, id) in &proofs {
            let same_id = self.tree.get(id).filter(|node| self.tree.node(*node).header != *header);
            effects.false_claims.extend(same_id.and_then(|node| self.condemn(node)));
            let same_bytes = self.find(header).filter(|(hash, _)| hash != id);
            let node = same_bytes.and_then(|(hash, _)| self.tree.get(&hash));
            effects.false_claims.extend(node.and_then(|node| self.condemn(node)));
        }
        for batch in batches {
            match batch.contradiction(&proofs) {
                Some((height, hash)) => effects.false_claims.push(false_claim(batch.peer, height, hash)),
                None => self.keep(batch, effects),
            }
        }
    }

    /// Adds a batch that stood the test. The tree may have changed since it was queued.
    fn keep(&mut self, batch: &Batch, effects: &mut Effects) {
        let place = match self.locate(&batch.headers, batch.last) {
            Ok(place) => place,
            Err(misfit) => {
                let error = self.misfit_error(batch.peer, &batch.headers, misfit);
                return give_up(batch.peer, error, effects);
            }
        };
        let Place { parent, known } = place;
        let new = batch.headers.get(known..).unwrap_or_default();
        if !new.is_empty()
            && let Err(error) = self.check_branch(parent).and_then(|()| self.check_again(parent, new))
        {
            return give_up(batch.peer, error, effects);
        }
        let last = self.add(batch, place, effects);
        effects.accepted.push(self.accepted(batch.peer, batch.headers.len() - known, last, batch.full));
    }

    /// Checks headers that were checked when they came, as the headers before them may have turned out to be others. What
    /// was not too far ahead of our clock then is not now.
    fn check_again(&self, parent: NodeId, headers: &[BlockHeader]) -> Result<(), HeadersError> {
        check_batch(&self.config, &self.tree, parent, headers, u64::MAX)
    }

    /// Turns the new headers of a batch into nodes; returns the last.
    fn add(&mut self, batch: &Batch, place: Place, effects: &mut Effects) -> NodeId {
        let mut last = place.parent;
        for (position, header) in batch.headers.iter().enumerate() {
            let Some(id) = batch.id(position) else { continue };
            let proved = batch.is_proved(position);
            if position < place.known {
                // Another peer's batch was faster, but this hash counts all the same.
                if let Some(node) = self.tree.get(&id).filter(|_| proved) {
                    effects.verified.extend(self.confirm(node));
                }
                continue;
            }
            let claim = (!proved).then(|| self.new_claim(batch.peer));
            last = self.tree.insert(*header, id, last, claim);
            if proved {
                effects.verified.push(id);
            }
            effects.jobs.extend(self.await_proof(last));
        }
        last
    }

    /// Remembers that a node's claim is to be proved, if the policy wants it.
    pub(crate) fn await_proof(&mut self, id: NodeId) -> Option<HashJob> {
        let claim = self.tree.claim(id)?;
        let pending =
            PendingProof { node: id, priority: self.config.proof_priority(self.tree.node(id).height)? };
        self.proofs.insert(claim.token, pending);
        Some(self.proof_job(claim, pending))
    }

    /// A job to prove a disputed claim now, unless it is on its way at that priority.
    pub(crate) fn hasten(&mut self, peer: PeerId, id: NodeId) -> Option<HashJob> {
        let claim = self.tree.claim(id)?;
        let pending = PendingProof { node: id, priority: JobPriority::Tip };
        match self.proofs.insert(claim.token, pending) {
            Some(earlier) if earlier.priority == JobPriority::Tip => None,
            _ => Some(HashJob { peer, ..self.proof_job(claim, pending) }),
        }
    }

    pub(crate) fn proof_job(&self, claim: Claim, pending: PendingProof) -> HashJob {
        HashJob {
            token: claim.token,
            peer: claim.source,
            header: self.tree.node(pending.node).header.to_bytes(),
            priority: pending.priority,
        }
    }

    /// A claim is true; returns its id if that is news.
    pub(crate) fn confirm(&mut self, id: NodeId) -> Option<BlockHash> {
        let claim = self.tree.verify(id)?;
        self.proofs.remove(&claim.token);
        Some(self.tree.hash(id))
    }

    /// A claim is false: the header and its descendants go, their ids are free for those who really have them.
    /// Only the one who made the claim is to blame.
    pub(crate) fn condemn(&mut self, id: NodeId) -> Option<FalseClaim> {
        let source = self.tree.claim(id)?.source;
        let (height, hash) = (self.tree.node(id).height, self.tree.hash(id));
        for claim in self.tree.remove(id) {
            self.proofs.remove(&claim.token);
        }
        Some(false_claim(source, height, hash))
    }

    /// Brings the best chain and the heights that depend on it up to date.
    pub(crate) fn settle(&mut self) -> Effects {
        let best_changed = self.tree.update_best();
        if let Some(change) = best_changed {
            self.ready = self.ready.min(change.fork);
            self.connectable = self.connectable.min(change.fork);
        }
        self.vouch();
        let (ready, connectable) = (self.ready, self.connectable);
        while self.is_proved_at(self.ready.next()) {
            self.ready = self.ready.next();
        }
        self.connectable = self.connectable.max(self.ready);
        if self.config.policy != BelowCheckpoint::BeforeConnect {
            self.connectable = self.connectable.max(self.passed.unwrap_or(Height::GENESIS));
        }
        while self.is_proved_at(self.connectable.next()) {
            self.connectable = self.connectable.next();
        }
        Effects {
            best_changed,
            ready: (self.ready > ready).then(|| ready.next()..=self.ready),
            connectable: (self.connectable > connectable).then(|| connectable.next()..=self.connectable),
            ..Effects::default()
        }
    }

    fn is_proved_at(&self, height: Height) -> bool {
        self.tree.active_at(height).is_some_and(|node| self.tree.node(node).is_verified())
    }

    /// Finds the highest checkpoint that the best chain has passed with proof. The claims below it no longer count
    /// against their senders: the chain of claims ends in an id we trust.
    fn vouch(&mut self) {
        let contains = |checkpoint: &&Checkpoint| {
            let id = self.tree.active_at(checkpoint.height);
            id.is_some_and(|id| self.tree.hash(id) == checkpoint.hash && self.tree.node(id).is_verified())
        };
        let passed = self.config.checkpoints.iter().take_while(contains).last().map(|last| last.height);
        if passed < self.passed {
            self.connectable = self.ready;
        }
        if passed > self.passed {
            let below = self.passed.unwrap_or(Height::GENESIS);
            for height in below.0..passed.map_or(below.0, |height| height.0) {
                let Some(id) = self.tree.active_at(Height(height)) else { continue };
                self.tree.assume(id);
            }
        }
        self.passed = passed;
    }
}

/// Reports a batch that is not kept: as a lie, or as a plain refusal with the job that settles a dispute.
fn give_up(peer: PeerId, mut error: HeadersError, effects: &mut Effects) {
    match &mut error {
        HeadersError::FalseClaim { height, hash } => {
            effects.false_claims.push(false_claim(peer, *height, *hash));
            return;
        }
        HeadersError::ConflictingClaim { job, .. } => effects.jobs.extend(job.take().map(|job| *job)),
        _ => {}
    }
    effects.dropped.push(Dropped { peer, error });
}

fn false_claim(peer: PeerId, height: Height, hash: BlockHash) -> FalseClaim {
    FalseClaim { peer, misbehaviour: Misbehaviour::InvalidHeaders, height, hash }
}
