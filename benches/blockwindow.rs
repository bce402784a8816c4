//! The block window: whole downloads and single operations by the number of heights and peers, and beside them the
//! version that one would write first.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use dilithion_blockwindow::{BlockWindow, MAX_BLOCKS_IN_FLIGHT_PER_PEER, WindowConfig};

const HEIGHTS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
const PEERS: [u32; 3] = [1, 8, 125];
const NOW: Duration = Duration::ZERO;

/// Three collections, searched from end to end: a peer's share is counted anew for each height, and every pending height
/// is looked at in each round.
#[derive(Default)]
struct Naive {
    pending: BTreeSet<u32>,
    in_flight: BTreeMap<u32, (u32, Duration)>,
    received: BTreeSet<u32>,
}

impl Naive {
    fn request_blocks(&mut self, peers: &[u32]) -> Vec<(u32, u32)> {
        let mut requests = Vec::new();
        let mut turn = 0;
        for height in self.pending.iter().copied().collect::<Vec<_>>() {
            for _ in 0..peers.len() {
                let peer = peers[turn % peers.len()];
                turn += 1;
                let count = self.in_flight.values().filter(|(asked, _)| *asked == peer).count();
                if count < MAX_BLOCKS_IN_FLIGHT_PER_PEER {
                    self.pending.remove(&height);
                    self.in_flight.insert(height, (peer, NOW));
                    requests.push((peer, height));
                    break;
                }
            }
        }
        requests
    }

    fn download(heights: u32, peers: &[u32]) -> u32 {
        let mut window = Self { pending: (0..heights).collect(), ..Self::default() };
        let mut connected = 0;
        while connected < heights {
            for (_, height) in window.request_blocks(peers) {
                window.in_flight.remove(&height);
                window.received.insert(height);
                connected += u32::from(window.received.remove(&height));
            }
        }
        connected
    }
}

fn filled(config: WindowConfig, heights: u32) -> BlockWindow<u32, u32> {
    let mut window = BlockWindow::new(config);
    for height in 0..heights {
        window.add_pending(height);
    }
    window
}

fn download(config: WindowConfig, heights: u32, peers: &[u32]) -> u32 {
    let mut window = filled(config, heights);
    let mut connected = 0;
    while !window.is_empty() {
        for request in window.request_blocks(peers, NOW) {
            let _accepted = window.on_block_received(request.height, request.peer, NOW);
            connected += u32::from(window.on_block_connected(request.height));
        }
    }
    connected
}

fn brief(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
}

fn downloads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window/download");
    brief(&mut group);
    for heights in HEIGHTS {
        group.throughput(Throughput::Elements(u64::from(heights)));
        for count in PEERS {
            let peers: Vec<u32> = (0..count).collect();
            for (name, config) in [("adaptive", WindowConfig::default()), ("fixed", WindowConfig::fixed())] {
                let id = BenchmarkId::new(format!("{name}, {count} peers"), heights);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| download(config, black_box(heights), &peers));
                });
            }
            // More would take it minutes.
            if heights <= 1_000 || heights <= 10_000 && count <= 8 {
                let id = BenchmarkId::new(format!("naive, {count} peers"), heights);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| Naive::download(black_box(heights), &peers));
                });
            }
        }
    }
    group.finish();
}

/// Eight peers, one short of full, and everything else pending.
fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window/operation");
    brief(&mut group);
    let peers: Vec<u32> = (0..8).collect();
    for heights in HEIGHTS {
        let mut window = filled(WindowConfig::default(), heights);
        let asked =
            window.request_blocks_up_to(&peers, peers.len() * (MAX_BLOCKS_IN_FLIGHT_PER_PEER - 1), NOW);
        assert_eq!(asked.len(), 120);
        group.bench_function(BenchmarkId::new("add, remove", heights), |bencher| {
            bencher.iter(|| window.add_pending(black_box(heights)) && window.remove(heights));
        });
        group.bench_function(BenchmarkId::new("request, cancel", heights), |bencher| {
            bencher.iter(|| {
                let requests = window.request_blocks_up_to(black_box(&peers), 1, NOW);
                window.cancel_request(requests[0].height, requests[0].peer)
            });
        });
        group.bench_function(BenchmarkId::new("request, receive, connect, add", heights), |bencher| {
            bencher.iter(|| {
                let request = window.request_blocks_up_to(black_box(&peers), 1, NOW)[0];
                let accepted = window.on_block_received(request.height, request.peer, NOW).is_accepted();
                accepted && window.on_block_connected(request.height) && window.add_pending(request.height)
            });
        });
        group.bench_function(BenchmarkId::new("disconnect, request 15 again", heights), |bencher| {
            bencher.iter(|| {
                let freed = window.on_peer_disconnected(black_box(0)).len();
                window.request_blocks_up_to(&[0], freed, NOW).len()
            });
        });
        group.bench_function(BenchmarkId::new("nothing timed out, next deadline", heights), |bencher| {
            bencher.iter(|| (window.timeout_check(black_box(NOW)).len(), window.next_deadline(NOW)));
        });
        group.bench_function(BenchmarkId::new("stats", heights), |bencher| {
            bencher.iter(|| black_box(&window).stats());
        });
    }
    group.finish();
}

criterion_group!(window, downloads, operations);
criterion_main!(window);
