//! Changes to the identity store, merged in memory before they reach LMDB.

use std::collections::BTreeMap;

use dilithion_wire::{Height, MikParams, Policy};
use heed::RoTxn;

use super::mined::BlockMiner;
use crate::dfmp::HeatWindow;
use crate::error::StoreError;
use crate::mik::Identity;
use crate::store::metadata;
use crate::store::miners::{self, MinedBlock, Miner};
use crate::store::tables::Tables;
use crate::store::txn::RwTxn;

/// The identity store of the database with the changes of some blocks on top.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdentityBatch {
    miners: BTreeMap<Identity, Miner>,
    /// `None` where no block is, or none that names its miner.
    blocks: BTreeMap<Height, Option<MinedBlock>>,
    /// The lowest height that still counts for the heat, if some are lost as in the reference node.
    floor: Option<Height>,
}

impl IdentityBatch {
    /// What is known about a miner.
    pub(crate) fn miner(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        identity: &Identity,
    ) -> Result<Miner, StoreError> {
        match self.miners.get(identity) {
            Some(miner) => Ok(miner.clone()),
            None => miners::get(tables.identities, txn, identity),
        }
    }

    /// Applies the next block. `before` is what was known about its miner.
    pub(crate) fn connect(&mut self, height: Height, block: &BlockMiner, before: &Miner) {
        let BlockMiner { mined, public_key } = block;
        let record = MinedBlock {
            mined: *mined,
            registration: public_key.is_some(),
            new_key: public_key.is_some() && before.public_key.is_none(),
            last_mined: before.last_mined,
        };
        let miner = Miner {
            first_seen: before.first_seen.or(Some(height)),
            last_mined: Some(height),
            public_key: before.public_key.clone().or_else(|| public_key.clone()),
        };
        self.blocks.insert(height, Some(record));
        self.miners.insert(mined.miner, miner);
    }

    /// Takes the block at a height back, the highest that is left.
    pub(crate) fn disconnect(
        &mut self,
        tables: &Tables,
        txn: &RoTxn,
        height: Height,
        rules: &MikParams,
        policy: Policy,
    ) -> Result<(), StoreError> {
        let record = match self.blocks.get(&height) {
            Some(record) => *record,
            None => miners::at(tables.miners, txn, height)?,
        };
        let Some(record) = record else { return Ok(()) };
        let identity = record.mined.miner;
        let mut miner = self.miner(tables, txn, &identity)?;
        let first = miner.first_seen == Some(height);
        match policy {
            Policy::Strict => {
                miner.last_mined = record.last_mined;
                if record.new_key {
                    miner.public_key = None;
                }
            }
            Policy::Reference => {
                // The reference node forgets a key with the first block only, keeps the last height, and does not get
                // back what had left its window (spec: consensus §13.4, mainnet-node §2.3).
                if first {
                    miner.public_key = None;
                }
                let floor = Height(height.next().0.saturating_sub(rules.observation_window));
                self.floor = self.floor(tables, txn)?.max(Some(floor));
            }
        }
        if first {
            miner.first_seen = None;
        }
        self.miners.insert(identity, miner);
        self.blocks.insert(height, None);
        Ok(())
    }

    /// The blocks that count for the heat of the one above `tip`.
    pub(crate) fn window(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        tip: Height,
        rules: &MikParams,
    ) -> Result<HeatWindow, StoreError> {
        let lowest = Height(tip.next().0.saturating_sub(rules.observation_window));
        let lowest = lowest.max(self.floor(tables, txn)?.unwrap_or_default());
        let mut window = HeatWindow::new(rules.observation_window);
        for record in miners::from_height(tables.miners, txn, lowest)? {
            let (height, record) = record?;
            if height <= tip && !self.blocks.contains_key(&height) {
                window.push(height, Some(record.mined));
            }
        }
        // What a batch brings is above all that it left in the database.
        for (height, record) in self.blocks.range(lowest..=tip) {
            if let Some(record) = record {
                window.push(*height, Some(record.mined));
            }
        }
        Ok(window)
    }

    /// Writes the changes.
    pub(crate) fn flush(self, tables: &Tables, txn: &mut RwTxn) -> Result<(), StoreError> {
        for (height, record) in &self.blocks {
            miners::set(tables.miners, txn, *height, record.as_ref())?;
        }
        for (identity, miner) in &self.miners {
            miners::put(tables.identities, txn, identity, miner)?;
        }
        if let Some(floor) = self.floor {
            metadata::put_window_floor(tables.metadata, txn, floor)?;
        }
        Ok(())
    }

    fn floor(&self, tables: &Tables, txn: &RoTxn) -> Result<Option<Height>, StoreError> {
        match self.floor {
            Some(floor) => Ok(Some(floor)),
            None => metadata::window_floor(tables.metadata, txn),
        }
    }
}
