//! The tests that document 001 asks of the connection manager, on real sockets (requirements 001-052…062), and one for
//! each bug of the C++ network layer that they do not cover.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dilithion_node::net::{DialFuture, Dialer, NetConfig, SendError, TcpDialer};
use dilithion_node::sync::IbdState;
use dilithion_node::{Node, NodeConfig};
use dilithion_wire::{BlockHash, GetHeaders, Inventory, Message};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening, local, node_with, version};

/// Document 001: a clean shutdown took 950 ms. Generous, for a machine that does other things as well.
const SHUTDOWN: Duration = Duration::from_secs(10);

async fn fresh(miner: &Miner) -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    (dir, node)
}

async fn greeted(node: &Node, miner: &Miner) -> RawPeer {
    let mut peer = RawPeer::connect(node, miner).await;
    peer.shake_hands().await;
    peer
}

/// Waits for as many pongs as there are nonces, in order.
async fn assert_pongs(peer: &mut RawPeer, nonces: std::ops::Range<u64>) {
    for nonce in nonces {
        assert_eq!(peer.wait_for("pong").await, Message::Pong(nonce));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_queue_ordering_is_first_in_first_out() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = greeted(&node, miner).await;
    let pings: Vec<u8> = (0..500).flat_map(|nonce| peer.framed(&Message::Ping(nonce))).collect();
    peer.send_bytes(&pings).await;
    assert_pongs(&mut peer, 0..500).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn send_message_queue_delivers_in_order_and_tells_when_nobody_is_there() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = greeted(&node, miner).await;
    let id = node.peers()[0].id;
    for nonce in 0..1000 {
        node.connections().push_message(id, &Message::Pong(nonce)).unwrap();
    }
    assert_pongs(&mut peer, 0..1000).await;
    node.connections().disconnect(id);
    assert!(peer.is_closed().await);
    assert_eq!(node.connections().push_message(id, &Message::Verack), Err(SendError::Closed));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wake_signalling_and_clean_shutdown_with_ten_connections() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(greeted(&node, miner).await);
    }
    tokio::time::timeout(SHUTDOWN, node.stop()).await.expect("joined in time");
    for peer in &mut peers {
        assert!(peer.is_closed().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn graceful_disconnect_by_either_side_frees_the_slot() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut witness = greeted(&node, miner).await;
    let mut peer = greeted(&node, miner).await;
    let id = node.peers().last().unwrap().id;
    node.connections().disconnect(id);
    assert!(peer.is_closed().await);
    drop(greeted(&node, miner).await);
    while node.peers().len() > 1 {
        witness.assert_alive(1).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manager_initialisation_and_node_life_cycle_repeat() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    for _ in 0..3 {
        let node = listening(miner, dir.path(), &miner.genesis()).await;
        assert!(node.peers().is_empty());
        greeted(&node, miner).await.assert_alive(1).await;
        node.stop().await;
    }
    let silent = NodeConfig {
        hasher: Some(Arc::clone(&miner.hasher)),
        ..NodeConfig::new(Arc::clone(&miner.params), dir.path())
    };
    let node = Node::start(silent).await.unwrap();
    assert_eq!((node.listening(), node.peers().len()), (None, 0));
    node.stop().await;
}

/// Also bugs 134 and 148: the `verack` may come long after the `version`, behind other messages.
#[tokio::test(flavor = "multi_thread")]
async fn node_state_transitions_with_a_late_verack() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = RawPeer::connect(&node, miner).await;
    peer.send(&version(0)).await;
    peer.wait_for("verack").await;
    for nonce in 0..50 {
        peer.assert_alive(nonce).await;
        assert!(!node.peers()[0].handshake_complete);
    }
    peer.send(&Message::Verack).await;
    peer.wait_for("sendheaders").await;
    assert!(node.peers()[0].handshake_complete);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_queue_thread_safety() {
    const TASKS: usize = 8;
    const EACH: u64 = 300;
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = greeted(&node, miner).await;
    let id = node.peers()[0].id;
    for task in 0..TASKS as u64 {
        let connections = Arc::clone(node.connections());
        tokio::spawn(async move {
            for number in 0..EACH {
                connections.push_message(id, &Message::Pong(task << 32 | number)).unwrap();
            }
        });
    }
    let mut next = [0; TASKS];
    for _ in 0..TASKS as u64 * EACH {
        let Message::Pong(nonce) = peer.wait_for("pong").await else { panic!("a pong") };
        let task = usize::try_from(nonce >> 32).unwrap();
        assert_eq!(nonce & 0xffff_ffff, next[task], "each task's messages stay in order");
        next[task] += 1;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn high_load_of_large_and_small_messages_arrives_complete() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = greeted(&node, miner).await;
    let id = node.peers()[0].id;
    let large = Message::Inv(vec![Inventory::block(BlockHash::ZERO); 49_999]);
    for nonce in 0..20 {
        node.connections().push_message(id, &large).unwrap();
        node.connections().push_message(id, &Message::Pong(nonce)).unwrap();
        assert_eq!(peer.wait_for("inv").await, large);
        assert_eq!(peer.wait_for("pong").await, Message::Pong(nonce));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_stress_of_50_cycles_leaves_nothing_behind() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut witness = greeted(&node, miner).await;
    for _ in 0..50 {
        drop(greeted(&node, miner).await);
    }
    while node.peers().len() > 1 {
        witness.assert_alive(1).await;
    }
    node.stop().await;
}

/// Document 001: multi-node handshakes. Bug 137: a burst of connections is accepted at once. Bug 141: handshakes go on
/// while headers are worked on.
#[tokio::test(flavor = "multi_thread")]
async fn bug_137_a_hundred_simultaneous_connections_shake_hands() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(RawPeer::connect(&node, miner).await);
    }
    for peer in &mut peers {
        peer.send(&version(0)).await;
        peer.send(&Message::Verack).await;
        peer.send(&Message::Headers(Vec::new())).await;
    }
    for peer in &mut peers {
        peer.wait_for("sendheaders").await;
        peer.assert_alive(1).await;
    }
    assert!(node.peers().iter().all(|peer| peer.handshake_complete));
    node.stop().await;
}

/// Bug 138: who connects in the very moment a node starts to listen is answered.
#[tokio::test(flavor = "multi_thread")]
async fn bug_138_a_peer_that_connects_at_the_start_is_answered() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let address = crate::process::free_address();
    let first = async {
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                let mut peer = RawPeer::over(stream, &miner.params);
                peer.shake_hands().await;
                return peer;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut config = NodeConfig::new(Arc::clone(&miner.params), dir.path());
    config.net = NetConfig { listen: Some(address), ..NetConfig::default() };
    config.hasher = Some(Arc::clone(&miner.hasher));
    let (node, mut peer) = tokio::join!(Node::start(config), first);
    peer.assert_alive(1).await;
    node.unwrap().stop().await;
}

/// Fails twice, then takes until told to connect.
struct SlowDialer {
    failures: Semaphore,
    go: Semaphore,
}

impl Dialer for SlowDialer {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_, TcpStream> {
        Box::pin(async move {
            if let Ok(permit) = self.failures.try_acquire() {
                permit.forget();
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            self.go.acquire().await.unwrap().forget();
            TcpDialer.dial(address).await
        })
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DialFuture<'a, Vec<SocketAddr>> {
        TcpDialer.resolve(host, port)
    }
}

/// Bugs 135 and 139: a refused or slow connection is noticed, and nothing is sent before there is one. Bug 143: after the
/// handshake `getheaders` really leaves. Bug 156: without peers nothing is complete.
#[tokio::test(flavor = "multi_thread")]
async fn bugs_135_139_143_156_a_slow_connection_ends_in_a_request_for_headers() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let listener = TcpListener::bind(SocketAddr::new(local(1), 0)).await.unwrap();
    let dialer = Arc::new(SlowDialer { failures: Semaphore::new(1), go: Semaphore::new(0) });
    let mut config = NodeConfig::new(Arc::clone(&miner.params), dir.path());
    config.net = NetConfig { peers: vec![listener.local_addr().unwrap()], ..NetConfig::default() };
    config.hasher = Some(Arc::clone(&miner.hasher));
    config.dialer = dialer.clone();
    let node = Node::start(config).await.unwrap();
    assert_ne!(node.status().borrow().state, IbdState::Complete);
    dialer.go.add_permits(1);
    let (stream, _) = listener.accept().await.unwrap();
    let mut peer = RawPeer::over(stream, &miner.params);
    peer.wait_for("version").await;
    peer.send(&version(10)).await;
    peer.send(&Message::Verack).await;
    peer.wait_for("getheaders").await;
    node.stop().await;
}

/// Connects when told to, and tells how a dial ended: whether it came to an end by itself.
struct WatchedDialer {
    begun: Semaphore,
    go: Semaphore,
    ended: mpsc::UnboundedSender<bool>,
}

/// Tells when it goes out of scope.
struct DialEnd<'a> {
    by_itself: bool,
    ended: &'a mpsc::UnboundedSender<bool>,
}

impl Drop for DialEnd<'_> {
    fn drop(&mut self) {
        // A test that has seen enough does not listen any more.
        let _ = self.ended.send(self.by_itself);
    }
}

impl Dialer for WatchedDialer {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_, TcpStream> {
        Box::pin(async move {
            let mut end = DialEnd { by_itself: false, ended: &self.ended };
            self.begun.add_permits(1);
            self.go.acquire().await.unwrap().forget();
            // Whoever waits for this has the word once more.
            tokio::task::yield_now().await;
            end.by_itself = true;
            TcpDialer.dial(address).await
        })
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DialFuture<'a, Vec<SocketAddr>> {
        TcpDialer.resolve(host, port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_given_up_while_it_is_dialled_is_dialled_no_further() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let listener = TcpListener::bind(SocketAddr::new(local(1), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let dialer = Arc::new(WatchedDialer { begun: Semaphore::new(0), go: Semaphore::new(0), ended });
    let mut config = NodeConfig::new(Arc::clone(&miner.params), dir.path());
    config.net = NetConfig { peers: vec![address], ..NetConfig::default() };
    config.hasher = Some(Arc::clone(&miner.hasher));
    config.dialer = dialer.clone();
    let node = Node::start(config).await.unwrap();
    dialer.begun.acquire().await.unwrap().forget();
    assert!(node.connections().abandon(address));
    dialer.go.add_permits(1);
    assert_eq!(ends.recv().await, Some(false), "the dial went on");
    assert_eq!(node.peers(), []);
    node.stop().await;
}

/// Bug 149: who is ahead of us, or on a branch that we do not know, may ask for headers.
#[tokio::test(flavor = "multi_thread")]
async fn bug_149_a_locator_that_we_do_not_know_is_no_offence() {
    let miner = Miner::shared();
    let (_dir, node) = fresh(miner).await;
    let mut peer = greeted(&node, miner).await;
    let locator = vec![BlockHash::from_bytes([9; 32]); 32];
    for nonce in 0..30 {
        peer.send(&Message::GetHeaders(GetHeaders { locator: locator.clone(), stop: BlockHash::ZERO })).await;
        peer.wait_for("headers").await;
        peer.assert_alive(nonce).await;
    }
    assert_eq!(node.peers()[0].score, 0);
    node.stop().await;
}

/// Bugs 153, 154 and 168: peers vanish while their messages are worked on, or just as they are asked for a block; one that
/// hears of the block after its handshake provides it.
#[tokio::test(flavor = "multi_thread")]
async fn bugs_153_154_168_peers_that_vanish_leave_nothing_in_flight() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let chain = miner.extend(&miner.genesis(), 1, 3);
    let node = node_with(miner, dir.path(), &miner.genesis(), NetConfig::default()).await;
    let block = chain.blocks[1].clone();
    let announced = Message::Headers(vec![block.header]);
    let mut stays = greeted(&node, miner).await;
    for _ in 0..5 {
        let mut vanishes = greeted(&node, miner).await;
        vanishes.send(&announced).await;
        drop(vanishes);
    }
    let mut vanishes = greeted(&node, miner).await;
    vanishes.send(&announced).await;
    vanishes.wait_for("getdata").await;
    drop(vanishes);
    stays.send(&announced).await;
    let mut status = node.status();
    let connected = status.wait_for(|status| status.chain_hash == chain.tip);
    tokio::pin!(connected);
    loop {
        tokio::select! {
            reached = &mut connected => {
                reached.unwrap();
                break;
            }
            raw = stays.receive() => match raw.expect("the connection stays").decode(&miner.params.limits).unwrap() {
                Message::GetHeaders(_) => stays.send(&announced).await,
                Message::GetData(_) => stays.send(&Message::Block(block.clone())).await,
                _ => {}
            },
        }
    }
    node.stop().await;
}
