//! A scenario, and how it is run.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::plan::Plan;
use super::report::Outcome;
use super::world::{Happening, World};
use super::{ActorId, MILLISECOND, SECOND};

/// A run looks this often whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Nodes are looked through this often.
const AUDIT_EVERY: u32 = 40;
/// A run goes on for this long when all is well: what goes wrong afterwards counts too.
const AFTERMATH: Duration = SECOND;
/// More events than this without an end: something turns in circles without time passing.
const MAX_EVENTS_PER_LOOK: u64 = 5_000_000;
/// In a network of honest peers, blocks that are fetched twice: one in so many, and a few to begin with.
const DUPLICATES: (u64, u64) = (100, 16);

/// A kind of network, and what befalls it. What is left open is decided by the seed of a run.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, as given to `--scenario`.
    pub name: &'static str,
    /// What it is about, in a line.
    pub about: &'static str,
    /// One run takes as long as this many of another.
    pub weight: u64,
    build: fn(&mut Plan),
}

impl Scenario {
    /// A scenario; `build` says who takes part, what they have and what happens.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, build: fn(&mut Plan)) -> Self {
        Self { name, about, weight: 1, build }
    }

    /// The same scenario, one run of which takes as long as `weight` of others.
    #[must_use]
    pub const fn weighing(self, weight: u64) -> Self {
        Self { weight, ..self }
    }

    /// With how many seeds it is run where others are with `runs`.
    #[must_use]
    pub fn runs(&self, runs: u64) -> u64 {
        (runs / self.weight).max(runs.min(1))
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Runs a scenario once.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Outcome {
    play(scenario, seed, Plan::new(World::new(seed)))
}

/// Runs a scenario once, with nodes whose stores are on disk, in folders of `dir`. What happens is the same; what the
/// store does is real, and so is each restart.
#[must_use]
pub fn run_on_disk(scenario: &Scenario, seed: u64, dir: &Path) -> Outcome {
    let mut plan = Plan::new(World::new(seed));
    plan.keep_stores_in(dir);
    play(scenario, seed, plan)
}

/// Runs a scenario once, with nodes that have a fault.
#[cfg(test)]
pub(super) fn run_with(scenario: &Scenario, seed: u64, mutation: crate::sync::Mutation) -> Outcome {
    let mut plan = Plan::new(World::new(seed));
    plan.profile().mutation = Some(mutation);
    play(scenario, seed, plan)
}

fn play(scenario: &Scenario, seed: u64, mut plan: Plan) -> Outcome {
    (scenario.build)(&mut plan);
    let (mut world, goal) = plan.begin();
    let mut looks = 0;
    let mut events_at_look = 0;
    let mut fine_since = None;
    world.queue.after(LOOK_INTERVAL, Happening::Look);
    let mut next_look = LOOK_INTERVAL;
    while world.violation.is_none() && world.advance() {
        if world.events() - events_at_look > MAX_EVENTS_PER_LOOK {
            world.violate(ActorId(0), "time passes", "too many things happen at once".to_owned());
        }
        if world.now() < next_look {
            continue;
        }
        next_look = world.now() + LOOK_INTERVAL;
        world.queue.after(LOOK_INTERVAL, Happening::Look);
        events_at_look = world.events();
        looks += 1;
        if looks % AUDIT_EVERY == 0 {
            audit_all(&mut world);
        }
        let unmet = goal.unmet(&world);
        fine_since = if unmet.is_none() { fine_since.or(Some(world.now())) } else { None };
        match unmet {
            Some((id, what)) if world.now() >= goal.deadline => {
                world.violate(id, "every honest node reaches the best chain in time", what);
            }
            _ => {}
        }
        if fine_since.is_some_and(|since| world.now() >= since + AFTERMATH) {
            break;
        }
    }
    finish(&mut world, &goal);
    Outcome {
        scenario: scenario.name,
        seed,
        violation: world.violation.take(),
        events: world.events(),
        virtual_time: world.now(),
        counts: *world.counts(),
        digest: world.trace.digest(),
    }
}

fn audit_all(world: &mut World) {
    let ids: Vec<ActorId> = world.nodes().map(|(id, _)| id).collect();
    for id in ids {
        world.audit(id);
    }
}

/// What is looked at when all is over.
fn finish(world: &mut World, goal: &Goal) {
    if world.violation.is_some() {
        return;
    }
    audit_all(world);
    if goal.only_honest {
        let (one_in, few) = DUPLICATES;
        let wasteful = world.nodes().find(|(_, node)| {
            node.downloads.duplicates > few && node.downloads.duplicates * one_in > node.downloads.blocks
        });
        if let Some((id, node)) = wasteful {
            let what = format!("{} of {} blocks", node.downloads.duplicates, node.downloads.blocks);
            world.violate(id, "honest peers' blocks are fetched once", what);
        }
    }
    for expectation in &goal.expectations {
        if let Err(what) = expectation(world) {
            world.violate(ActorId(0), "what the scenario expects", what);
        }
    }
}

/// Something that a scenario expects of the world when a run is over.
pub(super) type Expectation = Box<dyn Fn(&World) -> Result<(), String>>;

/// When a run is over, and when it is late.
pub(super) struct Goal {
    /// By when every honest node must have the best chain.
    pub(super) deadline: Duration,
    /// Before this, nothing is over: steps are still to come.
    pub(super) not_before: Duration,
    /// Nodes that are not expected to end on the best chain.
    pub(super) exempt: Vec<ActorId>,
    /// Nobody misbehaves, and no connection fails.
    pub(super) only_honest: bool,
    pub(super) expectations: Vec<Expectation>,
}

impl Goal {
    /// A node that is not where it should be, and what it waits for.
    fn unmet(&self, world: &World) -> Option<(ActorId, String)> {
        if world.now() < self.not_before {
            return Some((ActorId(0), "steps are still to come".to_owned()));
        }
        let best = world.best_tip();
        let behind = |(id, node): &(ActorId, &super::SimNode)| {
            !self.exempt.contains(id)
                && (node.running.is_none() || !world.is_as_good_as_best(&node.reached()))
        };
        let (id, node) = world.nodes().find(behind)?;
        let best = world.blocks.find(&best).map(|block| block.height).unwrap_or_default();
        let waits = node.running.as_ref().map_or_else(
            || "it is down".to_owned(),
            |running| running.coordinator.status(world.now()).to_string(),
        );
        Some((id, format!("tip at {}, the best chain ends at {best}; {waits}", node.tip().0)))
    }
}

/// A moment later than anything.
pub(super) const LATEST: Duration = Duration::from_secs(u32::MAX as u64);

/// The least time between two things that must not happen at once.
pub(super) const INSTANT: Duration = MILLISECOND;
