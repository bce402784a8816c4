//! What is remembered of a peer while it is connected.

use crate::clock::Counted;
use alloc::collections::VecDeque;
use core::time::Duration;

/// How many closed requests are remembered of a peer that it has not answered: four full loads.
pub(crate) const MAX_OWED_PER_PEER: usize = 64;

/// How slowly the pace of a peer follows its deliveries: each counts for an eighth (the gain of RFC 6298 §2.3).
const PACE_SMOOTHING: u32 = 8;

/// The conduct of one peer.
#[derive(Clone, Debug)]
pub(crate) struct Record<H> {
    /// By how much its limit is below the maximum.
    below_max: usize,
    /// When it last delivered something that it was asked for.
    heard: Option<Counted>,
    /// How long it is usually silent before a delivery.
    pace: Option<Duration>,
    /// Blocks that it was asked for and did not deliver, and whose requests are closed: they may still be on their way.
    /// As often as it was asked; at most [`MAX_OWED_PER_PEER`], the latest.
    owed: VecDeque<H>,
    /// Whether some of `owed` had to be forgotten.
    owed_more: bool,
}

impl<H> Record<H> {
    pub(crate) fn new() -> Self {
        Self { below_max: 0, heard: None, pace: None, owed: VecDeque::new(), owed_more: false }
    }

    /// How many blocks may be in flight from it.
    pub(crate) fn limit(&self, max: usize) -> usize {
        max.saturating_sub(self.below_max)
    }

    /// It failed: half the limit, but at least one.
    pub(crate) fn lower_limit(&mut self, max: usize) {
        self.below_max = max.saturating_sub((self.limit(max) / 2).max(1));
    }

    /// It delivered: one more.
    pub(crate) fn raise_limit(&mut self) {
        self.below_max = self.below_max.saturating_sub(1);
    }

    /// Since when it has been silent about a request of the time `asked`.
    pub(crate) fn silent_since(&self, asked: Counted) -> Counted {
        self.heard.map_or(asked, |heard| heard.max(asked))
    }

    /// How long it is usually silent before a delivery. None before the first.
    pub(crate) fn pace(&self) -> Option<Duration> {
        self.pace
    }

    /// It delivered something that it was asked for. `asked` is given if that request was open.
    pub(crate) fn note_delivery(&mut self, asked: Option<Counted>, at: Counted) {
        if let Some(asked) = asked {
            let silence = at.since(self.silent_since(asked));
            self.pace = Some(self.pace.map_or(silence, |pace| {
                (pace / PACE_SMOOTHING * (PACE_SMOOTHING - 1)).saturating_add(silence / PACE_SMOOTHING)
            }));
        }
        self.heard = Some(self.silent_since(at));
    }
}

impl<H: Copy + Eq> Record<H> {
    /// A request to it was closed before it delivered.
    pub(crate) fn note_owed(&mut self, height: H) {
        if self.owed.len() == MAX_OWED_PER_PEER {
            self.owed.pop_front();
            self.owed_more = true;
        }
        self.owed.push_back(height);
    }

    /// Takes one of its closed requests for `height` off the list. Returns whether there was one.
    pub(crate) fn settle(&mut self, height: H) -> bool {
        let found = self.owed.iter().position(|&owed| owed == height);
        found.is_some_and(|index| self.owed.remove(index).is_some())
    }

    /// Whether it may have been asked for `height` by a request that is closed: in doubt, yes.
    pub(crate) fn may_owe(&self, height: H) -> bool {
        self.owed_more || self.owed.contains(&height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Counted {
        Counted::from(Duration::from_secs(seconds))
    }

    #[test]
    fn the_limit_is_halved_down_to_one_and_grows_back_one_by_one() {
        let mut record = Record::<u8>::new();
        let mut limits = Vec::new();
        for _ in 0..6 {
            limits.push(record.limit(16));
            record.lower_limit(16);
        }
        assert_eq!(limits, [16, 8, 4, 2, 1, 1]);
        (0..20).for_each(|_| record.raise_limit());
        assert_eq!(record.limit(16), 16);
        record.lower_limit(0);
        assert_eq!(record.limit(0), 0, "a window that asks for nothing stays that way");
    }

    #[test]
    fn pace_is_the_silence_before_a_delivery_and_not_the_time_in_the_queue() {
        let mut record = Record::<u8>::new();
        for second in 1..=4 {
            record.note_delivery(Some(at(0)), at(second));
            assert_eq!(record.pace(), Some(Duration::from_secs(1)));
        }
        record.note_delivery(Some(at(10)), at(19));
        assert_eq!(record.pace(), Some(Duration::from_secs(2)));
        assert_eq!(record.silent_since(at(5)), at(19));
    }

    #[test]
    fn what_is_owed_is_bounded_and_beyond_that_in_the_peers_favour() {
        let mut record = Record::new();
        for height in 0..MAX_OWED_PER_PEER {
            record.note_owed(height);
        }
        assert!(record.may_owe(0) && !record.may_owe(MAX_OWED_PER_PEER));
        record.note_owed(MAX_OWED_PER_PEER);
        assert_eq!(record.owed.len(), MAX_OWED_PER_PEER);
        assert!(record.may_owe(0) && !record.settle(0));
        assert!(record.settle(1) && !record.settle(1));
    }
}
