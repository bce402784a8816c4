//! The chain that the reference node recorded under mainnet's rules.

use std::slice;
use std::sync::Arc;

use dilithion_chain::dfmp::{Era, Heat, age, effective_target, maturity, multiplier};
use dilithion_chain::mik::{Identity, Section, SignedBlock};
use dilithion_chain::{Candidate, Chainstate, Depth, Policy, StoreOptions};
use dilithion_wire::{ChainParams, Checkpoint, Height, MikParams};
use serde_json::Value;

use crate::mainnet::{number, params, recorded, rows_of, text};
use crate::{digest, import, open, small};

/// UTXO digests of the recorded chain: height, then count, total and digest.
const DIGESTS: [(u32, &str); 5] = [
    (0, "1 5000000000 790fbd8d3272b645b3539b89cfbf2272fedce7180768d4da35e1389aa69114e7"),
    (40, "121 205000000000 1ecd81f1d57a526749747cd3ccee19bc735d3686290bee1006805dda4a41752f"),
    (200, "608 1005000000000 624d5818fac14a0f91a98c43027484362abbb952b7d13ce1578ee805c9088c95"),
    (600, "1842 3004999998446 df4c83b9f542c3762936f9a80b3ff1b4c76f5ec95b4fff9463ede0025a52b9d3"),
    (1200, "3687 6004999996115 680436e45309ce929b8e06bc4770a18965902f25c3af8a52691f5440e1ee54f8"),
];

/// The block that names an identity which nobody has.
const STRANGER: u32 = 15;

/// Compares what the chain says about the miner of the next block with what the reference node says.
fn check_next(chain: &Chainstate, candidate: &Candidate, row: &Value, rules: &MikParams) {
    let height = chain.tip().height.next();
    assert_eq!(height.0, number::<u32>(&row["height"]));
    let section = Section::of_block(&candidate.block);
    let miner = section.map(|section| section.identity());
    assert_eq!(miner.is_some(), row["mik_type"] != "none", "{row}");
    let payee = Identity::paid_by(&candidate.block);
    let standing = chain.reader().standing(miner.as_ref(), &payee, rules).unwrap();
    let target = effective_target(candidate.block.header.bits, &standing, height, rules);
    assert_eq!(target.to_string(), text(&row["effective_target"]), "{row}");
    assert_eq!(multiplier(&standing, height, rules).0, number::<i64>(&row["multiplier_fp"]), "{row}");
    // The recorder gives such blocks the state of a miner whom they do not name.
    if miner.is_none() || height.0 == STRANGER {
        return;
    }
    assert_eq!(miner.map(|miner| miner.to_string()).unwrap_or_default(), text(&row["identity"]), "{row}");
    let seen = |value: &Value| u32::try_from(number::<i64>(value)).ok().map(Height);
    assert_eq!(standing.first_seen, seen(&row["first_seen"]), "{row}");
    assert_eq!(standing.last_mined, seen(&row["last_mined"]), "{row}");
    assert_eq!(
        (standing.mined, standing.paid),
        (number(&row["mik_count"]), number(&row["payout_count"])),
        "{row}"
    );
    if Heat::is_dynamic(height, rules) {
        let counted = (standing.miners, standing.payees);
        assert_eq!(counted, (number(&row["unique_mik"]), number(&row["unique_payout"])), "{row}");
    }
    let era = Era::at(height, rules).unwrap();
    assert_eq!(
        maturity(era, age(era, &standing, height, rules)),
        number::<i64>(&row["maturity_fp"]),
        "{row}"
    );
}

/// Connects all recorded blocks above the tip up to a height one by one, comparing each.
fn follow(chain: &mut Chainstate, to: usize) {
    let rules = chain.params().mik.clone().unwrap();
    let from = chain.tip().height.0 as usize + 1;
    for (candidate, row) in &recorded()[from..=to] {
        check_next(chain, candidate, row, &rules);
        import(chain, slice::from_ref(candidate), 1);
    }
}

#[test]
fn every_block_is_valid_and_has_the_recorded_target() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params());
    assert_eq!(chain.policy(), Policy::Strict);
    for (height, expected) in DIGESTS {
        follow(&mut chain, height as usize);
        assert_eq!(digest(&chain), expected, "at height {height}");
    }
    assert_eq!(chain.reader().check_integrity(Depth::Full).unwrap().blocks, 1201);
    let miners = chain.reader().miners().unwrap();
    assert_eq!(miners.len(), rows_of("identity"));

    for depth in [1, 50, 400] {
        let below = 1200 - depth;
        chain.disconnect_to(Height(below)).unwrap();
        chain.reader().check_integrity(Depth::Full).unwrap();
        follow(&mut chain, 1200);
        assert_eq!(digest(&chain), DIGESTS[4].1);
        assert_eq!(chain.reader().miners().unwrap(), miners);
    }
}

/// A state that was gone back to is the one that a chain of that length has.
#[test]
fn disconnecting_restores_every_miner() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut chain, mut short) = (open(dir.path(), &params()), open(other.path(), &params()));
    let blocks: Vec<Candidate> = recorded()[1..].iter().map(|(candidate, _)| candidate.clone()).collect();
    import(&mut chain, &blocks, 200);
    let heights = [0, 14, 39, 100, 500, 770, 1199_u32];
    let mut expected = Vec::new();
    for height in heights {
        let from = short.tip().height.0 as usize;
        import(&mut short, &blocks[from..height as usize], 100);
        expected.push((digest(&short), short.reader().miners().unwrap()));
    }
    for (height, expected) in heights.into_iter().zip(expected).rev() {
        chain.disconnect_to(Height(height)).unwrap();
        assert_eq!((digest(&chain), chain.reader().miners().unwrap()), expected, "at height {height}");
        chain.reader().check_integrity(Depth::Full).unwrap();
    }
}

#[test]
fn any_batch_size_and_policy_gives_the_same_chain() {
    let blocks: Vec<Candidate> = recorded()[1..].iter().map(|(candidate, _)| candidate.clone()).collect();
    // The last with a checkpoint, below which nothing about miners is checked, and all is recorded.
    let checkpointed = Checkpoint { height: Height(700), hash: blocks[699].hash };
    let mut known = None;
    for (batch, policy, checkpoints) in [
        (50, Policy::Strict, vec![]),
        (200, Policy::Strict, vec![]),
        (200, Policy::Reference, vec![]),
        (200, Policy::Strict, vec![checkpointed]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { policy: Some(policy), ..small() };
        let params = Arc::new(ChainParams { checkpoints, ..(*params()).clone() });
        let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
        import(&mut chain, &blocks, batch);
        assert_eq!(digest(&chain), DIGESTS[4].1);
        chain.reader().check_integrity(Depth::Full).unwrap();
        let miners = chain.reader().miners().unwrap();
        assert_eq!(*known.get_or_insert_with(|| miners.clone()), miners);
    }
}

/// What the order in which times are searched saves: verifications that the signatures of the recorded chain take.
#[test]
fn a_signature_takes_half_the_verifications_that_searching_back_in_time_would() {
    let search = params().mik.as_ref().unwrap().signature_search_seconds;
    let signed = recorded()[1..].iter().filter(|(_, row)| row["sig"] == "good");
    let mut taken = (0, 0, 0);
    for (candidate, row) in signed {
        let age: u32 = number(&row["sig_time_offset"]);
        let time = candidate.block.header.time;
        let mut times = SignedBlock::signing_times(time, search);
        let place = times.position(|at| at == time - age).unwrap();
        taken = (taken.0 + 1, taken.1 + place + 1, taken.2 + age + 1);
    }
    // Signatures; verifications in our order; and from the block's own time straight back.
    assert_eq!(taken, (1191, 22_569, 46_502));
}
