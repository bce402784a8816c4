//! What a block's first transaction may claim, and what it must pay.

use dilithion_wire::{Amount, Block, ChainParams, DevFundParams, Height, Transaction};

use super::script::paid_key_hash;
use super::{BlockError, Context, StructureError, sum_in_range};

/// The fund's share of what the development gets, in percent; the rest is the developers' reward (spec: consensus §13.1).
const FUND_PERCENT: u64 = 50;
/// The least number of outputs of a coinbase that pays miner, fund and reward (spec: consensus §13.1).
const DEV_FUND_OUTPUTS: usize = 3;

/// Checks that the coinbase creates at most the subsidy of its height plus the fees (spec: consensus §7).
pub(super) fn check_claim(block: &Block, fees: Amount, context: &Context<'_>) -> Result<(), BlockError> {
    let coinbase = first(block)?;
    let allowed = context.params.subsidy(context.height).checked_add(fees).unwrap_or(Amount::MAX_MONEY);
    let claimed = sum_in_range(&coinbase.outputs).ok_or(StructureError::OutputValues { index: 0 })?;
    if claimed > allowed {
        return Err(BlockError::CoinbaseClaim { claimed, allowed });
    }
    Ok(())
}

/// Checks that the coinbase pays the development fund and the developers' reward, on networks that have them. Every output
/// to one of them must be large enough by itself.
pub(super) fn check_dev_fund(block: &Block, context: &Context<'_>) -> Result<(), BlockError> {
    let Some(outputs) = dev_fund_outputs(context.params, context.height) else { return Ok(()) };
    let coinbase = first(block)?;
    for (payee, required) in &outputs {
        let paid = coinbase
            .outputs
            .iter()
            .filter(|output| paid_key_hash(&output.script_pubkey) == Some(payee))
            .map(|output| output.value)
            .min();
        if coinbase.outputs.len() < DEV_FUND_OUTPUTS || paid.is_none_or(|paid| paid < *required) {
            return Err(BlockError::DevFund { payee: *payee, required: *required, paid });
        }
    }
    Ok(())
}

/// Whom the coinbase of a height has to pay for the development, by key hash, and how much each at least; `None` on networks
/// and at heights where there is no such rule.
pub(crate) fn dev_fund_outputs(params: &ChainParams, height: Height) -> Option<[([u8; 20], Amount); 2]> {
    let rules = params.dev_fund.as_ref().filter(|rules| height >= rules.height)?;
    let (fund, reward) = shares(rules, params.subsidy(height));
    Some([(rules.fund_hash160, fund), (rules.reward_hash160, reward)])
}

/// What fund and reward get of a subsidy.
fn shares(rules: &DevFundParams, subsidy: Amount) -> (Amount, Amount) {
    let percent = |whole: u64, percent: u64| whole.saturating_mul(percent) / 100;
    let both = percent(subsidy.0, rules.percent.into());
    let fund = percent(both, FUND_PERCENT);
    (Amount(fund), Amount(both.saturating_sub(fund)))
}

fn first(block: &Block) -> Result<&Transaction, StructureError> {
    block.transactions.first().ok_or(StructureError::NoTransactions)
}
