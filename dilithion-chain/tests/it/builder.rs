//! Synthetic blocks. Their ids are made up: nothing in this crate computes proof of work.

use bytes::Bytes;
use dilithion_chain::Candidate;
use dilithion_wire::{
    Amount, Block, BlockHash, BlockHeader, ChainParams, Height, OutPoint, Transaction, TxIn, TxOut, Txid,
    sha3_256,
};

/// A block whose header commits to its transactions, with an id made of its header.
pub(crate) fn seal(prev_hash: BlockHash, transactions: Vec<Transaction>, nonce: u32) -> Candidate {
    let mut block = Block {
        header: BlockHeader {
            version: 1,
            prev_hash,
            merkle_root: dilithion_wire::MerkleRoot::ZERO,
            time: 1_730_000_000,
            bits: 0x203f_ffff,
            nonce,
        },
        vdf: None,
        transactions,
    };
    block.header.merkle_root = block.merkle_root();
    with_id(block)
}

/// The candidate for a block as it is, whatever its header says.
pub(crate) fn with_id(block: Block) -> Candidate {
    let hash = BlockHash::from_bytes(sha3_256(&block.header.to_bytes()));
    Candidate { hash, verified: true, block }
}

/// A coinbase that claims `value` in one output; equal tags make equal transactions.
pub(crate) fn coinbase(tag: u32, value: Amount) -> Transaction {
    let mut script = b"tag ".to_vec();
    script.extend_from_slice(&tag.to_le_bytes());
    transaction(vec![input(OutPoint::NULL, script)], vec![value])
}

/// A coinbase that claims the subsidy of a height.
pub(crate) fn subsidy(params: &ChainParams, height: u32, tag: u32) -> Transaction {
    coinbase(tag, params.subsidy(Height(height)))
}

/// A transaction that spends outputs and creates others.
pub(crate) fn spend(outpoints: &[OutPoint], values: Vec<Amount>) -> Transaction {
    transaction(outpoints.iter().map(|outpoint| input(*outpoint, Vec::new())).collect(), values)
}

/// The first output of a transaction.
pub(crate) fn output(tx: &Transaction, index: u32) -> OutPoint {
    OutPoint { txid: tx.txid(), index }
}

/// An output of no transaction.
pub(crate) fn nowhere() -> OutPoint {
    OutPoint { txid: Txid::from_bytes([7; 32]), index: 0 }
}

fn input(previous_output: OutPoint, script: Vec<u8>) -> TxIn {
    TxIn { previous_output, script_sig: Bytes::from(script), sequence: u32::MAX }
}

fn transaction(inputs: Vec<TxIn>, values: Vec<Amount>) -> Transaction {
    let output = |value| TxOut { value, script_pubkey: Bytes::from_static(&[0x51]) };
    Transaction { version: 1, inputs, outputs: values.into_iter().map(output).collect(), lock_time: 0 }
}
