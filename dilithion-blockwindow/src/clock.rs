//! The clock of the window, which stands still during a pause.

use core::time::Duration;

/// A moment by that clock. A type of its own, so that it is not compared with a moment on the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted(Duration);

impl Counted {
    /// The moment that is `time` later.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// The time since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
impl From<Duration> for Counted {
    fn from(time: Duration) -> Self {
        Self(time)
    }
}

/// Turns the caller's time into time that counts, and back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PauseClock {
    /// When the present pause began, on the caller's clock.
    paused_at: Option<Duration>,
    /// The length of all pauses that are over.
    lost: Duration,
}

impl PauseClock {
    pub(crate) fn pause(&mut self, now: Duration) {
        self.paused_at.get_or_insert(now);
    }

    pub(crate) fn resume(&mut self, now: Duration) {
        if let Some(paused_at) = self.paused_at.take() {
            self.lost = self.lost.saturating_add(now.saturating_sub(paused_at));
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// What this clock says at the caller's `now`.
    pub(crate) fn read(&self, now: Duration) -> Counted {
        Counted(self.paused_at.unwrap_or(now).saturating_sub(self.lost))
    }

    /// When this clock will say `moment`, on the caller's. During a pause nobody knows.
    pub(crate) fn on_callers(&self, moment: Counted) -> Option<Duration> {
        (!self.is_paused()).then(|| moment.0.saturating_add(self.lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_add_up_and_repeating_a_call_changes_nothing() {
        let mut clock = PauseClock::default();
        clock.resume(SECOND);
        assert_eq!(clock.read(3 * SECOND), Counted(3 * SECOND));
        for (pause, resume) in [(4, 6), (10, 13)] {
            clock.pause(pause * SECOND);
            clock.pause((pause + 1) * SECOND);
            assert_eq!(clock.on_callers(clock.read(pause * SECOND)), None);
            clock.resume(resume * SECOND);
            clock.resume((resume + 1) * SECOND);
        }
        assert_eq!(clock.read(20 * SECOND), Counted(15 * SECOND));
        assert_eq!(clock.on_callers(Counted(15 * SECOND)), Some(20 * SECOND));
    }

    #[test]
    fn a_clock_that_runs_backwards_does_no_harm() {
        let mut clock = PauseClock::default();
        clock.pause(9 * SECOND);
        clock.resume(SECOND);
        assert_eq!(clock.read(2 * SECOND), Counted(2 * SECOND));
        clock.pause(Duration::ZERO);
        clock.resume(Duration::MAX);
        assert_eq!(clock.on_callers(clock.read(SECOND)), Some(Duration::MAX));
    }
}
