//! Requests that nobody should send, at the real program; and how fast it answers meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dilithion_node::probe::measure_ping;
use dilithion_wire::ChainParams;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::client::{auth, read_answer, request};
use super::program::Program;
use crate::process::{RECORDED_HEIGHT, free_address, import_recorded, testdata};

/// Requirement M10.
const REQUESTS: usize = 10_000;
/// After so many the program has what memory it needs.
const WARM_UP: usize = 2_000;
/// What it may need more after the others: no growth, but the allocator's noise.
const MAX_GROWTH: u64 = 8 << 20;
/// Fuzzing requests under way at a time.
const AT_ONCE: usize = 8;

/// Small and seeded.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    fn of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len())]
    }
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW", "get"];
const PATHS: [&str; 16] = [
    "/",
    "/api/v1/status",
    "/api/v1/peers",
    "/api/v1/chain",
    "/api/v1/headers?from=1&count=3",
    "/api/v1/window",
    "/api/v1/journal?after=1",
    "/api/v1/action/ban",
    "/api/v1/action/unban",
    "/api/v1/action/clear_banned",
    "/metrics",
    "/block/3",
    "/block/-1",
    "/latest",
    "/%00%ff/../..",
    "//////",
];
const HEADERS: [&str; 9] = [
    "Host: localhost",
    "Host: evil.example",
    "X-Dilithion-RPC: 1",
    "Transfer-Encoding: chunked",
    "Content-Length: 99999999999999999999",
    "Content-Length: -1",
    "Authorization: Basic ====",
    "Expect: 100-continue",
    "Origin: http://localhost",
];
/// No call that dials: what a mutation makes of an address could be anybody's.
const BODIES: [&str; 9] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"getblock","params":["00000000000000000000000000000000",2]}"#,
    r#"[{"id":1,"method":"getblockhash","params":[3]},{"id":2,"method":"help"}]"#,
    r#"{"id":1,"method":"gettxout","params":{"txid":"00","n":4294967295}}"#,
    r#"{"id":1,"method":"decoderawtransaction","params":["01000000ffffffffffffffffff"]}"#,
    r#"{"id":1,"method":"setban","params":["192.0.2.1","add",18446744073709551615]}"#,
    r#"{"id":1,"method":"getchaintips"}"#,
    r#"{"address":"192.0.2.1","seconds":18446744073709551615,"reason":"x"}"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "",
];

/// A request that is somewhat wrong, or very.
fn wrong(random: &mut Random, auth: &str) -> Vec<u8> {
    let mut request = format!("{} {} HTTP/1.1\r\n", random.of(&METHODS), random.of(&PATHS));
    for _ in 0..random.below(4) {
        request += random.of(&HEADERS);
        request += "\r\n";
    }
    if random.below(3) > 0 {
        request += "Host: localhost\r\n";
    }
    if random.below(2) > 0 {
        request += auth;
        request += "X-Dilithion-RPC: 1\r\n";
    }
    let body = random.of(&BODIES);
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut bytes = request.into_bytes();
    for _ in 0..random.below(5) {
        if bytes.is_empty() {
            break;
        }
        let position = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[position] = random.next().to_le_bytes()[0],
            1 => drop(bytes.remove(position)),
            2 => bytes.insert(position, random.next().to_le_bytes()[0]),
            _ => bytes.truncate(position.max(1)),
        }
    }
    bytes
}

/// Sends bytes, and no more after them; takes whatever comes back.
async fn throw(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have had enough before it has read all.
    if stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok() {
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut stream, &mut sink).await;
    }
}

async fn throw_many(program: &Program, seed: u64, count: usize, auth: &str) {
    let mut random = Random(seed);
    let mut thrown = 0;
    while thrown < count {
        let mut volley = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (bytes, address) = (wrong(&mut random, auth), program.http);
            volley.spawn(async move { throw(address, &bytes).await });
        }
        volley.join_all().await;
        thrown += AT_ONCE;
    }
}

/// Requirement M10: no panic, no growth, and the program answers as before.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hostile_requests_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), &["--no-listen".to_owned()]);
    let auth = auth(dir.path());
    throw_many(&program, 1, WARM_UP, &auth).await;
    let before = program.memory();
    throw_many(&program, 2, REQUESTS - WARM_UP, &auth).await;
    let after = program.memory();
    assert!(after < before + MAX_GROWTH, "{before} bytes before, {after} after");
    let answer = request(program.http, "GET /height HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((answer.status, answer.json()["height"].as_u64()), (200, Some(0)));
    let lines = program.stop();
    let panics: Vec<&String> = lines.iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

/// What of so many times is met in 50 and in 99 of 100 cases.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// Asks for the status on one connection, so many times.
async fn ask_status(address: SocketAddr, count: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut times = Vec::new();
    while times.len() < count {
        let began = Instant::now();
        stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
        times.push(began.elapsed());
    }
    times
}

/// Requirement M10, in figures. Run it on a quiet machine:
/// `cargo test -p dilithion-node --test suite http_latency -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time, so it needs a quiet machine"]
async fn http_latency() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import_recorded(source_dir.path());
    let source_address = free_address();
    let source = Program::start(source_dir.path(), &[format!("--port={}", source_address.port())]);
    let idle = percentiles(ask_status(source.http, 5000).await);
    eprintln!("status, idle: median {:?}, 99 % {:?}", idle.0, idle.1);

    let text = std::fs::read_to_string(testdata("private.toml")).unwrap();
    let params = Arc::new(ChainParams::from_toml(&text).unwrap());
    let pings = async || {
        let stop = CancellationToken::new();
        let timer = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            timer.cancel();
        });
        measure_ping(&params, source_address, Duration::from_millis(5), stop).await.unwrap()
    };
    eprintln!("ping without anything: {:?}", pings().await);
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let address = source.http;
            // Each comes again when it is cut off.
            tokio::spawn(async move {
                loop {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHo").await;
                    let _ = read_answer(&mut stream).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .collect();
    eprintln!("ping with 100 silent HTTP clients: {:?}", pings().await);
    slow.iter().for_each(tokio::task::JoinHandle::abort);

    let connect = ["--no-listen".to_owned(), format!("--connect={source_address}")];
    let syncing = Program::start(dir.path(), &connect);
    let blocks = async || {
        let call = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        request(syncing.http, call).await.json()["chain_height"].as_u64().unwrap()
    };
    while blocks().await == 0 {}
    let busy = percentiles(ask_status(syncing.http, 2000).await);
    let reached = blocks().await;
    eprintln!("status, in a sync that is at block {reached}: median {:?}, 99 % {:?}", busy.0, busy.1);
    assert!(reached < RECORDED_HEIGHT.into(), "the sync was over too soon");
    assert!(idle.1 < Duration::from_millis(5) && busy.1 < Duration::from_millis(100));
    syncing.stop();
    source.stop();
}
