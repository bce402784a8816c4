//! Open requests, and those that were open too long.

use crate::table::{BlockState, Entry};
use crate::window::BlockWindow;
use std::time::Duration;

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

/// A request that was not answered in time. Its height is pending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut<P, H = u32> {
    /// The block asked for.
    pub height: H,
    /// The peer that failed it, which is avoided for this height from now on.
    pub peer: P,
    /// When it was asked, on the caller's clock.
    pub requested_at: Duration,
    /// How many times the block was requested so far, of any peer, this one included.
    pub attempts: u32,
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// Makes the heights pending again whose requests are
    /// [`request_timeout`](crate::WindowConfig::request_timeout) old or older, and returns them, oldest first.
    pub fn timeout_check(&mut self, now: Duration) -> Vec<TimedOut<P, H>> {
        let timeout = self.config.request_timeout;
        let expired: Vec<H> = self
            .table
            .in_flight_by_age()
            .take_while(|&(since, _)| since.saturating_add(timeout) <= now)
            .map(|(_, height)| height)
            .collect();
        expired.into_iter().filter_map(|height| self.give_up(height)).collect()
    }

    /// When [`timeout_check`](Self::timeout_check) will have something to return, on the caller's clock: the moment to
    /// sleep until. None if nothing is in flight.
    pub fn next_timeout(&self) -> Option<Duration> {
        let (since, _) = self.table.in_flight_by_age().next()?;
        Some(since.saturating_add(self.config.request_timeout))
    }

    /// The oldest of the open requests to `peer`; of several made at once, the one for the lowest height.
    pub fn oldest_request(&self, peer: P) -> Option<InFlight<P, H>> {
        let &(since, height) = self.table.in_flight_of(peer)?.first()?;
        Some(InFlight { height, peer, since })
    }

    /// All open requests, by ascending height.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight<P, H>> {
        self.table.in_flight().filter_map(|height| match self.table.get(height)?.state {
            BlockState::InFlight { peer, since } => Some(InFlight { height, peer, since }),
            BlockState::Pending | BlockState::Received { .. } => None,
        })
    }

    fn give_up(&mut self, height: H) -> Option<TimedOut<P, H>> {
        let &Entry { state, attempts, .. } = self.table.get(height)?;
        let BlockState::InFlight { peer, since } = state else { return None };
        self.table.insert(height, Entry { state: BlockState::Pending, avoid: Some(peer), attempts });
        Some(TimedOut { height, peer, requested_at: since, attempts })
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
