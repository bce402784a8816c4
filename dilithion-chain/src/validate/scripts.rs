//! Checking the scripts of a block, on all cores.

use dilithion_wire::{Block, ChainParams, Transaction, Txid};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::script::{Proof, paid_key_hash};
use super::{BlockError, ScriptError, TransactionError};
use crate::signature::{SignatureCache, SigningHash, verify};
use crate::store::utxo::Coin;

/// The scripts of one transaction of a block, to be checked anywhere and at any time: with what it spends at hand, this
/// needs nothing but the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCheck {
    position: usize,
    txid: Txid,
    spent: Vec<Coin>,
}

impl ScriptCheck {
    pub(super) const fn new(position: usize, txid: Txid, spent: Vec<Coin>) -> Self {
        Self { position, txid, spent }
    }

    /// Checks the scripts. `block` is the block that this was made for.
    ///
    /// # Errors
    /// [`BlockError::Transaction`] for the first input that may not spend its output.
    pub fn run(
        &self,
        block: &Block,
        params: &ChainParams,
        known: Option<&SignatureCache>,
    ) -> Result<(), BlockError> {
        let Some(tx) = block.transactions.get(self.position) else { return Ok(()) };
        check_scripts(tx, &self.spent, params, known)
            .map_err(|error| BlockError::Transaction { txid: self.txid, error })
    }
}

/// Runs checks in parallel, on the rayon pool of the caller or else on the global one; the first that fails in the order
/// of the block is the one reported.
///
/// # Errors
/// What [`ScriptCheck::run`] says.
pub fn run_script_checks(
    checks: &[ScriptCheck],
    block: &Block,
    params: &ChainParams,
    known: Option<&SignatureCache>,
) -> Result<(), BlockError> {
    let failed = checks.par_iter().find_map_first(|check| check.run(block, params, known).err());
    failed.map_or(Ok(()), Err)
}

/// Checks that each input of a transaction may spend its output: the key is the one that the output pays to, and the
/// signature is its owner's (spec: consensus §9). `spent` are the outputs, in the order of the inputs. Signatures in
/// `known` are not verified again.
///
/// # Errors
/// [`TransactionError::Script`] for the first input that may not.
pub fn check_scripts(
    tx: &Transaction,
    spent: &[Coin],
    params: &ChainParams,
    known: Option<&SignatureCache>,
) -> Result<(), TransactionError> {
    let hash = SigningHash::of(tx);
    for (input, (txin, coin)) in (0_u32..).zip(tx.inputs.iter().zip(spent)) {
        let message = hash.message(input, params.chain_id);
        check_input(&txin.script_sig, &coin.output.script_pubkey, &message, params, known).map_err(
            |error| TransactionError::Script { input: usize::try_from(input).unwrap_or(usize::MAX), error },
        )?;
    }
    Ok(())
}

/// Remembers the signatures of a transaction whose scripts were checked.
pub(crate) fn remember_scripts(tx: &Transaction, params: &ChainParams, known: &SignatureCache) {
    let hash = SigningHash::of(tx);
    for (input, txin) in (0_u32..).zip(&tx.inputs) {
        if let Ok(proof) = Proof::read(&txin.script_sig, &params.transactions) {
            known.insert(&hash.message(input, params.chain_id), proof.public_key, proof.signature);
        }
    }
}

fn check_input(
    script_sig: &[u8],
    script_pubkey: &[u8],
    message: &[u8; 32],
    params: &ChainParams,
    known: Option<&SignatureCache>,
) -> Result<(), ScriptError> {
    let paid = paid_key_hash(script_pubkey).ok_or(ScriptError::OutputScript)?;
    let proof = Proof::read(script_sig, &params.transactions)?;
    if proof.key_hash() != *paid {
        return Err(ScriptError::KeyHash);
    }
    if known.is_some_and(|known| known.contains(message, proof.public_key, proof.signature))
        || verify(proof.public_key, message, proof.signature)
    {
        return Ok(());
    }
    Err(ScriptError::Signature)
}
