//! Signatures of transactions: what is signed, how it is verified, and what is known to be valid.

mod cache;
mod sighash;

use aws_lc_rs::signature::{ML_DSA_65, UnparsedPublicKey};

pub use cache::{DEFAULT_CACHE_ENTRIES, SignatureCache};
pub use sighash::SigningHash;

/// Bytes of an ML-DSA-65 signature (FIPS 204, table 2; spec: consensus §9).
pub const SIGNATURE_BYTES: usize = 3309;
/// Bytes of an ML-DSA-65 public key (FIPS 204, table 2; spec: consensus §9).
pub const PUBLIC_KEY_BYTES: usize = 1952;

/// Whether `signature` is a signature of `message` by the owner of `public_key`: ML-DSA-65 of FIPS 204 in its pure mode
/// with an empty context (spec: consensus §9). Takes tens of microseconds.
#[must_use]
pub fn verify(
    public_key: &[u8; PUBLIC_KEY_BYTES],
    message: &[u8; 32],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    UnparsedPublicKey::new(&ML_DSA_65, public_key).verify(message, signature).is_ok()
}
