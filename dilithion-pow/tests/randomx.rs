//! RandomX against the reference node's hashes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dilithion_pow::{
    AUTO_BACKLOG, AUTO_IDLE, CompactTarget, DILITHION_KEY, HEADER_BYTES, Hasher, Pages, PoolConfig, PowHash,
    PowMode, PowPool, RandomX, RandomXOptions, Throughput,
};
use serde_json::{Value, json};

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
fn all_options_give_the_same_hashes() {
    let vector = &rows("reference.json", "randomx_raw")[0];
    let input = hex::decode(vector["input"].as_str().unwrap()).unwrap();
    for options in 0..8 {
        let [jit, hardware_aes, secure] = [1, 2, 4].map(|option| options & option != 0);
        // The pages have nothing to do with the others, so both kinds are met.
        let (mode, huge_pages) = (PowMode::Light, hardware_aes);
        let options =
            RandomXOptions { mode, huge_pages, jit, hardware_aes, secure, ..RandomXOptions::default() };
        let randomx = RandomX::new(DILITHION_KEY, options).unwrap();
        assert_eq!(randomx.hash_once(&input).unwrap(), hash_of(vector, "hash_bytes"), "{options:?}");
    }
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
    assert_eq!(auto.stats().reason.unwrap(), "fast once 3000 hashes wait");

    auto.on_backlog(AUTO_BACKLOG + 1);
    let stats = auto.stats();
    let reason = stats.reason.unwrap();
    // A machine without the memory says so instead.
    let explained = match stats.dataset_percent {
        Some(_) => reason.starts_with("3001 hashes waited"),
        None => reason.starts_with("no dataset: "),
    };
    assert!(explained, "{reason}");
    assert_eq!((stats.wanted, stats.active), (Some(PowMode::Auto), Some(PowMode::Light)));
    let header = &headers()[0];
    assert_eq!(worker.hash(&header.bytes), header.hash);
    drop(auto);
    // A worker outlives the hasher that made it.
    assert_eq!(worker.hash(&header.bytes), header.hash);
}

#[test]
fn a_cancelled_dataset_leaves_light_mode_until_as_many_hashes_again() {
    let auto = RandomX::new(DILITHION_KEY, RandomXOptions::default()).unwrap();
    auto.on_backlog(AUTO_BACKLOG);
    let was_building = auto.stats().dataset_percent.is_some();
    auto.cancel_dataset();
    assert_eq!(auto.wait_for_dataset(), PowMode::Light);
    auto.on_backlog(AUTO_BACKLOG);
    let stats = auto.stats();
    assert_eq!(stats.dataset_percent, None);
    assert_eq!(stats.reason.unwrap() == "no dataset: cancelled", was_building);
}

#[test]
fn throughput_is_an_object_with_these_keys() {
    let measured = Throughput {
        mode: PowMode::Light,
        threads: 2,
        pages: Pages::Small,
        elapsed: Duration::from_secs(4),
        hashes: 1000,
        dataset: None,
        memory_bytes: 260 << 20,
    };
    let json: Value = serde_json::from_str(&measured.to_json()).unwrap();
    let expected = json!({
        "mode": "light", "threads": 2, "pages": "small", "seconds": 4.0, "hashes": 1000,
        "hashes_per_second": 250.0, "ns_per_hash": 4_000_000, "dataset_seconds": null,
        "memory_bytes": 272_629_760,
    });
    assert_eq!(json, expected);
}

/// `cargo test --release -p dilithion-pow --test randomx -- --ignored`
#[test]
#[ignore = "needs 2.5 GiB of memory and about a minute"]
fn auto_takes_over_from_light_agrees_and_gives_the_dataset_back() {
    let auto = Arc::new(RandomX::new(DILITHION_KEY, RandomXOptions::default()).unwrap());
    let mut worker = auto.worker().unwrap();
    let header = &headers()[0];
    let mut light_hashes = 0;
    auto.on_backlog(AUTO_BACKLOG);
    while auto.stats().active == Some(PowMode::Light) {
        let stats = auto.stats();
        assert!(stats.reason.unwrap().starts_with("3000 hashes waited"));
        assert_eq!(worker.hash(&header.bytes), header.hash);
        light_hashes += 1;
    }
    println!("{light_hashes} light hashes meanwhile; now {}", auto.stats());
    assert!(light_hashes > 0);
    assert_eq!(worker.hash(&header.bytes), header.hash);
    assert_eq!(auto.wait_for_dataset(), PowMode::Fast);
    assert_eq!(auto.stats().dataset_percent, None);
    let auto_as_hasher: Arc<dyn Hasher> = auto.clone();
    assert_hashes_headers(auto_as_hasher);

    // The worker rests; the dataset goes all the same.
    assert!(resident_mib() > 2080);
    auto.tick(Duration::ZERO);
    auto.tick(AUTO_IDLE - Duration::from_secs(1));
    assert_eq!(auto.wait_for_dataset(), PowMode::Fast);
    auto.tick(AUTO_IDLE);
    assert_eq!(auto.wait_for_dataset(), PowMode::Light);
    assert!(resident_mib() < 2080);
    println!("{}", auto.stats());
    assert_eq!(auto.stats().reason.unwrap(), "dataset given back: no hash for 120 s");
    assert_eq!(worker.hash(&header.bytes), header.hash);
}

/// What this process has in memory; huge pages that are reserved do not count.
fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}
