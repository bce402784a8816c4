//! What a block says about its miner, as far as the store cares.

use std::sync::Arc;

use dilithion_wire::Block;

use crate::dfmp::Mined;
use crate::mik::{Identity, Section, SectionKind};
use crate::signature::PUBLIC_KEY_BYTES;

/// Miner and payee of a block, and the miner's key if the block brings it. Whether any of it is true does not matter here:
/// where the network tolerates what stands there, it counts all the same (spec: consensus §13.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockMiner {
    pub(crate) mined: Mined,
    pub(crate) public_key: Option<Arc<[u8; PUBLIC_KEY_BYTES]>>,
}

impl BlockMiner {
    /// Of a block; `None` if its coinbase names no miner.
    pub(crate) fn of(block: &Block) -> Option<Self> {
        let section = Section::of_block(block)?;
        let public_key = match section.kind {
            SectionKind::Registration { public_key, .. } => Some(Arc::new(*public_key)),
            SectionKind::Reference { .. } => None,
        };
        let mined = Mined { miner: section.identity(), payee: Identity::paid_by(block) };
        Some(Self { mined, public_key })
    }
}
