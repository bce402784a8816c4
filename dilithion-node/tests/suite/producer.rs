//! A node that makes blocks by itself (requirements M15, M16, M19).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dilithion_chain::{Depth, MessageRoom};
use dilithion_node::import::import;
use dilithion_node::net::NetConfig;
use dilithion_node::node::SubmitError;
use dilithion_node::producer::{Payee, ProduceError, ProducerConfig, Refusal, TEST_INTERVAL};
use dilithion_node::{Node, NodeConfig, NodeError};
use dilithion_wire::{Amount, ChainParams, DataMessage, Height, MessageId, TxOut};

use crate::miner::{Mined, Miner};
use crate::wallet::{FEE, Wallet};

/// A node that listens, with these peers and these slots.
pub fn config(datadir: &Path, peers: Vec<SocketAddr>, interval: Option<Duration>) -> NodeConfig {
    let miner = Miner::shared();
    let mut config = NodeConfig::new(Arc::clone(&miner.params), datadir);
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.net = NetConfig { listen, peers, ..NetConfig::default() };
    config.hasher = Some(Arc::clone(&miner.hasher));
    config.producer = ProducerConfig { interval, ..ProducerConfig::default() };
    config
}

pub async fn started(datadir: &Path, peers: Vec<SocketAddr>, interval: Option<Duration>) -> Node {
    Node::start(config(datadir, peers, interval)).await.unwrap()
}

pub async fn submit(node: &Node, count: u64) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(node.submit_text("Alice", format!("text {number}")).await.unwrap());
    }
    ids
}

fn height_of(node: &Node, id: &MessageId) -> Option<u32> {
    node.store().message(id).unwrap().map(|found| found.height.0)
}

fn waiting(node: &Node) -> Vec<MessageId> {
    let messages = node.store().pending_messages(MessageRoom::UNBOUNDED).unwrap();
    messages.iter().map(DataMessage::id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_peers_makes_blocks_of_what_is_pending() {
    let dir = tempfile::tempdir().unwrap();
    let node = started(dir.path(), Vec::new(), None).await;
    let ids = submit(&node, 3).await;
    assert_eq!(waiting(&node), ids);
    let made = node.produce_now().await.unwrap();
    assert_eq!((made.height, made.messages), (Height(1), 3));
    assert_eq!(node.tip().borrow().1, made.hash);
    assert!(ids.iter().all(|id| height_of(&node, id) == Some(1)) && waiting(&node).is_empty());

    // Empty blocks are blocks too, and somebody may be paid.
    let address = Payee::address("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrKq").unwrap();
    let paid = node.produce_for(address.clone()).await.unwrap();
    let block = node.store().block(&paid.hash).unwrap().unwrap();
    let value = Miner::shared().params.subsidy(Height(2));
    let expected = TxOut { value, script_pubkey: address.as_script().clone() };
    assert_eq!(block.transactions[0].outputs, [expected]);
    for height in 3..=5 {
        assert_eq!(node.produce_now().await.unwrap().height, Height(height));
    }
    let stats = *node.producer().unwrap().borrow();
    assert_eq!((stats.produced, stats.missed_slots), (5, 0));
    assert_eq!(node.store().check_integrity(Depth::Full).unwrap().blocks, 6);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_messages_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let node = started(dir.path(), Vec::new(), None).await;
    let message = DataMessage::new("Alice", "Hello", 0, 7).unwrap();
    node.submit_message(message.clone()).await.unwrap();
    let again = node.submit_message(message).await.unwrap_err();
    assert!(matches!(&again, SubmitError::Refused(error) if error.reject_reason() == "already-pending"));
    let long = node.submit_text("Alice", "x".repeat(100_000)).await.unwrap_err();
    assert!(matches!(long, SubmitError::Message(error) if error.field == "content"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_are_met_without_peers_and_what_comes_in_meanwhile_gets_into_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let node = started(dir.path(), Vec::new(), Some(TEST_INTERVAL)).await;
    let mut producer = node.producer().unwrap();
    let mut ids = Vec::new();
    for blocks in 1..=5 {
        ids.extend(submit(&node, 20).await);
        producer.wait_for(|stats| stats.produced >= blocks).await.unwrap();
    }
    let done = producer.borrow().produced + 2;
    producer.wait_for(|stats| stats.produced >= done).await.unwrap();
    node.stop().await;

    let again = started(dir.path(), Vec::new(), None).await;
    assert!(ids.iter().all(|id| height_of(&again, id).is_some()), "none is lost");
    assert_eq!(waiting(&again), []);
    let tip = again.store().tip().unwrap().height;
    let carried: usize = (1..=tip.0)
        .map(|height| again.store().block_at(Height(height)).unwrap().unwrap())
        .map(|block| DataMessage::find_in(&block.transactions[0].outputs).count())
        .sum();
    assert_eq!(carried, ids.len(), "none is there twice");
    again.stop().await;
}

/// Requirement M19: 10 blocks, stop, start, 10 blocks, then 15.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let node = started(dir.path(), Vec::new(), None).await;
    for _ in 0..10 {
        node.produce_now().await.unwrap();
    }
    node.stop().await;
    let node = started(dir.path(), Vec::new(), None).await;
    assert_eq!(node.store().tip().unwrap().height, Height(10));
    for height in 11..=15 {
        assert_eq!(node.produce_now().await.unwrap().height, Height(height));
    }
    assert_eq!(node.store().check_integrity(Depth::Full).unwrap().blocks, 16);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_blocks_are_made_on_public_networks() {
    let dir = tempfile::tempdir().unwrap();
    let mut public = config(dir.path(), Vec::new(), Some(TEST_INTERVAL));
    public.params = Arc::new(ChainParams::testnet());
    public.net = NetConfig::default();
    let expected = Refusal::Public { network: "testnet".to_owned() };
    let refused = Node::start(public.clone()).await.unwrap_err();
    assert!(matches!(refused, NodeError::Producer(refusal) if refusal == expected));

    public.producer.interval = None;
    let node = Node::start(public).await.unwrap();
    let refused = node.produce_now().await.unwrap_err();
    assert!(matches!(refused, ProduceError::Refused(refusal) if refusal == expected));
    assert!(node.producer().is_none());
    let refused = node.submit_text("Alice", "Hello").await.unwrap_err();
    assert!(matches!(&refused, SubmitError::Refused(error) if error.reject_reason() == "not-carried"));
    node.stop().await;

    let mut still = config(dir.path(), Vec::new(), Some(Duration::ZERO));
    still.datadir = dir.path().join("other");
    let refused = Node::start(still).await.unwrap_err();
    assert!(matches!(refused, NodeError::Producer(Refusal::NoInterval)));
}

async fn import_chain(config: &NodeConfig, chain: &Mined) {
    let (config, records) = (config.clone(), chain.records());
    let late = u64::from(chain.blocks.last().unwrap().header.time);
    let hasher = Arc::clone(&Miner::shared().hasher);
    let imported = move || import(&config, hasher, late, &records[..], |_| {}).map(drop);
    tokio::task::spawn_blocking(imported).await.unwrap().unwrap();
}

/// Requirements M15 and M16: a producer gives way to a better chain, and the messages of its own blocks wait again.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_follows_a_better_chain_and_carries_its_messages_there() {
    let miner = Miner::shared();
    let theirs = miner.extend(&miner.genesis(), 6, 9);
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let other = config(dirs[0].path(), Vec::new(), None);
    import_chain(&other, &theirs).await;
    let other = Node::start(other).await.unwrap();

    let node = started(dirs[1].path(), Vec::new(), None).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.extend(submit(&node, 2).await);
        node.produce_now().await.unwrap();
    }
    node.stop().await;
    let node = started(dirs[1].path(), vec![other.listening().unwrap()], None).await;
    node.tip().wait_for(|(_, hash)| *hash == theirs.tip).await.unwrap();
    assert_eq!(waiting(&node), ids);
    let made = node.produce_now().await.unwrap();
    assert_eq!((made.height, made.messages), (Height(7), 6));
    // And the other node takes it.
    other.tip().wait_for(|(_, hash)| *hash == made.hash).await.unwrap();
    assert!(ids.iter().all(|id| height_of(&other, id) == Some(7)));
    node.stop().await;
    other.stop().await;
}

/// Requirement M16: pending transactions come in by what they pay, parents first, and the coinbase takes their fees.
#[tokio::test(flavor = "multi_thread")]
async fn pending_transactions_come_in_with_their_fees() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), Vec::new(), None);
    Arc::make_mut(&mut config.params).consensus.coinbase_maturity = 2;
    let (wallet, subsidy) = (Wallet::new(&config.params), config.params.subsidy(Height(1)));
    let node = Node::start(config).await.unwrap();
    let mut coinbases = Vec::new();
    for _ in 0..3 {
        let made = node.produce_for(Payee::script(wallet.script())).await.unwrap();
        let mut block = node.store().block(&made.hash).unwrap().unwrap();
        coinbases.push(block.transactions.remove(0));
    }
    let parent = wallet.spend(&coinbases[0]);
    let child = wallet.spend(&parent);
    for tx in [&parent, &child] {
        node.submit_transaction(tx.clone()).await.unwrap().unwrap();
    }
    submit(&node, 2).await;
    let made = node.produce_now().await.unwrap();
    assert_eq!((made.height, made.messages), (Height(4), 2));
    let block = node.store().block(&made.hash).unwrap().unwrap();
    assert_eq!(block.transactions[1..], [parent, child]);
    assert_eq!(block.transactions[0].outputs[0].value, Amount(subsidy.0 + 2 * FEE));
    assert_eq!(node.store().pending_stats().unwrap().count, 0);
    assert_eq!(node.store().check_integrity(Depth::Full).unwrap().blocks, 5);
    node.stop().await;
}
