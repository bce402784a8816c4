//! What is known of a peer beside its counters of [`PeerSnapshot`](super::PeerSnapshot): what it said of itself, and how
//! much went over its connection.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dilithion_wire::{PeerId, VersionMessage};

/// What a peer said of itself in its `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerVersion {
    /// Its protocol version.
    pub version: i32,
    /// Its name; at most 256 bytes of any content.
    pub user_agent: String,
    /// The height of its chain then.
    pub start_height: i32,
    /// Whether it wants transactions.
    pub relay: bool,
    /// What it offers.
    pub services: u64,
}

impl From<&VersionMessage> for PeerVersion {
    fn from(message: &VersionMessage) -> Self {
        Self {
            version: message.version,
            user_agent: message.user_agent.clone(),
            start_height: message.start_height,
            relay: message.relay,
            services: message.services.0,
        }
    }
}

/// A connection at one moment, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its number.
    pub id: PeerId,
    /// Monotonic time when it was opened.
    pub connected: Duration,
    /// Shortest round-trip time of a ping.
    pub min_ping: Option<Duration>,
    /// Bytes of messages received, headers included.
    pub bytes_received: u64,
    /// Bytes of messages sent, headers included.
    pub bytes_sent: u64,
    /// What it said of itself, once it has.
    pub version: Option<PeerVersion>,
}

/// What a connection keeps for [`PeerInfo`].
#[derive(Debug, Default)]
pub(super) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    version: OnceLock<PeerVersion>,
}

impl Traffic {
    pub(super) fn note_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn note_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The first one counts: what follows is ignored by the handshake too.
    pub(super) fn note_version(&self, message: &VersionMessage) {
        self.version.get_or_init(|| message.into());
    }

    pub(super) fn info(&self, id: PeerId, connected: Duration, min_ping: Option<Duration>) -> PeerInfo {
        PeerInfo {
            id,
            connected,
            min_ping,
            bytes_received: self.received.load(Ordering::Relaxed),
            bytes_sent: self.sent.load(Ordering::Relaxed),
            version: self.version.get().cloned(),
        }
    }
}
