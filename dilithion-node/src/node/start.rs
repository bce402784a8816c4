//! Starting a node: the store and the hash function first, the network last.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use dilithion_chain::Chainstate;
use dilithion_headers::HashToken;
use dilithion_pow::{Hasher, PoolConfig, PowError, PowPool};

use super::handle::HandleParts;
use super::parts::{check_genesis, load_headers, open_chainstate, randomx};
use super::{HASH_NICENESS, Node, NodeConfig, NodeError, NodeHandle};
use crate::clock::{Clock, SystemClock};
use crate::event::{NodeEvent, Reporter};
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

    pub(super) async fn start(self, config: NodeConfig) -> Result<Node, NodeError> {
        let Self { clock, chain, coordinator, relay, hasher, identity } = self;
        let (handle, inputs) = EngineHandle::channel();
        let pool = Arc::new(hash_pool(config.threads, Arc::clone(&hasher), handle.clone())?);
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
        let producer = match spawn_producer(producer, config.mode) {
            Ok(producer) => producer,
            Err(error) => {
                engine.stop();
                return Err(NodeError::Thread(error));
            }
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
                    paused: Mutex::new(false),
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
