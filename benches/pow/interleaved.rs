//! Ratios that can be trusted on a machine that does other things too: all variants take turns, round by round, in CPU
//! time.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use dilithion_pow::{HashWorker, PowHash, PowMode};
use rustix::time::{ClockId, clock_gettime};

use crate::{Header, bare, headers, pool, randomx, safe, thread_counts, with_fast};

/// Rounds; the median is told.
const ROUNDS: usize = 15;

/// Hashes of each thread in a round.
const HASHES: u32 = 8;

/// Prints the ratios. `cargo test` runs one round of the first.
pub(crate) fn print() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_bench { ROUNDS } else { 1 };
    for threads in thread_counts() {
        compare(PowMode::Light, threads, rounds);
        if is_bench && with_fast() {
            compare(PowMode::Fast, threads, rounds);
        }
    }
}

fn compare(mode: PowMode, threads: std::num::NonZeroUsize, rounds: usize) {
    let count = threads.get();
    let per_thread = if mode == PowMode::Fast { HASHES * 8 } else { HASHES };
    let work = Arc::new(headers(per_thread * u32::try_from(count).expect("few threads")));
    let memory: &'static bare::Memory = Box::leak(Box::new(bare::Memory::new(mode)));
    let bare = Loop::new(count, &work, || Box::new(memory.worker()));
    let safe = (mode == PowMode::Light).then(|| Loop::new(count, &work, || Box::new(safe::Vm::new())));
    let pool = pool(threads, randomx(mode));
    let of_pool = || pool.hash_all(&work).expect("no panic");

    let expected = of_pool();
    assert_eq!(bare.run(), expected);
    if let Some(safe) = &safe {
        assert_eq!(safe.run(), expected);
    }
    let mut ratios: [Vec<f64>; 2] = Default::default();
    let mut times = Vec::new();
    for round in 0..rounds {
        // Who goes first changes, so that nobody always follows the same.
        let (of_bare, of_pool) = if round % 2 == 0 {
            let of_bare = cpu_time(|| bare.run());
            (of_bare, cpu_time(of_pool))
        } else {
            let of_pool = cpu_time(of_pool);
            (cpu_time(|| bare.run()), of_pool)
        };
        ratios[0].push(of_bare.as_secs_f64() / of_pool.as_secs_f64());
        times.push(of_pool.as_secs_f64());
        if let Some(safe) = &safe {
            ratios[1].push(cpu_time(|| safe.run()).as_secs_f64() / of_pool.as_secs_f64());
        }
    }
    let per_hash = median(times) * 1e3 / f64::from(per_thread) / f64::from(u32::try_from(count).unwrap_or(1));
    println!(
        "{mode}, {threads} threads, {}: {per_hash:.2} ms of CPU time per hash; speed of the pool, median of {rounds} rounds:",
        pool.stats().hasher,
    );
    let names = ["the bare library", "randomx-rs on small pages"];
    for (name, ratios) in names.into_iter().zip(ratios).filter(|(_, ratios)| !ratios.is_empty()) {
        println!("  {:.3} of {name}", median(ratios));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of all threads.
fn cpu_time<R>(work: impl FnOnce() -> R) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(time).expect("not negative")
    };
    let start = now();
    let _ = work();
    now().saturating_sub(start)
}

/// Threads that hash their share in a plain loop when told to.
struct Loop {
    starts: Vec<Sender<()>>,
    done: Vec<Receiver<Vec<PowHash>>>,
}

impl Loop {
    /// Makes each thread's worker on that thread.
    fn new(
        threads: usize,
        work: &Arc<Vec<Header>>,
        worker: impl Fn() -> Box<dyn HashWorker> + Clone + Send + 'static,
    ) -> Self {
        let share = work.len() / threads;
        let (starts, done) = (0..threads)
            .map(|thread| {
                let (start, started) = mpsc::channel();
                let (answer, answers) = mpsc::channel();
                let (work, worker) = (Arc::clone(work), worker.clone());
                thread::spawn(move || {
                    let mut worker = worker();
                    let headers = &work[thread * share..(thread + 1) * share];
                    for () in started {
                        let hashes = headers.iter().map(|header| worker.hash(header)).collect();
                        let _: Result<(), _> = answer.send(hashes);
                    }
                });
                (start, answers)
            })
            .unzip();
        Self { starts, done }
    }

    fn run(&self) -> Vec<PowHash> {
        for start in &self.starts {
            start.send(()).expect("the thread lives");
        }
        self.done.iter().flat_map(|done| done.recv().expect("the thread lives")).collect()
    }
}
