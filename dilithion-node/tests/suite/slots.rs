//! Who gets a slot, who loses it, and what may be said before the handshake.

use std::time::Duration;

use dilithion_node::Node;
use dilithion_node::net::{NetConfig, SlotLimits, Timeouts};
use dilithion_wire::{BlockHash, GetHeaders, Inventory, Message};
use tokio::net::TcpStream;

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening, node_with, version};

/// Waits until a connection has been closed by the node, and reads nothing but that.
async fn closed(stream: &TcpStream) {
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut [0; 64]) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

async fn silent_connections(node: &Node, count: usize) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(TcpStream::connect(node.listening().unwrap()).await.unwrap());
    }
    silent
}

/// Connections that may be on their way out beside those that have slots: meanwhile nobody is let in.
const MAX_CLOSING: usize = 8;

/// A peer that tries until it is let in, up to the end of its handshake.
async fn newcomer(last: u8, node: &Node, miner: &Miner) -> RawPeer {
    for _ in 0..1000 {
        let mut peer = RawPeer::from(last, node, miner).await;
        peer.send_if_open(version(0).to_raw()).await;
        if peer.receive().await.is_some() {
            peer.wait_for("verack").await;
            peer.send(&Message::Verack).await;
            peer.wait_for("sendheaders").await;
            return peer;
        }
    }
    panic!("a newcomer is let in when those that gave way are gone");
}

/// Bug 144: slots of connections that say nothing are not lost.
#[tokio::test(flavor = "multi_thread")]
async fn bug_144_after_125_silent_connections_a_good_peer_gets_a_slot() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let timeouts = Timeouts { first_message: Duration::from_secs(3), ..Timeouts::default() };
    let net = NetConfig { timeouts, ..NetConfig::default() };
    let node = node_with(miner, dir.path(), &miner.genesis(), net).await;
    let silent = silent_connections(&node, 125).await;
    let mut good = newcomer(1, &node, miner).await;
    for stream in &silent {
        closed(stream).await;
    }
    good.assert_alive(1).await;
    assert!(node.peers().iter().filter(|peer| !peer.handshake_complete).count() <= 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_does_not_cost_good_peers_their_slots() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let slots = SlotLimits { inbound: 20, ..SlotLimits::default() };
    let net = NetConfig { slots, ..NetConfig::default() };
    let node = node_with(miner, dir.path(), &miner.genesis(), net).await;
    let mut good = Vec::new();
    for last in 2..7 {
        let mut peer = RawPeer::from(last, &node, miner).await;
        peer.shake_hands().await;
        good.push(peer);
    }
    let _flood = silent_connections(&node, 1000).await;
    for peer in &mut good {
        peer.assert_alive(1).await;
    }
    newcomer(9, &node, miner).await.assert_alive(2).await;
    assert!(node.peers().len() <= slots.inbound + MAX_CLOSING, "{} connections", node.peers().len());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_has_two_connections_and_a_new_one_when_one_of_them_ends() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let net = NetConfig { loopback_as_remote: true, ..NetConfig::default() };
    let node = node_with(miner, dir.path(), &miner.genesis(), net).await;
    let mut first = RawPeer::from(2, &node, miner).await;
    first.shake_hands().await;
    let mut second = RawPeer::from(2, &node, miner).await;
    second.shake_hands().await;
    assert!(RawPeer::from(2, &node, miner).await.is_closed().await);
    RawPeer::from(3, &node, miner).await.shake_hands().await;
    second.assert_alive(1).await;
    node.connections().disconnect(node.peers()[0].id);
    assert!(first.is_closed().await);
    RawPeer::from(2, &node, miner).await.shake_hands().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_handshake_little_is_read_and_nothing_is_served() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut early = RawPeer::connect(&node, miner).await;
    let genesis = miner.params.genesis.hash;
    early.send(&Message::GetData(vec![Inventory::block(genesis)])).await;
    early.send(&Message::GetHeaders(GetHeaders { locator: vec![genesis], stop: BlockHash::ZERO })).await;
    early.send(&Message::Ping(1)).await;
    let first = early.receive().await.unwrap();
    assert_eq!(first, Message::Pong(1).to_raw(), "neither block nor headers");
    early.send(&version(0)).await;
    early.wait_for("verack").await;
    // 29 items are 1045 bytes: too much now, nothing special after the handshake.
    early.send(&Message::GetData(vec![Inventory::block(BlockHash::ZERO); 29])).await;
    assert!(early.is_closed().await);

    let mut later = RawPeer::connect(&node, miner).await;
    later.shake_hands().await;
    later.send(&Message::GetData(vec![Inventory::block(BlockHash::ZERO); 29])).await;
    later.assert_alive(2).await;
    node.stop().await;
}
