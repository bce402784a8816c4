//! What a node does with the bytes of one peer.

use dilithion_wire::{Block, BlockHash, GetHeaders, Inventory, Message, VersionMessage};

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening, version};

/// Bug 134: a `version` that comes byte by byte, or together with the `verack` behind it.
#[tokio::test(flavor = "multi_thread")]
async fn bug_134_a_handshake_cut_to_bytes_or_sent_at_once_completes() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;

    let mut slow = RawPeer::connect(&node, miner).await;
    for byte in slow.framed(&version(0)) {
        slow.send_bytes(&[byte]).await;
    }
    assert!(matches!(slow.wait_for("version").await, Message::Version(version) if version.start_height == 0));
    slow.wait_for("verack").await;
    for byte in slow.framed(&Message::Verack) {
        slow.send_bytes(&[byte]).await;
    }
    slow.wait_for("sendheaders").await;

    let mut eager = RawPeer::connect(&node, miner).await;
    let at_once =
        [eager.framed(&version(0)), eager.framed(&Message::Verack), eager.framed(&Message::Ping(1))];
    eager.send_bytes(&at_once.concat()).await;
    assert_eq!(eager.wait_for("pong").await, Message::Pong(1));
    assert!(node.peers().iter().all(|peer| peer.handshake_complete));
    node.stop().await;
}

/// What the C++ nodes tolerate is tolerated (spec: wire §1.2, §2, §3).
#[tokio::test(flavor = "multi_thread")]
async fn pings_come_back_at_any_time_and_unknown_commands_are_ignored() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut peer = RawPeer::connect(&node, miner).await;
    peer.assert_alive(1).await;
    peer.shake_hands().await;
    let mut unknown = peer.framed(&Message::Mempool);
    unknown[4..11].copy_from_slice(b"nothing");
    peer.send_bytes(&unknown).await;
    peer.assert_alive(2).await;
    peer.send(&version(0)).await;
    peer.wait_for("verack").await;
    peer.assert_alive(3).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_the_connection_and_nothing_else() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut witness = RawPeer::connect(&node, miner).await;
    witness.shake_hands().await;

    let ping = witness.framed(&Message::Ping(1));
    let with = |position: usize, value: u8| {
        let mut bytes = ping.clone();
        bytes[position] = value;
        bytes
    };
    // Magic, command, length, checksum.
    for bad in [with(0, 0), with(6, 0), with(19, 0xff), with(20, ping[20] ^ 1)] {
        let mut peer = RawPeer::connect(&node, miner).await;
        peer.shake_hands().await;
        peer.send_bytes(&bad).await;
        assert!(peer.is_closed().await);
    }
    let mut old = RawPeer::connect(&node, miner).await;
    let Message::Version(too_old) = version(0) else { panic!("a version") };
    old.send(&Message::Version(VersionMessage { version: 70_000, ..too_old })).await;
    assert!(old.is_closed().await);

    witness.assert_alive(2).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_blocks_are_served_and_an_unknown_block_is_silence() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let chain = miner.extend(&miner.genesis(), 5, 0);
    let node = listening(miner, dir.path(), &chain).await;
    let mut peer = RawPeer::connect(&node, miner).await;
    peer.shake_hands().await;

    let locator = vec![miner.params.genesis.hash];
    peer.send(&Message::GetHeaders(GetHeaders { locator, stop: BlockHash::ZERO })).await;
    let headers: Vec<_> = chain.blocks[1..].iter().map(|block| block.header).collect();
    // The node asked us for headers too, and sends its own answer in any order.
    let answer = loop {
        match peer.wait_for("headers").await {
            Message::Headers(headers) if !headers.is_empty() => break headers,
            _ => {}
        }
    };
    assert_eq!(answer, headers);

    let unknown = Inventory::block(BlockHash::from_bytes([7; 32]));
    let known = Inventory::block(chain.blocks[3].header.prev_hash);
    peer.send(&Message::GetData(vec![unknown, known, Inventory::block(chain.tip)])).await;
    for expected in [&chain.blocks[2], &chain.blocks[5]] {
        assert_eq!(peer.wait_for("block").await, Message::Block(Block::clone(expected)));
    }
    node.stop().await;
}

/// A block that nobody asked for, on top of our tip.
#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_block_is_connected_without_being_fetched() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let chain = miner.extend(&miner.genesis(), 3, 0);
    let longer = miner.extend(&chain, 1, 0);
    let node = listening(miner, dir.path(), &chain).await;
    let mut peer = RawPeer::connect(&node, miner).await;
    peer.shake_hands().await;
    let block = longer.blocks.last().unwrap().clone();
    assert!(block.encoded_len() < 1000);
    peer.send(&Message::Block(block.clone())).await;
    let mut status = node.status();
    loop {
        tokio::select! {
            reached = status.wait_for(|status| status.chain_hash == longer.tip) => {
                reached.unwrap();
                break;
            }
            raw = peer.receive() => match raw.expect("the connection stays").decode(&miner.params.limits).unwrap() {
                Message::GetHeaders(_) => peer.send(&Message::Headers(Vec::new())).await,
                Message::GetData(items) => panic!("{items:?}: it is there"),
                _ => {}
            },
        }
    }
    node.stop().await;
}
