//! A hash pool in virtual time: the schedule of the real one, and hashes that take as long as one says.

use std::time::Duration;

use dilithion_headers::HashJob;
use dilithion_pow::JobQueue;

/// A worker of a [`SimHasher`].
pub(super) type Worker = usize;

/// Hash threads of one node.
#[derive(Debug)]
pub(super) struct SimHasher {
    queue: JobQueue<u64, HashJob>,
    /// What each worker is at.
    busy: Vec<Option<HashJob>>,
    time_per_hash: Duration,
}

impl SimHasher {
    /// `threads` workers that need `time_per_hash` for each hash.
    #[must_use]
    pub(super) fn new(threads: usize, time_per_hash: Duration) -> Self {
        Self { queue: JobQueue::new(), busy: (0..threads.max(1)).map(|_| None).collect(), time_per_hash }
    }

    /// How long a hash takes.
    #[must_use]
    pub(super) const fn time_per_hash(&self) -> Duration {
        self.time_per_hash
    }

    /// Queues jobs, and returns the workers that start on one now.
    pub(super) fn submit(&mut self, jobs: &[HashJob]) -> Vec<Worker> {
        for jobs in jobs.chunk_by(|a, b| (a.peer, a.priority) == (b.peer, b.priority)) {
            if let Some(first) = jobs.first() {
                self.queue.extend(first.peer.0, first.priority.into(), jobs.to_vec());
            }
        }
        let idle: Vec<Worker> = (0..self.busy.len())
            .filter(|worker| self.busy.get(*worker).is_some_and(Option::is_none))
            .collect();
        idle.into_iter().filter(|worker| self.start(*worker)).collect()
    }

    /// A worker is done: what it was at, and whether it goes on with something else.
    pub(super) fn finish(&mut self, worker: Worker) -> (Option<HashJob>, bool) {
        let done = self.busy.get_mut(worker).and_then(Option::take);
        (done, self.start(worker))
    }

    /// Forgets the queued jobs of a source.
    pub(super) fn cancel(&mut self, source: u64) {
        self.queue.remove(source);
    }

    /// Jobs that wait.
    #[must_use]
    pub(super) fn queued(&self) -> usize {
        self.queue.queued().total()
    }

    fn start(&mut self, worker: Worker) -> bool {
        let Some(slot) = self.busy.get_mut(worker) else { return false };
        *slot = self.queue.pop();
        slot.is_some()
    }
}
