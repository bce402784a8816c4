//! What is known about the miner of the next block.

use std::sync::Arc;

use dilithion_wire::Height;

use crate::signature::PUBLIC_KEY_BYTES;

/// What the chain below a block says about its miner and about whom the block pays. The default is that of somebody who was
/// never heard of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The miner's key, if a block registered it.
    pub public_key: Option<Arc<[u8; PUBLIC_KEY_BYTES]>>,
    /// The first block of the miner.
    pub first_seen: Option<Height>,
    /// The last block of the miner.
    pub last_mined: Option<Height>,
    /// How many of the last blocks, as many as are observed, the miner made.
    pub mined: u32,
    /// How many of them paid whom this block pays. Blocks without an identity do not count.
    pub paid: u32,
    /// How many different miners made them.
    pub miners: u32,
    /// How many different payees they had.
    pub payees: u32,
}
