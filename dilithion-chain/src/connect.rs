//! Connecting blocks: a whole slice in one transaction.
//!
//! The writer checks block after block against the UTXO set, while the scripts of all of them are checked on the other
//! cores. Only when all are done anything is written.

use dilithion_pow::CompactTarget;
use dilithion_wire::{Block, BlockHash, ChainParams, Height, Policy, Txid};
use heed::RoTxn;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::batch::Batch;
use crate::chainstate::Chainstate;
use crate::deferred::{Deferred, FirstFailure, Refusal};
use crate::error::StoreError;
use crate::identities::{ConnectedMiner, IdentityBatch, MinerState};
use crate::messages;
use crate::prune;
use crate::signature::SignatureCache;
use crate::store::headers::{self, StoredHeader};
use crate::store::heights::{self, ActiveBlock};
use crate::store::metadata::{self, Tip};
use crate::store::tables::{Tables, put_numbered};
use crate::store::txn::RwTxn;
use crate::store::utxo::Coins;
use crate::store::{blocks, undo};
use crate::validate::{BlockError, Candidate, Context, Level, MinerRules, Spent, check_block, check_inputs};

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
    /// How many transactions of the connected ones had their scripts checked.
    pub script_checks: usize,
}

impl ConnectOutcome {
    /// Adds what became of the blocks that follow.
    fn extend(&mut self, rest: Self) {
        self.connected.extend(rest.connected);
        self.failure = rest.failure;
        self.checkpointed += rest.checkpointed;
        self.fully_validated += rest.fully_validated;
        self.script_checks += rest.script_checks;
    }
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
    /// it are connected and the tip is the last of them. Under [`Policy::Reference`], the blocks of a branch for which others
    /// were [disconnected](Self::disconnect_to) are judged as in a [`reorg`](Self::reorg), until the branch has more work than
    /// what was left for it; if there are blocks beyond these, they are a transaction of their own.
    /// What they include is no longer pending, nor what contradicts it.
    ///
    /// Signatures are verified in parallel over all of the slice, on the rayon pool of the caller or else on the global
    /// one; those in [`signature_cache`](Self::signature_cache) are not verified again.
    ///
    /// The caller vouches for the ids: for `verified` candidates that the proof of work was computed, and for those
    /// at or below the last checkpoint that their header chain contains it.
    ///
    /// # Errors
    /// Only failures of the store; nothing is connected then. A refused block is part of the outcome.
    pub fn connect(&mut self, blocks: &[Candidate]) -> Result<ConnectOutcome, StoreError> {
        let (branch, rest) = blocks.split_at(self.blocks_of_branch(blocks));
        if branch.is_empty() {
            return self.connect_judged(rest, MinerRules::All);
        }
        let mut outcome = self.connect_judged(branch, MinerRules::in_reorg(self.policy))?;
        if outcome.failure.is_none() && !rest.is_empty() {
            outcome.extend(self.connect_judged(rest, MinerRules::All)?);
        }
        Ok(outcome)
    }

    /// How many of these blocks, on top of the tip, belong to a change of branch: those whose parent is not better than the
    /// tip that was left.
    fn blocks_of_branch(&self, blocks: &[Candidate]) -> usize {
        let lenient = self.policy == Policy::Reference && self.params.mik.is_some();
        let Some(left) = self.left.filter(|_| lenient) else { return 0 };
        let (mut hash, mut work) = (self.tip.hash, self.tip.work);
        let of_branch = |candidate: &&Candidate| {
            let is_behind = work <= left.work && hash != left.hash;
            hash = candidate.hash;
            work = work.saturating_add(CompactTarget(candidate.block.header.bits).work());
            is_behind
        };
        blocks.iter().take_while(of_branch).count()
    }

    fn connect_judged(
        &mut self,
        blocks: &[Candidate],
        rules: MinerRules,
    ) -> Result<ConnectOutcome, StoreError> {
        let (tables, keep) = (self.store.tables, self.prune);
        let (outcome, tip) = self.store.write(|txn| {
            let (batch, identities) = (Batch::default(), IdentityBatch::default());
            let mut connection = self.connection(txn, self.tip, batch, identities, rules)?;
            let outcome = connection.connect_all(txn, blocks)?;
            let tip = connection.finish(txn)?;
            let connected = blocks.iter().take(outcome.connected.len());
            self.pool(tip.height).confirm(txn, connected.map(|candidate| &candidate.block))?;
            prune::step(&tables, txn, tip.height, keep)?;
            Ok((outcome, tip))
        })?;
        self.tip = tip;
        self.left = self.left.filter(|left| tip.work <= left.work && tip.hash != left.hash);
        Ok(outcome)
    }

    /// Begins to connect blocks on top of `tip`, whose UTXO set is that of the store with `batch` on top, and its identity
    /// store the one there with `identities` on top. `rules` are those about miners that count.
    pub(crate) fn connection(
        &self,
        txn: &RoTxn,
        tip: Tip,
        batch: Batch,
        identities: IdentityBatch,
        rules: MinerRules,
    ) -> Result<Connection<'_>, StoreError> {
        let tables = self.store.tables;
        let miners = match &self.params.mik {
            Some(mik) => Some(MinerState::new(tables, txn, tip.height, identities, mik, rules)?),
            None => None,
        };
        Ok(Connection {
            tables,
            params: &self.params,
            policy: self.policy,
            known: &self.signatures,
            tip,
            batch,
            miners,
        })
    }
}

/// A transaction in which blocks are being connected.
pub(crate) struct Connection<'a> {
    tables: Tables,
    params: &'a ChainParams,
    policy: Policy,
    known: &'a SignatureCache,
    tip: Tip,
    batch: Batch,
    /// Where miners have identities.
    miners: Option<MinerState<'a>>,
}

/// A block that is valid as far as it was checked, and what writing it takes.
struct Checked {
    tip: Tip,
    level: Level,
    before: Coins,
    miner: ConnectedMiner,
    script_checks: usize,
}

impl Connection<'_> {
    /// Connects blocks until one is refused, which leaves no trace.
    pub(crate) fn connect_all(
        &mut self,
        txn: &mut RwTxn,
        blocks: &[Candidate],
    ) -> Result<ConnectOutcome, StoreError> {
        let txids: Vec<Vec<Txid>> = blocks.par_iter().map(|candidate| candidate.block.txids()).collect();
        let (start, base) = (self.tip, self.batch.clone());
        let base_miners = self.miners.as_ref().map(MinerState::changes);
        let (mut checked, mut refused) = self.check_all(txn, blocks, &txids)?;
        if let Some((position, _)) = &refused
            && *position < checked.len()
        {
            // Scripts further down were wrong: what was built on that block is taken back.
            checked.truncate(*position);
            self.batch = base;
            if let (Some(miners), Some(base)) = (&mut self.miners, base_miners) {
                miners.restore(txn, start.height, base)?;
            }
            for (checked, (candidate, txids)) in checked.iter().zip(blocks.iter().zip(&txids)) {
                self.apply(&candidate.block, txids, checked);
            }
        }
        self.tip = checked.last().map_or(start, |checked| checked.tip);
        let failure = refused.take().and_then(|(position, error)| {
            let hash = blocks.get(position)?.hash;
            Some(Rejected { height: self.tip.height.next(), hash, error })
        });
        let mut outcome = ConnectOutcome { failure, ..ConnectOutcome::default() };
        for (checked, candidate) in checked.iter().zip(blocks) {
            self.store(txn, candidate, checked)?;
            outcome.count(checked);
        }
        Ok(outcome)
    }

    /// Checks blocks until one is refused, and returns those before it, or some more if only its scripts were wrong, with
    /// the position of the refused one. Nothing is written; the batch and the tip follow the blocks.
    fn check_all(
        &mut self,
        txn: &RoTxn,
        blocks: &[Candidate],
        txids: &[Vec<Txid>],
    ) -> Result<(Vec<Checked>, Option<Refusal>), StoreError> {
        let (params, known) = (self.params, self.known);
        let wrong_scripts = FirstFailure::default();
        let mut checked = Vec::with_capacity(blocks.len());
        let refused = rayon::in_place_scope(|scope| {
            for (position, (candidate, txids)) in blocks.iter().zip(txids).enumerate() {
                if wrong_scripts.is_before((position, 0)) {
                    break;
                }
                let (block, deferred) = match self.check_one(txn, candidate, txids)? {
                    Ok(valid) => valid,
                    Err(error) => return Ok(Some((position, error))),
                };
                checked.push(block);
                deferred.spawn(scope, position, &candidate.block, params, known, &wrong_scripts);
            }
            Ok::<_, StoreError>(None)
        })?;
        // Scripts are only looked at in blocks before one that is refused for something else.
        Ok((checked, wrong_scripts.take().or(refused)))
    }

    /// Validates one block but for its scripts and its miner's signatures, and applies it to the batch; a refused block
    /// leaves no trace.
    fn check_one<'b>(
        &mut self,
        txn: &RoTxn,
        candidate: &'b Candidate,
        txids: &[Txid],
    ) -> Result<Result<(Checked, Deferred<'b>), BlockError>, StoreError>
    where
        Self: 'b,
    {
        let Candidate { hash, block, .. } = candidate;
        let height = self.tip.height.next();
        let context = Context { params: self.params, policy: self.policy, height, parent: self.tip.hash };
        if let Err(error) = check_block(candidate, txids, &context) {
            return Ok(Err(error));
        }
        let (miner, signatures) = match &self.miners {
            Some(miners) => match miners.check(txn, candidate, &context)? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error.into())),
            },
            None => (None, None),
        };
        let before = self.batch.state_before(block, txids, self.tables.utxo, txn)?;
        let scripts = match check_inputs(block, txids, &before, &context) {
            Ok(Spent { scripts, .. }) => scripts,
            Err(error) => return Ok(Err(error)),
        };
        let work = self.tip.work.saturating_add(CompactTarget(block.header.bits).work());
        self.tip = Tip { height, hash: *hash, work };
        let (level, script_checks) = (context.level(), scripts.len());
        let checked = Checked { tip: self.tip, level, before, miner, script_checks };
        self.apply(block, txids, &checked);
        Ok(Ok((checked, Deferred { miner: signatures, scripts })))
    }

    /// Applies a valid block to the changes in memory.
    fn apply(&mut self, block: &Block, txids: &[Txid], checked: &Checked) {
        let height = checked.tip.height;
        self.batch.connect(block, txids, height, &checked.before);
        if let Some(miners) = &mut self.miners {
            miners.connect(height, &checked.miner);
        }
    }

    /// Writes everything about a valid block but its coins and its miner.
    fn store(&self, txn: &mut RwTxn, candidate: &Candidate, checked: &Checked) -> Result<(), StoreError> {
        let Candidate { hash, verified, block } = candidate;
        let Tip { height, work, .. } = checked.tip;
        let header = StoredHeader { header: block.header, hash: *hash, height, verified: *verified };
        let number = headers::insert(&self.tables, txn, header)?;
        blocks::insert(self.tables.blocks, txn, number, block)?;
        put_numbered(self.tables.undo, txn, number, &undo::encode(&checked.before))?;
        let active = ActiveBlock { number, hash: *hash, work };
        if self.params.is_private() {
            messages::connect_block(&self.tables, txn, height, block)?;
        }
        heights::put(self.tables.heights, txn, height, &active)
    }

    /// Writes the coins, the miners and the tip.
    pub(crate) fn finish(self, txn: &mut RwTxn) -> Result<Tip, StoreError> {
        self.batch.flush(self.tables.utxo, txn)?;
        if let Some(miners) = self.miners {
            miners.flush(txn)?;
        }
        metadata::put_tip(self.tables.metadata, txn, &self.tip)?;
        Ok(self.tip)
    }
}

impl ConnectOutcome {
    fn count(&mut self, checked: &Checked) {
        self.connected.push(Connected { height: checked.tip.height, hash: checked.tip.hash });
        let level = match checked.level {
            Level::Checkpointed => &mut self.checkpointed,
            Level::Full => &mut self.fully_validated,
        };
        *level = level.saturating_add(1);
        self.script_checks = self.script_checks.saturating_add(checked.script_checks);
    }
}
