//! A network for tests, where every block is easy.

use super::literal::block_hash;
use super::{ChainParams, ConsensusParams, GenesisParams, INITIAL_SUBSIDY};
use crate::hash::BlockHash;
use crate::magic::Magic;

pub(super) const NAME: &str = "regtest";

/// One hash in four is below it.
const BITS: u32 = 0x203f_ffff;
/// RandomX of the header that [`GenesisParams::block`] makes.
const GENESIS: BlockHash = block_hash("7f7173f6c8725b8ad0618a6b0960502bb17bc1cb74a9ba171a01a7c072405a51");

impl ChainParams {
    /// A network of one's own: the testnet's rules, but with blocks that take four hashes, the same target for ever, and
    /// a subsidy that halves every 150 blocks, as in Bitcoin. The reference nodes have none, so all but the magic (spec:
    /// wire §1.1) is chosen here. Nobody is on it unless told to be: it has no seeds.
    #[must_use]
    pub fn regtest() -> Self {
        let testnet = Self::testnet();
        Self {
            name: NAME.to_owned(),
            magic: Magic::REGTEST,
            p2p_port: 28444,
            rpc_port: 28332,
            chain_id: 1002,
            seeds: Vec::new(),
            dns_seeds: Vec::new(),
            genesis: GenesisParams {
                version: 1,
                time: 1_730_000_000,
                bits: BITS,
                nonce: 0,
                coinbase_message: "Dilithion regtest".to_owned(),
                coinbase_value: INITIAL_SUBSIDY,
                hash: GENESIS,
            },
            consensus: ConsensusParams {
                // No height is a multiple of it but genesis.
                retarget_interval: u32::MAX,
                enforce_bits_above: Some(crate::Height::GENESIS),
                hardest_bits: BITS,
                easiest_bits: BITS,
                halving_interval: 150,
                ..testnet.consensus
            },
            checkpoints: Vec::new(),
            ..testnet
        }
    }
}
