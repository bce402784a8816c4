//! Rules for a transaction wherever it is met: in a block, or on its own before it is in one (spec: consensus §6).
//!
//! The shape that also the fast path checks (inputs, outputs, their sum) is in `structure`.

use dilithion_wire::{Amount, Height, Transaction, TransactionParams, TxOut};

use super::TransactionError;
use super::script::{is_unspendable, paid_key_hash};
use crate::store::utxo::Coin;

/// Highest version in use; negative ones pass, as they do in the reference node (spec: consensus §6).
const MAX_VERSION: i32 = 255;
/// Most bytes of a transaction (spec: consensus §6).
pub(crate) const MAX_BYTES: usize = 1_000_000;
/// Most inputs of a transaction (spec: consensus §6).
const MAX_INPUTS: usize = 10_000;
/// Most outputs of a transaction (spec: consensus §6).
pub(crate) const MAX_OUTPUTS: usize = 10_000;
/// Lock times below are heights, the others are seconds since 1970 (spec: consensus §6).
const LOCK_TIME_THRESHOLD: u32 = 500_000_000;
/// A sequence number by which an input asks for no lock of any kind (spec: consensus §6).
const SEQUENCE_FINAL: u32 = u32::MAX;
/// First version whose sequence numbers may lock an input (BIP68; spec: consensus §6).
const RELATIVE_LOCK_VERSION: i32 = 2;
/// Bit of a sequence number that says it locks nothing (BIP68).
const SEQUENCE_NO_LOCK: u32 = 1 << 31;
/// Bit of a sequence number that says it counts time; the reference node does not check these (BIP68).
const SEQUENCE_IN_TIME: u32 = 1 << 22;
/// Bits of a sequence number that say for how many blocks (BIP68).
const SEQUENCE_BLOCKS: u32 = 0xffff;

/// Checks what a transaction alone can answer. A coinbase may create outputs of any value, since the subsidy halves until
/// it is dust itself.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_transaction(tx: &Transaction, rules: &TransactionParams) -> Result<(), TransactionError> {
    if tx.version == 0 || tx.version > MAX_VERSION {
        return Err(TransactionError::Version { version: tx.version });
    }
    let (inputs, outputs) = (tx.inputs.len(), tx.outputs.len());
    if inputs > MAX_INPUTS {
        return Err(TransactionError::TooManyInputs { count: inputs, max: MAX_INPUTS });
    }
    if outputs > MAX_OUTPUTS {
        return Err(TransactionError::TooManyOutputs { count: outputs, max: MAX_OUTPUTS });
    }
    let bytes = tx.encoded_len();
    if bytes > MAX_BYTES {
        return Err(TransactionError::TooLarge { bytes, max: MAX_BYTES });
    }
    let coinbase = tx.is_coinbase();
    tx.outputs.iter().enumerate().try_for_each(|(index, output)| check_output(output, index, coinbase, rules))
}

fn check_output(
    output: &TxOut,
    index: usize,
    coinbase: bool,
    rules: &TransactionParams,
) -> Result<(), TransactionError> {
    let unspendable = is_unspendable(&output.script_pubkey);
    let worthless = coinbase || (unspendable && rules.unspendable_dust);
    if output.value < rules.dust && !worthless {
        return Err(TransactionError::Dust { index, value: output.value, min: rules.dust });
    }
    if rules.key_hash_outputs_only && !unspendable && paid_key_hash(&output.script_pubkey).is_none() {
        return Err(TransactionError::OutputScript { index });
    }
    Ok(())
}

/// Checks that a transaction may be in a block of this height and time. The reference node compares lock times with its
/// clock, which tells everybody something else; the time of the block is the same for all.
///
/// # Errors
/// [`TransactionError::NotFinal`].
pub fn check_final(tx: &Transaction, height: Height, time: u32) -> Result<(), TransactionError> {
    let lock_time = tx.lock_time;
    let reached = if lock_time < LOCK_TIME_THRESHOLD { lock_time <= height.0 } else { lock_time <= time };
    if reached || tx.inputs.iter().all(|input| input.sequence == SEQUENCE_FINAL) {
        return Ok(());
    }
    Err(TransactionError::NotFinal { lock_time, height, time })
}

/// Checks that no input is still locked by its sequence number in a block of this height. `spent` are the outputs that the
/// inputs spend, in order.
///
/// # Errors
/// [`TransactionError::RelativeLock`].
pub fn check_relative_locks(
    tx: &Transaction,
    spent: &[Coin],
    height: Height,
    rules: &TransactionParams,
) -> Result<(), TransactionError> {
    if !rules.relative_locks || tx.version < RELATIVE_LOCK_VERSION {
        return Ok(());
    }
    for (input, (sequence, coin)) in tx.inputs.iter().map(|input| input.sequence).zip(spent).enumerate() {
        let age = height.0.saturating_sub(coin.height.0);
        let required = sequence & SEQUENCE_BLOCKS;
        if sequence & (SEQUENCE_NO_LOCK | SEQUENCE_IN_TIME) == 0 && required > age {
            return Err(TransactionError::RelativeLock { input, age, required });
        }
    }
    Ok(())
}

/// Checks what a transaction pays.
///
/// # Errors
/// [`TransactionError::FeeTooLow`] or [`TransactionError::FeeTooHigh`].
pub fn check_fee(tx: &Transaction, fee: Amount, rules: &TransactionParams) -> Result<(), TransactionError> {
    let min = rules.fee_floor(tx.encoded_len());
    if fee < min {
        return Err(TransactionError::FeeTooLow { fee, min });
    }
    if fee > rules.max_fee {
        return Err(TransactionError::FeeTooHigh { fee, max: rules.max_fee });
    }
    Ok(())
}
