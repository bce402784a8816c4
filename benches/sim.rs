//! The simulator, and the coordinator's own part of a change of states.

#![expect(clippy::print_stdout, reason = "the ratio to real time is not criterion's business")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_headers::{HeadersConfig, HeadersManager};
use dilithion_node::clock::Now;
use dilithion_node::sim;
use dilithion_node::sync::{Coordinator, CoordinatorConfig, Event, IbdState};
use dilithion_wire::{ChainParams, Height, PeerId};

/// The documents' sync (requirement 000-097): ten nodes, 5000 blocks, 75 ms a hash.
fn ten_nodes(criterion: &mut Criterion) {
    let scenario = sim::by_name("ibd").expect("there is such a scenario");
    let began = Instant::now();
    let run = sim::run(&scenario, 1);
    let wall = began.elapsed();
    assert!(run.violation.is_none(), "{run}");
    let ratio = run.virtual_time.as_secs_f64() / wall.as_secs_f64();
    println!("sim/ten nodes, 5000 blocks: {} events, {ratio:.0} times real time", run.events);

    let mut group = criterion.benchmark_group("sim");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(run.events));
    group.bench_function("ten nodes, 5000 blocks", |bencher| {
        bencher.iter(|| sim::run(&scenario, black_box(1)));
    });
    group.finish();
}

/// Requirement M13: connect to a peer, find nothing to fetch, lose it again: three changes of states.
fn transitions(criterion: &mut Criterion) {
    let params = ChainParams::regtest();
    let config = HeadersConfig::from_params(&params);
    let headers = HeadersManager::new(config, params.genesis_header(), params.genesis.hash);
    let tip = (Height::GENESIS, params.genesis.hash);
    let mut coordinator = Coordinator::new(CoordinatorConfig::default(), headers, tip);
    let peer = PeerId(1);
    let cycle = [
        Event::PeerConnected { peer, start_height: Height(1) },
        Event::Headers { peer, headers: Vec::new() },
        Event::PeerDisconnected { peer },
    ];
    let mut now = Now { mono: Duration::ZERO, unix: u64::from(params.genesis.time) };
    let mut run = |coordinator: &mut Coordinator| {
        let mut actions = 0;
        for event in &cycle {
            now.mono += Duration::from_secs(1);
            actions += coordinator.handle(event.clone(), now).len();
            black_box(coordinator.status(now.mono));
        }
        actions
    };
    run(&mut coordinator);
    assert_eq!(coordinator.state(), IbdState::Connecting);
    let mut group = criterion.benchmark_group("coordinator");
    group.throughput(Throughput::Elements(3));
    group.bench_function("a cycle of three states, with status", |bencher| {
        bencher.iter(|| run(black_box(&mut coordinator)));
    });
    group.finish();
}

criterion_group!(benches, transitions, ten_nodes);
criterion_main!(benches);
