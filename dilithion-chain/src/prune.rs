//! Forgetting the bodies and undo records of old blocks.

use dilithion_wire::Height;

use crate::disconnect::active_block;
use crate::error::StoreError;
use crate::headers::from_number;
use crate::store::metadata;
use crate::store::tables::{Tables, number_key};
use crate::store::txn::RwTxn;

/// Fewest blocks that a pruned store keeps: more than a network reorganises by itself, and what is walked when a store
/// is opened (`MIN_BLOCKS_TO_KEEP` of Bitcoin Core).
pub const MIN_PRUNE: u32 = 288;
/// Heights that one transaction prunes at most, so that a store which is pruned for the first time does not stop the
/// node for as long as that takes.
const HEIGHTS_PER_STEP: u32 = 1000;

/// Part of a transaction that moved the tip: forgets what is more than `keep` blocks below it, some heights at a time.
/// The genesis block stays, and so do all headers.
pub(crate) fn step(
    tables: &Tables,
    txn: &mut RwTxn,
    tip: Height,
    keep: Option<u32>,
) -> Result<(), StoreError> {
    let Some(keep) = keep else { return Ok(()) };
    let lowest = metadata::lowest_body(tables.metadata, txn)?.max(Height(1));
    let wanted = Height(tip.next().0.saturating_sub(keep));
    let end = wanted.min(Height(lowest.0.saturating_add(HEIGHTS_PER_STEP)));
    if end <= lowest {
        return Ok(());
    }
    for height in (lowest.0..end.0).map(Height) {
        forget(tables, txn, height)?;
    }
    metadata::put_lowest_body(tables.metadata, txn, end)
}

/// Forgets the body and undo record of the active block at a height, and the bodies of blocks beside it that were stored
/// since the one below.
fn forget(tables: &Tables, txn: &mut RwTxn, height: Height) -> Result<(), StoreError> {
    let below = height.prev().ok_or(StoreError::AtGenesis)?;
    let (below, last) = (active_block(tables, txn, below)?.number, active_block(tables, txn, height)?.number);
    let mut doomed = Vec::new();
    for entry in from_number(tables.headers, txn, below.saturating_add(1))? {
        let (number, header) = entry?;
        if number > last {
            break;
        }
        if header.height <= height {
            doomed.push(number_key(number));
        }
    }
    for key in doomed {
        tables.blocks.delete(txn, &key)?;
        tables.undo.delete(txn, &key)?;
    }
    Ok(())
}
