//! What happens in a node and is worth being told: [`NodeEvent`], and who is told: [`Events`].
//!
//! The engine, the connections and the edge report facts as they happen, in order and without loss; a status in between
//! (see [`StatusReceiver`](crate::stage::StatusReceiver)) may be skipped, an event never is. The journal, the hooks and
//! whatever a user of the library plugs in live behind one trait, so that the node knows none of them.

mod reporter;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dilithion_pow::PowStats;
use dilithion_wire::{BlockHash, Height, PeerId};

pub use self::reporter::Reporter;
use crate::sync::{IbdState, SyncStatus};

/// A fact about the node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The node runs.
    NodeStart {
        /// The network's name.
        network: String,
        /// Height of the stored chain.
        height: Height,
    },
    /// The node has stopped in good order.
    NodeStop,
    /// The stored chain was walked at the start, as far down as the store does by itself, and is sound.
    IntegrityVerified {
        /// Height of its tip.
        height: Height,
    },
    /// The sync went from one state to another.
    StateTransition {
        /// Before.
        from: IbdState,
        /// After.
        to: IbdState,
        /// Height of the connected chain; of the proved headers if a sync of headers alone ends with it.
        height: Height,
    },
    /// The best chain known is connected, after a time in which it was not; its headers are proved, in a node that fetches no
    /// blocks.
    SyncComplete {
        /// The tip's height.
        height: Height,
        /// The tip's id.
        hash: BlockHash,
        /// Blocks connected since the sync began.
        blocks: u32,
        /// How long that took.
        took: Duration,
    },
    /// The connected chain and the best chain part.
    ForkDetected {
        /// The last height that they share.
        height: Height,
    },
    /// Blocks were connected, and are on disk.
    BlocksConnected {
        /// Height and id of each, ascending; never empty.
        blocks: Vec<(Height, BlockHash)>,
        /// Whether the node was in sync; otherwise there are many, and no one of them matters.
        in_sync: bool,
    },
    /// Blocks were disconnected, on the way to a better chain.
    BlocksDisconnected {
        /// Height and id of each.
        blocks: Vec<(Height, BlockHash)>,
        /// Height and id of the tip that is left.
        tip: (Height, BlockHash),
    },
    /// This node made a block, and took it into its chain of headers.
    BlockProduced {
        /// Its height.
        height: Height,
        /// Its id.
        hash: BlockHash,
    },
    /// A block was refused.
    BlockRejected {
        /// Its height.
        height: Height,
        /// Its id.
        hash: BlockHash,
        /// Who sent it.
        peer: PeerId,
        /// The reject reason, for example `bad-merkle`.
        reason: String,
    },
    /// The connected chain contains a checkpoint's block.
    CheckpointPassed {
        /// The checkpoint's height.
        height: Height,
    },
    /// A peer's host was banned, or its connection closed because a ban would hit the wrong ones.
    PeerBanned {
        /// The connection.
        peer: PeerId,
        /// Its host.
        address: IpAddr,
        /// What it did.
        reason: String,
    },
    /// Somebody who wanted to connect was turned away, or had to make room for somebody else.
    PeerRefused {
        /// The host.
        address: IpAddr,
        /// Why.
        reason: String,
    },
    /// The operator asked for something.
    Action {
        /// What, for example `ban`.
        name: String,
        /// With which parameters, in words; may be empty.
        detail: String,
    },
    /// Limits of the process were set.
    LimitsApplied {
        /// Which, in words.
        detail: String,
    },
    /// Something that an earlier run left in disorder was put in order.
    Recovery {
        /// What, in words.
        detail: String,
    },
    /// Something failed that the operator has to know.
    Error {
        /// What.
        reason: String,
    },
}

impl NodeEvent {
    /// The kind, as it is called in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NodeStart { .. } => "node_start",
            Self::NodeStop => "node_stop",
            Self::IntegrityVerified { .. } => "integrity_verified",
            Self::StateTransition { .. } => "state_transition",
            Self::SyncComplete { .. } => "sync_complete",
            Self::ForkDetected { .. } => "fork_detected",
            Self::BlocksConnected { .. } => "block_connected",
            Self::BlocksDisconnected { .. } => "block_disconnected",
            Self::BlockProduced { .. } => "block_produced",
            Self::BlockRejected { .. } => "block_rejected",
            Self::CheckpointPassed { .. } => "checkpoint_passed",
            Self::PeerBanned { .. } => "peer_banned",
            Self::PeerRefused { .. } => "peer_refused",
            Self::Action { .. } => "action",
            Self::LimitsApplied { .. } => "limits_applied",
            Self::Recovery { .. } => "recovery",
            Self::Error { .. } => "error",
        }
    }
}

/// The kind, and what a reader needs to know of it, on one line.
impl fmt::Display for NodeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeStart { network, height } => write!(f, "{network} node started at height {height}"),
            Self::NodeStop => f.write_str("node stopped"),
            Self::IntegrityVerified { height } => write!(f, "Chain integrity verified up to height {height}"),
            Self::StateTransition { from, to, .. } => write!(f, "{from} → {to}"),
            Self::SyncComplete { height, hash, blocks, took } => {
                write!(
                    f,
                    "in sync at height {height} ({hash}): {blocks} blocks in {:.1} s",
                    took.as_secs_f64()
                )
            }
            Self::ForkDetected { height } => write!(f, "our chain leaves the best one after height {height}"),
            Self::BlocksConnected { blocks, .. } => match blocks.as_slice() {
                [(height, hash)] => write!(f, "block {height} ({hash}) connected"),
                [(first, _), .., (last, hash)] => {
                    write!(f, "blocks {first} to {last} ({hash}) connected")
                }
                [] => f.write_str("no block connected"),
            },
            Self::BlocksDisconnected { blocks, tip: (height, hash) } => {
                write!(f, "{} blocks disconnected down to height {height} ({hash})", blocks.len())
            }
            Self::BlockProduced { height, hash } => write!(f, "block {height} ({hash}) produced"),
            Self::BlockRejected { height, hash, peer, reason } => {
                write!(f, "block {height} ({hash}) of peer {peer} refused: {reason}")
            }
            Self::CheckpointPassed { height } => write!(f, "the checkpoint at height {height} is connected"),
            Self::PeerBanned { peer, address, reason } => write!(f, "peer {peer} ({address}): {reason}"),
            Self::PeerRefused { address, reason } => write!(f, "{address} turned away: {reason}"),
            Self::Action { name, detail } if detail.is_empty() => f.write_str(name),
            Self::Action { name, detail } => write!(f, "{name}: {detail}"),
            Self::LimitsApplied { detail } | Self::Recovery { detail } => f.write_str(detail),
            Self::Error { reason } => f.write_str(reason),
        }
    }
}

/// Is told what happens in a node.
///
/// Both calls come from the thread on which the fact arose, the engine's most of the time: they must not wait for a disk, a
/// process or a peer. Events of one thread come in their order; the engine's, whose state machine they describe, all come
/// from one thread.
pub trait Events: Send + Sync + 'static {
    /// Something happened. Called before the log, or a status, shows it.
    fn on(&self, event: &NodeEvent);

    /// The status as it is now: after each transition, and a few times a second while something moves.
    fn on_status(&self, _sync: &SyncStatus, _pow: &PowStats) {}
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn on(&self, _event: &NodeEvent) {}
}

impl<E: Events + ?Sized> Events for Arc<E> {
    fn on(&self, event: &NodeEvent) {
        (**self).on(event);
    }

    fn on_status(&self, sync: &SyncStatus, pow: &PowStats) {
        (**self).on_status(sync, pow);
    }
}
