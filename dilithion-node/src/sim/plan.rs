//! The words in which a scenario is told.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dilithion_wire::{ChainParams, Checkpoint, Height};

use super::blocks::{Chain, Recipe};
use super::link::Quality;
use super::memory_store::MemoryStore;
use super::node::{NodeProfile, SimNode};
use super::scenario::{Goal, INSTANT, LATEST};
use super::scripted::{Manners, ScriptedPeer};
use super::store::SimStore;
use super::world::{Actor, Happening, Step, World};
use super::{ActorId, MILLISECOND, SECOND};
use crate::random::Random;
use crate::sync::SyncMode;

/// How long a run may take unless its scenario says otherwise.
const DEADLINE: Duration = Duration::from_secs(300);
/// Connections are made within this time after the start.
const CONNECT_WITHIN: Duration = Duration::from_millis(1500);

/// A network in the making.
pub struct Plan {
    world: World,
    profile: NodeProfile,
    goal: Goal,
    /// Nodes that are not started at the beginning.
    late: Vec<ActorId>,
    salt: u64,
    /// Where the stores of nodes are; in memory without.
    stores: Option<PathBuf>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Plan {
    pub(super) fn new(mut world: World) -> Self {
        let profile = NodeProfile {
            threads: usize::try_from(world.random.within(1..5)).unwrap_or(1),
            time_per_hash: world.random.time_within(MILLISECOND..30 * MILLISECOND),
            time_per_commit: world.random.time_within(MILLISECOND..10 * MILLISECOND),
            time_per_block: world.random.time_within(MILLISECOND / 10..MILLISECOND),
            clock_offset: 0,
            minimum_chain_work: dilithion_pow::Work::ZERO,
            mode: SyncMode::Full,
            params: Arc::clone(world.blocks.params()),
            #[cfg(test)]
            mutation: None,
        };
        let goal = Goal {
            deadline: DEADLINE,
            not_before: Duration::ZERO,
            exempt: Vec::new(),
            only_honest: true,
            expectations: Vec::new(),
        };
        Self { world, profile, goal, late: Vec::new(), salt: 0, stores: None }
    }

    /// Nodes have stores on disk, each in a folder of its own.
    pub(super) fn keep_stores_in(&mut self, dir: &Path) {
        self.stores = Some(dir.to_owned());
    }

    /// Everything is said: the world begins.
    pub(super) fn begin(self) -> (World, Goal) {
        let Self { mut world, goal, late, .. } = self;
        let nodes: Vec<ActorId> = world.nodes().map(|(id, _)| id).filter(|id| !late.contains(id)).collect();
        for id in nodes {
            world.start(id);
        }
        (world, goal)
    }

    /// The chance of this run, for what a scenario leaves to it.
    pub fn random(&mut self) -> &mut Random {
        &mut self.world.random
    }

    /// A time of a range, by chance.
    pub fn time(&mut self, range: Range<Duration>) -> Duration {
        self.world.random.time_within(range)
    }

    /// A number of a range, by chance.
    pub fn number(&mut self, range: Range<u32>) -> u32 {
        let drawn = self.world.random.within(u64::from(range.start)..u64::from(range.end));
        u32::try_from(drawn).unwrap_or(range.start)
    }

    // ---- blocks

    /// A new chain of this many blocks on the genesis block.
    pub fn chain(&mut self, blocks: u32) -> Chain {
        let genesis = self.world.blocks.genesis();
        self.extend(&genesis, blocks)
    }

    /// A chain with more blocks; each call makes another branch.
    pub fn extend(&mut self, chain: &Chain, blocks: u32) -> Chain {
        self.extend_by(chain, blocks, Recipe::default())
    }

    /// A chain with more blocks of a special kind.
    pub fn extend_by(&mut self, chain: &Chain, blocks: u32, recipe: Recipe) -> Chain {
        self.salt += 1;
        self.world.blocks.extend(chain, blocks, self.salt, recipe)
    }

    // ---- who takes part

    /// What nodes are like that are made from now on.
    pub fn profile(&mut self) -> &mut NodeProfile {
        &mut self.profile
    }

    /// Nodes that are made from now on know a checkpoint.
    pub fn checkpoint(&mut self, chain: &Chain, height: u32) {
        let height = Height(height);
        let Some(hash) = chain.at(height).map(|index| self.world.blocks.get(index).hash) else { return };
        let checkpoints = vec![Checkpoint { height, hash }];
        self.profile.params = Arc::new(ChainParams { checkpoints, ..(*self.profile.params).clone() });
    }

    /// Nodes that are made from now on download no chain with less work than this one.
    pub fn minimum_work(&mut self, chain: &Chain) {
        self.profile.minimum_chain_work = self.world.blocks.tip(chain).work;
    }

    /// A fresh node.
    pub fn node(&mut self) -> ActorId {
        let params = Arc::clone(&self.profile.params);
        let on_disk = self.stores.as_ref().map(|dir| {
            let dir = dir.join(self.world.actors.len().to_string());
            SimStore::on_disk(&dir, Arc::clone(&params))
        });
        let (store, failure) = match on_disk {
            Some(Ok(store)) => (store, None),
            Some(Err(error)) => (SimStore::Memory(MemoryStore::new(params)), Some(error)),
            None => (SimStore::Memory(MemoryStore::new(params)), None),
        };
        let id = self.add(Actor::Node(Box::new(SimNode::new(self.profile.clone(), store))));
        if let Some(error) = failure {
            self.world.violate(id, "a store opens", error.to_string());
        }
        id
    }

    /// A node that has a chain already.
    pub fn node_with(&mut self, chain: &Chain) -> ActorId {
        let id = self.node();
        let blocks: Vec<_> = (1..=chain.height().0)
            .filter_map(|height| chain.at(Height(height)))
            .map(|index| self.world.blocks.get(index))
            .map(|block| (block.hash, block.payload.clone()))
            .collect();
        let loaded = self.world.node_mut(id).map(|node| node.preload(blocks.into_iter()));
        if let Some(Err(error)) = loaded {
            self.world.violate(id, "a store takes in a chain", error.to_string());
        }
        id
    }

    /// A node that is down until a step starts it.
    pub fn late_node(&mut self) -> ActorId {
        let id = self.node();
        self.late.push(id);
        id
    }

    /// An honest peer that follows a script.
    pub fn peer(&mut self, chain: &Chain) -> ActorId {
        self.peer_with(chain, Manners::HONEST)
    }

    /// A peer with manners of its own.
    pub fn peer_with(&mut self, chain: &Chain, manners: Manners) -> ActorId {
        self.goal.only_honest &= manners.are_honest();
        self.add(Actor::Peer(Box::new(ScriptedPeer::new(chain.clone(), manners))))
    }

    fn add(&mut self, actor: Actor) -> ActorId {
        self.world.actors.push(actor);
        ActorId::at(self.world.actors.len() - 1)
    }

    // ---- what happens

    /// A connection that the first keeps up.
    pub fn connect(&mut self, from: ActorId, to: ActorId) {
        self.world.kept_up.insert((from, to));
        let at = self.time(Duration::ZERO..CONNECT_WITHIN);
        self.world.queue.at(at, Happening::Dial(from, to));
    }

    /// A connection that the first keeps up from this time on.
    pub fn connect_at(&mut self, at: Duration, from: ActorId, to: ActorId) {
        self.world.kept_up.insert((from, to));
        self.at(at, Step::Connect(from, to));
    }

    /// How good connections of these two are; left to chance otherwise.
    pub fn quality(&mut self, a: ActorId, b: ActorId, quality: Quality) {
        self.world.qualities.insert((a.min(b), a.max(b)), quality);
    }

    /// Something happens at this time. The run is not over before.
    pub fn at(&mut self, at: Duration, step: Step) {
        self.goal.not_before = self.goal.not_before.max(at + INSTANT);
        if !matches!(step, Step::Connect(..) | Step::Extend(..) | Step::Mine(..)) {
            self.goal.only_honest = false;
        }
        self.world.steps.push(Some(step));
        self.world.queue.at(at, Happening::Step(self.world.steps.len() - 1));
    }

    /// A node crashes at this time and starts again after a pause.
    pub fn restart_at(&mut self, at: Duration, id: ActorId) {
        let pause = self.time(10 * MILLISECOND..3 * SECOND);
        self.at(at, Step::Crash(id));
        self.at(at + pause, Step::Start(id));
    }

    // ---- what is expected

    /// By when every honest node must have the best chain.
    pub fn within(&mut self, deadline: Duration) {
        self.goal.deadline = deadline;
    }

    /// This node need not end on the best chain.
    pub fn exempt(&mut self, id: ActorId) {
        self.goal.exempt.push(id);
    }

    /// The run lasts at least until then.
    pub fn lasts(&mut self, until: Duration) {
        self.goal.not_before = self.goal.not_before.max(until);
    }

    /// Honest peers may be dropped, as they are too slow to be of use, or seem dead; never punished.
    pub fn honest_may_be_dropped(&mut self) {
        self.world.may_drop_honest = true;
    }

    /// Something else that must be true at the end.
    pub fn expect(&mut self, expectation: impl Fn(&World) -> Result<(), String> + 'static) {
        self.goal.expectations.push(Box::new(expectation));
    }

    /// The run never ends by reaching its goal late: there is no deadline but this one.
    pub fn without_deadline(&mut self) {
        self.goal.deadline = LATEST;
    }
}
