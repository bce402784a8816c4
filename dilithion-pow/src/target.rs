//! Compact targets (`nBits`) and the 256-bit targets they stand for.

use std::fmt;

use ruint::aliases::U256;

use crate::{PowHash, Work};

/// Mantissa bits that count: bit 23 is masked off, there are no negative targets here (spec: consensus §4).
const MANTISSA_MASK: u32 = 0x007f_ffff;

/// The bit of the mantissa that would be a sign.
const SIGN_BIT: u32 = 0x0080_0000;

/// Bytes of the mantissa of a compact target.
const MANTISSA_BYTES: u32 = 3;

/// The largest exponent that names a target: a 256-bit number has 32 bytes (spec: consensus §4).
const MAX_EXPONENT: u32 = 32;

/// What a factor of one is in millionths (spec: consensus §13.4).
const MILLION: u64 = 1_000_000;

/// A target in the 32-bit form of a block header (`nBits`): exponent in the top byte, mantissa below.
///
/// Every `u32` is a value; those without meaning stand for [`Target::ZERO`], which no hash meets. There is no
/// order on this type, as the numeric order of the 32 bits is not the order of the targets.
///
/// ```
/// use dilithion_pow::CompactTarget;
///
/// let bits = CompactTarget(0x1e01_fffe);
/// assert_eq!(bits.to_string(), "0x1e01fffe");
/// assert_eq!(bits.target().to_compact(), bits);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompactTarget(pub u32);

impl CompactTarget {
    /// The top byte: size of the target in bytes.
    pub(crate) const fn exponent(self) -> u32 {
        self.0 >> 24
    }

    /// The target this stands for (spec: consensus §4, expand). Zero for a mantissa of zero and for an
    /// exponent of zero or above 32.
    #[must_use]
    pub fn target(self) -> Target {
        let mantissa = U256::from(self.0 & MANTISSA_MASK);
        Target(match self.exponent() {
            exponent @ 1..=MANTISSA_BYTES => mantissa >> (8 * (MANTISSA_BYTES - exponent)),
            exponent @ 4..=MAX_EXPONENT => mantissa << (8 * (exponent - MANTISSA_BYTES)),
            _ => U256::ZERO,
        })
    }

    /// The same target in the form that keeps it: a mantissa with bit 23, which expanding drops, loses its last byte instead
    /// (spec: consensus §4, fix). Part of mainnet's later rules.
    #[must_use]
    pub const fn without_sign_bit(self) -> Self {
        let mantissa = self.0 & 0x00ff_ffff;
        if mantissa & SIGN_BIT == 0 {
            return self;
        }
        // An exponent of 255 has nowhere to go; the reference node lets it wrap.
        Self((self.exponent() + 1) << 24 | mantissa >> 8)
    }

    /// The work that a block with this target counts for (spec: consensus §5c); see [`Work`].
    #[must_use]
    pub fn work(self) -> Work {
        Work::of_block(self)
    }
}

impl From<u32> for CompactTarget {
    fn from(bits: u32) -> Self {
        Self(bits)
    }
}

impl From<CompactTarget> for u32 {
    fn from(bits: CompactTarget) -> Self {
        bits.0
    }
}

impl fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactTarget({self})")
    }
}

/// A 256-bit number that a block's hash must stay below. A larger target is an easier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Target(pub(crate) U256);

impl Target {
    /// The target that no hash meets.
    pub const ZERO: Self = Self(U256::ZERO);

    /// The number that these 32 bytes spell, least significant byte first.
    #[must_use]
    pub const fn from_le_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_le_bytes(bytes))
    }

    /// The number as 32 bytes, least significant byte first.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// The compact form: the three most significant bytes and the size in bytes (spec: consensus §4, encode).
    ///
    /// As in the reference node there is **no sign-bit correction**: a top byte of 0x80 and above gives a
    /// mantissa whose bit 23 the next [`CompactTarget::target`] drops, so the way back may give a smaller
    /// target, or zero.
    #[must_use]
    pub fn to_compact(self) -> CompactTarget {
        // At most 32, and then a mantissa of three bytes: neither conversion can lose anything.
        let size = u32::try_from(self.0.byte_len()).unwrap_or(MAX_EXPONENT);
        let mantissa = if size <= MANTISSA_BYTES {
            self.0 << (8 * (MANTISSA_BYTES - size))
        } else {
            self.0 >> (8 * (size - MANTISSA_BYTES))
        };
        CompactTarget(size << 24 | mantissa.wrapping_to::<u32>())
    }

    /// The target made harder by a factor, which is given in millionths: target · 1,000,000 ÷ factor, exactly and rounded
    /// down, but at least 1. A factor below one makes nothing easier: it counts as one (spec: consensus §13.4).
    #[must_use]
    pub fn hardened(self, millionths: u64) -> Self {
        let factor = millionths.max(MILLION);
        let (quotient, rest) = self.0.div_rem(U256::from(factor));
        // The rest is below the factor, so that its product with a million has at most 84 bits; and since the factor is
        // no less than a million, nothing grows beyond the target itself.
        let rest = u128::from(rest.wrapping_to::<u64>()) * u128::from(MILLION) / u128::from(factor);
        let hardened = quotient.wrapping_mul(U256::from(MILLION)).wrapping_add(U256::from(rest));
        Self(hardened.max(U256::ONE))
    }

    /// Whether a block with this hash is valid: `hash < target`, strictly, with the hash read as a
    /// little-endian number. [`Target::ZERO`] is never met (spec: consensus §4).
    #[must_use]
    pub fn is_met_by(self, hash: &PowHash) -> bool {
        U256::from_le_bytes(*hash) < self.0
    }
}

/// 64 hex digits, most significant first.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;

    fn bytes(halves: (u128, u128)) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&halves.0.to_le_bytes());
        bytes[16..].copy_from_slice(&halves.1.to_le_bytes());
        bytes
    }

    #[test]
    fn zero_is_met_by_nothing() {
        assert!(!Target::ZERO.is_met_by(&[0; 32]));
        assert!(!CompactTarget(0x1f80_0000).target().is_met_by(&[0; 32]));
    }

    #[test]
    fn comparison_is_strict_and_little_endian() {
        let target = CompactTarget(0x0300_0100).target(); // 256
        let mut hash = [0; 32];
        hash[0] = 0xff;
        assert!(target.is_met_by(&hash));
        assert!(!target.is_met_by(&target.to_le_bytes()));
        hash = [0; 32];
        hash[31] = 1;
        assert!(!target.is_met_by(&hash));
    }

    #[test]
    fn halving_may_give_a_target_that_nothing_meets() {
        let half = Target(CompactTarget(0x1f01_0000).target().0 >> 1_u32);
        assert_eq!(half.to_compact(), CompactTarget(0x1e80_0000));
        assert_eq!(half.to_compact().target(), Target::ZERO);
    }

    #[test]
    fn shows_hex() {
        let target = CompactTarget(0x2001_0000).target();
        assert_eq!(target.to_string(), format!("01{}", "0".repeat(62)));
        assert_eq!(format!("{:?}", CompactTarget(7)), "CompactTarget(0x00000007)");
    }

    quickcheck! {
        fn hardening_is_exact_division(target: u64, factor: u64) -> bool {
            // Small enough to be computed in one go.
            let hardened = Target(U256::from(target)).hardened(factor);
            let expected = u128::from(target) * u128::from(MILLION) / u128::from(factor.max(MILLION));
            hardened.0 == U256::from(expected.max(1))
        }

        fn hardening_never_makes_easier(halves: (u128, u128), factor: u64) -> bool {
            let target = Target::from_le_bytes(bytes(halves));
            let hardened = target.hardened(factor);
            hardened <= target.max(Target(U256::ONE)) && hardened > Target::ZERO
        }

        fn any_bits_expand_and_never_grow_on_the_way_back(bits: u32) -> bool {
            let target = CompactTarget(bits).target();
            target.to_compact().target() <= target
        }

        // Below a mantissa of 0x800000 nothing is lost: expand is the inverse of encode.
        fn encode_and_expand_settle(halves: (u128, u128)) -> TestResult {
            let compact = Target::from_le_bytes(bytes(halves)).to_compact();
            if compact.0 & 0x0080_0000 != 0 {
                return TestResult::discard();
            }
            TestResult::from_bool(compact.target().to_compact() == compact)
        }

        fn expanding_keeps_the_top_bits(halves: (u128, u128)) -> bool {
            let target = Target::from_le_bytes(bytes(halves));
            let back = target.to_compact().target();
            // What encode drops lies below the three top bytes, or is bit 23.
            let size = target.0.byte_len();
            let kept = if size > 3 { (target.0 >> (8 * (size - 3))) << (8 * (size - 3)) } else { target.0 };
            back.0 == kept || (size > 0 && target.0.bit(8 * size - 1) && back.0 < kept)
        }

        fn met_is_a_byte_by_byte_comparison(hash: (u128, u128), bits: u32) -> bool {
            let (hash, target) = (bytes(hash), CompactTarget(bits).target());
            let by_bytes = hash.iter().rev().lt(target.to_le_bytes().iter().rev());
            target.is_met_by(&hash) == by_bytes
        }

        fn bytes_round_trip(halves: (u128, u128)) -> bool {
            Target::from_le_bytes(bytes(halves)).to_le_bytes() == bytes(halves)
        }
    }
}
