//! Jobs between those who submit them and the threads that do them: the one place of the pool where threads meet.
//!
//! The lock is that of whatever surrounds this module: the standard library's in the pool, a model checker's in
//! `tests/loom.rs`, which runs this very file through every order in which threads can meet here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use super::{JobQueue, Mutex, MutexGuard, Priority, Queued};

/// A queue, and how many threads see to it. While a job waits, at least one thread does.
#[derive(Debug)]
pub(crate) struct Handoff<S, J> {
    /// The most threads that may be at [`Handoff::work`] at one time.
    threads: usize,
    state: Mutex<State<S, J>>,
}

#[derive(Debug)]
struct State<S, J> {
    queue: JobQueue<S, J>,
    /// Threads at [`Handoff::work`], or about to be: each goes on until nothing waits.
    busy: usize,
}

impl<S: Copy + Ord, J> Handoff<S, J> {
    /// Nothing waits, and all of this many threads are idle.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, state: Mutex::new(State { queue: JobQueue::new(), busy: 0 }) }
    }

    /// Queues jobs, and says how many threads to send to [`Handoff::work`] for them. Those count as busy already: nobody
    /// else wakes them a second time.
    #[must_use = "jobs wait for threads that nobody wakes"]
    pub(crate) fn put(&self, source: S, priority: Priority, jobs: Vec<J>) -> usize {
        let mut state = self.state();
        let woken = jobs.len().min(self.threads - state.busy);
        state.busy += woken;
        state.queue.extend(source, priority, jobs);
        woken
    }

    /// What a thread does from being woken until nothing waits: runs each job that is due, with the number of jobs that
    /// waited, this one among them. A job that panics is told to `panicked`, and the thread goes on.
    pub(crate) fn work(&self, run: impl Fn(J, usize), panicked: impl Fn(&(dyn Any + Send))) {
        while let Some((job, waiting)) = self.next() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(job, waiting))) {
                panicked(&*panic);
            }
        }
    }

    /// Takes back the jobs of one source that wait.
    pub(crate) fn take_back(&self, source: S) -> Vec<J> {
        self.state().queue.remove(source)
    }

    /// Takes back all jobs that wait.
    pub(crate) fn take_back_all(&self) -> JobQueue<S, J> {
        std::mem::take(&mut self.state().queue)
    }

    /// How many threads are busy, and how many jobs wait.
    pub(crate) fn load(&self) -> (usize, Queued) {
        let state = self.state();
        (state.busy, state.queue.queued())
    }

    /// The job that is due, and how many waited. Without one the calling thread counts as idle, from the same moment on: who
    /// puts a job after it wakes a thread again.
    fn next(&self) -> Option<(J, usize)> {
        let mut state = self.state();
        let waiting = state.queue.queued().total();
        let job = state.queue.pop();
        if job.is_none() {
            state.busy -= 1;
        }
        job.map(|job| (job, waiting))
    }

    /// The lock is held for moments only, and never while a job runs or is dropped.
    fn state(&self) -> MutexGuard<'_, State<S, J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
