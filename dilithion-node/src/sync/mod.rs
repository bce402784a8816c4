//! Initial block download as a state machine without clock, socket, thread or lock.
//!
//! [`Coordinator::handle`] takes an [`Event`] and the time, and returns [`Action`]s. It owns the header chain, the
//! block window and what is known about peers; whoever drives it owns sockets, hash threads and the store.

mod announce;
mod background;
mod block_sync;
mod bodies;
mod coordinator;
mod detail;
mod event;
mod failure;
mod fork;
mod headers_sync;
mod invariants;
mod mode;
mod mutation;
mod order;
mod peers;
mod progress;
mod pushed;
mod state;
mod status;
mod verdict;

pub use bodies::{Body, MAX_STORED};
pub use coordinator::{Coordinator, CoordinatorConfig};
pub use detail::{BlockStage, PeerProgress, SyncDetail, Transition, WindowBlock};
pub use event::{Action, BlockFault, BlockToConnect, Event, StoreJob};
pub use failure::SyncFailure;
pub use invariants::Broken;
pub use mode::{SyncMode, UnknownMode};
#[cfg(test)]
pub(crate) use mutation::Mutation;
pub use order::Order;
pub use progress::Rates;
pub use state::{IbdState, IllegalTrigger, Outcome, TRANSITIONS, Trigger};
pub use status::SyncStatus;
pub use verdict::VerdictError;

use dilithion_wire::PeerId;

/// Headers this far ahead of the chain start block download while more headers are still coming
/// (`HEADERS_AHEAD_TO_DOWNLOAD` of the design documents).
pub const HEADERS_AHEAD_TO_DOWNLOAD: u32 = 100;

/// How far ahead of the tip blocks are requested. Larger: more memory held when one peer is slow. Smaller: one slow
/// block stops all other peers sooner.
pub const DOWNLOAD_AHEAD: u32 = 1024;

/// While bodies wait for their turn or for validation with this many bytes, only the lowest missing block is requested:
/// that one is what the others wait for.
pub const MAX_RECEIVED_BYTES: usize = 64 << 20;

/// Blocks handed to validation and not yet answered: enough to fill its batches, few enough that a rejected block
/// throws little away.
pub const MAX_VALIDATING: usize = 512;

/// Stands for the sender of blocks that nobody sent: our own miner's, and those from the store. No connection has this
/// number.
pub const OWN_BLOCKS: PeerId = dilithion_headers::RESTORED;
