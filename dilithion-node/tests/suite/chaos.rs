//! Three real nodes in a row, with a proxy that breaks things between each two: the sync completes all the same.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use dilithion_node::Node;
use dilithion_node::net::NetConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::miner::{Mined, Miner};
use crate::wire_peer::{local, node_with};

/// What a proxy does to the bytes that the serving node sends.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Each piece arrives so much later.
    Delay(Duration),
    /// Bytes are missing.
    Drop,
    /// The connection ends.
    Cut,
    /// A bit is wrong.
    BitFlip,
    /// Small pieces, so much apart.
    Throttle(usize, Duration),
}

/// Where in a connection the fault happens: later with each, so that each leads further.
const FIRST_FAULT: usize = 2500;

/// A chain with a block that fills many packets.
static CHAIN: LazyLock<Mined> = LazyLock::new(|| {
    let miner = Miner::shared();
    miner.extend(&miner.extend_by_large(&miner.extend(&miner.genesis(), 8, 0), 90), 6, 0)
});

async fn proxy_to(server: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::new(local(1), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut fault_at = FIRST_FAULT;
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server));
            tokio::spawn(spoil(from_server, to_client, fault, fault_at));
            fault_at *= 4;
        }
    });
    address
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // Either end may go at any time: that is the point.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn spoil(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Fault, fault_at: usize) {
    let (mut passed, mut buffer) = (0, vec![0; 4096]);
    loop {
        let room = if let Fault::Throttle(bytes, _) = fault { bytes } else { buffer.len() };
        let Ok(count @ 1..) = from.read(&mut buffer[..room]).await else { return };
        let mut piece = buffer[..count].to_vec();
        let within = fault_at.checked_sub(passed).filter(|position| *position < count);
        passed += count;
        match (fault, within) {
            (Fault::Delay(time) | Fault::Throttle(_, time), _) => tokio::time::sleep(time).await,
            (Fault::Drop, Some(position)) => drop(piece.drain(position..count.min(position + 10))),
            (Fault::Cut, Some(_)) => return,
            (Fault::BitFlip, Some(position)) => piece[position] ^= 4,
            (Fault::Drop | Fault::Cut | Fault::BitFlip, None) => {}
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn three_nodes_sync_under(fault: Fault) {
    // Mining takes a while: not on a thread of the runtime.
    let chain = tokio::task::spawn_blocking(|| &*CHAIN).await.unwrap();
    let miner = Miner::shared();
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let source = node_with(miner, dirs[0].path(), chain, NetConfig::default()).await;
    let mut nodes = vec![source];
    for dir in &dirs[1..] {
        let before: &Node = nodes.last().unwrap();
        let peers = vec![proxy_to(before.listening().unwrap(), fault).await];
        let net = NetConfig { peers, ..NetConfig::default() };
        nodes.push(node_with(miner, dir.path(), &miner.genesis(), net).await);
    }
    for node in &nodes {
        node.status().wait_for(|status| status.chain_hash == chain.tip).await.unwrap();
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sync_over_links_with_delay() {
    three_nodes_sync_under(Fault::Delay(Duration::from_millis(50))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sync_over_links_that_lose_bytes() {
    three_nodes_sync_under(Fault::Drop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sync_over_links_that_are_cut() {
    three_nodes_sync_under(Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sync_over_links_that_flip_bits() {
    three_nodes_sync_under(Fault::BitFlip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_sync_over_thin_links() {
    three_nodes_sync_under(Fault::Throttle(512, Duration::from_millis(5))).await;
}
