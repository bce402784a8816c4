//! What every handler can reach.

use std::sync::Arc;

use dilithion_chain::{ChainReader, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::cookie::Credentials;
use super::metrics::NodeMetrics;
use super::slots::Slots;
use super::{ApiError, HttpConfig, Services};
use crate::clock::Now;
use crate::node::NodeHandle;

/// Requests at a time that wait for something to happen: a part of the connections, so that the others stay free.
const MAX_WAITING: usize = 8;
/// Requests at a time that read a large part of the store.
const MAX_SCANS: usize = 1;

/// What every handler can reach; clones share it.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) node: NodeHandle,
    pub(crate) services: Services,
    pub(super) config: HttpConfig,
    pub(super) credentials: Credentials,
    pub(super) metrics: NodeMetrics,
    pub(super) slots: Arc<Slots>,
    pub(crate) started: Now,
    /// The server ends: what waits is to come to an end.
    pub(super) stopping: CancellationToken,
    waiting: Arc<Semaphore>,
    scans: Arc<Semaphore>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(super) fn new(
        config: HttpConfig,
        credentials: Credentials,
        services: Services,
        stopping: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            started: services.node.now(),
            node: services.node.clone(),
            services,
            config,
            credentials,
            metrics: NodeMetrics::new(),
            slots: Arc::default(),
            stopping,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            scans: Arc::new(Semaphore::new(MAX_SCANS)),
        }))
    }

    /// Reads from the store, on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ChainReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.blocking(move |app| Ok(read(app.node.store())?)).await
    }

    /// The same for what reads a large part of it: one such reading at a time.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ChainReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.scan_permit()?;
        self.blocking(move |app| {
            // Held by the reading itself: it goes on when the client has gone.
            let _permit = permit;
            Ok(read(app.node.store())?)
        })
        .await
    }

    /// The right to read a large part of what is on disk.
    pub(crate) fn scan_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = Arc::clone(&self.scans).try_acquire_owned();
        permit.map_err(|_| ApiError::TooMany("a request that reads a large part of the disk is under way"))
    }

    /// Runs something on a thread that may wait.
    pub(crate) async fn blocking<T: Send + 'static, E: From<ApiError> + Send + 'static>(
        &self,
        run: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let app = self.clone();
        let done = tokio::task::spawn_blocking(move || run(&app)).await;
        done.unwrap_or_else(|_| Err(ApiError::Internal("the request was interrupted").into()))
    }

    /// Writes down what was asked for over HTTP and is done, with its parameters as they came.
    pub(crate) fn note_action(&self, name: &str, parameters: &str) {
        self.node.note_action(name, parameters);
        tracing::info!("[HTTP] Action '{name}'");
    }

    /// The right to wait for something to happen.
    pub(crate) fn wait_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = Arc::clone(&self.waiting).try_acquire_owned();
        permit.map_err(|_| ApiError::TooMany("too many requests wait already"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use dilithion_pow::{Hasher, MockHasher};
    use dilithion_wire::{BlockHash, ChainParams, sha3_256};

    use super::*;
    use crate::node::{Node, NodeConfig};

    #[tokio::test]
    async fn one_reading_of_the_whole_store_at_a_time() {
        let (dir, hasher) = (tempfile::tempdir().unwrap(), MockHasher::new(sha3_256));
        let mut params = ChainParams::regtest();
        let genesis = hasher.worker().unwrap().hash(&params.genesis_header().to_bytes());
        params.genesis.hash = BlockHash::from_bytes(genesis);
        let mut config = NodeConfig::new(Arc::new(params), dir.path());
        config.hasher = Some(Arc::new(hasher));
        let node = Node::start(config).await.unwrap();
        let credentials = Credentials::create(dir.path(), None).unwrap();
        let http = HttpConfig::new(0, dir.path());
        let app = App::new(http, credentials, Services::new(node.handle()), CancellationToken::new());

        let (finish, finished) = mpsc::channel();
        let scanning = app.clone();
        let first = tokio::spawn(async move {
            let read = move |store: &ChainReader| {
                finished.recv().unwrap();
                store.tip()
            };
            scanning.scan(read).await
        });
        while app.scans.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(app.scan(ChainReader::tip).await, Err(ApiError::TooMany(_))));
        assert_eq!(app.read(ChainReader::tip).await.unwrap().height.0, 0, "others go on");
        finish.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert!(app.scan(ChainReader::tip).await.is_ok());
        drop(app);
        node.stop().await;
    }
}
