//! How much to connect in one transaction while a chain is imported.

use std::time::Duration;

use crate::chainstate::Chainstate;
use crate::connect::ConnectOutcome;
use crate::error::StoreError;
use crate::validate::Candidate;

/// How long a transaction should take at most: what a kill costs, and how long a shutdown waits.
pub const COMMIT_TARGET: Duration = Duration::from_secs(1);
/// Most blocks of a transaction (requirement M14).
const MAX_BLOCKS: usize = 200;
/// Bytes to begin with: well under a second on a disk that takes some milliseconds for a sync.
const FIRST_BYTES: usize = 4 << 20;
/// A commit costs a sync whatever is in it, so fewer bytes would not make it shorter.
const MIN_BYTES: usize = 64 << 10;
/// Changes to the UTXO set are held in memory until the commit.
const MAX_BYTES: usize = 32 << 20;

/// A bound for the blocks that share a transaction, in number and bytes; the bytes follow the time that transactions
/// take. It has no clock: whoever connects tells it.
///
/// ```
/// use dilithion_chain::{COMMIT_TARGET, CommitSize};
///
/// let mut size = CommitSize::default();
/// let before = size.bytes();
/// assert!(size.has_room(3, before - 1));
/// size.record(before, 2 * COMMIT_TARGET); // too slow: half as much the next time
/// assert!(!size.has_room(3, before - 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitSize {
    bytes: usize,
}

impl Default for CommitSize {
    fn default() -> Self {
        Self { bytes: FIRST_BYTES }
    }
}

impl CommitSize {
    /// Bytes of blocks that a transaction should hold at most.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a transaction that holds so many blocks of so many bytes in all may take another one.
    pub const fn has_room(&self, blocks: usize, bytes: usize) -> bool {
        blocks == 0 || (blocks < MAX_BLOCKS && bytes < self.bytes)
    }

    /// Takes note of how long a transaction with so many bytes of blocks took.
    pub fn record(&mut self, bytes: usize, took: Duration) {
        if took > COMMIT_TARGET {
            self.bytes = (self.bytes / 2).max(MIN_BYTES);
        } else if took < COMMIT_TARGET / 4 && bytes >= self.bytes {
            self.bytes = self.bytes.saturating_mul(2).min(MAX_BYTES);
        }
    }

    /// How many of the first blocks belong into one transaction, and their bytes: at least one block, if there is one.
    pub fn split(&self, blocks: &[Candidate]) -> (usize, usize) {
        let mut bytes = 0_usize;
        for (count, candidate) in blocks.iter().enumerate() {
            if !self.has_room(count, bytes) {
                return (count, bytes);
            }
            bytes = bytes.saturating_add(candidate.block.blob_len());
        }
        (blocks.len(), bytes)
    }
}

impl Chainstate {
    /// Connects as many of the first blocks as belong into one transaction: see [`connect`](Self::connect). Without a
    /// failure the outcome says how far it came; go on behind it.
    ///
    /// # Errors
    /// Only failures of the store; nothing is connected then.
    pub fn connect_some(
        &mut self,
        blocks: &[Candidate],
        size: &CommitSize,
    ) -> Result<ConnectOutcome, StoreError> {
        let (count, _) = size.split(blocks);
        self.connect(blocks.get(..count).unwrap_or(blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_time_between_its_limits() {
        let mut size = CommitSize::default();
        size.record(size.bytes() - 1, Duration::ZERO);
        assert_eq!(size, CommitSize::default(), "a small transaction says nothing about a big one");
        for _ in 0..20 {
            size.record(size.bytes(), Duration::ZERO);
        }
        assert_eq!(size.bytes(), MAX_BYTES);
        size.record(size.bytes(), COMMIT_TARGET);
        assert_eq!(size.bytes(), MAX_BYTES);
        for _ in 0..20 {
            size.record(1, COMMIT_TARGET * 2);
        }
        assert_eq!(size.bytes(), MIN_BYTES);
    }

    #[test]
    fn there_is_room_for_one_block_whatever_its_size() {
        let size = CommitSize::default();
        assert!(size.has_room(0, usize::MAX));
        assert!(!size.has_room(1, size.bytes()));
        assert!(!size.has_room(MAX_BLOCKS, 0));
    }
}
