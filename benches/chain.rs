//! Connecting recorded blocks, in batches of several sizes: what a durable commit costs, and what sharing it saves.

use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_chain::{Candidate, Chainstate, StoreOptions};
use dilithion_node::records::RecordReader;
use dilithion_wire::{Block, ChainParams};

const CHAIN: &[u8] = include_bytes!("../testdata/recorded-500.dat");
const PARAMS: &str = include_str!("../testdata/private.toml");

fn candidates(params: &ChainParams) -> Vec<Candidate> {
    let records: Vec<_> = RecordReader::new(CHAIN).collect::<Result<_, _>>().expect("the recording is whole");
    let pairs = records.windows(2).skip(1);
    pairs
        .map(|pair| {
            let block =
                Block::decode_payload(pair[0].payload.clone(), &params.limits).expect("recorded blocks");
            Candidate { hash: pair[1].header.prev_hash, verified: true, block }
        })
        .collect()
}

fn benches(criterion: &mut Criterion) {
    let params = Arc::new(ChainParams::from_toml(PARAMS).expect("the recording's parameters"));
    let candidates = candidates(&params);
    let mut group = criterion.benchmark_group("chain/connect");
    group.sample_size(10).throughput(Throughput::Elements(candidates.len() as u64));
    for batch in [1, 20, 200] {
        group.bench_function(BenchmarkId::new("499 blocks in batches of", batch), |bencher| {
            bencher.iter_batched(
                || {
                    let folder = tempfile::tempdir().expect("a temporary folder");
                    let chain = Chainstate::open(folder.path(), Arc::clone(&params), StoreOptions::default());
                    (chain.expect("a new store"), folder)
                },
                |(mut chain, folder)| {
                    for batch in candidates.chunks(batch) {
                        assert!(chain.connect(batch).expect("a sound store").failure.is_none());
                    }
                    (chain, folder)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(chain, benches);
criterion_main!(chain);
