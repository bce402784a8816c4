//! Misbehaviour over real sockets: scores, bans, and who is spared.

use dilithion_node::Node;
use dilithion_node::net::NetConfig;
use tokio::io::AsyncReadExt;

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening, local, node_with};

fn strict() -> NetConfig {
    NetConfig { loopback_as_remote: true, ..NetConfig::default() }
}

/// Sends a `ping` with a wrong checksum: 50 points and the end of the connection.
async fn bad_checksum(node: &Node, miner: &Miner, last: u8) {
    let mut peer = RawPeer::from(last, node, miner).await;
    peer.shake_hands().await;
    let mut ping = peer.framed(&dilithion_wire::Message::Ping(1));
    ping[20] ^= 1;
    peer.send_bytes(&ping).await;
    assert!(peer.is_closed().await);
}

/// A refused connection is closed without a byte.
async fn is_refused(node: &Node, miner: &Miner, last: u8) -> bool {
    let mut peer = RawPeer::from(last, node, miner).await;
    peer.stream.read(&mut [0]).await.unwrap_or(0) == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_counts_over_connections_holds_for_any_port_and_survives_a_restart() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = node_with(miner, dir.path(), &miner.genesis(), strict()).await;
    bad_checksum(&node, miner, 2).await;
    assert!(node.connections().banned().is_empty());
    bad_checksum(&node, miner, 2).await;
    let [ban] = &node.connections().banned()[..] else { panic!("one ban") };
    assert_eq!((ban.host.to_string(), ban.reason.as_str()), ("127.0.0.2".to_owned(), "invalid checksum ×2"));
    assert!(is_refused(&node, miner, 2).await);
    RawPeer::from(3, &node, miner).await.shake_hands().await;
    node.stop().await;

    let node = node_with(miner, dir.path(), &miner.genesis(), strict()).await;
    assert!(is_refused(&node, miner, 2).await);
    assert!(node.connections().unban(local(2)));
    RawPeer::from(2, &node, miner).await.shake_hands().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_is_disconnected_but_not_banned() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    for _ in 0..3 {
        bad_checksum(&node, miner, 1).await;
    }
    assert!(node.connections().banned().is_empty());
    RawPeer::connect(&node, miner).await.shake_hands().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_by_hand_closes_the_connections_of_that_host() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut banned = RawPeer::from(2, &node, miner).await;
    let mut other = RawPeer::from(3, &node, miner).await;
    banned.shake_hands().await;
    other.shake_hands().await;
    node.connections().ban(local(2), "by hand".to_owned());
    assert!(banned.is_closed().await);
    assert!(is_refused(&node, miner, 2).await);
    other.assert_alive(1).await;
    node.connections().clear_banned();
    RawPeer::from(2, &node, miner).await.shake_hands().await;
    node.stop().await;
}
