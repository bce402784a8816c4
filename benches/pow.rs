//! RandomX on the pool, beside the bare C library in a loop and the safe types of randomx-rs; and what the queue
//! itself costs.
//!
//! Light mode; `POW_BENCH_FAST=1` measures fast mode as well, which takes 2.5 GiB and some minutes.
#![expect(clippy::print_stdout, reason = "ratios of interleaved rounds are not criterion's business")]

#[path = "pow/bare.rs"]
#[expect(unsafe_code, reason = "calls the C library; see the SAFETY comments")]
mod bare;
#[path = "pow/interleaved.rs"]
mod interleaved;
#[path = "pow/safe.rs"]
mod safe;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use dilithion_pow::{
    DILITHION_KEY, HashWorker, Hasher, MockHasher, PoolConfig, PowMode, PowPool, RandomX, RandomXOptions,
};

/// A header as the pool takes it.
type Header = [u8; 80];

/// Hashes to a sample: enough that starting and ending the pool's work does not show.
const HASHES: u32 = 32;

/// Different headers.
fn headers(count: u32) -> Vec<Header> {
    (0..count)
        .map(|nonce| {
            let mut header = [0; 80];
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            header
        })
        .collect()
}

/// One thread, and all of them.
fn thread_counts() -> Vec<NonZeroUsize> {
    let mut counts =
        vec![NonZeroUsize::MIN, std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)];
    counts.dedup();
    counts
}

/// Whether fast mode is to be measured too.
fn with_fast() -> bool {
    std::env::var_os("POW_BENCH_FAST").is_some_and(|value| value == "1")
}

/// The real hasher, ready in this mode.
fn randomx(mode: PowMode) -> Arc<dyn Hasher> {
    let options = RandomXOptions { mode, ..RandomXOptions::default() };
    let randomx = RandomX::new(DILITHION_KEY, options).expect("memory for RandomX");
    assert_eq!(randomx.wait_for_dataset(), mode, "{}", randomx.stats());
    Arc::new(randomx)
}

fn pool(threads: NonZeroUsize, hasher: Arc<dyn Hasher>) -> PowPool<()> {
    PowPool::new(PoolConfig { threads: Some(threads), niceness: None }, hasher, |_| {}).expect("threads")
}

fn hashing(criterion: &mut Criterion) {
    measure_hashing(criterion, PowMode::Light);
    if with_fast() {
        measure_hashing(criterion, PowMode::Fast);
    }
}

fn measure_hashing(criterion: &mut Criterion, mode: PowMode) {
    let hasher = randomx(mode);
    let memory = bare::Memory::new(mode);
    let headers = headers(HASHES);
    let mut group = criterion.benchmark_group(format!("pow/{mode}"));
    group.throughput(Throughput::Elements(HASHES.into())).sample_size(10);
    group.measurement_time(Duration::from_secs(10));
    group.bench_function("bare library", |bencher| {
        let mut worker = memory.worker();
        bencher.iter(|| headers.iter().map(|header| worker.hash(header)[0]).fold(0, u8::wrapping_add));
    });
    if mode == PowMode::Light {
        let safe = safe::Vm::new();
        group.bench_function("randomx-rs, small pages", |bencher| {
            bencher.iter(|| headers.iter().map(|header| safe.hash(header)[0]).fold(0, u8::wrapping_add));
        });
    }
    for threads in thread_counts() {
        let pool = pool(threads, Arc::clone(&hasher));
        group.bench_function(format!("pool of {threads}"), |bencher| {
            bencher.iter(|| pool.hash_all(&headers));
        });
    }
    // Small batches leave threads without work at the end of each.
    let pool = pool(*thread_counts().last().expect("not empty"), hasher);
    for size in [1, 4, 16] {
        group.bench_function(BenchmarkId::new("pool, batches", size), |bencher| {
            bencher.iter(|| headers.chunks(size).for_each(|batch| drop(pool.hash_all(batch))));
        });
    }
    group.finish();
}

/// What the pool adds to each job: a hasher that does nothing, and one that does next to nothing.
fn queue(criterion: &mut Criterion) {
    const JOBS: u32 = 10_000;
    let headers = headers(JOBS);
    let mut group = criterion.benchmark_group("pow/queue");
    group.throughput(Throughput::Elements(JOBS.into()));
    let hashers = [("no-op", MockHasher::new(|_| [0; 32])), ("mock", MockHasher::default())];
    for (name, hasher) in hashers {
        for threads in thread_counts() {
            let pool = pool(threads, Arc::new(hasher.clone()));
            group.bench_function(format!("{name} hasher, pool of {threads}"), |bencher| {
                bencher.iter(|| pool.hash_all(&headers));
            });
        }
    }
    group.finish();
}

criterion_group!(pow, queue, hashing);

fn main() {
    interleaved::print();
    pow();
    Criterion::default().configure_from_args().final_summary();
}
