//! What will happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A queue of events of type `T` by time; those of one moment come in the order in which they were scheduled.
#[derive(Debug)]
pub struct EventQueue<T> {
    heap: BinaryHeap<Reverse<Scheduled<T>>>,
    now: Duration,
    scheduled: u64,
    happened: u64,
}

#[derive(Debug)]
struct Scheduled<T> {
    at: Duration,
    number: u64,
    event: T,
}

impl<T> PartialEq for Scheduled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Scheduled<T> {}

impl<T> PartialOrd for Scheduled<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Scheduled<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> EventQueue<T> {
    /// An empty queue at time zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new(), now: Duration::ZERO, scheduled: 0, happened: 0 }
    }

    /// The time of the last event taken.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// How many events were taken.
    #[must_use]
    pub const fn happened(&self) -> u64 {
        self.happened
    }

    /// Schedules an event; one in the past happens now.
    pub fn at(&mut self, at: Duration, event: T) {
        self.scheduled += 1;
        self.heap.push(Reverse(Scheduled { at: at.max(self.now), number: self.scheduled, event }));
    }

    /// Schedules an event after some time.
    pub fn after(&mut self, delay: Duration, event: T) {
        self.at(self.now.saturating_add(delay), event);
    }

    /// Takes the next event, and moves time to it.
    pub fn pop(&mut self) -> Option<T> {
        let Reverse(next) = self.heap.pop()?;
        self.now = next.at;
        self.happened += 1;
        Some(next.event)
    }
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_order() {
        let mut queue = EventQueue::new();
        let second = Duration::from_secs(1);
        queue.at(2 * second, 'c');
        queue.at(second, 'a');
        queue.at(second, 'b');
        assert_eq!((queue.pop(), queue.pop(), queue.now()), (Some('a'), Some('b'), second));
        queue.at(Duration::ZERO, 'd');
        assert_eq!((queue.pop(), queue.now()), (Some('d'), second), "the past is over");
        assert_eq!((queue.pop(), queue.pop(), queue.happened()), (Some('c'), None, 4));
    }
}
