//! Mainnet, as of the reference node of May 2026.

use super::literal::{block_hash, bytes};
use super::{
    AttestationParams, BLOCK_TIME, COINBASE_MATURITY, ChainParams, Checkpoint, ConsensusParams,
    DevFundParams, EASIEST_BITS, GenesisParams, HALVING_INTERVAL, HARDEST_BITS, INITIAL_SUBSIDY,
    MAINNET_MIN_PEER_VERSION, MAINNET_PROTOCOL_VERSION, MAX_FUTURE_SECONDS, MAX_REORG_DEPTH, MikParams,
    Policy, RANDOMX_KEY, RETARGET_INTERVAL, TransactionParams,
};
use crate::hash::BlockHash;
use crate::height::Height;
use crate::limits::Limits;
use crate::magic::Magic;

pub(super) const NAME: &str = "mainnet";

pub(super) const GENESIS: BlockHash =
    block_hash("0000009eaa5e7781ba6d14525c3f75c35444045b21ddafbbea61090db99b0bc3");

/// Up to here targets and identities are not checked (spec: consensus §0, §13.4).
const ASSUME_VALID: Height = Height(44_000);
/// A rule that is switched off.
const NEVER: Height = Height(999_999_999);

const CHECKPOINTS: [(u32, BlockHash); 14] = [
    (1000, block_hash("000000006c282edbcc0f2eee5b0f8c8feb62c73d3787137037e589db99cab59f")),
    (2000, block_hash("0000002c86158454f79a22a31dcabcaca7861f7e95e98275439dd66f4f9e8b4d")),
    (5000, block_hash("00000152698282228ce368858d4070bc9da937ff2ed5c6276adf45dd9d299ee9")),
    (10_000, block_hash("000032dc7d684254b446b7568ec895b3279e1230d5a6b6a42e5552e1d45f8402")),
    (11_000, block_hash("000009628d3af9adef443ee681d19e4ff7c9d8f56a0b05acce8f55e43f88a6cf")),
    (13_000, block_hash("000001fe5b08776d2f96e3fca8a30ad4113e8e2d998f800e70b06e73454380c7")),
    (16_500, block_hash("000000b37d07c641b2b0e18ff7931300ac76ee083eae2522632b343ee221475f")),
    (18_500, block_hash("0000000c9cbfc8c909156c22b37437183ece80257851d5dc324312497d3f2a37")),
    (23_000, block_hash("00000a5bbef0e203c6b013976bbe4a3afc401975d5d4405298691d6620f47fa6")),
    (24_476, block_hash("000007289cc3fdbe88a572d84f974a49fb962eda7412312c28930153ae52d611")),
    (30_000, block_hash("0000000f1cadcbc897976ebe04f1171a5d591ebdb580bdd229d2e310f1a09f05")),
    (34_000, block_hash("00000009b2312644f10b286934ed982520e92aaa54b2736e46f365a77bd92d98")),
    (40_000, block_hash("000000271909e84a5a31fe60c27a9e40a2a51828efc89c6af059a2db2f6e2576")),
    (44_000, block_hash("0000002751fc99551f4fce1f2e92053b2432788f1dc12412fd81223204d11377")),
];

/// Bytes of an ML-DSA-65 public key.
const PUBLIC_KEY_BYTES: usize = 1952;

/// Keys of the four seeds in New York, London, Singapore and Sydney (spec: consensus §13.5).
static SEED_KEYS: [[u8; PUBLIC_KEY_BYTES]; 4] = [
    bytes(include_bytes!("keys/seed0.hex")),
    bytes(include_bytes!("keys/seed1.hex")),
    bytes(include_bytes!("keys/seed2.hex")),
    bytes(include_bytes!("keys/seed3.hex")),
];

impl ChainParams {
    /// Mainnet (spec: wire §1.1, §3, §4; consensus §2, §3, §13, §14).
    #[must_use]
    pub fn mainnet() -> Self {
        Self {
            name: NAME.to_owned(),
            magic: Magic::MAINNET,
            p2p_port: 8444,
            rpc_port: 8332,
            chain_id: 1,
            protocol_version: MAINNET_PROTOCOL_VERSION,
            min_peer_version: MAINNET_MIN_PEER_VERSION,
            version_carries_genesis: true,
            randomx_key: RANDOMX_KEY.to_vec(),
            seeds: ["138.197.68.128", "167.172.56.119", "165.22.103.114", "134.199.159.83"]
                .map(|ip| format!("{ip}:8444"))
                .to_vec(),
            dns_seeds: ["seed.dilithion.org", "seed1.dilithion.org", "seed2.dilithion.org"]
                .map(str::to_owned)
                .to_vec(),
            genesis: GenesisParams {
                version: 1,
                time: 1_737_158_400,
                bits: 0x1e01_fffe,
                nonce: 429_612_875,
                coinbase_message:
                    "Dilithion Mainnet v2.0.0 - Fair Launch Reset - Quantum-Resistant Digital Gold".to_owned(),
                coinbase_value: INITIAL_SUBSIDY,
                hash: GENESIS,
            },
            consensus: consensus(),
            transactions: TransactionParams::MAINNET,
            policy: Policy::Strict,
            checkpoints: CHECKPOINTS
                .map(|(height, hash)| Checkpoint { height: Height(height), hash })
                .to_vec(),
            limits: Limits::MAINNET,
            dev_fund: Some(DevFundParams {
                fund_hash160: const { bytes(b"96859a6f0bf280b95e36bbe6af01025f9ed45fce") },
                reward_hash160: const { bytes(b"e27c4c3fd64a06c96a1185a3ccc20cc69693a1d5") },
                percent: 2,
                height: Height(1),
            }),
            mik: Some(mik()),
            attestation: Some(AttestationParams {
                height: Height(40_000),
                window_seconds: 3600,
                required: 3,
                public_keys: SEED_KEYS.iter().map(|key| key.to_vec()).collect(),
            }),
        }
    }
}

fn consensus() -> ConsensusParams {
    ConsensusParams {
        block_time: BLOCK_TIME,
        retarget_interval: RETARGET_INTERVAL,
        enforce_bits_above: Some(ASSUME_VALID),
        hardest_bits: HARDEST_BITS,
        easiest_bits: EASIEST_BITS,
        halving_interval: HALVING_INTERVAL,
        initial_subsidy: INITIAL_SUBSIDY,
        coinbase_maturity: COINBASE_MATURITY,
        max_block_bytes: 4_194_304,
        vdf_header_version: Limits::MAINNET.vdf_header_version,
        bip30: false,
        max_future_seconds: MAX_FUTURE_SECONDS,
        max_reorg_depth: Some(MAX_REORG_DEPTH),
        retarget_interval_v2: Some(360),
        difficulty_v2_height: Some(Height(18_500)),
        difficulty_v2_max_change: Some(2),
        difficulty_v3_height: Some(Height(20_520)),
        eda_height: Some(Height(7034)),
        compact_fix_height: Some(Height(18_500)),
        asert_height: Some(Height(23_040)),
        timestamp_rules_height: Some(Height(24_500)),
        asert_half_life: Some(34_560),
    }
}

fn mik() -> MikParams {
    MikParams {
        dfmp_height: Height::GENESIS,
        assume_valid_height: ASSUME_VALID,
        dfmp_v3_height: Height(7000),
        registration_pow_bits: 28,
        dna_commitment_height: Height(40_000),
        dynamic_scaling_height: Height(7100),
        dfmp_v31_height: Height(7168),
        dfmp_v32_height: Height(13_250),
        dfmp_v33_height: Height(13_500),
        dfmp_v34_height: NEVER,
        observation_window: 360,
        dormancy_threshold: 720,
        dormancy_decay: 400,
        signature_search_seconds: 180,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha3_256;

    #[test]
    fn seed_keys_have_the_published_digests() {
        let keys = ChainParams::mainnet().attestation.unwrap().public_keys;
        let digests: Vec<String> = keys.iter().map(|key| hex::encode(&sha3_256(key)[..4])).collect();
        assert_eq!(digests, ["b1cad837", "1235e844", "9e773b2c", "5ca60a25"]);
    }
}
