//! The block that all others wait for is asked of a second peer.

use crate::clock::Counted;
use crate::place::Asked;
use crate::schedule::{Request, Source};
use crate::window::BlockWindow;
use core::time::Duration;

/// A second peer is asked when the first has been silent for so many times as long as it usually is before a delivery.
pub const SECOND_REQUEST_PACES: u32 = 4;

/// A second peer is not asked before the first has been silent for so long: a few round trips of the slowest lines.
pub const MIN_SECOND_REQUEST_DELAY: Duration = Duration::from_secs(2);

/// The silence before a delivery that is expected of a peer that has not delivered yet (the first guess of RFC 6298 §2.1).
pub const INITIAL_PACE: Duration = Duration::from_secs(1);

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// Asks a second peer for the block that all others wait for, if the first takes long. The first request stays open;
    /// the first delivery closes both, and the other peer's copy will be [`Delivery::Redundant`](crate::Delivery).
    ///
    /// The block is the lowest of all heights. It is in flight, of one peer only, and blocks above it have been received, or
    /// there are none. That peer takes long when it has been silent for [`SECOND_REQUEST_PACES`] times its usual silence before a
    /// delivery, within [`MIN_SECOND_REQUEST_DELAY`] and half of
    /// [`request_timeout`](crate::WindowConfig::request_timeout), or when the request itself is older than that whole
    /// time-out, however much else the peer delivers. So peers that are all equally slow are not asked twice.
    ///
    /// The second is the next in turn of the ready `sources` with room that have the block, but not the one that failed it
    /// last.
    #[must_use = "the window counts this block as requested"]
    pub fn second_request(&mut self, sources: &[Source<P, H>], now: Duration) -> Option<Request<P, H>> {
        let (height, first) = self.blocking_request()?;
        if self.clock.is_paused() || self.second_request_due(first) > self.clock.read(now) {
            return None;
        }
        let avoid = self.table.get(height)?.avoid;
        let able = sources.iter().filter(|source| {
            let other = source.peer != first.peer && Some(source.peer) != avoid;
            source.ready && other && source.best >= height && self.room_of(source.peer) > 0
        });
        // The turns go on after the last peer asked, and around.
        let peer =
            able.map(|source| source.peer).min_by_key(|&peer| (Some(peer) <= self.last_asked, peer))?;
        self.ask(height, peer, now);
        self.totals.second_requests += 1;
        Some(Request { peer, height })
    }

    /// When [`second_request`](Self::second_request) will ask, given a source, on the caller's clock. It may lie in the
    /// past: then it is worth another try whenever a source has become ready. None if nothing waits for a single peer,
    /// and during a pause.
    pub fn next_second_request(&self) -> Option<Duration> {
        let (_, first) = self.blocking_request()?;
        self.clock.on_callers(self.second_request_due(first))
    }

    /// When [`timeout_check`](Self::timeout_check) or [`second_request`](Self::second_request) has something to do, on the
    /// caller's clock: the moment to sleep until. A second request that was due by `now` is left out, because it waits
    /// for a source and not for a time.
    pub fn next_deadline(&self, now: Duration) -> Option<Duration> {
        let second = self.next_second_request().filter(|&due| due > now);
        self.next_timeout().into_iter().chain(second).min()
    }

    /// The lowest height of all and whom it was asked of, if it is in flight, of one peer, and others wait for it, or the
    /// caller does because it is the last.
    fn blocking_request(&self) -> Option<(H, Asked<P>)> {
        let others_wait = self.table.received_len() > 0 || self.table.len() == 1;
        if !self.config().second_requests || !others_wait {
            return None;
        }
        let (height, entry) = self.table.lowest()?;
        let askees = entry.askees().filter(|askees| !askees.has_second())?;
        Some((height, askees.first()))
    }

    fn second_request_due(&self, first: Asked<P>) -> Counted {
        let timeout = self.config().request_timeout;
        let pace = self.table.pace_of(first.peer).unwrap_or(INITIAL_PACE);
        let delay = pace.saturating_mul(SECOND_REQUEST_PACES).max(MIN_SECOND_REQUEST_DELAY).min(timeout / 2);
        let silent = self.table.silent_since(first.peer, first.counted).after(delay);
        silent.min(first.counted.after(timeout))
    }
}
