//! Opens, accepts and ends connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dilithion_chain::ChainReader;
use dilithion_wire::{ChainParams, Height, Message, Misbehaviour, PeerId, Services};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Ended};
use super::handshake::HandshakeError;
use super::peer::{Direction, Peer, Peers, SendError};
use super::{
    Bans, CONNECT_TIMEOUT, Dialer, MAX_INBOUND_CONNECTIONS, MAX_OUTBOUND_CONNECTIONS, MAX_RECONNECT_DELAY,
    RECONNECT_DELAY,
};
use crate::clock::Clock;
use crate::random::random_u64;
use crate::stage::EngineHandle;

/// Pause after a failed `accept`, which mostly means that file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Addresses taken from one DNS seed at most.
const MAX_SEED_ADDRESSES: usize = 16;

/// Whom to connect to and where to listen.
#[derive(Clone, Debug, Default)]
pub struct NetConfig {
    /// Where to listen; `None` accepts nobody.
    pub listen: Option<SocketAddr>,
    /// Peers to stay connected to.
    pub peers: Vec<SocketAddr>,
    /// Whether the network's seeds are dialled as well.
    pub use_seeds: bool,
}

/// What every connection can reach.
pub(super) struct Shared {
    pub(super) params: Arc<ChainParams>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) engine: EngineHandle,
    pub(super) store: ChainReader,
    pub(super) bans: Bans,
    /// Sent in every `version` of this run; a connection that shows it leads back to us.
    pub(super) own_nonce: u64,
    tip_height: Arc<AtomicU32>,
}

impl Shared {
    pub(super) fn tip_height(&self) -> Height {
        Height(self.tip_height.load(Ordering::Relaxed))
    }

    /// What we offer: all blocks, or the last ones, if others were pruned. A store that cannot be read offers nothing.
    pub(super) fn services(&self) -> Services {
        match self.store.lowest_body() {
            Ok(Height::GENESIS) => Services::NETWORK,
            Ok(_) => Services::NETWORK_LIMITED,
            Err(error) => {
                tracing::error!("[P2P] Cannot read the store: {error}");
                Services::default()
            }
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "one place to ask for randomness, so that a simulation can own it"
    )]
    pub(super) fn random_nonce(&self) -> u64 {
        random_u64()
    }

    /// Scores a peer; at the limit its address is banned and the connection closed.
    pub(super) fn punish(&self, peer: &Peer, misbehaviour: Misbehaviour) -> bool {
        let over = peer.add_score(misbehaviour);
        if over {
            self.bans.ban(peer.address.ip(), self.clock.now().mono);
            peer.disconnect();
        }
        over
    }
}

/// All connections of a node.
#[doc(alias = "CConnman")]
pub struct ConnectionManager {
    shared: Arc<Shared>,
    peers: Arc<Peers>,
    dialer: Arc<dyn Dialer>,
    outbound_slots: Arc<Semaphore>,
    tasks: TaskTracker,
    interrupted: CancellationToken,
}

impl std::fmt::Debug for ConnectionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionManager").field("peers", &self.peers).finish_non_exhaustive()
    }
}

impl ConnectionManager {
    /// A manager without connections. Must be called on a tokio runtime.
    #[must_use]
    pub fn new(
        params: Arc<ChainParams>,
        clock: Arc<dyn Clock>,
        engine: EngineHandle,
        store: ChainReader,
        peers: Arc<Peers>,
        tip_height: Arc<AtomicU32>,
        dialer: Arc<dyn Dialer>,
    ) -> Self {
        let own_nonce = random_u64();
        let bans = Bans::default();
        Self {
            shared: Arc::new(Shared { params, clock, engine, store, bans, own_nonce, tip_height }),
            peers,
            dialer,
            outbound_slots: Arc::new(Semaphore::new(MAX_OUTBOUND_CONNECTIONS)),
            tasks: TaskTracker::new(),
            interrupted: CancellationToken::new(),
        }
    }

    /// Starts listening and dialling; returns the address listened on.
    ///
    /// # Errors
    ///
    /// If the listening address cannot be bound.
    pub async fn start(self: &Arc<Self>, config: NetConfig) -> std::io::Result<Option<SocketAddr>> {
        let mut bound = None;
        if let Some(address) = config.listen {
            let listener = TcpListener::bind(address).await?;
            bound = Some(listener.local_addr()?);
            tracing::info!("[P2P] Listening on {}", listener.local_addr()?);
            self.tasks.spawn(Arc::clone(self).accept_loop(listener));
        }
        for address in config.peers {
            self.maintain(address);
        }
        if config.use_seeds {
            self.tasks.spawn(Arc::clone(self).dial_seeds());
        }
        Ok(bound)
    }

    /// Keeps a connection to this address: dials, and dials again when it is lost.
    pub fn maintain(self: &Arc<Self>, address: SocketAddr) {
        self.tasks.spawn(Arc::clone(self).maintain_loop(address));
    }

    /// Stops accepting and dialling and closes all connections, without waiting.
    pub fn interrupt(&self) {
        self.interrupted.cancel();
        self.tasks.close();
    }

    /// Stops, and waits until every task has ended.
    pub async fn stop(&self) {
        tracing::info!("  Stopping P2P server...");
        self.interrupt();
        self.tasks.wait().await;
    }

    /// Closes one connection.
    pub fn disconnect(&self, id: PeerId) {
        if let Some(peer) = self.peers.get(id) {
            peer.disconnect();
        }
    }

    /// Queues a message to a peer.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the connection is gone or the peer does not read.
    pub fn push_message(&self, id: PeerId, message: &Message) -> Result<(), SendError> {
        let Some(peer) = self.peers.get(id) else {
            tracing::debug!("[P2P] No socket for peer {id}");
            return Err(SendError::Closed);
        };
        peer.send(message).inspect_err(|_| tracing::warn!("[P2P] Failed to send message to peer {id}"))
    }

    /// Scores a peer for something noticed behind the network layer.
    pub fn punish(&self, id: PeerId, misbehaviour: Misbehaviour) {
        if let Some(peer) = self.peers.get(id) {
            self.shared.punish(&peer, misbehaviour);
        }
    }

    /// All connections.
    #[must_use]
    pub fn peers(&self) -> &Arc<Peers> {
        &self.peers
    }

    async fn accept_loop(self: Arc<Self>, listener: TcpListener) {
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
        let ip = IpAddr::to_canonical(&address.ip());
        if self.shared.bans.is_banned(ip, self.shared.clock.now().mono) {
            tracing::debug!("[P2P] Refused {address}: banned");
        } else if self.peers.count(Direction::Inbound) >= MAX_INBOUND_CONNECTIONS {
            tracing::debug!("[P2P] Refused {address}: all inbound slots are taken");
        } else {
            tracing::info!("[P2P] New peer connected: {address}");
            let id = self.peers.next_id();
            tracing::info!("[P2P] Peer {id} accepted: {address}");
            let manager = Arc::clone(self);
            // In the table before its task runs, so that a burst is counted as it comes.
            let peer = self.register(id, address, Direction::Inbound);
            self.tasks.spawn(async move { manager.run(stream, peer).await });
        }
    }

    fn register(&self, id: PeerId, address: SocketAddr, direction: Direction) -> Arc<Peer> {
        let peer = Arc::new(Peer::new(id, address, direction, self.interrupted.child_token()));
        self.peers.insert(Arc::clone(&peer));
        peer
    }

    async fn run(&self, stream: TcpStream, peer: Arc<Peer>) -> Ended {
        let id = peer.id;
        let ended = connection::run(stream, peer, Arc::clone(&self.shared)).await;
        self.peers.remove(id);
        tracing::info!("[P2P] Peer {id} disconnected: {ended}");
        ended
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
        if self.shared.bans.is_banned(address.ip(), self.shared.clock.now().mono) {
            tracing::debug!("[P2P] Not connecting to {address}: banned");
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
        let id = self.peers.next_id();
        tracing::info!("[P2P] Connected to peer {id}");
        let peer = self.register(id, address, Direction::Outbound);
        let ended = self.run(stream, Arc::clone(&peer)).await;
        Some((ended, peer.snapshot().handshake_complete))
    }

    /// Connects to the network's fixed seeds and to whatever its DNS seeds name.
    async fn dial_seeds(self: Arc<Self>) {
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
