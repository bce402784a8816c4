//! What a block's first transaction may claim.

use dilithion_wire::{Amount, Block};

use super::{BlockError, Context, StructureError, sum_in_range};

/// Checks that the coinbase creates at most the subsidy of its height plus the fees (spec: consensus §7).
pub(super) fn check_claim(block: &Block, fees: Amount, context: &Context<'_>) -> Result<(), BlockError> {
    let coinbase = block.transactions.first().ok_or(StructureError::NoTransactions)?;
    let allowed = context.params.subsidy(context.height).checked_add(fees).unwrap_or(Amount::MAX_MONEY);
    // The structure check has shown that the sum is in range.
    let claimed = sum_in_range(&coinbase.outputs).unwrap_or(Amount::MAX_MONEY);
    if claimed > allowed {
        return Err(BlockError::CoinbaseClaim { claimed, allowed });
    }
    Ok(())
}
