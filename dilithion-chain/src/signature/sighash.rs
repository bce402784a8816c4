//! What a signature signs.

use bytes::{BufMut, Bytes};
use dilithion_wire::{Encode, Transaction, TxIn, sha3_256};

/// Bytes of what the signature of an input is about: hash, input, version, chain.
const MESSAGE_BYTES: usize = 32 + 3 * size_of::<u32>();

/// The hash of a transaction without its input scripts, which all of its signatures are about (spec: consensus §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningHash {
    hash: [u8; 32],
    version: i32,
}

impl SigningHash {
    /// Of a transaction. What stands in its input scripts does not matter.
    #[must_use]
    pub fn of(tx: &Transaction) -> Self {
        let without_script = |input: &TxIn| TxIn { script_sig: Bytes::new(), ..*input };
        let stripped = Transaction {
            version: tx.version,
            inputs: tx.inputs.iter().map(without_script).collect(),
            outputs: tx.outputs.clone(),
            lock_time: tx.lock_time,
        };
        Self { hash: sha3_256(&stripped.encode_to_vec()), version: tx.version }
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.hash
    }

    /// What the signature of one input signs, on one chain: SHA3-256 of this hash, the input's position, the
    /// transaction's version and the chain's id, each in four little-endian bytes.
    #[must_use]
    pub fn message(&self, input: u32, chain_id: u32) -> [u8; 32] {
        let mut message = Vec::with_capacity(MESSAGE_BYTES);
        message.put_slice(&self.hash);
        message.put_u32_le(input);
        message.put_i32_le(self.version);
        message.put_u32_le(chain_id);
        sha3_256(&message)
    }
}
