//! Judging and recording miners while blocks are connected.

use dilithion_wire::{Height, MikParams};
use heed::RoTxn;

use super::batch::IdentityBatch;
use super::mined::BlockMiner;
use crate::dfmp::{HeatWindow, Standing};
use crate::error::StoreError;
use crate::mik::Identity;
use crate::store::miners::Miner;
use crate::store::tables::Tables;
use crate::store::txn::RwTxn;
use crate::validate::{Candidate, Context, MinerCheck, MinerError, MinerRules, check_miner};

/// The identity store below the block that comes next.
#[derive(Debug)]
pub(crate) struct MinerState<'a> {
    tables: Tables,
    /// How much of a block is checked.
    checked: MinerRules,
    batch: IdentityBatch,
    window: HeatWindow,
    rules: &'a MikParams,
}

/// The miner of a block that was found valid, if it names one, and what was known about them before.
pub(crate) type ConnectedMiner = Option<(BlockMiner, Miner)>;

impl<'a> MinerState<'a> {
    /// On top of `tip`, whose identity store is that of the database with `batch` on top.
    pub(crate) fn new(
        tables: Tables,
        txn: &RoTxn,
        tip: Height,
        batch: IdentityBatch,
        rules: &'a MikParams,
        checked: MinerRules,
    ) -> Result<Self, StoreError> {
        let window = batch.window(&tables, txn, tip, rules)?;
        Ok(Self { tables, checked, batch, window, rules })
    }

    /// The changes so far, to come back to.
    pub(crate) fn changes(&self) -> IdentityBatch {
        self.batch.clone()
    }

    /// Goes back to the state on top of `tip` that had these changes.
    pub(crate) fn restore(
        &mut self,
        txn: &RoTxn,
        tip: Height,
        changes: IdentityBatch,
    ) -> Result<(), StoreError> {
        self.window = changes.window(&self.tables, txn, tip, self.rules)?;
        self.batch = changes;
        Ok(())
    }

    /// Checks the miner of the next block but for the signatures.
    pub(crate) fn check<'c>(
        &self,
        txn: &RoTxn,
        candidate: &'c Candidate,
        context: &Context<'c>,
    ) -> Result<Result<(ConnectedMiner, Option<MinerCheck<'c>>), MinerError>, StoreError> {
        let named = BlockMiner::of(&candidate.block);
        let miner = match named {
            Some(named) => {
                let before = self.batch.miner(&self.tables, txn, &named.mined.miner)?;
                Some((named, before))
            }
            None => None,
        };
        let standing = miner.as_ref().map(|(named, before)| {
            let mut standing = of_miner(before);
            self.window.count(&mut standing, Some(&named.mined.miner), &named.mined.payee);
            standing
        });
        let checked = check_miner(candidate, &standing.unwrap_or_default(), context, self.checked);
        Ok(checked.map(|check| (miner, check)))
    }

    /// Applies the next block.
    pub(crate) fn connect(&mut self, height: Height, miner: &ConnectedMiner) {
        if let Some((named, before)) = miner {
            self.batch.connect(height, named, before);
        }
        self.window.push(height, miner.as_ref().map(|(named, _)| named.mined));
    }

    /// Writes the changes.
    pub(crate) fn flush(self, txn: &mut RwTxn) -> Result<(), StoreError> {
        self.batch.flush(&self.tables, txn)
    }
}

/// The standing of a miner and a payee in the block above `tip`.
pub(crate) fn standing(
    tables: &Tables,
    txn: &RoTxn,
    tip: Height,
    rules: &MikParams,
    miner: Option<&Identity>,
    payee: &Identity,
) -> Result<Standing, StoreError> {
    let batch = IdentityBatch::default();
    let mut standing = match miner {
        Some(miner) => of_miner(&batch.miner(tables, txn, miner)?),
        None => Standing::default(),
    };
    batch.window(tables, txn, tip, rules)?.count(&mut standing, miner, payee);
    Ok(standing)
}

/// A standing without counts.
fn of_miner(miner: &Miner) -> Standing {
    Standing {
        public_key: miner.public_key.clone(),
        first_seen: miner.first_seen,
        last_mined: miner.last_mined,
        ..Standing::default()
    }
}
