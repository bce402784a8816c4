//! Dials peers.

use std::net::SocketAddr;
use std::sync::Arc;

use super::connection::Ended;
use super::handshake::HandshakeError;
use super::peer::Direction;
use super::{CONNECT_TIMEOUT, ConnectionManager, MAX_RECONNECT_DELAY, RECONNECT_DELAY};

/// Addresses taken from one DNS seed at most.
const MAX_SEED_ADDRESSES: usize = 16;

impl ConnectionManager {
    /// Keeps a connection to this address: dials, and dials again when it is lost.
    pub fn maintain(self: &Arc<Self>, address: SocketAddr) {
        self.tasks.spawn(Arc::clone(self).maintain_loop(address));
    }

    async fn maintain_loop(self: Arc<Self>, address: SocketAddr) {
        let mut delay = RECONNECT_DELAY;
        loop {
            match self.connect(address).await {
                Some((Ended::Handshake(HandshakeError::SelfConnection), _)) => return,
                // A connection that was of use is worth having again soon.
                Some((ended, true)) if !matches!(ended, Ended::Misbehaved) => delay = RECONNECT_DELAY,
                _ => delay = (delay * 2).min(MAX_RECONNECT_DELAY),
            }
            tokio::select! {
                () = self.interrupted.cancelled() => return,
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    /// Dials an address and runs the connection to its end; also tells whether its handshake was completed. `None` if no
    /// connection came about.
    async fn connect(&self, address: SocketAddr) -> Option<(Ended, bool)> {
        let _slot = tokio::select! {
            () = self.interrupted.cancelled() => return None,
            slot = self.outbound_slots.acquire() => slot.ok()?,
        };
        if let Some(reason) = self.shared.bans.reason(address.ip(), self.shared.clock.now()) {
            tracing::debug!("[P2P] Not connecting to {address}: banned for {reason}");
            return None;
        }
        tracing::info!("[P2P] Connecting to {address}...");
        let dialled = tokio::select! {
            () = self.interrupted.cancelled() => return None,
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
        let peer = self.register(address, Direction::Outbound);
        tracing::info!("[P2P] Connected to peer {}", peer.id);
        let ended = self.run(stream, Arc::clone(&peer)).await;
        Some((ended, peer.snapshot().handshake_complete))
    }

    /// Connects to the network's fixed seeds and to whatever its DNS seeds name.
    pub(super) async fn dial_seeds(self: Arc<Self>) {
        let params = Arc::clone(&self.shared.params);
        for seed in &params.seeds {
            match seed.parse() {
                Ok(address) => self.maintain(address),
                Err(_) => tracing::warn!("[P2P] Seed {seed} is not IP:PORT"),
            }
        }
        for host in &params.dns_seeds {
            let found = tokio::select! {
                () = self.interrupted.cancelled() => return,
                found = self.dialer.resolve(host, params.p2p_port) => found,
            };
            match found {
                Ok(addresses) => {
                    addresses.into_iter().take(MAX_SEED_ADDRESSES).for_each(|address| self.maintain(address));
                }
                Err(error) => tracing::info!("[P2P] Seed {host} not resolved: {error}"),
            }
        }
    }
}
