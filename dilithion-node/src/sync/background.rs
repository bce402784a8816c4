//! When claims are proved that a checkpoint vouches for: after the sync, whose processors they would take (spec: design §3).

use std::time::Duration;

use dilithion_headers::{HashJob, JobPriority};
use dilithion_wire::Height;

use super::{Action, Coordinator, IbdState, SyncMode};

/// A sync that has connected nothing for this long may be waiting for such a proof: a false claim below a checkpoint keeps the
/// true block from its place.
const BACKGROUND_PATIENCE: Duration = Duration::from_secs(10);

/// Whether claims below a checkpoint are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackgroundProofs {
    /// Not yet; the last block was connected then.
    Held(Duration),
    /// From now on; there were some.
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

    /// A block was connected: the sync does without proofs below checkpoints.
    pub(super) fn keep_background_held(&mut self, now: Duration) {
        if let BackgroundProofs::Held(since) = &mut self.background {
            *since = now;
        }
    }

    /// Asks for all that was held as soon as the sync is done, needs it, or stands still.
    pub(super) fn release_background(&mut self, now: Duration, out: &mut Vec<Action>) {
        let BackgroundProofs::Held(since) = self.background else { return };
        let quiet = now.saturating_sub(since.max(self.entered)) >= BACKGROUND_PATIENCE;
        let stands_still = quiet && (self.state == IbdState::Idle || self.state.downloads_blocks());
        let due = self.state == IbdState::Complete
            || self.mode == SyncMode::Headers
            || self.held_back.is_some()
            || stands_still;
        if !due {
            return;
        }
        let mut held = self.headers.outstanding_jobs();
        held.retain(|job| job.priority == JobPriority::Background);
        if !held.is_empty() {
            self.background = BackgroundProofs::Released;
            self.hash(held, out);
        }
    }

    /// Up to where proofs keep nothing waiting: where a checkpoint vouches, blocks are connected without.
    pub(super) fn proofs_wanted_above(&self) -> Height {
        match self.mode {
            SyncMode::Full => self.headers.connectable_height(),
            SyncMode::Headers => self.headers.ready_height(),
        }
    }
}
