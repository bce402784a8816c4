//! What the manager hands back: values only, for the caller to carry out.

use core::ops::RangeInclusive;

use dilithion_pow::Priority;
use dilithion_wire::{BlockHash, BlockHeader, Height, Misbehaviour, PeerId};

use crate::HeadersError;

/// Names one hash that is under way. Never used twice for different headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashToken(pub u64);

/// How soon a hash is wanted; greater is sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobPriority {
    /// A claim at or below a checkpoint that the claim chain contains: proved when nothing else waits.
    Background,
    /// A claim of an accepted header.
    Claims,
    /// A batch or a dispute waits for this hash.
    Tip,
}

impl From<JobPriority> for Priority {
    fn from(priority: JobPriority) -> Self {
        match priority {
            JobPriority::Background => Self::Background,
            JobPriority::Claims => Self::Claims,
            JobPriority::Tip => Self::Tip,
        }
    }
}

/// One header to hash; the result goes to [`HeadersManager::on_hash`](crate::HeadersManager::on_hash).
///
/// A token may be handed out a second time at a higher priority; its first answer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashJob {
    /// Comes back with the hash.
    pub token: HashToken,
    /// The peer whose headers cause the work, for fair queueing.
    pub peer: PeerId,
    /// The bytes to hash.
    pub header: [u8; BlockHeader::SIZE],
    /// How soon.
    pub priority: JobPriority,
}

/// A batch is in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The peer that sent it.
    pub peer: PeerId,
    /// Headers of the batch that were new to the tree; 0 if all were known.
    pub count: usize,
    /// Id of the batch's last header: where the next `getheaders` starts.
    pub last: BlockHash,
    /// Height of `last`.
    pub last_height: Height,
    /// The message was full ([`MAX_HEADERS_PER_MESSAGE`](dilithion_wire::MAX_HEADERS_PER_MESSAGE)): the
    /// peer has more.
    pub full: bool,
}

/// A header whose hash is not the claimed one, or misses its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FalseClaim {
    /// The peer that sent the header, or [`RESTORED`].
    pub peer: PeerId,
    /// What to charge it with.
    pub misbehaviour: Misbehaviour,
    /// Height of the header.
    pub height: Height,
    /// The id it was claimed to have; for the last header of a batch, which has no claim, its hash.
    pub hash: BlockHash,
}

/// A batch on probation that was not kept, its headers being no one's fault or hashing having shown a fault that
/// is not a false claim. The caller may ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The peer that sent it.
    pub peer: PeerId,
    /// Why; see [`HeadersError::misbehaviour`].
    pub error: HeadersError,
}

/// The best header chain is another one, or longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BestChange {
    /// Last common height of the old and the new best chain (the old tip's height if it was extended).
    pub fork: Height,
}

/// Everything an event brought about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "effects are orders to carry out"]
pub struct Effects {
    /// Headers to hash.
    pub jobs: Vec<HashJob>,
    /// Batches that are in the tree now.
    pub accepted: Vec<Accepted>,
    /// Batches given up.
    pub dropped: Vec<Dropped>,
    /// Claims proved right: these ids are verified from now on.
    pub verified: Vec<BlockHash>,
    /// Heights of the best chain that became ready: verified, and all below verified.
    pub ready: Option<RangeInclusive<Height>>,
    /// Heights of the best chain that became connectable: ready, or vouched for by a checkpoint.
    pub connectable: Option<RangeInclusive<Height>>,
    /// Peers that lied.
    pub false_claims: Vec<FalseClaim>,
    /// How the best chain moved.
    pub best_changed: Option<BestChange>,
}

impl Effects {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Answer to a batch that was taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "the jobs must be hashed"]
pub struct Queued {
    /// Headers already in the tree (a prefix of the batch).
    pub known: usize,
    /// Headers on probation until `jobs` are answered.
    pub new: usize,
    /// Hashes that decide about the batch.
    pub jobs: Vec<HashJob>,
    /// What is certain at once: [`Accepted`] if every header was known.
    pub effects: Effects,
}

/// A header kept by the caller's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHeader {
    /// The header.
    pub header: BlockHeader,
    /// Its id, as far as known.
    pub hash: BlockHash,
    /// Whether `hash` was proved.
    pub verified: bool,
}

/// Source of headers that came from [`restore`](crate::HeadersManager::restore); no connection has this number.
pub const RESTORED: PeerId = PeerId(u64::MAX);
