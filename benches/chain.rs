//! Connecting recorded blocks, in batches of several sizes: what a durable commit costs, and what sharing it saves.

mod connecting;
mod recorded;

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_wire::ChainParams;

use self::recorded::candidates;

const CHAIN: &[u8] = include_bytes!("../testdata/recorded-500.dat");
const PARAMS: &str = include_str!("../testdata/private.toml");

fn benches(criterion: &mut Criterion) {
    let params = Arc::new(ChainParams::from_toml(PARAMS).expect("the recording's parameters"));
    let candidates = candidates(CHAIN, &params);
    let mut group = criterion.benchmark_group("chain/connect");
    group.sample_size(10).throughput(Throughput::Elements(candidates.len() as u64));
    for batch in [1, 20, 200] {
        connecting::measure(&mut group, "499 blocks in batches of", &params, &candidates, batch);
    }
    group.finish();
}

criterion_group!(chain, benches);
criterion_main!(chain);
