//! `run`: a node until it is told to stop.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use dilithion_wire::Height;
use sd_notify::NotifyState;

use super::RunArgs;
use super::ending::{NodeFailed, attend};
use super::logging::Log;
use super::settings::Settings;
use super::signals::Signals;
use super::term::say;
use crate::clock::SystemClock;
use crate::daemon::{self, PidFile};
use crate::event::{Events, NodeEvent};
use crate::hook::{HookKind, Stop};
use crate::http::{HttpConfig, HttpError, HttpListener, JournalSource, Services};
use crate::limits::Applied;
use crate::net::MAX_OUTBOUND_CONNECTIONS;
use crate::node::{Node, NodeConfig, NodeError};
use crate::observer::{Observer, ObserverConfig, default_run_id};

/// The log's name in the data directory, for a node in the background; as Bitcoin Core's.
const LOG_FILE: &str = "debug.log";
/// The variable that names a run as well, as the documents' programs do.
const RUN_VARIABLE: &str = "RUN_ID";
/// Connections beside the eight that fetch blocks: one that tries an address, and one that waits for its slot.
const EXTRA_OUTBOUND: usize = 2;

pub(super) fn run(args: &RunArgs, settings: &Settings) -> anyhow::Result<()> {
    let ops = &args.ops;
    check(args)?;
    if ops.dry_run {
        settings.show(false);
        return Ok(());
    }
    if ops.daemon && !ops.daemon_child {
        let pid = daemon::start_in_background()?;
        say(&format!("The node runs in the background: process {pid}"));
        return Ok(());
    }
    if ops.daemon_child {
        daemon::leave_terminal()?;
    }
    // Before there is a second thread, so that limits hold for all of them.
    let limits = ops.limits().apply()?;
    let config = configure(args, &limits)?;
    let datadir = &config.datadir;
    std::fs::create_dir_all(datadir).with_context(|| format!("cannot make {}", datadir.display()))?;
    let pid_file = PidFile::acquire(datadir)?;
    let log = Log::start(args, log_file(args, &config)?)?;
    tracing::info!("{} node, data in {}", config.params.name, datadir.display());
    let observer = observe(args, &config, &limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("net").build()?;
    let stop_at = config.stop_at;
    let done = runtime.block_on(async {
        match start(args, config, &observer, &log).await {
            Ok(Some(started)) => serve(args, started, stop_at, &observer, &log).await,
            Ok(None) => Ok(()),
            Err(error) => {
                observer.fail(&format!("{error:#}"));
                Err(error)
            }
        }
    });
    drop(runtime);
    // A node that has stopped has told it; one that did not start has not.
    observer.on(&NodeEvent::NodeStop);
    drop(pid_file);
    done.map_err(|error| {
        if is_damage(&error) { error.context(NodeFailed("damaged store".to_owned())) } else { error }
    })
}

/// Whether a node did not start because its store is not what it should be.
fn is_damage(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(NodeError::is_damage)
}

/// Checks all that can be known to be wrong before anything is started.
fn check(args: &RunArgs) -> anyhow::Result<()> {
    let config = args.node_config()?;
    if let Some(refusal) = config.refusal() {
        return Err(NodeError::from(refusal).into());
    }
    if let Some(http) = args.http.config(&config.params, &config.datadir) {
        http.check()?;
    }
    let hash_threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    args.ops.limits().check_memory(args.pow, hash_threads.map_or(1, NonZeroUsize::get))?;
    Ok(())
}

/// The node's configuration; no more peers than there are files for.
fn configure(args: &RunArgs, limits: &Applied) -> anyhow::Result<NodeConfig> {
    let mut config = args.node_config()?;
    // A node in the background leaves the folder that it was started in.
    config.datadir = std::path::absolute(&config.datadir)?;
    let outbound = MAX_OUTBOUND_CONNECTIONS + EXTRA_OUTBOUND + config.net.peers.len();
    let budget = limits.inbound_budget(outbound)?;
    config.net.slots.inbound = config.net.slots.inbound.min(budget);
    Ok(config)
}

fn log_file(args: &RunArgs, config: &NodeConfig) -> anyhow::Result<Option<PathBuf>> {
    Ok(match &args.ops.logfile {
        Some(file) => Some(std::path::absolute(file)?),
        None => args.ops.daemon.then(|| config.datadir.join(LOG_FILE)),
    })
}

fn observe(args: &RunArgs, config: &NodeConfig, limits: &Applied) -> anyhow::Result<Arc<Observer>> {
    let clock = Arc::new(SystemClock::new());
    let run_id = args.ops.run_id.clone().or_else(|| std::env::var(RUN_VARIABLE).ok());
    let observed = ObserverConfig {
        checkpoints: config.params.checkpoints.iter().map(|checkpoint| checkpoint.height).collect(),
        mode: config.mode,
        hooks: args.ops.hooks(),
        limits: limits.to_string(),
        ..ObserverConfig::new(&config.datadir, run_id.unwrap_or_else(|| default_run_id(&*clock)))
    };
    let observer = Arc::new(Observer::open(observed, clock)?);
    observer.on(&NodeEvent::LimitsApplied { detail: limits.to_string() });
    Ok(observer)
}

/// Runs the operator's gate, if there is one: the node starts only if it says so. Tells the signal that came meanwhile.
async fn pass_gate(
    args: &RunArgs,
    observer: &Observer,
    signals: &mut Signals,
    log: &Log,
) -> anyhow::Result<Option<&'static str>> {
    let (hooks, stop) = (args.ops.hooks(), Stop::default());
    let heeded = stop.clone();
    let run = move || hooks.run(HookKind::StartupGate, "", &SystemClock::new(), &heeded);
    let mut gate = tokio::task::spawn_blocking(run);
    let (report, signal) = tokio::select! {
        report = &mut gate => (report?, None),
        signal = signals.stop(log) => {
            stop.stop();
            (gate.await?, Some(signal))
        }
    };
    let Some(report) = report else { return Ok(signal) };
    let (passed, end) = (report.outcome.is_success(), report.outcome.end.clone());
    observer.on_hook(report);
    if passed || signal.is_some() {
        Ok(signal)
    } else {
        bail!("the startup gate does not let the node start: {end}")
    }
}

/// A node that runs, and where it is to be asked.
struct Started {
    node: Node,
    http: Option<HttpListener>,
    signals: Signals,
}

/// Starts the node, last of all that may fail; `None` if it is to stop already.
async fn start(
    args: &RunArgs,
    mut config: NodeConfig,
    observer: &Arc<Observer>,
    log: &Log,
) -> anyhow::Result<Option<Started>> {
    // First of all, so that no signal is missed, and none ends the program while it has children.
    let mut signals = Signals::new()?;
    let stopped = pass_gate(args, observer, &mut signals, log).await?;
    if let Some(signal) = stopped {
        tracing::info!("{signal}: the node is not started");
        return Ok(None);
    }
    let http = match args.http.config(&config.params, &config.datadir) {
        Some(http) => listen(http, args.http.rpcport.is_some())?,
        None => None,
    };
    config.events = Arc::clone(observer) as Arc<dyn Events>;
    let node = Node::start(config).await?;
    if let Some(signal) = signals.pending(log).await {
        tracing::info!("{signal}: shutting down");
        node.stop().await;
        return Ok(None);
    }
    Ok(Some(Started { node, http, signals }))
}

/// Runs the node to its end.
async fn serve(
    args: &RunArgs,
    started: Started,
    stop_at: Option<Height>,
    observer: &Arc<Observer>,
    log: &Log,
) -> anyhow::Result<()> {
    let Started { node, http, mut signals } = started;
    let journal = Arc::clone(observer) as Arc<dyn JournalSource>;
    let services = Services { journal: Some(journal), ..Services::new(node.handle()) };
    let done = match http.map(|http| http.serve(services)).transpose() {
        Ok(server) => {
            let done = match tell_ready(args) {
                Ok(()) => attend(args, &node, stop_at, &mut signals, log).await,
                Err(error) => Err(error),
            };
            if let Some(server) = server
                && tokio::task::spawn_blocking(|| server.stop()).await.is_err()
            {
                tracing::error!("the HTTP server did not stop in good order");
            }
            done
        }
        Err(error) => Err(error.into()),
    };
    // What failed in the node has told why, and nothing is written down once the node has stopped.
    if let Err(error) = &done
        && !error.is::<NodeFailed>()
    {
        observer.fail(&format!("{error:#}"));
    }
    tell_manager(&[NotifyState::Stopping]);
    node.stop().await;
    done
}

/// Tells whoever started us that the node can be reached.
fn tell_ready(args: &RunArgs) -> anyhow::Result<()> {
    if args.ops.daemon_child {
        daemon::tell_ready()?;
    }
    tell_manager(&[NotifyState::Ready]);
    Ok(())
}

/// Tells the service manager, if there is one.
fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

/// Listens for the HTTP server. If its usual port is taken the node does without it: only a port that was asked for is a
/// reason not to run (bug 140).
fn listen(config: HttpConfig, asked_for: bool) -> Result<Option<HttpListener>, HttpError> {
    match HttpListener::bind(config) {
        Ok(listener) => Ok(Some(listener)),
        Err(error @ HttpError::Listen { .. }) if !asked_for => {
            tracing::warn!("[HTTP] {error}; the node runs without it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
