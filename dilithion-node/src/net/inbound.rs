//! Accepts connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::peer::Direction;
use super::{ConnectionManager, MAX_INBOUND_CONNECTIONS};

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

    /// Takes over an incoming connection, unless it is unwelcome; then it is closed.
    pub fn accept(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        if let Some(reason) = self.shared.bans.reason(address.ip(), self.shared.clock.now()) {
            tracing::debug!("[P2P] Refused {address}: banned for {reason}");
        } else if self.shared.peers.count(Direction::Inbound) >= MAX_INBOUND_CONNECTIONS {
            tracing::debug!("[P2P] Refused {address}: all inbound slots are taken");
        } else {
            tracing::info!("[P2P] New peer connected: {address}");
            // In the table before its task runs, so that a burst is counted as it comes.
            let peer = self.register(address, Direction::Inbound);
            tracing::info!("[P2P] Peer {} accepted: {address}", peer.id);
            let manager = Arc::clone(self);
            self.tasks.spawn(async move { manager.run(stream, peer).await });
        }
    }
}
