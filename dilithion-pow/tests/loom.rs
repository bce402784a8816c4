//! The pool's hand-off in every order in which threads can meet there, not only those that a test happens to see.
//!
//! `loom` replaces the lock and the threads, and runs each model once for each order. The file under test is the pool's own.
//! Rayon's part, that a task given to it is run by some thread at some time, is taken for granted: a model starts a thread for
//! each one woken, which may begin as early or as late as any of rayon's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "says how many orders there were")]

#[path = "../src/pool/handoff.rs"]
mod handoff;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Unseen};

use dilithion_pow::{JobQueue, Priority, Queued};
use loom::model::Builder;
use loom::sync::{Mutex, MutexGuard};
use loom::thread::{self, JoinHandle};

use self::handoff::Handoff;

/// How often a model takes the processor from a thread that could go on. Each one more takes six times as long, and what was
/// broken here on purpose showed with one (docs/testing.md). `scripts/loom` sets `LOOM_MAX_PREEMPTIONS` to more.
const PREEMPTIONS: usize = 3;

/// Runs a model once for each order, and tells how many there were.
fn model(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} orders", orders.load(Ordering::Relaxed));
}

/// A job that panics.
const BAD: u32 = 13;

/// A pool whose jobs are numbers.
struct Pool {
    handoff: Handoff<u64, u32>,
    // Not part of the model: a lock that it does not see, held where it changes no threads.
    answered: Unseen<Vec<u32>>,
    panics: Unseen<usize>,
}

impl Pool {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            handoff: Handoff::new(threads),
            answered: Unseen::default(),
            panics: Unseen::default(),
        })
    }

    /// Gives the threads that were woken.
    fn submit(self: &Arc<Self>, source: u64, jobs: &[u32]) -> Vec<JoinHandle<()>> {
        let woken = self.handoff.put(source, Priority::Claims, jobs.to_vec());
        (0..woken)
            .map(|_| {
                let pool = Arc::clone(self);
                thread::spawn(move || pool.work())
            })
            .collect()
    }

    fn work(&self) {
        self.handoff.work(|job, _| self.run(job), |_| *self.panics.lock().unwrap() += 1);
    }

    fn run(&self, job: u32) {
        if job == BAD {
            // As a panic, without the message on the terminal for each order.
            resume_unwind(Box::new("bad job"));
        }
        self.answered.lock().unwrap().push(job);
    }

    /// Waits for the threads; nothing waits and nobody is busy then. Gives what was answered, sorted.
    fn finish(&self, woken: impl IntoIterator<Item = JoinHandle<()>>) -> Vec<u32> {
        woken.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(self.handoff.load(), (0, Queued::default()));
        let mut answered = self.answered.lock().unwrap().clone();
        answered.sort_unstable();
        answered
    }
}

/// Two submit while the threads work and go idle: no job is lost, none is done twice, and no thread is woken beyond those
/// there are.
#[test]
fn each_job_is_done_once() {
    for threads in [1, 2] {
        model(&format!("each job is done once, threads: {threads}"), move || {
            let pool = Pool::new(threads);
            let other = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || pool.submit(2, &[3]))
            };
            let mut woken = pool.submit(1, &[1, 2]);
            assert!(pool.handoff.load().0 <= threads);
            woken.extend(other.join().unwrap());
            assert_eq!(pool.finish(woken), [1, 2, 3]);
        });
    }
}

/// A job is either done or taken back, never both and never neither.
#[test]
fn a_cancelled_job_is_not_done() {
    model("a cancelled job is not done", || {
        let pool = Pool::new(2);
        let mut woken = pool.submit(1, &[1, 2]);
        let cancelling = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.handoff.take_back(1))
        };
        woken.extend(pool.submit(2, &[3]));
        let mut all = cancelling.join().unwrap();
        assert!(!all.contains(&3), "another source's");
        all.extend(pool.finish(woken));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
    });
}

/// The pool is dropped while its threads work: what waits comes back, the rest is done, and the threads end.
#[test]
fn the_end_loses_nothing() {
    model("the end loses nothing", || {
        let pool = Pool::new(2);
        let woken = pool.submit(1, &[1, 2, 3]);
        let mut forgotten = pool.handoff.take_back_all();
        let mut all: Vec<_> = std::iter::from_fn(|| forgotten.pop()).collect();
        all.extend(pool.finish(woken));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
    });
}

/// A job that panics takes neither its thread nor another job with it.
#[test]
fn a_panic_strands_nobody() {
    model("a panic strands nobody", || {
        let pool = Pool::new(2);
        let mut woken = pool.submit(1, &[BAD, 2]);
        woken.extend(pool.submit(2, &[3]));
        assert_eq!(pool.finish(woken), [2, 3]);
        assert_eq!(*pool.panics.lock().unwrap(), 1);
    });
}
