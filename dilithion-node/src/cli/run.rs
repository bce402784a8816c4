//! `run`: a node until it is told to stop.

use std::io::IsTerminal;
use std::time::Duration;

use dilithion_wire::Height;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::RunArgs;
use crate::http::{HttpConfig, HttpError, HttpServer, Services};
use crate::node::Node;
use crate::stage::StatusReceiver;
use crate::sync::IbdState;

/// A line about the sync is logged this often while one is under way.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// The variable that overrides the log level, in the syntax of `tracing_subscriber::EnvFilter`.
const LOG_VARIABLE: &str = "DILITHION_LOG";

pub(super) fn run(args: &RunArgs) -> anyhow::Result<()> {
    start_logging(args);
    let config = args.node_config()?;
    let http = args.http.config(&config.params, &config.datadir);
    tracing::info!("{} node, data in {}", config.params.name, config.datadir.display());
    let stop_at = config.stop_at;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    runtime.block_on(async {
        // Before the node starts, so that no signal is missed.
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let node = Node::start(config).await?;
        let http = match http {
            Some(http) => start_http(http, &node, args.http.rpcport.is_some()),
            None => Ok(None),
        };
        let http = match http {
            Ok(http) => http,
            Err(error) => {
                node.stop().await;
                return Err(error.into());
            }
        };
        let status = node.status();
        let ended = tokio::select! {
            _ = terminate.recv() => { tracing::info!("SIGTERM: shutting down"); Ok(()) }
            _ = interrupt.recv() => { tracing::info!("SIGINT: shutting down"); Ok(()) }
            () = node.stop_requested() => { tracing::info!("Asked to stop: shutting down"); Ok(()) }
            height = reached(status.clone(), stop_at) => {
                tracing::info!("Reached height {height}: shutting down");
                Ok(())
            }
            () = report_progress(&node, status.clone()) => Ok(()),
            reason = failed(status) => Err(anyhow::anyhow!("the node failed: {reason}")),
        };
        if let Some(http) = http {
            tokio::task::spawn_blocking(|| http.stop()).await?;
        }
        node.stop().await;
        ended
    })
}

/// Starts the HTTP server. If its usual port is taken the node does without it: only a port that was asked for is a
/// reason not to run (bug 140).
fn start_http(config: HttpConfig, node: &Node, asked_for: bool) -> Result<Option<HttpServer>, HttpError> {
    match HttpServer::start(config, Services::new(node.handle())) {
        Ok(server) => Ok(Some(server)),
        Err(error @ HttpError::Listen { .. }) if !asked_for => {
            tracing::warn!("[HTTP] {error}; the node runs without it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn start_logging(args: &RunArgs) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => LevelFilter::WARN,
        (false, true) => LevelFilter::DEBUG,
        (false, false) => LevelFilter::INFO,
    };
    let filter =
        EnvFilter::builder().with_default_directive(level.into()).with_env_var(LOG_VARIABLE).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stdout().is_terminal())
        .init();
}

/// Completes when the chain has reached the height at which the node is to stop, if there is one.
async fn reached(mut status: StatusReceiver, stop_at: Option<Height>) -> Height {
    let Some(stop_at) = stop_at else { return std::future::pending().await };
    match status.wait_for(|status| status.chain_height >= stop_at).await {
        Ok(status) => status.chain_height,
        // The engine has ended: see `failed`.
        Err(_) => std::future::pending().await,
    }
}

/// Completes when nothing can be connected any more.
async fn failed(mut status: StatusReceiver) -> String {
    match status.wait_for(|status| status.state == IbdState::Error).await {
        Ok(status) => status.waiting_for.clone(),
        Err(_) => "the engine has ended".to_owned(),
    }
}

async fn report_progress(node: &Node, status: StatusReceiver) {
    let mut timer = tokio::time::interval(PROGRESS_INTERVAL);
    timer.tick().await;
    let mut last = None;
    loop {
        timer.tick().await;
        let now = status.borrow().clone();
        let height = now.chain_height;
        if now.state != IbdState::Idle && now.state != IbdState::Complete || last != Some(height) {
            tracing::info!("{now}; {} hashes computed", node.pow_stats().hashed);
        }
        last = Some(height);
    }
}
