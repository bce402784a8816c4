//! What the transactions of a block spend.

use std::collections::BTreeMap;

use dilithion_wire::{Amount, Block, OutPoint, Transaction, Txid};

use super::{BlockError, Context, Level, sum_in_range};
use crate::store::tables::{CoinKey, coin_key};
use crate::store::utxo::{Coin, UtxoView};

/// The state inside a block: what its transactions so far made of the outputs they touched.
struct Spends<'a> {
    base: &'a dyn UtxoView,
    /// `Some` for an output created so far, `None` for one that was spent.
    touched: BTreeMap<CoinKey, Option<Coin>>,
}

/// Checks that every input exists and is spent once, in the order of the transactions; above the last checkpoint also
/// maturity and values. Returns the sum of the fees if it looked at values.
pub(super) fn check_spends(
    block: &Block,
    txids: &[Txid],
    coins: &dyn UtxoView,
    context: &Context<'_>,
) -> Result<Option<Amount>, BlockError> {
    let full = context.level() == Level::Full;
    let mut spends = Spends { base: coins, touched: BTreeMap::new() };
    let mut fees = Amount(0);
    for (index, (tx, txid)) in block.transactions.iter().zip(txids).enumerate() {
        let coinbase = index == 0;
        if !coinbase {
            let spent = spends.spend(tx, txid)?;
            if full {
                check_maturity(&spent, txid, context)?;
                let fee = fee(&spent, tx, txid)?;
                fees = fees.checked_add(fee).ok_or(BlockError::InputValues { txid: *txid })?;
            }
        }
        spends.create(tx, txid, coinbase, context)?;
    }
    Ok(full.then_some(fees))
}

impl Spends<'_> {
    fn spend(&mut self, tx: &Transaction, txid: &Txid) -> Result<Vec<Coin>, BlockError> {
        let mut spent = Vec::with_capacity(tx.inputs.len());
        for input in &tx.inputs {
            let outpoint = input.previous_output;
            let coin = match self.touched.get_mut(&coin_key(&outpoint)) {
                Some(coin) => coin.take().ok_or(BlockError::DoubleSpend { txid: *txid, outpoint })?,
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

/// A coinbase's outputs may be spent once they are `coinbase_maturity` blocks old (spec: consensus §6).
fn check_maturity(spent: &[Coin], txid: &Txid, context: &Context<'_>) -> Result<(), BlockError> {
    let required = context.params.consensus.coinbase_maturity;
    for coin in spent.iter().filter(|coin| coin.coinbase) {
        let age = context.height.0.saturating_sub(coin.height.0);
        if age < required {
            return Err(BlockError::ImmatureSpend { txid: *txid, created: coin.height, age, required });
        }
    }
    Ok(())
}

/// Value of the inputs minus value of the outputs.
fn fee(spent: &[Coin], tx: &Transaction, txid: &Txid) -> Result<Amount, BlockError> {
    let inputs = sum_in_range(spent.iter().map(|coin| &coin.output));
    let inputs = inputs.ok_or(BlockError::InputValues { txid: *txid })?;
    // The structure check has shown that this sum is in range.
    let outputs = sum_in_range(&tx.outputs).unwrap_or(Amount::MAX_MONEY);
    inputs.checked_sub(outputs).ok_or(BlockError::InputsBelowOutputs { txid: *txid, inputs, outputs })
}
