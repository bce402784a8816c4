//! What a node takes that has nothing to do: a measurement, run by hand.
//!
//! ```text
//! IDLE_SECONDS=60 cargo test --release -p dilithion-node --test suite soak_idle -- --ignored --nocapture
//! ```
//!
//! Where `strace` is installed, system calls are counted as well, afterwards and for as long.

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dilithion_wire::{ChainParams, Message};
use tokio::net::TcpStream;

use crate::process::{RECORDED_HEIGHT, RunningNode, free_address, import_recorded, testdata};
use crate::wire_peer::{RawPeer, version};

/// Peers that have what the node has.
const PEERS: usize = 8;
/// How long is measured unless `IDLE_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// What a node may take of a core.
const MOST_PER_CENT: f64 = 0.1;
/// How long the node is left to come to rest after its peers have come.
const REST: Duration = Duration::from_secs(10);

/// What all threads of a process have taken.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// On a processor: `/proc/PID/task/TID/schedstat`, to the nanosecond. `/proc/PID/stat` counts hundredths of a second.
    cpu: Duration,
    switches: u64,
}

fn taken(pid: u32) -> Vec<(String, Taken)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the node lives");
    let of = |task: std::fs::DirEntry| {
        let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        let status = read("status");
        let switches = status.lines().filter(|line| line.contains("_ctxt_switches"));
        let switches = switches.filter_map(|line| line.split('\t').nth(1)?.parse::<u64>().ok()).sum();
        (read("comm").trim().to_owned(), Taken { cpu: Duration::from_nanos(nanos), switches })
    };
    tasks.filter_map(Result::ok).map(of).collect()
}

fn sum(taken: &[(String, Taken)]) -> Taken {
    taken.iter().fold(Taken::default(), |sum, (_, one)| Taken {
        cpu: sum.cpu + one.cpu,
        switches: sum.switches + one.switches,
    })
}

/// A peer that has the same chain, answers and wants nothing.
async fn content(mut peer: RawPeer) {
    let height = i32::try_from(RECORDED_HEIGHT).unwrap();
    peer.send(&version(height)).await;
    peer.wait_for("verack").await;
    peer.send(&Message::Verack).await;
    while let Some(message) = peer.receive_message().await {
        match message {
            Message::Ping(nonce) => peer.send(&Message::Pong(nonce)).await,
            Message::GetHeaders(_) => peer.send(&Message::Headers(Vec::new())).await,
            _ => {}
        }
    }
}

#[test]
#[ignore = "takes minutes, and wants a quiet machine: see the module"]
fn a_node_with_nothing_to_do_takes_next_to_nothing() {
    let seconds = std::env::var("IDLE_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let address = free_address();
    let mut node = RunningNode::start(dir.path(), &[format!("--port={}", address.port())]);
    node.wait_for("Listening on");
    let pid = node.pid();
    let log = thread::spawn(move || node.finish());

    let params = std::fs::read_to_string(testdata("private.toml")).unwrap();
    let params = Arc::new(ChainParams::from_toml(&params).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let stream = runtime.block_on(TcpStream::connect(address)).unwrap();
            runtime.spawn(content(RawPeer::over(stream, &params)))
        })
        .collect();
    thread::sleep(REST);
    let (before, began) = (taken(pid), Instant::now());
    thread::sleep(Duration::from_secs(seconds));
    let (after, time) = (taken(pid), began.elapsed());

    let (first, last) = (sum(&before), sum(&after));
    let cpu = last.cpu.saturating_sub(first.cpu);
    let per_cent = 100.0 * cpu.as_secs_f64() / time.as_secs_f64();
    println!("{cpu:?} in {time:?}: {per_cent:.4} % of a core, {} switches", last.switches - first.switches);
    for ((name, was), (_, is)) in before.iter().zip(&after) {
        let cpu = is.cpu.saturating_sub(was.cpu);
        println!("  {name}: {cpu:?}, {} switches", is.switches - was.switches);
    }
    assert!(peers.iter().all(|peer| !peer.is_finished()), "all peers stay");
    let strace = Command::new("timeout")
        .args(["--signal=INT", &seconds.to_string(), "strace", "-c", "-f", "-p", &pid.to_string()])
        .output();
    if let Ok(output) = strace {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    runtime.shutdown_background();
    crate::process::terminate(pid);
    assert!(log.join().unwrap().success());
    assert!(per_cent < MOST_PER_CENT, "{per_cent} % of a core");
}
