//! The miner's signature of its block.

use std::iter;

use dilithion_wire::{BlockHash, Height, sha3_256};

use super::identity::Identity;
use crate::signature::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verify};

/// Bytes of what is hashed: parent, height, time, identity.
const PREIMAGE_BYTES: usize = 32 + 4 + 4 + Identity::SIZE;

/// What a miner signs of its block: place, time and who it is. Nothing of what the block contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBlock {
    /// The block below.
    pub parent: BlockHash,
    /// Height of the block.
    pub height: Height,
    /// The miner.
    pub identity: Identity,
}

impl SignedBlock {
    /// The 32 bytes that are signed for one time: SHA3-256 of parent, height, time and identity, integers little-endian
    /// (spec: consensus §13.2).
    #[must_use]
    pub fn message(&self, time: u32) -> [u8; 32] {
        let mut preimage = Vec::with_capacity(PREIMAGE_BYTES);
        preimage.extend_from_slice(self.parent.as_bytes());
        preimage.extend_from_slice(&self.height.0.to_le_bytes());
        preimage.extend_from_slice(&time.to_le_bytes());
        preimage.extend_from_slice(self.identity.as_bytes());
        sha3_256(&preimage)
    }

    /// For which time a signature is the key owner's, if for any: that of the block, or, since miners move the time of a
    /// block on after they signed it, the latest of the `search` seconds before. Time 0 is not searched for.
    ///
    /// A signature for the block's own time takes one verification; a wrong one takes `search` more.
    #[must_use]
    pub fn signing_time(
        &self,
        public_key: &[u8; PUBLIC_KEY_BYTES],
        signature: &[u8; SIGNATURE_BYTES],
        block_time: u32,
        search: u32,
    ) -> Option<u32> {
        let earlier = (1..=search).map_while(|age| block_time.checked_sub(age)).take_while(|time| *time > 0);
        iter::once(block_time).chain(earlier).find(|time| verify(public_key, &self.message(*time), signature))
    }
}
