//! Connecting blocks as a node does, from an empty store on.

use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId};
use dilithion_chain::{Candidate, Chainstate, StoreOptions};
use dilithion_wire::ChainParams;

use crate::recorded::connect;

/// Measures connecting them, in batches of this size, to a chain that begins anew each time.
pub(crate) fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    params: &Arc<ChainParams>,
    blocks: &[Candidate],
    batch: usize,
) {
    group.bench_function(BenchmarkId::new(name, batch), |bencher| {
        bencher.iter_batched(
            || {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let chain = Chainstate::open(folder.path(), Arc::clone(params), StoreOptions::default());
                (chain.expect("a new store"), folder)
            },
            |(mut chain, folder)| {
                connect(&mut chain, blocks, batch);
                (chain, folder)
            },
            BatchSize::PerIteration,
        );
    });
}
