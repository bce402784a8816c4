//! The one place of this crate that reads a clock.
//!
//! Everything below takes a [`Now`] as an argument, so that tests and simulations own time. What has to wait asks its
//! [`Clock`] to wake it ([`Clock::sleep_until`]), so that a test owns that too: see [`ManualClock`].

mod calendar;
mod manual;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use self::calendar::{UtcTime, timestamp};
pub use self::manual::ManualClock;

/// A moment, in the two kinds of time a node needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time since an arbitrary start; for timeouts. Never steps back.
    pub mono: Duration,
    /// Wall clock, seconds since 1970; only for block times and `version` messages.
    pub unix: u64,
}

/// A wait that ends when a clock says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Now;

    /// Wall clock, milliseconds since 1970; only for showing to people. It may step either way.
    fn unix_millis(&self) -> u64 {
        self.now().unix.saturating_mul(1000)
    }

    /// Completes when the monotonic time is at least `mono`; must be awaited on a tokio runtime.
    fn sleep_until(&self, mono: Duration) -> Sleep {
        let left = mono.saturating_sub(self.now().mono);
        Box::pin(async move { tokio::time::sleep(left).await })
    }
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

/// Time since 1970. A wall clock before 1970 is as good as 1970: block times cannot be that old either.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), unix: since_1970().as_secs() }
    }

    fn unix_millis(&self) -> u64 {
        u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
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
        assert!(clock.unix_millis() / 1000 >= first.unix);
    }

    #[tokio::test]
    async fn a_sleep_lasts_until_its_time_has_come() {
        let clock = SystemClock::new();
        clock.sleep_until(Duration::ZERO).await;
        let until = clock.now().mono + Duration::from_millis(2);
        clock.sleep_until(until).await;
        assert!(clock.now().mono >= until);
    }
}
