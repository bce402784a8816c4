//! Headers and values recorded from the reference node.

use std::str::FromStr;

use dilithion_headers::{HeaderFault, HeadersConfig, HeadersError, HeadersManager, StoredHeader};
use dilithion_pow::CompactTarget;
use dilithion_pow::difficulty::Ancestor;
use dilithion_wire::{BlockHash, BlockHeader, ChainParams, Height, MerkleRoot};
use serde_json::Value;

use crate::common::*;

const BITS: u32 = 0x203f_ffff;

fn vectors(section: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../data/private.json")).unwrap();
    all[section].as_array().unwrap().clone()
}

fn number(value: &Value) -> u32 {
    match value {
        Value::String(hex) => u32::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
        number => u32::try_from(number.as_u64().unwrap()).unwrap(),
    }
}

fn private_config() -> HeadersConfig {
    HeadersConfig::from_params(
        &ChainParams::from_toml(include_str!("../../../testdata/private.toml")).unwrap(),
    )
}

/// Heights 0…500 with their ids.
fn recorded() -> Vec<(BlockHeader, BlockHash)> {
    let mut blocks: &[u8] = include_bytes!("../../../testdata/recorded-500.dat");
    let index = include_str!("../../../testdata/recorded-500.index.jsonl");
    let mut headers = Vec::new();
    for line in index.lines() {
        let (length, rest) = blocks.split_first_chunk::<4>().unwrap();
        let (block, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        blocks = rest;
        let line: Value = serde_json::from_str(line).unwrap();
        let hash = BlockHash::from_str(line["hash"].as_str().unwrap()).unwrap();
        headers.push((BlockHeader::from_bytes(block.first_chunk().unwrap()), hash));
    }
    headers
}

fn recorded_manager(up_to: u32) -> HeadersManager {
    let headers = recorded();
    let mut manager = HeadersManager::new(private_config(), headers[0].0, headers[0].1);
    for (header, hash) in &headers[1..=up_to as usize] {
        manager.restore(StoredHeader { header: *header, hash: *hash, verified: true }).unwrap();
    }
    manager
}

/// A chain of made-up headers in the private network's bits, up to `height`.
fn made_up_manager(height: u32, time: impl Fn(u32) -> u32, bits: impl Fn(u32) -> u32) -> HeadersManager {
    let header = |height: u32, prev_hash| BlockHeader {
        version: 1,
        prev_hash,
        merkle_root: MerkleRoot::ZERO,
        time: time(height),
        bits: bits(height),
        nonce: height,
    };
    let genesis = header(0, BlockHash::ZERO);
    let mut config = private_config();
    config.enforce_bits_above = Some(Height(0));
    let mut manager = HeadersManager::new(config, genesis, id(&genesis));
    for height in 1..=height {
        let header = header(height, manager.best_hash());
        manager.restore(StoredHeader { header, hash: id(&header), verified: true }).unwrap();
    }
    manager
}

#[test]
fn the_recorded_chain_passes_the_pipeline() {
    let headers = recorded();
    let mut manager = HeadersManager::new(private_config(), headers[0].0, headers[0].1);
    for part in headers[1..].chunks(170) {
        let batch: Vec<_> = part.iter().map(|(header, _)| *header).collect();
        let queued = manager.queue_headers(ALICE, &batch, NOW).unwrap();
        let mut jobs = queued.jobs;
        while let Some(job) = jobs.pop() {
            let header = BlockHeader::from_bytes(&job.header);
            let (_, hash) = part.iter().find(|(other, _)| *other == header).unwrap();
            let effects = manager.on_hash(job.token, hash.to_bytes());
            assert!(effects.false_claims.is_empty() && effects.dropped.is_empty());
            jobs.extend(effects.jobs);
        }
    }
    assert_eq!((manager.ready_height(), manager.best_hash()), (Height(500), headers[500].1));
    assert!(
        headers.iter().all(|(header, hash)| manager.find(header).is_some_and(|(found, _)| found == *hash))
    );
}

#[test]
fn locators_have_the_recorded_shape() {
    for vector in vectors("locators") {
        let tip = number(&vector["tip_height"]);
        let manager = made_up_manager(tip, |height| height + 1, |_| BITS);
        let heights = manager.locator().into_iter().map(|hash| manager.height_of(&hash).unwrap().0);
        let expected = vector["heights"].as_array().unwrap().iter().map(number);
        assert!(heights.eq(expected), "tip {tip}");
    }
}

#[test]
fn median_times_past_are_the_recorded_ones() {
    for vector in vectors("median_time_past") {
        let (height, median) = (number(&vector["height"]), number(&vector["mtp"]));
        let mut manager = recorded_manager(height);
        let next = |time| BlockHeader {
            version: 1,
            prev_hash: manager.best_hash(),
            merkle_root: MerkleRoot::ZERO,
            time,
            bits: BITS,
            nonce: 0,
        };
        let (refused, taken) = (next(median), next(median + 1));
        let fault = HeaderFault::TimeTooOld { time: median, median };
        let error = HeadersError::BadHeader { height: Height(height + 1), fault };
        assert_eq!(manager.queue_headers(ALICE, &[refused], NOW), Err(error));
        assert!(manager.queue_headers(ALICE, &[taken], NOW).is_ok());
    }
}

#[test]
fn chain_work_is_the_recorded_one() {
    // All recorded bits below the first retarget are the same, and so are those up to the second.
    let retargets = vectors("chain_retargets");
    let bits = |height| if height < 2016 { BITS } else { number(&retargets[0]["new"]) };
    for vector in vectors("chain_work") {
        let manager = made_up_manager(number(&vector["height"]), |height| height + 1, bits);
        assert_eq!(manager.best_work().to_string(), vector["work_display"].as_str().unwrap());
    }
}

#[test]
fn retargets_are_the_recorded_ones() {
    for vector in vectors("chain_retargets") {
        let of = |key: &str| number(&vector[key]);
        let (first, last) = (of("first_height"), of("last_height"));
        let time = |height| match height {
            _ if height == first => of("first_time"),
            _ if height == last => of("last_time"),
            other => GENESIS_TIME + other,
        };
        let mut manager = made_up_manager(last, time, |height| if height < 2016 { BITS } else { of("old") });
        let next = |bits| BlockHeader {
            version: 1,
            prev_hash: manager.best_hash(),
            merkle_root: MerkleRoot::ZERO,
            time: GENESIS_TIME * 2 - 1_650_000_000,
            bits,
            nonce: 0,
        };
        let (unchanged, changed) = (next(of("old")), next(of("new")));
        let fault = HeaderFault::Bits { bits: of("old"), expected: of("new") };
        let error = HeadersError::BadHeader { height: Height(of("height")), fault };
        assert_eq!(manager.queue_headers(ALICE, &[unchanged], NOW), Err(error));
        assert!(manager.queue_headers(ALICE, &[changed], NOW).is_ok());
    }
}

/// A chain of reference nodes on a network with mainnet's rules, their heights scaled down: retargets of both intervals,
/// emergency adjustments, ASERT from both anchors.
#[test]
fn targets_of_a_chain_under_mainnet_rules_are_the_recorded_ones() {
    let params = ChainParams::from_toml(include_str!("../../../testdata/private-m/private-m.toml")).unwrap();
    let rules = HeadersConfig::from_params(&params).difficulty;
    let rows: Vec<(Value, Value)> =
        serde_json::from_str(include_str!("../data/mainnet-rules-chain.json")).unwrap();
    let chain: Vec<Ancestor> = rows
        .iter()
        .map(|(time, bits)| Ancestor { time: number(time), bits: CompactTarget(number(bits)) })
        .collect();
    for (height, pair) in (1_u32..).zip(chain.windows(2)) {
        let next = rules.next_bits(height, Some(pair[1].time), pair[0], |at| chain.get(at as usize).copied());
        assert_eq!(next, pair[1].bits, "height {height}");
    }
    assert_eq!(chain.len(), 1201);
}
