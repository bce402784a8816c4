//! What differs between networks, as data.

mod consensus;
#[cfg(feature = "chain-file")]
mod file;
mod genesis;
mod literal;
mod mainnet;
mod policy;
mod regtest;
mod testnet;
mod transactions;

pub use consensus::{AttestationParams, Checkpoint, ConsensusParams, DevFundParams, MikParams};
#[cfg(feature = "chain-file")]
pub use file::ChainFileError;
pub use genesis::GenesisParams;
pub use policy::Policy;
pub use transactions::TransactionParams;

use crate::amount::Amount;
use crate::block::Block;
use crate::hash::BlockHash;
use crate::header::BlockHeader;
use crate::height::Height;
use crate::limits::Limits;
use crate::magic::Magic;

/// Protocol version of the testnet and its kin (spec: wire §2).
pub const PROTOCOL_VERSION: i32 = 70_001;
/// Oldest protocol version that the testnet and its kin accept (spec: wire §2).
pub const MIN_PEER_VERSION: i32 = 70_001;
/// Protocol version of mainnet: new enough for every rule, and below 70011, which asks for signed extras (spec: wire
/// §3).
pub const MAINNET_PROTOCOL_VERSION: i32 = 70_010;
/// Oldest protocol version that mainnet accepts (spec: wire §3).
pub const MAINNET_MIN_PEER_VERSION: i32 = 70_005;

/// Key of the RandomX hash, the same on all networks (spec: consensus §1).
const RANDOMX_KEY: &[u8] = b"Dilithion-RandomX-v1";
/// Seconds between blocks that the difficulty aims at (spec: consensus §5).
const BLOCK_TIME: u32 = 240;
/// Blocks between two changes of the difficulty (spec: consensus §5).
const RETARGET_INTERVAL: u32 = 2016;
/// Lower clamp of a computed target, as a number (spec: consensus §4).
const HARDEST_BITS: u32 = 0x1d00_ffff;
/// Upper clamp of a computed target on the public networks (spec: consensus §4).
const EASIEST_BITS: u32 = 0x1f0f_ffff;
/// Blocks after which the subsidy halves (spec: consensus §7).
const HALVING_INTERVAL: u32 = 210_000;
/// Subsidy of the first blocks (spec: consensus §7).
const INITIAL_SUBSIDY: Amount = Amount(50 * Amount::COIN.0);
/// Blocks until the outputs of a coinbase may be spent (spec: consensus §6).
const COINBASE_MATURITY: u32 = 100;
/// How far the time of a block may be ahead (spec: consensus §5b).
const MAX_FUTURE_SECONDS: u32 = 7200;
/// Most blocks that a branch with more work may replace (spec: consensus §0).
const MAX_REORG_DEPTH: u32 = 100;

/// Parameters of a network. Three are built in; any other is a TOML file, read by
#[cfg_attr(feature = "chain-file", doc = "[`ChainParams::from_toml`].")]
#[cfg_attr(not(feature = "chain-file"), doc = "`ChainParams::from_toml` of the feature `chain-file`.")]
///
/// Another genesis block is another network: the testnet of release 1.0.14, for example, is the testnet with
/// [`GenesisParams::coinbase_message`] "Dilithion Testnet v1.0.14 - 6x difficulty increase for 60s block times" and
/// [`GenesisParams::hash`] `0000ee28…e6d3`, set in code or in a chain file (spec: consensus §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainParams {
    /// Name of the network.
    pub name: String,
    /// What every message begins with.
    pub magic: Magic,
    /// TCP port of the peer-to-peer protocol.
    pub p2p_port: u16,
    /// TCP port of the reference node's RPC.
    pub rpc_port: u16,
    /// Part of what is signed in a transaction (spec: consensus §9).
    pub chain_id: u32,
    /// The version we announce.
    pub protocol_version: i32,
    /// The oldest version of a peer that is of use.
    pub min_peer_version: i32,
    /// Whether peers demand the genesis hash in `version` (spec: wire §3).
    pub version_carries_genesis: bool,
    /// Key of the RandomX hash.
    pub randomx_key: Vec<u8>,
    /// Peers to begin with, as `ip:port`.
    pub seeds: Vec<String>,
    /// Names that resolve to peers.
    pub dns_seeds: Vec<String>,
    /// The first block.
    pub genesis: GenesisParams,
    /// Rules of the chain.
    pub consensus: ConsensusParams,
    /// Rules for transactions.
    pub transactions: TransactionParams,
    /// How much of the rules is enforced unless a node says otherwise.
    pub policy: Policy,
    /// Blocks that belong to the chain, by ascending height.
    pub checkpoints: Vec<Checkpoint>,
    /// Sizes of what travels.
    pub limits: Limits,
    /// Outputs that every coinbase must have, on networks with a development fund.
    pub dev_fund: Option<DevFundParams>,
    /// Identities of miners and their handicaps, on networks with them.
    pub mik: Option<MikParams>,
    /// Attestations that registrations of identities must carry, on networks with them.
    pub attestation: Option<AttestationParams>,
}

impl ChainParams {
    /// The built-in network of a name: `mainnet`, `testnet` or `regtest`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            mainnet::NAME => Some(Self::mainnet()),
            testnet::NAME => Some(Self::testnet()),
            regtest::NAME => Some(Self::regtest()),
            _ => None,
        }
    }

    /// The first block: one coinbase, which spends nothing and pays to nobody (spec: consensus §2).
    ///
    /// Whether RandomX of its header is [`GenesisParams::hash`] is not checked here.
    #[must_use]
    pub fn genesis_block(&self) -> Block {
        self.genesis.block()
    }

    /// Header of the first block.
    #[must_use]
    pub fn genesis_header(&self) -> BlockHeader {
        self.genesis_block().header
    }

    /// Whether this is a network of one's own: one whose genesis block is that of no public network. Only there nodes make
    /// blocks, and blocks carry [messages](crate::DataMessage).
    #[must_use]
    pub fn is_private(&self) -> bool {
        ![mainnet::GENESIS, testnet::GENESIS, testnet::GENESIS_V1014].contains(&self.genesis.hash)
    }

    /// The highest checkpoint.
    #[must_use]
    pub fn last_checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// Id of the block at `height`, if there is a checkpoint.
    #[must_use]
    pub fn checkpoint_at(&self, height: Height) -> Option<BlockHash> {
        let position = self.checkpoints.binary_search_by_key(&height, |checkpoint| checkpoint.height).ok()?;
        self.checkpoints.get(position).map(|checkpoint| checkpoint.hash)
    }

    /// What a block at `height` may create beyond the fees in it (spec: consensus §7).
    #[must_use]
    pub fn subsidy(&self, height: Height) -> Amount {
        // An interval of 0, which no chain file may have, means no halving.
        let halvings = height.0.checked_div(self.consensus.halving_interval).unwrap_or(0);
        Amount(self.consensus.initial_subsidy.0.checked_shr(halvings).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_by_name() {
        for name in ["mainnet", "testnet", "regtest"] {
            assert_eq!(ChainParams::by_name(name).unwrap().name, name);
        }
        assert_eq!(ChainParams::by_name("Mainnet"), None);
    }

    #[test]
    fn networks_cannot_be_mixed_up() {
        let all = [ChainParams::mainnet(), ChainParams::testnet(), ChainParams::regtest()];
        for (position, one) in all.iter().enumerate() {
            for other in &all[..position] {
                assert_ne!(one.magic, other.magic);
                assert_ne!(one.chain_id, other.chain_id);
                assert_ne!(one.p2p_port, other.p2p_port);
                assert_ne!(one.genesis.hash, other.genesis.hash);
            }
        }
    }

    #[test]
    fn private_networks_have_a_genesis_block_of_their_own() {
        assert!(ChainParams::regtest().is_private());
        assert!(!ChainParams::mainnet().is_private() && !ChainParams::testnet().is_private());
        let mut renamed = ChainParams::testnet();
        renamed.name = "private".to_owned();
        assert!(!renamed.is_private());
    }

    #[test]
    fn checkpoints_are_found_at_their_height_only() {
        let params = ChainParams::mainnet();
        assert!(params.checkpoints.is_sorted_by(|low, high| low.height < high.height));
        let last = params.last_checkpoint().unwrap();
        assert_eq!(last.height, Height(44_000));
        assert_eq!(params.checkpoint_at(Height(44_000)), Some(last.hash));
        assert_eq!(params.checkpoint_at(Height(43_999)), None);
        assert_eq!(ChainParams::regtest().last_checkpoint(), None);
    }

    #[test]
    fn the_subsidy_halves_until_nothing_is_left() {
        let mut params = ChainParams::regtest();
        assert_eq!(params.subsidy(Height(149)), Amount(50 * Amount::COIN.0));
        assert_eq!(params.subsidy(Height(150)), Amount(25 * Amount::COIN.0));
        assert_eq!(params.subsidy(Height(150 * 64)), Amount::ZERO);
        params.consensus.halving_interval = 0;
        assert_eq!(params.subsidy(Height(u32::MAX)), Amount(50 * Amount::COIN.0));
    }
}
