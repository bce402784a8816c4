//! What differs between networks and operators.

use dilithion_pow::CompactTarget;
use dilithion_pow::difficulty::Retarget;
use dilithion_wire::{BlockHash, ChainParams, Checkpoint, ConsensusParams, Height, MAX_HEADERS_PER_MESSAGE};

use crate::JobPriority;

/// How the claims at and below the last checkpoint are treated, once the claim chain contains the checkpoint's id
/// (spec: design §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BelowCheckpoint {
    /// Their blocks are connected at once, their claims proved at low priority.
    #[default]
    Background,
    /// Their blocks are connected at once, only the checkpoint headers are proved.
    Skip,
    /// Their blocks wait for proof like all others.
    BeforeConnect,
}

/// Settings of a [`HeadersManager`](crate::HeadersManager).
#[derive(Debug, Clone)]
pub struct HeadersConfig {
    /// Treatment of claims below the last checkpoint.
    pub policy: BelowCheckpoint,
    /// Headers of a batch, besides the last, that are hashed before the batch is kept.
    pub spot_checks: usize,
    /// Seed of the picks. Give it entropy: whoever can foresee the picks can hide a false claim from them.
    pub seed: u64,
    /// Batches of one peer that may wait for proof.
    pub max_pending_per_peer: usize,
    /// Batches of all peers that may wait for proof.
    pub max_pending: usize,
    /// Unproved headers of one peer that may be kept.
    pub max_unverified_per_peer: usize,
    /// Unproved headers that may be kept in all.
    pub max_unverified: usize,
    /// How far a header's time may be ahead of ours, in seconds (spec: consensus §5b).
    pub max_future_seconds: u32,
    /// Headers of this version and above have another layout and are refused; 0: no such version.
    pub vdf_header_version: i32,
    /// The rule of the compact target.
    pub retarget: Retarget,
    /// The rule is enforced above this height; `None`: never (spec: consensus §0).
    pub enforce_bits_above: Option<Height>,
    /// Known ids, ascending by height.
    pub checkpoints: Vec<Checkpoint>,
}

impl HeadersConfig {
    /// Default of [`spot_checks`](Self::spot_checks).
    pub const SPOT_CHECKS: usize = 3;
    /// Default of [`max_pending_per_peer`](Self::max_pending_per_peer): one from the sync, one announcement.
    pub const MAX_PENDING_PER_PEER: usize = 2;
    /// Default of [`max_pending`](Self::max_pending): two for each of 125 connections.
    pub const MAX_PENDING: usize = 250;
    /// Default of [`max_unverified_per_peer`](Self::max_unverified_per_peer): about 20 MB.
    pub const MAX_UNVERIFIED_PER_PEER: usize = 32 * MAX_HEADERS_PER_MESSAGE;
    /// Default of [`max_unverified`](Self::max_unverified): about 80 MB.
    pub const MAX_UNVERIFIED: usize = 4 * Self::MAX_UNVERIFIED_PER_PEER;

    /// The rules of a network with default limits and seed 0. On a network that replaced the retarget rule by later
    /// ones (spec: consensus §12), compact targets are taken as they come.
    #[must_use]
    pub fn from_params(params: &ChainParams) -> Self {
        let consensus = &params.consensus;
        Self {
            policy: BelowCheckpoint::default(),
            spot_checks: Self::SPOT_CHECKS,
            seed: 0,
            max_pending_per_peer: Self::MAX_PENDING_PER_PEER,
            max_pending: Self::MAX_PENDING,
            max_unverified_per_peer: Self::MAX_UNVERIFIED_PER_PEER,
            max_unverified: Self::MAX_UNVERIFIED,
            max_future_seconds: consensus.max_future_seconds,
            vdf_header_version: consensus.vdf_header_version,
            retarget: Retarget {
                interval: consensus.retarget_interval,
                block_time: consensus.block_time,
                hardest: CompactTarget(consensus.hardest_bits),
                easiest: CompactTarget(consensus.easiest_bits),
            },
            enforce_bits_above: consensus.enforce_bits_above.filter(|_| !has_later_rules(consensus)),
            checkpoints: params.checkpoints.clone(),
        }
    }

    /// Id of the checkpoint at exactly `height`.
    pub(crate) fn checkpoint_at(&self, height: Height) -> Option<BlockHash> {
        let position = self.checkpoints.binary_search_by_key(&height, |checkpoint| checkpoint.height).ok()?;
        self.checkpoints.get(position).map(|checkpoint| checkpoint.hash)
    }

    /// Whether `height` is at or below the last checkpoint.
    pub(crate) fn is_below_checkpoint(&self, height: Height) -> bool {
        self.checkpoints.last().is_some_and(|checkpoint| height <= checkpoint.height)
    }

    /// Whether and how soon the claim of an accepted header at `height` is proved.
    pub(crate) fn proof_priority(&self, height: Height) -> Option<JobPriority> {
        if !self.is_below_checkpoint(height) || self.checkpoint_at(height).is_some() {
            return Some(JobPriority::Claims);
        }
        match self.policy {
            BelowCheckpoint::Background => Some(JobPriority::Background),
            BelowCheckpoint::Skip => None,
            BelowCheckpoint::BeforeConnect => Some(JobPriority::Claims),
        }
    }
}

/// Whether the network's compact targets follow more than the one retarget rule of [`Retarget`].
fn has_later_rules(consensus: &ConsensusParams) -> bool {
    [consensus.difficulty_v2_height, consensus.eda_height, consensus.asert_height].iter().any(Option::is_some)
}
