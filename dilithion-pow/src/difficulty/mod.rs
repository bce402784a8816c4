//! The difficulty rules: which compact target a block must carry.
//!
//! [`Rules`] has the rules of one network, as data: the retarget of Bitcoin's kind that all networks begin with, and what
//! mainnet put in its place later. A height is the first at which its rule holds; without it, the rule never does.
//!
//! ```
//! use dilithion_pow::CompactTarget;
//! use dilithion_pow::difficulty::{Ancestor, Rules};
//!
//! // Mainnet's ASERT: a block behind schedule eases the target at once.
//! let rules = Rules::MAINNET;
//! let anchor = Ancestor { time: 1_000_000, bits: CompactTarget(0x1e01_fffe) };
//! let parent = Ancestor { time: 1_000_000 + 30_000, bits: CompactTarget(0x1e01_fffe) };
//! let next = rules.next_bits(23_140, None, parent, |height| (height == 23_039).then_some(anchor));
//! assert_eq!(next, CompactTarget(0x1e02_3ebd));
//! ```

mod asert;
mod emergency;
mod retarget;

pub use asert::Asert;
pub use retarget::Retarget;

use crate::CompactTarget;

/// Most that a retarget of the second version moves (spec: consensus §12.3b).
pub const MAX_ADJUSTMENT_V2: u32 = 2;

/// What the rules look at in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// Header time, seconds since the epoch.
    pub time: u32,
    /// Header target.
    pub bits: CompactTarget,
}

/// A shorter retarget interval and a narrower limit of what one may change (spec: consensus §12.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetargetV2 {
    /// First height of the rule.
    pub height: u32,
    /// Blocks between two retargets from there on.
    pub interval: u32,
    /// The factor by which a retarget changes the target at most, up to the height of version 3.
    pub max_adjustment: u32,
}

/// All difficulty rules of a network (spec: consensus §5, §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What stands in for a parent's target of 0: that of the genesis block.
    pub genesis_bits: CompactTarget,
    /// The rule that the network begins with, and the bounds of all.
    pub retarget: Retarget,
    /// Shorter intervals.
    pub v2: Option<RetargetV2>,
    /// From here on a retarget may change as much as at first, and the emergency adjustment waits longer.
    pub v3_height: Option<u32>,
    /// From here on a block that comes very late is easier (spec: consensus §12.3a).
    pub emergency_height: Option<u32>,
    /// From here on computed targets have no sign bit ([`CompactTarget::without_sign_bit`]).
    pub compact_fix_height: Option<u32>,
    /// In the place of all others.
    pub asert: Option<Asert>,
}

impl Rules {
    /// Mainnet's (spec: consensus §12).
    pub const MAINNET: Self = Self {
        genesis_bits: CompactTarget(0x1e01_fffe),
        retarget: Retarget {
            interval: 2016,
            block_time: 240,
            hardest: CompactTarget(0x1d00_ffff),
            easiest: CompactTarget(0x1f0f_ffff),
        },
        v2: Some(RetargetV2 { height: 18_500, interval: 360, max_adjustment: MAX_ADJUSTMENT_V2 }),
        v3_height: Some(20_520),
        emergency_height: Some(7034),
        compact_fix_height: Some(18_500),
        asert: Some(Asert { height: 23_040, anchored_anew: Some(24_500), half_life: 34_560 }),
    };

    /// A network of one retarget rule, as the testnet.
    #[must_use]
    pub const fn only(retarget: Retarget, genesis_bits: CompactTarget) -> Self {
        Self {
            genesis_bits,
            retarget,
            v2: None,
            v3_height: None,
            emergency_height: None,
            compact_fix_height: None,
            asert: None,
        }
    }

    /// The compact target that the block at `height` must carry.
    ///
    /// `time` is the header time of the block itself, which only the emergency adjustment looks at; `None` if it has none
    /// yet. `ancestor` finds the header of the block's branch at a height below; it is asked at most once, and without an
    /// answer the parent's target stays, as in the reference node.
    #[must_use]
    pub fn next_bits(
        &self,
        height: u32,
        time: Option<u32>,
        parent: Ancestor,
        ancestor: impl FnOnce(u32) -> Option<Ancestor>,
    ) -> CompactTarget {
        if let Some((asert, anchor_height)) =
            self.asert.and_then(|asert| Some((asert, asert.anchor_height(height)?)))
        {
            return match ancestor(anchor_height) {
                Some(anchor) => asert.next_bits(&self.retarget, anchor_height, anchor, height, parent.time),
                None => parent.bits,
            };
        }
        let retarget = self.retarget_at(height);
        if !retarget.is_retarget_height(height) {
            return self.between_retargets(height, time, parent);
        }
        let Some(first) = ancestor(height.saturating_sub(retarget.interval)) else { return parent.bits };
        // Unsigned 32-bit, as in the reference node: time that runs backwards counts as a very long time.
        let timespan = parent.time.wrapping_sub(first.time);
        let bits = retarget.retarget_within(parent.bits, timespan, self.max_adjustment(height));
        self.fix(height, bits)
    }

    fn between_retargets(&self, height: u32, time: Option<u32>, parent: Ancestor) -> CompactTarget {
        if parent.bits.0 == 0 {
            return self.genesis_bits;
        }
        let late = time.filter(|_| is_reached(self.emergency_height, height)).and_then(|time| {
            let patient = is_reached(self.v3_height, height);
            emergency::steps(self.retarget.block_time, patient, i64::from(time) - i64::from(parent.time))
        });
        match late {
            Some(steps) => self.retarget.clamp(self.fix(height, emergency::ease(parent.bits, steps))),
            None => parent.bits,
        }
    }

    /// The retarget rule in force.
    fn retarget_at(&self, height: u32) -> Retarget {
        match self.v2 {
            Some(v2) if height >= v2.height => Retarget { interval: v2.interval, ..self.retarget },
            _ => self.retarget,
        }
    }

    fn max_adjustment(&self, height: u32) -> u32 {
        match self.v2 {
            Some(v2) if height >= v2.height && !is_reached(self.v3_height, height) => v2.max_adjustment,
            _ => Retarget::MAX_ADJUSTMENT,
        }
    }

    fn fix(&self, height: u32, bits: CompactTarget) -> CompactTarget {
        if is_reached(self.compact_fix_height, height) { bits.without_sign_bit() } else { bits }
    }
}

fn is_reached(rule: Option<u32>, height: u32) -> bool {
    rule.is_some_and(|rule| height >= rule)
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const MAINNET: Rules = Rules::MAINNET;

    fn ancestor(time: u32, bits: u32) -> Ancestor {
        Ancestor { time, bits: CompactTarget(bits) }
    }

    fn late(height: u32, gap: u32) -> u32 {
        MAINNET.next_bits(height, Some(1000 + gap), ancestor(1000, 0x1e01_fffe), |_| None).0
    }

    #[test]
    fn emergency_vectors_of_the_specification() {
        for (gap, unfixed) in
            [(1440, 0x1e01_fffe), (1441, 0x1e02_7ffd), (2880, 0x1e03_1ffc), (40_000, 0x1ead_783e)]
        {
            assert_eq!(late(10_000, gap), unfixed, "{gap}");
        }
        assert_eq!(late(18_501, 40_000), 0x1f00_ad78);
        assert_eq!(late(7033, 40_000), 0x1e01_fffe, "not yet");
        assert_eq!(late(20_521, 1441), 0x1e01_fffe, "more patient");
    }

    #[test]
    fn asert_vectors_of_the_specification() {
        for (time, blocks, expected) in [
            (240, 0, 0x1e01_fffe),
            (0, 0, 0x1e01_fd8b),
            (24_240, 100, 0x1e01_fffe),
            (24_000, 100, 0x1e01_fd8b),
            (20_000, 100, 0x1e01_d64e),
            (30_000, 100, 0x1e02_3ebd),
            (100_000, 100, 0x1e09_23de),
            (0, 1000, 0x1d04_232b),
        ] {
            let parent = ancestor(5000 + time, 0x1d12_3456);
            let anchor = |height| (height == 23_039).then(|| ancestor(5000, 0x1e01_fffe));
            let next = MAINNET.next_bits(23_040 + blocks, Some(9), parent, anchor);
            assert_eq!(next, CompactTarget(expected), "{time} s, {blocks} blocks");
        }
    }

    #[test]
    fn each_rule_begins_at_its_height() {
        let asked = |height: u32| {
            let mut asked = None;
            let _ = MAINNET.next_bits(height, None, ancestor(9, 0x1e01_fffe), |below| {
                asked = Some(below);
                None
            });
            asked
        };
        assert_eq!(asked(2016), Some(0));
        assert_eq!(asked(360), None);
        assert_eq!(asked(18_144), Some(16_128));
        assert_eq!(asked(18_720), Some(18_360));
        assert_eq!(asked(23_039), None);
        assert_eq!(asked(23_040), Some(23_039));
        assert_eq!(asked(24_499), Some(23_039));
        assert_eq!(asked(24_500), Some(24_499));
    }

    quickcheck! {
        fn any_input_stays_within_the_bounds(height: u32, time: Option<u32>, parent: (u32, u32), other: (u32, u32)) -> bool {
            let parent = ancestor(parent.0, parent.1);
            let height = height % 30_000;
            let next = MAINNET.next_bits(height, time, parent, |_| Some(ancestor(other.0, other.1)));
            let unchanged = next == parent.bits || next == MAINNET.genesis_bits;
            // A retarget is fixed after it is clamped, which may leave the bounds.
            let bounds = MAINNET.retarget.hardest.0..=MAINNET.retarget.easiest.0;
            unchanged || bounds.contains(&next.0) || MAINNET.retarget_at(height).is_retarget_height(height)
        }

        fn no_rules_panic(
            heights: (Option<u32>, Option<u32>, Option<u32>),
            v2: (u32, u32, u32),
            asert: (u32, Option<u32>, u32),
            at: (u32, Option<u32>),
            parent: (u32, u32),
            other: (u32, u32)
        ) -> bool {
            let rules = Rules {
                v2: Some(RetargetV2 { height: v2.0, interval: v2.1, max_adjustment: v2.2 }),
                v3_height: heights.0,
                emergency_height: heights.1,
                compact_fix_height: heights.2,
                asert: Some(Asert { height: asert.0, anchored_anew: asert.1, half_life: asert.2 }),
                ..MAINNET
            };
            for rules in [rules, Rules { asert: None, ..rules }] {
                let parent = ancestor(parent.0, parent.1);
                let _ = rules.next_bits(at.0, at.1, parent, |_| Some(ancestor(other.0, other.1)));
            }
            true
        }
    }
}
