//! Names of miners and of payees.

use std::fmt;

use dilithion_wire::{Block, sha3_256};

use crate::signature::PUBLIC_KEY_BYTES;

/// Who mined a block, or whom it pays: the first 20 bytes of a SHA3-256 (spec: consensus §13.2). A single one, unlike the
/// hash of a key that outputs pay to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity([u8; Self::SIZE]);

impl Identity {
    /// Bytes of an identity.
    pub const SIZE: usize = 20;

    /// These bytes, in the order in which they stand in a script.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes, in the order in which they stand in a script.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// Of the owner of an ML-DSA-65 public key.
    #[must_use]
    pub fn of_key(public_key: &[u8; PUBLIC_KEY_BYTES]) -> Self {
        Self::of(public_key)
    }

    /// Of whom an output script pays, as the handicap counts payees (spec: consensus §13.4).
    #[must_use]
    pub fn of_script(script_pubkey: &[u8]) -> Self {
        Self::of(script_pubkey)
    }

    /// Of whom the first output of a block's coinbase pays; all zero where there is none.
    #[must_use]
    pub fn paid_by(block: &Block) -> Self {
        let output = block.transactions.first().and_then(|coinbase| coinbase.outputs.first());
        output.map_or_else(Self::default, |output| Self::of_script(&output.script_pubkey))
    }

    fn of(bytes: &[u8]) -> Self {
        let mut identity = [0; Self::SIZE];
        identity.copy_from_slice(&sha3_256(bytes)[..Self::SIZE]);
        Self(identity)
    }
}

/// Hexadecimal, in the order of the bytes.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}
