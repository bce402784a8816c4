//! Addresses: heard, dialled, kept, told.

use std::net::SocketAddr;

use dilithion_node::clock::{Clock, SystemClock};
use dilithion_node::net::{NetConfig, Purpose};
use dilithion_wire::{Address, Message, TimedAddress};
use tokio::net::TcpListener;

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, local, node_with, version};

/// Just seen.
fn entry(address: SocketAddr) -> TimedAddress {
    let now = SystemClock::new().now().unix;
    TimedAddress { time: u32::try_from(now).unwrap(), address: Address::from(address) }
}

fn dialling() -> NetConfig {
    NetConfig { use_addresses: true, loopback_as_remote: true, ..NetConfig::default() }
}

/// Plays the node that was dialled, up to the `getaddr` that ends its handshake.
async fn answer(listener: &TcpListener, miner: &Miner) -> RawPeer {
    let (stream, _) = listener.accept().await.unwrap();
    let mut peer = RawPeer::over(stream, &miner.params);
    peer.wait_for("version").await;
    peer.send(&version(0)).await;
    peer.wait_for("verack").await;
    peer.send(&Message::Verack).await;
    peer.wait_for("getaddr").await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_heard_of_is_dialled_and_the_next_run_begins_with_it() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let listener = TcpListener::bind(SocketAddr::new(local(9), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();

    let node = node_with(miner, dir.path(), &miner.genesis(), dialling()).await;
    let mut friend = RawPeer::from(2, &node, miner).await;
    friend.shake_hands().await;
    friend.send(&Message::Addr(vec![entry(address)])).await;
    let mut dialled = answer(&listener, miner).await;
    dialled.assert_alive(1).await;
    let outbound = node.peers().into_iter().find(|peer| peer.address == address).unwrap();
    assert_eq!(outbound.purpose, Purpose::Automatic);
    // What it told, it tells: once for a connection.
    for _ in 0..3 {
        friend.send(&Message::GetAddr).await;
    }
    let Message::Addr(book) = friend.wait_for("addr").await else { panic!("addresses") };
    assert_eq!(book[0].address.to_socket_addr(), address);
    friend.send(&Message::Ping(7)).await;
    loop {
        let raw = friend.receive().await.unwrap();
        assert_ne!(raw.command.as_str(), "addr", "told twice");
        if raw == Message::Pong(7).to_raw() {
            break;
        }
    }
    node.stop().await;
    assert!(dialled.is_closed().await);

    let node = node_with(miner, dir.path(), &miner.genesis(), dialling()).await;
    answer(&listener, miner).await.assert_alive(2).await;
    node.stop().await;
}

/// Bug 136: told its own address, a node dials it once, notices, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn bug_136_a_node_that_is_told_its_own_address_talks_to_others() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = node_with(miner, dir.path(), &miner.genesis(), dialling()).await;
    let mut friend = RawPeer::from(2, &node, miner).await;
    friend.shake_hands().await;
    let listener = TcpListener::bind(SocketAddr::new(local(9), 0)).await.unwrap();
    let own = node.listening().unwrap();
    let both = [own, listener.local_addr().unwrap()].map(entry);
    friend.send(&Message::Addr(both.to_vec())).await;
    answer(&listener, miner).await.assert_alive(1).await;
    while node.peers().iter().any(|peer| peer.address == own) {
        friend.assert_alive(2).await;
    }
    node.stop().await;
}
