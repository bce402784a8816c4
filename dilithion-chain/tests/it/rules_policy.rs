//! How much is enforced: at and below the last checkpoint, and under the policy of the reference nodes.

use std::sync::Arc;

use dilithion_chain::{Candidate, Chainstate, Policy, StoreOptions};
use dilithion_wire::{Amount, ChainParams, Checkpoint, DevFundParams, Height, Transaction};

use crate::builder::{coinbase, nowhere, output, seal, spend, subsidy, with_id};
use crate::fixture::Fixture;
use crate::signer::{Key, key, pay_to_key, signed};
use crate::{open, recorded, small};

/// Requirement 000-071: 3000 fast, 3001 fully, exactly.
#[test]
fn the_fast_path_ends_at_the_checkpoint() {
    const LAST: u32 = 3000;
    let (plain, _) = recorded::first_500();
    let mut params = (*plain).clone();
    params.consensus.coinbase_maturity = 1;
    let mut blocks: Vec<Candidate> = Vec::new();
    let mut previous: Option<Transaction> = None;
    for height in 1..=LAST + 1 {
        let prev = blocks.last().map_or(params.genesis.hash, |block| block.hash);
        let mut transactions = vec![subsidy(&params, height, height)];
        // The last two blocks each spend a coinbase with neither key nor signature nor fee.
        if let Some(previous) = previous.filter(|_| height >= LAST) {
            transactions.push(spend(&[output(&previous, 0)], vec![previous.outputs[0].value]));
        }
        previous = Some(transactions[0].clone());
        let mut block = seal(prev, transactions, height);
        block.verified = height > LAST;
        blocks.push(block);
    }
    let last = usize::try_from(LAST).unwrap();
    params.checkpoints = vec![Checkpoint { height: Height(LAST), hash: blocks[last - 1].hash }];
    let params = Arc::new(params);
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let mut counts = (0, 0, 0);
    for slice in blocks[..last].chunks(500) {
        let outcome = chain.connect(slice).unwrap();
        assert_eq!(outcome.failure, None);
        counts.0 += outcome.checkpointed;
        counts.1 += outcome.fully_validated;
        counts.2 += outcome.script_checks;
    }
    assert_eq!(counts, (last, 0, 0));
    let rejected = chain.connect(&blocks[last..]).unwrap().failure.unwrap();
    assert_eq!((rejected.height, rejected.error.reject_reason()), (Height(LAST + 1), "min-fee-not-met"));

    // The same without proof of work, and a good one.
    let unproven = Candidate { verified: false, ..blocks[last].clone() };
    assert_eq!(chain.connect(&[unproven]).unwrap().failure.unwrap().error.reject_reason(), "unproven-header");
    let good = seal(chain.tip().hash, vec![subsidy(&params, LAST + 1, 0)], 0);
    let outcome = chain.connect(&[good]).unwrap();
    assert_eq!((outcome.failure, outcome.checkpointed, outcome.fully_validated), (None, 0, 1));
}

#[test]
fn the_recorded_blocks_are_valid_strictly_signatures_included() {
    let (params, blocks) = recorded::first_500();
    assert_eq!(params.policy, Policy::Strict);
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let outcome = chain.connect(&blocks).unwrap();
    let spends = blocks.iter().map(|block| block.block.transactions.len() - 1).sum::<usize>();
    assert!(spends > 100, "only {spends} transactions");
    assert_eq!((outcome.failure, outcome.fully_validated, outcome.script_checks), (None, 500, spends));
    assert_eq!(crate::digest(&chain), recorded::digest_at(500));
}

fn reference(params: &mut ChainParams) {
    params.policy = Policy::Reference;
}

#[test]
fn the_policy_is_the_networks_unless_one_is_asked_for() {
    let (params, _) = recorded::first_500();
    for (network, asked, expected) in [
        (Policy::Strict, None, Policy::Strict),
        (Policy::Reference, None, Policy::Reference),
        (Policy::Strict, Some(Policy::Reference), Policy::Reference),
        (Policy::Reference, Some(Policy::Strict), Policy::Strict),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let params = Arc::new(ChainParams { policy: network, ..(*params).clone() });
        let options = StoreOptions { policy: asked, ..small() };
        let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
        assert_eq!(chain.policy(), expected);
        let greedy = seal(params.genesis.hash, vec![coinbase(1, Amount(u64::MAX))], 1);
        let accepted = chain.connect(&[greedy]).unwrap().failure.is_none();
        assert_eq!(accepted, expected == Policy::Reference);
    }
}

/// What the reference nodes let pass, each in a block that only it makes wrong.
#[test]
fn the_reference_policy_enforces_what_the_reference_nodes_do() {
    let mature = Fixture::new().mature();
    let early = output(&Fixture::new().coinbases[1], 0);
    let first = || pay_to_key(coinbase(77, Amount(1)));
    let spending = || signed(&[mature], vec![Amount(100_000)]);
    let unsigned = || spend(&[mature], vec![Amount(4_999_000_000)]);
    let changed = |change: fn(&mut Transaction)| {
        let mut tx = spending();
        change(&mut tx);
        tx
    };
    let blocks: Vec<(&str, Vec<Transaction>)> = vec![
        ("no coinbase", vec![unsigned()]),
        ("script of the coinbase", {
            let mut tx = first();
            tx.inputs[0].script_sig = vec![1; 101].into();
            vec![tx]
        }),
        ("claim of the coinbase", vec![coinbase(1, Amount(u64::MAX))]),
        ("no outputs", vec![first(), spend(&[mature], vec![])]),
        ("no inputs", vec![first(), spend(&[], vec![Amount(1)])]),
        ("the same input twice", vec![first(), spend(&[mature, mature], vec![Amount(100_000)])]),
        ("double spend", vec![first(), unsigned(), spend(&[mature], vec![Amount(2)])]),
        ("immature", vec![first(), signed(&[early], vec![Amount(4_999_000_000)])]),
        ("values", vec![first(), spend(&[mature], vec![Amount(u64::MAX), Amount(u64::MAX)])]),
        ("dust", vec![first(), spend(&[mature], vec![Amount(1)])]),
        ("fee", vec![first(), spend(&[mature], vec![Amount(5_000_000_000)])]),
        ("version", vec![first(), changed(|tx| tx.version = 0)]),
        ("lock time", vec![first(), changed(|tx| (tx.lock_time, tx.inputs[0].sequence) = (u32::MAX, 0))]),
        ("signature", vec![first(), unsigned()]),
    ];
    for (rule, transactions) in blocks {
        let mut strict = Fixture::new();
        let candidate = strict.next(transactions.clone());
        strict.refused(&candidate);
        let mut fixture = Fixture::with(reference);
        let candidate = fixture.next(transactions);
        let outcome = fixture.chain.connect(&[candidate]).unwrap();
        assert_eq!(outcome.failure, None, "{rule}");
        assert_eq!(outcome.script_checks, 0);
        // And it can be taken back.
        let before = crate::digest(&Fixture::with(reference).chain);
        fixture.chain.disconnect_tip().unwrap();
        assert_eq!(crate::digest(&fixture.chain), before, "{rule}");
    }

    let mut fixture = Fixture::with(reference);
    let missing = fixture.next(vec![first(), spend(&[nowhere()], vec![Amount(1)])]);
    assert_eq!(fixture.refused(&missing).reject_reason(), "missing-inputs");
    let made = spend(&[mature], vec![Amount(3)]);
    let twice = [1, 2].map(|value| spend(&[output(&made, 0)], vec![Amount(value)]));
    let [one, other] = twice;
    let twice = fixture.next(vec![first(), made, one, other]);
    assert_eq!(fixture.refused(&twice).reject_reason(), "double-spend");
    let stranger = seal(dilithion_wire::BlockHash::from_bytes([9; 32]), vec![first()], 0);
    assert_eq!(fixture.refused(&stranger).reject_reason(), "bad-parent");
    let unproven = Candidate { verified: false, ..fixture.next(vec![first()]) };
    assert_eq!(fixture.refused(&unproven).reject_reason(), "unproven-header");
    let empty = fixture.next(vec![]);
    assert_eq!(fixture.refused(&empty).reject_reason(), "bad-structure");
    // Not a rule for blocks, but what tells which body belongs to a header.
    let mut swapped = fixture.next(vec![first()]).block;
    swapped.transactions[0].outputs[0].value = Amount(2);
    assert_eq!(fixture.refused(&with_id(swapped)).reject_reason(), "bad-merkle");
    let repeated = fixture.next(vec![first(), unsigned(), unsigned()]);
    assert_eq!(fixture.refused(&repeated).reject_reason(), "bad-txns-duplicate");
}

/// A network whose coinbases pay the development, from the next block of the fixture on.
fn with_dev_fund(params: &mut ChainParams) {
    let hash = |key: &Key| key.script()[3..23].try_into().unwrap();
    params.dev_fund = Some(DevFundParams {
        fund_hash160: hash(key()),
        reward_hash160: hash(&Key::from_seed([8; 32])),
        percent: 2,
        height: Height(101),
    });
}

/// 49 coins for the miner and half a coin each for fund and reward.
fn paying_coinbase() -> Transaction {
    let mut tx = pay_to_key(coinbase(1, Amount(4_900_000_000)));
    tx.outputs[0].script_pubkey = Key::from_seed([9; 32]).script();
    for key in [key(), &Key::from_seed([8; 32])] {
        let mut output = tx.outputs[0].clone();
        (output.value, output.script_pubkey) = (Amount(50_000_000), key.script());
        tx.outputs.push(output);
    }
    tx
}

#[test]
fn the_development_is_paid_whatever_the_policy() {
    for policy in [Policy::Strict, Policy::Reference] {
        let mut fixture = Fixture::with(|params| {
            with_dev_fund(params);
            params.policy = policy;
        });
        let spoils: [fn(&mut Transaction); 4] = [
            |tx| tx.outputs[1].value.0 -= 1,
            |tx| tx.outputs[2].value.0 -= 1,
            |tx| tx.outputs.truncate(1),
            |tx| tx.outputs[2].script_pubkey = vec![0x6a].into(),
        ];
        for spoil in spoils {
            let mut tx = paying_coinbase();
            spoil(&mut tx);
            let candidate = fixture.next(vec![tx]);
            assert_eq!(fixture.refused(&candidate).reject_reason(), "bad-cb-devfund");
        }
        let mut greedy = paying_coinbase();
        greedy.outputs[0].value.0 += 1;
        let candidate = fixture.next(vec![greedy]);
        assert_eq!(fixture.refused(&candidate).reject_reason(), "bad-cb-amount");
        let mut formless = paying_coinbase();
        formless.inputs[0].script_sig = vec![1].into();
        let candidate = fixture.next(vec![formless]);
        assert_eq!(fixture.refused(&candidate).reject_reason(), "bad-structure");
        fixture.accepted(vec![paying_coinbase()]);
    }
    // Where the fees cannot be told, the reference nodes do not look at the claim.
    let mut fixture = Fixture::with(|params| {
        with_dev_fund(params);
        reference(params);
    });
    let mut greedy = paying_coinbase();
    greedy.outputs[0].value.0 += 1;
    let beyond = spend(&[fixture.mature()], vec![Amount(6_000_000_000)]);
    fixture.accepted(vec![greedy, beyond]);
}
