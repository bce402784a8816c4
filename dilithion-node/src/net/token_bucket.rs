//! How much of something a peer may do: so much at once, and so much per second. No IO.

use std::time::Duration;

/// A bucket of tokens that fills with time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TokenBucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    filled: Duration,
}

impl TokenBucket {
    /// A full bucket that holds `capacity` tokens and gains `per_second`; time begins at zero, or with the first call.
    #[must_use]
    pub(crate) const fn new(capacity: f64, per_second: f64) -> Self {
        Self { capacity, per_second, tokens: capacity, filled: Duration::ZERO }
    }

    fn fill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.filled).as_secs_f64() * self.per_second;
        // What was put in by hand may stand above the brim.
        self.tokens = (self.tokens + gained).min(self.capacity.max(self.tokens));
        self.filled = self.filled.max(now);
    }

    /// Takes `tokens` if there are so many; tells whether there were.
    pub(crate) fn take(&mut self, tokens: f64, now: Duration) -> bool {
        self.fill(now);
        let enough = self.tokens >= tokens;
        if enough {
            self.tokens -= tokens;
        }
        enough
    }

    /// Takes `tokens`, on credit if need be, and returns how long to wait until the debt is paid.
    pub(crate) fn take_on_credit(&mut self, tokens: f64, now: Duration) -> Duration {
        self.fill(now);
        self.tokens -= tokens;
        Duration::try_from_secs_f64((-self.tokens).max(0.0) / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Takes as many of `wanted` whole tokens as there are, and returns how many.
    pub(crate) fn take_some(&mut self, wanted: usize, now: Duration) -> usize {
        self.fill(now);
        let mut taken = 0;
        while taken < wanted && self.tokens >= 1.0 {
            self.tokens -= 1.0;
            taken += 1;
        }
        taken
    }

    /// Fills it up to `tokens`, if there are fewer.
    pub(crate) fn fill_to(&mut self, tokens: f64) {
        self.tokens = self.tokens.max(tokens);
    }

    /// Whether it holds all that it can.
    #[must_use]
    pub(crate) fn is_full(&self, now: Duration) -> bool {
        let mut filled = *self;
        filled.fill(now);
        filled.tokens >= self.capacity
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_much_at_once_and_so_much_per_second() {
        let mut bucket = TokenBucket::new(3.0, 2.0);
        assert!((0..3).all(|_| bucket.take(1.0, SECOND)));
        assert!(!bucket.take(1.0, SECOND));
        assert!(bucket.take(1.0, SECOND * 3 / 2) && !bucket.take(1.0, SECOND * 3 / 2));
        assert!(!bucket.take(4.0, SECOND * 100), "never more than it holds");
        assert!(bucket.is_full(SECOND * 100));
        assert_eq!(bucket.take_some(20, SECOND * 100), 3);
        assert!(!bucket.is_full(SECOND * 101) && bucket.is_full(SECOND * 102));
        bucket.fill_to(2.0);
        assert_eq!(bucket.take_some(20, SECOND * 100), 2);
    }

    #[test]
    fn debts_are_waited_for() {
        let mut bucket = TokenBucket::new(1.0, 2.0);
        assert_eq!(bucket.take_on_credit(1.0, SECOND), Duration::ZERO);
        assert_eq!(bucket.take_on_credit(1.0, SECOND), SECOND / 2);
        assert_eq!(bucket.take_on_credit(1.0, SECOND), SECOND);
        assert_eq!(bucket.take_on_credit(1.0, SECOND * 3), Duration::ZERO);
    }

    quickcheck! {
        /// Whatever is asked for and when, never more is given than the rate allows.
        fn the_rate_holds(asked: Vec<(u8, u16)>) -> bool {
            let mut bucket = TokenBucket::new(10.0, 5.0);
            let (mut now, mut given) = (Duration::ZERO, 0.0);
            asked.into_iter().all(|(tokens, millis)| {
                now += Duration::from_millis(millis.into());
                if bucket.take(f64::from(tokens), now) {
                    given += f64::from(tokens);
                }
                given <= 10.0 + 5.0 * now.as_secs_f64() + 1e-6
            })
        }
    }
}
