//! Chain files: the parameters of any other network, in TOML.

use serde::de::{self, Deserialize, Deserializer};
use thiserror::Error;

use super::mainnet::{NEVER, PUBLIC_KEY_BYTES};
use super::{
    AttestationParams, ChainParams, Checkpoint, ConsensusParams, DevFundParams, GenesisParams,
    MAX_FUTURE_SECONDS, MAX_REORG_DEPTH, MIN_PEER_VERSION, MikParams, PROTOCOL_VERSION, Policy,
    TransactionParams,
};
use crate::amount::Amount;
use crate::height::Height;
use crate::limits::Limits;
use crate::magic::Magic;

/// Most leading zero bits that a registration may be asked for: nobody finds more.
const MAX_REGISTRATION_BITS: u32 = 64;
/// Most blocks over which those of a miner may be counted, all of which are held in memory.
const MAX_OBSERVATION_WINDOW: u32 = 10_000;
/// Most seconds that a miner's signature may be searched for, each of which may cost a verification.
const MAX_SIGNATURE_SEARCH: u32 = 3600;
/// Most seeds that can vouch for a miner.
const MAX_SEEDS: u32 = 256;

/// Why a chain file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainFileError {
    /// It is no TOML, or a key is missing, unknown or of the wrong type. The text shows the line.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A value makes no sense.
    #[error("`{key}` {reason}")]
    Value {
        /// Where it is.
        key: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl ChainParams {
    /// Reads a chain file. Integers may be written in hexadecimal, hashes are in display order, and unknown keys are
    /// refused. All keys of the built-in networks can be given; these may be left out:
    ///
    /// * `protocol_version` and `min_peer_version`, 70001 each; `version_carries_genesis`, false;
    /// * `seeds`, `dns_seeds`, `[[checkpoints]]`, and the sections `[dev_fund]`, `[mik]`, `[attestation]`;
    /// * `consensus.max_future_seconds`, 7200, `consensus.max_reorg_depth`, 100, and the keys of `[consensus]` for the later difficulty rules;
    /// * `policy`, "strict"; `[transactions]` and each key in it: mainnet's with `[mik]`, else the testnet's;
    /// * `[limits]` and each key in it: mainnet's script sizes with `[mik]`, whose data is in scripts, else the
    ///   testnet's; `consensus.max_block_bytes` for the size of a block's transactions.
    ///
    /// # Errors
    ///
    /// [`ChainFileError`], naming the key. Whether `genesis.hash` is the hash of the genesis block is not checked here:
    /// that takes RandomX.
    pub fn from_toml(text: &str) -> Result<Self, ChainFileError> {
        let file: ChainFile = toml::from_str(text)?;
        file.check()?;
        Ok(file.into_params())
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainFile {
    name: String,
    magic: Magic,
    p2p_port: u16,
    rpc_port: u16,
    chain_id: u32,
    #[serde(default = "protocol_version")]
    protocol_version: i32,
    #[serde(default = "min_peer_version")]
    min_peer_version: i32,
    #[serde(default)]
    version_carries_genesis: bool,
    randomx_key: String,
    #[serde(default)]
    seeds: Vec<String>,
    #[serde(default)]
    dns_seeds: Vec<String>,
    genesis: GenesisParams,
    consensus: ConsensusParams,
    #[serde(default)]
    checkpoints: Vec<Checkpoint>,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    transactions: TransactionsSection,
    #[serde(default)]
    limits: LimitsSection,
    dev_fund: Option<DevFundParams>,
    mik: Option<MikParams>,
    attestation: Option<AttestationParams>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    max_blob_bytes: Option<usize>,
    max_script_sig: Option<usize>,
    max_script_pubkey: Option<usize>,
    max_coinbase_script: Option<usize>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionsSection {
    min_fee: Option<Amount>,
    base_fee: Option<Amount>,
    fee_per_byte: Option<Amount>,
    max_fee: Option<Amount>,
    dust: Option<Amount>,
    unspendable_dust: Option<bool>,
    key_hash_outputs_only: Option<bool>,
    relative_locks: Option<bool>,
    pushed_signatures: Option<bool>,
}

impl ChainFile {
    /// Refuses what others may divide by or search in.
    fn check(&self) -> Result<(), ChainFileError> {
        let consensus = &self.consensus;
        let wrong = |key, reason| Err(ChainFileError::Value { key, reason });
        for (key, value) in [
            ("consensus.block_time", Some(consensus.block_time)),
            ("consensus.retarget_interval", Some(consensus.retarget_interval)),
            ("consensus.halving_interval", Some(consensus.halving_interval)),
            ("consensus.max_block_bytes", Some(consensus.max_block_bytes)),
            ("consensus.retarget_interval_v2", consensus.retarget_interval_v2),
            ("consensus.difficulty_v2_max_change", consensus.difficulty_v2_max_change),
            ("consensus.asert_half_life", consensus.asert_half_life),
        ] {
            if value == Some(0) {
                return wrong(key, "must not be 0");
            }
        }
        if consensus.hardest_bits > consensus.easiest_bits {
            return wrong("consensus.hardest_bits", "is above easiest_bits");
        }
        for (key, value) in [
            ("consensus.initial_subsidy", consensus.initial_subsidy),
            ("genesis.coinbase_value", self.genesis.coinbase_value),
        ] {
            if value > Amount::MAX_MONEY {
                return wrong(key, "is more money than there is");
            }
        }
        let transactions = self.transactions();
        if transactions.min_fee > transactions.max_fee {
            return wrong("transactions.min_fee", "is above max_fee");
        }
        if !self.checkpoints.is_sorted_by(|low, high| low.height < high.height) {
            return wrong("checkpoints", "are not in ascending order of height");
        }
        if self.protocol_version < self.min_peer_version {
            return wrong("protocol_version", "is below min_peer_version");
        }
        self.check_miners()
    }

    /// Refuses rules about miners that no block could keep, or that nobody could check.
    fn check_miners(&self) -> Result<(), ChainFileError> {
        let wrong = |key, reason| Err(ChainFileError::Value { key, reason });
        if self.dev_fund.as_ref().is_some_and(|fund| fund.percent > 100) {
            return wrong("dev_fund.percent", "is above 100");
        }
        if let Some(mik) = &self.mik {
            if !(1..=MAX_REGISTRATION_BITS).contains(&mik.registration_pow_bits) {
                return wrong("mik.registration_pow_bits", "must be 1 to 64");
            }
            if !(1..=MAX_OBSERVATION_WINDOW).contains(&mik.observation_window) {
                return wrong("mik.observation_window", "must be 1 to 10000");
            }
            if mik.signature_search_seconds > MAX_SIGNATURE_SEARCH {
                return wrong("mik.signature_search_seconds", "is above 3600");
            }
            if mik.dfmp_v34_height < NEVER {
                return wrong(
                    "mik.dfmp_v34_height",
                    "is below 999999999: who is verified is not in the chain",
                );
            }
        }
        let Some(attestation) = &self.attestation else { return Ok(()) };
        if self.mik.is_none() {
            return wrong("attestation", "is of no use without [mik]");
        }
        if attestation.public_keys.iter().any(|key| key.len() != PUBLIC_KEY_BYTES) {
            return wrong("attestation.public_keys", "are not all of 1952 bytes");
        }
        // Seeds are numbered by one byte.
        let keys = u32::try_from(attestation.public_keys.len()).unwrap_or(u32::MAX);
        if keys > MAX_SEEDS {
            return wrong("attestation.public_keys", "are more than 256");
        }
        if attestation.required > keys {
            return wrong("attestation.required", "is above the number of keys");
        }
        Ok(())
    }

    fn into_params(self) -> ChainParams {
        let limits = self.limits();
        let transactions = self.transactions();
        ChainParams {
            name: self.name,
            magic: self.magic,
            p2p_port: self.p2p_port,
            rpc_port: self.rpc_port,
            chain_id: self.chain_id,
            protocol_version: self.protocol_version,
            min_peer_version: self.min_peer_version,
            version_carries_genesis: self.version_carries_genesis,
            randomx_key: self.randomx_key.into_bytes(),
            seeds: self.seeds,
            dns_seeds: self.dns_seeds,
            genesis: self.genesis,
            consensus: self.consensus,
            transactions,
            policy: self.policy,
            checkpoints: self.checkpoints,
            limits,
            dev_fund: self.dev_fund,
            mik: self.mik,
            attestation: self.attestation,
        }
    }

    fn transactions(&self) -> TransactionParams {
        let base = if self.mik.is_some() { TransactionParams::MAINNET } else { TransactionParams::TESTNET };
        let given = &self.transactions;
        TransactionParams {
            min_fee: given.min_fee.unwrap_or(base.min_fee),
            base_fee: given.base_fee.unwrap_or(base.base_fee),
            fee_per_byte: given.fee_per_byte.unwrap_or(base.fee_per_byte),
            max_fee: given.max_fee.unwrap_or(base.max_fee),
            dust: given.dust.unwrap_or(base.dust),
            unspendable_dust: given.unspendable_dust.unwrap_or(base.unspendable_dust),
            key_hash_outputs_only: given.key_hash_outputs_only.unwrap_or(base.key_hash_outputs_only),
            relative_locks: given.relative_locks.unwrap_or(base.relative_locks),
            pushed_signatures: given.pushed_signatures.unwrap_or(base.pushed_signatures),
        }
    }

    fn limits(&self) -> Limits {
        let base = if self.mik.is_some() { Limits::MAINNET } else { Limits::TESTNET };
        let max_block_bytes = usize::try_from(self.consensus.max_block_bytes).unwrap_or(usize::MAX);
        let given = &self.limits;
        Limits {
            max_blob_bytes: given.max_blob_bytes.unwrap_or(max_block_bytes),
            max_script_sig: given.max_script_sig.unwrap_or(base.max_script_sig),
            max_script_pubkey: given.max_script_pubkey.unwrap_or(base.max_script_pubkey),
            max_coinbase_script: given.max_coinbase_script.unwrap_or(base.max_coinbase_script),
            vdf_header_version: self.consensus.vdf_header_version,
        }
    }
}

fn protocol_version() -> i32 {
    PROTOCOL_VERSION
}

fn min_peer_version() -> i32 {
    MIN_PEER_VERSION
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the field")]
pub(super) const fn max_reorg_depth() -> Option<u32> {
    Some(MAX_REORG_DEPTH)
}

pub(super) fn max_future_seconds() -> u32 {
    MAX_FUTURE_SECONDS
}

/// `true` means above genesis, `false` nowhere.
pub(super) fn enforce_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Height>, D::Error> {
    bool::deserialize(deserializer).map(|enforce| enforce.then_some(Height::GENESIS))
}

/// A list of ML-DSA-65 public keys, as hex.
pub(super) fn public_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| hex::decode(text).map_err(de::Error::custom)).collect()
}
