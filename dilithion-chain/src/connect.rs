//! Connecting blocks: a whole slice in one transaction.

use dilithion_pow::CompactTarget;
use dilithion_wire::{BlockHash, ChainParams, Height};

use crate::batch::Batch;
use crate::chainstate::Chainstate;
use crate::error::StoreError;
use crate::prune;
use crate::store::headers::{self, StoredHeader};
use crate::store::heights::{self, ActiveBlock};
use crate::store::metadata::{self, Tip};
use crate::store::tables::{Tables, put_numbered};
use crate::store::txn::RwTxn;
use crate::store::utxo::Coins;
use crate::store::{blocks, undo};
use crate::validate::{BlockError, Candidate, Context, Level, check_block, check_inputs};

/// What became of a slice of blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOutcome {
    /// The blocks that are now part of the active chain, in order.
    pub connected: Vec<Connected>,
    /// The first block that was refused; those after it were not looked at.
    pub failure: Option<Rejected>,
    /// How many of the connected ones were checked as [`Level::Checkpointed`].
    pub checkpointed: usize,
    /// How many of the connected ones were checked as [`Level::Full`].
    pub fully_validated: usize,
}

/// A block that was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
}

/// A block that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {hash} refused at height {height}: {error}")]
pub struct Rejected {
    /// The height it would have had.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// The rule it breaks.
    pub error: BlockError,
}

impl Chainstate {
    /// Connects blocks on top of the tip, in order, in one durable transaction. If a block is refused, those before
    /// it are connected and the tip is the last of them.
    ///
    /// The caller vouches for the ids: for `verified` candidates that the proof of work was computed, and for those
    /// at or below the last checkpoint that their header chain contains it.
    ///
    /// # Errors
    /// Only failures of the store; nothing is connected then. A refused block is part of the outcome.
    pub fn connect(&mut self, blocks: &[Candidate]) -> Result<ConnectOutcome, StoreError> {
        let (tables, params, tip, keep) = (self.store.tables, &*self.params, self.tip, self.prune);
        let (outcome, tip) = self.store.write(|txn| {
            let mut connection = Connection { tables, params, tip, batch: Batch::default() };
            let outcome = connection.connect_all(txn, blocks)?;
            let tip = connection.finish(txn)?;
            prune::step(&tables, txn, tip.height, keep)?;
            Ok((outcome, tip))
        })?;
        self.tip = tip;
        Ok(outcome)
    }
}

/// A transaction in which blocks are being connected.
pub(crate) struct Connection<'a> {
    pub(crate) tables: Tables,
    pub(crate) params: &'a ChainParams,
    pub(crate) tip: Tip,
    pub(crate) batch: Batch,
}

impl Connection<'_> {
    pub(crate) fn connect_all(
        &mut self,
        txn: &mut RwTxn,
        blocks: &[Candidate],
    ) -> Result<ConnectOutcome, StoreError> {
        let mut outcome = ConnectOutcome::default();
        for candidate in blocks {
            let (height, hash) = (self.tip.height.next(), candidate.hash);
            match self.connect_one(txn, candidate, height)? {
                Ok(level) => {
                    outcome.connected.push(Connected { height, hash });
                    match level {
                        Level::Checkpointed => outcome.checkpointed = outcome.checkpointed.saturating_add(1),
                        Level::Full => outcome.fully_validated = outcome.fully_validated.saturating_add(1),
                    }
                }
                Err(error) => {
                    outcome.failure = Some(Rejected { height, hash, error });
                    break;
                }
            }
        }
        Ok(outcome)
    }

    /// Validates one block and applies it; a refused block leaves no trace.
    fn connect_one(
        &mut self,
        txn: &mut RwTxn,
        candidate: &Candidate,
        height: Height,
    ) -> Result<Result<Level, BlockError>, StoreError> {
        let Candidate { hash, verified, block } = candidate;
        let context = Context { params: self.params, height, parent: self.tip.hash };
        let txids = block.txids();
        if let Err(error) = check_block(candidate, &txids, &context) {
            return Ok(Err(error));
        }
        let before = self.batch.state_before(block, &txids, self.tables.utxo, txn)?;
        if let Err(error) = check_inputs(block, &txids, &before, &context) {
            return Ok(Err(error));
        }
        self.batch.connect(block, &txids, height, &before);
        let header = StoredHeader { header: block.header, hash: *hash, height, verified: *verified };
        self.store(txn, candidate, header, &before)?;
        Ok(Ok(context.level()))
    }

    /// Writes everything about a valid block but its coins, and moves the tip.
    fn store(
        &mut self,
        txn: &mut RwTxn,
        candidate: &Candidate,
        header: StoredHeader,
        before: &Coins,
    ) -> Result<(), StoreError> {
        let work = self.tip.work.saturating_add(CompactTarget(header.header.bits).work());
        let tip = Tip { height: header.height, hash: header.hash, work };
        let number = headers::insert(&self.tables, txn, header)?;
        blocks::insert(self.tables.blocks, txn, number, &candidate.block)?;
        put_numbered(self.tables.undo, txn, number, &undo::encode(before))?;
        let active = ActiveBlock { number, hash: tip.hash, work };
        heights::put(self.tables.heights, txn, tip.height, &active)?;
        self.tip = tip;
        Ok(())
    }

    pub(crate) fn finish(self, txn: &mut RwTxn) -> Result<Tip, StoreError> {
        self.batch.flush(self.tables.utxo, txn)?;
        metadata::put_tip(self.tables.metadata, txn, &self.tip)?;
        Ok(self.tip)
    }
}
