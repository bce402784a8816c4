//! Transactions that wait for a block, and how much there is of them.

use std::fmt;

use bytes::Bytes;
use dilithion_wire::{Amount, Decode, Encode, OutPoint, Transaction, Txid};

use super::blocks::STORED;
use super::record::Fields;
use crate::error::StoreError;

/// Bytes that a fee rate is about (`CFeeRate` of Bitcoin Core).
const RATE_BYTES: u64 = 1000;

/// What a transaction pays for its size: ions for 1000 bytes, rounded down (`CFeeRate` of Bitcoin Core).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeeRate(pub u64);

impl FeeRate {
    /// Of a transaction of so many bytes.
    #[must_use]
    pub fn of(fee: Amount, bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).max(1);
        Self(fee.0.saturating_mul(RATE_BYTES) / bytes)
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ions for {RATE_BYTES} bytes", self.0)
    }
}

/// A valid transaction that is in no block of the active chain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTransaction {
    /// Its id.
    pub txid: Txid,
    /// What it pays.
    pub fee: Amount,
    /// The transaction.
    pub transaction: Transaction,
}

impl PendingTransaction {
    /// How many bytes it takes in a block, and of what the pool may hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.transaction.encoded_len()
    }

    /// What it pays for its size.
    #[must_use]
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate::of(self.fee, self.bytes())
    }

    /// Outputs that it spends.
    pub(crate) fn spends(&self) -> impl Iterator<Item = OutPoint> {
        self.transaction.inputs.iter().map(|input| input.previous_output)
    }

    /// Its own outputs.
    pub(super) fn outputs(&self) -> impl Iterator<Item = OutPoint> {
        (0..).zip(&self.transaction.outputs).map(|(index, _)| OutPoint { txid: self.txid, index })
    }

    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.bytes().saturating_add(32 + 8));
        record.extend_from_slice(self.txid.as_bytes());
        record.extend_from_slice(&self.fee.0.to_be_bytes());
        self.transaction.encode(&mut record);
        record
    }

    pub(super) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Fields::new("pending", record);
        let txid = Txid::from_bytes(fields.array()?);
        let fee = Amount(fields.u64()?);
        let bytes = Bytes::copy_from_slice(fields.rest());
        let transaction = Transaction::decode_exact(bytes, &STORED)
            .map_err(|_| StoreError::BadRecord { table: "pending" })?;
        Ok(Self { txid, fee, transaction })
    }
}

/// How much the pending pool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingStats {
    /// Transactions.
    pub count: u64,
    /// Their bytes as they would be in a block; the store needs some more.
    pub bytes: u64,
}

impl PendingStats {
    pub(super) fn add(&mut self, entry: &PendingTransaction) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(length(entry));
    }

    pub(super) fn remove(&mut self, entry: &PendingTransaction) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(length(entry));
    }
}

fn length(entry: &PendingTransaction) -> u64 {
    u64::try_from(entry.bytes()).unwrap_or(u64::MAX)
}
