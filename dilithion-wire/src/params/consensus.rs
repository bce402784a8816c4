//! The rules that differ between networks. A height is the first at which its rule holds.

use crate::amount::Amount;
use crate::hash::BlockHash;
use crate::height::Height;

#[cfg(feature = "chain-file")]
use super::file;

/// Rules of the chain (spec: consensus §4–§7, §12).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct ConsensusParams {
    /// Seconds between blocks that the difficulty aims at.
    pub block_time: u32,
    /// Blocks between two changes of the difficulty.
    pub retarget_interval: u32,
    /// Above this height the target of a block must be the computed one; `None`: nowhere, since the miners of the
    /// testnet do not compute it (spec: consensus §0). A chain file says `enforce_bits = true` for above genesis.
    #[cfg_attr(
        feature = "chain-file",
        serde(rename = "enforce_bits", deserialize_with = "file::enforce_bits")
    )]
    pub enforce_bits_above: Option<Height>,
    /// Lower clamp of a computed target, compared as a number.
    pub hardest_bits: u32,
    /// Upper clamp of a computed target, compared as a number.
    pub easiest_bits: u32,
    /// Blocks after which the subsidy halves.
    pub halving_interval: u32,
    /// Subsidy of the first blocks.
    pub initial_subsidy: Amount,
    /// Blocks until the outputs of a coinbase may be spent.
    pub coinbase_maturity: u32,
    /// Most bytes of a block.
    pub max_block_bytes: u32,
    /// Headers of this version and above have 144 bytes; 0: all have 80 (spec: consensus §1).
    pub vdf_header_version: i32,
    /// Whether a transaction must not repeat the id of one with unspent outputs.
    pub bip30: bool,
    /// How far the time of a block may be ahead, in seconds (spec: consensus §5b).
    #[cfg_attr(feature = "chain-file", serde(default = "file::max_future_seconds"))]
    pub max_future_seconds: u32,
    /// Most blocks that are disconnected for a branch with more work; `None`: any number (spec: consensus §0).
    #[cfg_attr(feature = "chain-file", serde(default = "file::max_reorg_depth"))]
    pub max_reorg_depth: Option<u32>,
    /// Blocks between two changes of the difficulty from [`difficulty_v2_height`](Self::difficulty_v2_height) on.
    pub retarget_interval_v2: Option<u32>,
    /// Shorter retarget interval and narrower clamp (spec: consensus §12.3).
    pub difficulty_v2_height: Option<Height>,
    /// The factor by which a version 2 retarget changes the target at most.
    pub difficulty_v2_max_change: Option<u32>,
    /// The wide clamp again, and a later emergency adjustment (spec: consensus §12.3).
    pub difficulty_v3_height: Option<Height>,
    /// Emergency adjustment after a long gap (spec: consensus §12.3a).
    pub eda_height: Option<Height>,
    /// Compact targets are written without the sign-bit flaw (spec: consensus §4).
    pub compact_fix_height: Option<Height>,
    /// ASERT; its anchor is the block before (spec: consensus §12.1).
    pub asert_height: Option<Height>,
    /// Rules for block times, and ASERT anchored anew at the block before (spec: consensus §12.1).
    pub timestamp_rules_height: Option<Height>,
    /// Half-life of ASERT, in seconds.
    pub asert_half_life: Option<u32>,
}

/// A block that belongs to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Checkpoint {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
}

/// Outputs that every coinbase must have (spec: consensus §13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct DevFundParams {
    /// Key hash of the fund.
    #[cfg_attr(feature = "chain-file", serde(deserialize_with = "crate::serde_hex::deserialize"))]
    pub fund_hash160: [u8; 20],
    /// Key hash of the developers' reward.
    #[cfg_attr(feature = "chain-file", serde(deserialize_with = "crate::serde_hex::deserialize"))]
    pub reward_hash160: [u8; 20],
    /// What both together get of the subsidy, in percent.
    pub percent: u32,
    /// First height.
    pub height: Height,
}

/// Identities of miners (MIK) and the handicap of those who mine much (DFMP; spec: consensus §13.2–§13.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct MikParams {
    /// Handicaps begin.
    pub dfmp_height: Height,
    /// Up to this height identities are recorded, not checked.
    pub assume_valid_height: Height,
    /// Version 3 of the handicap; registrations need a proof of work.
    pub dfmp_v3_height: Height,
    /// Leading zero bits of that proof.
    pub registration_pow_bits: u32,
    /// Registrations may commit to a DNA hash.
    pub dna_commitment_height: Height,
    /// Free blocks depend on the number of miners.
    pub dynamic_scaling_height: Height,
    /// Version 3.1 of the handicap.
    pub dfmp_v31_height: Height,
    /// Version 3.2 of the handicap.
    pub dfmp_v32_height: Height,
    /// Version 3.3 of the handicap.
    pub dfmp_v33_height: Height,
    /// Version 3.4 of the handicap.
    pub dfmp_v34_height: Height,
    /// Blocks over which an identity's blocks are counted.
    pub observation_window: u32,
    /// Blocks without one of its own after which an identity is dormant.
    pub dormancy_threshold: u32,
    /// Age in blocks that a dormant identity is left with.
    pub dormancy_decay: u32,
    /// How many seconds before the block's an identity's signature may be dated.
    pub signature_search_seconds: u32,
}

/// Attestations that a registration must carry (spec: consensus §13.5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "chain-file", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct AttestationParams {
    /// First height.
    pub height: Height,
    /// Age in seconds that an attestation may have.
    pub window_seconds: u32,
    /// How many attestations of different seeds are needed.
    pub required: u32,
    /// ML-DSA-65 public keys of the seeds, by their number.
    #[cfg_attr(feature = "chain-file", serde(deserialize_with = "file::public_keys"))]
    pub public_keys: Vec<Vec<u8>>,
}
