//! What serving blocks and transactions to one host may cost us. No IO.

use std::time::Duration;

use dilithion_chain::DEFAULT_MAX_PENDING_BYTES;
use dilithion_wire::Height;

use super::TokenBucket;
use super::height_ranges::HeightRanges;

/// So long a block that was served is known as such; then it may be had once more. Bitcoin Core counts its upload target
/// over the same time.
const SERVED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of pending transactions at once: a whole pool, and another that has taken its place.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const TRANSACTION_BYTES: f64 = (2 * DEFAULT_MAX_PENDING_BYTES) as f64;
/// Bytes of pending transactions per second: the largest block in 16 s, fifteen times what a chain takes up.
const TRANSACTION_BYTES_PER_SECOND: f64 = 256.0 * 1024.0;
/// Unknown ones at once that are looked for.
const UNKNOWN: f64 = 1000.0;
/// Unknown ones per second that are looked for.
const UNKNOWN_PER_SECOND: f64 = 100.0;

/// How much a host may be served of what it had already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of blocks at once that it had already.
    pub repeated_bytes: u32,
    /// Bytes of such blocks per second.
    pub repeated_bytes_per_second: u32,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self { repeated_bytes: 32 << 20, repeated_bytes_per_second: 256 << 10 }
    }
}

/// What one host has been served.
///
/// Each block is free once a day, so that a sync costs nothing. Whoever asks for a block again may have lost it, and is not
/// blamed as M nodes would (spec: wire §4); but it waits longer the more of them it wants. What was served is remembered by
/// height, as ranges, in three kilobytes at most: a block of another branch counts as the one at its height.
///
/// Requests for what we do not have cost a look into the store and bring nothing: only so many are followed.
#[derive(Clone, Debug)]
pub(crate) struct ServeLimits {
    served: HeightRanges,
    /// When the first of them was served.
    since: Duration,
    repeated: TokenBucket,
    transactions: TokenBucket,
    unknown: TokenBucket,
}

impl ServeLimits {
    /// Nothing has been served.
    #[must_use]
    pub(crate) fn new(limits: UploadLimits) -> Self {
        let UploadLimits { repeated_bytes, repeated_bytes_per_second } = limits;
        Self {
            served: HeightRanges::default(),
            since: Duration::ZERO,
            repeated: TokenBucket::new(repeated_bytes.into(), repeated_bytes_per_second.into()),
            transactions: TokenBucket::new(TRANSACTION_BYTES, TRANSACTION_BYTES_PER_SECOND),
            unknown: TokenBucket::new(UNKNOWN, UNKNOWN_PER_SECOND),
        }
    }

    /// Whether the store is to be searched once more.
    pub(crate) fn may_look(&mut self, now: Duration) -> bool {
        self.unknown.take(0.0, now)
    }

    /// Something was looked for in vain.
    pub(crate) fn on_unknown(&mut self, now: Duration) {
        self.unknown.take_on_credit(1.0, now);
    }

    /// A block of so many bytes has been read, and may be sent after this time.
    pub(crate) fn on_block(&mut self, height: Height, bytes: usize, now: Duration) -> Duration {
        self.forget(now);
        if self.served.is_empty() {
            self.since = now;
        }
        if self.served.insert(height) {
            return Duration::ZERO;
        }
        self.repeated.take_on_credit(tokens(bytes), now)
    }

    /// A pending transaction of so many bytes has been read, and may be sent after this time.
    pub(crate) fn on_transaction(&mut self, bytes: usize, now: Duration) -> Duration {
        self.transactions.take_on_credit(tokens(bytes), now)
    }

    /// Whether it stands as at the beginning.
    pub(super) fn is_fresh(&mut self, now: Duration) -> bool {
        self.forget(now);
        let full =
            [&self.repeated, &self.transactions, &self.unknown].iter().all(|bucket| bucket.is_full(now));
        full && self.served.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= SERVED_FOR {
            self.served = HeightRanges::default();
        }
    }
}

fn tokens(bytes: usize) -> f64 {
    u32::try_from(bytes).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);
    const SECOND: Duration = Duration::from_secs(1);
    const LARGE: usize = 4 << 20;

    fn limits() -> ServeLimits {
        ServeLimits::new(UploadLimits::default())
    }

    #[test]
    fn a_whole_chain_is_free_once_and_a_circle_has_a_budget_of_bytes() {
        let mut limits = limits();
        assert!((0..100_000).all(|height| limits.on_block(Height(height), LARGE, NOW).is_zero()));
        let again = (0..100_000).take_while(|height| limits.on_block(Height(*height), LARGE, NOW).is_zero());
        assert_eq!(again.count(), 8, "32 MiB");
        assert_eq!(limits.on_block(Height(9), LARGE, NOW + 16 * SECOND), 16 * SECOND, "4 MiB at 256 KiB/s");
        assert_eq!(limits.on_block(Height(100_000), LARGE, NOW), Duration::ZERO, "new ones are served on");
    }

    #[test]
    fn after_a_day_each_block_is_free_once_more() {
        let mut limits = limits();
        limits.on_block(Height(1), LARGE, NOW);
        assert!(!limits.is_fresh(NOW + SERVED_FOR - SECOND));
        assert!(limits.clone().is_fresh(NOW + SERVED_FOR));
        limits.on_block(Height(1), usize::MAX, NOW + SERVED_FOR);
        assert!(!limits.on_block(Height(1), usize::MAX, NOW + SERVED_FOR).is_zero());
    }

    #[test]
    fn pending_transactions_are_free_as_long_as_they_are_no_more_than_two_pools() {
        let mut limits = limits();
        let free = (0..100).take_while(|_| limits.on_transaction(1 << 20, NOW).is_zero());
        assert_eq!(free.count(), 64);
    }

    #[test]
    fn looking_in_vain_ends() {
        let mut limits = limits();
        let looked = (0..50_000).filter(|_| {
            let look = limits.may_look(NOW);
            if look {
                limits.on_unknown(NOW);
            }
            look
        });
        assert_eq!(looked.count(), 1001);
        assert!(!limits.is_fresh(NOW) && limits.is_fresh(NOW + 11 * SECOND));
    }

    quickcheck! {
        /// Whatever heights are asked for and when, no more is sent than each once, the burst, and the rate.
        fn no_more_is_sent_than_allowed(asked: Vec<(u8, u16)>) -> bool {
            let mut limits = limits();
            let (mut now, mut sent, mut seen) = (Duration::ZERO, 0.0, std::collections::BTreeSet::new());
            asked.into_iter().all(|(height, millis)| {
                // A peer is served one block after the other.
                now += Duration::from_millis(millis.into());
                now += limits.on_block(Height(height.into()), LARGE, now);
                sent += tokens(LARGE);
                seen.insert(height);
                let free = f64::from(u32::try_from(seen.len()).unwrap()) * tokens(LARGE);
                let UploadLimits { repeated_bytes, repeated_bytes_per_second } = UploadLimits::default();
                let rate = f64::from(repeated_bytes_per_second);
                sent <= free + f64::from(repeated_bytes) + rate * now.as_secs_f64() + 1.0
            })
        }
    }
}
