//! The testnet, as of the reference node of December 2025.

use super::literal::block_hash;
use super::{
    BLOCK_TIME, COINBASE_MATURITY, ChainParams, Checkpoint, ConsensusParams, EASIEST_BITS, GenesisParams,
    HALVING_INTERVAL, HARDEST_BITS, INITIAL_SUBSIDY, MAX_FUTURE_SECONDS, MAX_REORG_DEPTH, MIN_PEER_VERSION,
    PROTOCOL_VERSION, Policy, RANDOMX_KEY, RETARGET_INTERVAL, TransactionParams,
};
use crate::hash::BlockHash;
use crate::height::Height;
use crate::limits::Limits;
use crate::magic::Magic;

pub(super) const NAME: &str = "testnet";

/// What the reference node computes, not the `0000ee28…` in its parameters, which belongs to an earlier message.
pub(super) const GENESIS: BlockHash =
    block_hash("411c351d903c4bcc1ba0fe5c47a2056974fbb0bdb191dc25339a1b393c29e8fc");
/// The testnet of release 1.0.14, whose genesis block carries another message (spec: consensus §2).
pub(super) const GENESIS_V1014: BlockHash =
    block_hash("0000ee281e9c4a9216ed662146da376ff20fd2b3cc516bc4346cedb2a330e6d3");

const CHECKPOINTS: [(u32, BlockHash); 3] = [
    (1000, block_hash("0000cb60f4051a278b03a4133a6cefda689a5788a215c6209b160a9be632b5ca")),
    (2000, block_hash("000099b421f37840b53ec623a201c817a7ea9fcfa48e69e5c3461727fd92282f")),
    (3000, block_hash("00002c1ca3bbbd9c7dd7b0903873b36724e1ee31c53f70ab7c81123228d9edb4")),
];

impl ChainParams {
    /// The testnet (spec: wire §1.1, §4; consensus §2, §3).
    ///
    /// The target of its blocks is not compared with the computed one, since its miners do not compute it.
    #[must_use]
    pub fn testnet() -> Self {
        let limits = Limits::TESTNET;
        Self {
            name: NAME.to_owned(),
            magic: Magic::TESTNET,
            p2p_port: 18444,
            rpc_port: 18332,
            chain_id: 1001,
            protocol_version: PROTOCOL_VERSION,
            min_peer_version: MIN_PEER_VERSION,
            version_carries_genesis: false,
            randomx_key: RANDOMX_KEY.to_vec(),
            seeds: ["134.122.4.164", "209.97.177.197", "188.166.255.63"]
                .map(|ip| format!("{ip}:18444"))
                .to_vec(),
            dns_seeds: ["seed.dilithion.com", "seed1.dilithion.com", "seed2.dilithion.com"]
                .map(str::to_owned)
                .to_vec(),
            genesis: GenesisParams {
                version: 1,
                time: 1_730_000_000,
                bits: 0x1f01_0000,
                nonce: 15178,
                coinbase_message: "Dilithion Testnet v1.0.15 - Bug #32 & #33 fixes (mining template + IBD)"
                    .to_owned(),
                coinbase_value: INITIAL_SUBSIDY,
                hash: GENESIS,
            },
            consensus: ConsensusParams {
                block_time: BLOCK_TIME,
                retarget_interval: RETARGET_INTERVAL,
                enforce_bits_above: None,
                hardest_bits: HARDEST_BITS,
                easiest_bits: EASIEST_BITS,
                halving_interval: HALVING_INTERVAL,
                initial_subsidy: INITIAL_SUBSIDY,
                coinbase_maturity: COINBASE_MATURITY,
                max_block_bytes: 1_000_000,
                vdf_header_version: limits.vdf_header_version,
                bip30: false,
                max_future_seconds: MAX_FUTURE_SECONDS,
                max_reorg_depth: Some(MAX_REORG_DEPTH),
                retarget_interval_v2: None,
                difficulty_v2_height: None,
                difficulty_v2_max_change: None,
                difficulty_v3_height: None,
                eda_height: None,
                compact_fix_height: None,
                asert_height: None,
                timestamp_rules_height: None,
                asert_half_life: None,
            },
            transactions: TransactionParams::TESTNET,
            policy: Policy::Strict,
            checkpoints: CHECKPOINTS
                .map(|(height, hash)| Checkpoint { height: Height(height), hash })
                .to_vec(),
            limits,
            dev_fund: None,
            mik: None,
            attestation: None,
        }
    }
}
