//! Starting a node: the store and the hash function first, the network last.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use dilithion_chain::{ChainReader, Chainstate, MessagePool};
use dilithion_headers::HashToken;
use dilithion_pow::{Hasher, PoolConfig, PowError, PowPool};
use dilithion_wire::ChainParams;

use super::handle::HandleParts;
use super::parts::{check_genesis, load_headers, open_chainstate, randomx};
use super::{HASH_NICENESS, Node, NodeConfig, NodeError, NodeHandle};
use crate::clock::{Clock, SystemClock};
use crate::event::{Events, NodeEvent, Reporter};
use crate::net::{ConnectionManager, NetParts};
use crate::producer::{MinerIdentity, Producer, ProducerParts, Refusal};
use crate::random::random_u64;
use crate::relay::TxRelay;
use crate::stage::{Engine, EngineHandle, EngineParts, ValidatorThread, pending_ids};
use crate::sync::{Coordinator, CoordinatorConfig, Event, MAX_STORED, SyncMode};

/// Everything that is needed before the first thread starts.
pub(super) struct Prepared {
    clock: Arc<dyn Clock>,
    chain: Chainstate,
    coordinator: Coordinator,
    relay: TxRelay,
    hasher: Arc<dyn Hasher>,
    identity: Option<MinerIdentity>,
}

impl Prepared {
    pub(super) fn new(config: NodeConfig) -> Result<(NodeConfig, Self), NodeError> {
        let params = &config.params;
        if let Some(refusal) = config.refusal() {
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
        let stored = chain.reader().stored_beside_chain(MAX_STORED);
        let coordinator = Coordinator::new(
            CoordinatorConfig {
                mode: config.mode,
                stop_at: config.stop_at,
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

    pub(super) async fn start(self, config: NodeConfig) -> Result<Node, NodeError> {
        let address = config.net.listen;
        let running = Running::spawn(self, config)?;
        match running.connections.start().await {
            Ok(listening) => Ok(running.into_node(listening)),
            Err(source) => {
                running.stop();
                Err(NodeError::Listen { address: address.unwrap_or(([0, 0, 0, 0], 0).into()), source })
            }
        }
    }
}

/// All threads of a node, which has no connection yet.
struct Running {
    params: Arc<ChainParams>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
    store: ChainReader,
    messages: MessagePool,
    pool: Arc<PowPool<HashToken>>,
    connections: Arc<ConnectionManager>,
    inbox: EngineHandle,
    engine: Engine,
    producer: Result<Producer, Refusal>,
    /// The operator wants blocks at intervals.
    scheduled: bool,
}

impl Running {
    fn spawn(prepared: Prepared, config: NodeConfig) -> Result<Self, NodeError> {
        let Prepared { clock, chain, coordinator, relay, hasher, identity } = prepared;
        let NodeConfig { params, datadir, net, dialer, mode, threads, events, producer, .. } = config;
        let (inbox, inputs) = EngineHandle::channel();
        let pool = Arc::new(hash_pool(threads, Arc::clone(&hasher), inbox.clone())?);
        let (store, messages, tip) = (chain.reader(), chain.message_pool(), chain.tip().height);
        let tip_height = Arc::new(AtomicU32::new(tip.0));
        let connections = Arc::new(ConnectionManager::new(NetParts {
            params: Arc::clone(&params),
            config: net,
            mode,
            datadir: Some(datadir),
            clock: Arc::clone(&clock),
            engine: inbox.clone(),
            store: store.clone(),
            tip_height: Arc::clone(&tip_height),
            dialer,
            events: Arc::clone(&events),
        }));
        events.on(&NodeEvent::NodeStart { network: params.name.clone(), height: tip });
        events.on(&NodeEvent::IntegrityVerified { height: tip });
        let validator = ValidatorThread::spawn(chain, params.limits, Arc::clone(&clock), inbox.clone());
        let parts = EngineParts {
            coordinator,
            relay,
            clock: Arc::clone(&clock),
            connections: Arc::clone(&connections),
            pool: Arc::clone(&pool),
            validator: validator.map_err(NodeError::Thread)?,
            tip_height,
            reporter: Reporter::new(Arc::clone(&events), &params, tip),
        };
        let engine = Engine::spawn(parts, inbox.clone(), inputs).map_err(NodeError::Thread)?;
        let scheduled = producer.interval.is_some();
        let parts = ProducerParts {
            params: Arc::clone(&params),
            config: producer,
            identity,
            clock: Arc::clone(&clock),
            store: store.clone(),
            hasher,
            engine: inbox.clone(),
            status: engine.status(),
            tip: engine.tip(),
        };
        match spawn_producer(parts, mode) {
            Ok(producer) => Ok(Self {
                params,
                clock,
                events,
                store,
                messages,
                pool,
                connections,
                inbox,
                engine,
                producer,
                scheduled,
            }),
            Err(error) => {
                engine.stop();
                Err(NodeError::Thread(error))
            }
        }
    }

    fn into_node(self, listening: Option<SocketAddr>) -> Node {
        let handle = NodeHandle::new(HandleParts {
            runtime: tokio::runtime::Handle::current(),
            params: self.params,
            clock: self.clock,
            connections: Arc::clone(&self.connections),
            pool: Arc::clone(&self.pool),
            store: self.store.clone(),
            engine: self.inbox,
            status: self.engine.status(),
            detail: self.engine.detail(),
            paused: Mutex::new(false),
            listening,
            produces: self.scheduled && self.producer.is_ok(),
            producer: self.producer.as_ref().map(Producer::handle).map_err(Clone::clone),
            messages: self.messages.clone(),
            events: Arc::clone(&self.events),
        });
        Node {
            connections: self.connections,
            engine: self.engine,
            pool: self.pool,
            store: self.store,
            messages: self.messages,
            producer: self.producer,
            listening,
            events: self.events,
            handle,
            http: None,
        }
    }

    fn stop(self) {
        if let Ok(producer) = self.producer {
            producer.stop();
        }
        self.engine.stop();
    }
}

/// The threads that hash; the engine is told what they find.
fn hash_pool(
    threads: Option<NonZeroUsize>,
    hasher: Arc<dyn Hasher>,
    engine: EngineHandle,
) -> Result<PowPool<HashToken>, PowError> {
    let config = PoolConfig { threads, niceness: Some(HASH_NICENESS) };
    PowPool::new(config, hasher, move |result| {
        let event = match result.hash {
            Ok(hash) => Event::HashComputed { token: result.tag, hash },
            Err(panic) => Event::HashFailed { reason: panic.to_string() },
        };
        engine.send(event, None);
    })
}

/// The producer, or why this node has none.
fn spawn_producer(parts: ProducerParts, mode: SyncMode) -> io::Result<Result<Producer, Refusal>> {
    let headers_only = (mode == SyncMode::Headers).then_some(Refusal::HeadersOnly);
    match headers_only.or_else(|| Refusal::of(&parts.params, &parts.config)) {
        Some(refusal) => Ok(Err(refusal)),
        None => Producer::spawn(parts).map(Ok),
    }
}
