//! Ratios that can be trusted on a machine that does other things too: all variants take turns, round by round, in CPU
//! time.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use dilithion_pow::{HashWorker, PowHash, PowMode};
use rustix::time::{ClockId, clock_gettime};

use crate::{Header, bare, headers, pool, randomx, safe, thread_counts, with_fast};

/// Rounds.
const ROUNDS: usize = 24;

/// Hashes of each thread in a round.
const HASHES: u32 = 8;

/// Hashes all headers.
type Variant<'a> = Box<dyn Fn() -> Vec<PowHash> + 'a>;

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

    let mut variants: Vec<(&str, Variant<'_>)> =
        vec![("the pool itself", Box::new(of_pool)), ("the bare library", Box::new(|| bare.run()))];
    if let Some(safe) = &safe {
        variants.push(("randomx-rs on small pages", Box::new(|| safe.run())));
    }
    let expected = of_pool();
    assert!(variants.iter().all(|(_, run)| run() == expected), "hashes differ");

    let mut times = vec![Vec::new(); variants.len()];
    for round in 0..rounds {
        // Who goes first changes, so that nobody has an advantage of it.
        for turn in 0..variants.len() {
            let variant = (round + turn) % variants.len();
            times[variant].push(cpu_time(&variants[variant].1).as_secs_f64());
        }
    }
    let hashes = f64::from(u32::try_from(work.len()).expect("few hashes"));
    let per_hash = quartiles(&times[0])[1] * 1e3 / hashes;
    let hasher = pool.stats().hasher;
    println!("{threads} threads, {hasher}: {per_hash:.2} ms of CPU time per hash; {rounds} rounds");
    for ((name, _), of_variant) in variants.iter().zip(&times).skip(1) {
        let ratios: Vec<_> = of_variant.iter().zip(&times[0]).map(|(other, pool)| other / pool).collect();
        let [low, median, high] = quartiles(&ratios);
        println!("  speed of the pool: {median:.3} of {name} (half of the rounds: {low:.3} to {high:.3})");
    }
}

/// The values that a quarter, half and three quarters of all do not exceed.
fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
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
