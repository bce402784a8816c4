//! The thread that makes blocks, and the way to it.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use dilithion_chain::ChainReader;
use dilithion_pow::Hasher;
use dilithion_wire::ChainParams;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::worker::{Request, Worker};
use super::{MinerIdentity, Payee, ProduceError, Produced, ProducerConfig, ProducerStats, Refusal};
use crate::clock::Clock;
use crate::stage::{EngineHandle, StatusReceiver, TipReceiver};

/// Requests that may wait; who asks for more waits to be heard.
const MAX_REQUESTS: usize = 16;

/// What a producer works with.
pub(crate) struct ProducerParts {
    pub(crate) params: Arc<ChainParams>,
    pub(crate) config: ProducerConfig,
    pub(crate) identity: Option<MinerIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: ChainReader,
    pub(crate) hasher: Arc<dyn Hasher>,
    pub(crate) engine: EngineHandle,
    pub(crate) status: StatusReceiver,
    pub(crate) tip: TipReceiver,
}

/// The way to a producer, from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct ProducerHandle(mpsc::Sender<Request>);

impl ProducerHandle {
    /// Makes a block now.
    pub(crate) async fn produce(&self, payee: Option<Payee>) -> Result<Produced, ProduceError> {
        let (answer, made) = oneshot::channel();
        self.0.send(Request { payee, answer }).await.map_err(|_| ProduceError::Stopping)?;
        made.await.map_err(|_| ProduceError::Stopping)?
    }
}

/// A handle on the thread.
#[derive(Debug)]
pub(crate) struct Producer {
    handle: ProducerHandle,
    stats: watch::Receiver<ProducerStats>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Producer {
    /// Starts the thread. Without a schedule it waits for requests.
    pub(crate) fn spawn(parts: ProducerParts) -> std::io::Result<Self> {
        // Timers of its own: those of the node's runtime may end before it does.
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let (requests, waiting) = mpsc::channel(MAX_REQUESTS);
        let (publisher, stats) = watch::channel(ProducerStats::default());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("producer".to_owned())
            .spawn(move || Worker::new(parts, runtime, waiting, publisher, stopped).run())?;
        Ok(Self { handle: ProducerHandle(requests), stats, stop, thread })
    }

    pub(crate) fn handle(&self) -> ProducerHandle {
        self.handle.clone()
    }

    pub(crate) fn stats(&self) -> watch::Receiver<ProducerStats> {
        self.stats.clone()
    }

    /// Ends the thread; a block that was handed out is waited for.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the producer thread panicked");
        }
    }
}

impl ProducerConfig {
    /// Why a node on this network cannot follow this configuration, if it cannot.
    pub(crate) fn refusal(&self, params: &ChainParams) -> Option<Refusal> {
        let nothing_asked = self.interval.is_none() && self.identity_key.is_none();
        let no_interval = || self.interval.is_some_and(|interval| interval.is_zero());
        let refusal = || Refusal::of(params, self).or_else(|| no_interval().then_some(Refusal::NoInterval));
        if nothing_asked { None } else { refusal() }
    }
}
