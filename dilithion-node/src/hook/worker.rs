//! One thread that runs hooks, one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::command::HookCommand;
use super::run::{End, HookOptions, Outcome, Stop, run};
use crate::clock::Clock;
use crate::journal::Counters;

/// Hooks that may wait (spec: requirements M7). Beyond it the oldest of the same kind gives way: news replaces news.
pub const MAX_QUEUED: usize = 64;
/// How long each of the last hooks may run: with a hook that has to be killed before them, a stop takes less than six
/// seconds (spec: requirements M7).
const LAST_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the last hooks have to end after SIGTERM.
const LAST_GRACE: Duration = Duration::from_millis(250);

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// A block was connected, and the node is in sync. Told its id.
    Block,
    /// Blocks were disconnected. Told the height of the last block that stays.
    Reorg,
    /// The sync changed its state. Told the new state.
    State,
    /// Something is wrong. Told what.
    Alert,
    /// The node stops.
    Shutdown,
    /// The node is about to start; run by the starting thread, and the node starts only if it succeeds.
    StartupGate,
}

impl HookKind {
    /// The name of its option.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "blocknotify",
            Self::Reorg => "reorgnotify",
            Self::State => "statenotify",
            Self::Alert => "alertnotify",
            Self::Shutdown => "shutdownnotify",
            Self::StartupGate => "startup-gate",
        }
    }
}

/// The operator's hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// See [`HookKind::Block`].
    pub block: Option<HookCommand>,
    /// See [`HookKind::Reorg`].
    pub reorg: Option<HookCommand>,
    /// See [`HookKind::State`].
    pub state: Option<HookCommand>,
    /// See [`HookKind::Alert`].
    pub alert: Option<HookCommand>,
    /// See [`HookKind::Shutdown`].
    pub shutdown: Option<HookCommand>,
    /// See [`HookKind::StartupGate`].
    pub startup_gate: Option<HookCommand>,
    /// How they are run.
    pub options: HookOptions,
    /// Start nothing, and report success.
    pub dry_run: bool,
}

impl Hooks {
    /// The command for a kind, if there is one.
    #[must_use]
    pub fn command(&self, kind: HookKind) -> Option<&HookCommand> {
        match kind {
            HookKind::Block => self.block.as_ref(),
            HookKind::Reorg => self.reorg.as_ref(),
            HookKind::State => self.state.as_ref(),
            HookKind::Alert => self.alert.as_ref(),
            HookKind::Shutdown => self.shutdown.as_ref(),
            HookKind::StartupGate => self.startup_gate.as_ref(),
        }
    }

    /// Runs the hook of a kind here and now; `None` if there is none.
    #[must_use]
    pub fn run(&self, kind: HookKind, told: &str, clock: &dyn Clock, stop: &Stop) -> Option<HookReport> {
        let command = self.command(kind)?;
        let outcome = if self.dry_run {
            let keys = ["cpu_pct", "memory_mb_delta", "wall_ms"];
            let usage: Counters = keys.map(|key| (key.into(), 0)).into();
            Outcome { end: End::Exited(0), output: String::new(), wall: Duration::ZERO, usage }
        } else {
            run(&command.argv(told), &self.options, clock, stop)
        };
        Some(HookReport { kind, command: command.to_string(), outcome, dry_run: self.dry_run })
    }
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookReport {
    /// What it was for.
    pub kind: HookKind,
    /// The command, as the operator wrote it.
    pub command: String,
    /// Its end.
    pub outcome: Outcome,
    /// Nothing was started.
    pub dry_run: bool,
}

/// Is told how hooks end.
pub trait HookEdge: Send + 'static {
    /// A hook has ended.
    fn ended(&self, report: HookReport);
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(HookKind, String)>,
    running: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to the hooks, for whoever has news.
#[derive(Clone, Debug)]
pub struct HookQueue {
    hooks: Arc<Hooks>,
    shared: Arc<Shared>,
}

impl HookQueue {
    /// Queues the hook of a kind, if there is one. Never waits.
    pub fn notify(&self, kind: HookKind, told: impl Into<String>) {
        if self.hooks.command(kind).is_none() {
            return;
        }
        let mut queue = self.shared.lock();
        if queue.closed {
            return;
        }
        if queue.waiting.len() >= MAX_QUEUED {
            let same = queue.waiting.iter().position(|(queued, _)| *queued == kind);
            queue.waiting.remove(same.unwrap_or(0));
        }
        queue.waiting.push_back((kind, told.into()));
        self.shared.changed.notify_all();
    }
}

/// Runs hooks on a thread of its own, so that whoever has news to tell never waits for a program.
#[derive(Debug)]
pub struct HookWorker {
    queue: HookQueue,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl HookWorker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(hooks: Hooks, clock: Arc<dyn Clock>, edge: impl HookEdge) -> std::io::Result<Self> {
        let queue = HookQueue { hooks: Arc::new(hooks), shared: Arc::default() };
        let stop = Stop::default();
        let worker = Worker { queue: queue.clone(), stop: stop.clone() };
        let thread =
            thread::Builder::new().name("hooks".to_owned()).spawn(move || worker.run(&*clock, &edge))?;
        Ok(Self { queue, stop, thread: Some(thread) })
    }

    /// The way to it.
    #[must_use]
    pub fn queue(&self) -> HookQueue {
        self.queue.clone()
    }

    /// As [`HookQueue::notify`].
    pub fn notify(&self, kind: HookKind, told: impl Into<String>) {
        self.queue.notify(kind, told);
    }

    /// Whether a hook runs now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.queue.shared.lock().running
    }

    /// Waits until no hook waits or runs.
    pub fn flush(&self) {
        let busy = |queue: &mut Queue| queue.running || !queue.waiting.is_empty();
        drop(
            self.queue
                .shared
                .changed
                .wait_while(self.queue.shared.lock(), busy)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Forgets what waits, but for the last alert; ends what runs; runs that alert and the shutdown hook.
impl Drop for HookWorker {
    fn drop(&mut self) {
        let mut queue = self.queue.shared.lock();
        queue.closed = true;
        queue.waiting.retain(|(kind, _)| *kind == HookKind::Alert);
        drop(queue);
        self.stop.stop();
        self.queue.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that runs hooks panicked");
        }
    }
}

struct Worker {
    queue: HookQueue,
    stop: Stop,
}

impl Worker {
    fn run(self, clock: &dyn Clock, edge: &impl HookEdge) {
        let mut hooks = (*self.queue.hooks).clone();
        while let Some((kind, told)) = self.next() {
            if let Some(report) = hooks.run(kind, &told, clock, &self.stop) {
                edge.ended(report);
            }
            self.queue.shared.lock().running = false;
            self.queue.shared.changed.notify_all();
        }
        hooks.options.timeout = hooks.options.timeout.min(LAST_TIMEOUT);
        hooks.options.grace = hooks.options.grace.min(LAST_GRACE);
        // An alert may be the reason of the stop.
        let alert = self.queue.shared.lock().waiting.pop_back();
        for (kind, told) in alert.into_iter().chain([(HookKind::Shutdown, String::new())]) {
            if let Some(report) = hooks.run(kind, &told, clock, &Stop::default()) {
                edge.ended(report);
            }
        }
    }

    fn next(&self) -> Option<(HookKind, String)> {
        let idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.closed;
        let waited = self.queue.shared.changed.wait_while(self.queue.shared.lock(), idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        let next = if queue.closed { None } else { queue.waiting.pop_front() };
        queue.running = next.is_some();
        next
    }
}
