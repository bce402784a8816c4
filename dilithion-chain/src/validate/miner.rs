//! Who made a block, and whether its hash is low enough for them (spec: consensus §13.2–§13.5).

use std::sync::Arc;

use dilithion_pow::CompactTarget;
use dilithion_wire::{AttestationParams, Height, MikParams, Policy};

use super::{Candidate, Context, Level, MinerError};
use crate::dfmp::{Standing, multiplier};
use crate::mik::{Attestations, Identity, RegistrationWork, Section, SectionKind, SignedBlock, count_valid};
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// Most transactions of a block whose attestations the reference node finds: it reads their number from one or three bytes
/// only (spec: mainnet-node §2.8).
const MAX_ATTESTED_TRANSACTIONS: usize = 0xffff;

/// How many of the rules about miners hold for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinerRules {
    /// All.
    All,
    /// That a registration is attested. The reference node asks no more of blocks that a change of branch brings (spec:
    /// mainnet-node §1).
    Attested,
}

impl MinerRules {
    /// Those that hold for the blocks of a change of branch.
    pub(crate) const fn in_reorg(policy: Policy) -> Self {
        match policy {
            Policy::Strict => Self::All,
            Policy::Reference => Self::Attested,
        }
    }
}

/// What is left to check of a miner, anywhere and at any time: the signatures, which take longest.
#[derive(Debug, Clone)]
pub struct MinerCheck<'a> {
    signed: SignedBlock,
    signature: &'a [u8; SIGNATURE_BYTES],
    time: u32,
    search: u32,
    public_key: Arc<[u8; PUBLIC_KEY_BYTES]>,
    demand: Demand<'a>,
}

/// What the signatures have to be.
#[derive(Debug, Clone)]
enum Demand<'a> {
    /// The miner's own, and attestations.
    Valid { signature: bool, attested: Option<Attested<'a>> },
    /// Not the miner's own: a registration without work is tolerated only if it is none.
    Invalid { required: u32 },
}

/// Attestations to be counted.
#[derive(Debug, Clone)]
struct Attested<'a> {
    attestations: Attestations<'a>,
    dna: Option<&'a [u8; 32]>,
    rules: &'a AttestationParams,
}

/// Checks what a block says about its miner against what the chain below says about them, and returns what is left to
/// check. `standing` is that of the miner named in the block and of its payee, in the state just before the block.
///
/// Up to the assume-valid height the network tolerates whatever stands there, but for a registration whose signature is
/// good and whose proof of work is not. On networks without identities there is nothing to check, nor at or below the last
/// checkpoint.
///
/// # Errors
/// The first rule that the block breaks.
pub fn check_miner<'a>(
    candidate: &'a Candidate,
    standing: &Standing,
    context: &Context<'a>,
    rules: MinerRules,
) -> Result<Option<MinerCheck<'a>>, MinerError> {
    let Some(mik) = context.params.mik.as_ref().filter(|_| context.level() == Level::Full) else {
        return Ok(None);
    };
    let (block, height) = (&candidate.block, context.height);
    let section = Section::of_block(block);
    if height <= mik.assume_valid_height {
        let section = section.filter(|_| rules == MinerRules::All);
        return Ok(section.and_then(|section| tolerate(&section, candidate, context, mik)));
    }
    let attestation = context.params.attestation.as_ref().filter(|rules| height >= rules.height);
    let signature = rules == MinerRules::All && height >= mik.dfmp_height;
    if !signature && attestation.is_none() {
        return Ok(None);
    }
    let section = section.ok_or(MinerError::Missing)?;
    let attested = check_announced(&section, block.transactions.len(), attestation)?;
    if !signature && attested.is_none() {
        return Ok(None);
    }
    let identity = section.identity();
    let public_key = match section.kind {
        SectionKind::Registration { public_key, .. } => Arc::new(*public_key),
        SectionKind::Reference { .. } => {
            standing.public_key.clone().ok_or(MinerError::Unknown { identity })?
        }
    };
    if signature {
        check_work(&section, height, mik)?;
        check_target(candidate, identity, standing, height, mik)?;
    }
    let demand = Demand::Valid { signature, attested };
    Ok(Some(MinerCheck::new(candidate, &section, context, mik, public_key, demand)))
}

/// The attestations that a section has to have, if it registers somebody and there is a rule about it. How many there are is
/// known before any is verified.
fn check_announced<'a>(
    section: &Section<'a>,
    transactions: usize,
    rules: Option<&'a AttestationParams>,
) -> Result<Option<Attested<'a>>, MinerError> {
    let Some(rules) = rules else { return Ok(None) };
    if transactions > MAX_ATTESTED_TRANSACTIONS {
        return Err(MinerError::TooManyTransactions { count: transactions, max: MAX_ATTESTED_TRANSACTIONS });
    }
    let SectionKind::Registration { attestations, .. } = section.kind else { return Ok(None) };
    require(section.identity(), attestations.len(), rules)?;
    Ok(Some(Attested { attestations, dna: section.dna, rules }))
}

/// What is left to check where the network tolerates almost everything.
fn tolerate<'a>(
    section: &Section<'a>,
    candidate: &Candidate,
    context: &Context<'a>,
    mik: &MikParams,
) -> Option<MinerCheck<'a>> {
    let SectionKind::Registration { public_key, .. } = section.kind else { return None };
    check_work(section, context.height, mik).err()?;
    let demand = Demand::Invalid { required: mik.registration_pow_bits };
    Some(MinerCheck::new(candidate, section, context, mik, Arc::new(*public_key), demand))
}

/// Checks the proof of work of a section that registers somebody.
fn check_work(section: &Section<'_>, height: Height, mik: &MikParams) -> Result<(), MinerError> {
    let SectionKind::Registration { public_key, nonce, .. } = section.kind else { return Ok(()) };
    let required = mik.registration_pow_bits;
    let work = || RegistrationWork::new(public_key, section.dna);
    if height < mik.dfmp_v3_height || work().is_met_by(nonce, required) {
        return Ok(());
    }
    Err(MinerError::RegistrationWork { identity: section.identity(), required })
}

/// Checks that the id of a block is below what is left of its target for this miner.
fn check_target(
    candidate: &Candidate,
    identity: Identity,
    standing: &Standing,
    height: Height,
    mik: &MikParams,
) -> Result<(), MinerError> {
    let multiplier = multiplier(standing, height, mik);
    let target = multiplier.apply(CompactTarget(candidate.block.header.bits).target());
    if target.is_met_by(candidate.hash.as_bytes()) {
        return Ok(());
    }
    Err(MinerError::Target { identity, multiplier, target })
}

/// Checks that as many seeds as are needed vouch for a miner.
fn require(identity: Identity, valid: usize, rules: &AttestationParams) -> Result<(), MinerError> {
    let required = rules.required;
    if u32::try_from(valid).unwrap_or(u32::MAX) >= required {
        return Ok(());
    }
    Err(MinerError::Attestations { identity, valid, required })
}

impl<'a> MinerCheck<'a> {
    fn new(
        candidate: &Candidate,
        section: &Section<'a>,
        context: &Context<'_>,
        mik: &MikParams,
        public_key: Arc<[u8; PUBLIC_KEY_BYTES]>,
        demand: Demand<'a>,
    ) -> Self {
        let identity = section.identity();
        Self {
            signed: SignedBlock {
                parent: candidate.block.header.prev_hash,
                height: context.height,
                identity,
            },
            signature: section.signature,
            time: candidate.block.header.time,
            search: mik.signature_search_seconds,
            public_key,
            demand,
        }
    }

    /// Verifies the signatures.
    ///
    /// # Errors
    /// [`MinerError::Signature`] or [`MinerError::Attestations`]; for a block that is almost tolerated
    /// [`MinerError::RegistrationWork`].
    pub fn run(&self) -> Result<(), MinerError> {
        let identity = self.signed.identity;
        match &self.demand {
            Demand::Valid { signature, attested } => {
                if *signature && !self.is_signed() {
                    return Err(MinerError::Signature { identity });
                }
                let Some(Attested { attestations, dna, rules }) = attested else { return Ok(()) };
                let valid = count_valid(attestations.iter(), &self.public_key, *dna, self.time, rules);
                require(identity, valid, rules)
            }
            Demand::Invalid { required } if self.is_signed() => {
                Err(MinerError::RegistrationWork { identity, required: *required })
            }
            Demand::Invalid { .. } => Ok(()),
        }
    }

    fn is_signed(&self) -> bool {
        let time = self.signed.signing_time(&self.public_key, self.signature, self.time, self.search);
        time.is_some()
    }
}
