//! RandomX against the reference node's hashes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use dilithion_pow::{
    AUTO_BACKLOG, CompactTarget, DILITHION_KEY, HEADER_BYTES, Hasher, PoolConfig, PowHash, PowMode, PowPool,
    RandomX, RandomXOptions,
};
use serde_json::Value;

/// One light cache for all tests here.
fn light() -> Arc<RandomX> {
    static LIGHT: OnceLock<Arc<RandomX>> = OnceLock::new();
    let options = RandomXOptions { mode: PowMode::Light, ..RandomXOptions::default() };
    Arc::clone(LIGHT.get_or_init(|| Arc::new(RandomX::new(DILITHION_KEY, options).unwrap())))
}

fn rows(file: &str, section: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let vectors: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let rows = vectors[section].as_array().unwrap().clone();
    assert!(!rows.is_empty());
    rows
}

fn hash_of(row: &Value, field: &str) -> PowHash {
    hex::decode_to_array(row[field].as_str().unwrap()).unwrap()
}

struct Header {
    bytes: [u8; HEADER_BYTES],
    hash: PowHash,
    meets_target: bool,
}

/// Every recorded header: 30 of the private chain and the genesis blocks.
fn headers() -> Vec<Header> {
    let rows = [rows("private.json", "headers"), rows("genesis.json", "genesis")].concat();
    let header = |row: &Value| Header {
        bytes: hex::decode_to_array(row["header"].as_str().unwrap()).unwrap(),
        hash: hash_of(row, "randomx_bytes"),
        meets_target: row["pow_ok"].as_bool().unwrap(),
    };
    rows.iter().map(header).collect()
}

fn assert_hashes_headers(hasher: Arc<dyn Hasher>) {
    let headers = headers();
    let pool = PowPool::new(PoolConfig::default(), hasher, |_: dilithion_pow::HashResult<()>| ()).unwrap();
    let hashes = pool.hash_all(&headers.iter().map(|header| header.bytes).collect::<Vec<_>>());
    for (header, hash) in headers.iter().zip(hashes.unwrap()) {
        assert_eq!(hash, header.hash);
        let bits = u32::from_le_bytes(header.bytes[72..76].try_into().unwrap());
        assert_eq!(CompactTarget(bits).target().is_met_by(&hash), header.meets_target);
    }
}

#[test]
fn inputs_of_any_length_hash_as_the_reference_says() {
    let light = light();
    let mut worker = light.worker().unwrap();
    for row in rows("reference.json", "randomx_raw") {
        let input = hex::decode(row["input"].as_str().unwrap()).unwrap();
        assert_eq!(worker.hash(&input), hash_of(&row, "hash_bytes"), "{} bytes", input.len());
    }
}

#[test]
fn recorded_headers_hash_and_meet_their_targets_as_recorded() {
    assert_hashes_headers(light());
}

#[test]
fn hashing_leaves_floating_point_arithmetic_alone() {
    let subnormal = std::hint::black_box(1e-310_f64);
    light().hash_once(b"header").unwrap();
    assert!(subnormal * std::hint::black_box(1.0) > 0.0);
}

#[test]
fn the_interpreter_on_small_pages_agrees() {
    let options =
        RandomXOptions { mode: PowMode::Light, huge_pages: false, jit: false, ..RandomXOptions::default() };
    let slow = RandomX::new(DILITHION_KEY, options).unwrap();
    assert_eq!(slow.hash_once(b"header").unwrap(), light().hash_once(b"header").unwrap());
}

#[test]
fn another_key_gives_the_hash_that_randomx_documents() {
    let options = RandomXOptions { mode: PowMode::Light, ..RandomXOptions::default() };
    let other = RandomX::new(b"test key 000", options).unwrap();
    let expected = "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f";
    assert_eq!(hex::encode(other.hash_once(b"This is a test").unwrap()), expected);
}

#[test]
fn auto_begins_the_dataset_when_it_pays_hashes_on_and_gives_it_up_when_dropped() {
    let auto = RandomX::new(DILITHION_KEY, RandomXOptions::default()).unwrap();
    let mut worker = auto.worker().unwrap();
    auto.on_backlog(AUTO_BACKLOG - 1);
    assert_eq!(auto.stats().dataset_percent, None);
    assert_eq!(auto.stats().reason, None);

    auto.on_backlog(AUTO_BACKLOG);
    let stats = auto.stats();
    // A machine without the memory says so instead.
    assert!(stats.dataset_percent.is_some() || stats.reason.is_some(), "{stats}");
    assert_eq!((stats.wanted, stats.active), (Some(PowMode::Auto), Some(PowMode::Light)));
    let header = &headers()[0];
    assert_eq!(worker.hash(&header.bytes), header.hash);
    drop(auto);
    // A worker outlives the hasher that made it.
    assert_eq!(worker.hash(&header.bytes), header.hash);
}

/// `cargo test --release -p dilithion-pow --test randomx -- --ignored`
#[test]
#[ignore = "needs 2.5 GiB of memory and about a minute"]
fn fast_mode_takes_over_from_light_and_agrees() {
    let options = RandomXOptions { mode: PowMode::Fast, ..RandomXOptions::default() };
    let fast = Arc::new(RandomX::new(DILITHION_KEY, options).unwrap());
    let mut worker = fast.worker().unwrap();
    let header = &headers()[0];
    let mut light_hashes = 0;
    while fast.stats().active == Some(PowMode::Light) {
        assert_eq!(fast.stats().reason, None);
        assert_eq!(worker.hash(&header.bytes), header.hash);
        light_hashes += 1;
    }
    println!("{light_hashes} light hashes meanwhile; now {}", fast.stats());
    assert!(light_hashes > 0);
    assert_eq!(worker.hash(&header.bytes), header.hash);
    assert_eq!(fast.stats().dataset_percent, None);
    assert_hashes_headers(fast);
}
