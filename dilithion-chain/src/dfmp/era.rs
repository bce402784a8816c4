//! Which version of the handicap holds at a height.

use dilithion_wire::{Height, MikParams};

/// A version of the handicap (spec: consensus §13.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Version 2: heat of the miner only, and nobody goes dormant.
    V2,
    /// Version 3.0: heat of the payee too, steeper; long maturity.
    V30,
    /// Version 3.1: milder in both.
    V31,
    /// Version 3.2: steep heat again, short maturity.
    V32,
    /// Version 3.3: heat begins in steps; independent of the number of miners.
    V33,
    /// Version 3.4, which no network runs: fewer free blocks for identities whose machine was not verified. Who was, is
    /// not in the chain, so nobody counts as verified here.
    V34,
}

impl Era {
    /// The era of a height; `None` before handicaps begin.
    #[must_use]
    pub fn at(height: Height, rules: &MikParams) -> Option<Self> {
        [
            (rules.dfmp_v34_height, Self::V34),
            (rules.dfmp_v33_height, Self::V33),
            (rules.dfmp_v32_height, Self::V32),
            (rules.dfmp_v31_height, Self::V31),
            (rules.dfmp_v3_height, Self::V30),
            (rules.dfmp_height, Self::V2),
        ]
        .into_iter()
        .find_map(|(from, era)| (height >= from).then_some(era))
    }
}
