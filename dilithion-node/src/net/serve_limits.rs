//! What serving blocks and transactions to one peer may cost us. No IO.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dilithion_wire::Hash256;

use super::TokenBucket;

/// Blocks and transactions served that are remembered (spec: wire §4, M).
const REMEMBERED: usize = 500;
/// Bytes of repeated ones at once.
const REPEATED_BYTES: f64 = 32.0 * 1024.0 * 1024.0;
/// Bytes of repeated ones per second.
const REPEATED_BYTES_PER_SECOND: f64 = 256.0 * 1024.0;
/// Unknown ones at once that are looked for.
const UNKNOWN: f64 = 1000.0;
/// Unknown ones per second that are looked for.
const UNKNOWN_PER_SECOND: f64 = 100.0;

/// What one connection has been served.
///
/// A peer that asks for the same blocks again may have lost them, and is not blamed as M nodes would; but it gets only so
/// many bytes of them. So do requests for blocks that we do not have, which cost a look into the store and bring nothing.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    order: VecDeque<Hash256>,
    served: BTreeSet<Hash256>,
    repeated: TokenBucket,
    unknown: TokenBucket,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            served: BTreeSet::new(),
            repeated: TokenBucket::new(REPEATED_BYTES, REPEATED_BYTES_PER_SECOND),
            unknown: TokenBucket::new(UNKNOWN, UNKNOWN_PER_SECOND),
        }
    }
}

impl ServeLimits {
    /// Whether the store is to be asked for a block or a transaction.
    pub fn may_look(&mut self, hash: &Hash256, now: Duration) -> bool {
        let spent = if self.served.contains(hash) { &mut self.repeated } else { &mut self.unknown };
        spent.take(0.0, now)
    }

    /// One of so many bytes is served.
    pub fn on_served(&mut self, hash: Hash256, bytes: usize, now: Duration) {
        if !self.served.insert(hash) {
            // The last one may overdraw, so that even the largest block can be had again.
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.repeated.take_on_credit(bytes.into(), now);
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.served.remove(&oldest);
        }
    }

    /// One was looked for in vain.
    pub fn on_unknown(&mut self, now: Duration) {
        self.unknown.take_on_credit(1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);
    const LARGE: usize = 4 << 20;

    fn hash(number: u16) -> Hash256 {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        Hash256::from_bytes(bytes)
    }

    #[test]
    fn first_times_are_free_and_repetitions_have_a_budget_of_bytes() {
        let mut limits = ServeLimits::default();
        for number in 0..400 {
            assert!(limits.may_look(&hash(number), NOW));
            limits.on_served(hash(number), LARGE, NOW);
        }
        let again = (0..400).take_while(|number| {
            let look = limits.may_look(&hash(*number), NOW);
            if look {
                limits.on_served(hash(*number), LARGE, NOW);
            }
            look
        });
        assert_eq!(again.count(), 9, "32 MiB, and the one that overdraws");
        assert!(limits.may_look(&hash(1000), NOW), "new ones are served on");
        assert!(limits.may_look(&hash(0), NOW + Duration::from_secs(60)));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut limits = ServeLimits::default();
        for number in 0..2000 {
            limits.on_served(hash(number), LARGE, NOW);
        }
        assert_eq!((limits.served.len(), limits.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn looking_in_vain_ends() {
        let mut limits = ServeLimits::default();
        let looked = (0..50_000).filter(|number| {
            let look = limits.may_look(&hash(*number), NOW);
            if look {
                limits.on_unknown(NOW);
            }
            look
        });
        assert_eq!(looked.count(), 1001);
    }
}
