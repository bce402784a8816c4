//! The status file: where the node stands, for whoever can read a file.
//!
//! `<datadir>/state.json` is replaced as a whole (see [`durable::replace`]), by a thread of its own, so that nobody who
//! publishes a [`Snapshot`] waits for a disk. Of snapshots that come faster than the file is written the newest wins.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dilithion_wire::Height;
use serde::Serialize;

use crate::clock::{Clock, timestamp};
use crate::durable;
use crate::sync::{IbdState, SyncStatus};

/// The file's name in the data directory (spec: operations §1.4).
pub const STATUS_FILE: &str = "state.json";
/// The file is written this often at most (spec: requirements M4).
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// The file is written this often at least, so that a reader sees that the node lives (spec: requirements M4).
const MAX_INTERVAL: Duration = Duration::from_secs(5);

/// Whether the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunStatus {
    /// It runs, and is not in sync.
    Running,
    /// It was told to hold.
    Paused,
    /// It was stopped in good order.
    Stopped,
    /// It is in sync.
    Completed,
    /// It cannot go on.
    Error,
}

impl From<&SyncStatus> for RunStatus {
    fn from(status: &SyncStatus) -> Self {
        match status.state {
            IbdState::Error => Self::Error,
            _ if status.paused => Self::Paused,
            _ if status.in_sync => Self::Completed,
            _ => Self::Running,
        }
    }
}

/// The last of these heights, in whatever order, that a chain of this height has passed.
pub(crate) fn last_passed(checkpoints: impl IntoIterator<Item = Height>, chain: Height) -> Option<u32> {
    checkpoints.into_iter().filter(|height| *height <= chain).max().map(|height| height.0)
}

/// Where the node stands. The order of the fields is that of the file; the first four are those of the documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The run.
    pub run_id: String,
    /// Whether it runs.
    pub status: RunStatus,
    /// The sync under way or last done, counted from 1; 0 before the first.
    pub current_round: u64,
    /// The state of the sync in lower case; `interrupted` after a stop.
    pub current_stage: String,
    /// `full`, or `headers` if no blocks are fetched.
    pub mode: String,
    /// Height of the connected chain.
    pub chain_height: u32,
    /// Height of the best header chain.
    pub header_height: u32,
    /// Id of the connected tip.
    pub best_hash: String,
    /// Height of the highest checkpoint at or below the tip.
    pub checkpoint: Option<u32>,
    /// Peers whose handshake is complete.
    pub peers: usize,
    /// Blocks scheduled and not requested.
    pub pending: usize,
    /// Blocks requested and not received.
    pub in_flight: usize,
    /// Blocks received that wait for their turn or for validation.
    pub received: usize,
    /// Headers that wait for their hash.
    pub hash_queue: usize,
    /// Height up to which every header is proved.
    pub ready_headers: u32,
    /// Time of the connected tip's block, seconds since 1970.
    pub last_block_ts: Option<u32>,
    /// What the node waits for, in words.
    pub waiting_for: String,
    /// Hash of the journal's last record.
    pub journal_head: Option<String>,
    /// Records of the journal.
    pub journal_events: u64,
    /// Limits of the process, in words.
    pub limits: String,
    /// The process.
    pub pid: u32,
    /// When this was written: ISO 8601, UTC.
    pub updated_at: String,
}

/// What the thread asks for, and tells, at the moment it writes.
pub trait StatusEdge: Send + 'static {
    /// Brings up to date what is cheap to know and changes by itself, such as the journal's head.
    fn refresh(&self, snapshot: &mut Snapshot);

    /// The file could not be written. Told once, until it can be written again.
    fn failed(&self, error: &std::io::Error);
}

#[derive(Debug, Default)]
struct Slot {
    newest: Option<Snapshot>,
    /// Snapshots published so far.
    published: u64,
    /// Of these, how many are in the file, or were replaced by newer ones, or could not be written.
    written: u64,
    /// Somebody waits for the file.
    hurry: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes snapshots in a file. Its thread ends with it, after the newest snapshot is on disk.
#[derive(Debug)]
pub struct StatusWriter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl StatusWriter {
    /// Starts the thread that writes the file at `path`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(path: PathBuf, clock: Arc<dyn Clock>, edge: impl StatusEdge) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Worker { path, clock, edge, shared: Arc::clone(&shared), failing: false };
        let thread = thread::Builder::new().name("status-file".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Publishes a snapshot. Never waits.
    pub fn publish(&self, snapshot: Snapshot) {
        let mut slot = self.shared.lock();
        slot.newest = Some(snapshot);
        slot.published += 1;
        drop(slot);
        self.shared.changed.notify_all();
    }

    /// Waits until what was published so far is in the file, or could not be written.
    pub fn flush(&self) {
        let mut slot = self.shared.lock();
        let published = slot.published;
        slot.hurry = true;
        self.shared.changed.notify_all();
        let waiting = |slot: &mut Slot| slot.written < published;
        drop(self.shared.changed.wait_while(slot, waiting).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for StatusWriter {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the status file panicked");
        }
    }
}

struct Worker<E> {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    edge: E,
    shared: Arc<Shared>,
    failing: bool,
}

impl<E: StatusEdge> Worker<E> {
    fn run(mut self) {
        let mut last: Option<Snapshot> = None;
        loop {
            let (fresh, published, stop) = self.next();
            let changed = fresh.is_some();
            if let Some(snapshot) = fresh {
                last = Some(snapshot);
            }
            // At the end nothing is written that is there already.
            if let Some(snapshot) = &mut last
                && (changed || !stop)
            {
                self.write(snapshot);
            }
            self.shared.lock().written = published;
            self.shared.changed.notify_all();
            if stop {
                return;
            }
            self.pause();
        }
    }

    /// Waits for a snapshot, at most [`MAX_INTERVAL`].
    fn next(&self) -> (Option<Snapshot>, u64, bool) {
        let nothing = |slot: &mut Slot| slot.newest.is_none() && !slot.stop;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), MAX_INTERVAL, nothing);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        slot.hurry = false;
        (slot.newest.take(), slot.published, slot.stop)
    }

    /// Lets snapshots gather, unless somebody waits for the file.
    fn pause(&self) {
        let calm = |slot: &mut Slot| !slot.hurry && !slot.stop;
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), MIN_INTERVAL, calm));
    }

    fn write(&mut self, snapshot: &mut Snapshot) {
        self.edge.refresh(snapshot);
        snapshot.updated_at = timestamp(self.clock.unix_millis());
        let written = serde_json::to_vec_pretty(snapshot)
            .map_err(std::io::Error::from)
            .and_then(|json| durable::replace(&self.path, &json));
        match written {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    self.edge.failed(&error);
                }
                self.failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use serde_json::Value;

    use super::*;
    use crate::clock::ManualClock;

    #[derive(Clone, Default)]
    struct Edge {
        failures: Arc<AtomicUsize>,
    }

    impl StatusEdge for Edge {
        fn refresh(&self, snapshot: &mut Snapshot) {
            snapshot.journal_events += 1;
        }

        fn failed(&self, _error: &std::io::Error) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn snapshot(height: u32) -> Snapshot {
        Snapshot {
            run_id: "run_a".to_owned(),
            status: RunStatus::Running,
            current_round: 1,
            current_stage: "blocks_download".to_owned(),
            mode: "full".to_owned(),
            chain_height: height,
            header_height: 9,
            best_hash: "00".repeat(32),
            checkpoint: None,
            peers: 2,
            pending: 0,
            in_flight: 0,
            received: 0,
            hash_queue: 0,
            ready_headers: 9,
            last_block_ts: Some(1),
            waiting_for: "x".repeat(height as usize % 5000),
            journal_head: None,
            journal_events: 6,
            limits: String::new(),
            pid: 1,
            updated_at: String::new(),
        }
    }

    fn writer(path: PathBuf) -> (StatusWriter, Edge) {
        let edge = Edge::default();
        let clock = Arc::new(ManualClock::at_unix_millis(1_771_573_538_307));
        (StatusWriter::spawn(path, clock, edge.clone()).unwrap(), edge)
    }

    /// Requirements 002-008, M4: the documents' fields come first.
    #[test]
    fn the_file_shows_the_newest_snapshot_with_the_documents_fields_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STATUS_FILE);
        let (writer, _) = writer(path.clone());
        (0..100).for_each(|height| writer.publish(snapshot(height)));
        writer.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let keys: Vec<&str> = text.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
        assert_eq!(keys[..4], ["run_id", "status", "current_round", "current_stage"]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["chain_height"], 99);
        assert_eq!(value["status"], "running");
        assert_eq!(value["updated_at"], "2026-02-20T07:45:38.307Z");
        assert_eq!(value["journal_events"], 7, "brought up to date when written");
    }

    /// Requirements 002-007, M4: a reader never sees part of a file, and nothing is left behind.
    #[test]
    fn a_reader_sees_whole_files_only_while_a_thousand_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(STATUS_FILE);
        durable::replace(&path, b"{}").unwrap();
        let (done, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let reader = thread::spawn({
            let (path, done, reads) = (path.clone(), Arc::clone(&done), Arc::clone(&reads));
            move || {
                while !done.load(Ordering::Relaxed) {
                    serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap();
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let (writer, _) = writer(path.clone());
        for height in 0..1000 {
            writer.publish(snapshot(height));
            if height % 10 == 0 {
                writer.flush();
                // On the slowest machine, too, the reader has its turn while files are written.
                let read = reads.load(Ordering::Relaxed);
                while reads.load(Ordering::Relaxed) == read && !reader.is_finished() {
                    thread::yield_now();
                }
            }
        }
        drop(writer);
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        let value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(value["chain_height"], 999, "the last one is written at the end");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Requirement M4: a file that cannot be written is told once, and written when it can be again.
    #[test]
    fn a_file_that_cannot_be_written_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later").join(STATUS_FILE);
        let (writer, edge) = writer(path.clone());
        for height in 0..3 {
            writer.publish(snapshot(height));
            writer.flush();
        }
        assert_eq!(edge.failures.load(Ordering::Relaxed), 1);
        std::fs::create_dir(folder.path().join("later")).unwrap();
        writer.publish(snapshot(4));
        writer.flush();
        assert!(path.exists());
    }

    /// Requirement M13: who publishes waits for no disk.
    #[test]
    fn publishing_waits_for_no_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = writer(folder.path().join(STATUS_FILE));
        let before = durable::waits_of_this_thread();
        writer.publish(snapshot(1));
        assert_eq!(durable::waits_of_this_thread(), before);
    }
}
