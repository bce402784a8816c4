//! Accepts connections, on a thread of its own.
//!
//! The thread runs a small tokio runtime: requests, however many, then take no turn from the connections to peers, and
//! a node that is busy with peers answers its operator all the same. Reading the store is done on at most
//! [`STORE_THREADS`] further threads.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::app::App;
use super::cookie::Credentials;
use super::guard::READ_TIMEOUT;
use super::slots::Slot;
use super::{HttpConfig, Services, routes};

/// Threads that read the store for requests.
const STORE_THREADS: usize = 4;
/// What is being answered when the server stops may take so long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Figures are summed up this often.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted: usually the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head at most, and of what is read ahead.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Header lines of a request at most.
const MAX_HEADERS: usize = 64;

/// Why the server does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// It would listen to the world without anybody having been allowed to ask.
    #[error("{0} is not on this machine alone: --rpcallow must say who may ask")]
    Open(IpAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for requests: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The token cannot be drawn or written.
    #[error("cannot write the file .cookie: {0}")]
    Cookie(io::Error),
    /// The thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A running server. Dropping it without [`HttpServer::stop`] leaves it running.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stopping: CancellationToken,
    thread: JoinHandle<()>,
}

/// An address that is listened on, before there is a node to tell of: whoever asks meanwhile waits.
#[derive(Debug)]
pub struct HttpListener {
    config: HttpConfig,
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpListener {
    /// Listens.
    ///
    /// # Errors
    /// As [`HttpConfig::check`]; [`HttpError::Listen`].
    pub fn bind(config: HttpConfig) -> Result<Self, HttpError> {
        config.check()?;
        let failed = |source| HttpError::Listen { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { config, listener, address })
    }

    /// Writes the cookie, and starts to answer.
    ///
    /// # Errors
    /// [`HttpError::Cookie`] or [`HttpError::Thread`]; nothing is left running then.
    pub fn serve(self, services: Services) -> Result<HttpServer, HttpError> {
        let Self { config, listener, address } = self;
        let credentials =
            Credentials::create(&config.datadir, config.user.clone()).map_err(HttpError::Cookie)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(STORE_THREADS)
            .thread_name("http-store")
            .build()
            .map_err(HttpError::Thread)?;
        let stopping = CancellationToken::new();
        let app = App::new(config, credentials, services, stopping.clone());
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(run(listener, app));
                // A reading of the whole store is not waited for.
                runtime.shutdown_background();
            })
            .map_err(HttpError::Thread)?;
        tracing::info!("[HTTP] Listening on {address}");
        Ok(HttpServer { address, stopping, thread })
    }
}

impl HttpServer {
    /// Listens, writes the cookie, and starts to answer.
    ///
    /// # Errors
    /// [`HttpError`]; nothing is left running then.
    pub fn start(config: HttpConfig, services: Services) -> Result<Self, HttpError> {
        HttpListener::bind(config)?.serve(services)
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, finishes what is being answered, and ends the thread. Waits for up to two seconds.
    pub fn stop(self) {
        self.stopping.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

async fn run(listener: TcpListener, app: App) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!("[HTTP] Cannot listen: {error}");
            return;
        }
    };
    let router = routes::router(&app);
    let connections = TaskTracker::new();
    let mut sum_up = tokio::time::interval(SUM_UP_INTERVAL);
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.stopping.cancelled() => break,
            _ = sum_up.tick() => {
                app.metrics.sum_up();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) if app.config.allows_client(client.ip()) => {
                match app.slots.open(app.node.now().mono) {
                    Some(slot) => drop(connections.spawn(serve(stream, slot, app.clone(), router.clone()))),
                    None => refuse(stream),
                }
            }
            Ok((_, client)) => tracing::debug!("[HTTP] {client} may not ask"),
            Err(error) => {
                tracing::warn!("[HTTP] Cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.wait()).await.is_err() {
        tracing::warn!("[HTTP] Requests under way were cut off");
    }
}

/// Answers one connection until it ends, has to make room, or the server stops.
async fn serve(stream: TcpStream, slot: Slot, app: App, router: Router) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("[HTTP] Cannot disable Nagle: {error}");
    }
    let (answer, activity) = (TowerToHyperService::new(router), slot.activity());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(activity.clone());
        answer.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("[HTTP] Connection ended: {error}");
                }
                return;
            }
            () = slot.closed() => return,
            () = app.stopping.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Tells a client that there is no room, if it can be told at once.
fn refuse(stream: TcpStream) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\n{}: close\r\n{}: 0\r\n\r\n",
        header::CONNECTION,
        header::CONTENT_LENGTH
    );
    if let Ok(mut stream) = stream.into_std() {
        // It is closed in any case.
        let _ = stream.write_all(answer.as_bytes());
    }
}
