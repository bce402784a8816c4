//! A producer where blocks name their miner.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use dilithion_chain::dfmp::{Multiplier, multiplier};
use dilithion_chain::mik::{Identity, Section, SectionKind};
use dilithion_chain::mining::MinerKey;
use dilithion_chain::{ChainReader, Depth};
use dilithion_node::net::NetConfig;
use dilithion_node::producer::{Payee, ProduceError, Produced, ProducerConfig, Refusal, TEST_INTERVAL};
use dilithion_node::{Node, NodeConfig, NodeError};
use dilithion_pow::{Hasher, MockHasher};
use dilithion_wire::{Block, BlockHash, ChainParams, Height, Policy, TxOut, sha3_256};

use crate::process::testdata;
use crate::producer::submit;

/// From here on registrations are attested.
const ATTESTED: u32 = 5;
/// Blocks after which who made none of them is dormant.
const DORMANT: u32 = 12;

/// The recorded private network, whose ids are a fast hash, with today's rules from the beginning and short windows.
fn params() -> Arc<ChainParams> {
    static PARAMS: OnceLock<Arc<ChainParams>> = OnceLock::new();
    let made = || {
        let toml = fs::read_to_string(testdata("private-m/private-m.toml")).unwrap();
        let mut params = ChainParams::from_toml(&toml).unwrap();
        let id = MockHasher::new(sha3_256).worker().unwrap().hash(&params.genesis_header().to_bytes());
        params.genesis.hash = BlockHash::from_bytes(id);
        let mik = params.mik.as_mut().unwrap();
        mik.dfmp_v3_height = Height(1);
        mik.dynamic_scaling_height = Height(1);
        mik.dfmp_v31_height = Height(1);
        mik.dfmp_v32_height = Height(1);
        mik.dfmp_v33_height = Height(1);
        mik.assume_valid_height = Height(2);
        mik.registration_pow_bits = 6;
        mik.observation_window = 20;
        mik.dormancy_threshold = DORMANT;
        let attestation = params.attestation.as_mut().unwrap();
        attestation.height = Height(ATTESTED);
        attestation.public_keys = (0..4).map(|number| key(100 + number).public_key().to_vec()).collect();
        assert_eq!(params.policy, Policy::Strict);
        Arc::new(params)
    };
    Arc::clone(PARAMS.get_or_init(made))
}

fn key(seed: u8) -> MinerKey {
    MinerKey::from_seed(&[seed; 32]).unwrap()
}

/// A key file with keys of these seeds.
fn key_file(dir: &Path, seeds: &[u8]) -> PathBuf {
    let path = dir.join(format!("{seeds:?}.key"));
    let lines: Vec<String> = seeds.iter().map(|seed| format!("{seed:02x}").repeat(32)).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn config(params: &Arc<ChainParams>, datadir: &Path, key: Option<PathBuf>) -> NodeConfig {
    let mut config = NodeConfig::new(Arc::clone(params), datadir);
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.net = NetConfig { listen, ..NetConfig::default() };
    config.hasher = Some(Arc::new(MockHasher::new(sha3_256)));
    config.producer = ProducerConfig { identity_key: key, ..ProducerConfig::default() };
    config
}

async fn started(datadir: &Path, key: Option<PathBuf>, peers: &[&Node]) -> Node {
    let mut config = config(&params(), datadir, key);
    config.net.peers = peers.iter().map(|peer| peer.listening().unwrap()).collect();
    Node::start(config).await.unwrap()
}

async fn made(node: &Node, count: u32) -> Vec<Produced> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(node.produce_now().await.unwrap());
    }
    made
}

/// Waits until a node has the same tip as another.
async fn follows(node: &Node, other: &Node) {
    let tip = other.store().tip().unwrap().hash;
    node.tip().wait_for(|(_, hash)| *hash == tip).await.unwrap();
}

fn block_at(reader: &ChainReader, height: u32) -> Block {
    reader.block_at(Height(height)).unwrap().unwrap()
}

/// How blocks from a height on name their miners: with the number of attestations where they register them.
fn names(reader: &ChainReader, from: u32) -> Vec<(Identity, Option<usize>)> {
    let name = |height| {
        let block = block_at(reader, height);
        let section = Section::of_block(&block).unwrap();
        let attested = match section.kind {
            SectionKind::Registration { attestations, .. } => Some(attestations.len()),
            SectionKind::Reference { .. } => None,
        };
        (section.identity(), attested)
    };
    (from..=reader.tip().unwrap().height.0).map(name).collect()
}

/// By what factor the next block of a miner is harder, who is paid for it.
fn handicap(reader: &ChainReader, miner: u8) -> Multiplier {
    let (params, miner) = (params(), key(miner));
    let rules = params.mik.as_ref().unwrap();
    let payee = Identity::of_script(&miner.script_pubkey());
    let standing = reader.standing(Some(&miner.identity()), &payee, rules).unwrap();
    multiplier(&standing, reader.tip().unwrap().height.next(), rules)
}

/// The first block registers, the others refer to it, after a restart too; a strict node takes them all.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_registers_itself_once_and_a_strict_node_follows() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = dirs[0].path().join("miner.key");
    let node = started(dirs[0].path(), Some(file.clone()), &[]).await;
    let kept = fs::read(&file).unwrap();
    let ids = submit(&node, 2).await;
    let first = made(&node, 12).await;
    assert_eq!((first[0].messages, first[11].height), (2, Height(12)));
    node.stop().await;

    let node = started(dirs[0].path(), Some(file.clone()), &[]).await;
    let follower = started(dirs[1].path(), None, &[&node]).await;
    follows(&follower, &node).await;
    // Its heat rises with each of them.
    made(&node, 13).await;
    follows(&follower, &node).await;
    assert_eq!(fs::read(&file).unwrap(), kept);

    let reader = follower.store();
    let all = names(reader, 1);
    let miner = all[0].0;
    assert_eq!(all[0], (miner, Some(0)));
    assert_eq!(all[1..], vec![(miner, None); 24]);
    assert!(String::from_utf8(kept).unwrap().contains(&miner.to_string()));
    assert!(ids.iter().all(|id| reader.message(id).unwrap().unwrap().height == Height(1)));
    // The owner of the key gets what the development leaves, and its two parts come behind.
    let outputs = &block_at(reader, 25).transactions[0].outputs;
    assert_eq!(outputs.len(), 3);
    assert_eq!(outputs.iter().map(|output| output.value.0).sum::<u64>(), 50 * 100_000_000);
    let TxOut { value, script_pubkey } = &outputs[0];
    assert_eq!((value.0, script_pubkey.len()), (49 * 100_000_000, 25));
    assert_eq!(reader.check_integrity(Depth::Full).unwrap().blocks, 26);
    follower.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_registration_is_attested_by_the_seeds_of_the_key_file_or_waits() {
    let dir = tempfile::tempdir().unwrap();
    let early = started(dir.path(), Some(key_file(dir.path(), &[1])), &[]).await;
    made(&early, ATTESTED - 1).await;
    early.stop().await;

    let two = started(dir.path(), Some(key_file(dir.path(), &[2, 103, 100])), &[]).await;
    let error = two.produce_now().await.unwrap_err();
    assert!(matches!(error, ProduceError::Unattested { present: 2, required: 3, .. }), "{error}");
    assert_eq!(two.store().tip().unwrap().height, Height(ATTESTED - 1));
    two.stop().await;

    let three = started(dir.path(), Some(key_file(dir.path(), &[2, 103, 100, 101])), &[]).await;
    made(&three, 2).await;
    let miner = key(2).identity();
    assert_eq!(names(three.store(), ATTESTED), [(miner, Some(3)), (miner, None)]);
    three.stop().await;

    // Once it is registered, it needs no seeds.
    let known = started(dir.path(), Some(key_file(dir.path(), &[2])), &[]).await;
    made(&known, 1).await;
    assert_eq!(known.store().check_integrity(Depth::Full).unwrap().blocks, ATTESTED + 3);
    known.stop().await;
}

/// However hard its blocks are, for heat or after a long absence, they are valid.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_as_hard_as_their_miners_past_makes_them() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (key_file(dir.path(), &[1]), key_file(dir.path(), &[2, 100, 101, 102]));
    let node = started(dir.path(), Some(first.clone()), &[]).await;
    made(&node, ATTESTED).await;
    assert_eq!(handicap(node.store(), 1), Multiplier(2_500_000));
    node.stop().await;

    let busy = started(dir.path(), Some(second), &[]).await;
    made(&busy, 20).await;
    // It made all of the last twenty, of which twelve are free: 2.5 for being new, three times that for its heat.
    assert_eq!(handicap(busy.store(), 2), Multiplier(7_500_000));
    made(&busy, 1).await;
    busy.stop().await;

    // Asleep for so long, it counts as one that has been there for a while.
    let node = started(dir.path(), Some(first), &[]).await;
    assert_eq!(handicap(node.store(), 1), Multiplier(1_100_000));
    made(&node, 1).await;
    assert_eq!(names(node.store(), ATTESTED + 22), [(key(1).identity(), None)]);
    assert_eq!(handicap(node.store(), 1), Multiplier(2_500_000));

    let fresh = tempfile::tempdir().unwrap();
    let follower = started(fresh.path(), None, &[&node]).await;
    follows(&follower, &node).await;
    follower.store().check_integrity(Depth::Full).unwrap();
    follower.stop().await;
    node.stop().await;
}

/// A better chain on which it is unknown takes its registration back: it registers anew there.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_taken_back_is_made_again() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let file = key_file(dirs[0].path(), &[1, 100, 101, 102]);
    let node = started(dirs[0].path(), Some(file.clone()), &[]).await;
    made(&node, 2).await;
    node.stop().await;
    let other = started(dirs[1].path(), Some(key_file(dirs[1].path(), &[2])), &[]).await;
    made(&other, 6).await;

    let node = started(dirs[0].path(), Some(file), &[&other]).await;
    follows(&node, &other).await;
    assert_eq!(node.store().miner(&key(1).identity()).unwrap().first_seen, None);
    made(&node, 2).await;
    follows(&other, &node).await;
    let miner = key(1).identity();
    assert_eq!(names(other.store(), 7), [(miner, Some(3)), (miner, None)]);
    other.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_asked_for_is_paid_and_has_the_heat() {
    let dir = tempfile::tempdir().unwrap();
    let node = started(dir.path(), Some(key_file(dir.path(), &[1])), &[]).await;
    let address = Payee::address("DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrKq").unwrap();
    node.produce_for(address.clone()).await.unwrap();
    assert_eq!(block_at(node.store(), 1).transactions[0].outputs[0].script_pubkey, *address.as_script());
    made(&node, 3).await;
    node.stop().await;
}

/// A search that takes for ever ends with the node.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_stops_while_it_works_for_a_registration() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = (*params()).clone();
    params.mik.as_mut().unwrap().registration_pow_bits = 64;
    let mut config = config(&Arc::new(params), dir.path(), Some(key_file(dir.path(), &[1])));
    config.producer.interval = Some(TEST_INTERVAL);
    let node = Node::start(config).await.unwrap();
    let producer = node.producer().unwrap();
    node.stop().await;
    assert_eq!(producer.borrow().produced, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_with_identities_takes_a_key_and_a_public_one_takes_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut nobody = config(&params(), dir.path(), None);
    let node = Node::start(nobody.clone()).await.unwrap();
    let expected = Refusal::Identity { network: "private-m".to_owned() };
    let error = node.produce_now().await.unwrap_err();
    assert!(matches!(error, ProduceError::Refused(refusal) if refusal == expected));
    node.stop().await;
    nobody.producer.interval = Some(TEST_INTERVAL);
    let error = Node::start(nobody).await.unwrap_err();
    assert!(matches!(error, NodeError::Producer(refusal) if refusal == expected));

    let file = dir.path().join("public.key");
    let public = config(&Arc::new(ChainParams::mainnet()), &dir.path().join("public"), Some(file.clone()));
    let error = Node::start(public).await.unwrap_err();
    assert!(matches!(error, NodeError::Producer(Refusal::Public { .. })));
    assert!(!file.exists());

    let exposed = key_file(dir.path(), &[1]);
    fs::set_permissions(&exposed, Permissions::from_mode(0o644)).unwrap();
    let error = Node::start(config(&params(), dir.path(), Some(exposed))).await.unwrap_err();
    assert!(matches!(error, NodeError::Identity(_)), "{error}");
}
