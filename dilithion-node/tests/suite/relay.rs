//! Transactions, and blocks of them, from node to node.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use dilithion_node::Node;
use dilithion_node::net::NetConfig;
use dilithion_node::relay::RelayConfig;
use dilithion_wire::{
    BlockTxn, CompactBlock, GetBlockTxn, Inventory, Message, Misbehaviour, SendCompact, Transaction, Txid,
};

use crate::miner::{Mined, Miner};
use crate::wallet::Wallet;
use crate::wire_peer::{RawPeer, config, started};

/// A chain with coins that can be spent.
struct World {
    miner: Miner,
    wallet: Wallet,
    chain: Mined,
}

impl World {
    fn new() -> Self {
        let miner = Miner::fast();
        let wallet = Wallet::new(&miner.params);
        let script = wallet.script();
        let chain = (0..5).fold(miner.genesis(), |chain, _| miner.extend_with(&chain, &script, &[]));
        Self { miner, wallet, chain }
    }

    /// Spends the coinbase of a block.
    fn spend_coinbase(&self, height: usize) -> Transaction {
        self.wallet.spend(&self.chain.blocks[height].transactions[0])
    }

    /// The chain with a block more.
    fn next(&self, transactions: &[Transaction]) -> Mined {
        self.miner.extend_with(&self.chain, &self.wallet.script(), transactions)
    }

    /// A node that announces transactions at once.
    async fn node(&self, dir: &Path, peers: Vec<SocketAddr>) -> Node {
        let mut config = config(&self.miner, dir, NetConfig { peers, ..NetConfig::default() });
        let soon = Duration::from_millis(10);
        config.relay = RelayConfig { inbound_interval: soon, outbound_interval: soon };
        started(config, &self.miner, &self.chain).await
    }

    async fn peer(&self, node: &Node) -> RawPeer {
        let mut peer = RawPeer::connect(node, &self.miner).await;
        peer.shake_hands().await;
        peer
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn until_pending(node: &Node, txid: Txid) {
    until(|| node.store().pending(&txid).unwrap().is_some()).await;
}

async fn wait_for_transaction(peer: &mut RawPeer, expected: &Transaction) {
    assert_eq!(peer.wait_for("tx").await, Message::Tx(expected.clone()));
}

/// Reads on until a transaction is announced.
async fn wait_for_announcement(peer: &mut RawPeer, txid: Txid) {
    loop {
        if let Message::Inv(items) = peer.wait_for("inv").await
            && items.contains(&Inventory::tx(txid))
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_crosses_the_network_and_a_block_takes_it_everywhere() {
    let world = World::new();
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let first = world.node(dirs[0].path(), Vec::new()).await;
    let second = world.node(dirs[1].path(), vec![first.listening().unwrap()]).await;
    let third = world.node(dirs[2].path(), vec![second.listening().unwrap()]).await;
    let parent = world.spend_coinbase(1);
    let child = world.wallet.spend(&parent);
    first.submit_transaction(parent.clone()).await.unwrap().unwrap();
    first.submit_transaction(child.clone()).await.unwrap().unwrap();
    assert_eq!(
        first.submit_transaction(child.clone()).await.unwrap().unwrap_err().reject_reason(),
        "txn-already-in-mempool"
    );
    until_pending(&third, child.txid()).await;
    until_pending(&third, parent.txid()).await;

    let next = world.next(&[parent]);
    let mut miner = world.peer(&third).await;
    miner.send(&Message::Block(next.blocks.last().unwrap().clone())).await;
    for node in [&first, &second, &third] {
        node.status().wait_for(|status| status.chain_hash == next.tip).await.unwrap();
        let pending: Vec<Txid> =
            node.store().pending_transactions().map(|entry| entry.unwrap().txid).collect();
        assert_eq!(pending, [child.txid()]);
    }
    for node in [third, second, first] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bug_106_what_a_peer_announces_is_asked_for_kept_and_passed_on() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let node = world.node(dir.path(), Vec::new()).await;
    let (mut sender, mut other) = (world.peer(&node).await, world.peer(&node).await);
    let (parent, unknown) = (world.spend_coinbase(1), world.spend_coinbase(2));
    let child = world.wallet.spend(&parent);
    sender.send(&Message::Inv(vec![Inventory::tx(child.txid())])).await;
    for transaction in [&child, &parent] {
        // The child's parent is asked for without having been announced.
        let asked = Message::GetData(vec![Inventory::tx(transaction.txid())]);
        assert_eq!(sender.wait_for("getdata").await, asked);
        sender.send(&Message::Tx(Transaction::clone(transaction))).await;
    }
    wait_for_announcement(&mut other, child.txid()).await;
    for transaction in [&parent, &child] {
        let wanted = [unknown.txid(), transaction.txid()].map(Inventory::tx).to_vec();
        other.send(&Message::GetData(wanted)).await;
        wait_for_transaction(&mut other, transaction).await;
    }
    node.stop().await;

    let again = world.node(dir.path(), Vec::new()).await;
    let mut asking = world.peer(&again).await;
    asking.send(&Message::Mempool).await;
    let pending = [parent, child].map(|transaction| Inventory::tx(transaction.txid())).to_vec();
    assert_eq!(asking.wait_for("inv").await, Message::Inv(pending.clone()), "a restart keeps them");
    asking.send(&Message::Inv(pending)).await;
    asking.send(&Message::Mempool).await;
    asking.send(&Message::Ping(1)).await;
    loop {
        let raw = asking.receive().await.unwrap();
        assert!(!["inv", "getdata"].contains(&raw.command.as_str()), "once a minute, and nothing is news");
        if raw.command.as_str() == "pong" {
            break;
        }
    }
    again.stop().await;
}

/// Signatures that are wrong cost their sender, policy does not.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wrong_for_everybody_has_a_price() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let node = world.node(dir.path(), Vec::new()).await;
    let mut peer = world.peer(&node).await;
    let mut without_fee = world.spend_coinbase(1);
    without_fee.outputs[0].value = world.chain.blocks[1].transactions[0].outputs[0].value;
    let orphan = world.wallet.spend(&world.wallet.spend(&world.spend_coinbase(3)));
    let good = world.spend_coinbase(2);
    for transaction in [without_fee, orphan, good.clone()] {
        peer.send(&Message::Tx(transaction)).await;
    }
    until_pending(&node, good.txid()).await;
    assert_eq!(node.peers()[0].score, 0);

    let mut forged = world.spend_coinbase(1);
    forged.lock_time = 1;
    forged.inputs[0].sequence = u32::MAX;
    peer.send(&Message::Tx(forged)).await;
    until(|| node.peers()[0].score > 0).await;
    assert_eq!(node.peers()[0].score, Misbehaviour::ForgedTransaction.score());
    node.stop().await;
}

/// Compact blocks to a peer that asked for them, as mainnet nodes do.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_prefers_compact_blocks_is_sent_them_and_what_they_lack() {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let node = world.node(dir.path(), Vec::new()).await;
    let (mut peer, mut miner) = (world.peer(&node).await, world.peer(&node).await);
    peer.send(&Message::SendCompact(SendCompact { high_bandwidth: true, version: 1 })).await;
    // Who is known to have the parent lacks one block, and not more.
    let headers = world.chain.blocks[1..].iter().map(|block| block.header).collect();
    peer.send(&Message::Headers(headers)).await;
    peer.assert_alive(1).await;
    let next = world.next(&[world.spend_coinbase(1), world.spend_coinbase(2)]);
    let block = next.blocks.last().unwrap();
    miner.send(&Message::Block(block.clone())).await;
    let Message::CompactBlock(compact) = peer.wait_for("cmpctblock").await else { panic!("it is one") };
    assert_eq!(compact, CompactBlock::new(block, compact.nonce));
    peer.send(&Message::GetBlockTxn(GetBlockTxn { block: next.tip, positions: vec![2] })).await;
    let transactions = vec![block.transactions[2].clone()];
    assert_eq!(
        peer.wait_for("blocktxn").await,
        Message::BlockTxn(BlockTxn { block: next.tip, transactions })
    );
    peer.send(&Message::GetBlockTxn(GetBlockTxn { block: next.tip, positions: vec![3] })).await;
    until(|| node.peers()[0].score == Misbehaviour::PositionOutOfRange.score()).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compact_block_of_known_transactions_is_connected_and_any_other_is_fetched() {
    let (mut world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let node = world.node(dir.path(), Vec::new()).await;
    let mut peer = world.peer(&node).await;
    let (known, unknown) = (world.spend_coinbase(1), world.spend_coinbase(2));
    node.submit_transaction(known.clone()).await.unwrap().unwrap();
    world.chain = world.next(&[known]);
    let block = world.chain.blocks.last().unwrap().clone();
    peer.send(&Message::CompactBlock(CompactBlock::new(&block, 7))).await;
    node.status().wait_for(|status| status.chain_hash == world.chain.tip).await.unwrap();

    world.chain = world.next(&[unknown]);
    let block = world.chain.blocks.last().unwrap().clone();
    peer.send(&Message::CompactBlock(CompactBlock::new(&block, 8))).await;
    let asked = Message::GetData(vec![Inventory::block(world.chain.tip)]);
    assert_eq!(peer.wait_for("getdata").await, asked, "and the first was not asked for");
    peer.send(&Message::Block(block)).await;
    node.status().wait_for(|status| status.chain_hash == world.chain.tip).await.unwrap();
    node.stop().await;
}

/// How long a block takes over one hop and over three: printed, not judged, since the machine may be busy.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints times"]
async fn block_propagation() {
    let mut world = World::new();
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut nodes: Vec<Node> = Vec::new();
    for dir in &dirs {
        let peers = nodes.last().map(|node| node.listening().unwrap()).into_iter().collect();
        nodes.push(world.node(dir.path(), peers).await);
    }
    let mut miner = world.peer(&nodes[0]).await;
    let mut times = vec![Vec::new(); nodes.len()];
    for _ in 0..50 {
        // Announcements are no more frequent than C++ nodes tolerate.
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.chain = world.next(&[]);
        let (tip, block) = (world.chain.tip, world.chain.blocks.last().unwrap().clone());
        let began = Instant::now();
        miner.send(&Message::Block(block)).await;
        for (node, times) in nodes.iter().zip(&mut times) {
            // The status is published ten times a second; the store knows at once.
            until(|| node.store().tip().unwrap().hash == tip).await;
            times.push(began.elapsed());
        }
    }
    for (hops, times) in times.iter_mut().enumerate() {
        times.sort_unstable();
        println!("{hops} hops: median {:?}, longest {:?}", times[25], times[49]);
    }
    for node in nodes {
        node.stop().await;
    }
}
