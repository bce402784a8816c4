//! What a node is made from, and why it may not start.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use dilithion_chain::StoreError;
use dilithion_headers::HeadersError;
use dilithion_pow::{Hasher, PowError, PowMode};
use dilithion_wire::{BlockHash, ChainParams, Height};
use thiserror::Error;

use crate::event::{Events, NoEvents};
use crate::http::{HttpConfig, HttpError};
use crate::net::{Dialer, NetConfig, TcpDialer};
use crate::producer::{IdentityError, ProducerConfig, Refusal};
use crate::relay::RelayConfig;
use crate::sync::SyncMode;

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
    /// How fast transactions are announced.
    pub relay: RelayConfig,
    /// Blocks, or their headers only.
    pub mode: SyncMode,
    /// Light, fast, or chosen by backlog.
    pub pow: PowMode,
    /// Hash threads; `None` for one per core.
    pub threads: Option<NonZeroUsize>,
    /// Connect no block above this height.
    pub stop_at: Option<Height>,
    /// Keep the bodies of so many blocks below the tip only; `None` for all.
    pub prune: Option<u32>,
    /// Shows the node over HTTP; `None` for not at all.
    pub http: Option<HttpConfig>,
    /// How blocks are made, on private networks.
    pub producer: ProducerConfig,
    /// Opens connections; replaced in tests.
    pub dialer: Arc<dyn Dialer>,
    /// Computes ids; `None` for RandomX with the network's key. Nodes in one process can share one.
    pub hasher: Option<Arc<dyn Hasher>>,
    /// Is told what happens.
    pub events: Arc<dyn Events>,
}

impl NodeConfig {
    /// A node that neither listens nor dials.
    #[must_use]
    pub fn new(params: Arc<ChainParams>, datadir: impl Into<PathBuf>) -> Self {
        Self {
            params,
            datadir: datadir.into(),
            net: NetConfig::default(),
            relay: RelayConfig::default(),
            mode: SyncMode::default(),
            pow: PowMode::Light,
            threads: None,
            stop_at: None,
            prune: None,
            http: None,
            producer: ProducerConfig::default(),
            dialer: Arc::new(TcpDialer),
            hasher: None,
            events: Arc::new(NoEvents),
        }
    }

    /// Why no blocks can be made as it is asked for; `None` if they can, or need not be.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let headers_only = self.mode == SyncMode::Headers && self.producer.interval.is_some();
        headers_only.then_some(Refusal::HeadersOnly).or_else(|| self.producer.refusal(&self.params))
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
            .field("mode", &self.mode)
            .field("pow", &self.pow)
            .finish_non_exhaustive()
    }
}

impl NodeError {
    /// Whether what is stored is not what was written, so that to start again is of no use.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => error.is_damage(),
            Self::Headers(_) => true,
            _ => false,
        }
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
    /// No blocks are made on this network.
    #[error(transparent)]
    Producer(#[from] Refusal),
    /// The HTTP server does not start.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The identity that is to make blocks cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
