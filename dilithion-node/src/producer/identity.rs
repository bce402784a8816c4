//! Who makes the blocks, where miners have identities.

use std::fmt;
use std::sync::OnceLock;

use dilithion_chain::mik::{Identity, RegistrationWork};
use dilithion_chain::mining::{BlockPlan, Claim, KeyError, MinerKey, SeedAttestation};
use dilithion_wire::{AttestationParams, Block, ChainParams, Height};

use super::{Payee, ProduceError};

/// Nonces that are tried before it is asked whether to go on: a millisecond of work or so.
const NONCES_AT_A_TIME: u64 = 1024;

/// A miner's key, and what registering it takes: keys of seeds, and proof of work, which is found once.
///
/// A file holds it: [`open_or_create`](Self::open_or_create).
pub struct MinerIdentity {
    key: MinerKey,
    /// Each with its number.
    seeds: Vec<(u8, MinerKey)>,
    nonce: OnceLock<u64>,
}

impl MinerIdentity {
    pub(super) fn new(key: MinerKey, seeds: Vec<(u8, MinerKey)>) -> Self {
        Self { key, seeds, nonce: OnceLock::new() }
    }

    /// The miner.
    #[must_use]
    pub fn id(&self) -> Identity {
        self.key.identity()
    }

    /// The owner of the key.
    #[must_use]
    pub fn payee(&self) -> Payee {
        Payee::script(self.key.script_pubkey())
    }

    /// The numbers of the network's seeds in whose name it can attest.
    pub fn seeds(&self) -> impl Iterator<Item = u8> {
        self.seeds.iter().map(|(number, _)| *number)
    }

    /// How many bits of work have to be found before a block of this height can register the identity; `None` if no more is
    /// missing.
    ///
    /// # Errors
    ///
    /// [`ProduceError::Unattested`] if that would be in vain.
    pub fn missing_work(&self, params: &ChainParams, height: Height) -> Result<Option<u32>, ProduceError> {
        self.check_seeds(params, height)?;
        let rules = params.mik.as_ref().filter(|rules| height >= rules.dfmp_v3_height);
        Ok(rules.filter(|_| self.nonce.get().is_none()).map(|rules| rules.registration_pow_bits))
    }

    /// Finds them, and remembers that: about 2^`bits` hashes, 20 minutes or so of one core on a network like mainnet. Gives
    /// up, with `false`, when `go_on` says so.
    pub fn find_work(&self, bits: u32, mut go_on: impl FnMut() -> bool) -> bool {
        let nonces = (0..=u64::MAX).take_while(|nonce| !nonce.is_multiple_of(NONCES_AT_A_TIME) || go_on());
        let found = RegistrationWork::new(self.key.public_key(), None).search(bits, nonces);
        found.is_some_and(|nonce| *self.nonce.get_or_init(|| nonce) == nonce)
    }

    /// How a block of this height and time names the identity: by its key unless that is registered.
    ///
    /// # Errors
    ///
    /// [`ProduceError::Unattested`], or [`ProduceError::Unregistered`] if the [work](Self::find_work) was not found.
    pub fn claim(
        &self,
        params: &ChainParams,
        height: Height,
        time: u32,
        registered: bool,
    ) -> Result<Claim, ProduceError> {
        if registered {
            return Ok(Claim::Reference { dna: None });
        }
        let attestations = match self.check_seeds(params, height)? {
            Some(rules) => self.attest(time, rules)?,
            None => Vec::new(),
        };
        let nonce = match self.missing_work(params, height)? {
            Some(_) => return Err(ProduceError::Unregistered(self.id())),
            None => self.nonce.get().copied().unwrap_or(0),
        };
        Ok(Claim::Registration { nonce, dna: None, attestations })
    }

    /// Makes the block of a plan.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it cannot be signed.
    pub fn make(&self, plan: &BlockPlan<'_>, claim: &Claim) -> Result<Block, KeyError> {
        plan.mined_by(&self.key, claim)
    }

    /// The rules of attestations, if a registration at a height has to keep them; all the seeds that it takes are here.
    fn check_seeds<'a>(
        &self,
        params: &'a ChainParams,
        height: Height,
    ) -> Result<Option<&'a AttestationParams>, ProduceError> {
        let tolerated = params.mik.as_ref().is_none_or(|rules| height <= rules.assume_valid_height);
        let Some(rules) = params.attestation.as_ref().filter(|rules| height >= rules.height && !tolerated)
        else {
            return Ok(None);
        };
        let (present, required) = (self.seeds.len(), rules.required);
        if u32::try_from(present).is_ok_and(|present| present < required) {
            return Err(ProduceError::Unattested { identity: self.id(), present, required });
        }
        Ok(Some(rules))
    }

    fn attest(&self, time: u32, rules: &AttestationParams) -> Result<Vec<SeedAttestation>, KeyError> {
        let required = usize::try_from(rules.required).unwrap_or(usize::MAX);
        let seeds = self.seeds.iter().take(required);
        seeds.map(|(number, seed)| seed.attest(*number, time, self.key.public_key(), None)).collect()
    }
}

/// Without any key.
impl fmt::Debug for MinerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinerIdentity").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> ChainParams {
        ChainParams::from_toml(include_str!("../../../testdata/private-m/private-m.toml")).unwrap()
    }

    fn identity(seeds: u8) -> MinerIdentity {
        let key = |seed| MinerKey::from_seed(&[seed; 32]).unwrap();
        MinerIdentity::new(key(7), (0..seeds).map(|number| (number, key(100 + number))).collect())
    }

    #[test]
    fn work_is_found_once_where_it_is_asked_for() {
        let (identity, params) = (identity(4), params());
        assert_eq!(identity.missing_work(&params, Height(79)).unwrap(), None);
        let early = identity.claim(&params, Height(79), 0, false).unwrap();
        assert_eq!(early, Claim::Registration { nonce: 0, dna: None, attestations: Vec::new() });
        assert_eq!(identity.missing_work(&params, Height(80)).unwrap(), Some(12));
        let unready = identity.claim(&params, Height(80), 0, false).unwrap_err();
        assert!(matches!(unready, ProduceError::Unregistered(_)));
        assert!(!identity.find_work(12, || false));
        assert!(identity.find_work(12, || true));
        assert_eq!(identity.missing_work(&params, Height(80)).unwrap(), None);
        let Claim::Registration { nonce, .. } = identity.claim(&params, Height(80), 0, false).unwrap() else {
            panic!("no registration")
        };
        assert!(RegistrationWork::new(identity.key.public_key(), None).is_met_by(nonce, 12));
        let known = identity.claim(&params, Height(80), 0, true).unwrap();
        assert_eq!(known, Claim::Reference { dna: None });
    }

    #[test]
    fn a_long_search_can_be_given_up() {
        let identity = identity(0);
        let mut asked = 0;
        assert!(!identity.find_work(200, || {
            asked += 1;
            asked < 4
        }));
        assert_eq!(asked, 4);
    }

    #[test]
    fn as_many_seeds_attest_as_are_needed() {
        let params = params();
        for (seeds, needed) in [(4, true), (3, true), (2, false), (0, false)] {
            let identity = identity(seeds);
            assert_eq!(identity.missing_work(&params, Height(699)).unwrap(), Some(12));
            let at_last = identity.missing_work(&params, Height(700));
            if needed {
                assert_eq!(at_last.unwrap(), Some(12));
                assert!(identity.find_work(12, || true));
                let claim = identity.claim(&params, Height(700), 9, false).unwrap();
                let Claim::Registration { attestations, .. } = claim else { panic!("no registration") };
                let of = attestations.iter().map(|attestation| (attestation.seed, attestation.time));
                assert_eq!(of.collect::<Vec<_>>(), [(0, 9), (1, 9), (2, 9)]);
            } else {
                let error = at_last.unwrap_err().to_string();
                let told = format!("takes attestations of 3 seeds; the key file has keys of {seeds}");
                assert!(error.contains(&told), "{error}");
            }
        }
    }
}
