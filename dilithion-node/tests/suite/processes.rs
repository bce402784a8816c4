//! Real nodes in processes of their own that sync the recorded chain over loopback, and get killed while doing so.

use std::net::SocketAddr;
use std::path::Path;

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

#[test]
fn a_third_node_syncs_from_two_while_one_is_killed() {
    let (_a_dir, a_address, a) = source();
    let b_dir = tempfile::tempdir().unwrap();
    let mut b =
        RunningNode::start(b_dir.path(), &["--no-listen".to_owned(), connect(a_address), stop_at_tip()]);
    assert_eq!(b.finish().code(), Some(0));
    let (b_address, _b) = listening(b_dir.path(), &[]);

    let c_dir = tempfile::tempdir().unwrap();
    let args = [
        "--no-listen".to_owned(),
        "--verbose".to_owned(),
        connect(a_address),
        connect(b_address),
        stop_at_tip(),
    ];
    let mut c = RunningNode::start(c_dir.path(), &args);
    let half = RECORDED_HEIGHT as usize / 2;
    let mut blocks = 0;
    while blocks < half {
        let line = c.next_line().expect("the sync goes on");
        blocks += usize::from(line.contains("Received 'block'"));
    }
    a.kill();
    assert_eq!(c.finish().code(), Some(0));
    assert_synced(c_dir.path());
    let from = |peer: u32| {
        c.lines.iter().filter(|line| line.contains(&format!("Received 'block' from peer {peer}"))).count()
    };
    // On a busy machine one of them may have sent everything before the other had shown what it has.
    let first = |needle: &str| c.lines.iter().position(|line| line.contains(needle));
    let shown = |peer: u32| first(&format!("Received 'headers' from peer {peer}"));
    let begun = first("Received 'block'");
    if shown(1).is_some() && shown(2).is_some() && shown(1).max(shown(2)) < begun {
        assert!(from(1) > 0 && from(2) > 0, "both peers served blocks: {} and {}", from(1), from(2));
    }
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
