//! A clock that stands still until it is told to move.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{Clock, Now, Sleep};

/// A clock that a test moves; those who sleep on it are woken when it passes their time.
///
/// ```
/// use std::time::Duration;
/// use dilithion_node::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at_unix_millis(1_771_573_538_307);
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(clock.now().mono, Duration::from_secs(30));
/// assert_eq!(clock.unix_millis(), 1_771_573_568_307);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    /// Milliseconds since 1970.
    wall: Mutex<u64>,
    /// Monotonic time; sleepers watch it.
    mono: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock whose monotonic time is zero, and whose wall clock shows so many milliseconds since 1970.
    #[must_use]
    pub fn at_unix_millis(wall: u64) -> Self {
        Self { wall: Mutex::new(wall), mono: watch::Sender::new(Duration::ZERO) }
    }

    /// Lets time pass on both clocks, and wakes whose time has come.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let mut wall = self.wall();
        *wall = wall.saturating_add(millis);
        drop(wall);
        self.mono.send_modify(|mono| *mono = mono.saturating_add(by));
    }

    /// Sets the wall clock, in milliseconds since 1970, as an operator or a time server does; monotonic time goes on.
    pub fn set_unix_millis(&self, wall: u64) {
        *self.wall() = wall;
    }

    /// How many sleep now.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.mono.receiver_count()
    }

    fn wall(&self) -> MutexGuard<'_, u64> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at_unix_millis(0)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now { mono: *self.mono.borrow(), unix: *self.wall() / 1000 }
    }

    fn unix_millis(&self) -> u64 {
        *self.wall()
    }

    fn sleep_until(&self, until: Duration) -> Sleep {
        let mut mono = self.mono.subscribe();
        Box::pin(async move {
            // If the clock is gone, nobody will move it any more: the sleeper is let go.
            let _ = mono.wait_for(|mono| *mono >= until).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Requirement M1: what takes 30 s by this clock takes no time.
    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = Arc::new(ManualClock::default());
        let sleeps = [5, 30].map(|seconds| tokio::spawn(clock.sleep_until(Duration::from_secs(seconds))));
        assert_eq!(clock.sleepers(), 2);
        let [early, late] = sleeps;
        clock.advance(Duration::from_secs(5));
        early.await.unwrap();
        assert!(!late.is_finished());
        clock.advance(Duration::from_secs(25));
        late.await.unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    /// Requirement M1: a wall clock that is set back an hour moves no deadline.
    #[tokio::test]
    async fn setting_the_wall_clock_back_moves_no_deadline() {
        let clock = ManualClock::at_unix_millis(7_200_000);
        let sleep = tokio::spawn(clock.sleep_until(Duration::from_secs(5)));
        clock.set_unix_millis(3_600_000);
        assert_eq!(clock.now(), Now { mono: Duration::ZERO, unix: 3600 });
        clock.advance(Duration::from_secs(5));
        sleep.await.unwrap();
        assert_eq!(clock.unix_millis(), 3_605_000);
    }
}
