//! How fast hashing goes and since when it rests, seen from the outside in ticks.

use std::time::Duration;

use crate::PowMode;

/// The shortest time that tells a rate: below it, single hashes show.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// What the ticks have told so far.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Time, hashes and mode at the start of the window in which a rate is measured.
    window: Option<Sample>,
    /// Hashes at the last tick, and the last tick that saw more of them than the one before.
    hashes: u64,
    busy_at: Duration,
    light_rate: Option<f64>,
    fast_rate: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    now: Duration,
    hashes: u64,
    mode: PowMode,
}

impl Activity {
    /// Takes note of the hashes computed until `now`, and gives the time for which none has been.
    pub(super) fn tick(&mut self, now: Duration, hashes: u64, mode: PowMode) -> Duration {
        let sample = Sample { now, hashes, mode };
        let start = *self.window.get_or_insert_with(|| {
            self.busy_at = now;
            sample
        });
        if hashes > self.hashes {
            (self.hashes, self.busy_at) = (hashes, now);
        }
        let elapsed = now.saturating_sub(start.now);
        if mode != start.mode || elapsed >= RATE_WINDOW {
            self.window = Some(sample);
        }
        if mode == start.mode && elapsed >= RATE_WINDOW && hashes > start.hashes {
            let rate = match mode {
                PowMode::Fast => &mut self.fast_rate,
                PowMode::Light | PowMode::Auto => &mut self.light_rate,
            };
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let measured = (hashes - start.hashes) as f64 / elapsed.as_secs_f64();
            // The highest: a window may be idle in part.
            *rate = Some(rate.unwrap_or_default().max(measured));
        }
        now.saturating_sub(self.busy_at)
    }

    /// Hashes in a second in this mode, all threads together, where ticks have seen any.
    pub(super) const fn rate(&self, mode: PowMode) -> Option<f64> {
        match mode {
            PowMode::Fast => self.fast_rate,
            PowMode::Light | PowMode::Auto => self.light_rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn rest_counts_from_the_last_hash_or_the_first_tick() {
        let mut activity = Activity::default();
        assert_eq!(activity.tick(ms(5000), 0, PowMode::Light), ms(0));
        assert_eq!(activity.tick(ms(6000), 0, PowMode::Light), ms(1000));
        assert_eq!(activity.tick(ms(7000), 1, PowMode::Light), ms(0));
        assert_eq!(activity.tick(ms(9500), 1, PowMode::Fast), ms(2500));
        // A clock that runs backwards is no rest.
        assert_eq!(activity.tick(ms(10), 1, PowMode::Fast), ms(0));
    }

    #[test]
    fn rates_are_the_highest_of_each_mode_over_a_second_at_least() {
        let mut activity = Activity::default();
        activity.tick(ms(0), 0, PowMode::Light);
        activity.tick(ms(10), 1000, PowMode::Light);
        assert_eq!(activity.rate(PowMode::Light), None);
        activity.tick(ms(2000), 1000, PowMode::Light);
        assert_eq!(activity.rate(PowMode::Light), Some(500.0));
        activity.tick(ms(4000), 1002, PowMode::Light);
        assert_eq!(activity.rate(PowMode::Light), Some(500.0));
        // What was hashed before the change belongs to neither.
        activity.tick(ms(6000), 9000, PowMode::Fast);
        assert_eq!(activity.rate(PowMode::Fast), None);
        activity.tick(ms(8000), 13_000, PowMode::Fast);
        assert_eq!(activity.rate(PowMode::Fast), Some(2000.0));
    }
}
