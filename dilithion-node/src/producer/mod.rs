//! Makes blocks on private networks: by a schedule, or when asked to (requirement M16).
//!
//! What is decided is apart from what is done: [`SlotSchedule`] says when, [`select`] and [`assemble`] what, [`search`] finds
//! the nonce. A thread drives them. A block that is found takes the way of any other: the coordinator enters its header, the
//! validator checks and connects it, peers are told. So a producer gives way to a better chain like every node, and without
//! any peer its blocks are connected all the same.
//!
//! Where miners have identities, a [`MinerIdentity`] makes the blocks: the first registers it, the others name it, and each is
//! as hard as its miner's past makes it.
//!
//! A block is begun ahead of its slot and handed out on time, since nobody knows how long a search takes.

mod error;
mod identity;
mod identity_file;
mod payee;
mod schedule;
mod search;
mod selection;
mod template;
mod thread;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use dilithion_wire::{BlockHash, Height};

pub use error::{ProduceError, Refusal};
pub use identity::MinerIdentity;
pub use identity_file::IdentityError;
pub use payee::{AddressError, Payee};
pub use schedule::{SLOT_TOLERANCE, Slot, SlotSchedule};
pub use search::search;
pub use selection::{Selection, select};
pub use template::{Maker, Template, assemble};
pub(crate) use thread::{Producer, ProducerHandle, ProducerParts};

/// Seconds between two slots unless told otherwise (`PRODUCER_INTERVAL` of the design documents).
pub const PRODUCER_INTERVAL: Duration = Duration::from_secs(5);
/// The same for tests (`--test-mode`; requirement M16).
pub const TEST_INTERVAL: Duration = Duration::from_millis(100);

/// How a node makes blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerConfig {
    /// The time between two slots; `None` for blocks on request only.
    pub interval: Option<Duration>,
    /// Who gets the coins; `None` for the owner of the identity, and for nobody without one.
    pub payee: Option<Payee>,
    /// The file with the key of the identity that makes the blocks, which networks with `[mik]` ask for. It is made if it is
    /// not there.
    pub identity_key: Option<PathBuf>,
}

/// A block of our own that is part of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// How many messages it carries.
    pub messages: usize,
}

/// What a producer has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerStats {
    /// Blocks of ours that were connected.
    pub produced: u64,
    /// Slots that were not met: see [`SlotSchedule::missed`].
    pub missed_slots: u64,
    /// The last block.
    pub last: Option<Produced>,
}
