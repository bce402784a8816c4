//! Locators: a few ids of a branch, dense at the tip (spec: wire §5.2).

use dilithion_wire::{BlockHash, Height, MAX_LOCATOR_HASHES};

use crate::HeadersManager;
use crate::tree::NodeId;

/// Ids at the top of a locator without a gap.
const DENSE_IDS: usize = 10;

/// Heights of a locator: the tip and those below it, then doubling gaps, genesis last.
pub(crate) fn locator_heights(tip: Height) -> Vec<Height> {
    let mut heights = Vec::with_capacity(MAX_LOCATOR_HASHES);
    let mut step: u32 = 1;
    let mut height = tip.0;
    while height > 0 && heights.len() < MAX_LOCATOR_HASHES - 1 {
        heights.push(Height(height));
        height = height.saturating_sub(step);
        if heights.len() >= DENSE_IDS {
            step = step.saturating_mul(2);
        }
    }
    heights.push(Height::GENESIS);
    heights
}

impl HeadersManager {
    /// Locator of the best chain: at most [`MAX_LOCATOR_HASHES`] ids, from the tip to genesis.
    #[must_use]
    pub fn locator(&self) -> Vec<BlockHash> {
        self.locator_of(self.tree.best())
    }

    /// Locator of the branch that ends in `hash`; of the best chain, if that is unknown.
    #[must_use]
    pub fn locator_from(&self, hash: &BlockHash) -> Vec<BlockHash> {
        self.locator_of(self.tree.get(hash).unwrap_or_else(|| self.tree.best()))
    }

    fn locator_of(&self, tip: NodeId) -> Vec<BlockHash> {
        let heights = locator_heights(self.tree.node(tip).height);
        let nodes = heights.into_iter().filter_map(|height| self.tree.ancestor(tip, height));
        nodes.map(|node| self.tree.hash(node)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_dense_and_ends_in_genesis() {
        assert_eq!(locator_heights(Height(0)), [Height(0)]);
        for tip in [1, 10, 11, 12, 500, 44_000, 1 << 20, 1 << 25, u32::MAX] {
            let heights = locator_heights(Height(tip));
            assert!(heights.len() <= MAX_LOCATOR_HASHES, "{} ids", heights.len());
            assert_eq!((heights[0], heights[heights.len() - 1]), (Height(tip), Height(0)));
            assert!(heights.windows(2).all(|pair| pair[0] > pair[1]));
            assert!(heights.iter().take(10).zip((0..=tip).rev()).all(|(height, dense)| height.0 == dense));
        }
    }
}
