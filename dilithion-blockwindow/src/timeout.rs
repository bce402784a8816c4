//! Open requests, and those that were open too long.

use crate::place::{Asked, Entry};
use crate::window::BlockWindow;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// An open request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight<P, H = u32> {
    /// The block asked for.
    pub height: H,
    /// The peer asked.
    pub peer: P,
    /// When it was asked, on the caller's clock.
    pub since: Duration,
}

/// A request that was not answered in time. Its height is pending again, unless another peer is asked for it still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut<P, H = u32> {
    /// The block asked for.
    pub height: H,
    /// The peer that failed it, which is avoided for this height from now on.
    pub peer: P,
    /// When it was asked, on the caller's clock.
    pub requested_at: Duration,
    /// How many times the block was requested so far, of any peer.
    pub attempts: u32,
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// Closes the requests that have failed, and returns them, oldest first. Their heights are pending again, unless a
    /// second peer is asked for them.
    ///
    /// A request has failed when its peer has delivered nothing that it was asked for since
    /// [`request_timeout`](crate::WindowConfig::request_timeout), or when it is
    /// [`max_request_age`](crate::WindowConfig::max_request_age) old. During a [pause](Self::pause) none fails.
    ///
    /// A peer that failed has its [limit](Self::limit_of) halved, once for each call however many of its requests failed.
    /// What it is asked for beyond that becomes pending as well, the latest requests first; they did not fail, so they
    /// are not returned, and it may be asked for them again.
    pub fn timeout_check(&mut self, now: Duration) -> Vec<TimedOut<P, H>> {
        if self.clock.is_paused() {
            return Vec::new();
        }
        let mut failed: Vec<TimedOut<P, H>> = self
            .table
            .failed(self.clock.read(now))
            .map(|(height, asked)| TimedOut {
                height,
                peer: asked.peer,
                requested_at: asked.since,
                attempts: self.table.get(height).map_or(0, |entry| entry.attempts),
            })
            .collect();
        failed.sort_unstable_by_key(|failed| (failed.requested_at, failed.height, failed.peer));
        let mut peers = BTreeSet::new();
        for &TimedOut { height, peer, .. } in &failed {
            if let Some(&entry) = self.table.get(height) {
                self.table.insert(height, Entry { avoid: Some(peer), ..entry.without(peer) });
            }
            self.totals.timed_out += 1;
            peers.insert(peer);
        }
        if self.config().adaptive_limits {
            peers.into_iter().for_each(|peer| self.lower_limit(peer));
        }
        failed
    }

    /// When [`timeout_check`](Self::timeout_check) will have something to return, on the caller's clock, if nothing is
    /// delivered before: the moment to sleep until. None if nothing is in flight, and during a [pause](Self::pause).
    pub fn next_timeout(&self) -> Option<Duration> {
        self.clock.on_callers(self.table.next_deadline()?)
    }

    /// Stops time: until [`resume`](Self::resume) no request grows older and no peer is silent. For a caller whose own
    /// queue of blocks is full, so that it does not read what peers deliver. Does nothing during a pause.
    pub fn pause(&mut self, now: Duration) {
        self.clock.pause(now);
    }

    /// Ends a [pause](Self::pause): every deadline is later by its length. Does nothing without one.
    pub fn resume(&mut self, now: Duration) {
        self.clock.resume(now);
    }

    /// Whether time stands still.
    pub fn is_paused(&self) -> bool {
        self.clock.is_paused()
    }

    /// The oldest of the open requests to `peer`; of several made at once, the one for the lowest height.
    pub fn oldest_request(&self, peer: P) -> Option<InFlight<P, H>> {
        let (_, height) = self.table.open_of(peer).next()?;
        let asked = self.table.get(height)?.askees()?.of(peer)?;
        Some(InFlight { height, peer, since: asked.since })
    }

    /// All open requests, by ascending height. A height that two peers are asked for comes twice.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight<P, H>> {
        self.table
            .in_flight()
            .filter_map(|height| Some((height, self.table.get(height)?.askees()?)))
            .flat_map(|(height, askees)| {
                askees.iter().map(move |Asked { peer, since, .. }| InFlight { height, peer, since })
            })
    }

    fn lower_limit(&mut self, peer: P) {
        let max = self.config().max_in_flight_per_peer;
        if let Some(record) = self.table.record_mut(peer) {
            record.lower_limit(max);
        }
        let excess = self.table.open_len_of(peer).saturating_sub(self.limit_of(peer));
        let latest: Vec<H> = self.table.open_of(peer).rev().take(excess).map(|(_, height)| height).collect();
        for height in latest {
            if let Some(&entry) = self.table.get(height) {
                self.table.insert(height, entry.without(peer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK_REQUEST_TIMEOUT;

    const SECOND: Duration = Duration::from_secs(1);

    fn window() -> BlockWindow<u8> {
        let mut window = BlockWindow::default();
        (1..=3).for_each(|height| assert!(window.add_pending(height)));
        window
    }

    #[test]
    fn next_timeout_is_the_first_moment_that_finds_something() {
        let mut window = window();
        assert_eq!(window.next_timeout(), None);
        assert_eq!(window.request_blocks_up_to(&[1], 1, SECOND).len(), 1);
        assert_eq!(window.request_blocks_up_to(&[2], 1, 5 * SECOND).len(), 1);
        let due = window.next_timeout().unwrap();
        assert_eq!(due, SECOND + BLOCK_REQUEST_TIMEOUT);
        assert_eq!(window.timeout_check(due - Duration::from_nanos(1)), []);
        let failed = TimedOut { height: 1, peer: 1, requested_at: SECOND, attempts: 1 };
        assert_eq!(window.timeout_check(due), [failed]);
        assert_eq!(window.timeout_check(due), []);
        assert_eq!(window.next_timeout(), Some(5 * SECOND + BLOCK_REQUEST_TIMEOUT));
    }

    #[test]
    fn attempts_count_the_requests_of_a_height_over_all_peers() {
        let mut window = window();
        let mut now = Duration::ZERO;
        for attempts in 1..=4 {
            assert_eq!(window.request_blocks_up_to(&[1, 2], 1, now).len(), 1);
            now += BLOCK_REQUEST_TIMEOUT;
            assert_eq!(window.timeout_check(now)[0].attempts, attempts);
        }
    }

    #[test]
    fn oldest_request_is_by_time_and_not_by_height() {
        let mut window = window();
        assert_eq!(window.oldest_request(1), None);
        assert_eq!(window.request_blocks_up_to(&[2], 1, Duration::ZERO).len(), 1);
        assert_eq!(window.request_blocks_up_to(&[1], 1, SECOND).len(), 1);
        assert_eq!(window.on_peer_disconnected(2), [1]);
        assert_eq!(window.request_blocks_up_to(&[1], 1, 2 * SECOND).len(), 1);
        assert_eq!(window.oldest_request(1), Some(InFlight { height: 2, peer: 1, since: SECOND }));
        assert_eq!(window.in_flight().map(|open| open.height).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_clock_at_its_end_or_running_backwards_does_no_harm() {
        let mut window = window();
        assert_eq!(window.request_blocks(&[1], Duration::MAX).len(), 3);
        assert_eq!(window.timeout_check(Duration::ZERO), []);
        assert_eq!(window.next_timeout(), Some(Duration::MAX));
        assert_eq!(window.timeout_check(Duration::MAX).len(), 3);
    }
}
