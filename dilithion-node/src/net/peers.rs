//! The table of all connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dilithion_wire::PeerId;

use super::{Candidate, Direction, Host, Peer, PeerInfo, PeerSnapshot, Purpose};

/// All connections. The lock is held for a map operation at a time.
#[derive(Debug, Default)]
pub struct Peers {
    connected: Mutex<BTreeMap<PeerId, Arc<Peer>>>,
    last_id: AtomicU64,
}

impl Peers {
    /// The number of the next connection; the first is 1.
    pub(super) fn next_id(&self) -> PeerId {
        PeerId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn insert(&self, peer: Arc<Peer>) {
        self.lock().insert(peer.id, peer);
    }

    pub(super) fn remove(&self, id: PeerId) {
        self.lock().remove(&id);
    }

    /// A connection by its number.
    #[must_use]
    pub fn get(&self, id: PeerId) -> Option<Arc<Peer>> {
        self.lock().get(&id).cloned()
    }

    /// Whether a nonce is one that we sent: the connection leads back to us. The peer that it was sent to is marked so.
    pub(super) fn is_own_nonce(&self, nonce: u64) -> bool {
        let lock = self.lock();
        let sent = lock.values().find(|peer| peer.nonce == nonce);
        sent.inspect(|peer| peer.note_self()).is_some()
    }

    /// How many connections were opened this way.
    #[must_use]
    pub fn count(&self, direction: Direction) -> usize {
        self.lock().values().filter(|peer| peer.direction == direction).count()
    }

    /// The inbound connections that are not being closed.
    pub(super) fn inbound_candidates(&self) -> Vec<Candidate> {
        let inbound = |peer: &&Arc<Peer>| peer.direction == Direction::Inbound && peer.is_open();
        self.lock().values().filter(inbound).map(|peer| peer.candidate()).collect()
    }

    /// How many connections with this host are not being closed.
    pub(super) fn count_host(&self, host: Host) -> usize {
        self.lock().values().filter(|peer| peer.is_open() && peer.host() == host).count()
    }

    /// Closes all connections of a host.
    pub(super) fn disconnect_host(&self, host: Host) {
        let lock = self.lock();
        lock.values().filter(|peer| peer.host() == host).for_each(|peer| peer.disconnect());
    }

    /// Closes the connections that the operator wanted to this address.
    pub(super) fn disconnect_manual(&self, address: SocketAddr) {
        let lock = self.lock();
        let manual = lock.values().filter(|peer| peer.purpose == Purpose::Manual && peer.address == address);
        manual.for_each(|peer| peer.disconnect());
    }

    /// Every connection's counters, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<PeerSnapshot> {
        self.lock().values().map(|peer| peer.snapshot()).collect()
    }

    /// The same, with what each peer said of itself.
    #[must_use]
    pub fn described(&self) -> Vec<(PeerSnapshot, PeerInfo)> {
        self.lock().values().map(|peer| (peer.snapshot(), peer.info())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PeerId, Arc<Peer>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
