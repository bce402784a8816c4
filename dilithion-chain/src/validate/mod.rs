//! The rules of a block, as pure functions: no storage, no clock.
//!
//! Three stages, because each is worth its cost only after the one before:
//!
//! * [`check_block`] needs the block alone: parent, checkpoint, merkle root, structure, transactions by themselves;
//! * [`check_inputs`] needs the UTXO set: inputs exist and are spent once, and above the last checkpoint locks,
//!   maturity, values, fees and the coinbase's claim;
//! * the [`ScriptCheck`]s that it leaves need neither, only processors: they run on all of them, for many blocks at once.
//!
//! [`validate_block`] is all three. How much is enforced depends on the height ([`Level`]) and on the [`Policy`];
//! `docs/validation.md` lists every rule with its error, its policy and its test. Not checked here: that a hash is the
//! proof-of-work hash of its header and meets its target, the expected `bits`, and block times (the header pipeline proves
//! them before a block gets here). Rules of any transaction belong into `transaction`, of what a block spends into
//! `spends`, of the coinbase into `coinbase`, about the block's place in the chain into `context`.

mod coinbase;
mod context;
mod error;
pub mod script;
mod scripts;
mod spends;
mod structure;
mod transaction;
mod transaction_error;

use dilithion_wire::{Amount, Block, BlockHash, ChainParams, Height, Transaction, TxOut, Txid};

pub use context::{Context, Level};
pub use dilithion_wire::Policy;
pub use error::{BlockError, StructureError};
pub(crate) use scripts::remember_scripts;
pub use scripts::{ScriptCheck, check_scripts, run_script_checks};
pub use spends::Spent;
pub(crate) use spends::check_values;
pub(crate) use transaction::{MAX_BYTES as MAX_TRANSACTION_BYTES, MAX_OUTPUTS as MAX_TRANSACTION_OUTPUTS};
pub use transaction::{check_fee, check_final, check_relative_locks, check_transaction};
pub use transaction_error::{ScriptError, TransactionError};

use crate::signature::SignatureCache;
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
/// (`None` where values are not looked at). Signatures in `known` are not verified again.
///
/// # Errors
/// The first rule that the block breaks.
pub fn validate_block(
    candidate: &Candidate,
    coins: &dyn UtxoView,
    context: &Context<'_>,
    known: Option<&SignatureCache>,
) -> Result<Option<Amount>, BlockError> {
    let txids = candidate.block.txids();
    check_block(candidate, &txids, context)?;
    let Spent { fees, scripts } = check_inputs(&candidate.block, &txids, coins, context)?;
    run_script_checks(&scripts, &candidate.block, context.params, known)?;
    Ok(fees)
}

/// Checks everything that the block alone can answer. `txids` are those of its transactions, in order.
///
/// # Errors
/// The first rule that the block breaks.
pub fn check_block(candidate: &Candidate, txids: &[Txid], context: &Context<'_>) -> Result<(), BlockError> {
    let block = &candidate.block;
    context::check_place(candidate, context)?;
    // Only a body with the right merkle root and no repeated transaction is the one that the header commits to:
    // before that, a fault says nothing about the block (CVE-2012-2459). So this holds whatever the policy.
    structure::check_commitment(block, txids)?;
    structure::check_is_block(block)?;
    if context.policy == Policy::Strict {
        structure::check_structure(block, context.params)?;
    }
    if context.enforces_all() {
        for (tx, txid) in block.transactions.iter().zip(txids) {
            check_transaction(tx, &context.params.transactions)
                .and_then(|()| check_final(tx, context.height, block.header.time))
                .map_err(|error| BlockError::Transaction { txid: *txid, error })?;
        }
    }
    Ok(())
}

/// Checks what the block spends, and returns the fees of its transactions and the scripts that are left to check.
///
/// # Errors
/// The first rule that the block breaks.
pub fn check_inputs(
    block: &Block,
    txids: &[Txid],
    coins: &dyn UtxoView,
    context: &Context<'_>,
) -> Result<Spent, BlockError> {
    let spent = spends::check_spends(block, txids, coins, context)?;
    // The reference nodes check the coinbase only where it has to pay the development (spec: consensus §0).
    let coinbase_counts = context.policy == Policy::Strict || context.params.dev_fund.is_some();
    if context.level() == Level::Full && coinbase_counts {
        if let Some(coinbase) = block.transactions.first() {
            structure::check_coinbase(coinbase, context.params)?;
        }
        if let Some(fees) = spent.fees {
            coinbase::check_claim(block, fees, context)?;
        }
        coinbase::check_dev_fund(block, context)?;
    }
    Ok(spent)
}

/// Checks all that a transaction alone can answer which is in no block yet: its shape, and whether a block of this height and
/// time may include it. A coinbase is none of those.
pub(crate) fn check_alone(
    tx: &Transaction,
    txid: &Txid,
    height: Height,
    time: u32,
    params: &ChainParams,
) -> Result<(), BlockError> {
    structure::check_transaction_structure(tx, 0)?;
    check_transaction(tx, &params.transactions)
        .and_then(|()| check_final(tx, height, time))
        .map_err(|error| BlockError::Transaction { txid: *txid, error })
}

/// The value of some outputs, unless one of them or the sum is above [`Amount::MAX_MONEY`] (spec: consensus §6).
fn sum_in_range<'a>(outputs: impl IntoIterator<Item = &'a TxOut>) -> Option<Amount> {
    outputs.into_iter().try_fold(Amount(0), |sum, output| {
        sum.checked_add(output.value).filter(|sum| *sum <= Amount::MAX_MONEY)
    })
}
