//! Writes events into the journal: which, how many of them, and what they took.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dilithion_wire::{BlockHash, Height};

use super::entries::{connected_entry, entry_of, hook_entry, refused_entry};
use crate::clock::Clock;
use crate::event::NodeEvent;
use crate::hook::{HookEdge, HookKind, HookQueue, HookReport};
use crate::journal::{Entry, Journal, Level};
use crate::redact::redact;
use crate::status_file::{Snapshot, StatusEdge};
use crate::sync::IbdState;
use crate::usage::{Sample, Sampler, delta};

/// Until a node is in sync, so many blocks share a record (spec: requirements M2, "Volume rule").
const BLOCKS_PER_RECORD: u32 = 1000;
/// Refused connections share a record a minute: whoever wants to connect decides how many there are.
const REFUSALS_INTERVAL: Duration = Duration::from_secs(60);

/// The journal, and what has to be remembered to write it.
#[derive(Debug)]
pub(super) struct Recorder {
    journal: Journal,
    clock: ClockBox,
    sampler: Sampler,
    state: Mutex<State>,
    /// Where alerts go; set once there is somebody to run them.
    hooks: OnceLock<HookQueue>,
}

struct ClockBox(Arc<dyn Clock>);

impl std::fmt::Debug for ClockBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[derive(Debug)]
struct State {
    /// The sync under way, or the last one.
    round: u64,
    stage: IbdState,
    /// Taken when the sync began.
    sync_began: Option<Sample>,
    batch: Option<Batch>,
    /// Refusals since the last record of one, and when that was.
    refused: u32,
    refusal_recorded: Option<Duration>,
    /// Records that were lost when the journal could last be written.
    lost_before: u64,
    failing: bool,
}

/// Connected blocks without a record.
#[derive(Debug)]
struct Batch {
    first: Height,
    last: (Height, BlockHash),
    blocks: u32,
    began: Sample,
}

impl Recorder {
    pub(super) fn new(journal: Journal, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            round: 0,
            stage: IbdState::Idle,
            sync_began: None,
            batch: None,
            refused: 0,
            refusal_recorded: None,
            lost_before: 0,
            failing: false,
        };
        Self {
            journal,
            clock: ClockBox(clock),
            sampler: Sampler::default(),
            state: Mutex::new(state),
            hooks: OnceLock::new(),
        }
    }

    /// From now on what is wrong with the records themselves is told to these.
    pub(super) fn alert_through(&self, hooks: HookQueue) {
        // There is one observer, which says so once.
        let _ = self.hooks.set(hooks);
    }

    fn alert(&self, reason: &str) {
        if let Some(hooks) = self.hooks.get() {
            hooks.notify(HookKind::Alert, redact(reason));
        }
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The sync under way or last done, counted from 1.
    pub(super) fn round(&self) -> u64 {
        self.lock().round
    }

    pub(super) fn refresh_head(&self, snapshot: &mut Snapshot) {
        let (events, head) = self.journal.head();
        snapshot.journal_events = events;
        snapshot.journal_head = head.map(|head| head.to_string());
    }

    /// Writes an event down, or counts it in.
    pub(super) fn record(&self, event: &NodeEvent) {
        let mut state = self.lock();
        match event {
            NodeEvent::BlocksConnected { blocks, in_sync: false } => {
                return self.count_in(&mut state, blocks);
            }
            NodeEvent::PeerRefused { address: _, reason } => return self.refused(&mut state, reason),
            NodeEvent::StateTransition { from, to, .. } => {
                self.end_batch(&mut state);
                if matches!(from, IbdState::Idle | IbdState::Complete) {
                    state.round += 1;
                    state.sync_began = Some(self.sample());
                }
                state.stage = *to;
            }
            NodeEvent::BlocksDisconnected { .. } | NodeEvent::NodeStop => self.end_batch(&mut state),
            _ => {}
        }
        let mut entries = entry_of(event, state.round, state.stage);
        if let NodeEvent::SyncComplete { .. } = event
            && let Some(began) = state.sync_began.take()
        {
            let usage = delta(&began, &self.sample());
            entries.iter_mut().for_each(|entry| entry.usage.clone_from(&usage));
        }
        for entry in entries {
            self.append(&mut state, &entry, is_urgent(event));
        }
    }

    /// Blocks that are one of many.
    fn count_in(&self, state: &mut State, blocks: &[(Height, BlockHash)]) {
        for (height, hash) in blocks {
            let batch = state.batch.get_or_insert_with(|| Batch {
                first: *height,
                last: (*height, *hash),
                blocks: 0,
                began: self.sample(),
            });
            batch.last = (*height, *hash);
            batch.blocks += 1;
            if batch.blocks >= BLOCKS_PER_RECORD {
                self.end_batch(state);
            }
        }
    }

    fn end_batch(&self, state: &mut State) {
        let Some(Batch { first, last, blocks, began }) = state.batch.take() else { return };
        let mut entry = connected_entry(first, last, blocks, state.round, state.stage);
        entry.usage = delta(&began, &self.sample());
        self.append(state, &entry, false);
    }

    fn refused(&self, state: &mut State, reason: &str) {
        let now = self.clock.0.now().mono;
        state.refused += 1;
        if state.refusal_recorded.is_none_or(|last| now.saturating_sub(last) >= REFUSALS_INTERVAL) {
            state.refusal_recorded = Some(now);
            let entry = refused_entry(std::mem::take(&mut state.refused), reason, state.round);
            self.append(state, &entry, false);
        }
    }

    /// The node goes on without its journal, and says so; once.
    fn append(&self, state: &mut State, entry: &Entry, urgent: bool) {
        match self.journal.append(entry, urgent) {
            Ok(_) if state.failing => {
                state.failing = false;
                let lost = self.journal.lost();
                let message =
                    format!("{} records before this one could not be written", lost - state.lost_before);
                state.lost_before = lost;
                tracing::warn!("the journal can be written again: {message}");
                self.alert(&message);
                let entry = Entry::new("error", Level::Error, message);
                self.append(state, &entry, true);
            }
            Err(error) if !state.failing => {
                state.failing = true;
                let reason = format!("the journal cannot be written: {error}");
                tracing::error!("{reason}");
                self.alert(&reason);
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn sample(&self) -> Sample {
        self.sampler.sample(self.clock.0.now().mono)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an event must not be lost with the machine's power (spec: requirements M2, "Durability rule").
fn is_urgent(event: &NodeEvent) -> bool {
    matches!(
        event,
        NodeEvent::NodeStop
            | NodeEvent::ForkDetected { .. }
            | NodeEvent::PeerBanned { .. }
            | NodeEvent::Error { .. }
    )
}

impl HookEdge for Arc<Recorder> {
    fn ended(&self, report: HookReport) {
        if !report.outcome.is_success() {
            tracing::warn!("hook {} ({}): {}", report.kind.name(), report.command, report.outcome.end);
        }
        let entry = hook_entry(&report);
        self.append(&mut self.lock(), &entry, false);
    }
}

impl StatusEdge for Arc<Recorder> {
    fn refresh(&self, snapshot: &mut Snapshot) {
        self.refresh_head(snapshot);
    }

    fn failed(&self, error: &std::io::Error) {
        let reason = format!("the status file cannot be written: {error}");
        tracing::error!("{reason}");
        self.alert(&reason);
        self.record(&NodeEvent::Error { reason });
    }
}
