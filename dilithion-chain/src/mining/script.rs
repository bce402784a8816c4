//! Writing the script of a coinbase that names its miner.

use dilithion_wire::Height;

use super::key::MinerKey;
use crate::mik::{ATTESTATIONS_MARKER, DNA_MARKER, MARKER, REFERENCE, REGISTRATION};
use crate::signature::SIGNATURE_BYTES;

/// Heights below this are pushed by an opcode of their own (spec: consensus §13.2).
const FIRST_PUSHED_HEIGHT: u32 = 17;
/// The opcode that pushes the number 0 of those, were it one of them (spec: consensus §13.2).
const OP_SMALL: u8 = 0x50;

/// How a block names its miner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// By the identity, whose key is registered.
    Reference {
        /// A commitment about the miner's machine.
        dna: Option<[u8; 32]>,
    },
    /// By the key, which registers it.
    Registration {
        /// Proof of work.
        nonce: u64,
        /// A commitment about the miner's machine.
        dna: Option<[u8; 32]>,
        /// What seeds say about it.
        attestations: Vec<SeedAttestation>,
    },
}

/// What a seed says about a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedAttestation {
    /// Number of the seed.
    pub seed: u8,
    /// When it said so, in seconds since 1970.
    pub time: u32,
    /// Its signature.
    pub signature: Box<[u8; SIGNATURE_BYTES]>,
}

impl Claim {
    /// The whole script, as the reference node's miner writes it (spec: consensus §13.2).
    pub(super) fn script(
        &self,
        height: Height,
        key: &MinerKey,
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Vec<u8> {
        let mut script = greeting(height);
        script.push(MARKER);
        match self {
            Self::Reference { dna } => {
                script.push(REFERENCE);
                script.extend_from_slice(key.identity().as_bytes());
                script.extend_from_slice(signature);
                put_dna(&mut script, dna.as_ref());
            }
            Self::Registration { nonce, dna, attestations } => {
                script.push(REGISTRATION);
                script.extend_from_slice(key.public_key());
                script.extend_from_slice(signature);
                script.extend_from_slice(&nonce.to_le_bytes());
                put_dna(&mut script, dna.as_ref());
                put_attestations(&mut script, attestations);
            }
        }
        script
    }
}

/// The height and the line that miners begin with.
pub(super) fn greeting(height: Height) -> Vec<u8> {
    let mut script = match u8::try_from(height.0) {
        Ok(small) if height.0 < FIRST_PUSHED_HEIGHT => vec![OP_SMALL.saturating_add(small)],
        _ => {
            // A number of Bitcoin's scripts: little-endian, and one byte more where the highest bit would be a sign.
            let bytes = u64::from(height.0).to_le_bytes();
            let bits = u32::BITS - height.0.leading_zeros();
            let length = bits / u8::BITS + 1;
            let mut push = vec![u8::try_from(length).unwrap_or(u8::MAX)];
            push.extend(bytes.iter().take(length as usize));
            push
        }
    };
    script.extend_from_slice(format!("Block {height} mined by Dilithion").as_bytes());
    script
}

fn put_dna(script: &mut Vec<u8>, dna: Option<&[u8; 32]>) {
    if let Some(dna) = dna {
        script.push(DNA_MARKER);
        script.extend_from_slice(dna);
    }
}

/// At most 255; no script has room for more than six.
fn put_attestations(script: &mut Vec<u8>, attestations: &[SeedAttestation]) {
    let count = u8::try_from(attestations.len()).unwrap_or(u8::MAX);
    if count == 0 {
        return;
    }
    script.extend_from_slice(&[ATTESTATIONS_MARKER, count]);
    for SeedAttestation { seed, time, signature } in attestations.iter().take(count.into()) {
        script.push(*seed);
        script.extend_from_slice(&time.to_le_bytes());
        script.extend_from_slice(&signature[..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_pushed_as_the_reference_miner_pushes_them() {
        for (height, bytes) in [
            (5, &[0x55][..]),
            (16, &[0x60]),
            (17, &[1, 17]),
            (300, &[2, 0x2c, 1]),
            (44_001, &[3, 0xe1, 0xab, 0]),
        ] {
            let script = greeting(Height(height));
            let line = format!("Block {height} mined by Dilithion");
            assert_eq!(script, [bytes, line.as_bytes()].concat());
        }
    }
}
