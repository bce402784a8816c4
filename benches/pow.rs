//! RandomX on the pool, beside the same hasher in a plain loop; and what the queue itself costs.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_pow::{
    DILITHION_KEY, Hasher, MockHasher, PoolConfig, PowMode, PowPool, RandomX, RandomXOptions,
};

/// Hashes to a sample: enough that starting and ending the pool's work does not show.
const HASHES: u32 = 32;

fn headers(count: u32) -> Vec<[u8; 80]> {
    (0..count)
        .map(|nonce| {
            let mut header = [0; 80];
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            header
        })
        .collect()
}

fn randomx(criterion: &mut Criterion) {
    let options = RandomXOptions { mode: PowMode::Light, ..RandomXOptions::default() };
    let hasher: Arc<dyn Hasher> = Arc::new(RandomX::new(DILITHION_KEY, options).expect("memory for RandomX"));
    let headers = headers(HASHES);
    let mut group = criterion.benchmark_group("pow/light");
    group.throughput(Throughput::Elements(HASHES.into())).sample_size(10);
    group.measurement_time(Duration::from_secs(15));
    group.bench_function("loop on one thread", |bencher| {
        let mut worker = hasher.worker().expect("memory for a worker");
        bencher.iter(|| headers.iter().map(|header| worker.hash(header)[0]).fold(0, u8::wrapping_add));
    });
    for threads in [NonZeroUsize::MIN, std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)] {
        let config = PoolConfig { threads: Some(threads), niceness: None };
        let pool: PowPool<()> = PowPool::new(config, Arc::clone(&hasher), |_| {}).expect("threads");
        group
            .bench_function(format!("pool of {threads}"), |bencher| bencher.iter(|| pool.hash_all(&headers)));
    }
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    const JOBS: u32 = 10_000;
    let headers = headers(JOBS);
    let pool: PowPool<()> =
        PowPool::new(PoolConfig::default(), Arc::new(MockHasher::default()), |_| {}).expect("threads");
    let mut group = criterion.benchmark_group("pow/queue");
    group.throughput(Throughput::Elements(JOBS.into()));
    group.bench_function("mock hasher", |bencher| bencher.iter(|| pool.hash_all(&headers)));
    group.finish();
}

criterion_group!(pow, queue, randomx);
criterion_main!(pow);
