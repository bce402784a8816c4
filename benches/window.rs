//! The block window: a whole download of a number of heights from a number of peers.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dilithion_blockwindow::{BlockWindow, WindowConfig};

fn download(heights: u32, peers: &[u32]) -> usize {
    let mut window: BlockWindow<u32, u32> = BlockWindow::new(WindowConfig::default());
    for height in 0..heights {
        window.add_pending(height);
    }
    let mut connected = 0;
    while !window.is_empty() {
        for request in window.request_blocks(peers, Duration::ZERO) {
            let _accepted = window.on_block_received(request.height, request.peer);
            connected += usize::from(window.on_block_connected(request.height));
        }
    }
    connected
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window/download");
    for heights in [1_000, 100_000] {
        group.throughput(Throughput::Elements(u64::from(heights)));
        for peers in [1, 8, 125] {
            let peers: Vec<u32> = (0..peers).collect();
            let id = BenchmarkId::new(format!("{} peers", peers.len()), heights);
            group.bench_function(id, |bencher| bencher.iter(|| download(black_box(heights), &peers)));
        }
    }
    group.finish();
}

criterion_group!(window, benches);
criterion_main!(window);
