//! What may be seen of a running node, and done to it, from any thread.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dilithion_chain::{Accepted, ChainReader, MessagePool, PendingError};
use dilithion_headers::HashToken;
use dilithion_pow::{PowPool, PowStats};
use dilithion_wire::{ChainParams, PeerId, Transaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Now};
use crate::event::{Events, NodeEvent};
use crate::net::{Ban, ConnectionManager, PeerInfo, PeerSnapshot};
use crate::producer::{Payee, ProduceError, Produced, ProducerHandle, Refusal};
use crate::redact;
use crate::stage::{DetailPublisher, EngineEvent, EngineHandle, StatusReceiver, Submission, Trial};
use crate::sync::{Event, Order, SyncDetail};

/// Characters of an action's detail at most: a record of the journal shows no more.
const MAX_DETAIL: usize = 500;

/// What may be seen of a running node, and done to it. Nothing here waits for the engine: what is seen are snapshots of
/// the last tenth of a second, and what is ordered is queued.
///
/// Clones are cheap. They keep the store open, so they are to be dropped when the node stops.
#[derive(Clone)]
pub struct NodeHandle {
    parts: Arc<HandleParts>,
    stop: CancellationToken,
    /// Held so that the engine publishes details.
    detail: watch::Receiver<Arc<SyncDetail>>,
}

/// What a handle reaches.
pub(super) struct HandleParts {
    /// Where connections run.
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) params: Arc<ChainParams>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connections: Arc<ConnectionManager>,
    pub(super) pool: Arc<PowPool<HashToken>>,
    pub(super) store: ChainReader,
    pub(super) engine: EngineHandle,
    pub(super) status: StatusReceiver,
    pub(super) detail: DetailPublisher,
    /// What the operator has ordered so far; the status follows.
    pub(super) paused: Mutex<bool>,
    pub(super) listening: Option<SocketAddr>,
    /// It makes blocks of its own by a schedule.
    pub(super) produces: bool,
    /// What makes blocks, or why none are made on this network.
    pub(super) producer: Result<ProducerHandle, Refusal>,
    pub(super) messages: MessagePool,
    pub(super) events: Arc<dyn Events>,
}

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeHandle").field("network", &self.parts.params.name).finish_non_exhaustive()
    }
}

impl NodeHandle {
    pub(super) fn new(parts: HandleParts) -> Self {
        let detail = parts.detail.subscribe();
        Self { parts: Arc::new(parts), stop: CancellationToken::new(), detail }
    }

    /// The network's parameters.
    #[must_use]
    pub fn params(&self) -> &Arc<ChainParams> {
        &self.parts.params
    }

    /// The present moment on the node's clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.parts.clock.now()
    }

    /// The state of the sync; changes can be waited for.
    #[must_use]
    pub fn status(&self) -> StatusReceiver {
        self.parts.status.clone()
    }

    /// What the sync does with each block and each peer.
    #[must_use]
    pub fn detail(&self) -> Arc<SyncDetail> {
        Arc::clone(&self.detail.borrow())
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &ChainReader {
        &self.parts.store
    }

    /// The hash pool's counters.
    #[must_use]
    pub fn pow_stats(&self) -> PowStats {
        self.parts.pool.stats()
    }

    /// The address listened on.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.parts.listening
    }

    /// Whether the node makes blocks of its own by a schedule.
    #[must_use]
    pub fn produces(&self) -> bool {
        self.parts.produces
    }

    /// All connections, oldest first: their counters, and what the peers said of themselves. What people read of it, the
    /// user agent, is free of control characters and secrets, as in the journal.
    #[must_use]
    pub fn peers(&self) -> Vec<(PeerSnapshot, PeerInfo)> {
        let mut peers = self.parts.connections.peers().described();
        for said in peers.iter_mut().filter_map(|(_, info)| info.version.as_mut()) {
            said.user_agent = redact::foreign(&said.user_agent);
        }
        peers
    }

    /// Closes a connection; tells whether there was one.
    #[must_use]
    pub fn disconnect(&self, id: PeerId) -> bool {
        let peer = self.parts.connections.peers().get(id);
        peer.inspect(|peer| peer.disconnect()).is_some()
    }

    /// Keeps a connection to this address from now on.
    pub fn add_peer(&self, address: SocketAddr) {
        let _on_the_nodes_runtime = self.parts.runtime.enter();
        self.parts.connections.maintain(address);
    }

    /// Dials an address once; what comes of it can be seen in [`peers`](Self::peers).
    pub fn try_peer(&self, address: SocketAddr) {
        let _on_the_nodes_runtime = self.parts.runtime.enter();
        self.parts.connections.try_once(address);
    }

    /// Keeps no connection to this address any more, and closes the one there is; tells whether one was kept.
    #[must_use]
    pub fn remove_peer(&self, address: SocketAddr) -> bool {
        self.parts.connections.abandon(address)
    }

    /// The bans in force.
    #[must_use]
    pub fn banned(&self) -> Vec<Ban> {
        self.parts.connections.banned()
    }

    /// Refuses an address and closes its connections.
    pub fn ban(&self, ip: IpAddr, reason: String, duration: Duration) {
        self.parts.connections.ban_for(ip, reason, duration);
    }

    /// Lifts the ban of an address; tells whether there was one.
    #[must_use]
    pub fn unban(&self, ip: IpAddr) -> bool {
        self.parts.connections.unban(ip)
    }

    /// Lifts all bans.
    pub fn clear_banned(&self) {
        self.parts.connections.clear_banned();
    }

    /// Makes a block on top of the tip now, of what is pending, and waits until it is connected. It pays `payee`, or who is
    /// [configured](super::NodeConfig::producer).
    ///
    /// # Errors
    /// [`ProduceError`]; always on networks that are not private.
    pub async fn produce(&self, payee: Option<Payee>) -> Result<Produced, ProduceError> {
        match &self.parts.producer {
            Ok(producer) => producer.produce(payee).await,
            Err(refusal) => Err(refusal.clone().into()),
        }
    }

    pub(super) fn messages(&self) -> &MessagePool {
        &self.parts.messages
    }

    /// Writes down what the operator asked for; whoever carries it out says so here. Of long details the beginning is kept,
    /// without secrets.
    pub fn note_action(&self, name: &str, detail: &str) {
        // Cut last, so that no secret is cut to what does not look like one.
        let detail = redact::limit(&redact::redact(detail), MAX_DETAIL).into_owned();
        let event = NodeEvent::Action { name: name.to_owned(), detail };
        self.parts.events.on(&event);
    }

    /// Tells the coordinator what the operator wants; `false` if that is not possible, since the sync is paused, or is not.
    /// What counts are the orders so far, and not a snapshot, which may not show the last of them yet.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        // Held until the order is on its way, so that orders arrive as they were judged.
        let mut paused = self.parts.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let possible = *paused == (order == Order::Resume);
        if possible {
            *paused = order == Order::Pause;
            self.parts.engine.send(Event::Ordered(order), None);
        }
        possible
    }

    /// Makes a transaction pending, if a block on top of the tip could include it, and announces it. `None` if the node is
    /// stopping or its store has failed.
    pub async fn submit_transaction(
        &self,
        transaction: Transaction,
    ) -> Option<Result<Accepted, PendingError>> {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let submission = Submission { txid: transaction.txid(), transaction, reply: Some(reply) };
        self.parts.engine.send(EngineEvent::Submit(submission), None);
        outcome.await.ok()
    }

    /// What [`submit_transaction`](Self::submit_transaction) would say of transactions, one after another; nothing becomes
    /// pending and nothing is announced. `None` if the node is stopping or its store has failed.
    #[doc(alias = "testmempoolaccept")]
    pub async fn try_transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Option<Vec<Result<Accepted, PendingError>>> {
        let (reply, outcomes) = tokio::sync::oneshot::channel();
        self.tell_engine(EngineEvent::Try(Trial { transactions, reply }));
        outcomes.await.ok()
    }

    pub(super) fn tell_engine(&self, event: EngineEvent) {
        self.parts.engine.send(event, None);
    }

    /// Asks whoever runs the node to stop it.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Completes when the end was asked for.
    pub async fn stop_requested(&self) {
        self.stop.cancelled().await;
    }
}
