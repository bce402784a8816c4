//! All connections of a node: starts, stops, finds, punishes them. Accepting is in `inbound`, dialling in `outbound`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dilithion_chain::ChainReader;
use dilithion_wire::{ChainParams, Message, Misbehaviour, PeerId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address_book::{ADDRESS_FILE, AddressBook};
use super::allowances::Allowances;
use super::bans::{BAN_FILE, Spared};
use super::connection::{self, Ended};
use super::peer::{Peer, SendError};
use super::receive_budget::SharedReceiveBudget;
use super::shared::Shared;
use super::{Ban, Bans, Dialer, Host, MAX_OUTBOUND_CONNECTIONS, NetConfig, Peers, Purpose};
use crate::clock::Clock;
use crate::event::Events;
use crate::random::random_u64;
use crate::stage::EngineHandle;
use crate::sync::SyncMode;

/// What a manager is made from.
pub(crate) struct NetParts {
    pub(crate) params: Arc<ChainParams>,
    pub(crate) config: NetConfig,
    /// Whether there will be blocks and transactions to offer.
    pub(crate) mode: SyncMode,
    /// Where bans and addresses are kept.
    pub(crate) datadir: Option<PathBuf>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: EngineHandle,
    pub(crate) store: ChainReader,
    pub(crate) tip_height: Arc<AtomicU32>,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) events: Arc<dyn Events>,
}

/// All connections of a node.
#[doc(alias = "CConnman")]
pub struct ConnectionManager {
    pub(super) shared: Arc<Shared>,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) outbound_slots: Arc<Semaphore>,
    /// Addresses that the operator wants us to stay connected to.
    pub(super) maintained: Mutex<BTreeMap<SocketAddr, CancellationToken>>,
    pub(super) tasks: TaskTracker,
    pub(super) interrupted: CancellationToken,
    /// Orders networks in a way that nobody else knows.
    pub(super) secret: u64,
}

impl std::fmt::Debug for ConnectionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionManager").field("peers", &self.shared.peers).finish_non_exhaustive()
    }
}

impl ConnectionManager {
    /// A manager without connections; reads the bans of earlier runs.
    #[must_use]
    pub(crate) fn new(parts: NetParts) -> Self {
        let NetParts { params, config, mode, datadir, clock, engine, store, tip_height, dialer, events } =
            parts;
        let seeds = params.seeds.iter().filter_map(|seed| seed.parse::<SocketAddr>().ok());
        let known = config.peers.iter().copied().chain(seeds);
        let spared = Spared {
            hosts: known.map(|address| Host::of(address.ip())).collect(),
            loopback_as_remote: config.loopback_as_remote,
        };
        let file = |name| datadir.as_ref().map(|datadir| datadir.join(name));
        let bans = Bans::load(file(BAN_FILE), spared);
        let book = AddressBook::load(file(ADDRESS_FILE), config.loopback_as_remote);
        let peers = Arc::new(Peers::default());
        let pool_search = Arc::new(Semaphore::new(1));
        let allowances = Mutex::new(Allowances::new(config.upload));
        let shared = Shared {
            params,
            config,
            mode,
            clock,
            engine,
            store,
            peers,
            bans,
            book,
            allowances,
            receive_budget: SharedReceiveBudget::default(),
            pool_search,
            tip_height,
            events,
        };
        Self {
            shared: Arc::new(shared),
            dialer,
            outbound_slots: Arc::new(Semaphore::new(MAX_OUTBOUND_CONNECTIONS)),
            maintained: Mutex::default(),
            tasks: TaskTracker::new(),
            interrupted: CancellationToken::new(),
            secret: random_u64(),
        }
    }

    /// Starts listening and dialling; returns the address listened on. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the listening address cannot be bound.
    pub async fn start(self: &Arc<Self>) -> std::io::Result<Option<SocketAddr>> {
        let config = &self.shared.config;
        let mut bound = None;
        if let Some(address) = config.listen {
            let listener = TcpListener::bind(address).await?;
            bound = Some(listener.local_addr()?);
            tracing::info!("[P2P] Listening on {}", listener.local_addr()?);
            self.tasks.spawn(Arc::clone(self).accept_loop(listener));
        }
        let (shared, stopped) = (Arc::clone(&self.shared), self.interrupted.clone());
        self.tasks.spawn(async move { shared.bans.keep_saved(stopped).await });
        for address in &config.peers {
            self.maintain(*address);
        }
        if config.use_seeds {
            self.tasks.spawn(Arc::clone(self).ask_seeds());
        }
        if config.use_seeds || config.use_addresses {
            self.tasks.spawn(Arc::clone(self).fill_outbound_slots());
            self.tasks.spawn(Arc::clone(self).send_feelers());
            self.tasks.spawn(Arc::clone(self).keep_addresses_saved());
        }
        Ok(bound)
    }

    /// Stops accepting and dialling and closes all connections, without waiting.
    pub fn interrupt(&self) {
        self.interrupted.cancel();
        self.tasks.close();
    }

    /// Stops, and waits until every task has ended.
    pub async fn stop(&self) {
        tracing::info!("  Stopping P2P server...");
        let anchors = self.anchors();
        self.interrupt();
        self.tasks.wait().await;
        self.shared.book.save(anchors).await;
    }

    /// Closes one connection.
    pub fn disconnect(&self, id: PeerId) {
        if let Some(peer) = self.shared.peers.get(id) {
            peer.disconnect();
        }
    }

    /// Queues a message to a peer.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the connection is gone or the peer does not read.
    pub fn push_message(&self, id: PeerId, message: &Message) -> Result<(), SendError> {
        let Some(peer) = self.shared.peers.get(id) else {
            tracing::debug!("[P2P] No socket for peer {id}");
            return Err(SendError::Closed);
        };
        peer.send(message).inspect_err(|_| tracing::warn!("[P2P] Failed to send message to peer {id}"))
    }

    /// Scores a peer for something noticed behind the network layer.
    pub fn punish(&self, id: PeerId, misbehaviour: Misbehaviour) {
        if let Some(peer) = self.shared.peers.get(id) {
            self.shared.punish(&peer, misbehaviour);
        }
    }

    /// A block that a peer sent goes to the validator: such peers are kept when slots are short.
    pub(crate) fn note_block(&self, id: PeerId) {
        if let Some(peer) = self.shared.peers.get(id) {
            peer.note_block(self.shared.clock.now().mono);
        }
    }

    /// All connections.
    #[must_use]
    pub fn peers(&self) -> &Arc<Peers> {
        &self.shared.peers
    }

    /// The bans in force.
    #[must_use]
    pub fn banned(&self) -> Vec<Ban> {
        self.shared.bans.list(self.shared.clock.now())
    }

    /// Refuses an address for [`BAN_DURATION`](super::BAN_DURATION) and closes its connections. This works on any
    /// address: whoever bans by hand knows whom.
    pub fn ban(&self, ip: IpAddr, reason: String) {
        self.ban_for(ip, reason, super::BAN_DURATION);
    }

    /// The same for another time. A ban in force that ends later stays as it is.
    pub fn ban_for(&self, ip: IpAddr, reason: String, duration: Duration) {
        self.shared.bans.ban_for(ip, reason, duration, self.shared.clock.now());
        self.shared.peers.disconnect_host(Host::of(ip));
    }

    /// Lifts the ban of an address; tells whether there was one.
    pub fn unban(&self, ip: IpAddr) -> bool {
        self.shared.bans.unban(ip)
    }

    /// Lifts all bans.
    pub fn clear_banned(&self) {
        self.shared.bans.clear();
    }

    /// A new peer, which is disconnected when `wanted` is cancelled.
    pub(super) fn register(
        &self,
        address: SocketAddr,
        purpose: Purpose,
        wanted: &CancellationToken,
    ) -> Arc<Peer> {
        let (id, now) = (self.shared.peers.next_id(), self.shared.clock.now().mono);
        let peer =
            Arc::new(Peer::new(id, address, purpose, self.shared.random_nonce(), now, wanted.child_token()));
        self.shared.peers.insert(Arc::clone(&peer));
        peer
    }

    pub(super) async fn run(&self, stream: TcpStream, peer: Arc<Peer>) -> Ended {
        let id = peer.id;
        let ended = connection::run(stream, peer, Arc::clone(&self.shared)).await;
        self.shared.peers.remove(id);
        self.shared.bans.forget_connection(id);
        tracing::info!("[P2P] Peer {id} disconnected: {ended}");
        ended
    }
}
