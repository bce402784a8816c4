//! How fast pings are answered beside a flood: a measurement, run by hand.

use std::net::SocketAddr;
use std::time::Duration;

use dilithion_node::node::HASH_NICENESS;
use dilithion_node::probe::measure_ping;
use dilithion_pow::{HashResult, Job, PoolConfig, PowPool, Priority};
use dilithion_wire::{BlockHash, BlockHeader, Command, GetHeaders, Inventory, Message, RawMessage, Txid};
use tokio_util::sync::CancellationToken;

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening};

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(5);
/// Peers that ping meanwhile, each so often.
const PEERS: usize = 8;
const INTERVAL: Duration = Duration::from_millis(20);
/// More hashes than a flood lasts for.
const HASHES: usize = 100_000;

/// Sends the same message without end; connects again whenever it is closed.
async fn flood(node: SocketAddr, miner: &Miner, message: RawMessage, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let stream = tokio::net::TcpStream::connect(node).await.unwrap();
        let mut peer = RawPeer::over(stream, &miner.params);
        peer.shake_hands().await;
        let bytes = peer.framed_raw(message.clone()).repeat((64 << 10) / (24 + message.payload.len()) + 1);
        let (_, mut write) = peer.stream.split();
        while !stop.is_cancelled() && tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await.is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release --test suite -- --ignored --nocapture fairness"]
async fn pings_beside_floods_of_each_kind() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let address = node.listening().unwrap();
    let config = PoolConfig { threads: None, niceness: Some(HASH_NICENESS) };
    let pool = PowPool::new(config, miner.hasher.clone(), |_: HashResult<u64>| {}).unwrap();
    let header = miner.params.genesis_header();
    pool.submit(
        0,
        Priority::Background,
        (0..HASHES as u64).map(|tag| Job { tag, header: header.to_bytes() }),
    );

    let orphan = BlockHeader { prev_hash: BlockHash::from_bytes([9; 32]), ..header };
    let locator = vec![miner.params.genesis.hash; 32];
    let inventory = |count| Message::Inv(vec![Inventory::tx(Txid::ZERO); count]).to_raw();
    let floods = [
        ("nothing", None),
        ("ping", Some(Message::Ping(1).to_raw())),
        ("inv of 1", Some(inventory(1))),
        ("inv of 49,999", Some(inventory(49_999))),
        ("getheaders", Some(Message::GetHeaders(GetHeaders { locator, stop: BlockHash::ZERO }).to_raw())),
        ("getdata", Some(Message::GetData(vec![Inventory::block(miner.params.genesis.hash)]).to_raw())),
        ("headers", Some(Message::Headers(vec![orphan; 2000]).to_raw())),
        (
            "unknown",
            Some(RawMessage { command: Command::new("nothing").unwrap(), payload: vec![0; 100_000].into() }),
        ),
    ];
    for (name, message) in floods {
        let stop = CancellationToken::new();
        let probes: Vec<_> = (0..PEERS)
            .map(|_| {
                let (params, stop) = (miner.params.clone(), stop.clone());
                tokio::spawn(async move { measure_ping(&params, address, INTERVAL, stop).await })
            })
            .collect();
        let flooding = async {
            match message {
                Some(message) => flood(address, miner, message, stop.clone()).await,
                None => stop.cancelled().await,
            }
        };
        let _ = tokio::time::timeout(FLOOD, flooding).await;
        stop.cancel();
        for probe in probes {
            println!("{name}: {}", probe.await.unwrap().unwrap());
        }
    }
    node.stop().await;
}
