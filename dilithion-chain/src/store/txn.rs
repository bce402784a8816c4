//! The write transaction.

use std::ops::Deref;

use heed::{Env, RoTxn, WithoutTls};

#[cfg(feature = "fault-injection")]
use super::faults::{COMMIT, Faults};
use crate::error::StoreError;

/// A write transaction. It can be read like any other; all changes go through [`Table`](super::tables::Table).
pub(crate) struct RwTxn<'env> {
    inner: heed::RwTxn<'env>,
    #[cfg(feature = "fault-injection")]
    faults: &'env Faults,
}

impl<'env> RwTxn<'env> {
    /// Begins; there is one at a time.
    pub(super) fn begin(
        env: &'env Env<WithoutTls>,
        #[cfg(feature = "fault-injection")] faults: &'env Faults,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            inner: env.write_txn()?,
            #[cfg(feature = "fault-injection")]
            faults,
        })
    }

    /// Makes the changes durable and visible, all at once.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        #[cfg(feature = "fault-injection")]
        self.faults.count(COMMIT)?;
        Ok(self.inner.commit()?)
    }

    /// For one change to a table.
    #[cfg_attr(not(feature = "fault-injection"), expect(unused_variables, reason = "only counted for tests"))]
    pub(super) fn change(&mut self, table: &'static str) -> Result<&mut heed::RwTxn<'env>, StoreError> {
        #[cfg(feature = "fault-injection")]
        self.faults.count(table)?;
        Ok(&mut self.inner)
    }
}

impl<'env> Deref for RwTxn<'env> {
    type Target = RoTxn<'env>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}
