//! Random numbers that all come from one seed.

use std::ops::Range;
use std::time::Duration;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, fast, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Seeds are small numbers in a row; their sequences must have nothing in common.
        Self(mix(seed ^ 0x5eed_5eed_5eed_5eed))
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number of `range`, which must not be empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        // The bias of the remainder is far below what any run could notice.
        range.start + self.next_u64() % (range.end - range.start).max(1)
    }

    /// A time of `range`.
    pub fn time_within(&mut self, range: Range<Duration>) -> Duration {
        Duration::from_nanos(self.within(nanos(range.start)..nanos(range.end)))
    }

    /// The time until the next of many events that are independent of each other and come every `mean` on average.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        // The 53 bits that a float holds, so that the fraction is never 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let fraction = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        mean.mul_f64(-(1.0 - fraction).ln())
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.within(0..n) == 0
    }
}

/// Nanoseconds of a time; runs are far shorter than the 584 years that fit.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The output function of `SplitMix64`.
pub(crate) const fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_in_a_row_share_nothing() {
        let draws: std::collections::BTreeSet<u64> = (0..100)
            .flat_map(|seed| {
                let mut random = Random::new(seed);
                (0..100).map(move |_| random.next_u64())
            })
            .collect();
        assert_eq!(draws.len(), 10_000);
    }

    #[test]
    fn independent_events_keep_their_mean() {
        let mut random = Random::new(7);
        let mean = Duration::from_secs(2);
        let total: Duration = (0..10_000).map(|_| random.exponential(mean)).sum();
        assert!(total > 9_500 * mean && total < 10_500 * mean, "{total:?}");
    }

    #[test]
    fn ranges_are_kept_and_filled() {
        let mut random = Random::new(1);
        let drawn: std::collections::BTreeSet<u64> = (0..1000).map(|_| random.within(5..10)).collect();
        assert!(drawn.into_iter().eq(5..10));
        assert_eq!(random.within(7..7), 7, "an empty range yields its start");
    }
}
