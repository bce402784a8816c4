//! What the transactions of a block spend.

use std::collections::BTreeMap;

use dilithion_wire::{Amount, Block, ChainParams, Height, OutPoint, Policy, Transaction, Txid};

use super::transaction::{check_fee, check_relative_locks};
use super::{BlockError, Context, Level, ScriptCheck, sum_in_range};
use crate::store::tables::{CoinKey, coin_key};
use crate::store::utxo::{Coin, UtxoView};

/// What [`check_inputs`](super::check_inputs) found out about a valid block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// The fees of all transactions; `None` where values are not looked at.
    pub fees: Option<Amount>,
    /// The scripts that are still to be checked.
    pub scripts: Vec<ScriptCheck>,
}

/// The state inside a block: what its transactions so far made of the outputs they touched.
struct Spends<'a> {
    base: &'a dyn UtxoView,
    /// Whether an output of an earlier block may be spent a second time: the reference nodes do not notice.
    twice: bool,
    /// `Some` for an output created so far, `None` for one that was spent.
    touched: BTreeMap<CoinKey, Option<Coin>>,
}

/// Checks that every input exists and is spent once, in the order of the transactions; above the last checkpoint also
/// locks, maturity, values and fees, as far as the policy asks for them.
pub(super) fn check_spends(
    block: &Block,
    txids: &[Txid],
    coins: &dyn UtxoView,
    context: &Context<'_>,
) -> Result<Spent, BlockError> {
    let strict = context.policy == Policy::Strict;
    let full = context.level() == Level::Full;
    let mut spends = Spends { base: coins, twice: !strict, touched: BTreeMap::new() };
    let mut fees = full.then_some(Amount::ZERO);
    let mut scripts = Vec::new();
    for (position, (tx, txid)) in block.transactions.iter().zip(txids).enumerate() {
        let coinbase = position == 0;
        if !coinbase {
            let spent = spends.spend(tx, txid)?;
            if full && strict {
                let fee = check_values(tx, txid, &spent, context.height, context.params)?;
                let sum = fees.and_then(|fees| fees.checked_add(fee));
                fees = Some(sum.ok_or(BlockError::InputValues { txid: *txid })?);
                scripts.push(ScriptCheck::new(position, *txid, spent));
            } else if full {
                // Reference nodes look at values only to add up the fees, and give up where they cannot.
                let fee = fee(tx, txid, &spent).ok();
                fees = fees.zip(fee).and_then(|(fees, fee)| fees.checked_add(fee));
            }
        }
        spends.create(tx, txid, coinbase, context)?;
    }
    Ok(Spent { fees, scripts })
}

impl Spends<'_> {
    fn spend(&mut self, tx: &Transaction, txid: &Txid) -> Result<Vec<Coin>, BlockError> {
        let mut spent = Vec::with_capacity(tx.inputs.len());
        for input in &tx.inputs {
            let outpoint = input.previous_output;
            let coin = match self.touched.get_mut(&coin_key(&outpoint)) {
                Some(coin) => {
                    let coin =
                        coin.take().or_else(|| self.base.coin(&outpoint).filter(|_| self.twice).cloned());
                    coin.ok_or(BlockError::DoubleSpend { txid: *txid, outpoint })?
                }
                None => {
                    let coin = self.base.coin(&outpoint);
                    coin.ok_or(BlockError::MissingInput { txid: *txid, outpoint })?.clone()
                }
            };
            self.touched.insert(coin_key(&outpoint), None);
            spent.push(coin);
        }
        Ok(spent)
    }

    fn create(
        &mut self,
        tx: &Transaction,
        txid: &Txid,
        coinbase: bool,
        context: &Context<'_>,
    ) -> Result<(), BlockError> {
        for (index, output) in (0..).zip(&tx.outputs) {
            let outpoint = OutPoint { txid: *txid, index };
            let key = coin_key(&outpoint);
            // Without the rule a repeated transaction replaces the outputs of the earlier one.
            let unspent =
                self.touched.get(&key).map_or_else(|| self.base.coin(&outpoint).is_some(), Option::is_some);
            if context.params.consensus.bip30 && unspent {
                return Err(BlockError::Overwrite { outpoint });
            }
            let coin = Coin { output: output.clone(), height: context.height, coinbase };
            self.touched.insert(key, Some(coin));
        }
        Ok(())
    }
}

/// Checks locks, maturity, values and fee of a transaction in a block of this height, and returns the fee.
pub(crate) fn check_values(
    tx: &Transaction,
    txid: &Txid,
    spent: &[Coin],
    height: Height,
    params: &ChainParams,
) -> Result<Amount, BlockError> {
    let rules = &params.transactions;
    let refused = |error| BlockError::Transaction { txid: *txid, error };
    check_maturity(spent, txid, height, params.consensus.coinbase_maturity)?;
    check_relative_locks(tx, spent, height, rules).map_err(refused)?;
    let fee = fee(tx, txid, spent)?;
    check_fee(tx, fee, rules).map_err(refused)?;
    Ok(fee)
}

/// A coinbase's outputs may be spent once they are `coinbase_maturity` blocks old (spec: consensus §6).
fn check_maturity(spent: &[Coin], txid: &Txid, height: Height, required: u32) -> Result<(), BlockError> {
    for coin in spent.iter().filter(|coin| coin.coinbase) {
        let age = height.0.saturating_sub(coin.height.0);
        if age < required {
            return Err(BlockError::ImmatureSpend { txid: *txid, created: coin.height, age, required });
        }
    }
    Ok(())
}

/// Value of the inputs minus value of the outputs.
fn fee(tx: &Transaction, txid: &Txid, spent: &[Coin]) -> Result<Amount, BlockError> {
    let inputs = sum_in_range(spent.iter().map(|coin| &coin.output));
    let inputs = inputs.ok_or(BlockError::InputValues { txid: *txid })?;
    // Under the strict policy the structure check has shown that this sum is in range.
    let outputs = sum_in_range(&tx.outputs).unwrap_or(Amount::MAX_MONEY);
    inputs.checked_sub(outputs).ok_or(BlockError::InputsBelowOutputs { txid: *txid, inputs, outputs })
}
