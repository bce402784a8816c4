//! What it costs to write down what a node does: a transition with its record and its status, a record, a million records
//! verified, hostile text cleaned, a look at what is used.
//!
//! Ends with an error if a transition takes 1 ms in the mean (requirement 002-041); the median is to be below 0.1 ms.
#![expect(clippy::print_stdout, reason = "what is measured once is not criterion's business")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dilithion_node::clock::{Clock, SystemClock};
use dilithion_node::event::{Events, NodeEvent};
use dilithion_node::journal::{Chain, Entry, JOURNAL_FILE, Level, Verifier, verify};
use dilithion_node::observer::{Observer, ObserverConfig};
use dilithion_node::redact::redact;
use dilithion_node::sync::IbdState;
use dilithion_node::usage::Sampler;
use dilithion_wire::{BlockHash, Height};

/// As many syncs as the documents' run has rounds.
const CYCLES: u32 = 100;
const RECORDS: usize = 1_000_000;
const TS: &str = "2026-02-20T07:45:38.307Z";
const CLEAN: [&str; 3] = [
    "2026-02-20T07:45:38.307Z  INFO [P2P] New peer connected: 127.0.0.1:18444 (inbound, peer 17)",
    "2026-02-20T07:45:38.412Z  INFO [IBD] State: HEADERS_SYNC → BLOCKS_DOWNLOAD",
    "2026-02-20T07:45:40.310Z DEBUG block 4711 (00002c1ca3bbbd9c7dd7b0903873b36724e1ee31c53f70ab7c81123228d9edb4) connected",
];
const DIRTY: [&str; 2] = [
    "2026-02-20T07:45:41.000Z  WARN hook: Authorization: Bearer abcdefghijklmnopqrst-123, password: hunter2",
    "2026-02-20T07:45:41.001Z  WARN \u{1b}[31mhook\u{1b}[0m: http://user:word@127.0.0.1:8332/ token=abcdefghijklmnopqrst01",
];
/// The path of a sync of a node that was in sync.
const PATH: [IbdState; 6] = [
    IbdState::Complete,
    IbdState::Connecting,
    IbdState::HeadersSync,
    IbdState::BlocksDownload,
    IbdState::BlocksValidate,
    IbdState::Complete,
];

fn observer(folder: &std::path::Path) -> Observer {
    Observer::open(ObserverConfig::new(folder, "run_bench".to_owned()), Arc::new(SystemClock::new())).unwrap()
}

/// A hundred syncs; how long each transition took to tell.
fn cycles() -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let observer = observer(folder.path());
    let mut times = Vec::new();
    for round in 0..CYCLES {
        for pair in PATH.windows(2) {
            let began = Instant::now();
            observer.on(&NodeEvent::StateTransition { from: pair[0], to: pair[1], height: Height(round) });
            times.push(began.elapsed());
        }
        let hash = BlockHash::default();
        observer.on(&NodeEvent::SyncComplete {
            height: Height(round),
            hash,
            blocks: 1,
            took: Duration::ZERO,
        });
    }
    observer.on(&NodeEvent::NodeStop);
    let report = verify(&folder.path().join(JOURNAL_FILE), None).unwrap();
    assert_eq!(report.events, u64::from(CYCLES) * PATH.len() as u64 + 1);
    times.sort_unstable();
    times
}

fn transitions(_criterion: &mut Criterion) {
    let times = cycles();
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap();
    let median = times[times.len() / 2];
    println!(
        "{} transitions: mean {mean:?}, median {median:?}, longest {:?}",
        times.len(),
        times[times.len() - 1]
    );
    assert!(mean < Duration::from_millis(1), "requirement 002-041");
}

fn journal(criterion: &mut Criterion) {
    let entry = Entry::new("block_connected", Level::Info, "block 4711 (00002c1c…) connected");
    let mut chain = Chain::new("run_bench".to_owned(), None);
    let lines: Vec<String> = (0..RECORDS)
        .map(|_| {
            let line = chain.line(&entry, TS).unwrap();
            chain.accept(&line);
            line
        })
        .collect();
    let began = Instant::now();
    let mut verifier = Verifier::new();
    for line in &lines {
        drop(verifier.line(line.trim_end().as_bytes()).unwrap());
    }
    println!("{} records verified in {:?}", verifier.finish(false, None).unwrap().events, began.elapsed());
    criterion.bench_function("journal/line", |bencher| {
        bencher.iter(|| black_box(chain.line(&entry, TS).unwrap().len()));
    });
}

/// A mebibyte of these lines.
fn log_of(lines: &[&str]) -> String {
    let block = lines.join("\n") + "\n";
    block.repeat((1 << 20) / block.len())
}

/// As a node logs. Requirement M3: 10 ms for a mebibyte of anything.
fn redaction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("redact");
    group.throughput(Throughput::Bytes(1 << 20));
    for (name, lines) in [("log, clean", CLEAN.to_vec()), ("log, dirty", [&CLEAN[..], &DIRTY].concat())] {
        let text = log_of(&lines);
        group.bench_function(name, |bencher| bencher.iter(|| black_box(redact(&text).len())));
    }
    for piece in ["plain text, ", "Bearer ", "http://a:b", "mnemonic: a b c ", "-----BEGIN PRIVATE KEY-----!"]
    {
        let text = piece.repeat((1 << 20) / piece.len());
        group.bench_function(piece.trim(), |bencher| bencher.iter(|| black_box(redact(&text).len())));
    }
    group.finish();
}

fn usage(criterion: &mut Criterion) {
    let (sampler, clock) = (Sampler::default(), SystemClock::new());
    criterion.bench_function("usage/sample", |bencher| {
        bencher.iter(|| black_box(sampler.sample(clock.now().mono)));
    });
}

criterion_group!(benches, transitions, journal, redaction, usage);
criterion_main!(benches);
