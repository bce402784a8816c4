//! The first block of a network.

use bytes::Bytes;

use crate::amount::Amount;
use crate::block::Block;
use crate::hash::{BlockHash, MerkleRoot};
use crate::header::BlockHeader;
use crate::transaction::{OutPoint, Transaction, TxIn, TxOut};

/// Script that makes an output unspendable (spec: consensus §2).
const UNSPENDABLE: &[u8] = &[0x6a];

/// What the first block is made of (spec: consensus §2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct GenesisParams {
    /// Version of its header.
    pub version: i32,
    /// Time of its header, in seconds since 1970.
    pub time: u32,
    /// Compact target of its header.
    pub bits: u32,
    /// Nonce of its header.
    pub nonce: u32,
    /// Text in its coinbase.
    pub coinbase_message: String,
    /// What its coinbase creates; nobody can spend it.
    pub coinbase_value: Amount,
    /// Its id. This is data: computing it takes RandomX, so whoever can compute it compares.
    pub hash: BlockHash,
}

impl GenesisParams {
    /// The block.
    pub(super) fn block(&self) -> Block {
        // An empty push before the text.
        let script_sig = [&[0], self.coinbase_message.as_bytes()].concat();
        let coinbase = Transaction {
            version: 1,
            inputs: vec![TxIn {
                previous_output: OutPoint::NULL,
                script_sig: script_sig.into(),
                sequence: u32::MAX,
            }],
            outputs: vec![TxOut {
                value: self.coinbase_value,
                script_pubkey: Bytes::from_static(UNSPENDABLE),
            }],
            lock_time: 0,
        };
        let mut block = Block {
            header: BlockHeader {
                version: self.version,
                prev_hash: BlockHash::ZERO,
                merkle_root: MerkleRoot::ZERO,
                time: self.time,
                bits: self.bits,
                nonce: self.nonce,
            },
            vdf: None,
            transactions: vec![coinbase],
        };
        block.header.merkle_root = block.merkle_root();
        block
    }
}
