//! Disconnecting blocks: back to any height in one transaction.

use dilithion_wire::{Block, BlockHash, Height};
use heed::RoTxn;

use crate::batch::Batch;
use crate::chainstate::Chainstate;
use crate::error::{Damage, IntegrityError, StoreError};
use crate::identities::IdentityBatch;
use crate::messages;
use crate::pending::Returned;
use crate::store::blocks;
use crate::store::heights::{self, ActiveBlock};
use crate::store::metadata::{self, Tip};
use crate::store::tables::{Tables, get_numbered, number_key};
use crate::store::txn::RwTxn;
use crate::store::undo::{self, UndoFault};
use crate::store::utxo::Coins;

impl Chainstate {
    /// Takes the tip off the active chain and returns the new tip.
    ///
    /// # Errors
    /// [`StoreError::AtGenesis`] if only the genesis block is left, [`StoreError::Integrity`] if the block's undo
    /// record or body is damaged.
    pub fn disconnect_tip(&mut self) -> Result<Tip, StoreError> {
        let below = self.tip.height.prev().ok_or(StoreError::AtGenesis)?;
        self.disconnect_to(below)?;
        Ok(self.tip)
    }

    /// Takes all blocks above `height` off the active chain in one durable transaction, and returns them, highest
    /// first. Their headers and bodies stay stored, so that connecting them again needs no download. Whether going
    /// back that far is allowed (depth, checkpoints) is for the caller to decide. Their transactions are pending again, as
    /// many as there is room for.
    ///
    /// # Errors
    /// [`StoreError::Integrity`] if an undo record or body is damaged, [`StoreError::Pruned`] if it is no longer stored
    /// and names the lowest height that is; nothing is disconnected then.
    pub fn disconnect_to(&mut self, height: Height) -> Result<Vec<(Height, BlockHash)>, StoreError> {
        let (tables, start) = (self.store.tables, self.tip);
        let (tip, disconnected) = self.store.write(|txn| {
            if height < start.height {
                check_reachable(&tables, txn, height)?;
            }
            let Removed { tip, blocks, batch, identities, returned } = self.take_off(txn, height)?;
            batch.flush(tables.utxo, txn)?;
            identities.flush(&tables, txn)?;
            metadata::put_tip(tables.metadata, txn, &tip)?;
            if tip != start {
                self.pool(tip.height).rebuild(txn, returned)?;
            }
            Ok((tip, blocks))
        })?;
        // What was left before may be the better of the two.
        if tip != start && self.left.is_none_or(|left| left.work < start.work) {
            self.left = Some(start);
        }
        self.tip = tip;
        Ok(disconnected)
    }

    /// Takes the blocks above a height off the tip, highest first; what they leave behind is not written yet.
    pub(crate) fn take_off(&self, txn: &mut RwTxn, height: Height) -> Result<Removed, StoreError> {
        let mut removed = Removed {
            tip: self.tip,
            blocks: Vec::new(),
            batch: Batch::default(),
            identities: IdentityBatch::default(),
            returned: Returned::new(self.max_pending_bytes),
        };
        while removed.tip.height > height {
            let tip = removed.tip;
            removed.blocks.push((tip.height, tip.hash));
            let (below, block) = disconnect_one(&self.store.tables, txn, &mut removed.batch, tip)?;
            self.disconnect_miner(txn, &mut removed.identities, tip.height)?;
            removed.returned.add(block);
            removed.tip = below;
        }
        Ok(removed)
    }

    /// Takes the block at a height back from what is known about its miner, where miners have identities.
    fn disconnect_miner(
        &self,
        txn: &RoTxn,
        identities: &mut IdentityBatch,
        height: Height,
    ) -> Result<(), StoreError> {
        match &self.params.mik {
            Some(rules) => identities.disconnect(&self.store.tables, txn, height, rules, self.policy),
            None => Ok(()),
        }
    }
}

/// Blocks that were taken off the chain, and what that changes.
pub(crate) struct Removed {
    /// What is the tip without them.
    pub(crate) tip: Tip,
    /// The blocks, highest first.
    pub(crate) blocks: Vec<(Height, BlockHash)>,
    pub(crate) batch: Batch,
    pub(crate) identities: IdentityBatch,
    /// Their transactions.
    pub(crate) returned: Returned,
}

/// Checks that all blocks above `height` have their bodies and undo records still.
pub(crate) fn check_reachable(tables: &Tables, txn: &RoTxn, height: Height) -> Result<(), StoreError> {
    let lowest = metadata::lowest_body(tables.metadata, txn)?;
    if height.next() < lowest {
        return Err(StoreError::Pruned { height: height.next(), lowest });
    }
    Ok(())
}

/// Takes `tip` off the chain and returns the tip below it, and the block.
pub(crate) fn disconnect_one(
    tables: &Tables,
    txn: &mut RwTxn,
    batch: &mut Batch,
    tip: Tip,
) -> Result<(Tip, Block), StoreError> {
    let active = active_block(tables, txn, tip.height)?;
    let height = tip.height.prev().ok_or(StoreError::AtGenesis)?;
    let below = active_block(tables, txn, height)?;
    let block = blocks::load(tables.blocks, txn, tip.height, &active)?;
    let removed = load_undo(tables, txn, tip.height, &active)?;
    batch.disconnect(&block, &block.txids(), removed);
    heights::delete(tables.heights, txn, tip.height)?;
    tables.undo.delete(txn, &number_key(active.number))?;
    messages::disconnect_block(tables, txn, tip.height, &block)?;
    Ok((Tip { height, hash: below.hash, work: below.work }, block))
}

/// The active chain's block at a height that the chain reaches.
pub(crate) fn active_block(tables: &Tables, txn: &RoTxn, height: Height) -> Result<ActiveBlock, StoreError> {
    let found = heights::get(tables.heights, txn, height)?;
    Ok(found.ok_or(IntegrityError { height, damage: Damage::Missing })?)
}

/// The outputs that a block removed, from its undo record.
pub(crate) fn load_undo(
    tables: &Tables,
    txn: &RoTxn,
    height: Height,
    active: &ActiveBlock,
) -> Result<Coins, StoreError> {
    let hash = active.hash;
    let record = get_numbered(tables.undo, txn, active.number)?;
    let record = record.ok_or(IntegrityError { height, damage: Damage::UndoMissing { hash } })?;
    let removed = undo::decode(record).map_err(|fault| {
        let reason = match fault {
            UndoFault::Checksum => "wrong checksum",
            UndoFault::Layout => "wrong layout",
        };
        IntegrityError { height, damage: Damage::Undo { hash, reason } }
    })?;
    Ok(removed)
}
