//! Random networks against a naive model.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use dilithion_headers::{
    Effects, HashJob, HeadersConfig, HeadersManager, JobPriority, RESTORED, StoredHeader,
};
use dilithion_pow::{CompactTarget, Work};
use dilithion_wire::{BlockHash, BlockHeader, Height, PeerId};
use quickcheck::{Arbitrary, Gen, QuickCheck};

use crate::common::*;

/// What happens next. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// A peer sends a stretch of a branch.
    Send { peer: u64, branch: usize, from: usize, count: usize },
    /// The same, with a false claim in it.
    Lie { peer: u64, branch: usize, from: usize, count: usize, at: usize },
    /// A hash is done.
    Hash { job: usize },
    /// A block body is invalid.
    Invalidate { branch: usize, at: usize },
    /// The operator refuses a block.
    Revoke { branch: usize, at: usize },
    /// He takes back what stands against a block.
    Reinstate { branch: usize, at: usize },
    /// A peer leaves.
    Leave { peer: u64 },
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |end: usize| usize::arbitrary(g) % end;
        let peer = 1 + below(3) as u64;
        let (branch, from, count, at) = (below(64), below(64), 1 + below(12), below(64));
        match below(20) {
            0..5 => Self::Send { peer, branch, from, count },
            5..8 => Self::Lie { peer, branch, from, count, at },
            8..18 => Self::Hash { job: below(1000) },
            18 if below(4) == 0 => Self::Invalidate { branch, at },
            18 if below(2) == 0 => Self::Revoke { branch, at },
            18 => Self::Reinstate { branch, at },
            _ => Self::Leave { peer },
        }
    }
}

/// Branches that leave each other at several heights, with some heavier headers.
fn world() -> Vec<Vec<BlockHeader>> {
    let trunk = chain(24, 1);
    let mut branches = vec![trunk.clone()];
    for (tag, fork, count, bits) in
        [(2, 6, 20, EASY), (3, 12, 12, EASY), (4, 12, 3, HARDER), (5, 0, 24, EASY)]
    {
        let above = if fork == 0 { genesis() } else { trunk[fork - 1] };
        branches.push([&trunk[..fork], &branch_of_bits(&above, count, tag, bits)].concat());
    }
    branches
}

/// The tree that `headers` and their ids make, found the slow way.
#[derive(Debug, Default)]
struct Model {
    nodes: HashMap<BlockHash, ModelNode>,
    revoked: HashSet<BlockHash>,
    arrivals: usize,
}

#[derive(Debug, Clone)]
struct ModelNode {
    header: BlockHeader,
    height: u32,
    work: Work,
    arrival: usize,
    verified: bool,
    broken: bool,
}

impl Model {
    fn new() -> Self {
        let header = genesis();
        let work = CompactTarget(header.bits).work();
        let genesis = ModelNode { header, height: 0, work, arrival: 0, verified: true, broken: false };
        let nodes = HashMap::from([(id(&header), genesis)]);
        Self { nodes, revoked: HashSet::new(), arrivals: 1 }
    }

    /// Mirrors an accepted batch: its new headers, oldest first.
    fn accept(&mut self, headers: &[StoredHeader]) {
        for StoredHeader { header, hash, verified } in headers {
            let parent = &self.nodes[&header.prev_hash];
            let node = ModelNode {
                header: *header,
                height: parent.height + 1,
                work: parent.work.saturating_add(CompactTarget(header.bits).work()),
                arrival: self.arrivals,
                verified: *verified,
                broken: false,
            };
            self.arrivals += 1;
            assert!(self.nodes.insert(*hash, node).is_none(), "an id came twice");
        }
    }

    fn descends(&self, mut from: BlockHash, ancestor: &BlockHash) -> bool {
        loop {
            if from == *ancestor {
                return true;
            }
            match self.nodes.get(&from) {
                Some(node) => from = node.header.prev_hash,
                None => return false,
            }
        }
    }

    fn descendants(&self, top: &BlockHash) -> Vec<BlockHash> {
        self.nodes.keys().copied().filter(|hash| self.descends(*hash, top)).collect()
    }

    fn is_invalid(&self, mut hash: BlockHash) -> bool {
        while let Some(node) = self.nodes.get(&hash) {
            if node.broken || self.revoked.contains(&hash) {
                return true;
            }
            hash = node.header.prev_hash;
        }
        false
    }

    /// What is to be taken back for a block.
    fn in_line_with(&self, hash: BlockHash) -> HashSet<BlockHash> {
        let in_line = |other: &BlockHash| {
            let known = self.nodes.contains_key(other) && self.nodes.contains_key(&hash);
            known && (self.descends(hash, other) || self.descends(*other, &hash))
        };
        self.revoked.iter().copied().filter(in_line).collect()
    }

    fn best(&self) -> (BlockHash, &ModelNode) {
        let valid = self.nodes.iter().filter(|(hash, _)| !self.is_invalid(**hash));
        let best = valid.max_by_key(|(_, node)| (node.work, std::cmp::Reverse(node.arrival)));
        let (hash, node) = best.expect("genesis");
        (*hash, node)
    }

    fn ready(&self) -> u32 {
        let (mut hash, best) = self.best();
        let mut ready = best.height;
        while let Some(node) = self.nodes.get(&hash) {
            if !node.verified {
                ready = node.height - 1;
            }
            hash = node.header.prev_hash;
        }
        ready
    }
}

/// The manager, the hash pool's queue and the model side by side.
struct Harness {
    manager: HeadersManager,
    model: Model,
    jobs: Vec<HashJob>,
    /// Ready heights as the caller knows them from effects.
    told_ready: u32,
    /// Peers that lied.
    liars: Vec<PeerId>,
}

impl Harness {
    fn new(seed: u64) -> Self {
        // Few checks and little room, so that lies get in and limits are met.
        let config = HeadersConfig { seed, spot_checks: 1, max_unverified: 40, ..config() };
        let (manager, model) = (manager_with(config), Model::new());
        Self { manager, model, jobs: Vec::new(), told_ready: 0, liars: Vec::new() }
    }

    fn carry_out(&mut self, effects: Effects) {
        for lie in &effects.false_claims {
            assert!(self.liars.contains(&lie.peer) && lie.peer != RESTORED, "an honest peer is blamed");
            let known = self.model.nodes.get(&lie.hash).cloned();
            // A lie found in the tree; one found on probation was never in it. A header of that id may be in both:
            // then the manager tells whether the model's is the one that went.
            if known.is_some_and(|node| self.manager.header(&lie.hash) != Some(node.header)) {
                for hash in self.model.descendants(&lie.hash) {
                    self.model.nodes.remove(&hash);
                }
            }
        }
        for accepted in &effects.accepted {
            let new = self.manager.branch(&accepted.last, accepted.count);
            assert_eq!(new.len(), accepted.count);
            self.model.accept(&new);
        }
        for hash in &effects.verified {
            self.model.nodes.get_mut(hash).expect("a verified header").verified = true;
        }
        if let Some(change) = effects.best_changed {
            self.told_ready = self.told_ready.min(change.fork.0);
        }
        if let Some(ready) = effects.ready {
            assert_eq!(ready.start().0, self.told_ready + 1, "heights are told in order, once");
            self.told_ready = ready.end().0;
        }
        self.jobs.extend(effects.jobs);
        self.compare();
    }

    fn compare(&self) {
        let (hash, best) = self.model.best();
        assert_eq!((self.manager.best_hash(), self.manager.best_height()), (hash, Height(best.height)));
        assert_eq!(self.manager.best_work(), best.work);
        assert_eq!(self.manager.ready_height(), Height(self.model.ready()));
        assert_eq!(self.manager.ready_height().0, self.told_ready);
        assert_eq!(self.manager.len(), self.model.nodes.len());
        let unverified = self.model.nodes.values().filter(|node| !node.verified).count();
        assert_eq!(self.manager.unverified_count(), unverified);
        let judged_alike = |known| self.manager.is_invalid(known) == self.model.is_invalid(*known);
        assert!(self.model.nodes.keys().all(judged_alike));
        let mut walk = hash;
        for height in (0..=best.height).rev() {
            assert_eq!(self.manager.claimed_hash_at_height(Height(height)), Some(walk));
            walk = self.model.nodes[&walk].header.prev_hash;
        }
    }

    fn send(&mut self, peer: PeerId, headers: &[BlockHeader]) {
        match self.manager.queue_headers(peer, headers, NOW) {
            Ok(queued) => {
                self.jobs.extend(queued.jobs);
                self.carry_out(queued.effects);
            }
            Err(error) => {
                assert!(
                    error.misbehaviour().is_none() || self.liars.contains(&peer),
                    "{error} by an honest peer"
                );
                if let Some(job) = error.into_job() {
                    assert_eq!(job.priority, JobPriority::Tip);
                    self.jobs.push(job);
                }
            }
        }
    }

    fn hash(&mut self, pick: usize) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs.swap_remove(pick % self.jobs.len());
        let effects = self.manager.on_hash(job.token, mock_hash(&job.header));
        self.carry_out(effects);
    }

    fn step(&mut self, world: &[Vec<BlockHeader>], step: &Step) {
        let stretch = |branch: usize, from: usize, count: usize| {
            let headers = &world[branch % world.len()];
            let from = from % headers.len();
            headers[from..headers.len().min(from + count)].to_vec()
        };
        match *step {
            Step::Send { peer, branch, from, count } => {
                self.send(PeerId(peer), &stretch(branch, from, count));
            }
            Step::Lie { peer, branch, from, count, at } => {
                // Liars have names of their own.
                let (peer, headers) = (PeerId(peer + 100), stretch(branch, from, count));
                self.liars.push(peer);
                self.send(peer, &with_false_claim(&headers, at % headers.len()));
            }
            Step::Hash { job } => self.hash(job),
            Step::Invalidate { branch, at } => {
                let top = id(&stretch(branch, at, 1)[0]);
                if let Some(node) = self.model.nodes.get_mut(&top) {
                    node.broken = true;
                }
                let effects = self.manager.invalidate(&top);
                self.carry_out(effects);
            }
            Step::Revoke { branch, at } => {
                let top = id(&stretch(branch, at, 1)[0]);
                self.model.revoked.insert(top);
                let effects = self.manager.revoke(&top);
                self.carry_out(effects);
            }
            Step::Reinstate { branch, at } => {
                let top = id(&stretch(branch, at, 1)[0]);
                let lifted = self.manager.revoked_in_line_with(&top);
                let expected = self.model.in_line_with(top);
                assert_eq!(lifted.iter().copied().collect::<HashSet<_>>(), expected);
                assert!(lifted.is_sorted_by_key(|hash| self.manager.height_of(hash)));
                self.model.revoked.retain(|hash| !expected.contains(hash));
                let effects = self.manager.reinstate(&lifted);
                self.carry_out(effects);
            }
            Step::Leave { peer } => self.manager.on_peer_disconnected(PeerId(peer)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a property")]
fn agrees_with_the_model(seed: u64, steps: Vec<Step>) -> bool {
    static WORLD: LazyLock<Vec<Vec<BlockHeader>>> = LazyLock::new(world);
    let mut harness = Harness::new(seed);
    for step in &steps {
        harness.step(&WORLD, step);
    }
    while !harness.jobs.is_empty() {
        harness.hash(harness.jobs.len() / 2);
    }
    assert!(harness.manager.outstanding_jobs().is_empty(), "every token is resolved");
    assert_eq!(harness.manager.unverified_count(), 0);
    // Whatever the liars did, the truth is still welcome.
    for (branch, peer) in WORLD.iter().zip(50..) {
        let refused = |hash| harness.model.revoked.contains(&hash) || harness.manager.is_invalid(&hash);
        if branch.iter().any(|header| refused(id(header))) {
            continue;
        }
        harness.send(PeerId(peer), branch);
        while !harness.jobs.is_empty() {
            harness.hash(0);
        }
        assert!(harness.manager.is_verified(&id(&branch[branch.len() - 1])));
    }
    true
}

#[test]
fn random_networks_agree_with_the_model() {
    let property: fn(u64, Vec<Step>) -> bool = agrees_with_the_model;
    QuickCheck::new().tests(300).rng(Gen::new(150)).quickcheck(property);
}
