//! Both modes, over scripted peers in virtual time, over real nodes and as the real program (requirements M6, 002-023,
//! 002-034).

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use dilithion_node::net::NetConfig;
use dilithion_node::producer::{PRODUCER_INTERVAL, ProduceError, Refusal};
use dilithion_node::sync::IbdState::{BlocksDownload, Complete, Connecting, HeadersSync, Idle};
use dilithion_node::sync::{Order, SyncMode};
use dilithion_node::{Node, NodeConfig, NodeError};
use dilithion_wire::{Height, PeerId};
use serde_json::Value;

use crate::chain::MockChain;
use crate::http::client::{auth, request};
use crate::miner::{Mined, Miner};
use crate::net::{Behaviour, Net};
use crate::process::{
    RECORDED_HEIGHT, RECORDED_UTXO, RunningNode, free_address, import_recorded, on_recorded_chain, query,
    stderr_of,
};
use crate::wire_peer::{config, listening, started};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

/// All that the mode asks for is here, and nothing else.
fn assert_in_sync(net: &Net, chain: &MockChain, mode: SyncMode) {
    let status = net.coordinator.status(net.now());
    assert!(status.in_sync && status.mode == mode, "{mode}: {status}");
    assert_eq!(status.eta, Some(Duration::ZERO));
    match mode {
        SyncMode::Full => net.assert_synced_to(chain),
        SyncMode::Headers => {
            let headers = net.coordinator.headers();
            assert_eq!(headers.hash_at_height(headers.best_height()), Some(chain.tip()));
            assert_eq!((status.state, net.tip(), net.blocks_requested), (Idle, Height(0), 0));
            assert!(net.coordinator.window().is_empty() && !net.coordinator.follows_tip());
        }
    }
}

#[test]
fn each_mode_walks_its_path() {
    for (mode, path) in [
        (SyncMode::Full, &[Idle, Connecting, HeadersSync, BlocksDownload][..]),
        (SyncMode::Headers, &[Idle, Connecting, HeadersSync, Idle]),
    ] {
        let chain = MockChain::new(4500, 1);
        let mut net = Net::in_mode(&chain, mode);
        assert!(!net.coordinator.is_in_sync(), "nobody has told anything yet");
        net.connect(A, Behaviour::Honest(chain.clone()));
        net.run();
        assert_in_sync(&net, &chain, mode);
        assert_eq!(net.path()[..path.len()], *path);
        let full = mode == SyncMode::Full;
        assert_eq!(net.path().len() > path.len(), full);
        assert_eq!(net.blocks_requested, if full { 4500 } else { 0 });
    }
}

#[test]
fn each_mode_syncs_chains_of_any_length() {
    for mode in SyncMode::ALL {
        for length in [1, 11, 100, 101, 1999, 2000, 2001, 4000] {
            let chain = MockChain::new(length, 1);
            let mut net = Net::in_mode(&chain, mode);
            net.connect(A, Behaviour::Honest(chain.clone()));
            net.run();
            assert_in_sync(&net, &chain, mode);
        }
    }
}

#[test]
fn each_mode_survives_the_loss_of_all_peers() {
    for mode in SyncMode::ALL {
        let chain = MockChain::new(3000, 1);
        let mut net = Net::in_mode(&chain, mode);
        net.slow_hashes = Some(Duration::from_millis(10));
        net.connect(A, Behaviour::Honest(chain.clone()));
        net.run_until(|net| net.coordinator.headers().ready_height() >= Height(500));
        net.disconnect(A);
        net.run();
        assert_eq!(net.coordinator.state(), Connecting, "{mode}");
        assert!(!net.coordinator.is_in_sync());
        net.connect(B, Behaviour::Honest(chain.clone()));
        net.run();
        assert_in_sync(&net, &chain, mode);
        net.disconnect(B);
        net.run_for(Duration::from_secs(5));
        assert!(!net.coordinator.is_in_sync(), "nobody is there to tell of more");
    }
}

#[test]
fn no_mode_believes_liars() {
    for mode in SyncMode::ALL {
        let chain = MockChain::new(3000, 1);
        let mut net = Net::in_mode(&chain, mode);
        net.connect(A, Behaviour::Forge(chain.clone(), Height(1234)));
        net.run();
        assert_eq!(net.punished, [A], "{mode}");
        net.connect(B, Behaviour::ClaimHeight(chain.clone(), Height(1_000_000)));
        net.run();
        assert_in_sync(&net, &chain, mode);
    }
}

#[test]
fn each_mode_follows_what_is_announced_and_the_better_branch() {
    for mode in SyncMode::ALL {
        let common = MockChain::new(50, 1);
        let (ours, theirs) = (common.extend(10, 2), common.extend(30, 3));
        let longer = theirs.extend(1, 3);
        let mut net = Net::in_mode(&ours, mode);
        net.connect(A, Behaviour::Honest(ours.clone()));
        net.run();
        assert_in_sync(&net, &ours, mode);
        net.connect(B, Behaviour::Honest(theirs.clone()));
        net.run();
        assert_in_sync(&net, &theirs, mode);
        let states = net.path().len();
        net.announce(B, longer.clone());
        net.run();
        assert_in_sync(&net, &longer, mode);
        assert_eq!(net.path().len(), states, "{mode}: one block is no new sync");
    }
}

/// Headers are proved, and stored, before the node holds.
#[test]
fn headers_are_proved_before_the_node_holds_and_survive_a_restart() {
    let chain = MockChain::new(2100, 1);
    let mut net = Net::in_mode(&chain, SyncMode::Headers);
    net.slow_hashes = Some(Duration::from_millis(100));
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run_until(|net| net.coordinator.headers().ready_height() >= Height(1000));
    let status = net.coordinator.status(net.now());
    assert_eq!(status.state, HeadersSync);
    assert!(status.waiting_for.starts_with("proving headers: "), "{status}");
    assert!(status.eta.is_some_and(|left| left > Duration::from_secs(60)), "{:?}", status.eta);
    net.run();
    assert_in_sync(&net, &chain, SyncMode::Headers);
    net.restart();
    assert_eq!(net.coordinator.headers().ready_height(), chain.height(), "all of them were stored");
    let asked = net.headers_requested;
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    assert_in_sync(&net, &chain, SyncMode::Headers);
    assert_eq!(net.headers_requested - asked, 1, "whether there are more");
}

/// Requirement M6: the node holds until `sync_now`, and is a full one then.
#[test]
fn an_order_opens_the_download_of_blocks() {
    let chain = MockChain::new(600, 1);
    let mut net = Net::in_mode(&chain, SyncMode::Headers);
    net.connect(A, Behaviour::Honest(chain.clone()));
    net.run();
    assert_in_sync(&net, &chain, SyncMode::Headers);
    assert!(net.coordinator.status(net.now()).waiting_for.contains("wait for an order"));
    let before = net.path().len();
    net.order(Order::SyncNow);
    net.run();
    assert_in_sync(&net, &chain, SyncMode::Full);
    assert_eq!(net.path()[before..before + 3], [Connecting, HeadersSync, BlocksDownload]);
    assert_eq!((net.coordinator.state(), net.blocks_requested), (Complete, 600));
}

fn headers_only(miner: &Miner, datadir: &Path, peers: Vec<SocketAddr>) -> NodeConfig {
    let net = NetConfig { peers, ..NetConfig::default() };
    NodeConfig { mode: SyncMode::Headers, ..config(miner, datadir, net) }
}

async fn wait_for_headers(node: &Node, chain: &Mined) {
    let (mut status, height) = (node.status(), chain.height());
    status.wait_for(|status| status.in_sync && status.ready_height == height).await.unwrap();
    assert_eq!(node.store().tip().unwrap().height, Height(0));
}

/// Real nodes: what they offer, what they make, what is left after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_node_keeps_headers_and_offers_nothing() {
    let miner = Miner::fast();
    let chain = miner.extend(&miner.genesis(), 300, 0);
    let (full_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let full = listening(&miner, full_dir.path(), &chain).await;
    let collector = headers_only(&miner, dir.path(), vec![full.listening().unwrap()]);
    let node = Node::start(collector).await.unwrap();
    wait_for_headers(&node, &chain).await;
    let peers = full.handle().peers();
    let said = peers[0].1.version.as_ref().unwrap();
    assert_eq!((said.services, said.relay), (0, false));
    let refused = node.produce_now().await.unwrap_err();
    assert!(matches!(refused, ProduceError::Refused(Refusal::HeadersOnly)), "{refused}");
    node.stop().await;

    let mut producing = headers_only(&miner, dir.path(), Vec::new());
    producing.producer.interval = Some(PRODUCER_INTERVAL);
    let refused = Node::start(producing).await.unwrap_err();
    assert!(matches!(refused, NodeError::Producer(Refusal::HeadersOnly)), "{refused}");

    let again = Node::start(headers_only(&miner, dir.path(), Vec::new())).await.unwrap();
    assert_eq!(again.status().borrow().ready_height, chain.height(), "headers are in the store");
    again.stop().await;
    // With blocks from then on.
    let mut config = headers_only(&miner, dir.path(), vec![full.listening().unwrap()]);
    config.mode = SyncMode::Full;
    let node = Node::start(config).await.unwrap();
    node.status().wait_for(|status| status.chain_hash == chain.tip).await.unwrap();
    node.stop().await;
    full.stop().await;
}

/// A node that has blocks keeps them, and follows headers only.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_full_keeps_its_blocks() {
    let miner = Miner::fast();
    let common = miner.extend(&miner.genesis(), 20, 0);
    let (ours, theirs) = (miner.extend(&common, 2, 1), miner.extend(&common, 9, 2));
    let (full_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let full = listening(&miner, full_dir.path(), &theirs).await;
    let config = headers_only(&miner, dir.path(), vec![full.listening().unwrap()]);
    let node = started(config, &miner, &ours).await;
    let height = theirs.height();
    node.status().wait_for(|status| status.in_sync && status.ready_height == height).await.unwrap();
    assert_eq!(node.store().tip().unwrap().hash, ours.tip, "blocks that cannot be replaced stay");
    assert!(node.handle().order(Order::SyncNow));
    node.status().wait_for(|status| status.chain_hash == theirs.tip).await.unwrap();
    node.stop().await;
    full.stop().await;
}

fn source(datadir: &Path) -> (SocketAddr, RunningNode) {
    import_recorded(datadir);
    let address = free_address();
    let mut node = RunningNode::start(datadir, &[format!("--port={}", address.port())]);
    node.wait_for("Listening on");
    (address, node)
}

fn arguments(more: &[&str]) -> Vec<String> {
    ["--mode=headers", "--no-listen"].iter().chain(more).map(|arg| (*arg).to_owned()).collect()
}

fn state(datadir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(datadir.join("state.json")).unwrap()).unwrap()
}

/// The program: `--stop-at-height` counts headers, which a second run finds in the store.
#[test]
fn the_program_stops_at_a_proved_header_and_starts_from_it() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (address, _source) = source(source_dir.path());
    let (connect, stop) = (format!("--connect={address}"), format!("--stop-at-height={RECORDED_HEIGHT}"));
    // The second time without a peer.
    for peers in [&[connect.as_str()][..], &[]] {
        let mut node = RunningNode::start(dir.path(), &arguments(&[&[stop.as_str()], peers].concat()));
        assert_eq!(node.finish().code(), Some(0), "{}", node.lines.join("\n"));
        let reached = format!("Reached height {RECORDED_HEIGHT}");
        assert!(node.lines.iter().any(|line| line.contains(&reached)), "{}", node.lines.join("\n"));
        assert_eq!(state(dir.path())["mode"], "headers");
        assert_eq!(query(dir.path(), &["height"]), "0");
    }
}

#[test]
fn the_program_refuses_to_make_blocks_without_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = on_recorded_chain("run", dir.path());
    let output = command.args(arguments(&["--no-seeds", "--no-rpc", "--produce"])).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).contains("fetches headers only"), "{}", stderr_of(&output));
}

/// Asks the program again and again until its status, which follows its log by a moment, is so.
async fn observe(http: SocketAddr, is_so: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status = request(http, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let status = status.json();
        if is_so(&status) {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

/// The program over HTTP: it holds with all headers and no block, and `sync_now` makes it a full node.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_holds_until_it_is_told_to_sync() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (address, _source) = source(source_dir.path());
    let arguments = arguments(&["--rpcport=0", &format!("--connect={address}")]);
    let mut program = RunningNode::start(dir.path(), &arguments);
    let http = program.http();
    program.wait_for("HEADERS_SYNC → IDLE");
    let status = observe(http, |status| status["status"] == "completed").await;
    assert_eq!((&status["state"], &status["mode"]), (&"IDLE".into(), &"headers".into()));
    assert_eq!((&status["chain_height"], &status["ready_headers"]), (&0.into(), &RECORDED_HEIGHT.into()));
    let ready = request(http, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((ready.status, &ready.json()["headers"]), (200, &RECORDED_HEIGHT.into()));
    let post = "POST /api/v1/action/sync_now HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n";
    let ordered = request(http, &format!("{post}{}\r\n", auth(dir.path()))).await;
    assert_eq!(ordered.status, 200, "{ordered:?}");
    program.wait_for("→ COMPLETE");
    let status = observe(http, |status| status["state"] == "COMPLETE").await;
    assert_eq!((&status["mode"], &status["chain_height"]), (&"full".into(), &RECORDED_HEIGHT.into()));
    program.terminate();
    assert_eq!(program.finish().code(), Some(0));
    assert_eq!(query(dir.path(), &["utxo-digest"]), RECORDED_UTXO);
    let journal = std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    assert_eq!(journal.matches("\"event_type\":\"sync_complete\"").count(), 2, "headers, then blocks");
}
