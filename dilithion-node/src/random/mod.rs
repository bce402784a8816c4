//! Random numbers: unpredictable ones for nonces, sampling, and keys that only have to be unknown to peers; and sequences
//! that a seed repeats.

mod sequence;

use std::hash::{BuildHasher, Hasher, RandomState};

pub use self::sequence::Random;
pub(crate) use self::sequence::{mix, nanos};

/// A number no peer can predict: each `RandomState` is keyed afresh from the operating system.
#[must_use]
pub fn random_u64() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::random_u64;

    #[test]
    fn numbers_differ() {
        let drawn: std::collections::BTreeSet<u64> = (0..100).map(|_| random_u64()).collect();
        assert_eq!(drawn.len(), 100);
    }
}
