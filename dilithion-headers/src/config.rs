//! What differs between networks and operators.

use dilithion_pow::difficulty::{Asert, MAX_ADJUSTMENT_V2, Retarget, RetargetV2, Rules};
use dilithion_pow::{CompactTarget, Work};
use dilithion_wire::{BlockHash, ChainParams, Checkpoint, Height, MAX_HEADERS_PER_MESSAGE};

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
    /// From this height on it may be [`TIGHT_FUTURE_SECONDS`](Self::TIGHT_FUTURE_SECONDS) at most (spec: consensus §12).
    pub timestamp_rules_height: Option<Height>,
    /// Headers of this version and above have another layout and are refused; 0: no such version.
    pub vdf_header_version: i32,
    /// The rules of the compact target.
    pub difficulty: Rules,
    /// They are enforced above this height; `None`: never (spec: consensus §0).
    pub enforce_bits_above: Option<Height>,
    /// Work below which a chain is not the network's; see
    /// [`has_minimum_work`](crate::HeadersManager::has_minimum_work).
    pub minimum_chain_work: Work,
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
    /// Default of [`max_unverified_per_peer`](Self::max_unverified_per_peer): about 16 MB.
    pub const MAX_UNVERIFIED_PER_PEER: usize = 32 * MAX_HEADERS_PER_MESSAGE;
    /// Default of [`max_unverified`](Self::max_unverified): about 65 MB.
    pub const MAX_UNVERIFIED: usize = 4 * Self::MAX_UNVERIFIED_PER_PEER;

    /// How far a header's time may be ahead under mainnet's later rules for times (spec: consensus §12).
    pub const TIGHT_FUTURE_SECONDS: u32 = 600;

    /// The rules of a network with default limits and seed 0.
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
            timestamp_rules_height: consensus.timestamp_rules_height,
            difficulty: difficulty(params),
            enforce_bits_above: consensus.enforce_bits_above,
            minimum_chain_work: Work::ZERO,
            checkpoints: params.checkpoints.clone(),
        }
    }

    /// How far the time of the header at `height` may be ahead of ours, in seconds.
    pub(crate) fn max_future_seconds_at(&self, height: Height) -> u32 {
        match self.timestamp_rules_height {
            Some(rules) if height >= rules => self.max_future_seconds.min(Self::TIGHT_FUTURE_SECONDS),
            _ => self.max_future_seconds,
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

/// The difficulty rules of a network as those who compute them want them.
fn difficulty(params: &ChainParams) -> Rules {
    let consensus = &params.consensus;
    let height = |height: Option<Height>| height.map(|height| height.0);
    Rules {
        genesis_bits: CompactTarget(params.genesis.bits),
        retarget: Retarget {
            interval: consensus.retarget_interval,
            block_time: consensus.block_time,
            hardest: CompactTarget(consensus.hardest_bits),
            easiest: CompactTarget(consensus.easiest_bits),
        },
        v2: consensus.difficulty_v2_height.map(|height| RetargetV2 {
            height: height.0,
            interval: consensus.retarget_interval_v2.unwrap_or(consensus.retarget_interval),
            max_adjustment: consensus.difficulty_v2_max_change.unwrap_or(MAX_ADJUSTMENT_V2),
        }),
        v3_height: height(consensus.difficulty_v3_height),
        emergency_height: height(consensus.eda_height),
        compact_fix_height: height(consensus.compact_fix_height),
        asert: consensus.asert_height.zip(consensus.asert_half_life).map(|(height, half_life)| Asert {
            height: height.0,
            anchored_anew: consensus.timestamp_rules_height.map(|height| height.0),
            half_life,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainnet_has_the_rules_of_the_specification() {
        let config = HeadersConfig::from_params(&ChainParams::mainnet());
        assert_eq!(config.difficulty, Rules::MAINNET);
        assert_eq!(config.enforce_bits_above, Some(Height(44_000)));
    }

    #[test]
    fn the_testnet_has_one_rule_and_enforces_none() {
        let config = HeadersConfig::from_params(&ChainParams::testnet());
        let rules = config.difficulty;
        assert_eq!(rules, Rules::only(rules.retarget, rules.genesis_bits));
        assert_eq!(config.enforce_bits_above, None);
    }

    #[test]
    fn times_may_be_less_far_ahead_under_the_later_rules() {
        let config = HeadersConfig::from_params(&ChainParams::mainnet());
        assert_eq!(config.max_future_seconds_at(Height(24_499)), 7200);
        assert_eq!(config.max_future_seconds_at(Height(24_500)), 600);
    }
}
