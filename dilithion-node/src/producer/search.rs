//! The search for a nonce.

use dilithion_pow::{HashWorker, Target};
use dilithion_wire::{BlockHash, BlockHeader};

/// Tries nonces from the header's own on until its hash meets a target, and leaves that nonce in the header. Gives up with
/// `None` when `go_on` says so, which is asked before each hash, or when there are no more nonces.
pub fn search(
    header: &mut BlockHeader,
    target: &Target,
    worker: &mut dyn HashWorker,
    mut go_on: impl FnMut() -> bool,
) -> Option<BlockHash> {
    while go_on() {
        let hash = worker.hash(&header.to_bytes());
        if target.is_met_by(&hash) {
            return Some(BlockHash::from_bytes(hash));
        }
        header.nonce = header.nonce.checked_add(1)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use dilithion_pow::{CompactTarget, Hasher, MockHasher};
    use dilithion_wire::ChainParams;

    use super::*;

    #[test]
    fn the_nonce_found_is_the_first_that_meets_the_target() {
        let hasher = MockHasher::default();
        let mut header = ChainParams::regtest().genesis_header();
        let target = CompactTarget(header.bits).target();
        let hash = search(&mut header, &target, hasher.worker().unwrap().as_mut(), || true).unwrap();
        assert_eq!(hash.to_bytes(), MockHasher::mix(&header.to_bytes()));
        let good = |nonce| target.is_met_by(&MockHasher::mix(&BlockHeader { nonce, ..header }.to_bytes()));
        assert_eq!((0..).find(|nonce| good(*nonce)), Some(header.nonce));
        assert_eq!(hasher.count(), u64::from(header.nonce) + 1);
    }

    #[test]
    fn a_search_ends_when_it_is_told_to_or_has_no_more_nonces() {
        let hasher = MockHasher::new(|_| [0xff; 32]);
        let mut worker = hasher.worker().unwrap();
        let mut header = ChainParams::regtest().genesis_header();
        let target = CompactTarget(header.bits).target();
        let mut left = 100;
        assert_eq!(
            search(&mut header, &target, worker.as_mut(), || {
                left -= 1;
                left > 0
            }),
            None
        );
        assert_eq!(header.nonce, 99);
        header.nonce = u32::MAX - 1;
        assert_eq!(search(&mut header, &target, worker.as_mut(), || true), None);
        assert_eq!(hasher.count(), 99 + 2);
    }
}
