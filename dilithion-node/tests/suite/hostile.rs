//! Attacks on a real node over TCP, beside a good peer that must be served throughout. The table in docs/security.md
//! names them.

use std::cell::Cell;
use std::time::Duration;

use dilithion_node::Node;
use dilithion_node::net::{NetConfig, Timeouts};
use dilithion_wire::{
    Address, BlockHash, BlockHeader, Command, GetHeaders, Inventory, InventoryKind, Message, RawMessage,
    TimedAddress, Txid, VersionMessage,
};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::miner::Miner;
use crate::wire_peer::{RawPeer, listening, node_with, version};

/// How an attack ends for the attacker.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Its connection is closed.
    Closed,
    /// It is still connected, and a ping after the attack is answered.
    Stays,
}
use Outcome::{Closed, Stays};

struct Attack {
    name: &'static str,
    /// After the handshake, or instead of it.
    greets: bool,
    messages: Vec<RawMessage>,
    outcome: Outcome,
}

fn after(name: &'static str, messages: Vec<RawMessage>, outcome: Outcome) -> Attack {
    Attack { name, greets: true, messages, outcome }
}

fn instead(name: &'static str, messages: Vec<RawMessage>, outcome: Outcome) -> Attack {
    Attack { name, greets: false, messages, outcome }
}

fn raw(command: Command, payload: Vec<u8>) -> RawMessage {
    RawMessage { command, payload: payload.into() }
}

fn times(count: usize, message: &Message) -> Vec<RawMessage> {
    vec![message.to_raw(); count]
}

fn other_version(change: impl Fn(&mut VersionMessage)) -> Vec<RawMessage> {
    let Message::Version(mut changed) = version(0) else { panic!("a version") };
    change(&mut changed);
    vec![Message::Version(changed).to_raw()]
}

/// What takes a peer over a limit, or is merely a nuisance (spec: wire §1.5, §2, §4).
fn attacks(miner: &Miner) -> Vec<Attack> {
    let genesis = miner.params.genesis.hash;
    let strange = Inventory { kind: InventoryKind::Other(9), hash: BlockHash::ZERO.into() };
    let block = Inventory::block(BlockHash::ZERO);
    let address =
        TimedAddress { time: 1, address: Address::from(std::net::SocketAddr::from(([1, 2, 3, 4], 5))) };
    let locator =
        |count| Message::GetHeaders(GetHeaders { locator: vec![genesis; count], stop: BlockHash::ZERO });
    let nothing: Command = Command::new("nothing").unwrap();
    let header = miner.params.genesis_header();
    let with_transactions = [&[1][..], &header.to_bytes(), &[7]].concat();
    let mut huge_block = header.to_bytes().to_vec();
    huge_block.resize(5 << 20, 0);
    let orphan = BlockHeader { prev_hash: BlockHash::from_bytes([9; 32]), ..header };
    let orphan_block = [&orphan.to_bytes()[..], &[1, 0]].concat();
    vec![
        after("inv flood", times(450, &Message::Inv(vec![block])), Closed),
        after("inv items flood", times(6, &Message::Inv(vec![Inventory::tx(Txid::ZERO); 49_999])), Stays),
        after("unknown inventory kinds", times(1, &Message::Inv(vec![strange; 10])), Closed),
        after("unknown kinds in getdata", times(1, &Message::GetData(vec![strange; 10])), Closed),
        after("getdata flood", times(200, &Message::GetData(vec![block])), Closed),
        after("getdata of 49,999 unknown blocks", times(2, &Message::GetData(vec![block; 49_999])), Stays),
        after("headers flood", times(60, &Message::Headers(Vec::new())), Closed),
        after("headers with transactions", vec![raw(Command::HEADERS, with_transactions); 5], Closed),
        after("headers beyond 2000", vec![raw(Command::HEADERS, vec![0xfd, 0xd1, 0x07]); 5], Closed),
        after("headers cut short", vec![raw(Command::HEADERS, vec![5, 1, 2, 3]); 10], Closed),
        after("addr flood", times(12, &Message::Addr(vec![address])), Closed),
        after("addr beyond 50,000", vec![raw(Command::ADDR, vec![0xfe, 0, 0, 1, 0])], Stays),
        after("locator of 33", times(5, &locator(33)), Closed),
        after("getheaders flood", times(130, &locator(1)), Stays),
        after("ping flood", times(2000, &Message::Ping(1)), Stays),
        after("pong flood", times(2000, &Message::Pong(1)), Stays),
        after("pings of nine bytes", vec![raw(Command::PING, vec![0; 9]); 5], Closed),
        after("verack flood", times(2000, &Message::Verack), Stays),
        after("version flood", times(1100, &version(0)), Stays),
        after("mempool flood", times(2000, &Message::Mempool), Stays),
        after("unknown commands", vec![raw(nothing, vec![1, 2, 3]); 2000], Stays),
        after("oversized block", vec![raw(Command::BLOCK, huge_block)], Closed),
        after("blocks of a few bytes", vec![raw(Command::BLOCK, vec![0; 79]); 5], Closed),
        after("orphan blocks", vec![raw(Command::BLOCK, orphan_block); 200], Stays),
        after("unparsable transactions", vec![raw(Command::TX, vec![0xff; 100]); 10], Closed),
        instead("old version", other_version(|version| version.version = 70_000), Closed),
        instead("wrong genesis", other_version(|version| version.genesis = Some(BlockHash::ZERO)), Closed),
        instead("unparsable version", vec![raw(Command::VERSION, vec![0xff; 100]); 10], Closed),
        instead("long message before the handshake", vec![raw(Command::HEADERS, vec![0; 1025])], Closed),
        instead("requests before the handshake", times(500, &locator(1)), Stays),
        instead("pings before the handshake", times(2000, &Message::Ping(1)), Stays),
    ]
}

async fn run(attack: Attack, node: &Node, miner: &Miner) {
    let mut attacker = RawPeer::connect(node, miner).await;
    if attack.greets {
        attacker.shake_hands().await;
    }
    let mut bytes = Vec::new();
    for message in attack.messages {
        bytes.extend(attacker.framed_raw(message));
    }
    bytes.extend(attacker.framed(&Message::Ping(99)));
    let (answered, ended) = attacker.exchange(&bytes, &Message::Pong(99).to_raw()).await;
    let outcome = if answered && !ended { Stays } else { Closed };
    assert_eq!(outcome, attack.outcome, "{}", attack.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attack_ends_as_the_table_says_and_a_good_peer_is_served_throughout() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut good = RawPeer::connect(&node, miner).await;
    good.shake_hands().await;
    for attack in attacks(miner) {
        let over = Cell::new(false);
        let attacked = async {
            run(attack, &node, miner).await;
            over.set(true);
        };
        let served = async {
            while !over.get() {
                good.assert_alive(1).await;
            }
        };
        tokio::join!(attacked, served);
        good.assert_alive(0).await;
    }
    node.stop().await;
}

async fn impatient(miner: &Miner, timeouts: Timeouts) -> (TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let net = NetConfig { timeouts, ..NetConfig::default() };
    let node = node_with(miner, dir.path(), &miner.genesis(), net).await;
    (dir, node)
}

const SOON: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn slowloris_in_the_handshake_ends_with_its_time() {
    let miner = Miner::shared();
    let timeouts = Timeouts { first_message: SOON, handshake: 2 * SOON, ..Timeouts::default() };
    let (_dir, node) = impatient(miner, timeouts).await;
    let mut begun = RawPeer::connect(&node, miner).await;
    let bytes = begun.framed(&version(0));
    begun.send_bytes(&bytes[..50]).await;
    let mut half_done = RawPeer::connect(&node, miner).await;
    half_done.send(&version(0)).await;
    assert!(begun.is_closed().await);
    assert!(half_done.is_closed().await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_within_a_message_or_answers_no_ping_is_closed() {
    let miner = Miner::shared();
    let (_dir, node) = impatient(miner, Timeouts { ping_interval: SOON, ..Timeouts::default() }).await;
    let mut half_open = RawPeer::connect(&node, miner).await;
    half_open.shake_hands().await;
    let mut slowloris = RawPeer::connect(&node, miner).await;
    slowloris.shake_hands().await;
    let bytes = slowloris.framed(&Message::GetData(vec![Inventory::block(BlockHash::ZERO); 1000]));
    slowloris.send_bytes(&bytes[..1000]).await;
    assert!(half_open.is_closed().await);
    assert!(slowloris.is_closed().await);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_a_closed_window_is_closed() {
    let miner = Miner::shared();
    let dir = tempfile::tempdir().unwrap();
    let timeouts = Timeouts { send_stall: SOON, ..Timeouts::default() };
    let net = NetConfig { timeouts, ..NetConfig::default() };
    let chain = miner.extend_by_large(&miner.genesis(), 90);
    let node = node_with(miner, dir.path(), &chain, net).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(node.listening().unwrap()).await.unwrap();
    let mut zero_window = RawPeer::over(stream, &miner.params);
    zero_window.shake_hands().await;
    zero_window.send(&Message::GetData(vec![Inventory::block(chain.tip); 200])).await;
    let mut good = RawPeer::connect(&node, miner).await;
    good.shake_hands().await;
    // Gone from the table, though it has not read that it is.
    while node.peers().len() > 1 {
        good.assert_alive(1).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_of_32_mib_and_other_broken_frames_end_the_connection_at_once() {
    let (miner, dir) = (Miner::shared(), tempfile::tempdir().unwrap());
    let node = listening(miner, dir.path(), &miner.genesis()).await;
    let mut good = RawPeer::connect(&node, miner).await;
    good.shake_hands().await;
    for length in [(8 << 20) + 1, 32 << 20, u32::MAX] {
        let mut attacker = RawPeer::connect(&node, miner).await;
        attacker.shake_hands().await;
        let mut frame = attacker.framed(&Message::Block(miner.params.genesis_block()));
        frame[16..20].copy_from_slice(&length.to_le_bytes());
        attacker.send_bytes(&frame).await;
        assert!(attacker.is_closed().await, "{length}");
    }
    good.assert_alive(1).await;
    node.stop().await;
}
