//! What the header commits to, and the shape of a block and its transactions.

use std::collections::BTreeSet;

use dilithion_wire::{Block, ChainParams, Transaction, Txid, merkle_root};

use super::{BlockError, StructureError, sum_in_range};
use crate::store::tables::coin_key;

/// Shortest script of a coinbase input (spec: consensus §6).
const MIN_COINBASE_SCRIPT: usize = 2;

/// Checks that the transactions are those the header commits to: the merkle root is right and no transaction occurs
/// twice, since repeating the last ones can leave the root unchanged (CVE-2012-2459; spec: consensus §8).
pub(super) fn check_commitment(block: &Block, txids: &[Txid]) -> Result<(), BlockError> {
    let body = merkle_root(txids);
    let header = block.header.merkle_root;
    if body != header {
        return Err(BlockError::MerkleRoot { header, body });
    }
    let mut seen = BTreeSet::new();
    match txids.iter().find(|txid| !seen.insert(**txid)) {
        Some(txid) => Err(BlockError::DuplicateTransaction { txid: *txid }),
        None => Ok(()),
    }
}

/// Checks what a block must have to be one, whatever the policy.
pub(super) fn check_is_block(block: &Block) -> Result<(), StructureError> {
    // The id of a block is the hash of 80 bytes; nothing would commit to a proof behind them.
    if block.vdf.is_some() {
        return Err(StructureError::DelayProof);
    }
    if block.transactions.is_empty() {
        return Err(StructureError::NoTransactions);
    }
    Ok(())
}

/// Checks the shape of the block (spec: consensus §6, §7).
pub(super) fn check_structure(block: &Block, params: &ChainParams) -> Result<(), StructureError> {
    let (coinbase, others) = block.transactions.split_first().ok_or(StructureError::NoTransactions)?;
    let bytes = block.blob_len();
    let max = usize::try_from(params.consensus.max_block_bytes).unwrap_or(usize::MAX);
    if bytes > max {
        return Err(StructureError::TooLarge { bytes, max });
    }
    check_coinbase(coinbase, params)?;
    for (index, tx) in (1..).zip(others) {
        check_ordinary(tx, index)?;
    }
    (0..).zip(&block.transactions).try_for_each(|(index, tx)| check_outputs(tx, index))
}

/// Checks the form of a coinbase: one input that spends nothing, with a script of a proper length.
pub(super) fn check_coinbase(tx: &Transaction, params: &ChainParams) -> Result<(), StructureError> {
    let [input] = tx.inputs.as_slice() else { return Err(StructureError::NoCoinbase) };
    if !tx.is_coinbase() {
        return Err(StructureError::NoCoinbase);
    }
    let bytes = input.script_sig.len();
    let max = params.limits.max_coinbase_script;
    if bytes < MIN_COINBASE_SCRIPT || bytes > max {
        return Err(StructureError::CoinbaseScript { bytes, max });
    }
    Ok(())
}

/// Checks the shape of a transaction that is no coinbase, and `index` in its block.
pub(super) fn check_transaction_structure(tx: &Transaction, index: usize) -> Result<(), StructureError> {
    check_ordinary(tx, index)?;
    check_outputs(tx, index)
}

fn check_ordinary(tx: &Transaction, index: usize) -> Result<(), StructureError> {
    if tx.inputs.is_empty() {
        return Err(StructureError::NoInputs { index });
    }
    let mut spent = BTreeSet::new();
    for input in &tx.inputs {
        let outpoint = input.previous_output;
        if outpoint.is_null() {
            return Err(StructureError::NullInput { index });
        }
        if !spent.insert(coin_key(&outpoint)) {
            return Err(StructureError::DuplicateInput { index, outpoint });
        }
    }
    Ok(())
}

/// At least one output, each value and their sum in range.
fn check_outputs(tx: &Transaction, index: usize) -> Result<(), StructureError> {
    if tx.outputs.is_empty() {
        return Err(StructureError::NoOutputs { index });
    }
    sum_in_range(&tx.outputs).map(drop).ok_or(StructureError::OutputValues { index })
}
