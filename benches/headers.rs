//! The header pipeline without its hashes: the structure check of a full message, queue to ready, the rebuild after a
//! restart; and how the tree's operations grow with it, from 1 k to 1 M headers.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_headers::{HeadersConfig, HeadersManager, StoredHeader};
use dilithion_wire::{
    BlockHash, BlockHeader, ChainParams, Height, MAX_HEADERS_PER_MESSAGE, MerkleRoot, PeerId, sha3_256,
};

const PEER: PeerId = PeerId(1);
const SPACING: u32 = 240;
/// Headers of the trees whose growth is measured.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Headers of the rebuild: a chain of a year and more.
const REBUILT: usize = 100_000;
/// A rebuild takes long, and varies little.
const REBUILDS: usize = 10;
/// Samples of what takes microseconds.
const QUERIES: usize = 50;

/// A full message on top of genesis, and the hash of each header in it.
fn batch(params: &ChainParams) -> Vec<(BlockHeader, [u8; 32])> {
    let genesis = params.genesis_header();
    let mut parent = params.genesis.hash;
    let mut time = genesis.time;
    let mut mined = Vec::with_capacity(MAX_HEADERS_PER_MESSAGE);
    while mined.len() < MAX_HEADERS_PER_MESSAGE {
        time += SPACING;
        let bits = 0x203f_ffff;
        let merkle_root = MerkleRoot::ZERO;
        let template = BlockHeader { version: 1, prev_hash: parent, merkle_root, time, bits, nonce: 0 };
        let candidates = (0..).map(|nonce| BlockHeader { nonce, ..template });
        let hashed = candidates.map(|header| (header, sha3_256(&header.to_bytes())));
        let (header, hash) = hashed.into_iter().find(|(_, hash)| hash[31] < 0x3f).expect("one in four");
        parent = BlockHash::from_bytes(hash);
        mined.push((header, hash));
    }
    mined
}

fn fresh(params: &ChainParams) -> HeadersManager {
    HeadersManager::new(HeadersConfig::from_params(params), params.genesis_header(), params.genesis.hash)
}

fn benches(criterion: &mut Criterion) {
    let params = ChainParams::regtest();
    let mined = batch(&params);
    let headers: Vec<BlockHeader> = mined.iter().map(|(header, _)| *header).collect();
    let hashes: std::collections::HashMap<[u8; 80], [u8; 32]> =
        mined.iter().map(|(header, hash)| (header.to_bytes(), *hash)).collect();
    let fresh = || fresh(&params);
    let now = u64::from(params.genesis.time) + 10_000_000;

    let mut group = criterion.benchmark_group("headers");
    group.throughput(Throughput::Elements(MAX_HEADERS_PER_MESSAGE as u64));
    group.bench_function("structure check", |bencher| {
        bencher.iter_batched_ref(
            fresh,
            |manager| black_box(manager.queue_headers(PEER, &headers, now)).is_ok(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("queue to ready", |bencher| {
        bencher.iter_batched_ref(
            fresh,
            |manager| {
                let mut jobs = manager.queue_headers(PEER, &headers, now).expect("a valid batch").jobs;
                while let Some(job) = jobs.pop() {
                    jobs.extend(manager.on_hash(job.token, hashes[&job.header]).jobs);
                }
                assert_eq!(manager.ready_height(), manager.best_height());
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Stored headers that follow `parent`; their ids cost no search for a nonce, as what is restored is not checked.
fn stored(parent: (BlockHash, BlockHeader), count: usize) -> Vec<StoredHeader> {
    let (mut prev_hash, above) = parent;
    let next = |time| {
        let header = BlockHeader { prev_hash, time, ..above };
        prev_hash = BlockHash::from_bytes(sha3_256(&header.to_bytes()));
        StoredHeader { header, hash: prev_hash, verified: true }
    };
    (above.time + 1..).take(count).map(next).collect()
}

fn chain(params: &ChainParams, count: usize) -> Vec<StoredHeader> {
    stored((params.genesis.hash, params.genesis_header()), count)
}

/// A tree of these headers, all of them ready and none left to hash.
fn restored(params: &ChainParams, headers: &[StoredHeader]) -> HeadersManager {
    let mut manager = fresh(params);
    for header in headers {
        manager.restore(*header).expect("parents come first");
    }
    manager
}

fn rebuild(criterion: &mut Criterion) {
    let params = ChainParams::regtest();
    let headers = chain(&params, REBUILT);
    let mut group = criterion.benchmark_group("headers");
    group.sample_size(REBUILDS).throughput(Throughput::Elements(REBUILT as u64));
    group.bench_function("rebuild from storage", |bencher| {
        bencher.iter_with_large_drop(|| {
            let manager = restored(&params, &headers);
            assert_eq!(manager.ready_height(), manager.best_height());
            assert!(manager.outstanding_jobs().is_empty());
            manager
        });
    });
    group.finish();
}

fn growth(criterion: &mut Criterion) {
    let params = ChainParams::regtest();
    let headers = chain(&params, SIZES[SIZES.len() - 1]);
    let mut group = criterion.benchmark_group("headers growth");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    for size in SIZES {
        group.sample_size(REBUILDS).throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::new("insert", size), &headers[..size], |bencher, headers| {
            bencher.iter_with_large_drop(|| restored(&params, headers));
        });

        // Half of the tree is shared, a quarter is the best chain's alone, and a quarter (less one) the other's.
        let trunk = headers[size / 2 - 1];
        let best = &headers[..size * 3 / 4];
        let other = BlockHeader { nonce: trunk.header.nonce + 1, ..trunk.header };
        let other = stored((trunk.hash, other), size / 4 - 1);
        let manager = restored(&params, &[best, &other].concat());
        let tips = (manager.best_hash(), other[other.len() - 1].hash);
        assert_eq!(tips.0, best[best.len() - 1].hash);
        let fork = Height(u32::try_from(size / 2).expect("a million"));
        assert_eq!(manager.fork_point(&tips.0, &tips.1), Some(fork));

        group.sample_size(QUERIES).throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("locator", size), |bencher| {
            bencher.iter(|| manager.locator());
        });
        group.bench_function(BenchmarkId::new("locator of a side branch", size), |bencher| {
            bencher.iter(|| manager.locator_from(&tips.1));
        });
        group.bench_function(BenchmarkId::new("fork point", size), |bencher| {
            bencher.iter(|| manager.fork_point(&tips.0, &tips.1));
        });
    }
    group.finish();
}

criterion_group!(headers, benches, rebuild, growth);
criterion_main!(headers);
