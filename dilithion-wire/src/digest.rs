//! SHA3-256, the hash of everything but block ids, and most of the work of reading a message.
//!
//! `keccak-asm` is the fastest of the kept implementations in ordinary builds, but takes an assembler and one of its
//! architectures; `sha3` is Rust and runs anywhere. `cargo bench -p benches --bench codec -- keccak` compares them.

#[cfg(feature = "asm")]
use keccak_asm::Sha3_256;
#[cfg(not(feature = "asm"))]
use sha3::{Digest, Sha3_256};

/// SHA3-256 (FIPS-202) of `data`: transaction ids and merkle nodes (spec: consensus §6, §8).
#[must_use]
pub fn sha3_256(data: &[u8]) -> [u8; 32] {
    Sha3_256::digest(data).into()
}

/// SHA3-256 of the SHA3-256 of `data`: message checksums (spec: wire §1.2).
#[must_use]
pub fn sha3_256d(data: &[u8]) -> [u8; 32] {
    sha3_256(&sha3_256(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "asm")]
    fn both_implementations_agree() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for len in [0, 1, 8, 135, 136, 137, 271, 272, 273, 1000] {
            assert_eq!(
                sha3_256(&data[..len]),
                <[u8; 32]>::from(<sha3::Sha3_256 as sha3::Digest>::digest(&data[..len]))
            );
        }
    }

    #[test]
    fn the_hash_is_fips_202() {
        assert_eq!(
            hex::encode(sha3_256(b"")),
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
        );
        assert_eq!(sha3_256d(b"x"), sha3_256(&sha3_256(b"x")));
    }
}
