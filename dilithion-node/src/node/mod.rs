//! Puts the parts together: a running node.

mod builder;
mod config;
mod handle;
mod make_blocks;
mod messages;
mod parts;
mod verdicts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use dilithion_chain::{Accepted, ChainReader, Chainstate, MessagePool, PendingError};
use dilithion_headers::HashToken;
use dilithion_pow::{Hasher, PoolConfig, PowPool, PowStats};
use dilithion_wire::Transaction;

pub use self::builder::NodeBuilder;
pub use self::config::{CHAINSTATE_FOLDER, HASH_NICENESS, NodeConfig, NodeError};
use self::handle::HandleParts;
pub use self::handle::NodeHandle;
pub use self::messages::SubmitError;
use self::parts::check_genesis;
pub use self::parts::{load_headers, open_chainstate, randomx};
use crate::clock::{Clock, SystemClock};
use crate::event::{Events, NodeEvent, Reporter};
use crate::http::{HttpServer, Services};
use crate::net::{ConnectionManager, NetParts, PeerSnapshot};
use crate::producer::{MinerIdentity, Producer, ProducerParts, Refusal};
use crate::random::random_u64;
use crate::relay::TxRelay;
use crate::stage::{
    Engine, EngineHandle, EngineParts, StatusReceiver, TipReceiver, ValidatorThread, pending_ids,
};
use crate::sync::{Coordinator, CoordinatorConfig, Event, MAX_STORED, SyncMode};

/// A running node. Dropping it without [`Node::stop`] leaves its threads running.
pub struct Node {
    connections: Arc<ConnectionManager>,
    engine: Engine,
    pool: Arc<PowPool<HashToken>>,
    store: ChainReader,
    messages: MessagePool,
    /// What makes blocks, or why none are made on this network.
    producer: Result<Producer, Refusal>,
    listening: Option<SocketAddr>,
    events: Arc<dyn Events>,
    handle: NodeHandle,
    http: Option<HttpServer>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("listening", &self.listening).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the store and starts every part, the network last. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if any part cannot start; nothing is left running then.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        let runtime = tokio::runtime::Handle::current();
        // Opening the store and RandomX takes a second: not on a network thread.
        let prepared = runtime.spawn_blocking(move || Prepared::new(config)).await;
        let (mut config, prepared) = match prepared {
            Ok(prepared) => prepared?,
            Err(error) => return Err(NodeError::Thread(std::io::Error::other(error))),
        };
        let http = config.http.take();
        let mut node = prepared.start(config).await?;
        if let Some(http) = http {
            match HttpServer::start(http, Services::new(node.handle())) {
                Ok(server) => node.http = Some(server),
                Err(error) => {
                    node.stop().await;
                    return Err(error.into());
                }
            }
        }
        Ok(node)
    }

    /// The address of the HTTP server that [`NodeConfig::http`] asked for.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// The address listened on.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening
    }

    /// The state of the sync; changes can be waited for.
    #[must_use]
    pub fn status(&self) -> StatusReceiver {
        self.engine.status()
    }

    /// The tip of the connected chain; changes can be waited for.
    #[must_use]
    pub fn tip(&self) -> TipReceiver {
        self.engine.tip()
    }

    /// The hash pool's counters.
    #[must_use]
    pub fn pow_stats(&self) -> PowStats {
        self.pool.stats()
    }

    /// All connections.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerSnapshot> {
        self.connections.peers().snapshots()
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &ChainReader {
        &self.store
    }

    /// The connection manager.
    #[must_use]
    pub fn connections(&self) -> &Arc<ConnectionManager> {
        &self.connections
    }

    /// Makes a transaction pending, if a block on top of the tip could include it, and announces it. `None` if the node is
    /// stopping or its store has failed.
    pub async fn submit_transaction(
        &self,
        transaction: Transaction,
    ) -> Option<Result<Accepted, PendingError>> {
        self.handle.submit_transaction(transaction).await
    }

    /// For whoever shows the node to people, or lets them act on it.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Completes when somebody asked for the end by [`NodeHandle::request_stop`].
    pub async fn stop_requested(&self) {
        self.handle.stop_requested().await;
    }

    /// Lets the producer finish its block, closes connections, lets the validator finish, closes the store.
    pub async fn stop(self) {
        let Self { connections, engine, pool, messages, producer, events, handle, http, .. } = self;
        drop(handle);
        if let Some(http) = http
            && tokio::task::spawn_blocking(|| http.stop()).await.is_err()
        {
            tracing::error!("shutdown was interrupted");
        }
        if let Ok(producer) = producer
            && tokio::task::spawn_blocking(|| producer.stop()).await.is_err()
        {
            tracing::error!("shutdown was interrupted");
        }
        // First, so that losing all peers on the way out is no event.
        engine.interrupt();
        connections.stop().await;
        let joined = tokio::task::spawn_blocking(move || {
            engine.stop();
            // The last to hold the store's lock.
            drop((pool, messages));
            // Whoever listens may wait for a disk, or a hook.
            events.on(&NodeEvent::NodeStop);
        });
        if joined.await.is_err() {
            tracing::error!("shutdown was interrupted");
        }
        tracing::info!("Shutdown complete");
    }
}

/// Everything that is needed before the first thread starts.
struct Prepared {
    clock: Arc<dyn Clock>,
    chain: Chainstate,
    coordinator: Coordinator,
    relay: TxRelay,
    hasher: Arc<dyn Hasher>,
    identity: Option<MinerIdentity>,
}

impl Prepared {
    fn new(config: NodeConfig) -> Result<(NodeConfig, Self), NodeError> {
        let params = &config.params;
        let headers_only = config.mode == SyncMode::Headers && config.producer.interval.is_some();
        let refusal = headers_only.then_some(Refusal::HeadersOnly);
        if let Some(refusal) = refusal.or_else(|| config.producer.refusal(params)) {
            return Err(refusal.into());
        }
        let key_file = config.producer.identity_key.as_deref();
        let identity = key_file.map(|file| MinerIdentity::open_or_create(file, params)).transpose()?;
        let chain = open_chainstate(&config)?;
        let hasher = match &config.hasher {
            Some(hasher) => Arc::clone(hasher),
            None => randomx(params, config.pow, config.threads)?,
        };
        check_genesis(params, hasher.as_ref())?;
        let headers = load_headers(params, &chain.reader())?;
        let pending = pending_ids(&chain.reader()).map_err(|error| NodeError::Store(Box::new(error)))?;
        let relay = TxRelay::new(config.relay, random_u64(), pending);
        let tip = chain.tip();
        let last_checkpoint = params.last_checkpoint().map(|checkpoint| checkpoint.height);
        let stored = chain.reader().stored_beside_chain(MAX_STORED);
        let coordinator = Coordinator::new(
            CoordinatorConfig {
                mode: config.mode,
                stop_at: config.stop_at,
                last_checkpoint,
                max_reorg_depth: params.consensus.max_reorg_depth,
                stored: stored.map_err(|error| NodeError::Store(Box::new(error)))?,
                ..CoordinatorConfig::default()
            },
            headers,
            (tip.height, tip.hash),
        );
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok((config, Self { clock, chain, coordinator, relay, hasher, identity }))
    }

    async fn start(self, config: NodeConfig) -> Result<Node, NodeError> {
        let Self { clock, chain, coordinator, relay, hasher, identity } = self;
        let (handle, inputs) = EngineHandle::channel();
        let answers = handle.clone();
        let pool_config = PoolConfig { threads: config.threads, niceness: Some(HASH_NICENESS) };
        let pool = PowPool::new(pool_config, Arc::clone(&hasher), move |result| {
            let event = match result.hash {
                Ok(hash) => Event::HashComputed { token: result.tag, hash },
                Err(panic) => Event::HashFailed { reason: panic.to_string() },
            };
            answers.send(event, None);
        })?;
        let pool = Arc::new(pool);
        let store = chain.reader();
        let messages = chain.message_pool();
        let tip = chain.tip().height;
        let tip_height = Arc::new(AtomicU32::new(tip.0));
        let events = config.events;
        let reporter = Reporter::new(Arc::clone(&events), &config.params, tip);
        let address = config.net.listen;
        let connections = Arc::new(ConnectionManager::new(NetParts {
            params: Arc::clone(&config.params),
            config: config.net,
            mode: config.mode,
            datadir: Some(config.datadir),
            clock: Arc::clone(&clock),
            engine: handle.clone(),
            store: store.clone(),
            tip_height: Arc::clone(&tip_height),
            dialer: config.dialer,
            events: Arc::clone(&events),
        }));
        let limits = config.params.limits;
        events.on(&NodeEvent::NodeStart { network: config.params.name.clone(), height: tip });
        events.on(&NodeEvent::IntegrityVerified { height: tip });
        let validator = ValidatorThread::spawn(chain, limits, Arc::clone(&clock), handle.clone())
            .map_err(NodeError::Thread)?;
        let parts = EngineParts {
            coordinator,
            relay,
            clock: Arc::clone(&clock),
            connections: Arc::clone(&connections),
            pool: Arc::clone(&pool),
            validator,
            tip_height,
            reporter,
        };
        let engine = Engine::spawn(parts, handle.clone(), inputs).map_err(NodeError::Thread)?;
        let scheduled = config.producer.interval.is_some();
        let producer = ProducerParts {
            params: Arc::clone(&config.params),
            config: config.producer,
            identity,
            clock: Arc::clone(&clock),
            store: store.clone(),
            hasher,
            engine: handle.clone(),
            status: engine.status(),
            tip: engine.tip(),
        };
        let headers_only = (config.mode == SyncMode::Headers).then_some(Refusal::HeadersOnly);
        let producer = match headers_only.or_else(|| Refusal::of(&producer.params, &producer.config)) {
            Some(refusal) => Err(refusal),
            None => match Producer::spawn(producer) {
                Ok(producer) => Ok(producer),
                Err(error) => {
                    engine.stop();
                    return Err(NodeError::Thread(error));
                }
            },
        };
        match connections.start().await {
            Ok(listening) => {
                let parts = HandleParts {
                    runtime: tokio::runtime::Handle::current(),
                    params: config.params,
                    clock: Arc::clone(&clock),
                    connections: Arc::clone(&connections),
                    pool: Arc::clone(&pool),
                    store: store.clone(),
                    engine: handle,
                    status: engine.status(),
                    detail: engine.detail(),
                    listening,
                    produces: scheduled && producer.is_ok(),
                    producer: producer.as_ref().map(Producer::handle).map_err(Clone::clone),
                    messages: messages.clone(),
                    events: Arc::clone(&events),
                };
                let handle = NodeHandle::new(parts);
                Ok(Node {
                    connections,
                    engine,
                    pool,
                    store,
                    messages,
                    producer,
                    listening,
                    events,
                    handle,
                    http: None,
                })
            }
            Err(source) => {
                if let Ok(producer) = producer {
                    producer.stop();
                }
                engine.stop();
                Err(NodeError::Listen { address: address.unwrap_or(([0, 0, 0, 0], 0).into()), source })
            }
        }
    }
}
