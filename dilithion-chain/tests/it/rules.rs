//! A block that breaks one rule is refused by that rule's name and leaves no trace: rules for blocks, and for what they
//! spend.

use std::sync::Arc;

use dilithion_chain::validate::{Context, Policy, check_block, validate_block};
use dilithion_chain::{BlockError, Candidate, Coin, StructureError, UtxoView};
use dilithion_wire::{Amount, Block, BlockHash, ChainParams, Checkpoint, Height, OutPoint};

use crate::builder::{coinbase, nowhere, output, seal, spend, subsidy, with_id};
use crate::fixture::{FEE, Fixture};
use crate::signer::{pay_to_key, signed};
use crate::{digest, import, open, recorded};

#[test]
fn the_fixture_itself_is_valid() {
    let mut fixture = Fixture::new();
    let half = fixture.value().0 / 2;
    let spending = signed(&[fixture.mature()], vec![Amount(half), Amount(half)]);
    let claim = Amount(fixture.params.subsidy(Height(fixture.height())).0 + 2 * FEE);
    let chained = signed(&[output(&spending, 1)], vec![Amount(half - FEE)]);
    fixture.accepted(vec![pay_to_key(coinbase(0, claim)), spending, chained]);
}

struct NoCoins;

impl UtxoView for NoCoins {
    fn coin(&self, _: &OutPoint) -> Option<&Coin> {
        None
    }
}

#[test]
fn rules_need_no_store() {
    let (params, _) = recorded::first_500();
    let policy = Policy::Strict;
    let context = Context { params: &params, policy, height: Height(1), parent: params.genesis.hash };
    let good = seal(params.genesis.hash, vec![subsidy(&params, 1, 1)], 1);
    assert_eq!(validate_block(&good, &NoCoins, &context, None), Ok(Some(Amount(0))));
    let spending = signed(&[nowhere()], vec![Amount(100_000)]);
    let bad = seal(params.genesis.hash, vec![subsidy(&params, 1, 1), spending.clone()], 1);
    let expected = BlockError::MissingInput { txid: spending.txid(), outpoint: nowhere() };
    assert_eq!(validate_block(&bad, &NoCoins, &context, None), Err(expected));
}

#[test]
fn parent() {
    let mut fixture = Fixture::new();
    let stranger = seal(BlockHash::from_bytes([9; 32]), vec![fixture.subsidy()], 0);
    let error = fixture.refused(&stranger);
    assert!(matches!(error, BlockError::Parent { .. }));
    assert_eq!(error.reject_reason(), "bad-parent");
}

#[test]
fn unproven_id() {
    let mut fixture = Fixture::new();
    let candidate = Candidate { verified: false, ..fixture.next(vec![fixture.subsidy()]) };
    assert_eq!(fixture.refused(&candidate).reject_reason(), "unproven-header");
}

#[test]
fn merkle_root() {
    let mut fixture = Fixture::new();
    let mut block = fixture.next(vec![fixture.subsidy()]).block;
    block.transactions[0].outputs[0].value = Amount(1);
    let error = fixture.refused(&with_id(block));
    assert_eq!(error.reject_reason(), "bad-merkle");
    assert!(error.is_body_mismatch());
}

#[test]
fn repeated_transaction_with_the_same_merkle_root() {
    let mut fixture = Fixture::new();
    let first = fixture.spending();
    let second = signed(&[output(&first, 0)], vec![Amount(fixture.value().0 - FEE)]);
    let good = fixture.next(vec![fixture.subsidy(), first, second.clone()]);
    let mut mutated = good.block.clone();
    mutated.transactions.push(second);
    // CVE-2012-2459: the header is the same, so only the body may be held against the sender.
    assert_eq!(mutated.merkle_root(), good.block.merkle_root());
    let error = fixture.refused(&Candidate { block: mutated, ..good.clone() });
    assert_eq!(error.reject_reason(), "bad-txns-duplicate");
    assert!(error.is_body_mismatch());
    import(&mut fixture.chain, &[good], 1);
}

#[test]
fn structure_of_the_block() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.refused_structure(vec![]), StructureError::NoTransactions);
    let ordinary = spend(&[fixture.mature()], vec![Amount(1)]);
    assert_eq!(fixture.refused_structure(vec![ordinary]), StructureError::NoCoinbase);
    let mut with_proof = fixture.next(vec![fixture.subsidy()]);
    with_proof.block.vdf = Some(dilithion_wire::VdfProof { output: [1; 32], proof_hash: [2; 32] });
    assert!(matches!(fixture.refused(&with_proof), BlockError::Structure(StructureError::DelayProof)));
    let two = vec![fixture.subsidy(), coinbase(1, Amount(0))];
    assert_eq!(fixture.refused_structure(two), StructureError::NullInput { index: 1 });

    let block = fixture.next(vec![fixture.subsidy()]).block;
    let bytes = block.blob_len();
    let mut params = (*fixture.params).clone();
    params.consensus.max_block_bytes = u32::try_from(bytes).unwrap();
    assert_eq!(check(&fixture, &params, &block), Ok(()));
    params.consensus.max_block_bytes -= 1;
    let expected = StructureError::TooLarge { bytes, max: bytes - 1 };
    assert_eq!(check(&fixture, &params, &block), Err(BlockError::Structure(expected)));
}

#[test]
fn structure_of_the_coinbase() {
    let mut fixture = Fixture::new();
    for bytes in [0, 1, 101] {
        let mut tx = fixture.subsidy();
        tx.inputs[0].script_sig = vec![1; bytes].into();
        let max = 100;
        assert_eq!(fixture.refused_structure(vec![tx]), StructureError::CoinbaseScript { bytes, max });
    }
    let mut tx = fixture.subsidy();
    tx.inputs.push(tx.inputs[0].clone());
    assert_eq!(fixture.refused_structure(vec![tx]), StructureError::NoCoinbase);
    let mut tx = fixture.subsidy();
    tx.outputs.clear();
    assert_eq!(fixture.refused_structure(vec![tx]), StructureError::NoOutputs { index: 0 });
    for bytes in [2, 100] {
        let mut tx = fixture.subsidy();
        tx.inputs[0].script_sig = vec![1; bytes].into();
        fixture.accepted(vec![tx]);
    }
}

#[test]
fn structure_of_transactions() {
    let mut fixture = Fixture::new();
    let first = fixture.subsidy();
    let mature = fixture.mature();
    let no_inputs = vec![first.clone(), spend(&[], vec![Amount(1)])];
    assert_eq!(fixture.refused_structure(no_inputs), StructureError::NoInputs { index: 1 });
    let no_outputs = vec![first.clone(), spend(&[mature], vec![])];
    assert_eq!(fixture.refused_structure(no_outputs), StructureError::NoOutputs { index: 1 });
    let null = vec![first.clone(), spend(&[mature, OutPoint::NULL], vec![Amount(1)])];
    assert_eq!(fixture.refused_structure(null), StructureError::NullInput { index: 1 });
    let twice = vec![first.clone(), spend(&[mature, mature], vec![Amount(1)])];
    let expected = StructureError::DuplicateInput { index: 1, outpoint: mature };
    assert_eq!(fixture.refused_structure(twice), expected);
    let max = Amount::MAX_MONEY;
    for values in [vec![Amount(max.0 + 1)], vec![max, Amount(1)], vec![Amount(u64::MAX), Amount(1)]] {
        let transactions = vec![first.clone(), spend(&[mature], values)];
        assert_eq!(fixture.refused_structure(transactions), StructureError::OutputValues { index: 1 });
    }
}

#[test]
fn inputs() {
    let mut fixture = Fixture::new();
    let first = fixture.subsidy();
    let mature = fixture.mature();
    let value = fixture.value();
    let missing = fixture.next(vec![first.clone(), signed(&[nowhere()], vec![value])]);
    assert_eq!(fixture.refused(&missing).reject_reason(), "missing-inputs");

    // An output of a later transaction of the same block does not exist yet.
    let early = fixture.spending();
    let late = signed(&[output(&early, 0)], vec![Amount(value.0 - FEE)]);
    let reversed = fixture.next(vec![first.clone(), late, early.clone()]);
    assert_eq!(fixture.refused(&reversed).reject_reason(), "missing-inputs");

    let again = signed(&[mature], vec![Amount(value.0 - 1)]);
    let double = fixture.next(vec![first.clone(), early, again]);
    assert_eq!(fixture.refused(&double).reject_reason(), "double-spend");

    let immature = signed(&[output(&fixture.coinbases[1], 0)], vec![value]);
    let immature = fixture.next(vec![first.clone(), immature]);
    let error = fixture.refused(&immature);
    assert_eq!(error.reject_reason(), "bad-txns-premature-spend-of-coinbase");
    assert!(matches!(error, BlockError::ImmatureSpend { age: 99, required: 100, .. }));

    let own = fixture.next(vec![first.clone(), signed(&[output(&first, 0)], vec![value])]);
    assert_eq!(fixture.refused(&own).reject_reason(), "bad-txns-premature-spend-of-coinbase");

    let more = signed(&[mature], vec![Amount(value.0 + FEE + 1)]);
    let more = fixture.next(vec![first, more]);
    assert_eq!(fixture.refused(&more).reject_reason(), "bad-txns-in-belowout");
}

#[test]
fn input_values() {
    // Coinbases that only a strange network could have: two of them are worth more than all the money.
    let mut fixture = Fixture::with(|params| {
        params.consensus.initial_subsidy = Amount(Amount::MAX_MONEY.0 / 2 + 1);
        params.consensus.coinbase_maturity = 2;
    });
    fixture.accepted(vec![fixture.subsidy()]);
    let coinbases = [output(&fixture.coinbases[0], 0), output(&fixture.coinbases[1], 0)];
    let both = signed(&coinbases, vec![Amount::MAX_MONEY]);
    let candidate = fixture.next(vec![fixture.subsidy(), both]);
    assert_eq!(fixture.refused(&candidate).reject_reason(), "bad-txns-inputvalues-outofrange");
}

#[test]
fn spent_output_cannot_be_spent_by_a_later_block() {
    let mut fixture = Fixture::new();
    let first = fixture.next(vec![fixture.subsidy(), fixture.spending()]);
    let again = signed(&[fixture.mature()], vec![Amount(fixture.value().0 - 1)]);
    let second = seal(first.hash, vec![subsidy(&fixture.params, 102, 102), again], 0);
    // In the same batch, where the spent output is only marked in memory.
    let outcome = fixture.chain.connect(&[first.clone(), second.clone()]).unwrap();
    assert_eq!(outcome.connected.len(), 1);
    assert_eq!(fixture.chain.tip().hash, first.hash);
    let rejected = outcome.failure.unwrap();
    assert_eq!((rejected.height, rejected.error.reject_reason()), (Height(102), "missing-inputs"));
    // And in the next, where it is gone.
    assert_eq!(fixture.refused(&second).reject_reason(), "missing-inputs");
}

#[test]
fn coinbase_claim() {
    let mut fixture = Fixture::new();
    let subsidy = fixture.params.subsidy(Height(fixture.height()));
    let greedy = fixture.next(vec![coinbase(0, Amount(subsidy.0 + 1))]);
    let error = fixture.refused(&greedy);
    assert_eq!(error.reject_reason(), "bad-cb-amount");
    assert!(!error.is_body_mismatch());
    let spending = fixture.spending();
    let greedy = fixture.next(vec![coinbase(0, Amount(subsidy.0 + FEE + 1)), spending.clone()]);
    assert_eq!(fixture.refused(&greedy).reject_reason(), "bad-cb-amount");
    fixture.accepted(vec![coinbase(0, Amount(subsidy.0 + FEE)), spending]);
}

#[test]
fn checkpoint_heights_are_checked_lightly_and_their_ids_exactly() {
    let (plain, _) = recorded::first_500();
    let mut params = (*plain).clone();
    // Coinbases that claim too much: only the full level minds.
    let mut blocks: Vec<Candidate> = Vec::new();
    for height in 1..=6 {
        let prev = blocks.last().map_or(params.genesis.hash, |block| block.hash);
        let extra = u64::from(height <= 3);
        let value = Amount(params.subsidy(Height(height)).0 + extra);
        blocks.push(seal(prev, vec![coinbase(height, value)], height));
    }
    params.checkpoints = vec![
        Checkpoint { height: Height(2), hash: blocks[1].hash },
        Checkpoint { height: Height(3), hash: blocks[2].hash },
    ];
    for block in &mut blocks[..3] {
        block.verified = false;
    }
    let params = Arc::new(params);
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let outcome = chain.connect(&blocks).unwrap();
    assert_eq!(outcome.failure, None);
    assert_eq!((outcome.checkpointed, outcome.fully_validated), (3, 3));

    // The same blocks one height too high are refused for what they claim.
    let greedy = seal(chain.tip().hash, blocks[0].block.transactions.clone(), 0);
    let error = chain.connect(&[greedy]).unwrap().failure.unwrap().error;
    assert_eq!(error.reject_reason(), "bad-cb-amount");

    // Another block at a checkpoint's height is refused, and light checks still include the inputs and the body.
    chain.disconnect_to(Height(1)).unwrap();
    let other = seal(blocks[0].hash, vec![coinbase(99, Amount(1))], 0);
    let error = chain.connect(&[other]).unwrap().failure.unwrap().error;
    assert_eq!(error.reject_reason(), "bad-checkpoint");
    chain.disconnect_to(Height(0)).unwrap();
    let spending = vec![coinbase(1, Amount(1)), spend(&[nowhere()], vec![Amount(1)])];
    let missing = seal(params.genesis.hash, spending, 0);
    let error = chain.connect(&[missing]).unwrap().failure.unwrap().error;
    assert_eq!(error.reject_reason(), "missing-inputs");
    let mut swapped = blocks[0].clone();
    swapped.block.transactions = vec![coinbase(98, Amount(1))];
    let error = chain.connect(&[swapped]).unwrap().failure.unwrap().error;
    assert_eq!(error.reject_reason(), "bad-merkle");
    assert_eq!(digest(&chain), recorded::digest_at(0));
}

#[test]
fn networks_with_bip30_refuse_to_overwrite() {
    let (plain, _) = recorded::first_500();
    let mut params = (*plain).clone();
    params.consensus.bip30 = true;
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(params));
    let first = seal(chain.tip().hash, vec![subsidy(&plain, 1, 1)], 1);
    let second = seal(first.hash, vec![subsidy(&plain, 1, 1)], 2);
    let outcome = chain.connect(&[first, second]).unwrap();
    assert_eq!(outcome.connected.len(), 1);
    assert_eq!(outcome.failure.unwrap().error.reject_reason(), "bad-txns-BIP30");
}

/// The rules of a block alone, with parameters of the test's own.
fn check(fixture: &Fixture, params: &ChainParams, block: &Block) -> Result<(), BlockError> {
    let parent = fixture.chain.tip().hash;
    let context = Context { params, policy: Policy::Strict, height: Height(fixture.height()), parent };
    check_block(&with_id(block.clone()), &block.txids(), &context)
}
