//! A small network whose miners have identities, and what is known about them, as simply as possible.

use std::sync::{Arc, OnceLock};

use dilithion_chain::dfmp::{Standing, effective_target};
use dilithion_chain::mik::{Identity, Section, SectionKind};
use dilithion_chain::mining::{BlockPlan, Claim, MinerKey};
use dilithion_chain::{Candidate, ChainReader};
use dilithion_pow::Target;
use dilithion_wire::{Block, BlockHash, ChainParams, Height, MikParams};

use crate::{builder, mainnet};

/// Up to here the test network tolerates what it does not understand.
pub(crate) const ASSUME_VALID: u32 = 3;
/// From here on registrations are attested.
pub(crate) const ATTESTED: u32 = 6;
/// An easy target: half of all ids meet it.
const BITS: u32 = 0x207f_ffff;

/// The network: the rules of today from the beginning, in windows short enough to be left.
pub(crate) fn params() -> Arc<ChainParams> {
    let mut params = (*mainnet::params()).clone();
    let mik = params.mik.as_mut().unwrap();
    let first = Height(1);
    for height in [
        &mut mik.dfmp_v3_height,
        &mut mik.dynamic_scaling_height,
        &mut mik.dfmp_v31_height,
        &mut mik.dfmp_v32_height,
        &mut mik.dfmp_v33_height,
    ] {
        *height = first;
    }
    mik.assume_valid_height = Height(ASSUME_VALID);
    mik.registration_pow_bits = 4;
    mik.observation_window = 20;
    mik.dormancy_threshold = 12;
    mik.dormancy_decay = 4;
    let attestation = params.attestation.as_mut().unwrap();
    attestation.height = Height(ATTESTED);
    attestation.public_keys = seeds().iter().map(|seed| seed.public_key().to_vec()).collect();
    params.genesis.bits = BITS;
    Arc::new(params)
}

/// The keys of six miners.
pub(crate) fn keys() -> &'static [MinerKey] {
    static KEYS: OnceLock<Vec<MinerKey>> = OnceLock::new();
    KEYS.get_or_init(|| (1..=6).map(|seed| MinerKey::from_seed(&[seed; 32]).unwrap()).collect())
}

/// The keys of the four seeds.
pub(crate) fn seeds() -> &'static [MinerKey] {
    static SEEDS: OnceLock<Vec<MinerKey>> = OnceLock::new();
    SEEDS.get_or_init(|| (101..=104).map(|seed| MinerKey::from_seed(&[seed; 32]).unwrap()).collect())
}

/// The time of the block at a height.
pub(crate) fn time(height: u32) -> u32 {
    1_760_000_000 + 240 * height
}

/// The next block on a chain.
pub(crate) fn plan(params: &ChainParams, parent: BlockHash, height: u32) -> BlockPlan<'_> {
    BlockPlan::on(params, parent, Height(height), time(height))
}

/// A registration with all it needs at a height.
pub(crate) fn registration(params: &ChainParams, key: &MinerKey, height: u32) -> Claim {
    let mut claim = key.registration(params, Height(height), None);
    if let Claim::Registration { attestations, .. } = &mut claim
        && height >= ATTESTED
    {
        let attest = |(number, seed): (u8, &MinerKey)| {
            seed.attest(number, time(height), key.public_key(), None).unwrap()
        };
        attestations.extend((0..).zip(seeds()).take(3).map(attest));
    }
    claim
}

/// The block with the first nonce whose made-up id meets a target but not another.
pub(crate) fn solved(mut block: Block, target: Target, unless: Target) -> Candidate {
    loop {
        block.header.nonce += 1;
        let candidate = builder::with_id(block);
        let id = candidate.hash.as_bytes();
        if target.is_met_by(id) && !unless.is_met_by(id) {
            return candidate;
        }
        block = candidate.block;
    }
}

/// The block with an id that is low enough for its miner on top of a chain.
pub(crate) fn mined(block: Block, height: u32, standing: &Standing, rules: &MikParams) -> Candidate {
    let target = effective_target(block.header.bits, standing, Height(height), rules);
    solved(block, target, Target::ZERO)
}

/// The standing of a block's miner on top of the stored chain.
pub(crate) fn standing(reader: &ChainReader, block: &Block, rules: &MikParams) -> Standing {
    let miner = Section::of_block(block).map(|section| section.identity());
    reader.standing(miner.as_ref(), &Identity::paid_by(block), rules).unwrap()
}

/// Who made the blocks of a chain, from height 1 on: everything is counted anew for each question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chronicle(Vec<Option<Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    miner: Identity,
    payee: Identity,
    key: Option<[u8; 1952]>,
}

impl Chronicle {
    pub(crate) fn push(&mut self, block: &Block) {
        self.0.push(Section::of_block(block).map(|section| Entry {
            miner: section.identity(),
            payee: Identity::paid_by(block),
            key: match section.kind {
                SectionKind::Registration { public_key, .. } => Some(*public_key),
                SectionKind::Reference { .. } => None,
            },
        }));
    }

    pub(crate) fn truncate(&mut self, height: u32) {
        self.0.truncate(height as usize);
    }

    pub(crate) fn height(&self) -> u32 {
        self.0.len().try_into().unwrap()
    }

    /// Of a miner and a payee in the next block.
    pub(crate) fn standing(&self, miner: &Identity, payee: &Identity, rules: &MikParams) -> Standing {
        let entries =
            || (1..).map(Height).zip(&self.0).filter_map(|(height, entry)| Some((height, entry.as_ref()?)));
        let own = || entries().filter(|(_, entry)| entry.miner == *miner);
        let lowest = (self.height() + 1).saturating_sub(rules.observation_window);
        let recent: Vec<&Entry> =
            entries().filter(|(height, _)| height.0 >= lowest).map(|(_, entry)| entry).collect();
        let distinct = |mut identities: Vec<Identity>| {
            identities.sort();
            identities.dedup();
            identities.len().try_into().unwrap()
        };
        let count = |matches: &dyn Fn(&Entry) -> bool| {
            recent.iter().filter(|entry| matches(entry)).count().try_into().unwrap()
        };
        Standing {
            public_key: own().find_map(|(_, entry)| entry.key).map(Arc::new),
            first_seen: own().next().map(|(height, _)| height),
            last_mined: own().last().map(|(height, _)| height),
            mined: count(&|entry| entry.miner == *miner),
            paid: count(&|entry| entry.payee == *payee),
            miners: distinct(recent.iter().map(|entry| entry.miner).collect()),
            payees: distinct(recent.iter().map(|entry| entry.payee).collect()),
        }
    }
}
