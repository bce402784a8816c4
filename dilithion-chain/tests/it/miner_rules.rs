//! A block that breaks one rule about its miner is refused by that rule's name and leaves no trace.

use std::slice;
use std::sync::Arc;

use dilithion_chain::dfmp::Multiplier;
use dilithion_chain::mik::Identity;
use dilithion_chain::mining::{BlockPlan, Claim, MinerKey};
use dilithion_chain::validate::{Context, MinerRules, check_miner};
use dilithion_chain::{BlockError, Candidate, Chainstate, Depth, MinerError, Policy, StoreOptions};
use dilithion_pow::{CompactTarget, Target};
use dilithion_wire::{Block, ChainParams, Height, MikParams};

use crate::miners::{
    ASSUME_VALID, ATTESTED, keys, mined, params, plan, registration, seeds, solved, standing, time,
};
use crate::{digest, import, open, small};

const REFERENCE: Claim = Claim::Reference { dna: None };

/// A chain on which the first two miners are registered, up to the block below the first attested one.
pub(crate) struct Network {
    dir: tempfile::TempDir,
    pub(crate) params: Arc<ChainParams>,
    pub(crate) chain: Chainstate,
}

impl Network {
    pub(crate) fn new(policy: Policy) -> Self {
        let mut network = Self::empty(policy);
        for height in 1..ATTESTED {
            let key = &keys()[height as usize % 2];
            let claim = if height <= 2 { registration(&network.params, key, height) } else { REFERENCE };
            network.extend(key, &claim);
        }
        network
    }

    pub(crate) fn empty(policy: Policy) -> Self {
        let (dir, params) = (tempfile::tempdir().unwrap(), params());
        let options = StoreOptions { policy: Some(policy), ..small() };
        let chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
        Self { dir, params, chain }
    }

    /// Another store of the same chain.
    pub(crate) fn twin(&self, policy: Policy) -> Self {
        let mut twin = Self::empty(policy);
        let reader = self.chain.reader();
        for height in (1..self.height()).map(Height) {
            let hash = reader.hash_at(height).unwrap().unwrap();
            let block = reader.block_at(height).unwrap().unwrap();
            import(&mut twin.chain, &[Candidate { hash, verified: true, block }], 1);
        }
        twin
    }

    /// The same store, opened again.
    pub(crate) fn reopened(self, policy: Policy) -> Self {
        let Self { dir, params, chain } = self;
        drop(chain);
        let options = StoreOptions { policy: Some(policy), ..small() };
        let chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
        Self { dir, params, chain }
    }

    pub(crate) fn rules(&self) -> &MikParams {
        self.params.mik.as_ref().unwrap()
    }

    pub(crate) fn height(&self) -> u32 {
        self.chain.tip().height.0 + 1
    }

    pub(crate) fn plan(&self) -> BlockPlan<'_> {
        plan(&self.params, self.chain.tip().hash, self.height())
    }

    /// The block with an id low enough for its miner.
    pub(crate) fn mined(&self, block: Block) -> Candidate {
        let standing = standing(&self.chain.reader(), &block, self.rules());
        mined(block, self.height(), &standing, self.rules())
    }

    /// Connects a valid block.
    pub(crate) fn extend(&mut self, key: &MinerKey, claim: &Claim) -> Candidate {
        let candidate = self.mined(self.plan().mined_by(key, claim).unwrap());
        import(&mut self.chain, slice::from_ref(&candidate), 1);
        candidate
    }

    /// Offers a block, expects it to be refused without a trace, and returns why.
    fn refused(&mut self, candidate: &Candidate) -> MinerError {
        let state = |chain: &Chainstate| (chain.tip(), digest(chain), chain.reader().miners().unwrap());
        let before = state(&self.chain);
        let outcome = self.chain.connect(slice::from_ref(candidate)).unwrap();
        assert_eq!(outcome.connected, []);
        assert_eq!(state(&self.chain), before);
        assert_eq!(self.chain.reader().block(&candidate.hash).unwrap(), None);
        self.chain.reader().check_integrity(Depth::Full).unwrap();
        let error = outcome.failure.unwrap().error;
        assert!(!error.is_body_mismatch());
        match error {
            BlockError::Miner(error) => error,
            other => unreachable!("{other}"),
        }
    }

    fn refused_block(&mut self, block: Block) -> MinerError {
        let candidate = self.mined(block);
        self.refused(&candidate)
    }
}

fn both() -> [Network; 2] {
    [Policy::Strict, Policy::Reference].map(Network::new)
}

#[test]
fn a_block_names_its_miner() {
    for mut network in both() {
        let block = network.plan().anonymous(keys()[0].script_pubkey());
        let error = network.refused_block(block);
        assert_eq!((&error, error.reject_reason()), (&MinerError::Missing, "mik-missing"));
    }
}

#[test]
fn a_miner_is_registered() {
    for mut network in both() {
        let error = network.refused_block(network.plan().mined_by(&keys()[2], &REFERENCE).unwrap());
        assert_eq!(error, MinerError::Unknown { identity: keys()[2].identity() });
        assert_eq!(error.reject_reason(), "mik-unknown");
    }
}

#[test]
fn the_signature_is_the_miners() {
    for mut network in both() {
        let identity = keys()[0].identity();
        let wrong = MinerError::Signature { identity };
        assert_eq!(wrong.reject_reason(), "mik-signature");
        let plan = network.plan();
        let (parent, height) = (plan.parent, plan.height);
        let mut blocks = Vec::new();
        // About another height, another parent, or a time that is not searched for.
        for other in [
            BlockPlan { height: height.next(), ..plan.clone() },
            BlockPlan { parent: network.params.genesis.hash, ..plan.clone() },
        ] {
            let mut block = other.mined_by(&keys()[0], &REFERENCE).unwrap();
            block.header.prev_hash = parent;
            blocks.push(block);
        }
        blocks.push(plan.signed_at(&keys()[0], &REFERENCE, plan.time - 181).unwrap());
        blocks.push(plan.signed_at(&keys()[0], &REFERENCE, plan.time + 1).unwrap());
        // By another miner.
        let mut stolen = plan.mined_by(&keys()[1], &REFERENCE).unwrap();
        let script = stolen.transactions[0].inputs[0].script_sig.to_vec();
        let at = script.windows(20).position(|at| at == keys()[1].identity().as_bytes()).unwrap();
        let script = [&script[..at], identity.as_bytes(), &script[at + 20..]].concat();
        stolen.transactions[0].inputs[0].script_sig = script.into();
        stolen.header.merkle_root = stolen.merkle_root();
        blocks.push(stolen);
        let latest = plan.signed_at(&keys()[0], &REFERENCE, plan.time - 180).unwrap();
        for block in blocks {
            assert_eq!(network.refused_block(block), wrong);
        }
        let latest = network.mined(latest);
        import(&mut network.chain, &[latest], 1);
    }
}

#[test]
fn a_registration_shows_work() {
    for mut network in both() {
        let Claim::Registration { attestations, .. } = registration(&network.params, &keys()[2], ATTESTED)
        else {
            unreachable!()
        };
        let work = dilithion_chain::mik::RegistrationWork::new(keys()[2].public_key(), None);
        let nonce = (0..).find(|nonce| !work.is_met_by(*nonce, 4)).unwrap();
        let lazy = Claim::Registration { nonce, dna: None, attestations };
        let error = network.refused_block(network.plan().mined_by(&keys()[2], &lazy).unwrap());
        assert_eq!(error, MinerError::RegistrationWork { identity: keys()[2].identity(), required: 4 });
        assert_eq!(error.reject_reason(), "mik-registration-pow");
        let key = &keys()[2];
        let claim = registration(&network.params, key, ATTESTED);
        network.extend(key, &claim);
    }
}

#[test]
fn seeds_attest_a_registration() {
    for mut network in both() {
        let key = &keys()[2];
        let good = registration(&network.params, key, ATTESTED);
        let with = |attestations: Vec<_>| match &good {
            Claim::Registration { nonce, .. } => {
                Claim::Registration { nonce: *nonce, dna: None, attestations }
            }
            Claim::Reference { .. } => unreachable!(),
        };
        let now = time(ATTESTED);
        let by = |number: u8, time| {
            seeds()[usize::from(number)].attest(number, time, key.public_key(), None).unwrap()
        };
        let strange = keys()[0].attest(2, now, key.public_key(), None).unwrap();
        for (attestations, valid) in [
            (vec![], 0),
            (vec![by(0, now), by(1, now)], 2),
            (vec![by(0, now), by(1, now), by(1, now - 1)], 2),
            (vec![by(0, now), by(1, now), strange], 2),
            (vec![by(0, now), by(1, now), by(2, now - 3601)], 2),
            (vec![by(0, now), by(1, now), by(2, now + 1)], 2),
        ] {
            let block = network.plan().mined_by(key, &with(attestations.clone())).unwrap();
            let error = network.refused_block(block);
            // How many are valid is only counted if there are enough.
            let valid = if attestations.len() < 3 { attestations.len() } else { valid };
            let identity = key.identity();
            assert_eq!(error, MinerError::Attestations { identity, valid, required: 3 });
            assert_eq!(error.reject_reason(), "mik-attestations");
        }
        network.extend(key, &with(vec![by(3, now - 3600), by(1, now), by(2, now)]));
    }
}

#[test]
fn the_id_is_low_enough_for_the_miner() {
    for mut network in both() {
        let block = network.plan().mined_by(&keys()[0], &REFERENCE).unwrap();
        let base = CompactTarget(block.header.bits).target();
        let standing = standing(&network.chain.reader(), &block, network.rules());
        let height = Height(network.height());
        let target =
            dilithion_chain::dfmp::effective_target(block.header.bits, &standing, height, network.rules());
        assert!(target < base);
        let candidate = solved(block.clone(), base, target);
        let error = network.refused(&candidate);
        let (identity, multiplier) = (keys()[0].identity(), Multiplier(2_500_000));
        assert_eq!(error, MinerError::Target { identity, multiplier, target });
        assert_eq!(error.reject_reason(), "high-hash-dfmp");
        import(&mut network.chain, &[solved(block, target, Target::ZERO)], 1);
    }
}

/// The reference node does not find attestations behind a longer number of transactions.
#[test]
fn an_attested_block_has_a_short_number_of_transactions() {
    let network = Network::new(Policy::Reference);
    let mut candidate = network.mined(network.plan().mined_by(&keys()[0], &REFERENCE).unwrap());
    let standing = standing(&network.chain.reader(), &candidate.block, network.rules());
    let (policy, parent) = (Policy::Reference, network.chain.tip().hash);
    let height = Height(network.height());
    let context = Context { params: &network.params, policy, height, parent };
    let filler =
        dilithion_wire::Transaction { version: 1, inputs: Vec::new(), outputs: Vec::new(), lock_time: 0 };
    candidate.block.transactions.resize(0xffff, filler.clone());
    assert!(check_miner(&candidate, &standing, &context, MinerRules::All).is_ok());
    candidate.block.transactions.push(filler);
    let error = check_miner(&candidate, &standing, &context, MinerRules::All).map(drop).unwrap_err();
    assert_eq!(error, MinerError::TooManyTransactions { count: 0x1_0000, max: 0xffff });
    assert_eq!(error.reject_reason(), "mik-tx-count");
}

/// Whoever lets others mine for the same output has their heat.
#[test]
fn payees_have_heat_too() {
    let mut network = Network::new(Policy::Strict);
    let payout = keys()[5].script_pubkey();
    for turn in 0..14 {
        let key = &keys()[turn % 2];
        let mut plan = network.plan();
        plan.payout = Some(payout.clone());
        let candidate = network.mined(plan.mined_by(key, &REFERENCE).unwrap());
        import(&mut network.chain, &[candidate], 1);
    }
    let reader = network.chain.reader();
    let standing = |payee| reader.standing(Some(&keys()[0].identity()), &payee, network.rules()).unwrap();
    let (shared, own) = (standing(Identity::of_script(&payout)), standing(Identity::of_script(b"")));
    assert_eq!((shared.mined, shared.paid, shared.payees), (own.mined, 14, 3));
    assert_eq!((own.mined, own.paid), (9, 0));
    let multiplier =
        |standing| dilithion_chain::dfmp::multiplier(standing, Height(network.height()), network.rules());
    assert_eq!((multiplier(&shared), multiplier(&own)), (Multiplier(3_750_000), Multiplier(2_500_000)));
}

#[test]
fn up_to_the_assume_valid_height_almost_everything_is_tolerated() {
    for policy in [Policy::Strict, Policy::Reference] {
        let mut network = Network::empty(policy);
        let plan = network.plan();
        let anonymous = network.mined(plan.anonymous(keys()[0].script_pubkey()));
        import(&mut network.chain, &[anonymous], 1);
        // A stranger, who becomes known by that, though not its key.
        network.extend(&keys()[0], &REFERENCE);
        let known = network.chain.reader().miner(&keys()[0].identity()).unwrap();
        assert_eq!((known.first_seen, known.public_key), (Some(Height(2)), None));

        // The one thing that is not: a registration in earnest without the work.
        let work = dilithion_chain::mik::RegistrationWork::new(keys()[0].public_key(), None);
        let nonce = (0..).find(|nonce| !work.is_met_by(*nonce, 4)).unwrap();
        let lazy = Claim::Registration { nonce, dna: None, attestations: Vec::new() };
        assert_eq!(network.height(), ASSUME_VALID);
        let error = network.refused_block(network.plan().mined_by(&keys()[0], &lazy).unwrap());
        assert_eq!(error.reject_reason(), "mik-registration-pow");
        let plan = network.plan();
        let mut unsigned = network.mined(plan.signed_at(&keys()[0], &lazy, plan.time - 200).unwrap());
        // Only the target of the header counts.
        let base = CompactTarget(unsigned.block.header.bits).target();
        unsigned = solved(unsigned.block, base, Target::ZERO);
        import(&mut network.chain, &[unsigned], 1);
        network.chain.reader().check_integrity(Depth::Full).unwrap();
        // From here on its key counts all the same.
        network.extend(&keys()[0], &REFERENCE);
    }
}

/// Signatures are checked on other cores: a wrong one far up takes back what was built on its block.
#[test]
fn a_wrong_signature_in_a_long_slice_leaves_what_is_below() {
    let mut network = Network::new(Policy::Strict);
    let mut twin = network.twin(Policy::Strict);
    let mut blocks = Vec::new();
    for turn in 0..12 {
        let key = &keys()[turn % 2];
        blocks.push(twin.extend(key, &REFERENCE));
    }
    // The same chain up to there, then a block with a signature for another time, and all others on top of it.
    let mut other = network.twin(Policy::Reference);
    import(&mut other.chain, &blocks[..5], 5);
    let bad = {
        let plan = other.plan();
        other.mined(plan.signed_at(&keys()[1], &REFERENCE, plan.time - 200).unwrap())
    };
    let mut slice = blocks[..5].to_vec();
    let parent = bad.hash;
    slice.push(bad);
    let after = plan(&network.params, parent, network.height() + 6).mined_by(&keys()[0], &REFERENCE).unwrap();
    slice.push(solved(
        after,
        CompactTarget(1 << 24).target().max(Target::from_le_bytes([0x0f; 32])),
        Target::ZERO,
    ));
    let outcome = network.chain.connect(&slice).unwrap();
    assert_eq!(outcome.connected.len(), 5);
    let rejected = outcome.failure.unwrap();
    assert_eq!((rejected.hash, rejected.error.reject_reason()), (parent, "mik-signature"));
    assert_eq!(network.chain.reader().miners().unwrap(), other.chain.reader().miners().unwrap());
    network.chain.reader().check_integrity(Depth::Full).unwrap();
    import(&mut network.chain, &blocks[5..], 3);
    assert_eq!(network.chain.reader().miners().unwrap(), twin.chain.reader().miners().unwrap());
}

#[test]
fn networks_without_identities_know_no_miners() {
    let (params, blocks) = crate::recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..20], 20);
    assert_eq!(chain.reader().miners().unwrap(), []);
}
