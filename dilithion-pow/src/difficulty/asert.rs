//! ASERT: the target follows how far the chain is from its schedule since an anchor block (spec: consensus §12.1).

use ruint::Uint;
use ruint::aliases::U256;

use super::{Ancestor, Retarget};
use crate::{CompactTarget, Target};

/// Fraction bits of the exponent and the factor.
const FRACTION_BITS: u32 = 16;
/// One, in those.
const ONE: i64 = 1 << FRACTION_BITS;
/// Coefficients of the polynomial for 2^x - 1 between 0 and 1, from the first power on, in 2^-48 after the powers.
const POLYNOMIAL: [u64; 3] = [195_766_423_245_049, 971_821_376, 5127];
/// Rounds the polynomial to the nearest.
const ROUNDING: u64 = 1 << 47;
/// Fraction bits of the polynomial beyond those of the factor.
const POLYNOMIAL_BITS: u32 = 48;
/// Shifts of this many bits and more leave nothing of a target.
const TARGET_BITS: u64 = 256;

/// A 256-bit target times a factor of 17 bits, exactly.
type Product = Uint<320, 5>;

/// The rule with the constants of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asert {
    /// First height of the rule; the block before is its anchor.
    pub height: u32,
    /// From here on the block before this one is the anchor.
    pub anchored_anew: Option<u32>,
    /// Seconds behind schedule that double the target.
    pub half_life: u32,
}

impl Asert {
    /// Height of the anchor for the block at `height`, or `None` before the rule.
    #[must_use]
    pub fn anchor_height(&self, height: u32) -> Option<u32> {
        let latest = self.anchored_anew.filter(|anew| height >= *anew);
        latest.or((height >= self.height).then_some(self.height)).map(|first| first.saturating_sub(1))
    }

    /// The compact target of the block at `height` whose parent has this time.
    #[must_use]
    pub fn next_bits(
        &self,
        bounds: &Retarget,
        anchor_height: u32,
        anchor: Ancestor,
        height: u32,
        parent_time: u32,
    ) -> CompactTarget {
        // The parent is `height - 1 - anchor_height` blocks above the anchor and should be one block time later than that.
        let blocks = i64::from(height) - i64::from(anchor_height);
        let behind = i64::from(parent_time)
            - i64::from(anchor.time)
            - i64::from(bounds.block_time).saturating_mul(blocks);
        // A half-life of zero cannot be a network's; it leaves the target alone.
        let exponent = behind.saturating_mul(ONE).checked_div(i64::from(self.half_life)).unwrap_or(0);
        let (shift, fraction) = (exponent.div_euclid(ONE), exponent.rem_euclid(ONE));
        let product: Product =
            anchor.bits.target().0.widening_mul(Uint::<64, 1>::from(factor(fraction.unsigned_abs())));
        let target: U256 = (product >> FRACTION_BITS).wrapping_to();
        if shift.unsigned_abs() >= TARGET_BITS {
            return if shift > 0 { bounds.easiest } else { bounds.hardest };
        }
        // Below 256, so nothing is lost.
        let bits = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
        let target = if shift > 0 { target << bits } else { target >> bits };
        if target.is_zero() {
            return bounds.hardest;
        }
        bounds.clamp(Target(target).to_compact().without_sign_bit())
    }
}

/// 2^fraction in 16-bit fixed point, `fraction` below one.
fn factor(fraction: u64) -> u64 {
    let [first, second, third] = POLYNOMIAL;
    let square = fraction.wrapping_mul(fraction);
    // Fits 64 bits for every fraction below one.
    let sum = first
        .wrapping_mul(fraction)
        .wrapping_add(second.wrapping_mul(square))
        .wrapping_add(third.wrapping_mul(square.wrapping_mul(fraction)))
        .wrapping_add(ROUNDING);
    ONE.unsigned_abs() + (sum >> POLYNOMIAL_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_a_power_of_two() {
        assert_eq!(factor(0), 65_536);
        for fraction in (0..65_536_u32).step_by(97) {
            let exact = 65_536.0 * (f64::from(fraction) / 65_536.0).exp2();
            let computed = f64::from(u32::try_from(factor(fraction.into())).unwrap());
            assert!((computed - exact).abs() < 20.0, "{fraction}: {computed} instead of {exact}");
        }
    }

    #[test]
    fn far_off_schedule_the_bounds_hold() {
        let rule = Asert { height: 2, anchored_anew: None, half_life: 1 };
        let bounds = super::super::Rules::MAINNET.retarget;
        let anchor = Ancestor { time: 1_000_000, bits: CompactTarget(0x1e01_fffe) };
        let next = |height, time| rule.next_bits(&bounds, 1, anchor, height, time);
        assert_eq!(next(2, u32::MAX), bounds.easiest);
        assert_eq!(next(u32::MAX, 0), bounds.hardest);
        let nothing = Ancestor { bits: CompactTarget(0), ..anchor };
        assert_eq!(rule.next_bits(&bounds, 1, nothing, 2, anchor.time), bounds.hardest);
    }
}
