//! Puts the parts together: a running node.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use dilithion_chain::{ChainReader, Chainstate, StoreError, StoreOptions};
use dilithion_headers::{HashToken, HeadersConfig, HeadersError, HeadersManager, StoredHeader};
use dilithion_pow::{Hasher, PoolConfig, PowError, PowMode, PowPool, PowStats, RandomX, RandomXOptions};
use dilithion_wire::{BlockHash, ChainParams, Height};
use thiserror::Error;

use crate::clock::{Clock, SystemClock};
use crate::net::{ConnectionManager, Dialer, NetConfig, PeerSnapshot, Peers, TcpDialer};
use crate::random::random_u64;
use crate::stage::{Engine, EngineHandle, EngineParts, StatusReceiver, Validator};
use crate::sync::{Coordinator, CoordinatorConfig, Event};

/// Lowers the priority of hash threads below that of network threads, so that a ping is answered at once even when
/// every core hashes. Ten steps give a network thread about nine times the weight; on an otherwise idle machine
/// hashing loses nothing.
pub const HASH_NICENESS: i32 = 10;

/// The folder of the store, below the data directory.
pub const CHAINSTATE_FOLDER: &str = "chainstate";

/// What a node is made from.
#[derive(Clone)]
pub struct NodeConfig {
    /// The network.
    pub params: Arc<ChainParams>,
    /// Where the node keeps its data.
    pub datadir: PathBuf,
    /// Connections.
    pub net: NetConfig,
    /// Light, fast, or chosen by backlog.
    pub pow: PowMode,
    /// Hash threads; `None` for one per core.
    pub threads: Option<NonZeroUsize>,
    /// Connect no block above this height.
    pub stop_at: Option<Height>,
    /// Opens connections; replaced in tests.
    pub dialer: Arc<dyn Dialer>,
    /// Computes ids; `None` for RandomX with the network's key. Nodes in one process can share one.
    pub hasher: Option<Arc<dyn Hasher>>,
}

impl NodeConfig {
    /// A node that neither listens nor dials.
    #[must_use]
    pub fn new(params: Arc<ChainParams>, datadir: impl Into<PathBuf>) -> Self {
        Self {
            params,
            datadir: datadir.into(),
            net: NetConfig::default(),
            pow: PowMode::Light,
            threads: None,
            stop_at: None,
            dialer: Arc::new(TcpDialer),
            hasher: None,
        }
    }

    /// The folder of the store.
    #[must_use]
    pub fn chainstate_dir(&self) -> PathBuf {
        self.datadir.join(CHAINSTATE_FOLDER)
    }
}

impl std::fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeConfig")
            .field("network", &self.params.name)
            .field("datadir", &self.datadir)
            .field("net", &self.net)
            .field("pow", &self.pow)
            .finish_non_exhaustive()
    }
}

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The store cannot be opened or read.
    #[error("the store: {0}")]
    Store(Box<StoreError>),
    /// The stored headers do not form a chain.
    #[error("the stored headers are damaged: {0}")]
    Headers(#[from] HeadersError),
    /// RandomX is not available.
    #[error("proof of work: {0}")]
    Pow(#[from] PowError),
    /// The genesis block does not have the id that the network's parameters state.
    #[error("the genesis block of {network} hashes to {computed}, its parameters say {expected}")]
    Genesis {
        /// The network's name.
        network: String,
        /// The id in the parameters.
        expected: BlockHash,
        /// Its RandomX hash.
        computed: BlockHash,
    },
    /// The listening address is not free.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// A running node. Dropping it without [`Node::stop`] leaves its threads running.
pub struct Node {
    connections: Arc<ConnectionManager>,
    engine: Engine,
    pool: Arc<PowPool<HashToken>>,
    store: ChainReader,
    listening: Option<SocketAddr>,
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
        let (config, prepared) = match prepared {
            Ok(prepared) => prepared?,
            Err(error) => return Err(NodeError::Thread(std::io::Error::other(error))),
        };
        prepared.start(config).await
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

    /// Closes connections, lets the validator finish, closes the store.
    pub async fn stop(self) {
        self.connections.stop().await;
        let Self { engine, pool, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            engine.stop();
            drop(pool);
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
    hasher: Arc<dyn Hasher>,
}

impl Prepared {
    fn new(config: NodeConfig) -> Result<(NodeConfig, Self), NodeError> {
        let params = &config.params;
        let chain = open_chainstate(&config)?;
        let hasher = match &config.hasher {
            Some(hasher) => Arc::clone(hasher),
            None => randomx(params, config.pow, config.threads)?,
        };
        check_genesis(params, hasher.as_ref())?;
        let headers = load_headers(params, &chain.reader())?;
        let tip = chain.tip();
        let last_checkpoint = params.last_checkpoint().map(|checkpoint| checkpoint.height);
        let coordinator = Coordinator::new(
            CoordinatorConfig { stop_at: config.stop_at, last_checkpoint, ..CoordinatorConfig::default() },
            headers,
            (tip.height, tip.hash),
        );
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok((config, Self { clock, chain, coordinator, hasher }))
    }

    async fn start(self, config: NodeConfig) -> Result<Node, NodeError> {
        let Self { clock, chain, coordinator, hasher } = self;
        let (handle, inputs) = EngineHandle::channel();
        let answers = handle.clone();
        let pool_config = PoolConfig { threads: config.threads, niceness: Some(HASH_NICENESS) };
        let pool = PowPool::new(pool_config, hasher, move |result| {
            answers.send(Event::HashComputed { token: result.tag, hash: result.hash }, None);
        })?;
        let pool = Arc::new(pool);
        let store = chain.reader();
        let tip_height = Arc::new(AtomicU32::new(chain.tip().height.0));
        let connections = Arc::new(ConnectionManager::new(
            Arc::clone(&config.params),
            Arc::clone(&clock),
            handle.clone(),
            store.clone(),
            Arc::new(Peers::default()),
            Arc::clone(&tip_height),
            Arc::clone(&config.dialer),
        ));
        let limits = config.params.limits;
        let validator = Validator::spawn(chain, limits, handle.clone()).map_err(NodeError::Thread)?;
        let parts = EngineParts {
            coordinator,
            clock,
            connections: Arc::clone(&connections),
            pool: Arc::clone(&pool),
            validator,
            tip_height,
        };
        let engine = Engine::spawn(parts, handle, inputs).map_err(NodeError::Thread)?;
        let address = config.net.listen;
        match connections.start(config.net).await {
            Ok(listening) => Ok(Node { connections, engine, pool, store, listening }),
            Err(source) => {
                engine.stop();
                Err(NodeError::Listen { address: address.unwrap_or(([0, 0, 0, 0], 0).into()), source })
            }
        }
    }
}

/// Opens the store of a node.
///
/// # Errors
///
/// [`NodeError::Store`].
pub fn open_chainstate(config: &NodeConfig) -> Result<Chainstate, NodeError> {
    let folder = config.chainstate_dir();
    Chainstate::open(&folder, Arc::clone(&config.params), StoreOptions::default()).map_err(store_error)
}

fn store_error(error: StoreError) -> NodeError {
    NodeError::Store(Box::new(error))
}

/// RandomX with a network's key.
///
/// # Errors
///
/// [`PowError`] if memory is short or the library gives wrong hashes.
pub fn randomx(
    params: &ChainParams,
    mode: PowMode,
    threads: Option<NonZeroUsize>,
) -> Result<Arc<dyn Hasher>, PowError> {
    let niceness = Some(HASH_NICENESS);
    let options = RandomXOptions { mode, threads, niceness, ..RandomXOptions::default() };
    Ok(Arc::new(RandomX::new(&params.randomx_key, options)?))
}

/// Rebuilds the header chain from the store; nothing is hashed.
///
/// # Errors
///
/// [`NodeError`] if the stored headers cannot be read or do not link.
pub fn load_headers(params: &ChainParams, store: &ChainReader) -> Result<HeadersManager, NodeError> {
    let config = HeadersConfig { seed: random_u64(), ..HeadersConfig::from_params(params) };
    let mut headers = HeadersManager::new(config, params.genesis_header(), params.genesis.hash);
    for stored in store.headers() {
        let stored = stored.map_err(store_error)?;
        let dilithion_chain::StoredHeader { header, hash, verified, .. } = stored;
        headers.restore(StoredHeader { header, hash, verified })?;
    }
    Ok(headers)
}

/// Checks that the genesis block has the id that its parameters state.
fn check_genesis(params: &ChainParams, hasher: &dyn Hasher) -> Result<(), NodeError> {
    let computed = BlockHash::from_bytes(hasher.worker()?.hash(&params.genesis_header().to_bytes()));
    if computed == params.genesis.hash {
        return Ok(());
    }
    Err(NodeError::Genesis { network: params.name.clone(), expected: params.genesis.hash, computed })
}
