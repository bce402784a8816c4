//! Targets, work and retargets against the reference node's own answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use dilithion_pow::difficulty::{Ancestor, Retarget, Rules};
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
    let rules = Rules::only(rule(&vectors), CompactTarget(0));
    for row in rows(&vectors, "chain_retargets") {
        let parent = Ancestor { time: number(&row["last_time"]), bits: bits(&row["old"]) };
        let first = Ancestor { time: number(&row["first_time"]), bits: parent.bits };
        let height = number(&row["height"]);
        let ancestor = |at| (at == height - rules.retarget.interval).then_some(first);
        assert_eq!(rules.next_bits(height, None, parent, ancestor), bits(&row["new"]));
        assert_eq!(rules.next_bits(height - 1, None, parent, ancestor), parent.bits);
    }
}

/// A row of the mainnet vectors, which are lists without names.
fn at(row: &Value, column: usize) -> &Value {
    row.get(column).unwrap()
}

#[test]
fn mainnet_loses_the_sign_bit_as_the_reference_does() {
    for row in rows(&vectors("mainnet.json"), "compact") {
        let (bits_, fixed) = (bits(at(row, 0)), bits(at(row, 1)));
        assert_eq!(bits_.without_sign_bit(), fixed, "{bits_}");
        assert_eq!(bits_.target(), target(at(row, 2)), "{bits_}");
        assert_eq!(fixed.target(), target(at(row, 3)), "{bits_}");
        assert_eq!(fixed.target().to_compact(), bits(at(row, 4)), "{bits_}");
        assert_eq!(bits_.work(), Work::from_be_bytes(big_endian(at(row, 5))), "{bits_}");
    }
}

#[test]
fn mainnet_follows_asert_as_the_reference_does() {
    let asert = Rules::MAINNET.asert.unwrap();
    for row in rows(&vectors("mainnet.json"), "asert") {
        let (anchor_height, parent_height) = (number(at(row, 1)), number(at(row, 4)));
        let anchor = Ancestor { time: number(at(row, 0)), bits: bits(at(row, 2)) };
        let expected = bits(at(row, 5));
        let next = asert.next_bits(
            &Rules::MAINNET.retarget,
            anchor_height,
            anchor,
            parent_height + 1,
            number(at(row, 3)),
        );
        assert_eq!(next, expected, "{row}");
        // The same by the rules as a whole, where they choose this anchor.
        if asert.anchor_height(parent_height + 1) == Some(anchor_height) {
            let parent = Ancestor { time: number(at(row, 3)), bits: CompactTarget(0x1d00_ffff) };
            let ancestor = |height| (height == anchor_height).then_some(anchor);
            assert_eq!(
                Rules::MAINNET.next_bits(parent_height + 1, Some(1), parent, ancestor),
                expected,
                "{row}"
            );
        }
    }
}

#[test]
fn mainnet_eases_late_blocks_as_the_reference_does() {
    const PARENT_TIME: u32 = 1_770_000_000;
    for row in rows(&vectors("mainnet.json"), "eda") {
        let time = at(row, 2).as_i64().map(|gap| u32::try_from(i64::from(PARENT_TIME) + gap).unwrap());
        let parent = Ancestor { time: PARENT_TIME, bits: bits(at(row, 1)) };
        let next = Rules::MAINNET.next_bits(number(at(row, 0)), time, parent, |_| None);
        assert_eq!(next, bits(at(row, 3)), "{row}");
    }
}

#[test]
fn mainnet_retargets_as_the_reference_does() {
    let vectors = vectors("mainnet.json");
    for row in rows(&vectors, "retarget_calc") {
        let rule = Retarget { interval: number(at(row, 0)), ..Rules::MAINNET.retarget };
        // Nothing is below zero in a chain; the reference's function takes that for the shortest time there is.
        let timespan = match at(row, 3).as_i64().unwrap() {
            ..0 => 1,
            timespan => u32::try_from(timespan).unwrap(),
        };
        let next = rule.retarget_within(bits(at(row, 2)), timespan, number(at(row, 1)));
        assert_eq!((next, next.without_sign_bit()), (bits(at(row, 4)), bits(at(row, 5))), "{row}");
    }
    for row in rows(&vectors, "retarget_full") {
        let parent = Ancestor { time: number(at(row, 3)), bits: bits(at(row, 1)) };
        let first = Ancestor { time: number(at(row, 2)), bits: CompactTarget(0) };
        let next = Rules::MAINNET.next_bits(number(at(row, 0)), Some(parent.time), parent, |_| Some(first));
        assert_eq!(next, bits(at(row, 4)), "{row}");
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
