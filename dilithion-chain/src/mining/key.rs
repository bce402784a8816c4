//! The key of a miner.

use std::fmt::{self, Write};

use aws_lc_rs::encoding::AsRawBytes;
use aws_lc_rs::signature::{KeyPair, ML_DSA_65_SIGNING, PqdsaKeyPair};
use bytes::Bytes;
use dilithion_wire::{ChainParams, Height};

use super::script::{Claim, SeedAttestation};
use crate::mik::{Attestation, Identity, RegistrationWork};
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};
use crate::validate::script::key_hash_script;

/// Bytes of the seed that a key is made of (FIPS 204, algorithm 1).
const SEED_BYTES: usize = 32;
/// Bytes of an ML-DSA-65 secret key (FIPS 204, table 2).
const SECRET_KEY_BYTES: usize = 4032;

/// Why a key is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key file is something else than hexadecimal digits of a seed or a secret key.
    #[error("a key file holds {} or {} hexadecimal digits", 2 * SEED_BYTES, 2 * SECRET_KEY_BYTES)]
    File,
    /// The bytes are no ML-DSA-65 key.
    #[error("this is no ML-DSA-65 key")]
    Key,
    /// The system's random numbers failed, which a signature takes.
    #[error("signing failed")]
    Signing,
}

/// An ML-DSA-65 key and the identity that goes with it.
pub struct MinerKey {
    pair: PqdsaKeyPair,
    public_key: [u8; PUBLIC_KEY_BYTES],
}

impl MinerKey {
    /// The key that a seed makes (FIPS 204, ML-DSA.KeyGen_internal).
    ///
    /// # Errors
    /// [`KeyError::Key`], which no seed should give.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::new(PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, seed).map_err(|_| KeyError::Key)?)
    }

    /// A secret key of 4032 bytes, in the encoding of FIPS 204.
    ///
    /// # Errors
    /// [`KeyError::Key`] if it is none.
    pub fn from_secret_key(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() != SECRET_KEY_BYTES {
            return Err(KeyError::Key);
        }
        Self::new(PqdsaKeyPair::from_raw_private_key(&ML_DSA_65_SIGNING, secret).map_err(|_| KeyError::Key)?)
    }

    /// The contents of a key file: hexadecimal digits of a seed or of a secret key, and white space around them.
    ///
    /// # Errors
    /// [`KeyError::File`] or [`KeyError::Key`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * SEED_BYTES && digits.len() != 2 * SECRET_KEY_BYTES {
            return Err(KeyError::File);
        }
        let (pairs, _) = digits.as_chunks::<2>();
        let byte = |[high, low]: &[u8; 2]| {
            let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(*high)? << 4 | digit(*low)?)
        };
        let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>().ok_or(KeyError::File)?;
        match <&[u8; SEED_BYTES]>::try_from(&bytes[..]) {
            Ok(seed) => Self::from_seed(seed),
            Err(_) => Self::from_secret_key(&bytes),
        }
    }

    /// A new key, of the system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Key`] if there are none.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(PqdsaKeyPair::generate(&ML_DSA_65_SIGNING).map_err(|_| KeyError::Key)?)
    }

    /// The secret key as [`from_text`](Self::from_text) reads it: 8064 hexadecimal digits. Keep them to yourself.
    ///
    /// # Errors
    /// [`KeyError::Key`] if the key cannot be written down, which none should be.
    pub fn to_text(&self) -> Result<String, KeyError> {
        let secret = self.pair.private_key().as_raw_bytes().map_err(|_| KeyError::Key)?;
        let mut text = String::with_capacity(2 * SECRET_KEY_BYTES);
        for byte in secret.as_ref() {
            write!(text, "{byte:02x}").map_err(|_| KeyError::Key)?;
        }
        Ok(text)
    }

    fn new(pair: PqdsaKeyPair) -> Result<Self, KeyError> {
        let public_key = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Key)?;
        Ok(Self { pair, public_key })
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public_key
    }

    /// The miner that it makes its owner.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of_key(&self.public_key)
    }

    /// The output script that pays its owner.
    #[must_use]
    pub fn script_pubkey(&self) -> Bytes {
        key_hash_script(&self.public_key)
    }

    /// A signature of 32 bytes: pure ML-DSA-65 with an empty context, different each time.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign(&self, message: &[u8; 32]) -> Result<[u8; SIGNATURE_BYTES], KeyError> {
        let mut signature = [0; SIGNATURE_BYTES];
        match self.pair.sign(message, &mut signature) {
            Ok(SIGNATURE_BYTES) => Ok(signature),
            _ => Err(KeyError::Signing),
        }
    }

    /// The claim that registers the key in a block of this height, with the proof of work that the network asks for there.
    /// The search takes about 2^[`registration_pow_bits`](dilithion_wire::MikParams::registration_pow_bits) hashes: 20
    /// minutes or so of one core on mainnet.
    #[must_use]
    pub fn registration(&self, params: &ChainParams, height: Height, dna: Option<[u8; 32]>) -> Claim {
        let rules = params.mik.as_ref().filter(|rules| height >= rules.dfmp_v3_height);
        let work = RegistrationWork::new(&self.public_key, dna.as_ref());
        let nonce = rules.and_then(|rules| work.search(rules.registration_pow_bits, 0..=u64::MAX));
        Claim::Registration { nonce: nonce.unwrap_or(0), dna, attestations: Vec::new() }
    }

    /// What this key says as seed number `seed` about the registration of a key.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn attest(
        &self,
        seed: u8,
        time: u32,
        public_key: &[u8; PUBLIC_KEY_BYTES],
        dna: Option<&[u8; 32]>,
    ) -> Result<SeedAttestation, KeyError> {
        let signature = self.sign(&Attestation::message(seed, time, public_key, dna))?;
        Ok(SeedAttestation { seed, time, signature: Box::new(signature) })
    }
}

/// Without the secret.
impl fmt::Debug for MinerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinerKey").field("identity", &self.identity()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::verify;

    #[test]
    fn a_new_key_is_written_and_read() {
        let key = MinerKey::generate().unwrap();
        let text = key.to_text().unwrap();
        assert_eq!(text.len(), 8064);
        let again = MinerKey::from_text(&text).unwrap();
        assert_eq!(again.identity(), key.identity());
        assert!(verify(key.public_key(), &[1; 32], &again.sign(&[1; 32]).unwrap()));
        assert_ne!(MinerKey::generate().unwrap().identity(), key.identity());
    }

    #[test]
    fn key_files() {
        let key = MinerKey::from_text(&format!("{}\n", "07".repeat(32))).unwrap();
        assert_eq!(key.identity(), MinerKey::from_seed(&[7; 32]).unwrap().identity());
        assert_eq!(MinerKey::from_text("07").unwrap_err(), KeyError::File);
        assert_eq!(MinerKey::from_text(&"0x".repeat(32)).unwrap_err(), KeyError::File);
        assert_eq!(MinerKey::from_text(&"ff".repeat(SECRET_KEY_BYTES)).unwrap_err(), KeyError::Key);
        assert_eq!(MinerKey::from_secret_key(&[7; 32]).unwrap_err(), KeyError::Key);
    }

    #[test]
    fn a_secret_key_is_as_good_as_its_seed() {
        let key = MinerKey::from_seed(&[7; 32]).unwrap();
        let secret = key.pair.private_key().as_raw_bytes().unwrap();
        let again = MinerKey::from_secret_key(secret.as_ref()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert!(verify(key.public_key(), &[1; 32], &again.sign(&[1; 32]).unwrap()));
        assert_eq!(format!("{again:?}"), format!("MinerKey {{ identity: {:?}, .. }}", key.identity()));
    }

    #[test]
    fn what_is_signed_verifies() {
        let key = MinerKey::from_seed(&[7; 32]).unwrap();
        let signature = key.sign(&[1; 32]).unwrap();
        assert!(verify(key.public_key(), &[1; 32], &signature));
        assert!(!verify(key.public_key(), &[2; 32], &signature));
    }
}
