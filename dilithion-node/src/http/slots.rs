//! Which connections are served when there are more than there may be. No IO.
//!
//! A connection that waits for its client gives way to a new one, so clients that connect and say nothing keep nobody
//! out. One that is being answered gives way only when its client has taken nothing for long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Connections at a time (requirement M10).
pub const MAX_CONNECTIONS: usize = 16;
/// A client that has taken nothing of its answer for so long makes room for others if there is none.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(30);
/// Stands for "waits for a request" where otherwise the time stands since which an answer is under way.
const IDLE: u64 = 0;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Slots {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    activity: Activity,
    closed: CancellationToken,
}

/// Since when a connection is being answered, if it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<AtomicU64>);

/// A connection's place; free when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    activity: Activity,
    closed: CancellationToken,
}

/// An answer under way; over when dropped.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Slots {
    /// A place for a new connection; `None` if all are being answered.
    pub(super) fn open(self: &Arc<Self>, now: Duration) -> Option<Slot> {
        let mut table = self.lock();
        if table.open.len() >= MAX_CONNECTIONS {
            let id = table.least_useful(now)?;
            if let Some(entry) = table.open.remove(&id) {
                entry.closed.cancel();
            }
        }
        table.last += 1;
        let (id, activity, closed) = (table.last, Activity::default(), CancellationToken::new());
        table.open.insert(id, Entry { activity: activity.clone(), closed: closed.clone() });
        Some(Slot { slots: Arc::clone(self), id, activity, closed })
    }

    /// Open connections.
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The oldest connection that waits for a request; else the one whose client has been stuck for longest.
    fn least_useful(&self, now: Duration) -> Option<u64> {
        let idle = self.open.iter().find(|(_, entry)| entry.activity.since().is_none());
        let stuck = || {
            let since = self.open.iter().filter_map(|(id, entry)| Some((entry.activity.since()?, id)));
            since.min().filter(|(since, _)| *since + STUCK_AFTER <= now).map(|(_, id)| *id)
        };
        idle.map(|(id, _)| *id).or_else(stuck)
    }
}

impl Activity {
    /// An answer begins.
    pub(super) fn begin(&self, now: Duration) -> Answering {
        self.touch(now);
        Answering(self.clone())
    }

    fn touch(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis.saturating_add(1), Ordering::Relaxed);
    }

    fn since(&self) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            IDLE => None,
            millis => Some(Duration::from_millis(millis - 1)),
        }
    }
}

impl Answering {
    /// The client has taken a part of it.
    pub(super) fn touch(&self, now: Duration) {
        self.0.touch(now);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(IDLE, Ordering::Relaxed);
    }
}

impl Slot {
    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Completes when the connection has to make room.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fill(slots: &Arc<Slots>) -> Vec<Slot> {
        (0..MAX_CONNECTIONS).map(|_| slots.open(Duration::ZERO).unwrap()).collect()
    }

    #[test]
    fn who_says_nothing_makes_room_the_oldest_first() {
        let slots = Arc::new(Slots::default());
        let open = fill(&slots);
        let _busy = open[0].activity().begin(SECOND);
        let more = slots.open(SECOND).unwrap();
        assert!(open[1].closed.is_cancelled() && !open[0].closed.is_cancelled());
        assert_eq!(slots.len(), MAX_CONNECTIONS);
        drop((open, more));
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn who_is_being_answered_stays_unless_he_is_stuck() {
        let slots = Arc::new(Slots::default());
        let open = fill(&slots);
        let answering: Vec<Answering> = open.iter().map(|slot| slot.activity().begin(SECOND)).collect();
        assert!(slots.open(SECOND).is_none());
        answering[0].touch(STUCK_AFTER);
        assert!(slots.open(SECOND + STUCK_AFTER - Duration::from_millis(1)).is_none());
        let more = slots.open(SECOND + STUCK_AFTER).unwrap();
        assert!(open[1].closed.is_cancelled() && !open[0].closed.is_cancelled());
        drop(answering);
        assert!(open[0].activity.since().is_none());
        drop(more);
    }
}
