//! Real nodes in processes of their own that sync the recorded chain over loopback, and get killed while doing so.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::process::{
    RECORDED_HEIGHT, RECORDED_UTXO, RunningNode, assert_in_order, free_address, import_recorded,
    on_recorded_chain, query, stdout_of,
};
use tempfile::TempDir;

/// A node with the whole recorded chain.
fn source() -> (TempDir, SocketAddr, RunningNode) {
    let dir = tempfile::tempdir().unwrap();
    import_recorded(dir.path());
    let (address, node) = listening(dir.path(), &[]);
    (dir, address, node)
}

fn listening(datadir: &Path, args: &[String]) -> (SocketAddr, RunningNode) {
    let address = free_address();
    let args = [&[format!("--port={}", address.port())], args].concat();
    let mut node = RunningNode::start(datadir, &args);
    node.wait_for("Listening on");
    (address, node)
}

fn connect(address: SocketAddr) -> String {
    format!("--connect={address}")
}

fn stop_at_tip() -> String {
    format!("--stop-at-height={RECORDED_HEIGHT}")
}

fn assert_synced(datadir: &Path) {
    assert_eq!(query(datadir, &["height"]), RECORDED_HEIGHT.to_string());
    assert_eq!(query(datadir, &["utxo-digest"]), RECORDED_UTXO);
    let checked = stdout_of(on_recorded_chain("check-chain", datadir).arg("--pow"));
    assert_eq!(checked, "Chain integrity verified: 501 blocks");
}

/// Requirements 003-053 and 003-054, and a clean end by SIGTERM and by `--stop-at-height`.
#[test]
fn two_nodes_shake_hands_sync_and_say_so() {
    let (_a_dir, a_address, mut a) = source();
    let b_dir = tempfile::tempdir().unwrap();
    let mut b =
        RunningNode::start(b_dir.path(), &["--no-listen".to_owned(), connect(a_address), stop_at_tip()]);
    assert_eq!(b.finish().code(), Some(0));
    assert_synced(b_dir.path());
    a.terminate();
    assert_eq!(a.finish().code(), Some(0));
    assert_in_order(
        &a.lines,
        &[
            "[P2P] New peer connected: 127.0.0.1:",
            "[P2P] Peer 1 accepted: 127.0.0.1:",
            "[P2P] Received 'version' from peer 1",
            "  Protocol: 70001",
            "  User Agent: Dilithion:1.0.0",
            "  Start Height: 0",
            "[P2P] Sent 'verack' to peer 1",
            "[P2P] Handshake complete with peer 1",
            "  Stopping P2P server...",
            "Shutdown complete",
        ],
    );
    assert_in_order(
        &b.lines,
        &[
            &format!("[P2P] Connecting to {a_address}..."),
            "[P2P] Connected to peer 1",
            "[P2P] Sent 'version' to peer 1",
            "[P2P] Received 'version' from peer 1",
            "[P2P] Sent 'verack' to peer 1",
            "[P2P] Received 'verack' from peer 1",
            "[P2P] Handshake complete with peer 1",
            "[IBD] State: IDLE → CONNECTING",
            "[IBD] State: CONNECTING → HEADERS_SYNC",
            "[IBD] State: HEADERS_SYNC → BLOCKS_DOWNLOAD",
            "Shutdown complete",
        ],
    );
}

/// A way to a node that lets nothing of the node's through while the gate is held.
fn gated(node: SocketAddr, gate: &Arc<Mutex<()>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(node).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        // Either end may go at any time.
        thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = server.read(&mut buffer) {
            let _passing = gate.lock().unwrap();
            if client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    });
    address
}

#[test]
fn a_third_node_syncs_from_two_while_one_is_killed() {
    const FROM_THE_FIRST: usize = 50;
    let (_a_dir, a_address, a) = source();
    let b_dir = tempfile::tempdir().unwrap();
    let mut b =
        RunningNode::start(b_dir.path(), &["--no-listen".to_owned(), connect(a_address), stop_at_tip()]);
    assert_eq!(b.finish().code(), Some(0));

    let c_dir = tempfile::tempdir().unwrap();
    let (gate, b_address) = (Arc::new(Mutex::new(())), free_address());
    let args = [
        "--no-listen".to_owned(),
        "--verbose".to_owned(),
        connect(gated(a_address, &gate)),
        connect(b_address),
        stop_at_tip(),
    ];
    let mut c = RunningNode::start(c_dir.path(), &args);
    for _ in 0..FROM_THE_FIRST {
        c.wait_for("Received 'block' from peer");
    }
    // Only now there is a second node; the first delivers no more, and dies while the second delivers.
    let held = gate.lock().unwrap();
    let args = ["--verbose".to_owned(), format!("--port={}", b_address.port())];
    let mut b = RunningNode::start(b_dir.path(), &args);
    b.wait_for("Received 'getdata'");
    a.kill();
    drop(held);
    assert_eq!(c.finish().code(), Some(0));
    assert_synced(c_dir.path());
    // Each connection has a number of its own, and only one led to each node.
    let served = |line: &String| Some(line.split_once("Received 'block' from peer ")?.1.to_owned());
    let servers: BTreeSet<String> = c.lines.iter().filter_map(served).collect();
    assert_eq!(servers.len(), 2, "both nodes served blocks");
}

/// Small, seeded, and good enough to pick moments.
fn pick(state: &mut u64, range: std::ops::Range<u64>) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    range.start + (*state >> 33) % (range.end - range.start)
}

#[test]
fn a_node_killed_at_twenty_random_moments_resumes_each_time() {
    const SEED: u64 = 20_251_218;
    const KILLS: u32 = 20;
    let (_a_dir, a_address, _a) = source();
    let dir = tempfile::tempdir().unwrap();
    let args = ["--no-listen".to_owned(), "--verbose".to_owned(), connect(a_address), stop_at_tip()];
    let mut state = SEED;
    let mut height = 0;
    let mut kills = 0;
    while kills < KILLS {
        let mut node = RunningNode::start(dir.path(), &args);
        // A log line stands for a moment; a sync of this chain writes a few thousand.
        let moment = pick(&mut state, 5..150);
        let ended = (0..moment).any(|_| node.next_line().is_none());
        node.kill();
        kills += 1;
        let has_store =
            on_recorded_chain("query", dir.path()).arg("height").output().unwrap().status.success();
        assert!(has_store || height == 0, "kill {kills}: the store is gone");
        if has_store {
            let now: u32 = query(dir.path(), &["height"]).parse().unwrap();
            assert!(now >= height, "kill {kills}: fell back from {height} to {now}");
            height = now;
            stdout_of(&mut on_recorded_chain("check-chain", dir.path()));
        }
        if ended {
            // Done early: the remaining kills hit another fresh sync.
            assert_synced(dir.path());
            std::fs::remove_dir_all(dir.path().join("chainstate")).unwrap();
            height = 0;
        }
    }
    let mut last = RunningNode::start(dir.path(), &args);
    assert_eq!(last.finish().code(), Some(0));
    assert_synced(dir.path());
}
