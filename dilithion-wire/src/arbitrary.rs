//! Random values for the properties.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen};

use crate::{
    Amount, Block, BlockHash, BlockHeader, Hash256, MerkleRoot, OutPoint, Transaction, TxIn, TxOut, Txid,
};

fn bytes32(g: &mut Gen) -> [u8; 32] {
    // Mostly random, now and then one of the values with a meaning.
    match u8::arbitrary(g) % 8 {
        0 => [0; 32],
        1 => [0xff; 32],
        _ => std::array::from_fn(|_| u8::arbitrary(g)),
    }
}

macro_rules! arbitrary_hashes {
    ($($name:ident),+) => {$(
        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self::from_bytes(bytes32(g))
            }
        }
    )+};
}

arbitrary_hashes!(Hash256, BlockHash, Txid, MerkleRoot);

/// A few bytes, now and then more than a one-byte length can say.
fn script(g: &mut Gen) -> Bytes {
    let len = if u8::arbitrary(g) % 8 == 0 { 300 } else { usize::arbitrary(g) % 40 };
    (0..len).map(|_| u8::arbitrary(g)).collect()
}

/// Between `min` and `min + 5` elements.
fn few<T: Arbitrary>(g: &mut Gen, min: usize) -> Vec<T> {
    (0..min + usize::arbitrary(g) % 6).map(|_| T::arbitrary(g)).collect()
}

impl Arbitrary for BlockHeader {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            version: i32::arbitrary(g),
            prev_hash: BlockHash::arbitrary(g),
            merkle_root: MerkleRoot::arbitrary(g),
            time: u32::arbitrary(g),
            bits: u32::arbitrary(g),
            nonce: u32::arbitrary(g),
        }
    }
}

impl Arbitrary for OutPoint {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { txid: Txid::arbitrary(g), index: u32::arbitrary(g) }
    }
}

impl Arbitrary for TxIn {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { previous_output: OutPoint::arbitrary(g), script_sig: script(g), sequence: u32::arbitrary(g) }
    }
}

impl Arbitrary for TxOut {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { value: Amount(u64::arbitrary(g)), script_pubkey: script(g) }
    }
}

impl Arbitrary for Transaction {
    fn arbitrary(g: &mut Gen) -> Self {
        Self {
            version: i32::arbitrary(g),
            inputs: few(g, 0),
            outputs: few(g, 0),
            lock_time: u32::arbitrary(g),
        }
    }
}

impl Arbitrary for Block {
    fn arbitrary(g: &mut Gen) -> Self {
        Self { header: BlockHeader::arbitrary(g), transactions: few(g, 1) }
    }
}
