//! A producer and those who follow it (requirements M16, M17, M19).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dilithion_chain::Depth;
use dilithion_node::Node;
use dilithion_node::producer::SLOT_TOLERANCE;
use dilithion_wire::{Height, MessageId};
use tempfile::TempDir;

use crate::producer::{started, submit};

/// Requirement M17: a block is at every peer in this time.
const PROPAGATION: Duration = Duration::from_secs(1);
/// The same where time is not measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// Blocks that are watched.
const BLOCKS: u32 = 20;

fn address(node: &Node) -> Vec<SocketAddr> {
    vec![node.listening().unwrap()]
}

async fn reached(node: &Node, height: Height) {
    node.tip().wait_for(|(connected, _)| *connected >= height).await.unwrap();
}

/// Watches twenty blocks of a producer arrive at both peers, each in time, with their messages. Returns how long the slowest
/// one took.
async fn watch_blocks(leader: &Node, peers: [&Node; 2], limit: Duration) -> Duration {
    for node in peers {
        // Each of them is in touch with the leader, whatever is between them.
        reached(node, reach(leader).await).await;
    }
    let first = reach(leader).await.0 + 1;
    let mut sent: Vec<MessageId> = Vec::new();
    let mut slowest = Duration::ZERO;
    for height in (first..first + BLOCKS).map(Height) {
        sent.extend(submit(leader, 3).await);
        reached(leader, height).await;
        let produced = Instant::now();
        let both = async { tokio::join!(reached(peers[0], height), reached(peers[1], height)) };
        let in_time = tokio::time::timeout(limit, both).await;
        slowest = slowest.max(produced.elapsed());
        assert!(in_time.is_ok(), "block {height} has not arrived after {limit:?}");
    }
    let last = Height(first + BLOCKS - 1);
    for height in (0..=last.0).map(Height) {
        let hash = leader.store().hash_at(height).unwrap();
        assert!(hash.is_some() && peers.iter().all(|peer| peer.store().hash_at(height).unwrap() == hash));
    }
    // The last ones may be in the block after.
    sent.truncate(sent.len() - 6);
    for id in sent {
        let at = leader.store().message(&id).unwrap();
        assert!(at.is_some() && peers.iter().all(|peer| peer.store().message(&id).unwrap() == at));
    }
    slowest
}

/// The leader's height once it has made a block more.
async fn reach(leader: &Node) -> Height {
    let next = leader.tip().borrow().0.next();
    reached(leader, next).await;
    next
}

fn dirs() -> [TempDir; 3] {
    [(); 3].map(|()| tempfile::tempdir().unwrap())
}

/// How a network of three hangs together.
#[derive(Clone, Copy)]
enum Shape {
    /// Both peers know the leader.
    Star,
    /// Leader, peer, peer.
    Line,
}

/// Runs a leader that makes a block every `interval`, and two peers. Returns how long the slowest block took.
async fn watch_network(shape: Shape, interval: Duration, limit: Duration) -> Duration {
    let dirs = dirs();
    let leader = started(dirs[0].path(), Vec::new(), Some(interval)).await;
    let a = started(dirs[1].path(), address(&leader), None).await;
    let known = match shape {
        Shape::Star => &leader,
        Shape::Line => &a,
    };
    let b = started(dirs[2].path(), address(known), None).await;
    let slowest = watch_blocks(&leader, [&a, &b], limit).await;
    for node in [leader, a, b] {
        node.stop().await;
    }
    slowest
}

/// Requirement M17 without its second, for machines that do other things as well.
#[tokio::test(flavor = "multi_thread")]
async fn both_peers_of_a_producer_have_all_its_blocks_and_messages() {
    watch_network(Shape::Star, Duration::from_millis(500), PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_nodes_has_all_blocks_and_messages_of_a_producer() {
    watch_network(Shape::Line, Duration::from_millis(500), PATIENCE).await;
}

/// Requirement M17. Run it on a machine that does nothing else:
/// `cargo test -p dilithion-node --release --test suite -- --ignored --nocapture within_a_second`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn each_block_of_a_producer_is_everywhere_within_a_second() {
    for (shape, name) in [(Shape::Star, "star"), (Shape::Line, "line")] {
        let slowest = watch_network(shape, Duration::from_secs(1), PROPAGATION).await;
        println!("{name}: the slowest of {BLOCKS} blocks took {slowest:?}");
    }
}

/// Requirements M17 and M19: who comes late catches up, and has everything after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_joins_late_catches_up_and_keeps_it() {
    let dirs = dirs();
    let leader = started(dirs[0].path(), Vec::new(), None).await;
    let ids = submit(&leader, 5).await;
    for _ in 0..20 {
        leader.produce_now().await.unwrap();
    }
    let late = started(dirs[1].path(), address(&leader), None).await;
    let caught_up = tokio::time::timeout(PATIENCE, reached(&late, Height(20))).await;
    assert!(caught_up.is_ok(), "the peer does not catch up");
    late.stop().await;
    let late = started(dirs[1].path(), Vec::new(), None).await;
    for height in (0..=20).map(Height) {
        let block = late.store().block_at(height).unwrap();
        assert!(block.is_some() && block == leader.store().block_at(height).unwrap());
    }
    assert!(ids.iter().all(|id| late.store().message(id).unwrap().is_some()));
    assert_eq!(late.store().check_integrity(Depth::Full).unwrap().blocks, 21);
    late.stop().await;
    leader.stop().await;
}

/// Requirement M16 in real time: 12 blocks, every gap and the last slot within 50 ms. Run it on a machine that does nothing
/// else: `cargo test -p dilithion-node --release --test suite -- --ignored twelve_blocks`. `DILITHION_INTERVAL` is in seconds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures time"]
async fn twelve_blocks_come_every_second_without_drift() {
    let seconds = std::env::var("DILITHION_INTERVAL").map_or(1, |text| text.parse().unwrap());
    let interval = Duration::from_secs(seconds);
    let dir = tempfile::tempdir().unwrap();
    let leader = started(dir.path(), Vec::new(), Some(interval)).await;
    let mut tip = leader.tip();
    let mut times = Vec::new();
    for height in (1..=12).map(Height) {
        tip.wait_for(|(connected, _)| *connected >= height).await.unwrap();
        times.push(Instant::now());
    }
    let first = times[0];
    let off = |time: Instant, slots: u32| time.duration_since(first).abs_diff(interval * slots);
    for (slot, pair) in (1..).zip(times.windows(2)) {
        let gap = pair[1].duration_since(pair[0]);
        println!("block {}: gap {gap:?}, {:?} off its slot", slot + 1, off(pair[1], slot));
        assert!(gap.abs_diff(interval) <= SLOT_TOLERANCE, "a gap of {gap:?}");
    }
    assert!(off(times[11], 11) <= SLOT_TOLERANCE);
    leader.stop().await;
}
