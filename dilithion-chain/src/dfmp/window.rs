//! The last blocks: who made them and whom they paid.

use std::collections::{BTreeMap, VecDeque};

use dilithion_wire::Height;

use super::standing::Standing;
use crate::mik::Identity;

/// Who made a block and whom it pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// The miner.
    pub miner: Identity,
    /// Of the first output of the coinbase.
    pub payee: Identity,
}

/// The blocks that count for the heat of the next one: those of the last so many heights which named their miners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeatWindow {
    length: u32,
    blocks: VecDeque<(Height, Mined)>,
    miners: BTreeMap<Identity, u32>,
    payees: BTreeMap<Identity, u32>,
}

impl HeatWindow {
    /// An empty window over `length` heights.
    #[must_use]
    pub fn new(length: u32) -> Self {
        Self { length, ..Self::default() }
    }

    /// Adds the next block, `None` if it named no miner. What is too far below it falls out.
    pub fn push(&mut self, height: Height, mined: Option<Mined>) {
        if let Some(mined) = mined {
            self.blocks.push_back((height, mined));
            for (tally, identity) in [(&mut self.miners, mined.miner), (&mut self.payees, mined.payee)] {
                let count = tally.entry(identity).or_default();
                *count = count.saturating_add(1);
            }
        }
        while let Some((first, mined)) = self.blocks.front().copied()
            && first.0.saturating_add(self.length) <= height.0
        {
            self.blocks.pop_front();
            forget(&mut self.miners, &mined.miner);
            forget(&mut self.payees, &mined.payee);
        }
    }

    /// How many blocks count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Fills in the counts of a standing; a block without a miner has no heat.
    pub fn count(&self, standing: &mut Standing, miner: Option<&Identity>, payee: &Identity) {
        let of = |tally: &BTreeMap<Identity, u32>, identity| tally.get(identity).copied().unwrap_or(0);
        standing.mined = miner.map_or(0, |miner| of(&self.miners, miner));
        standing.paid = miner.map_or(0, |_| of(&self.payees, payee));
        standing.miners = distinct(&self.miners);
        standing.payees = distinct(&self.payees);
    }
}

fn distinct(tally: &BTreeMap<Identity, u32>) -> u32 {
    u32::try_from(tally.len()).unwrap_or(u32::MAX)
}

fn forget(tally: &mut BTreeMap<Identity, u32>, identity: &Identity) {
    if let Some(count) = tally.get_mut(identity) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            tally.remove(identity);
        }
    }
}
