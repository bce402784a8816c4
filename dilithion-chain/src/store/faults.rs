//! Counting changes to the store, and letting one of them fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::error::StoreError;

/// What the last step of a transaction counts as.
pub(super) const COMMIT: &str = "commit";

/// Changes counted so far, and the one that is to fail.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changes: BTreeMap<&'static str, u64>,
    /// How many changes are let through, the failing one included.
    left: Option<u64>,
}

impl Faults {
    /// Lets the `nth` change from now on fail, counted from 1; 0 lets all through.
    pub(crate) fn fail_at(&self, nth: u64) {
        self.lock().left = Some(nth).filter(|nth| *nth > 0);
    }

    /// How many changes a table has seen.
    pub(crate) fn changes(&self, table: &str) -> u64 {
        self.lock().changes.get(table).copied().unwrap_or(0)
    }

    /// Counts a change, or fails in its place.
    pub(super) fn count(&self, what: &'static str) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.left = match state.left {
            Some(1) => {
                state.left = None;
                return Err(heed::Error::Io(std::io::Error::other("injected fault")).into());
            }
            left => left.map(|left| left.saturating_sub(1)),
        };
        let changes = state.changes.entry(what).or_default();
        *changes = changes.saturating_add(1);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
