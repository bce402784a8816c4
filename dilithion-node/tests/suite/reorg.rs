//! Real nodes on branches of a real chain: the better one wins, on disk as well.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use dilithion_chain::Depth;
use dilithion_node::import::import;
use dilithion_node::net::NetConfig;
use dilithion_node::{Node, NodeConfig};

use crate::miner::{Mined, Miner};

fn config(miner: &Miner, datadir: &Path, peers: Vec<SocketAddr>) -> NodeConfig {
    let mut config = NodeConfig::new(Arc::clone(&miner.params), datadir);
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.net = NetConfig { listen, peers, ..NetConfig::default() };
    config.hasher = Some(Arc::clone(&miner.hasher));
    config
}

/// A node that has imported a chain.
async fn node_with(miner: &Miner, datadir: &Path, chain: &Mined, peers: Vec<SocketAddr>) -> Node {
    let config = config(miner, datadir, peers);
    let late = u64::from(chain.blocks.last().unwrap().header.time);
    let (importing, hasher, records) = (config.clone(), Arc::clone(&miner.hasher), chain.records());
    let imported =
        move || import(&importing, hasher, late, &records[..], |_| {}).map(|report| report.connected);
    let connected = tokio::task::spawn_blocking(imported).await.unwrap().unwrap();
    assert_eq!(connected, chain.blocks.len() - 1);
    Node::start(config).await.unwrap()
}

async fn wait_for_tip(node: &Node, chain: &Mined) {
    node.status().wait_for(|status| status.chain_hash == chain.tip).await.unwrap();
    assert_eq!(node.store().tip().unwrap().height, chain.height());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_private_fork_follows_the_better_chain_and_serves_it() {
    let miner = Miner::new();
    let common = miner.extend(&miner.genesis(), 4, 0);
    let ours = miner.extend(&common, 3, 1);
    let theirs = miner.extend(&common, 6, 2);
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());

    let better = node_with(&miner, dirs[0].path(), &theirs, Vec::new()).await;
    let forked = node_with(&miner, dirs[1].path(), &ours, vec![better.listening().unwrap()]).await;
    wait_for_tip(&forked, &theirs).await;
    assert_eq!(forked.store().check_integrity(Depth::Full).unwrap().blocks, theirs.height().0 + 1);
    assert_eq!(forked.store().utxo_stats().unwrap(), better.store().utxo_stats().unwrap());

    let late = node_with(&miner, dirs[2].path(), &ours, vec![forked.listening().unwrap()]).await;
    wait_for_tip(&late, &theirs).await;

    // After a restart the branch that was left is still known, and still not ours.
    let listening = better.listening().unwrap();
    forked.stop().await;
    let again = Node::start(config(&miner, dirs[1].path(), vec![listening])).await.unwrap();
    assert_eq!(again.store().tip().unwrap().hash, theirs.tip);
    for node in [again, late, better] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_branch_leaves_a_node_where_it_is() {
    let miner = Miner::new();
    let common = miner.extend(&miner.genesis(), 4, 0);
    let ours = miner.extend(&common, 5, 1);
    let theirs = miner.extend(&common, 2, 2);
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let strong = node_with(&miner, dirs[0].path(), &ours, Vec::new()).await;
    let weak = node_with(&miner, dirs[1].path(), &theirs, vec![strong.listening().unwrap()]).await;
    // The weak one moves, having heard of the strong one; the strong one has heard as much, and stays.
    wait_for_tip(&weak, &ours).await;
    wait_for_tip(&strong, &ours).await;
    weak.stop().await;
    strong.stop().await;
}
