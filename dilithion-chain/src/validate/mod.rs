//! The rules of a block, as pure functions: no storage, no clock.
//!
//! Two stages, because the second needs the outputs that the first has shown to be worth fetching:
//!
//! * [`check_block`] needs the block alone: parent, checkpoint, merkle root, structure;
//! * [`check_inputs`] needs the UTXO set: inputs exist and are spent once, and above the last checkpoint values,
//!   maturity and the coinbase's claim.
//!
//! [`validate_block`] is both. Not checked here: that a hash is the proof-of-work hash of its header and meets its
//! target (the header pipeline proves that before a block gets here), the expected `bits`, timestamps, scripts and
//! signatures, fee floors, dust and lock times. Rules of a transaction belong into `transaction`, rules of the
//! coinbase into `coinbase`, rules about the block's place in the chain into `context`.

mod coinbase;
mod context;
mod error;
mod structure;
mod transaction;

use dilithion_wire::{Amount, Block, BlockHash, TxOut, Txid};

pub use context::{Context, Level};
pub use error::{BlockError, StructureError};

use crate::store::utxo::UtxoView;

/// A block on its way into the chain, with the id that the header pipeline found for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Id of the block.
    pub hash: BlockHash,
    /// Whether the proof-of-work hash of the header was computed and found equal to `hash`. Above the last
    /// checkpoint it must be (else [`BlockError::Unproven`]).
    pub verified: bool,
    /// The block.
    pub block: Block,
}

/// Checks a block against its parent and the state just before it, and returns the fees of its transactions
/// (`None` at [`Level::Checkpointed`], where values are not looked at).
///
/// # Errors
/// The first rule that the block breaks.
pub fn validate_block(
    candidate: &Candidate,
    coins: &dyn UtxoView,
    context: &Context<'_>,
) -> Result<Option<Amount>, BlockError> {
    let txids = candidate.block.txids();
    check_block(candidate, &txids, context)?;
    check_inputs(&candidate.block, &txids, coins, context)
}

/// Checks everything that the block alone can answer. `txids` are those of its transactions, in order.
///
/// # Errors
/// The first rule that the block breaks.
pub fn check_block(candidate: &Candidate, txids: &[Txid], context: &Context<'_>) -> Result<(), BlockError> {
    context::check_place(candidate, context)?;
    // Only a body with the right merkle root and no repeated transaction is the one that the header commits to:
    // before that, a fault says nothing about the block (CVE-2012-2459).
    structure::check_commitment(&candidate.block, txids)?;
    structure::check_structure(&candidate.block, context.params)?;
    Ok(())
}

/// Checks what the block spends, and returns the fees of its transactions.
///
/// # Errors
/// The first rule that the block breaks.
pub fn check_inputs(
    block: &Block,
    txids: &[Txid],
    coins: &dyn UtxoView,
    context: &Context<'_>,
) -> Result<Option<Amount>, BlockError> {
    let fees = transaction::check_spends(block, txids, coins, context)?;
    if let Some(fees) = fees {
        coinbase::check_claim(block, fees, context)?;
    }
    Ok(fees)
}

/// The value of some outputs, unless one of them or the sum is above [`Amount::MAX_MONEY`] (spec: consensus §6).
fn sum_in_range<'a>(outputs: impl IntoIterator<Item = &'a TxOut>) -> Option<Amount> {
    outputs.into_iter().try_fold(Amount(0), |sum, output| {
        sum.checked_add(output.value).filter(|sum| *sum <= Amount::MAX_MONEY)
    })
}
