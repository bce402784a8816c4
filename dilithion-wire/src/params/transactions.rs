//! The rules for transactions that differ between networks.

use crate::amount::Amount;

/// Rules for transactions (spec: consensus §6, §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionParams {
    /// What a transaction pays at least.
    pub min_fee: Amount,
    /// What a transaction pays at least, before [`fee_per_byte`](Self::fee_per_byte) is added.
    pub base_fee: Amount,
    /// What each byte of a transaction adds to the fee that it pays at least.
    pub fee_per_byte: Amount,
    /// What a transaction pays at most.
    pub max_fee: Amount,
    /// What an output is worth at least.
    pub dust: Amount,
    /// Whether outputs that nobody can spend, those whose script begins with `6a`, may be worth less.
    pub unspendable_dust: bool,
    /// Whether all other outputs must pay to a key hash.
    pub key_hash_outputs_only: bool,
    /// Whether sequence numbers lock an input for some blocks (BIP68, by blocks only).
    pub relative_locks: bool,
    /// Whether signature and key may be pushed by opcodes instead of following their lengths.
    pub pushed_signatures: bool,
}

impl TransactionParams {
    /// Of the testnet and its kin (spec: consensus §6).
    pub const TESTNET: Self = Self {
        min_fee: Amount(100_000),
        base_fee: Amount(50_000),
        fee_per_byte: Amount(25),
        max_fee: Amount(10_000_000),
        dust: Amount(50_000),
        unspendable_dust: false,
        key_hash_outputs_only: false,
        relative_locks: false,
        pushed_signatures: false,
    };

    /// Of mainnet (spec: consensus §6, §9).
    pub const MAINNET: Self = Self {
        min_fee: Amount(10_000),
        base_fee: Amount::ZERO,
        fee_per_byte: Amount(5),
        max_fee: Amount(10_000_000),
        dust: Amount(50_000),
        unspendable_dust: true,
        key_hash_outputs_only: true,
        relative_locks: true,
        pushed_signatures: true,
    };

    /// What a transaction of so many bytes pays at least.
    #[must_use]
    pub fn fee_floor(&self, bytes: usize) -> Amount {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let by_size = self.base_fee.0.saturating_add(self.fee_per_byte.0.saturating_mul(bytes));
        Amount(by_size.max(self.min_fee.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the reference node's `min_fee`: it adds the floor of 100,000 elsewhere.
    #[test]
    fn fees_by_size_are_those_of_the_reference_node() {
        let testnet = TransactionParams { min_fee: Amount::ZERO, ..TransactionParams::TESTNET };
        for (bytes, fee) in
            [(0, 50_000), (1, 50_025), (100, 52_500), (250, 56_250), (5384, 184_600), (100_000, 2_550_000)]
        {
            assert_eq!(testnet.fee_floor(bytes), Amount(fee));
        }
        let mainnet = TransactionParams { min_fee: Amount::ZERO, ..TransactionParams::MAINNET };
        for (bytes, fee) in [(0, 0), (1, 5), (2000, 10_000), (2001, 10_005), (2_000_000, 10_000_000)] {
            assert_eq!(mainnet.fee_floor(bytes), Amount(fee));
        }
    }

    #[test]
    fn no_transaction_is_cheaper_than_the_floor() {
        assert_eq!(TransactionParams::TESTNET.fee_floor(1999), Amount(100_000));
        assert_eq!(TransactionParams::TESTNET.fee_floor(2001), Amount(100_025));
        assert_eq!(TransactionParams::MAINNET.fee_floor(2000), Amount(10_000));
        assert_eq!(TransactionParams::MAINNET.fee_floor(usize::MAX), Amount(u64::MAX));
    }
}
