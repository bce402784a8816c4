//! The header pipeline without its hashes: the structure check of a full message, and queue to ready.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_headers::{HeadersConfig, HeadersManager};
use dilithion_wire::{
    BlockHash, BlockHeader, ChainParams, MAX_HEADERS_PER_MESSAGE, MerkleRoot, PeerId, sha3_256,
};

const PEER: PeerId = PeerId(1);
const SPACING: u32 = 240;

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

fn benches(criterion: &mut Criterion) {
    let params = ChainParams::regtest();
    let mined = batch(&params);
    let headers: Vec<BlockHeader> = mined.iter().map(|(header, _)| *header).collect();
    let hashes: std::collections::HashMap<[u8; 80], [u8; 32]> =
        mined.iter().map(|(header, hash)| (header.to_bytes(), *hash)).collect();
    let fresh = || {
        HeadersManager::new(HeadersConfig::from_params(&params), params.genesis_header(), params.genesis.hash)
    };
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

criterion_group!(headers, benches);
criterion_main!(headers);
