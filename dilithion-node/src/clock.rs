//! The one place of this crate that reads a clock.
//!
//! Everything below takes a [`Now`] as an argument, so that tests and simulations own time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment, in the two kinds of time a node needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since an arbitrary start; for timeouts. Never steps back.
    pub mono: Duration,
    /// Wall clock, seconds since 1970; only for block times and `version` messages.
    pub unix: u64,
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        // A wall clock before 1970 is as good as 1970: block times cannot be that old either.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: self.started.elapsed(), unix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_steps_back() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.mono >= first.mono);
        assert!(first.unix > 1_700_000_000);
    }
}
