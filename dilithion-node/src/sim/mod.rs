//! A deterministic simulator: whole networks of real coordinators in virtual time.
//!
//! Everything that decides is the code of the node itself: [`Coordinator`](crate::sync::Coordinator), header tree, block
//! window, [`BlockValidator`](crate::stage::BlockValidator), send queues, the schedule of the hash pool. What is
//! simulated is what they are driven by: sockets, clocks, threads, hashing time, and peers of all kinds. One `u64`
//! decides everything that is left to chance, so that a run can be seen again.
//!
//! ```
//! use dilithion_node::sim::{self, Scenario};
//! use std::time::Duration;
//!
//! let two_nodes = Scenario::new("two_nodes", "a fresh node syncs from another", |plan| {
//!     let chain = plan.chain(50);
//!     let (full, fresh) = (plan.node_with(&chain), plan.node());
//!     plan.connect(fresh, full);
//!     plan.within(Duration::from_secs(60));
//! });
//! let outcome = sim::run(&two_nodes, 7);
//! assert!(outcome.violation.is_none(), "{outcome}");
//! assert_eq!(outcome.digest, sim::run(&two_nodes, 7).digest);
//! ```
//!
//! # Contents
//!
//! | module | what |
//! |---|---|
//! | `scenario`, `plan` | what a run is made of, and the words to say it in |
//! | `scenarios` | the named ones: [`all`] |
//! | `world`, `network`, `drive` | the loop in which things happen: steps, connections, nodes |
//! | `checks` | what must hold after each of them |
//! | `node`, `scripted` | who takes part |
//! | `store`, `memory_store`, `hasher`, `link`, `blocks` | what they have |
//! | `events`, `random`, `trace`, `report` | time, chance, memory, result |

pub mod blocks;
mod checks;
mod drive;
pub mod events;
mod hasher;
mod link;
mod memory_store;
#[cfg(test)]
mod mutations;
mod network;
mod node;
mod plan;
mod report;
mod scenario;
mod scenarios;
mod scripted;
mod store;
mod trace;
mod world;

use std::fmt;
use std::time::Duration;

pub use crate::random::Random;
pub use blocks::{Chain, Recipe};
pub use link::Quality;
pub use memory_store::MemoryStore;
pub use node::{Downloads, NodeProfile, SimNode};
pub use plan::Plan;
pub use report::{Outcome, Summary, Violation};
pub use scenario::{Scenario, run, run_on_disk};
pub use scenarios::{all, by_name};
pub use scripted::{Announcement, BlockManners, Chatter, HeaderManners, Manners};
pub use store::SimStore;
pub use world::{Counts, Step, World};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Somebody who takes part in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u16);

impl ActorId {
    fn at(position: usize) -> Self {
        Self(u16::try_from(position).unwrap_or(u16::MAX))
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {}", self.0)
    }
}
