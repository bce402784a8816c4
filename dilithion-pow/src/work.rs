//! Chain work.

use std::fmt;

use ruint::aliases::U256;

use crate::{CompactTarget, Target};

/// The mantissa as the work formula reads it: with bit 23, unlike the target (spec: consensus §5c).
const WORK_MANTISSA_MASK: u32 = 0x00ff_ffff;

/// The exponent at which the quotient is the work itself; each step below multiplies by 256.
const UNSHIFTED_EXPONENT: u32 = 32;

/// The largest shift in bytes.
const MAX_SHIFT: u32 = 31;

/// How much hashing a block, or a chain of blocks, stands for. The chain with more work is the better one.
///
/// The unit is the chain's own approximation (spec: consensus §5c): comparable among chains of this network,
/// not with Bitcoin's numbers. Sums saturate at [`Work::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Work(U256);

impl Work {
    /// No work: before the first block.
    pub const ZERO: Self = Self(U256::ZERO);

    /// All ones: where sums stop, and the work of a target that nothing meets (spec: consensus §5c).
    pub const MAX: Self = Self(U256::MAX);

    /// The work of one block.
    pub(crate) fn of_block(bits: CompactTarget) -> Self {
        let mantissa = u64::from(bits.0 & WORK_MANTISSA_MASK);
        if mantissa == 0 || bits.target() == Target::ZERO {
            return Self::MAX;
        }
        let shift = UNSHIFTED_EXPONENT.saturating_sub(bits.exponent()).min(MAX_SHIFT);
        // What is shifted out at the top is lost, as in the reference node.
        Self(U256::from(u64::MAX / mantissa) << (8 * shift))
    }

    /// The sum, at most [`Work::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least [`Work::ZERO`].
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The number that these 32 bytes spell, most significant byte first (a form that sorts as the numbers
    /// do).
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }

    /// The number as 32 bytes, most significant byte first.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }
}

/// 64 hex digits, most significant first.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({self})")
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;

    #[test]
    fn vectors_of_the_specification() {
        for (bits, work) in [
            (0x1f01_0000, "ffffffffffff00"),
            (0x1e01_fffe, "8000800080000000"),
            (0x1d00_ffff, "1000100010001000000"),
            (0x1f0f_ffff, "10000100001000"),
            (0x1e00_ffff, "10001000100010000"),
            (0x1f06_0000, "2aaaaaaaaaaa00"),
        ] {
            assert_eq!(CompactTarget(bits).work().to_string(), format!("{work:0>64}"));
        }
    }

    #[test]
    fn a_target_that_nothing_meets_counts_as_all_ones() {
        for bits in [0, 0x1f80_0000, 0x2101_0000, 0x0200_0056] {
            assert_eq!(CompactTarget(bits).work(), Work::MAX);
        }
    }

    #[test]
    fn sums_saturate() {
        let one = CompactTarget(0x1f01_0000).work();
        assert_eq!(Work::MAX.saturating_add(one), Work::MAX);
        assert_eq!(Work::ZERO.saturating_sub(one), Work::ZERO);
        assert_eq!(one.saturating_add(one).saturating_sub(one), one);
    }

    quickcheck! {
        // Below an exponent of 8 the top is shifted out, and nothing may be left.
        fn any_bits_have_work(bits: u32) -> bool {
            CompactTarget(bits).work() > Work::ZERO || CompactTarget(bits).exponent() < 8
        }

        // For one exponent a larger mantissa is never more work. Below 8 the top is shifted out, so no law
        // holds.
        fn monotone_within_an_exponent(exponent: u8, a: u32, b: u32) -> TestResult {
            let exponent = u32::from(exponent) % 25 + 8;
            let bits = |mantissa: u32| CompactTarget(exponent << 24 | mantissa & WORK_MANTISSA_MASK);
            let (a, b) = (bits(a), bits(b));
            let (hard, easy) = if a.0 < b.0 { (a, b) } else { (b, a) };
            if easy.target() == Target::ZERO || hard.target() == Target::ZERO {
                return TestResult::discard();
            }
            TestResult::from_bool(easy.work() <= hard.work())
        }

        fn bytes_round_trip_and_sort(a: (u128, u128), b: (u128, u128)) -> bool {
            let work = |(high, low): (u128, u128)| {
                let mut bytes = [0; 32];
                bytes[..16].copy_from_slice(&high.to_be_bytes());
                bytes[16..].copy_from_slice(&low.to_be_bytes());
                Work::from_be_bytes(bytes)
            };
            work(a).cmp(&work(b)) == work(a).to_be_bytes().cmp(&work(b).to_be_bytes())
                && work(a).cmp(&work(b)) == a.cmp(&b)
        }
    }
}
