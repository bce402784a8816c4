//! The rules about miners against what the reference node's own functions answer.

use std::sync::Arc;

use bytes::Bytes;
use dilithion_chain::dfmp::{Era, Heat, HeatWindow, Mined, Multiplier, Standing, effective_target, maturity};
use dilithion_chain::mik::{
    Attestation, Identity, RegistrationWork, Section, SectionKind, SignedBlock, count_valid,
    leading_zero_bits,
};
use dilithion_chain::validate::{Context, MinerRules, Policy, check_block, check_miner};
use dilithion_chain::{BlockError, Candidate, MinerError, StructureError};
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Decode, Encode, Height, Limits, MerkleRoot,
    MikParams, OutPoint, Transaction, TxIn, TxOut, sha3_256,
};
use serde_json::Value;

use crate::mainnet::{array, bytes, number, rows, text, vectors};

const ERAS: [(Era, &str); 6] = [
    (Era::V2, "v2"),
    (Era::V30, "v30"),
    (Era::V31, "v31"),
    (Era::V32, "v32"),
    (Era::V33, "v33"),
    (Era::V34, "v34"),
];

fn rules() -> MikParams {
    ChainParams::mainnet().mik.unwrap()
}

#[test]
fn sections_are_parsed_as_in_the_reference_node() {
    let digest = |bytes: &[u8]| hex::encode(sha3_256(bytes));
    for row in rows(&vectors("mik_parse")["rows"]) {
        let (what, expected) = (&row["what"], &row["result"]);
        let script = bytes(&row["script"]);
        let section = Section::parse(&script);
        assert_eq!(section.is_some(), expected["found"], "{what}");
        let Some(section) = section else { continue };
        assert_eq!(section.identity().to_string(), text(&expected["identity"]), "{what}");
        assert_eq!(digest(section.signature), text(&expected["sig_sha3"]), "{what}");
        assert_eq!(section.dna.map(hex::encode).unwrap_or_default(), text(&expected["dna"]), "{what}");
        assert_eq!(section.dna.is_some(), expected["has_dna"], "{what}");
        let SectionKind::Registration { public_key, nonce, attestations } = section.kind else {
            assert_eq!(expected["registration"], false, "{what}");
            assert_eq!(expected["has_attestations"], false, "{what}");
            continue;
        };
        assert_eq!(expected["registration"], true, "{what}");
        assert_eq!(digest(public_key), text(&expected["pubkey_sha3"]), "{what}");
        assert_eq!(nonce, expected["nonce"].as_u64().unwrap(), "{what}");
        let found: Vec<_> =
            attestations.iter().map(|one| (one.seed, one.time, digest(one.signature))).collect();
        let listed: Vec<_> = rows(&expected["attestations"])
            .iter()
            .map(|one| (number(&one["seed"]), number(&one["time"]), text(&one["sig_sha3"]).to_owned()))
            .collect();
        assert_eq!((attestations.len(), &found), (listed.len(), &listed), "{what}");
    }
}

/// The key of a name in the vectors.
fn key(name: &str) -> [u8; 1952] {
    let keys = rows(&vectors("mik_verify")["keys"]);
    array(&keys.iter().find(|key| key["id"] == name).unwrap()["pubkey"])
}

#[test]
fn signatures_are_those_that_the_reference_node_finds_valid() {
    let section = vectors("mik_verify");
    for row in rows(&section["rows"]) {
        let what = &row["what"];
        let signed = SignedBlock {
            parent: BlockHash::from_bytes(array(&row["prev"])),
            height: Height(number::<i32>(&row["height"]).cast_unsigned()),
            identity: Identity::from_bytes(array(&row["identity"])),
        };
        let time = number(&row["time"]);
        assert_eq!(hex::encode(signed.message(time)), text(&row["message_at_time"]), "{what}");
        let signature = bytes(&section["sigs"][text(&row["sig"])]);
        // A script has no signature of another length.
        let signature = <&[u8; 3309]>::try_from(&signature[..]).ok();
        let signing_time =
            |search| signature.and_then(|it| signed.signing_time(&key(text(&row["key"])), it, time, search));
        assert_eq!(signing_time(0).is_some(), row["exact"], "{what}");
        assert_eq!(signing_time(rules().signature_search_seconds).is_some(), row["valid"], "{what}");
    }
}

#[test]
fn registrations_take_the_work_that_the_reference_node_asks_for() {
    let mut skipped = 0;
    for row in rows(&vectors("registration_pow")["rows"]) {
        let public_key = match text(&row["pubkey"]) {
            "1952 x 0x11" => [0x11; 1952],
            "1951 x 0x11" => {
                // No section has a key of another length.
                skipped += 1;
                continue;
            }
            name => key(name),
        };
        let dna = (row["dna_present"] == true).then(|| array(&row["dna"]));
        let nonce: u64 = text(&row["nonce"]).parse().unwrap();
        let work = RegistrationWork::new(&public_key, dna.as_ref());
        let hash = work.hash(nonce);
        assert_eq!(hex::encode(hash), text(&row["hash"]), "{row}");
        assert_eq!(leading_zero_bits(&hash), number::<u32>(&row["leading_zero_bits"]), "{row}");
        // The reference node's type has a sign.
        let bits = u32::try_from(number::<i64>(&row["bits"])).unwrap_or(0);
        assert_eq!(work.is_met_by(nonce, bits), row["valid"], "{row}");
    }
    assert_eq!(skipped, 1);
}

fn numbers(value: &Value) -> Vec<i64> {
    rows(value).iter().map(number).collect()
}

#[test]
fn maturity_has_the_steps_of_every_era() {
    for (era, name) in ERAS {
        let expected = numbers(&vectors("dfmp")[format!("maturity_{name}")]);
        // The first is that of somebody who was never seen.
        let ages = std::iter::once(None).chain((0..).map(Some));
        let found: Vec<i64> = ages.take(expected.len()).map(|age| maturity(era, age)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn curve(era: Era, among: Option<u32>, counts: usize) -> Vec<i64> {
    let heat = Heat::of(era, among, &rules());
    (0..).take(counts).map(|count| heat.after(count)).collect()
}

#[test]
fn heat_has_the_curve_of_every_era() {
    let section = vectors("dfmp");
    for (era, name) in [
        (Era::V33, "heat_v33"),
        (Era::V33, "heat_v34_verified"), // which nobody is in version 3.4 here
        (Era::V34, "heat_v34_unverified"),
    ] {
        let expected = numbers(&section[name]);
        assert_eq!(curve(era, Some(7), expected.len()), expected, "{name}");
    }
    for row in rows(&section["heat_by_unique"]) {
        for (era, name) in &ERAS[..4] {
            let expected = numbers(&row[*name]);
            assert_eq!(
                curve(*era, Some(number(&row["unique"])), expected.len()),
                expected,
                "{name} {}",
                row["unique"]
            );
        }
    }
}

/// The product, as far as it does not depend on how a compiler takes an overflow.
#[test]
fn the_multiplier_is_the_product() {
    for row in rows(&vectors("dfmp")["total_v33"]) {
        let age = u32::try_from(number::<i64>(&row["age"])).ok();
        for (count, expected) in (0..53).zip(numbers(&row["total_by_heat"])) {
            let height = Height(50_000);
            let first_seen = age.map(|age| Height(height.0 - age));
            let standing = Standing { first_seen, mined: count, ..Standing::default() };
            let found = dilithion_chain::dfmp::multiplier(&standing, height, &rules());
            assert_eq!(found, Multiplier(expected), "age {age:?}, {count} blocks");
        }
    }
}

fn displayed(text: &str) -> Target {
    let mut bytes: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
    bytes.reverse();
    Target::from_le_bytes(bytes)
}

#[test]
fn effective_targets_are_exact() {
    for row in rows(&vectors("dfmp")["effective_target"]) {
        let base = match text(&row[0]).strip_prefix("0x") {
            Some(bits) => CompactTarget(u32::from_str_radix(bits, 16).unwrap()).target(),
            None => displayed(text(&row[0])),
        };
        let multiplier = Multiplier(number(&row[1]));
        assert_eq!(multiplier.apply(base), displayed(text(&row[2])), "{row}");
    }
}

/// The reference node does not get back what fell out of its window: as long as the rows only go up, the window is this one.
#[test]
fn the_window_counts_what_the_reference_node_counts() {
    let miner = |number: u8| Identity::from_bytes([number; 20]);
    let mut blocks: Vec<(Height, Mined)> = Vec::new();
    let mut floor = 0;
    for row in rows(&vectors("dfmp")["heat_window"]) {
        let height = Height(number(&row[1]));
        if row[0] == "connect" {
            let mined = Mined { miner: miner(number(&row[2])), payee: miner(9) };
            blocks.push((height, mined));
            floor = floor.max((height.0 + 1).saturating_sub(360));
        } else {
            assert_eq!(blocks.pop().unwrap().0, height);
        }
        let mut window = HeatWindow::new(360);
        for (height, mined) in blocks.iter().filter(|(height, _)| height.0 >= floor) {
            window.push(*height, Some(*mined));
        }
        let count = |number| {
            let mut standing = Standing::default();
            window.count(&mut standing, Some(&miner(number)), &miner(9));
            assert_eq!((standing.paid as usize, standing.payees), (window.len(), 1));
            (i64::from(standing.mined), i64::from(standing.miners))
        };
        let found: Vec<i64> = (0..7).map(|number| count(number).0).collect();
        assert_eq!(found, numbers(&row[3]), "{row}");
        assert_eq!(count(0).1, number::<i64>(&row[4]), "{row}");
        assert_eq!(window.len(), number::<usize>(&row[5]), "{row}");
    }
}

/// Mainnet without the checkpoints, at and below which nothing about miners is looked at, and with the seeds of the vectors.
fn mainnet() -> ChainParams {
    let mut params = ChainParams::mainnet();
    params.checkpoints.clear();
    params.attestation.as_mut().unwrap().public_keys =
        rows(&vectors("attestation")["test_seed_pubkeys"]).iter().map(bytes).collect();
    params
}

#[test]
fn attestations_are_those_that_the_reference_node_counts() {
    let section = vectors("attestation");
    let rules = mainnet().attestation.unwrap();
    for row in rows(&section["rows"]) {
        let entries: Vec<(u8, u32, [u8; 3309])> = rows(&row["entries"])
            .iter()
            .map(|name| rows(&section["entries"]).iter().find(|entry| entry["name"] == *name).unwrap())
            .map(|entry| (number(&entry["seed"]), number(&entry["time"]), array(&entry["sig"])))
            .collect();
        let attestations =
            entries.iter().map(|(seed, time, signature)| Attestation { seed: *seed, time: *time, signature });
        let dna = (row["dna"] == true).then_some(&[0x5a; 32]);
        let valid =
            count_valid(attestations, &key(text(&row["pubkey"])), dna, number(&row["block_time"]), &rules);
        assert_eq!(valid >= 3, row["ok"], "{row}");
        if let Some((_, rest)) = text(&row["error"]).split_once("attestations: ") {
            assert!(rest.starts_with(&format!("{valid} of 3")), "{row}");
        }
    }
    let messages = &section["messages"];
    let time = number(&messages["T"]);
    let message = |seed, dna| hex::encode(Attestation::message(seed, time, &key("k1"), dna));
    assert_eq!(message(0, None), text(&messages["k1_dna0_time_T_seed0"]));
    assert_eq!(message(3, Some(&[0x5a; 32])), text(&messages["k1_dna5a_time_T_seed3"]));
}

/// A block of these vectors: a coinbase with this script and mainnet's three outputs.
fn block(header: BlockHeader, script_sig: Vec<u8>) -> Block {
    let fund = mainnet().dev_fund.unwrap();
    let pay = |hash: [u8; 20], value| TxOut {
        value: Amount(value),
        script_pubkey: Bytes::from([&[0x76, 0xa9, 0x14][..], &hash, &[0x88, 0xac]].concat()),
    };
    let outputs = vec![
        pay([0x77; 20], 4_900_000_000),
        pay(fund.fund_hash160, 50_000_000),
        pay(fund.reward_hash160, 50_000_000),
    ];
    let input = TxIn { previous_output: OutPoint::NULL, script_sig: script_sig.into(), sequence: u32::MAX };
    let coinbase = Transaction { version: 1, inputs: vec![input], outputs, lock_time: 0 };
    Block { header, vdf: None, transactions: vec![coinbase] }
}

/// The blocks for `CheckMIKAttestations`, which looks at nothing else and knows no assume-valid height.
#[test]
fn blocks_are_attested_as_the_reference_node_demands() {
    let mut params = mainnet();
    params.mik.as_mut().unwrap().assume_valid_height = Height(0);
    let mut differ = Vec::new();
    for row in rows(&vectors("attestation")["blocks"]) {
        let header = BlockHeader {
            version: 1,
            prev_hash: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: number(&row["block_time"]),
            bits: 0x1e01_fffe,
            nonce: 0,
        };
        let block = block(header, bytes(&row["script_sig"]));
        let candidate = Candidate { hash: BlockHash::ZERO, verified: true, block };
        let (parent, height) = (BlockHash::ZERO, Height(number(&row["height"])));
        let context = Context { params: &params, policy: Policy::Reference, height, parent };
        let checked = check_miner(&candidate, &Standing::default(), &context, MinerRules::Attested);
        let found = checked.and_then(|check| check.map_or(Ok(()), |check| check.run()));
        if found.is_ok() != row["ok"].as_bool().unwrap() {
            differ.push(text(&row["what"]));
        }
    }
    // A decoded block does not tell how its number of transactions was written.
    assert_eq!(differ, ["tx count as fe 01000000"]);
}

/// The blocks for `CheckProofOfWorkDFMP`, which does not look at attestations.
fn dfmp_check(name: &str, mut params: ChainParams) {
    params.attestation = None;
    let params = &params;
    let section = vectors("dfmp_check");
    let prev_hash = BlockHash::from_bytes(array(&section["prev"]));
    let some_height = |value: &Value| u32::try_from(number::<i64>(value)).ok().map(Height);
    for row in rows(&section[name]) {
        let header = BlockHeader {
            version: number(&row["version"]),
            prev_hash,
            merkle_root: MerkleRoot::ZERO,
            time: number(&section["time"]),
            bits: u32::from_str_radix(text(&row["nbits"]).trim_start_matches("0x"), 16).unwrap(),
            nonce: 0,
        };
        let state = &row["state"];
        let standing = Standing {
            public_key: (state["pubkey_registered"] == true).then(|| Arc::new(key("k1"))),
            first_seen: some_height(&state["first_seen"]),
            last_mined: some_height(&state["last_mined"]),
            mined: number(&state["mik_count"]),
            paid: number(&state["payout_count"]),
            miners: number(&state["unique_mik"]),
            payees: number(&state["unique_payout"]),
        };
        let (block, height) = (block(header, bytes(&row["script_sig"])), Height(number(&row["height"])));
        let context = Context { params, policy: Policy::Strict, height, parent: prev_hash };
        let check = |hash: [u8; 32]| {
            let candidate =
                Candidate { hash: BlockHash::from_bytes(hash), verified: true, block: block.clone() };
            let check = check_miner(&candidate, &standing, &context, MinerRules::All)?;
            check.map_or(Ok(()), |check| check.run())
        };
        let accepted = check([0; 32]);
        assert_eq!(
            accepted.is_ok(),
            row["zero_hash_accepted"].as_bool().unwrap(),
            "{}: {accepted:?}",
            row["what"]
        );
        // At the assume-valid height only the target of the header counts, which is not looked at here.
        let mik = params.mik.as_ref().unwrap();
        if accepted.is_err() || height <= mik.assume_valid_height {
            continue;
        }
        let target = displayed(text(&row["first_rejected_hash_display"]));
        assert_eq!(effective_target(header.bits, &standing, height, mik), target, "{}", row["what"]);
        assert!(matches!(check(target.to_le_bytes()), Err(MinerError::Target { .. })), "{}", row["what"]);
        let mut below = target.to_le_bytes();
        for byte in &mut below {
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
        assert_eq!(check(below), Ok(()), "{}", row["what"]);
    }
}

#[test]
fn blocks_of_mainnet_are_judged_as_by_the_reference_node() {
    dfmp_check("rows", mainnet());
}

#[test]
fn blocks_of_the_old_eras_are_judged_as_by_the_reference_node() {
    let mut params = mainnet();
    params.mik.as_mut().unwrap().assume_valid_height = Height(0);
    dfmp_check("strict_rows", params);
}

/// What `Deserialize` and `CheckTransactionBasic` of the reference node say; its third limit, 6000, is for no block.
#[test]
fn scripts_have_the_lengths_that_the_reference_node_allows() {
    let limits = Limits::MAINNET;
    let decodes = |tx: &Transaction| Transaction::decode_exact(tx.encode_to_vec().into(), &limits).is_ok();
    let header = BlockHeader::from_bytes(&[0; 80]);
    let params = mainnet();
    for row in rows(&vectors("coinbase_limits")["script_sig"]) {
        let mut block = block(header, vec![0x20; number(&row["script_sig_len"])]);
        assert_eq!(decodes(&block.transactions[0]), row["Deserialize"], "{row}");
        block.header.merkle_root = block.merkle_root();
        let (policy, height, parent) = (Policy::Strict, Height(44_001), BlockHash::ZERO);
        let context = Context { params: &params, policy, height, parent };
        let txids = block.txids();
        let candidate = Candidate { hash: BlockHash::ZERO, verified: true, block };
        let found = check_block(&candidate, &txids, &context);
        let refused = matches!(found, Err(BlockError::Structure(StructureError::CoinbaseScript { .. })));
        assert_eq!(!refused, row["CheckTransactionBasic"], "{row}");
    }
    for row in rows(&vectors("coinbase_limits")["script_pubkey"]) {
        let mut block = block(header, vec![0x20; 2]);
        let coinbase = &mut block.transactions[0];
        coinbase.outputs[0].script_pubkey = vec![0x20; number(&row["script_pubkey_len"])].into();
        assert_eq!(decodes(coinbase), row["Deserialize"], "{row}");
    }
}
