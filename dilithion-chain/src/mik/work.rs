//! The proof of work of a registration: what an identity costs.

use sha3::{Digest, Sha3_256};

use crate::signature::PUBLIC_KEY_BYTES;

/// The hash that a registration is judged by, but for its nonce: of the key, and of the DNA hash unless that is all zero
/// (spec: consensus §13.3).
#[derive(Debug, Clone)]
pub struct RegistrationWork(Sha3_256);

impl RegistrationWork {
    /// For a key and the DNA hash that is registered with it.
    #[must_use]
    pub fn new(public_key: &[u8; PUBLIC_KEY_BYTES], dna: Option<&[u8; 32]>) -> Self {
        let mut hash = Sha3_256::new();
        hash.update(public_key);
        if let Some(dna) = dna.filter(|dna| **dna != [0; 32]) {
            hash.update(dna);
        }
        Self(hash)
    }

    /// The hash with a nonce.
    #[must_use]
    pub fn hash(&self, nonce: u64) -> [u8; 32] {
        self.0.clone().chain_update(nonce.to_le_bytes()).finalize().into()
    }

    /// Whether a nonce gives so many leading zero bits. It is never so for none at all.
    #[must_use]
    pub fn is_met_by(&self, nonce: u64, bits: u32) -> bool {
        bits > 0 && leading_zero_bits(&self.hash(nonce)) >= bits
    }

    /// The first nonce of some that does: about 2^`bits` hashes, of one permutation each.
    pub fn search(&self, bits: u32, mut nonces: impl Iterator<Item = u64>) -> Option<u64> {
        nonces.find(|nonce| self.is_met_by(*nonce, bits))
    }
}

/// Zero bits before the first one that is set, from the most significant bit of the first byte on.
#[must_use]
pub fn leading_zero_bits(hash: &[u8; 32]) -> u32 {
    let mut bits = 0;
    for byte in hash {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}
