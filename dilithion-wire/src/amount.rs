//! Amounts of money.

use std::fmt;

/// An amount in ions, the smallest unit. Any `u64` can arrive; only up to [`Amount::MAX_MONEY`] is money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Amount(pub u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One coin: 100,000,000 ions (spec: consensus §7).
    pub const COIN: Self = Self(100_000_000);
    /// More than there will ever be: 21,000,000 coins (spec: consensus §7).
    pub const MAX_MONEY: Self = Self(21_000_000 * Self::COIN.0);

    /// The sum, unless it overflows.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(ions) => Some(Self(ions)),
            None => None,
        }
    }

    /// The difference, unless it is negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(ions) => Some(Self(ions)),
            None => None,
        }
    }
}

/// In coins with eight decimals.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coin = Self::COIN.0;
        f.pad(&format!("{}.{:08}", self.0 / coin, self.0 % coin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_do_not_wrap() {
        assert_eq!(Amount(1).checked_add(Amount(2)), Some(Amount(3)));
        assert_eq!(Amount(u64::MAX).checked_add(Amount(1)), None);
        assert_eq!(Amount(3).checked_sub(Amount(2)), Some(Amount(1)));
        assert_eq!(Amount::ZERO.checked_sub(Amount(1)), None);
    }

    #[test]
    fn text_is_in_coins() {
        assert_eq!(Amount(4_999_999_999).to_string(), "49.99999999");
        assert_eq!(Amount(1).to_string(), "0.00000001");
        assert_eq!(Amount::MAX_MONEY.to_string(), "21000000.00000000");
    }
}
