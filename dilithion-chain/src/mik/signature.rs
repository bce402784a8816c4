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

    /// For which time a signature is the key owner's, if for any: one of [`signing_times`](Self::signing_times). For the
    /// block's own time it takes one verification; a wrong signature takes one for each of them.
    #[must_use]
    pub fn signing_time(
        &self,
        public_key: &[u8; PUBLIC_KEY_BYTES],
        signature: &[u8; SIGNATURE_BYTES],
        block_time: u32,
        search: u32,
    ) -> Option<u32> {
        Self::signing_times(block_time, search)
            .find(|time| verify(public_key, &self.message(*time), signature))
    }

    /// The times that a miner may have signed for: that of the block, or, since miners move the time of a block on after they
    /// signed it, one of the `search` seconds before, but not time 0 (spec: mainnet-node §2.7).
    ///
    /// The likeliest come first, as each costs a verification: the block's own, then the earliest, where miners stop who move
    /// the time on as far as it goes, then the others from the latest on. Which of them a block may be signed for, the order
    /// does not change.
    pub fn signing_times(block_time: u32, search: u32) -> impl Iterator<Item = u32> {
        let earlier = move |age: u32| block_time.checked_sub(age).filter(|time| *time > 0);
        let earliest = Some(search).filter(|age| *age > 0).and_then(earlier);
        iter::once(block_time).chain(earliest).chain((1..search).map_while(earlier))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    #[test]
    fn the_likeliest_times_come_first() {
        let times = |time, search| SignedBlock::signing_times(time, search).collect::<Vec<_>>();
        assert_eq!(times(1000, 4), [1000, 996, 999, 998, 997]);
        assert_eq!(times(1000, 1), [1000, 999]);
        assert_eq!(times(1000, 0), [1000]);
        assert_eq!(times(3, 180), [3, 2, 1]);
        assert_eq!(times(0, 180), [0]);
    }

    /// Whether they are the block's time and those of the seconds before, down to time 1, each once.
    fn each_comes_once(time: u32, search: u8) -> bool {
        let search = u32::from(search);
        let ages = (0..=search).filter(|age| *age == 0 || *age < time);
        let expected: BTreeSet<u32> = ages.map(|age| time - age).collect();
        let times: Vec<u32> = SignedBlock::signing_times(time, search).collect();
        times.len() == expected.len() && times.into_iter().collect::<BTreeSet<_>>() == expected
    }

    quickcheck! {
        fn none_is_left_out(time: u32, search: u8) -> bool {
            each_comes_once(time, search)
        }

        fn none_is_left_out_near_the_beginning_of_time(time: u8, search: u8) -> bool {
            each_comes_once(time.into(), search)
        }
    }
}
