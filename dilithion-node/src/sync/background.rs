//! When claims are proved that a checkpoint vouches for: after the sync, whose processors they would take (spec: design §3).

use std::time::Duration;

use dilithion_headers::{HashJob, JobPriority};
use dilithion_wire::Height;

use super::{Action, Coordinator, SyncMode};

/// A sync that has got no further for this long may be waiting for such a proof: a false claim below a checkpoint keeps the
/// true block from its place.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(10);

/// Whether claims below a checkpoint are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackgroundProofs {
    /// Not yet. The time is that of the last step of the sync, once there is something to prove.
    Held(Option<Duration>),
    /// From now on.
    Released,
}

impl Coordinator {
    /// Every hash that is waited for and not held for later: what a driver has computed when it starts.
    #[must_use]
    pub fn outstanding_hashes(&self) -> Vec<HashJob> {
        let mut jobs = self.headers.outstanding_jobs();
        jobs.retain(|job| self.is_due(job));
        jobs
    }

    /// Asks for hashes, but for those that are held for later: the header chain keeps them in mind.
    pub(super) fn hash(&self, mut jobs: Vec<HashJob>, out: &mut Vec<Action>) {
        jobs.retain(|job| self.is_due(job));
        if !jobs.is_empty() {
            out.push(Action::Hash(jobs));
        }
    }

    fn is_due(&self, job: &HashJob) -> bool {
        job.priority != JobPriority::Background || self.background == BackgroundProofs::Released
    }

    /// The sync has got further, without proofs below checkpoints.
    pub(super) fn keep_background_held(&mut self, now: Duration) {
        if let BackgroundProofs::Held(since) = &mut self.background {
            *since = Some(now);
        }
    }

    /// Asks for all that is held as soon as the sync is done, needs it, or stands still.
    pub(super) fn release_background(&mut self, now: Duration, out: &mut Vec<Action>) {
        let BackgroundProofs::Held(since) = self.background else { return };
        if !self.lacks_background() {
            return;
        }
        // While it is paused, or goes back, it stands still for another reason.
        let since = since.filter(|_| !self.paused && !self.disconnecting).unwrap_or(now);
        self.background = BackgroundProofs::Held(Some(since));
        let stands_still = now.saturating_sub(since) >= BACKGROUND_PATIENCE;
        let headers_only = self.mode == SyncMode::Headers;
        if self.was_complete || headers_only || self.held_back.is_some() || stands_still {
            self.background = BackgroundProofs::Released;
            self.hash(self.headers.background_jobs(), out);
        }
    }

    /// Whether headers at or below the last checkpoint are not proved.
    fn lacks_background(&self) -> bool {
        let Some(checkpoint) = self.headers.last_checkpoint() else { return false };
        self.headers.ready_height() < checkpoint.min(self.headers.best_height())
    }

    /// Up to where the sync waits for no proof: where a checkpoint vouches, or will, blocks are connected without.
    pub(super) fn proofs_awaited_above(&self) -> Height {
        match self.mode {
            SyncMode::Full => {
                self.headers.connectable_height().max(self.headers.last_checkpoint().unwrap_or_default())
            }
            SyncMode::Headers => self.headers.ready_height(),
        }
    }
}
