//! Puts the parts together: a running node.

mod builder;
mod config;
mod handle;
mod make_blocks;
mod messages;
mod parts;
mod start;
mod verdicts;

use std::net::SocketAddr;
use std::sync::Arc;

use dilithion_chain::{Accepted, ChainReader, MessagePool, PendingError};
use dilithion_headers::HashToken;
use dilithion_pow::{PowPool, PowStats};
use dilithion_wire::Transaction;

pub use self::builder::NodeBuilder;
pub use self::config::{CHAINSTATE_FOLDER, HASH_NICENESS, NodeConfig, NodeError};
pub use self::handle::NodeHandle;
pub use self::messages::SubmitError;
pub use self::parts::{load_headers, open_chainstate, randomx};
use self::start::Prepared;
use crate::event::{Events, NodeEvent};
use crate::http::{HttpListener, HttpServer, Services};
use crate::net::{ConnectionManager, PeerSnapshot};
use crate::producer::{Producer, Refusal};
use crate::stage::{Engine, StatusReceiver, TipReceiver};

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
        // What may be taken is asked for before anything runs.
        let http = config.http.take().map(HttpListener::bind).transpose()?;
        let mut node = prepared.start(config).await?;
        if let Some(http) = http {
            match http.serve(Services::new(node.handle())) {
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
