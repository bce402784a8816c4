//! Accepts connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::slots::MAX_CLOSING;
use super::{Admission, ConnectionManager, Direction, Host, Purpose, Refusal};
use crate::event::NodeEvent;

/// Pause after a failed `accept`, which mostly means that file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

impl ConnectionManager {
    pub(super) async fn accept_loop(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.interrupted.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => self.accept(stream, address),
                Err(error) => {
                    tracing::warn!("[P2P] Failed to accept peer connection: {error}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// Takes over an incoming connection, unless it is unwelcome; then it is closed. If all slots are taken, a connection
    /// that is worth less may have to go for it.
    pub fn accept(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        if let Some(reason) = self.shared.bans.reason(address.ip(), self.shared.clock.now()) {
            tracing::debug!("[P2P] Refused {address}: banned for {reason}");
            return;
        }
        match self.admit(Host::of(address.ip())) {
            Ok(Admission::Free) => {}
            Ok(Admission::InPlaceOf(id)) => {
                tracing::info!("[P2P] Disconnecting peer {id}: its slot is given to {address}");
                if let Some(peer) = self.shared.peers.get(id) {
                    let reason = "their slots are given to others".to_owned();
                    self.shared.events.on(&NodeEvent::PeerRefused { address: peer.address.ip(), reason });
                }
                self.disconnect(id);
            }
            Err(refusal) => {
                let event = NodeEvent::PeerRefused { address: address.ip(), reason: refusal.to_string() };
                self.shared.events.on(&event);
                tracing::debug!("[P2P] Refused {address}: {refusal}");
                return;
            }
        }
        tracing::info!("[P2P] New peer connected: {address}");
        // In the table before its task runs, so that a burst is counted as it comes.
        let peer = self.register(address, Purpose::Inbound, &self.interrupted);
        tracing::info!("[P2P] Peer {} accepted: {address}", peer.id);
        let manager = Arc::clone(self);
        self.tasks.spawn(async move { manager.run(stream, peer).await });
    }

    fn admit(&self, host: Host) -> Result<Admission, Refusal> {
        let peers = &self.shared.peers;
        let closing = peers.count(Direction::Inbound).saturating_sub(self.shared.config.slots.inbound);
        if closing >= MAX_CLOSING {
            return Err(Refusal::Closing(closing));
        }
        let of_its_host = if self.shared.bans.is_local(host) { 0 } else { peers.count_host(host) };
        self.shared.config.slots.admit(of_its_host, &peers.inbound_candidates(), self.secret)
    }
}
