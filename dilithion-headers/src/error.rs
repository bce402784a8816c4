//! Why headers are refused, and what that costs the sender.

use dilithion_wire::{BlockHash, Height, Misbehaviour};

use crate::HashJob;

/// A batch, or a stored header, that is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// More headers than a message may carry.
    #[error("{count} headers in a message, {max} allowed")]
    TooManyHeaders {
        /// Headers sent.
        count: usize,
        /// Limit.
        max: usize,
    },
    /// The first header attaches to nothing we know: ask the peer with a locator.
    #[error("headers attach to unknown {prev}")]
    Unconnected {
        /// The unknown parent.
        prev: BlockHash,
    },
    /// A header breaks a rule.
    #[error("header at height {height}: {fault}")]
    BadHeader {
        /// Height of the header.
        height: Height,
        /// The rule.
        fault: HeaderFault,
    },
    /// A claim contradicts a proved id.
    #[error("a header at height {height} does not have id {hash}")]
    FalseClaim {
        /// Height of the header, or of the one that really has the id.
        height: Height,
        /// The claimed id; of the last header of a batch its hash, which misses its target.
        hash: BlockHash,
    },
    /// A claim contradicts an earlier one that is not proved yet: nobody knows who lies.
    #[error("headers contradict the unproved claim of {hash} at height {height}")]
    ConflictingClaim {
        /// Height of the earlier header.
        height: Height,
        /// The id claimed earlier.
        hash: BlockHash,
        /// Proves or refutes the earlier claim; `None` if that hash is on its way already.
        job: Option<Box<HashJob>>,
    },
    /// A branch that leaves the best chain below a checkpoint which that chain has passed.
    #[error("branch at height {fork} leaves the chain below the checkpoint at {checkpoint}")]
    BelowCheckpoint {
        /// Where the branch attaches.
        fork: Height,
        /// The checkpoint.
        checkpoint: Height,
    },
    /// A branch on a block whose body is invalid by our rules, or that the operator refuses.
    #[error("headers build on invalid block {hash}")]
    InvalidAncestor {
        /// The block the headers attach to, or the header itself: invalid itself or by an ancestor.
        hash: BlockHash,
    },
    /// As many batches as allowed are on probation: ask later.
    #[error("{pending} batches wait for proof, {max} allowed")]
    TooManyPending {
        /// Batches on probation.
        pending: usize,
        /// Limit.
        max: usize,
    },
    /// As many unproved headers as allowed are kept: ask later.
    #[error("{unverified} headers wait for proof, {max} allowed")]
    TooManyUnverified {
        /// Unproved headers, this batch included.
        unverified: usize,
        /// Limit.
        max: usize,
    },
}

/// A rule that a header breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// Not positive, or of a layout this network does not have.
    #[error("version {0} is not valid here")]
    Version(i32),
    /// spec: consensus §5b.
    #[error("time is zero")]
    ZeroTime,
    /// spec: consensus §5b.
    #[error("time {time} is not after the median time past {median}")]
    TimeTooOld {
        /// Of the header.
        time: u32,
        /// Of its 11 predecessors.
        median: u32,
    },
    /// spec: consensus §5b. May be our own clock's fault.
    #[error("time {time} is after {limit}")]
    TimeTooNew {
        /// Of the header.
        time: u32,
        /// Latest allowed now.
        limit: u64,
    },
    /// No hash can meet it, or its work is out of range (spec: consensus §4, §5c).
    #[error("compact target {bits:#010x} is void")]
    Target {
        /// Of the header.
        bits: u32,
    },
    /// spec: consensus §5.
    #[error("compact target {bits:#010x}, {expected:#010x} expected")]
    Bits {
        /// Of the header.
        bits: u32,
        /// By the retarget rule.
        expected: u32,
    },
    /// Even if the claim were true, the header would have no proof of work.
    #[error("claimed id {hash} misses the target")]
    Work {
        /// The claimed id.
        hash: BlockHash,
    },
    /// spec: consensus §3.
    #[error("id {hash} differs from the checkpoint {expected}")]
    Checkpoint {
        /// Of the header.
        hash: BlockHash,
        /// Of the checkpoint.
        expected: BlockHash,
    },
    /// Two headers of a batch claim one id.
    #[error("id {hash} is claimed twice")]
    RepeatedClaim {
        /// The id.
        hash: BlockHash,
    },
}

impl HeadersError {
    /// What to charge the sender with; `None` if it may be honest.
    #[must_use]
    pub fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::TooManyHeaders { .. } => Some(Misbehaviour::TooManyHeaders),
            // Our own clock may be behind.
            Self::BadHeader { fault: HeaderFault::TimeTooNew { .. }, .. }
            | Self::Unconnected { .. }
            | Self::ConflictingClaim { .. }
            | Self::BelowCheckpoint { .. }
            | Self::InvalidAncestor { .. }
            | Self::TooManyPending { .. }
            | Self::TooManyUnverified { .. } => None,
            Self::BadHeader { .. } | Self::FalseClaim { .. } => Some(Misbehaviour::InvalidHeaders),
        }
    }

    /// Whether the batch was refused only because we are busy: the caller asks again later.
    #[must_use]
    pub fn is_back_pressure(&self) -> bool {
        matches!(self, Self::TooManyPending { .. } | Self::TooManyUnverified { .. })
    }

    /// Whether the headers are refused for a time that lies ahead of our clock: right later, or when the clock is set.
    #[must_use]
    pub fn is_from_the_future(&self) -> bool {
        matches!(self, Self::BadHeader { fault: HeaderFault::TimeTooNew { .. }, .. })
    }

    /// The hash that settles a dispute, if one must be computed.
    #[must_use]
    pub fn into_job(self) -> Option<HashJob> {
        match self {
            Self::ConflictingClaim { job, .. } => job.map(|job| *job),
            _ => None,
        }
    }
}
