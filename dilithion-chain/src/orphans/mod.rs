//! Blocks that came before their parents.
//!
//! Nobody can tell yet whether such a block is any good, so what one peer may leave here is bounded, and so is the whole.
//! Every block and every index entry is found by its key: no operation looks at blocks it does not return or remove.

mod size;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_wire::BlockHash;

use crate::validate::Candidate;

/// How many bytes of orphans are kept unless told otherwise: sixteen of the largest blocks of mainnet.
pub const DEFAULT_MAX_ORPHAN_BYTES: usize = 64 << 20;
/// How many of them one peer may have left, unless told otherwise: four of the largest blocks of mainnet.
pub const DEFAULT_MAX_ORPHAN_BYTES_PER_PEER: usize = 16 << 20;
/// How long an orphan is kept unless told otherwise (`ORPHAN_TX_EXPIRE_TIME` of Bitcoin Core, which is about
/// transactions).
pub const DEFAULT_ORPHAN_LIFETIME: Duration = Duration::from_secs(20 * 60);

/// Bounds of an [`OrphanPool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrphanLimits {
    /// Bytes of memory for all orphans; [`DEFAULT_MAX_ORPHAN_BYTES`] unless set.
    pub max_bytes: usize,
    /// Bytes of memory for the orphans of one peer; [`DEFAULT_MAX_ORPHAN_BYTES_PER_PEER`] unless set.
    pub max_bytes_per_peer: usize,
    /// How long an orphan is kept; [`DEFAULT_ORPHAN_LIFETIME`] unless set.
    pub lifetime: Duration,
}

impl Default for OrphanLimits {
    fn default() -> Self {
        Self {
            max_bytes: DEFAULT_MAX_ORPHAN_BYTES,
            max_bytes_per_peer: DEFAULT_MAX_ORPHAN_BYTES_PER_PEER,
            lifetime: DEFAULT_ORPHAN_LIFETIME,
        }
    }
}

/// A block whose parent was not known when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan<P> {
    /// Who sent it.
    pub peer: P,
    /// The block.
    pub candidate: Candidate,
}

/// Why a block is not kept. The pool is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrphanError {
    /// The same peer has sent a block with this id, which is here still.
    #[error("orphan {hash} is here already")]
    Known {
        /// The block.
        hash: BlockHash,
    },
    /// The block alone is more than is kept.
    #[error("orphan {hash} takes {bytes} bytes, at most {max} are kept")]
    TooLarge {
        /// The block.
        hash: BlockHash,
        /// Memory that it takes.
        bytes: usize,
        /// Most that one peer, or all of them, may leave here.
        max: usize,
    },
}

/// Blocks that wait for their parents, whoever `P` sent them. A state machine: it is told the time, as the
/// time since any fixed moment, and never asks.
///
/// Two peers may send blocks with one id, since a body can be spoilt without the header showing it, and an id may be no
/// more than a claim: both are kept, and nobody keeps out the right one by sending a wrong one first.
#[derive(Debug, Clone)]
pub struct OrphanPool<P> {
    limits: OrphanLimits,
    /// The blocks in the order of their arrival.
    entries: BTreeMap<u64, Entry<P>>,
    by_parent: BTreeSet<(BlockHash, u64)>,
    by_hash: BTreeSet<(BlockHash, u64)>,
    by_peer: BTreeSet<(P, u64)>,
    /// Who has sent what.
    sent: BTreeSet<(P, BlockHash)>,
    /// By the time at which they are given up.
    by_expiry: BTreeSet<(Duration, u64)>,
    /// Bytes of each peer that has left something.
    shares: BTreeMap<P, usize>,
    /// The same, the greediest peer last.
    greed: BTreeSet<(usize, P)>,
    bytes: usize,
    next: u64,
}

#[derive(Debug, Clone)]
struct Entry<P> {
    orphan: Orphan<P>,
    bytes: usize,
    /// When it is given up.
    expiry: Duration,
}

impl<P: Copy + Ord> OrphanPool<P> {
    /// An empty pool.
    #[must_use]
    pub const fn new(limits: OrphanLimits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            by_parent: BTreeSet::new(),
            by_hash: BTreeSet::new(),
            by_peer: BTreeSet::new(),
            sent: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            shares: BTreeMap::new(),
            greed: BTreeSet::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Keeps a block until its parent comes. If that is too much for one peer, its own oldest blocks go; if it is too much
    /// in all, the oldest ones of the peer that has most here (of equal ones, the highest). Returns the ids of those that
    /// went; the new block may be one of them, if its peer has nothing else and still most.
    ///
    /// # Errors
    /// [`OrphanError`] if the block cannot be kept at all.
    pub fn insert(
        &mut self,
        peer: P,
        candidate: Candidate,
        now: Duration,
    ) -> Result<Vec<BlockHash>, OrphanError> {
        let hash = candidate.hash;
        let bytes = size::of::<P>(&candidate.block);
        let max = self.limits.max_bytes.min(self.limits.max_bytes_per_peer);
        if bytes > max {
            return Err(OrphanError::TooLarge { hash, bytes, max });
        }
        if self.sent.contains(&(peer, hash)) {
            return Err(OrphanError::Known { hash });
        }
        let expiry = now.saturating_add(self.limits.lifetime);
        self.add(Entry { orphan: Orphan { peer, candidate }, bytes, expiry });
        let mut evicted = Vec::new();
        while self.peer_bytes(peer) > self.limits.max_bytes_per_peer {
            evicted.extend(self.remove_oldest_of(peer));
        }
        while self.bytes > self.limits.max_bytes
            && let Some((_, greediest)) = self.greed.last().copied()
        {
            evicted.extend(self.remove_oldest_of(greediest));
        }
        Ok(evicted)
    }

    /// Takes the blocks that build on one which is now connected, in the order of their arrival. Those that build on
    /// them stay, until this is asked again for each that connects.
    pub fn take_children(&mut self, parent: &BlockHash) -> Vec<Orphan<P>> {
        let mut children = Vec::new();
        while let Some(number) = first_of(&self.by_parent, *parent) {
            children.extend(self.remove(number));
        }
        children
    }

    /// Forgets all blocks of a peer, and returns how many there were.
    pub fn forget_peer(&mut self, peer: P) -> usize {
        let mut forgotten = 0_usize;
        while self.remove_oldest_of(peer).is_some() {
            forgotten = forgotten.saturating_add(1);
        }
        forgotten
    }

    /// Gives up all blocks whose time has come, and returns their ids, those first that were to go first.
    pub fn expire(&mut self, now: Duration) -> Vec<BlockHash> {
        let mut expired = Vec::new();
        while let Some((expiry, number)) = self.by_expiry.first().copied()
            && expiry <= now
        {
            expired.extend(self.remove(number).map(|orphan| orphan.candidate.hash));
        }
        expired
    }

    /// When [`expire`](Self::expire) has something to do next, if ever.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.by_expiry.first().map(|(expiry, _)| *expiry)
    }

    /// Whether a block with this id is here.
    pub fn contains(&self, hash: &BlockHash) -> bool {
        first_of(&self.by_hash, *hash).is_some()
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that all of them take, about.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that the blocks of a peer take, about.
    pub fn peer_bytes(&self, peer: P) -> usize {
        self.shares.get(&peer).copied().unwrap_or(0)
    }

    fn add(&mut self, entry: Entry<P>) {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let Candidate { hash, block, .. } = &entry.orphan.candidate;
        let peer = entry.orphan.peer;
        self.by_parent.insert((block.header.prev_hash, number));
        self.by_hash.insert((*hash, number));
        self.by_peer.insert((peer, number));
        self.sent.insert((peer, *hash));
        self.by_expiry.insert((entry.expiry, number));
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.set_share(peer, self.peer_bytes(peer).saturating_add(entry.bytes));
        self.entries.insert(number, entry);
    }

    fn remove(&mut self, number: u64) -> Option<Orphan<P>> {
        let entry = self.entries.remove(&number)?;
        let Candidate { hash, block, .. } = &entry.orphan.candidate;
        let peer = entry.orphan.peer;
        self.by_parent.remove(&(block.header.prev_hash, number));
        self.by_hash.remove(&(*hash, number));
        self.by_peer.remove(&(peer, number));
        self.sent.remove(&(peer, *hash));
        self.by_expiry.remove(&(entry.expiry, number));
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.set_share(peer, self.peer_bytes(peer).saturating_sub(entry.bytes));
        Some(entry.orphan)
    }

    fn remove_oldest_of(&mut self, peer: P) -> Option<BlockHash> {
        let number = first_of(&self.by_peer, peer)?;
        self.remove(number).map(|orphan| orphan.candidate.hash)
    }

    fn set_share(&mut self, peer: P, bytes: usize) {
        if let Some(before) = self.shares.remove(&peer) {
            self.greed.remove(&(before, peer));
        }
        // A block always takes some bytes, so none means no block.
        if bytes > 0 {
            self.shares.insert(peer, bytes);
            self.greed.insert((bytes, peer));
        }
    }
}

impl<P: Copy + Ord> Default for OrphanPool<P> {
    fn default() -> Self {
        Self::new(OrphanLimits::default())
    }
}

/// The lowest number under a key.
fn first_of<K: Copy + Ord>(index: &BTreeSet<(K, u64)>, key: K) -> Option<u64> {
    index.range((key, 0)..=(key, u64::MAX)).next().map(|(_, number)| *number)
}
