//! Keys and signed transactions.

use std::sync::OnceLock;

use aws_lc_rs::signature::{KeyPair, ML_DSA_65_SIGNING, PqdsaKeyPair};
use bytes::Bytes;
use dilithion_chain::signature::{SIGNATURE_BYTES, SigningHash};
use dilithion_wire::{Amount, OutPoint, Transaction, sha3_256d};

use crate::builder;

/// The chain of the recorded network.
pub(crate) const CHAIN_ID: u32 = 1001;

/// A key made of a seed.
#[derive(Debug)]
pub(crate) struct Key(PqdsaKeyPair);

impl Key {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &seed).unwrap())
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// The output script that pays to the key.
    pub(crate) fn script(&self) -> Bytes {
        let hash = sha3_256d(self.public_key());
        [&[0x76, 0xa9, 0x14], &hash[..20], &[0x88, 0xac]].concat().into()
    }

    /// The signature of one input, for one chain.
    pub(crate) fn signature(&self, tx: &Transaction, input: u32, chain_id: u32) -> Vec<u8> {
        let message = SigningHash::of(tx).message(input, chain_id);
        let mut signature = vec![0; SIGNATURE_BYTES];
        assert_eq!(self.0.sign(&message, &mut signature).unwrap(), SIGNATURE_BYTES);
        signature
    }

    /// The input script that proves the key: lengths, signature, key.
    pub(crate) fn unlock(&self, tx: &Transaction, input: u32, chain_id: u32) -> Vec<u8> {
        let signature = self.signature(tx, input, chain_id);
        [&[0xed, 0x0c][..], &signature, &[0xa0, 0x07], self.public_key()].concat()
    }
}

/// The key of everybody in these tests.
pub(crate) fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::from_seed([7; 32]))
}

/// Pays all outputs to the key.
pub(crate) fn pay_to_key(mut tx: Transaction) -> Transaction {
    for output in &mut tx.outputs {
        output.script_pubkey = key().script();
    }
    tx
}

/// Signs all inputs with the key.
pub(crate) fn sign(mut tx: Transaction) -> Transaction {
    for input in 0..tx.inputs.len() {
        let script = key().unlock(&tx, input.try_into().unwrap(), CHAIN_ID);
        tx.inputs[input].script_sig = script.into();
    }
    tx
}

/// A transaction that spends outputs of the key and pays to it again.
pub(crate) fn signed(outpoints: &[OutPoint], values: Vec<Amount>) -> Transaction {
    sign(pay_to_key(builder::spend(outpoints, values)))
}
