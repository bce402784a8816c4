//! Targets, work and retargets against the reference node's own answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use dilithion_pow::difficulty::{BlockContext, Retarget};
use dilithion_pow::{CompactTarget, Target, Work};
use serde_json::Value;

fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn rows<'a>(vectors: &'a Value, section: &str) -> &'a [Value] {
    let rows = vectors[section].as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}

fn bits(value: &Value) -> CompactTarget {
    CompactTarget(u32::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap())
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// Displayed numbers are big-endian hex; leading zeros may be missing.
fn big_endian(value: &Value) -> [u8; 32] {
    hex::decode_to_array(format!("{:0>64}", value.as_str().unwrap())).unwrap()
}

fn target(value: &Value) -> Target {
    let mut bytes = big_endian(value);
    bytes.reverse();
    Target::from_le_bytes(bytes)
}

fn rule(vectors: &Value) -> Retarget {
    Retarget {
        interval: 2016,
        block_time: 240,
        hardest: bits(&vectors["limits"]["MIN_DIFFICULTY_BITS"]),
        easiest: bits(&vectors["limits"]["MAX_DIFFICULTY_BITS"]),
    }
}

#[test]
fn compact_targets_expand_and_count_as_the_reference_says() {
    let vectors = vectors("reference.json");
    for row in rows(&vectors, "nbits") {
        let bits_ = bits(&row["nbits"]);
        let target_ = bits_.target();
        assert_eq!(target_, target(&row["target_display"]), "{bits_}");
        assert_eq!(target_.to_string(), row["target_display"].as_str().unwrap(), "{bits_}");
        assert_eq!(target_.to_compact(), bits(&row["back_to_compact"]), "{bits_}");
        assert_eq!(bits_.work().to_string(), row["work_display"].as_str().unwrap(), "{bits_}");

        let mut below = target_.to_le_bytes();
        for byte in &mut below {
            let borrow = *byte == 0;
            *byte = byte.wrapping_sub(1);
            if !borrow {
                break;
            }
        }
        assert_eq!(target_.is_met_by(&[0; 32]), row["pow_hash_zero"], "{bits_}");
        assert_eq!(target_.is_met_by(&target_.to_le_bytes()), row["pow_hash_eq_target"], "{bits_}");
        assert_eq!(target_.is_met_by(&below), row["pow_hash_target_minus_1"], "{bits_}");
        assert_eq!(target_.is_met_by(&[0xff; 32]), row["pow_hash_ones"], "{bits_}");
    }
}

#[test]
fn targets_encode_as_the_reference_says() {
    let vectors = vectors("reference.json");
    for row in rows(&vectors, "big_to_compact") {
        let compact = target(&row["target_display"]).to_compact();
        assert_eq!(compact, bits(&row["nbits"]));
        assert_eq!(compact.target(), target(&row["target_of_nbits_display"]), "{compact}");
    }
}

#[test]
fn retargets_follow_the_reference_on_public_and_private_networks() {
    for file in ["reference.json", "private.json"] {
        let vectors = vectors(file);
        let rule = rule(&vectors);
        for row in rows(&vectors, "retarget") {
            assert_eq!(number(&row["target"]), rule.interval * rule.block_time);
            let (old, timespan) = (bits(&row["old"]), number(&row["actual"]));
            assert_eq!(rule.retarget(old, timespan), bits(&row["new"]), "{file}: {old} after {timespan} s");
        }
    }
}

#[test]
fn the_recorded_chain_retargets_where_and_how_the_rule_says() {
    let vectors = vectors("private.json");
    let rule = rule(&vectors);
    for row in rows(&vectors, "chain_retargets") {
        let parent = BlockContext { time: number(&row["last_time"]), bits: bits(&row["old"]) };
        let first = Some(number(&row["first_time"]));
        let height = number(&row["height"]);
        assert_eq!(rule.next_bits(height, parent, first, CompactTarget(0)), bits(&row["new"]));
        assert_eq!(rule.next_bits(height - 1, parent, first, CompactTarget(0)), parent.bits);
    }
}

#[test]
fn work_of_the_recorded_chain_adds_up() {
    let vectors = vectors("private.json");
    let retargets = rows(&vectors, "chain_retargets");
    let bits_at = |height: u32| match retargets.iter().rev().find(|row| number(&row["height"]) <= height) {
        Some(row) => bits(&row["new"]),
        None => bits(&retargets[0]["old"]),
    };
    for row in rows(&vectors, "chain_work") {
        let height = number(&row["height"]);
        let work = (0..=height).fold(Work::ZERO, |work, height| work.saturating_add(bits_at(height).work()));
        assert_eq!(work, Work::from_be_bytes(big_endian(&row["work_display"])), "height {height}");
    }
}
