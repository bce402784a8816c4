//! The demo: a source node with a recorded chain, and two fresh nodes that sync from it, all in this process and on
//! loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dilithion_chain::{Tip, UtxoStats};
use dilithion_pow::{Hasher, PowMode};
use dilithion_wire::{BlockHash, ChainParams, Height};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock};
use crate::import::import;
use crate::net::NetConfig;
use crate::node::{Node, NodeConfig, randomx};
use crate::probe::{Latency, measure_ping};

/// Heights 0…500 of a private chain recorded from the C++ node.
const RECORDED_CHAIN: &[u8] = include_bytes!("../assets/recorded-500.dat");
/// The parameters of that chain.
const RECORDED_PARAMS: &str = include_str!("../assets/private.toml");
/// How often a third connection pings a syncing node.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// How often a watcher is shown the state of both syncing nodes.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// The state of a demo's syncing node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemoProgress {
    /// Headers known.
    pub headers: u64,
    /// RandomX hashes computed.
    pub hashes: u64,
    /// Blocks connected.
    pub blocks: u64,
}

/// What a demo found.
#[derive(Clone, Debug)]
pub struct DemoReport {
    /// The height that all three nodes reached.
    pub height: Height,
    /// The tip that all three nodes share.
    pub tip: BlockHash,
    /// The unspent outputs that all three nodes share.
    pub utxo: UtxoStats,
    /// Time from the first connection to the last block.
    pub elapsed: Duration,
    /// Blocks connected in that time, over both nodes.
    pub blocks: u64,
    /// RandomX hashes computed in that time, over both nodes.
    pub hashes: u64,
    /// Answers of the first syncing node to pings of another connection during the sync.
    pub latency: Latency,
}

/// Runs the demo with its data below `folder`; `watch` is called several times a second with the chain's height and
/// the state of both syncing nodes.
///
/// # Errors
///
/// If anything fails, or if the nodes end on different chains.
pub async fn run(folder: &Path, watch: impl FnMut(u64, [DemoProgress; 2])) -> anyhow::Result<DemoReport> {
    let params = Arc::new(ChainParams::from_toml(RECORDED_PARAMS)?);
    let hasher = {
        let params = Arc::clone(&params);
        tokio::task::spawn_blocking(move || randomx(&params, PowMode::Light, None)).await??
    };
    let config = |name: &str, peers: Vec<SocketAddr>| {
        let mut config = NodeConfig::new(Arc::clone(&params), folder.join(name));
        let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.net = NetConfig { listen, peers, ..NetConfig::default() };
        config.hasher = Some(Arc::clone(&hasher));
        config
    };
    let source = start_source(config("source", Vec::new()), Arc::clone(&hasher)).await?;
    let source_address = source.listening().context("the source does not listen")?;
    let tip = source.store().tip()?;

    let clock = SystemClock::new();
    let first = Node::start(config("first", vec![source_address])).await?;
    let first_address = first.listening().context("the first node does not listen")?;
    let second = Node::start(config("second", vec![source_address, first_address])).await?;
    let synced = CancellationToken::new();
    let probe = tokio::spawn({
        let (params, synced) = (Arc::clone(&params), synced.clone());
        async move { measure_ping(&params, first_address, PROBE_INTERVAL, synced).await }
    });
    let last = watch_syncs([&first, &second], &tip, watch).await;
    let elapsed = clock.now().mono;
    synced.cancel();
    let latency = probe.await??;

    let utxo = source.store().utxo_stats()?;
    for node in [&first, &second] {
        anyhow::ensure!(node.store().tip()?.hash == tip.hash, "the nodes end on different tips");
        anyhow::ensure!(node.store().utxo_stats()? == utxo, "the nodes end with different unspent outputs");
    }
    for node in [second, first, source] {
        node.stop().await;
    }
    Ok(DemoReport {
        height: tip.height,
        tip: tip.hash,
        utxo,
        elapsed,
        blocks: last.iter().map(|node| node.blocks).sum(),
        hashes: last.iter().map(|node| node.hashes).sum(),
        latency,
    })
}

/// A node that has the recorded chain.
async fn start_source(config: NodeConfig, hasher: Arc<dyn Hasher>) -> anyhow::Result<Node> {
    let config = tokio::task::spawn_blocking(move || fill(&config, hasher).map(|()| config)).await??;
    Ok(Node::start(config).await?)
}

/// Shows how far both nodes are until both have the tip; returns where they were last.
async fn watch_syncs(
    nodes: [&Node; 2],
    tip: &Tip,
    mut watch: impl FnMut(u64, [DemoProgress; 2]),
) -> [DemoProgress; 2] {
    let progress = |node: &Node| {
        let status = node.status();
        let status = status.borrow();
        DemoProgress {
            headers: status.header_height.0.into(),
            hashes: node.pow_stats().hashed,
            blocks: status.chain_height.0.into(),
        }
    };
    watch(tip.height.0.into(), nodes.map(progress));
    let mut timer = tokio::time::interval(WATCH_INTERVAL);
    loop {
        timer.tick().await;
        let seen = nodes.map(progress);
        watch(tip.height.0.into(), seen);
        if nodes.iter().all(|node| node.status().borrow().chain_hash == tip.hash) {
            return seen;
        }
    }
}

/// Fills the source's store with the recorded chain.
fn fill(config: &NodeConfig, hasher: Arc<dyn Hasher>) -> anyhow::Result<()> {
    import(config, hasher, SystemClock::new().now().unix, RECORDED_CHAIN, |_| {})?;
    Ok(())
}
