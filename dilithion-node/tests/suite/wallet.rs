//! A key, and transactions signed with it.

use aws_lc_rs::signature::{KeyPair, ML_DSA_65_SIGNING, PqdsaKeyPair};
use bytes::Bytes;
use dilithion_chain::signature::{SIGNATURE_BYTES, SigningHash};
use dilithion_wire::{Amount, ChainParams, OutPoint, Transaction, TxIn, TxOut, sha3_256d};

/// What each transaction pays; more than any of these tests' must.
pub const FEE: u64 = 1_000_000;

pub struct Wallet {
    key: PqdsaKeyPair,
    chain_id: u32,
}

impl Wallet {
    pub fn new(params: &ChainParams) -> Self {
        let key = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, &[7; 32]).unwrap();
        Self { key, chain_id: params.chain_id }
    }

    /// The output script that pays to it.
    pub fn script(&self) -> Bytes {
        let hash = sha3_256d(self.key.public_key().as_ref());
        [&[0x76, 0xa9, 0x14], &hash[..20], &[0x88, 0xac]].concat().into()
    }

    /// Spends the first output of a transaction, to itself.
    pub fn spend(&self, parent: &Transaction) -> Transaction {
        let previous_output = OutPoint { txid: parent.txid(), index: 0 };
        let value = Amount(parent.outputs[0].value.0 - FEE);
        let mut transaction = Transaction {
            version: 1,
            inputs: vec![TxIn { previous_output, script_sig: Bytes::new(), sequence: u32::MAX }],
            outputs: vec![TxOut { value, script_pubkey: self.script() }],
            lock_time: 0,
        };
        let message = SigningHash::of(&transaction).message(0, self.chain_id);
        let mut signature = vec![0; SIGNATURE_BYTES];
        self.key.sign(&message, &mut signature).unwrap();
        let public_key = self.key.public_key().as_ref();
        transaction.inputs[0].script_sig =
            [&[0xed, 0x0c][..], &signature, &[0xa0, 0x07], public_key].concat().into();
        transaction
    }
}
