//! The commitment of a header to the transactions.

use crate::digest::sha3_256;
use crate::hash::{MerkleRoot, Txid};

/// Root of the merkle tree over transaction ids (spec: consensus §8): SHA3-256 of pairs, the last of an odd level paired
/// with itself. One id is its own root; none have the root zero.
///
/// Repeating the last transactions of a block can leave its root unchanged (CVE-2012-2459), so whoever relies on the
/// root has to refuse duplicate ids.
#[must_use]
pub fn merkle_root(txids: &[Txid]) -> MerkleRoot {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| txid.to_bytes()).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(parent).collect();
    }
    MerkleRoot::from_bytes(level.first().copied().unwrap_or_default())
}

/// Of a pair, or of one node that stands for both.
fn parent(nodes: &[[u8; 32]]) -> [u8; 32] {
    let mut pair = [0; 64];
    for (half, node) in pair.chunks_exact_mut(32).zip(nodes.iter().cycle()) {
        half.copy_from_slice(node);
    }
    sha3_256(&pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_trees() {
        let ids: Vec<Txid> = (1..=3).map(|byte| Txid::from_bytes([byte; 32])).collect();
        let node = |left: [u8; 32], right: [u8; 32]| sha3_256(&[left, right].concat());
        assert_eq!(merkle_root(&[]), MerkleRoot::ZERO);
        assert_eq!(merkle_root(&ids[..1]).to_bytes(), [1; 32]);
        assert_eq!(merkle_root(&ids[..2]).to_bytes(), node([1; 32], [2; 32]));
        let right = node([3; 32], [3; 32]);
        assert_eq!(merkle_root(&ids).to_bytes(), node(node([1; 32], [2; 32]), right));
    }

    #[test]
    fn a_repeated_tail_has_the_same_root() {
        let ids: Vec<Txid> = (1..=3).map(|byte| Txid::from_bytes([byte; 32])).collect();
        let repeated = [ids.as_slice(), &ids[2..]].concat();
        assert_eq!(merkle_root(&ids), merkle_root(&repeated), "this is why duplicates have to be refused");
    }
}
