//! Forgetting the bodies and undo records of old blocks.

use dilithion_wire::Height;

use crate::disconnect::active_block;
use crate::error::StoreError;
use crate::headers::from_number;
use crate::store::tables::{Tables, number_key};
use crate::store::txn::RwTxn;
use crate::store::{headers, metadata};

/// Fewest blocks that a pruned store keeps: more than a network reorganises by itself, and what is walked when a store
/// is opened (`MIN_BLOCKS_TO_KEEP` of Bitcoin Core).
pub const MIN_PRUNE: u32 = 288;
/// Heights that one transaction prunes at most, so that a store which is pruned for the first time does not stop the
/// node for as long as that takes.
const HEIGHTS_PER_STEP: u32 = 1000;

/// Part of a transaction that moved the tip: forgets what is more than `keep` blocks below it, some heights at a time, but
/// nothing from the first header on that is not proved: should it prove false, the chain has to go back there. The genesis
/// block stays, and so do all headers.
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
    let mut height = lowest;
    while height < end && is_proved(tables, txn, height)? {
        forget(tables, txn, height)?;
        height = height.next();
    }
    if height > lowest {
        metadata::put_lowest_body(tables.metadata, txn, height)?;
    }
    Ok(())
}

/// Whether the header of the active chain at this height is proved, and not only vouched for by a checkpoint.
fn is_proved(tables: &Tables, txn: &RwTxn, height: Height) -> Result<bool, StoreError> {
    let header = headers::get(tables.headers, txn, active_block(tables, txn, height)?.number)?;
    Ok(header.is_some_and(|header| header.verified))
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
