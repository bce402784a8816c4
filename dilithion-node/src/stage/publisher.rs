//! What the engine shows of the sync: its status now and then, its tip at once.

use std::sync::Arc;
use std::time::Duration;

use dilithion_wire::{BlockHash, Height};
use tokio::sync::watch;

use super::EngineParts;
use crate::sync::{Coordinator, SyncDetail, SyncStatus};

/// A status is published this often at most, whatever happens in between.
const STATUS_INTERVAL: Duration = Duration::from_millis(100);

/// Where the current [`SyncStatus`] can be read and waited for.
pub type StatusReceiver = watch::Receiver<SyncStatus>;
/// Where the tip of the connected chain can be read and waited for, at once and not as often as a status.
pub type TipReceiver = watch::Receiver<(Height, BlockHash)>;

/// Where the current [`SyncDetail`] can be had. It is published with the status, while there are receivers.
pub(crate) type DetailPublisher = Arc<watch::Sender<Arc<SyncDetail>>>;

/// Publishes what the coordinator is at.
pub(super) struct Publisher {
    status: watch::Sender<SyncStatus>,
    tip: watch::Sender<(Height, BlockHash)>,
    details: DetailPublisher,
    /// When the last status was published.
    published: Duration,
    /// Something happened since then.
    dirty: bool,
}

/// Where that can be had.
pub(super) struct Published {
    pub(super) status: StatusReceiver,
    pub(super) tip: TipReceiver,
    pub(super) detail: DetailPublisher,
}

impl Publisher {
    pub(super) fn new(coordinator: &Coordinator, now: Duration) -> (Self, Published) {
        let (status, status_receiver) = watch::channel(coordinator.status(now));
        let (tip, tip_receiver) = watch::channel(coordinator.tip());
        let details: DetailPublisher = Arc::new(watch::Sender::new(Arc::new(coordinator.detail())));
        let published =
            Published { status: status_receiver, tip: tip_receiver, detail: Arc::clone(&details) };
        (Self { status, tip, details, published: Duration::ZERO, dirty: false }, published)
    }

    /// The status may be another from now on.
    pub(super) fn note_change(&mut self) {
        self.dirty = true;
    }

    pub(super) fn set_tip(&self, tip: (Height, BlockHash)) {
        self.tip.send_if_modified(|known| std::mem::replace(known, tip) != tip);
    }

    /// How long until changes may be published; `None` if there are none.
    pub(super) fn due_in(&self, now: Duration) -> Option<Duration> {
        self.dirty.then(|| (self.published + STATUS_INTERVAL).saturating_sub(now))
    }

    /// Publishes changes, if it is time.
    pub(super) fn publish(&mut self, parts: &EngineParts) {
        if self.due_in(parts.clock.now().mono).is_some_and(|left| left.is_zero()) {
            self.publish_now(parts);
        }
    }

    pub(super) fn publish_now(&mut self, parts: &EngineParts) {
        let EngineParts { coordinator, clock, reporter, pool, .. } = parts;
        let now = clock.now().mono;
        self.published = now;
        self.dirty = false;
        if self.details.receiver_count() > 0 {
            self.details.send_replace(Arc::new(coordinator.detail()));
        }
        let status = coordinator.status(now);
        reporter.events().on_status(&status, &pool.stats());
        self.status.send_replace(status);
    }
}
