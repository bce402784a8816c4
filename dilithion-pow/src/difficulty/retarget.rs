//! The retarget rule of Bitcoin's kind.

use ruint::Uint;
use ruint::aliases::U256;

use crate::{CompactTarget, Target};

/// A 256-bit target times a 64-bit timespan, exactly.
pub(super) type Product = Uint<320, 5>;

/// The retarget rule with the constants of one network (spec: consensus §5): every `interval` blocks the
/// target is multiplied by the time those blocks took over the time they should have taken.
///
/// ```
/// use dilithion_pow::CompactTarget;
/// use dilithion_pow::difficulty::Retarget;
///
/// let testnet = Retarget {
///     interval: 2016,
///     block_time: 240,
///     hardest: CompactTarget(0x1d00_ffff),
///     easiest: CompactTarget(0x1f0f_ffff),
/// };
/// // Twice as slow as wanted: twice the target.
/// let bits = testnet.retarget(CompactTarget(0x1e00_ffff), 2 * 2016 * 240);
/// assert_eq!(bits, CompactTarget(0x1e01_fffe));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retarget {
    /// Blocks between two retargets; 0: never retargets.
    pub interval: u32,
    /// Seconds that a block should take.
    pub block_time: u32,
    /// The lowest result, compared as plain 32-bit numbers.
    pub hardest: CompactTarget,
    /// The highest result, compared as plain 32-bit numbers.
    pub easiest: CompactTarget,
}

impl Retarget {
    /// How far one retarget may move: the timespan counts as at least a quarter and at most four times the one aimed at
    /// (spec: consensus §5).
    pub const MAX_ADJUSTMENT: u32 = 4;

    /// Whether the block at `height` carries a newly computed target.
    #[must_use]
    pub const fn is_retarget_height(&self, height: u32) -> bool {
        matches!(height.checked_rem(self.interval), Some(0))
    }

    /// The target after `old` when the last interval took `timespan` seconds (0 counts as the time aimed at).
    #[must_use]
    pub fn retarget(&self, old: CompactTarget, timespan: u32) -> CompactTarget {
        self.retarget_within(old, timespan, Self::MAX_ADJUSTMENT)
    }

    /// The same with another limit in the place of [`MAX_ADJUSTMENT`](Self::MAX_ADJUSTMENT).
    #[must_use]
    pub fn retarget_within(&self, old: CompactTarget, timespan: u32, max_adjustment: u32) -> CompactTarget {
        let aim = u64::from(self.interval) * u64::from(self.block_time);
        // A factor of zero cannot be a network's; it is taken for one.
        let most = u64::from(max_adjustment.max(1));
        let timespan = match u64::from(timespan) {
            0 => aim,
            taken => taken.max(aim / most).min(aim.saturating_mul(most)),
        };
        let product: Product = old.target().0.widening_mul(Uint::<64, 1>::from(timespan));
        // An aim of zero seconds cannot be a network's; it leaves the target alone.
        let Some(quotient) = product.checked_div(Product::from(aim)) else {
            return old;
        };
        self.clamp(Target(quotient.wrapping_to::<U256>()).to_compact())
    }

    /// The nearest result within the bounds, all compared as plain 32-bit numbers.
    pub(super) const fn clamp(&self, bits: CompactTarget) -> CompactTarget {
        let floored = if bits.0 < self.hardest.0 { self.hardest } else { bits };
        if floored.0 > self.easiest.0 { self.easiest } else { floored }
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::super::{Ancestor, Rules};
    use super::*;

    const TESTNET: Retarget = Retarget {
        interval: 2016,
        block_time: 240,
        hardest: CompactTarget(0x1d00_ffff),
        easiest: CompactTarget(0x1f0f_ffff),
    };
    const GENESIS_BITS: CompactTarget = CompactTarget(0x1f01_0000);

    fn block(time: u32, bits: u32) -> Ancestor {
        Ancestor { time, bits: CompactTarget(bits) }
    }

    /// The target after a parent, and after an interval that began at `first`.
    fn next_bits(rule: Retarget, height: u32, parent: Ancestor, first: Option<u32>) -> CompactTarget {
        Rules::only(rule, GENESIS_BITS).next_bits(height, None, parent, |_| first.map(|time| block(time, 0)))
    }

    #[test]
    fn between_retargets_the_parent_decides() {
        let next = |height, bits| next_bits(TESTNET, height, block(9, bits), Some(1));
        assert_eq!(next(2015, 0x1e12_3456), CompactTarget(0x1e12_3456));
        assert_eq!(next(2017, 0), GENESIS_BITS);
    }

    #[test]
    fn without_the_first_block_the_parent_decides() {
        let next = next_bits(TESTNET, 2016, block(9, 0x1e12_3456), None);
        assert_eq!(next, CompactTarget(0x1e12_3456));
    }

    #[test]
    fn vectors_of_the_specification() {
        for (old, timespan, new) in [
            (0x1f01_0000, 483_840, 0x1f01_0000),
            (0x1f01_0000, 241_920, 0x1e80_0000),
            (0x1f01_0000, 1_935_360, 0x1f04_0000),
            (0x1f01_0000, 5_000_000, 0x1f04_0000),
            (0x1f01_0000, 120_960, 0x1e40_0000),
            (0x1f01_0000, 1, 0x1e40_0000),
            (0x1f01_0000, 300_000, 0x1e9e_baeb),
            (0x1e01_fffe, 300_000, 0x1e01_3d74),
            (0x1e00_ffff, 967_680, 0x1e01_fffe),
            (0x1e7f_ffff, 1_451_520, 0x1f01_7fff),
        ] {
            let next = next_bits(TESTNET, 2016, block(1_000 + timespan, old), Some(1_000));
            assert_eq!(next, CompactTarget(new), "{old:#x} after {timespan} s");
        }
    }

    #[test]
    fn time_standing_still_is_the_aim_and_time_running_backwards_is_very_long() {
        let next = |time, first| next_bits(TESTNET, 4032, block(time, 0x1f01_0000), Some(first));
        assert_eq!(next(500, 500), CompactTarget(0x1f01_0000));
        assert_eq!(next(499, 500), CompactTarget(0x1f04_0000));
    }

    #[test]
    fn the_product_keeps_all_320_bits() {
        // 2^254 * 1_935_360 needs 275 bits; the quotient is 2^256, whose low 256 bits are zero.
        let rule = Retarget { hardest: CompactTarget(0), easiest: CompactTarget(u32::MAX), ..TESTNET };
        assert_eq!(rule.retarget(CompactTarget(0x2040_0000), 1_935_360), CompactTarget(0));
        assert_eq!(rule.retarget(CompactTarget(0x2040_0000), 967_680), CompactTarget(0x2080_0000));
    }

    #[test]
    fn rules_without_interval_or_time_leave_the_target_alone() {
        let never = Retarget { interval: 0, ..TESTNET };
        assert_eq!(next_bits(never, 2016, block(9, 7), Some(1)), CompactTarget(7));
        let timeless = Retarget { block_time: 0, ..TESTNET };
        assert_eq!(timeless.retarget(CompactTarget(7), 1), CompactTarget(7));
    }

    quickcheck! {
        fn any_input_stays_within_the_bounds(height: u32, time: u32, first: u32, bits: u32) -> bool {
            let next = next_bits(TESTNET, height, block(time, bits), Some(first));
            !TESTNET.is_retarget_height(height)
                || (TESTNET.hardest.0..=TESTNET.easiest.0).contains(&next.0)
        }

        fn retarget_never_panics(rule: (u32, u32, u32, u32), old: u32, timespan: u32) -> bool {
            let rule = Retarget {
                interval: rule.0,
                block_time: rule.1,
                hardest: CompactTarget(rule.2),
                easiest: CompactTarget(rule.3),
            };
            let _ = rule.retarget(CompactTarget(old), timespan);
            true
        }

        fn slower_blocks_never_make_it_harder(mantissa: u16, a: u32, b: u32) -> TestResult {
            let rule = Retarget { hardest: CompactTarget(0), easiest: CompactTarget(u32::MAX), ..TESTNET };
            let after = |timespan| rule.retarget(CompactTarget(0x1e01_0000 | u32::from(mantissa)), timespan);
            let (fast, slow) = (after(a.min(b).max(1)), after(a.max(b).max(1)));
            if (fast.0 | slow.0) & 0x0080_0000 != 0 {
                return TestResult::discard(); // a lost sign bit breaks the law; see `Target::to_compact`
            }
            TestResult::from_bool(fast.target() <= slow.target())
        }
    }
}
