//! When blocks are due. No clock: whoever asks says what time it is.

use std::num::NonZeroU128;
use std::time::Duration;

/// A slot is met if its block is begun no later than this after it (requirement M16).
pub const SLOT_TOLERANCE: Duration = Duration::from_millis(50);

/// Slot k is at the start plus k intervals, from k = 1 on: a node that is started again and again makes no more blocks than
/// one that runs. Slots do not drift, whatever happens between them, and those that are past do not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSchedule {
    start: Duration,
    interval: Duration,
    nanoseconds: NonZeroU128,
    /// The first slot that is not over.
    next: u64,
    missed: u64,
}

/// A slot in which a block is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its number, from 1 on.
    pub number: u64,
    /// How long ago it was.
    pub late: Duration,
}

impl SlotSchedule {
    /// Slots every `interval` after `start`, in monotonic time; `None` if the interval is zero.
    #[must_use]
    pub fn new(start: Duration, interval: Duration) -> Option<Self> {
        let nanoseconds = NonZeroU128::new(interval.as_nanos())?;
        Some(Self { start, interval, nanoseconds, next: 1, missed: 0 })
    }

    /// When the next slot is.
    #[must_use]
    pub fn next_due(&self) -> Duration {
        self.time_of(self.next)
    }

    /// The time between two slots.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Slots that were not met: nothing was begun by [`SLOT_TOLERANCE`] after them.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The slot in which a block is to be made now, if one is due. Of many that are past it is the last one, once: a node that
    /// stood still makes one block when it goes on, at once, and the next one on time.
    pub fn take(&mut self, now: Duration) -> Option<Slot> {
        let slot = self.last_due(now)?;
        // The block of a late slot is made all the same, but its slot was not met.
        let skipped = slot.number.saturating_sub(self.next);
        self.missed = self.missed.saturating_add(skipped).saturating_add((slot.late > SLOT_TOLERANCE).into());
        self.next = slot.number.saturating_add(1);
        Some(slot)
    }

    /// No block can be made now: the slots that are due are over.
    pub fn skip(&mut self, now: Duration) {
        if let Some(slot) = self.last_due(now) {
            let next = slot.number.saturating_add(1);
            self.missed = self.missed.saturating_add(next.saturating_sub(self.next));
            self.next = next;
        }
    }

    /// The last slot that is not over and not in the future.
    fn last_due(&self, now: Duration) -> Option<Slot> {
        let passed = now.checked_sub(self.start)?.as_nanos() / self.nanoseconds;
        let number = u64::try_from(passed).unwrap_or(u64::MAX);
        (number >= self.next).then(|| Slot { number, late: now.saturating_sub(self.time_of(number)) })
    }

    fn time_of(&self, number: u64) -> Duration {
        let nanoseconds = self.nanoseconds.get().saturating_mul(number.into());
        let seconds = u64::try_from(nanoseconds / NANOSECONDS).unwrap_or(u64::MAX);
        // Less than a billion.
        let rest = u32::try_from(nanoseconds % NANOSECONDS).unwrap_or(0);
        self.start.saturating_add(Duration::new(seconds, rest))
    }
}

/// Nanoseconds in a second.
const NANOSECONDS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn schedule() -> SlotSchedule {
        SlotSchedule::new(seconds(100.0), INTERVAL).unwrap()
    }

    /// Requirement M16: a thousand slots, each taken a little late, and none drifts.
    #[test]
    fn a_thousand_slots_do_not_drift() {
        let mut schedule = schedule();
        for number in 1..=1000_u32 {
            let due = seconds(100.0) + INTERVAL * number;
            assert_eq!(schedule.next_due(), due);
            assert_eq!(schedule.take(due - Duration::from_nanos(1)), None);
            let late = Duration::from_millis(u64::from(number * 7 % 50));
            assert_eq!(schedule.take(due + late), Some(Slot { number: number.into(), late }));
            assert_eq!(schedule.take(due + late), None);
        }
        assert_eq!(schedule.missed(), 0);
    }

    /// Requirement M16: after 17 s without a chance one block is made, and three slots are missed.
    #[test]
    fn a_stall_makes_no_burst() {
        let mut schedule = schedule();
        assert_eq!(schedule.take(seconds(105.0)).unwrap().number, 1);
        let resumed = seconds(105.0 + 17.0);
        assert_eq!(schedule.take(resumed), Some(Slot { number: 4, late: seconds(2.0) }));
        assert_eq!(schedule.take(resumed), None);
        assert_eq!((schedule.missed(), schedule.next_due()), (3, seconds(125.0)));
        assert_eq!(schedule.take(seconds(125.0)).unwrap().late, Duration::ZERO);
        assert_eq!(schedule.missed(), 3);
    }

    #[test]
    fn slots_in_which_no_block_can_be_made_are_missed() {
        let mut schedule = schedule();
        schedule.skip(seconds(104.0));
        assert_eq!(schedule.missed(), 0);
        schedule.skip(seconds(111.0));
        assert_eq!((schedule.missed(), schedule.next_due()), (2, seconds(115.0)));
    }

    #[test]
    fn an_interval_has_a_length() {
        assert_eq!(SlotSchedule::new(Duration::ZERO, Duration::ZERO), None);
    }

    quickcheck! {
        /// Whenever it is asked: slots rise, are not in the future, and each is taken or missed, once.
        fn every_slot_is_met_or_missed(start: u32, interval: u16, steps: Vec<u16>) -> bool {
            let interval = Duration::from_millis(u64::from(interval) + 1);
            let start = Duration::from_millis(start.into());
            let mut schedule = SlotSchedule::new(start, interval).unwrap();
            let (mut now, mut met, mut last) = (start, 0, 0);
            for step in steps {
                now += Duration::from_millis(step.into());
                if let Some(slot) = schedule.take(now) {
                    assert!(slot.number > last && slot.late < interval);
                    last = slot.number;
                    met += u64::from(slot.late <= SLOT_TOLERANCE);
                }
                assert!(schedule.next_due() > now);
            }
            met + schedule.missed() == last
        }
    }
}
