//! What peers that download from a node are served, and how they share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dilithion_node::net::{NetConfig, UploadLimits};
use dilithion_wire::{BlockHash, Inventory, Message};

use crate::miner::{Mined, Miner};
use crate::wire_peer::{RawPeer, node_with};

/// The ids of a chain, genesis first.
fn ids(chain: &Mined) -> Vec<BlockHash> {
    chain.blocks[1..].iter().map(|block| block.header.prev_hash).chain([chain.tip]).collect()
}

fn all(ids: &[BlockHash]) -> Message {
    Message::GetData(ids.iter().copied().map(Inventory::block).collect())
}

/// Asks for blocks and waits until they have come.
async fn download(peer: &mut RawPeer, ids: &[BlockHash]) {
    peer.send(&all(ids)).await;
    for _ in ids {
        peer.wait_for("block").await;
    }
}

/// A host that may have a byte a second of what it had already: next to nothing.
fn strict() -> NetConfig {
    let upload = UploadLimits { repeated_bytes: 0, repeated_bytes_per_second: 1 };
    NetConfig { upload, loopback_as_remote: true, ..NetConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_was_served_is_known_after_it_reconnects() {
    let (miner, dir) = (Miner::fast(), tempfile::tempdir().unwrap());
    let chain = miner.extend(&miner.genesis(), 600, 0);
    let (node, ids) = (node_with(&miner, dir.path(), &chain, strict()).await, ids(&chain));
    let mut first = RawPeer::from(2, &node, &miner).await;
    first.shake_hands().await;
    download(&mut first, &ids[..550]).await;
    drop(first);

    let mut again = RawPeer::from(2, &node, &miner).await;
    again.shake_hands().await;
    download(&mut again, &ids[550..]).await;
    again.send(&all(&ids[..1])).await;
    // Another host gets the whole chain meanwhile.
    let mut other = RawPeer::from(3, &node, &miner).await;
    other.shake_hands().await;
    download(&mut other, &ids).await;
    again.send(&Message::Ping(7)).await;
    loop {
        match again.receive_message().await.expect("it is not blamed") {
            Message::Pong(7) => break,
            Message::Block(_) => panic!("a block that this host had already"),
            _ => {}
        }
    }
    node.stop().await;
}

/// Peers are served by tasks of their own, a block at a time: one that asks for everything does not delay another's blocks
/// until it has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_peer_leaves_room_for_others() {
    const ROUNDS: usize = 8;
    let (miner, dir) = (Miner::fast(), tempfile::tempdir().unwrap());
    let chain = (0..60).fold(miner.genesis(), |chain, _| miner.extend_by_large(&chain, 90));
    let upload = UploadLimits { repeated_bytes: u32::MAX, ..UploadLimits::default() };
    let net = NetConfig { upload, ..NetConfig::default() };
    let (node, ids) = (node_with(&miner, dir.path(), &chain, net).await, ids(&chain));
    let mut greedy = RawPeer::connect(&node, &miner).await;
    greedy.shake_hands().await;
    greedy.send(&all(&ids.repeat(ROUNDS))).await;
    greedy.wait_for("block").await;
    let came = Arc::new(AtomicUsize::new(1));
    let counter = Arc::clone(&came);
    let reading = tokio::spawn(async move {
        for _ in 1..ROUNDS * 61 {
            greedy.wait_for("block").await;
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut modest = RawPeer::connect(&node, &miner).await;
    modest.shake_hands().await;
    for id in &ids[..10] {
        download(&mut modest, &[*id]).await;
    }
    let before = came.load(Ordering::Relaxed);
    assert!(before < ROUNDS * ids.len(), "the greedy peer had all {before} before");
    reading.await.unwrap();
    node.stop().await;
}
