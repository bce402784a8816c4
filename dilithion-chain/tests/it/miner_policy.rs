//! Where the policies differ about miners: changes of branch.

use std::slice;
use std::sync::Arc;

use dilithion_chain::dfmp::effective_target;
use dilithion_chain::mik::{Identity, Section};
use dilithion_chain::mining::Claim;
use dilithion_chain::validate::{Context, MinerRules, check_miner};
use dilithion_chain::{
    Candidate, ChainReader, Chainstate, Damage, Depth, MIN_PRUNE, MinerError, Policy, ReorgError, StoreError,
    StoreOptions,
};
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{ChainParams, Height};

use crate::miner_rules::Network;
use crate::miners::{keys, plan, registration, solved, standing};
use crate::{import, mainnet, small, store};

const REFERENCE: Claim = Claim::Reference { dna: None };

/// What is wrong with the first block of a branch.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Nameless,
    Signature,
    Target,
}

/// Two blocks on top of the tip's parent: a wrong one, and a good one.
fn branch(network: &Network, wrong: Wrong) -> Vec<Candidate> {
    let tip = network.chain.tip();
    let parent = network.chain.reader().hash_at(tip.height.prev().unwrap()).unwrap().unwrap();
    let first = plan(&network.params, parent, tip.height.0);
    let block = match wrong {
        Wrong::Nameless => first.anonymous(keys()[0].script_pubkey()),
        Wrong::Signature => first.signed_at(&keys()[0], &REFERENCE, first.time - 200).unwrap(),
        Wrong::Target => first.mined_by(&keys()[0], &REFERENCE).unwrap(),
    };
    // An id that is low enough for the header, which is all that the reference node asks, or for the miner as well.
    let base = CompactTarget(block.header.bits).target();
    let first = match wrong {
        Wrong::Target => solved(block, base, base.hardened(2_000_000)),
        Wrong::Nameless | Wrong::Signature => solved(block, base.hardened(8_000_000), Target::ZERO),
    };
    let next = plan(&network.params, first.hash, tip.height.0 + 1);
    let second = solved(next.mined_by(&keys()[1], &REFERENCE).unwrap(), base, Target::ZERO);
    vec![first, second]
}

fn refused(network: &mut Network, branch: &[Candidate]) -> &'static str {
    let state = |network: &Network| (network.chain.tip(), network.chain.reader().miners().unwrap());
    let before = state(network);
    let fork = before.0.height.prev().unwrap();
    let error = network.chain.reorg(fork, branch).unwrap_err();
    assert_eq!(state(network), before);
    match error {
        ReorgError::Refused(rejected) => rejected.error.reject_reason(),
        other => unreachable!("{other}"),
    }
}

/// The reference node takes a branch with a block that it would refuse on top of its tip (spec: mainnet-node §1).
#[test]
fn a_branch_is_judged_like_any_block_by_the_strict_policy_only() {
    let mut network = Network::new(Policy::Strict);
    network.extend(&keys()[0], &REFERENCE);
    for (wrong, reason) in [(Wrong::Signature, "mik-signature"), (Wrong::Target, "high-hash-dfmp")] {
        let blocks = branch(&network, wrong);
        let mut reference = network.twin(Policy::Reference);
        assert_eq!(refused(&mut network, &blocks), reason);
        let fork = reference.chain.tip().height.prev().unwrap();
        reference.chain.reorg(fork, &blocks).unwrap();
        assert_eq!(reference.chain.tip().hash, blocks[1].hash);
        reference.chain.reader().check_integrity(Depth::Full).unwrap();
    }
}

/// A node takes blocks off and puts others on, in steps: what it then judges is the same change of branch.
#[test]
fn a_branch_is_judged_alike_when_blocks_are_disconnected_first() {
    let mut network = Network::new(Policy::Strict);
    network.extend(&keys()[0], &REFERENCE);
    let blocks = branch(&network, Wrong::Signature);
    let mut reference = network.twin(Policy::Reference);
    let fork = network.chain.tip().height.prev().unwrap();
    for chain in [&mut network.chain, &mut reference.chain] {
        chain.disconnect_to(fork).unwrap();
    }
    let refusal = |chain: &mut Chainstate, blocks: &[Candidate]| {
        let outcome = chain.connect(blocks).unwrap();
        outcome.failure.map(|rejected| rejected.error.reject_reason())
    };
    assert_eq!(refusal(&mut network.chain, &blocks), Some("mik-signature"));
    assert_eq!(refusal(&mut reference.chain, &blocks[..1]), None);
    assert_eq!(refusal(&mut reference.chain, &blocks[1..]), None);

    // The branch has more work now: what comes on top is judged like any block.
    let tip = reference.chain.tip();
    let next = plan(&reference.params, tip.hash, tip.height.0);
    let forged = next.signed_at(&keys()[0], &REFERENCE, next.time - 200).unwrap();
    let base = CompactTarget(forged.header.bits).target();
    let forged = solved(forged, base.hardened(8_000_000), Target::ZERO);
    assert_eq!(refusal(&mut reference.chain, slice::from_ref(&forged)), Some("mik-signature"));

    // So it is when the node has turned back to where it was.
    let tip = reference.chain.tip();
    let last = reference.chain.reader().block(&tip.hash).unwrap().unwrap();
    reference.chain.disconnect_to(tip.height.prev().unwrap()).unwrap();
    let last = Candidate { hash: tip.hash, verified: true, block: last };
    assert_eq!(refusal(&mut reference.chain, &[last, forged]), Some("mik-signature"));
    assert_eq!(reference.chain.tip(), tip);
}

/// What it still asks for is that somebody is named, since it looks for attestations.
#[test]
fn no_policy_takes_a_branch_without_a_miner() {
    let mut network = Network::new(Policy::Strict);
    network.extend(&keys()[0], &REFERENCE);
    let blocks = branch(&network, Wrong::Nameless);
    let mut reference = network.twin(Policy::Reference);
    assert_eq!(refused(&mut network, &blocks), "mik-missing");
    assert_eq!(refused(&mut reference, &blocks), "mik-missing");
}

/// What the reference node says when a block arrives that stands beside its tip: it judges by the state of the tip (spec:
/// mainnet-node §1).
fn on_arrival_there(network: &Network, beside: &Candidate) -> Result<(), MinerError> {
    let (tip, parent) = (network.chain.tip(), beside.block.header.prev_hash);
    let context = Context { params: &network.params, policy: Policy::Reference, height: tip.height, parent };
    let state = standing(&network.chain.reader(), &beside.block, network.rules());
    match check_miner(beside, &state, &context, MinerRules::All)? {
        Some(check) => check.run(),
        None => Ok(()),
    }
}

/// The reference node refuses a valid block for what its miner did on another branch. Other nodes of the network have taken
/// it, as they saw it first; here no policy refuses it.
#[test]
fn a_block_beside_the_tip_is_judged_by_its_own_branch() {
    let mut network = Network::new(Policy::Strict);
    for _ in 0..10 {
        network.extend(&keys()[0], &REFERENCE);
    }
    let (fork, mut branch) = (network.chain.tip().height, network.twin(Policy::Strict));
    // The miner's thirteenth of the last twenty blocks, which is the first to cost more, twice.
    network.extend(&keys()[0], &REFERENCE);
    let block = branch.plan().mined_by(&keys()[0], &REFERENCE).unwrap();
    let target = |of: &Network| {
        let standing = standing(&of.chain.reader(), &block, of.rules());
        effective_target(block.header.bits, &standing, fork.next(), of.rules())
    };
    assert!(target(&network) < target(&branch));
    let beside = solved(block.clone(), target(&branch), target(&network));
    assert_eq!(on_arrival_there(&network, &beside).unwrap_err().reject_reason(), "high-hash-dfmp");

    import(&mut branch.chain, slice::from_ref(&beside), 1);
    let blocks = [beside, branch.extend(&keys()[1], &REFERENCE)];
    for policy in [Policy::Strict, Policy::Reference] {
        let mut node = network.twin(policy);
        node.chain.reorg(fork, &blocks).unwrap();
        assert_eq!(node.chain.tip().hash, blocks[1].hash);
        assert_eq!(node.chain.reader().miners().unwrap().len(), 2);
    }
}

/// The other way round: the reference node takes a block whose miner is registered on the branch of the tip only. So does its
/// policy, by what a reorganisation asks for.
#[test]
fn a_block_beside_the_tip_may_name_a_miner_of_the_tips_branch_by_the_reference_policy_only() {
    let mut network = Network::new(Policy::Strict);
    let fork = network.chain.tip();
    let first = plan(&network.params, fork.hash, fork.height.0 + 1);
    let beside = first.mined_by(&keys()[2], &REFERENCE).unwrap();
    network.extend(&keys()[2], &registration(&network.params, &keys()[2], fork.height.0 + 1));
    let base = CompactTarget(beside.header.bits).target();
    let beside = solved(beside, base.hardened(8_000_000), Target::ZERO);
    assert_eq!(on_arrival_there(&network, &beside), Ok(()));

    let next = plan(&network.params, beside.hash, fork.height.0 + 2);
    let blocks = [beside, solved(next.mined_by(&keys()[1], &REFERENCE).unwrap(), base, Target::ZERO)];
    let mut reference = network.twin(Policy::Reference);
    assert_eq!(refused(&mut network, &blocks), "mik-unknown");
    reference.chain.reorg(fork.height, &blocks).unwrap();
    assert_eq!(reference.chain.tip().hash, blocks[1].hash);
}

/// The reference node forgets less and more than it should when it disconnects blocks; a store that did so is put right when
/// it is opened under the strict policy.
#[test]
fn the_reference_policy_keeps_the_last_height_and_loses_the_window() {
    let mut strict = Network::new(Policy::Strict);
    for turn in 0..30 {
        strict.extend(&keys()[turn % 2], &REFERENCE);
    }
    let before = strict.chain.tip();
    let miner = keys()[0].identity();
    let known = |reader: &ChainReader| reader.miner(&miner).unwrap();
    let standing = |reader: &ChainReader, params: &ChainParams| {
        let payee = Identity::of_script(&keys()[0].script_pubkey());
        reader.standing(Some(&miner), &payee, params.mik.as_ref().unwrap()).unwrap()
    };
    let mut reference = strict.twin(Policy::Reference);
    assert_eq!(known(&reference.chain.reader()), known(&strict.chain.reader()));
    let to = Height(before.height.0 - 6);
    for network in [&mut strict, &mut reference] {
        network.chain.disconnect_to(to).unwrap();
    }
    let params = Arc::clone(&strict.params);
    let (exact, kept) = (strict.chain.reader(), reference.chain.reader());
    assert!(known(&exact).last_mined <= Some(to));
    assert!(known(&kept).last_mined > Some(to));
    assert_eq!(known(&kept).first_seen, known(&exact).first_seen);
    // Ten of the last twenty blocks; six of the twenty fell out for good.
    assert_eq!(standing(&exact, &params).mined, 10);
    assert_eq!(standing(&kept, &params).mined, 7);
    kept.check_integrity(Depth::Full).unwrap();

    let expected = (exact.miners().unwrap(), standing(&exact, &params));
    drop((exact, kept));
    let reopened = reference.reopened(Policy::Strict);
    let reader = reopened.chain.reader();
    assert_eq!((reader.miners().unwrap(), standing(&reader, &params)), expected);
    reader.check_integrity(Depth::Full).unwrap();
}

/// A chain that was stored before its miners were known of is read through once.
#[test]
fn a_store_without_miners_is_filled_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut without = (*mainnet::params()).clone();
    without.mik = None;
    let blocks: Vec<Candidate> =
        mainnet::recorded()[1..=320].iter().map(|(candidate, _)| candidate.clone()).collect();
    let mut chain = Chainstate::open(dir.path(), Arc::new(without.clone()), small()).unwrap();
    import(&mut chain, &blocks[..300], 100);
    assert_eq!(chain.reader().miners().unwrap(), []);
    drop(chain);
    let mut chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let mut from_scratch = Chainstate::open(other.path(), mainnet::params(), small()).unwrap();
    import(&mut from_scratch, &blocks[..300], 100);
    assert_eq!(chain.reader().miners().unwrap(), from_scratch.reader().miners().unwrap());
    chain.reader().check_integrity(Depth::Full).unwrap();
    import(&mut chain, &blocks[300..], 1);

    // Without bodies there is nothing to read through.
    let pruned = tempfile::tempdir().unwrap();
    let options = StoreOptions { prune: Some(MIN_PRUNE), ..small() };
    let mut chain = Chainstate::open(pruned.path(), Arc::new(without), options).unwrap();
    import(&mut chain, &blocks, 100);
    drop(chain);
    let error = Chainstate::open(pruned.path(), mainnet::params(), small()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::MinersPruned { lowest: Height(33) }), "{error}");
}

/// Opened without `[mik]`, a store forgets its miners, so that they are found again when it is opened with it.
#[test]
fn a_store_can_be_opened_without_identities_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let without = ChainParams { mik: None, attestation: None, ..(*mainnet::params()).clone() };
    let blocks: Vec<Candidate> = mainnet::recorded()[1..=90].iter().map(|(block, _)| block.clone()).collect();
    let mut chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    import(&mut chain, &blocks, 100);
    let miners = chain.reader().miners().unwrap();
    chain.disconnect_to(Height(50)).unwrap();
    drop(chain);
    let mut chain = Chainstate::open(dir.path(), Arc::new(without), small()).unwrap();
    assert_eq!(chain.reader().miners().unwrap(), []);
    import(&mut chain, &blocks[50..], 100);
    drop(chain);
    let chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    assert_eq!(chain.reader().miners().unwrap(), miners);
}

/// Records of miners that are not what the blocks say are found, and made anew.
#[test]
fn damaged_miners_are_found_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let blocks: Vec<Candidate> = mainnet::recorded()[1..=90].iter().map(|(block, _)| block.clone()).collect();
    let mut chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    import(&mut chain, &blocks, 100);
    let miners = chain.reader().miners().unwrap();
    drop(chain);
    let damaged = |error| match error {
        StoreError::Integrity(error) => error.damage,
        other => unreachable!("{other}"),
    };
    let data = dir.path().join("data.mdb");
    let repaired = || Chainstate::repair(dir.path(), &mainnet::params(), small()).unwrap();

    // What is known about a miner: its heights.
    let (identity, miner) = &miners[3];
    let heights =
        [miner.first_seen.unwrap().0.to_be_bytes(), miner.last_mined.unwrap().0.to_be_bytes()].concat();
    let record = [&identity.as_bytes()[..], &heights].concat();
    store::damage(&data, &record, &[&identity.as_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 2]].concat());
    let error = Chainstate::open(dir.path(), mainnet::params(), small()).map(drop).unwrap_err();
    assert_eq!(damaged(error), Damage::Identity { identity: *identity });
    assert_eq!(repaired().to, Height(90));
    let chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    assert_eq!(chain.reader().miners().unwrap(), miners);
    drop(chain);

    // Whom a block paid.
    let section = Section::of_block(&blocks[79].block).unwrap();
    let payee = Identity::paid_by(&blocks[79].block);
    let pair = [&section.identity().as_bytes()[..], payee.as_bytes()].concat();
    store::damage(&data, &pair, &[&section.identity().as_bytes()[..], &[7; 20]].concat());
    let error = Chainstate::open(dir.path(), mainnet::params(), small()).map(drop).unwrap_err();
    assert!(matches!(damaged(error), Damage::Miner { .. }));
    assert_eq!(repaired().to, Height(90), "the blocks are sound, and tell all of it");
    let chain = Chainstate::open(dir.path(), mainnet::params(), small()).unwrap();
    assert_eq!(chain.reader().miners().unwrap(), miners);
}

/// A pruned store knows all miners, and goes back as far as it can.
#[test]
fn pruning_leaves_the_miners() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = StoreOptions { prune: Some(MIN_PRUNE), ..small() };
    let mut pruned = Chainstate::open(dir.path(), mainnet::params(), options).unwrap();
    let mut whole = Chainstate::open(other.path(), mainnet::params(), small()).unwrap();
    let blocks: Vec<Candidate> =
        mainnet::recorded()[1..=320].iter().map(|(candidate, _)| candidate.clone()).collect();
    for chain in [&mut pruned, &mut whole] {
        import(chain, &blocks, 100);
        chain.disconnect_to(Height(100)).unwrap();
    }
    assert_eq!(pruned.reader().miners().unwrap(), whole.reader().miners().unwrap());
    pruned.reader().check_integrity(Depth::Full).unwrap();
    for candidate in &blocks[100..110] {
        import(&mut pruned, slice::from_ref(candidate), 1);
    }
}
