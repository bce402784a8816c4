//! A node of its own process under a hundred peers that come and go, ask, flood and send rubbish, for as long as one likes:
//!
//! ```text
//! SOAK_SECONDS=3600 SOAK_CSV=soak.csv cargo test --release -p dilithion-node --test suite -- --ignored --nocapture --exact soak::soak
//! ```
//!
//! The node does not ban peers of its own machine, so that those it disconnects can come back. Memory and file descriptors are sampled each second, and have to be flat: the last quarter is compared with the second.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dilithion_node::random::Random;
use dilithion_wire::{
    BlockHash, ChainParams, Command, GetHeaders, Inventory, Message, RawMessage, TimedAddress, Txid,
};
use tokio::net::TcpSocket;

use crate::process::{RunningNode, free_address, import_recorded, testdata};
use crate::wire_peer::{RawPeer, local, version};

/// Connections that are open at any time, or being opened.
const PEERS: u64 = 125;
/// How long it takes unless `SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 300;
/// Growth that is within the noise of allocators.
const TOLERANCE: f64 = 1.15;

/// What the node's process takes at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: u64,
    rss_kib: u64,
    fds: usize,
}

fn sample(pid: u32, since: Instant) -> Sample {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the node lives");
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss_kib = rss.trim().trim_end_matches(" kB").parse().unwrap();
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    Sample { seconds: since.elapsed().as_secs(), rss_kib, fds }
}

/// One peer after another from the same seed, until the time is up.
async fn churn(node: SocketAddr, params: Arc<ChainParams>, seed: u64, end: Instant, lives: Arc<AtomicU64>) {
    let mut random = Random::new(seed);
    while Instant::now() < end {
        let socket = TcpSocket::new_v4().unwrap();
        let last = u8::try_from(2 + seed % 250).unwrap();
        socket.bind(SocketAddr::new(local(last), 0)).unwrap();
        if let Ok(stream) = socket.connect(node).await {
            let peer = RawPeer::over(stream, &params);
            let patience = random.time_within(Duration::from_millis(100)..Duration::from_secs(20));
            // Whatever becomes of it: it ends in time, closed by the node or by itself.
            let _ = tokio::time::timeout(patience, live(peer, &params, &mut random)).await;
            lives.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(random.time_within(Duration::from_millis(1)..Duration::from_millis(500))).await;
    }
}

async fn live(mut peer: RawPeer, params: &ChainParams, random: &mut Random) {
    // Some never say anything.
    if random.one_in(10) {
        peer.is_closed().await;
        return;
    }
    peer.send_if_open(version(0).to_raw()).await;
    peer.send_if_open(Message::Verack.to_raw()).await;
    loop {
        let message = any_message(params, random);
        peer.send_if_open(message).await;
        if !random.one_in(3) {
            tokio::time::sleep(random.time_within(Duration::ZERO..Duration::from_millis(200))).await;
        }
        if random.one_in(2) && !peer.read_some().await {
            return;
        }
    }
}

fn any_message(params: &ChainParams, random: &mut Random) -> RawMessage {
    let hash = BlockHash::from_bytes([random.next_u64().to_le_bytes(); 4].concat().try_into().unwrap());
    let known = params.genesis.hash;
    let message = match random.within(0..100) {
        0..=30 => Message::Ping(random.next_u64()),
        31..=45 => Message::GetHeaders(GetHeaders { locator: vec![known], stop: BlockHash::ZERO }),
        46..=65 => Message::GetData(vec![Inventory::block(known), Inventory::block(hash)]),
        66..=75 => Message::Inv(vec![Inventory::block(hash)]),
        76..=84 => {
            let txid =
                |_| Txid::from_bytes([random.next_u64().to_le_bytes(); 4].concat().try_into().unwrap());
            Message::Inv((0..100).map(txid).map(Inventory::tx).collect())
        }
        85..=89 => Message::Headers(vec![params.genesis_header(); 20]),
        90..=93 => Message::Block(params.genesis_block()),
        94..=95 => Message::Addr(Vec::<TimedAddress>::new()),
        96..=98 => Message::Mempool,
        _ => {
            let length = usize::try_from(random.within(0..2000)).unwrap();
            return RawMessage { command: Command::TX, payload: vec![7; length].into() };
        }
    };
    message.to_raw()
}

#[test]
#[ignore = "takes minutes to hours: see the module"]
fn soak() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let address = free_address();
    let args = ["--max-inbound=117", "--quiet"].map(str::to_owned);
    let mut node =
        RunningNode::start(dir.path(), &[&[format!("--port={}", address.port())], &args[..]].concat());
    let pid = node.pid();
    // Nobody would read the log otherwise, and the node would wait for its reader.
    let log = thread::spawn(move || {
        let mut panics = 0;
        while let Some(line) = node.next_line() {
            panics += u64::from(line.contains("panicked"));
            node.lines.clear();
            if line.contains("Shutdown complete") {
                break;
            }
        }
        (panics, node.finish())
    });

    let params = std::fs::read_to_string(testdata("private.toml")).unwrap();
    let params = Arc::new(ChainParams::from_toml(&params).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (began, lives) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let end = began + Duration::from_secs(seconds);
    for seed in 0..PEERS {
        runtime.spawn(churn(address, Arc::clone(&params), seed, end, Arc::clone(&lives)));
    }
    let mut samples = Vec::new();
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(1));
        samples.push(sample(pid, began));
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
    crate::process::terminate(pid);
    let (panics, status) = log.join().unwrap();

    report(&samples, lives.load(Ordering::Relaxed));
    assert!(status.success() && panics == 0, "{status}, {panics} panics");
    let quarter = samples.len() / 4;
    let most = |part: &[Sample]| part.iter().map(|sample| sample.rss_kib).max().unwrap();
    let (early, late) = (most(&samples[quarter..2 * quarter]), most(&samples[3 * quarter..]));
    #[expect(clippy::cast_precision_loss, reason = "kibibytes of a process")]
    let growth = late as f64 / early as f64;
    assert!(growth < TOLERANCE, "resident memory grew from {early} to {late} KiB");
    let most_fds = samples.iter().map(|sample| sample.fds).max().unwrap();
    assert!(most_fds < 117 + 64, "{most_fds} file descriptors");
}

#[expect(clippy::print_stdout, reason = "figures are what it is for")]
fn report(samples: &[Sample], lives: u64) {
    let mut csv = "seconds,rss_kib,fds\n".to_owned();
    for Sample { seconds, rss_kib, fds } in samples {
        writeln!(csv, "{seconds},{rss_kib},{fds}").unwrap();
    }
    if let Some(file) = std::env::var_os("SOAK_CSV") {
        std::fs::write(file, &csv).unwrap();
    }
    for part in samples.chunks(samples.len().div_ceil(10).max(1)) {
        println!("{:?}", part[part.len() - 1]);
    }
    println!("{lives} connections came and went");
}
