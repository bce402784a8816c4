//! Dials peers: those the operator names, and those of the address book.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::connection::Ended;
use super::handshake::HandshakeError;
use super::{
    ADDRESS_SAVE_INTERVAL, CONNECT_TIMEOUT, ConnectionManager, FEELER_INTERVAL, Host, MAX_ANCHORS,
    MAX_OUTBOUND_CONNECTIONS, MAX_RECONNECT_DELAY, Purpose, RECONNECT_DELAY,
};
use crate::random::random_u64;

/// Addresses taken from one DNS seed at most.
const MAX_SEED_ADDRESSES: usize = 16;

/// With so many known addresses DNS seeds need not be asked.
const ENOUGH_ADDRESSES: usize = 8 * MAX_OUTBOUND_CONNECTIONS;

impl ConnectionManager {
    /// Keeps a connection to this address: dials, and dials again when it is lost. Takes none of the slots of
    /// connections that the node chooses itself.
    pub fn maintain(self: &Arc<Self>, address: SocketAddr) {
        if let Entry::Vacant(vacant) = self.lock_maintained().entry(address) {
            let kept = vacant.insert(self.interrupted.child_token()).clone();
            self.tasks.spawn(Arc::clone(self).maintain_loop(address, kept));
        }
    }

    /// Dials an address once.
    pub fn try_once(self: &Arc<Self>, address: SocketAddr) {
        let manager = Arc::clone(self);
        self.tasks.spawn(async move {
            drop(manager.connect(address, Purpose::Manual, &manager.interrupted).await);
        });
    }

    /// Maintains no connection to this address any more, and closes the one there is; tells whether one was maintained.
    pub fn abandon(&self, address: SocketAddr) -> bool {
        let Some(kept) = self.lock_maintained().remove(&address) else { return false };
        kept.cancel();
        self.shared.peers.disconnect_manual(address);
        true
    }

    fn lock_maintained(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, CancellationToken>> {
        self.maintained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn maintain_loop(self: Arc<Self>, address: SocketAddr, kept: CancellationToken) {
        let mut delay = RECONNECT_DELAY;
        loop {
            match self.connect(address, Purpose::Manual, &kept).await {
                Some((Ended::Handshake(HandshakeError::SelfConnection), _)) => {
                    self.lock_maintained().remove(&address);
                    return;
                }
                // A connection that was of use is worth having again soon.
                Some((ended, true)) if !matches!(ended, Ended::Misbehaved) => delay = RECONNECT_DELAY,
                _ => delay = (delay * 2).min(MAX_RECONNECT_DELAY),
            }
            tokio::select! {
                () = kept.cancelled() => return,
                () = tokio::time::sleep(jittered(delay)) => {}
            }
        }
    }

    /// Keeps the outbound slots filled from the address book.
    pub(super) async fn fill_outbound_slots(self: Arc<Self>) {
        loop {
            let slots = Arc::clone(&self.outbound_slots);
            let slot = tokio::select! {
                () = self.interrupted.cancelled() => return,
                slot = slots.acquire_owned() => slot,
            };
            let Ok(slot) = slot else { return };
            let now = self.shared.clock.now().unix;
            if let Some(address) = self.shared.book.take(now) {
                self.tasks.spawn(Arc::clone(&self).run_automatic(address, slot));
                continue;
            }
            drop(slot);
            tokio::select! {
                () = self.interrupted.cancelled() => return,
                () = self.shared.book.wait(now) => {}
            }
        }
    }

    async fn run_automatic(self: Arc<Self>, address: SocketAddr, _slot: OwnedSemaphorePermit) {
        self.dial_known(address, Purpose::Automatic).await;
    }

    /// Tests a little known address now and then.
    pub(super) async fn send_feelers(self: Arc<Self>) {
        let mut timer = tokio::time::interval(FEELER_INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.tick().await;
        loop {
            tokio::select! {
                () = self.interrupted.cancelled() => return,
                _ = timer.tick() => {}
            }
            let connected =
                self.shared.peers.snapshots().iter().map(|peer| Host::of(peer.address.ip())).collect();
            if let Some(address) = self.shared.book.take_to_test(&connected, self.shared.clock.now().unix) {
                self.dial_known(address, Purpose::Feeler).await;
            }
        }
    }

    /// Dials an address of the book and tells the book what came of it.
    async fn dial_known(&self, address: SocketAddr, purpose: Purpose) {
        // A node that has dialled us need not be dialled (spec: wire §4).
        let connected = self.shared.peers.count_host(Host::of(address.ip())) > 0;
        let ended = if connected {
            None
        } else {
            self.shared.book.attempt(address, self.shared.clock.now().unix);
            self.connect(address, purpose, &self.interrupted).await
        };
        let worked = connected || ended.is_some_and(|(_, complete)| complete);
        self.shared.book.release(address, worked, self.shared.clock.now().unix);
    }

    /// Dials an address and runs the connection to its end; also tells whether its handshake was completed. `None` if no
    /// connection came about. Both end when `wanted` is cancelled.
    async fn connect(
        &self,
        address: SocketAddr,
        purpose: Purpose,
        wanted: &CancellationToken,
    ) -> Option<(Ended, bool)> {
        if let Some(reason) = self.shared.bans.reason(address.ip(), self.shared.clock.now()) {
            tracing::debug!("[P2P] Not connecting to {address}: banned for {reason}");
            return None;
        }
        tracing::info!("[P2P] Connecting to {address}...");
        let dialled = tokio::select! {
            biased;
            () = wanted.cancelled() => return None,
            dialled = tokio::time::timeout(CONNECT_TIMEOUT, self.dialer.dial(address)) => dialled,
        };
        let stream = match dialled {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!("[P2P] Cannot connect to {address}: {error}");
                return None;
            }
            Err(_) => {
                tracing::info!("[P2P] Cannot connect to {address}: timed out");
                return None;
            }
        };
        let peer = self.register(address, purpose, wanted);
        tracing::info!("[P2P] Connected to peer {}", peer.id);
        let mut ended = self.run(stream, Arc::clone(&peer)).await;
        // The other end of it may have noticed first, and closed.
        if peer.is_self() {
            ended = Ended::Handshake(HandshakeError::SelfConnection);
            self.shared.book.is_own(address);
        }
        Some((ended, peer.snapshot().handshake_complete))
    }

    /// Puts the network's fixed seeds into the address book, and what its DNS seeds name unless enough is known.
    pub(super) async fn ask_seeds(self: Arc<Self>) {
        let params = Arc::clone(&self.shared.params);
        let known = self.shared.book.len();
        let now = self.shared.clock.now().unix;
        for seed in &params.seeds {
            match seed.parse() {
                Ok(address) => self.shared.book.add_trusted(address, now),
                Err(_) => tracing::warn!("[P2P] Seed {seed} is not IP:PORT"),
            }
        }
        for host in params.dns_seeds.iter().filter(|_| known < ENOUGH_ADDRESSES) {
            let found = tokio::select! {
                () = self.interrupted.cancelled() => return,
                found = self.dialer.resolve(host, params.p2p_port) => found,
            };
            match found {
                Ok(addresses) => addresses
                    .into_iter()
                    .take(MAX_SEED_ADDRESSES)
                    .for_each(|address| self.shared.book.add_trusted(address, now)),
                Err(error) => tracing::info!("[P2P] Seed {host} not resolved: {error}"),
            }
        }
    }

    /// Writes the address book now and then.
    pub(super) async fn keep_addresses_saved(self: Arc<Self>) {
        let mut timer = tokio::time::interval(ADDRESS_SAVE_INTERVAL);
        timer.tick().await;
        loop {
            tokio::select! {
                () = self.interrupted.cancelled() => return,
                _ = timer.tick() => self.shared.book.save(self.anchors()).await,
            }
        }
    }

    /// The peers that the next run begins with: those we chose ourselves and have been connected to for longest.
    pub(super) fn anchors(&self) -> Vec<SocketAddr> {
        let peers = self.shared.peers.snapshots().into_iter();
        let chosen = peers.filter(|peer| peer.purpose == Purpose::Automatic && peer.handshake_complete);
        chosen.map(|peer| peer.address).take(MAX_ANCHORS).collect()
    }
}

/// Between half and one and a half of a pause, so that nodes that lost a peer together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let spread = u32::try_from(random_u64() % 1000).unwrap_or(0);
    pause / 2 + pause * spread / 1000
}
