//! What an operator sees of a node: its facts, written down.
//!
//! An [`Observer`] is told what happens (it is the node's [`Events`]) and turns it into records of the journal, snapshots
//! for the status file, and hooks. The journal comes first: when the status, the log or a hook tells something, the record
//! of it is in the file.
//!
//! ```no_run
//! use std::sync::Arc;
//! use dilithion_node::clock::SystemClock;
//! use dilithion_node::observer::{Observer, ObserverConfig};
//! # fn example(mut config: dilithion_node::NodeConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let observed = ObserverConfig::new(&config.datadir, "run_20260220_074538".to_owned());
//! config.events = Arc::new(Observer::open(observed, Arc::new(SystemClock::new()))?);
//! # Ok(())
//! # }
//! ```

mod entries;
mod recorder;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dilithion_pow::PowStats;
use dilithion_wire::Height;

use self::entries::stage_of;
use self::recorder::Recorder;
use crate::clock::{Clock, UtcTime};
use crate::event::{Events, NodeEvent};
use crate::hook::{HookEdge, HookKind, HookReport, HookWorker, Hooks};
use crate::journal::{JOURNAL_FILE, Journal, JournalError, JournalOptions};
use crate::status_file::{RunStatus, STATUS_FILE, Snapshot, StatusWriter, last_passed};
use crate::sync::{IbdState, SyncMode, SyncStatus};

/// The stage that the status file shows after a stop (spec: requirements D5).
const INTERRUPTED: &str = "interrupted";

/// What an observer is made from.
#[derive(Clone, Debug)]
pub struct ObserverConfig {
    /// The node's data directory; must exist.
    pub datadir: PathBuf,
    /// The name of this run of the node.
    pub run_id: String,
    /// The network's checkpoints.
    pub checkpoints: Vec<Height>,
    /// How much of the chain the node fetches, as far as it has not told.
    pub mode: SyncMode,
    /// The operator's hooks.
    pub hooks: Hooks,
    /// The process's limits, in words.
    pub limits: String,
    /// Sizes of the journal.
    pub journal: JournalOptions,
}

impl ObserverConfig {
    /// An observer without hooks.
    #[must_use]
    pub fn new(datadir: &Path, run_id: String) -> Self {
        Self {
            datadir: datadir.to_owned(),
            run_id,
            checkpoints: Vec::new(),
            mode: SyncMode::default(),
            hooks: Hooks::default(),
            limits: String::new(),
            journal: JournalOptions::default(),
        }
    }
}

/// The name of a run that begins now, as in `run_20260220_074538` (spec: operations §1.2, field 3).
#[must_use]
pub fn default_run_id(clock: &dyn Clock) -> String {
    format!("run_{}", UtcTime::from_unix_millis(clock.unix_millis()).compact())
}

/// Writes down what a node does (see the [module](self)). [`NodeEvent::NodeStop`] ends it: the shutdown hook runs, and
/// journal and status are on disk when the call returns.
#[derive(Debug)]
pub struct Observer {
    recorder: Arc<Recorder>,
    hooks: Mutex<Option<HookWorker>>,
    status: Mutex<Option<StatusWriter>>,
    latest: Mutex<Snapshot>,
    checkpoints: Vec<Height>,
    /// See [`Observer::fail`].
    failed: AtomicBool,
}

impl Observer {
    /// Opens the journal of a data directory and starts the threads that write for it.
    ///
    /// # Errors
    /// If the journal cannot be opened, or a thread cannot be started.
    pub fn open(config: ObserverConfig, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let path = config.datadir.join(JOURNAL_FILE);
        let journal = Journal::open(&path, config.run_id.clone(), Arc::clone(&clock), config.journal)?;
        let recorder = Arc::new(Recorder::new(journal, Arc::clone(&clock)));
        let io = |source| JournalError::Io { path: path.clone(), source };
        let hooks =
            HookWorker::spawn(config.hooks, Arc::clone(&clock), Arc::clone(&recorder)).map_err(&io)?;
        recorder.alert_through(hooks.queue());
        let status_path = config.datadir.join(STATUS_FILE);
        let status = StatusWriter::spawn(status_path, clock, Arc::clone(&recorder)).map_err(&io)?;
        let observer = Self {
            recorder,
            hooks: Mutex::new(Some(hooks)),
            status: Mutex::new(Some(status)),
            latest: Mutex::new(Snapshot::at_start(config.run_id, config.mode, config.limits)),
            checkpoints: config.checkpoints,
            failed: AtomicBool::new(false),
        };
        let torn = observer.recorder.journal().torn_bytes();
        if torn > 0 {
            let detail = format!("{torn} bytes of an unfinished record were moved out of the journal");
            observer.on(&NodeEvent::Recovery { detail });
        }
        Ok(observer)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.recorder.journal()
    }

    /// The newest snapshot, with the journal's head as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = lock(&self.latest).clone();
        self.recorder.refresh_head(&mut snapshot);
        snapshot
    }

    /// Writes down the end of a hook that did not run on the observer's own thread, as the startup gate.
    pub fn on_hook(&self, report: HookReport) {
        HookEdge::ended(&self.recorder, report);
    }

    /// Writes down that the program cannot run its node, and why: what the node knows of itself it tells as an event. From
    /// now on the status is an error.
    pub fn fail(&self, reason: &str) {
        self.failed.store(true, Ordering::Relaxed);
        self.on(&NodeEvent::Error { reason: reason.to_owned() });
        let waiting_for = crate::redact::redact(reason).into_owned();
        self.publish(Snapshot { status: RunStatus::Error, waiting_for, ..self.snapshot() });
    }

    /// Waits until the status file shows what was published so far.
    pub fn flush_status(&self) {
        if let Some(status) = &*lock(&self.status) {
            status.flush();
        }
    }

    fn publish(&self, snapshot: Snapshot) {
        lock(&self.latest).clone_from(&snapshot);
        if let Some(status) = &*lock(&self.status) {
            status.publish(snapshot);
        }
    }

    fn notify(&self, event: &NodeEvent) {
        let hooks = lock(&self.hooks);
        let Some(hooks) = &*hooks else { return };
        match event {
            NodeEvent::BlocksConnected { blocks, in_sync: true } => {
                blocks.iter().for_each(|(_, hash)| hooks.notify(HookKind::Block, hash.to_string()));
            }
            NodeEvent::BlocksDisconnected { tip: (height, _), .. } => {
                hooks.notify(HookKind::Reorg, height.to_string());
            }
            NodeEvent::StateTransition { to, .. } => hooks.notify(HookKind::State, to.name()),
            NodeEvent::Error { reason } => hooks.notify(HookKind::Alert, crate::redact::redact(reason)),
            _ => {}
        }
    }

    /// Ends hooks, then the journal, then the status file; once.
    fn close(&self) {
        // Not while the lock is held: a hook's end may take seconds, and others may have something to tell meanwhile.
        let Some(hooks) = lock(&self.hooks).take() else { return };
        drop(hooks);
        self.recorder.record(&NodeEvent::NodeStop);
        if let Err(error) = self.journal().sync() {
            tracing::error!("{error}");
        }
        let mut snapshot = lock(&self.latest).clone();
        if snapshot.status != RunStatus::Error {
            snapshot.status = RunStatus::Stopped;
            INTERRUPTED.clone_into(&mut snapshot.current_stage);
        }
        self.publish(snapshot);
        let status = lock(&self.status).take();
        drop(status);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Events for Observer {
    fn on(&self, event: &NodeEvent) {
        if *event == NodeEvent::NodeStop {
            return self.close();
        }
        self.recorder.record(event);
        self.notify(event);
        if let NodeEvent::NodeStart { height, .. } = event {
            // From now on there is a status, also of a node that has nothing to do.
            let snapshot = Snapshot { chain_height: height.0, ..self.snapshot() };
            self.publish(snapshot);
        }
    }

    fn on_status(&self, sync: &SyncStatus, pow: &PowStats) {
        let old = lock(&self.latest).clone();
        self.publish(Snapshot {
            status: if self.failed.load(Ordering::Relaxed) { RunStatus::Error } else { sync.into() },
            current_round: self.recorder.round(),
            current_stage: stage_of(sync.state),
            mode: sync.mode.to_string(),
            chain_height: sync.chain_height.0,
            header_height: sync.header_height.0,
            best_hash: sync.chain_hash.to_string(),
            checkpoint: last_passed(self.checkpoints.iter().copied(), sync.chain_height),
            peers: sync.peers,
            pending: sync.pending,
            in_flight: sync.in_flight,
            received: sync.received,
            hash_queue: pow.queued.total(),
            ready_headers: sync.ready_height.0,
            last_block_ts: sync.chain_time,
            waiting_for: crate::redact::redact(&sync.waiting_for).into_owned(),
            ..old
        });
    }
}

impl Snapshot {
    /// Before anything is known.
    fn at_start(run_id: String, mode: SyncMode, limits: String) -> Self {
        Self {
            run_id,
            status: RunStatus::Running,
            current_round: 0,
            current_stage: stage_of(IbdState::Idle),
            mode: mode.to_string(),
            chain_height: 0,
            header_height: 0,
            best_hash: String::new(),
            checkpoint: None,
            peers: 0,
            pending: 0,
            in_flight: 0,
            received: 0,
            hash_queue: 0,
            ready_headers: 0,
            last_block_ts: None,
            waiting_for: String::new(),
            journal_head: None,
            journal_events: 0,
            limits,
            pid: std::process::id(),
            updated_at: String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
