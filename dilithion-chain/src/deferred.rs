//! What is checked of a block on other cores, while the writer goes on.

use std::sync::{Mutex, PoisonError};

use dilithion_wire::{Block, ChainParams};
use rayon::Scope;

use crate::signature::SignatureCache;
use crate::validate::{BlockError, MinerCheck, ScriptCheck};

/// Position in the slice of the first block that breaks a rule, and the rule.
pub(crate) type Refusal = (usize, BlockError);

/// The checks of one block.
pub(crate) struct Deferred<'b> {
    pub(crate) miner: Option<MinerCheck<'b>>,
    pub(crate) scripts: Vec<ScriptCheck>,
}

/// The first block, by position in the slice, that was found wrong, and the first check of it: the miner's signatures come
/// before the scripts.
#[derive(Default)]
pub(crate) struct FirstFailure(Mutex<Option<((usize, usize), BlockError)>>);

impl<'b> Deferred<'b> {
    /// Runs the checks of the block at a position in the slice.
    pub(crate) fn spawn(
        self,
        scope: &Scope<'b>,
        position: usize,
        block: &'b Block,
        params: &'b ChainParams,
        known: &'b SignatureCache,
        failures: &'b FirstFailure,
    ) {
        if let Some(check) = self.miner {
            scope.spawn(move |_| failures.check((position, 0), || check.run().map_err(BlockError::from)));
        }
        for (index, check) in (1..).zip(self.scripts) {
            scope.spawn(move |_| failures.check((position, index), || check.run(block, params, Some(known))));
        }
    }
}

impl FirstFailure {
    /// Whether something before this place failed.
    pub(crate) fn is_before(&self, place: (usize, usize)) -> bool {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.as_ref().is_some_and(|(first, _)| *first < place)
    }

    /// Runs a check, unless something before it failed, and notes if it fails.
    fn check(&self, place: (usize, usize), check: impl FnOnce() -> Result<(), BlockError>) {
        if !self.is_before(place)
            && let Err(error) = check()
        {
            self.note(place, error);
        }
    }

    fn note(&self, place: (usize, usize), error: BlockError) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(first, _)| place < *first) {
            *first = Some((place, error));
        }
    }

    /// The block that failed first, and why.
    pub(crate) fn take(self) -> Option<Refusal> {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map(|((position, _), error)| (position, error))
    }
}
