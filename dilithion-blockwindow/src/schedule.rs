//! Which block is asked of which peer.

use crate::place::Asked;
use crate::window::BlockWindow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// A block to be asked of a peer. The window counts it as in flight already: if it cannot be sent, the caller says so by
/// [`cancel_request`](BlockWindow::cancel_request) or [`on_peer_disconnected`](BlockWindow::on_peer_disconnected).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<P, H = u32> {
    /// The peer to ask.
    pub peer: P,
    /// The block to ask for.
    pub height: H,
}

/// A peer as a source of blocks, for [`request_blocks_from`](BlockWindow::request_blocks_from).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<P, H = u32> {
    /// The peer.
    pub peer: P,
    /// The highest block that it has.
    pub best: H,
    /// Whether it is to be asked for more now. If not, it still counts as one that heights can wait for.
    pub ready: bool,
}

/// A peer that can be asked for more.
struct Seat<P, H> {
    peer: P,
    room: usize,
    /// The highest block that it has, if that is known.
    best: Option<H>,
}

impl<P, H: Ord> Seat<P, H> {
    fn has(&self, height: &H) -> bool {
        self.best.as_ref().is_none_or(|best| best >= height)
    }
}

impl<P: Copy + Ord, H: Copy + Ord> BlockWindow<P, H> {
    /// Gives the lowest pending heights to `peers`, one to each in turn, until no peer has room or nothing is pending.
    /// Returns the requests by ascending height.
    ///
    /// The turns go on where the last call stopped, by the order of `P`; neither the order nor repetitions in `peers`
    /// matter, and no peer is preferred.
    ///
    /// A height is not given to the peer that failed it last, unless that is the only one of `peers`. So if only that
    /// one has room, the height waits for another to have some, which is at most a
    /// [`max_request_age`](crate::WindowConfig::max_request_age) away; were it given back at once, a stalled peer would
    /// hold the lowest heights for ever while the others are busy.
    ///
    /// Costs O(log n) for each request and each peer; pending heights that are not given out are not looked at.
    #[must_use = "the window counts these blocks as requested"]
    pub fn request_blocks(&mut self, peers: &[P], now: Duration) -> Vec<Request<P, H>> {
        self.request_blocks_up_to(peers, usize::MAX, now)
    }

    /// [`request_blocks`](Self::request_blocks), but at most `limit` requests: for a caller whose own queues are bounded.
    ///
    /// A caller that keeps the sum of in-flight and received heights under a bound cannot block itself: a height that
    /// fails makes room for one request, and the lowest heights are given out first.
    #[must_use = "the window counts these blocks as requested"]
    pub fn request_blocks_up_to(&mut self, peers: &[P], limit: usize, now: Duration) -> Vec<Request<P, H>> {
        let mut peers = peers.to_vec();
        peers.sort_unstable();
        peers.dedup();
        let only = peers.len() == 1;
        let seats = self.seats(peers.into_iter().map(|peer| (peer, None)));
        self.assign(seats, |_| only, limit, now)
    }

    /// [`request_blocks`](Self::request_blocks) from peers that do not all have all blocks, or are not all to be asked
    /// now, and at most `limit` blocks: a height goes only to a peer that has it, and back to the peer that failed it last
    /// only if no other of `sources` has it, ready or not.
    #[must_use = "the window counts these blocks as requested"]
    pub fn request_blocks_from(
        &mut self,
        sources: &[Source<P, H>],
        limit: usize,
        now: Duration,
    ) -> Vec<Request<P, H>> {
        let mut sources = sources.to_vec();
        sources.sort_unstable_by_key(|source| source.peer);
        sources.dedup_by_key(|source| source.peer);
        let mut bests: Vec<H> = sources.iter().map(|source| source.best).collect();
        bests.sort_unstable_by(|a, b| b.cmp(a));
        let shared = bests.get(1).copied();
        let seats = self.seats(
            sources.iter().filter(|source| source.ready).map(|source| (source.peer, Some(source.best))),
        );
        // Above the second highest of the bests, one source is left.
        self.assign(seats, |height| shared.is_none_or(|shared| height > shared), limit, now)
    }

    /// Deals out heights until no seat can take one. `sole` tells of a height whether just one peer has it.
    fn assign(
        &mut self,
        mut seats: VecDeque<Seat<P, H>>,
        sole: impl Fn(H) -> bool,
        limit: usize,
        now: Duration,
    ) -> Vec<Request<P, H>> {
        let mut requests = Vec::new();
        // The heights ascend: each turn takes the lowest that the seats can, and what these could not take while they
        // were more, they cannot when they are fewer.
        while requests.len() < limit {
            let Some((turn, height)) = self.next_turn(&mut seats, &sole) else { break };
            let Some(mut seat) = seats.remove(turn) else { break };
            self.ask(height, seat.peer, now);
            requests.push(Request { peer: seat.peer, height });
            seat.room -= 1;
            if seat.room > 0 {
                seats.push_back(seat);
            }
        }
        requests
    }

    /// The peers with room in the order of their turns. `peers` ascend.
    fn seats(&self, peers: impl Iterator<Item = (P, Option<H>)>) -> VecDeque<Seat<P, H>> {
        let mut seats: VecDeque<_> = peers
            .map(|(peer, best)| Seat { peer, best, room: self.room_of(peer) })
            .filter(|seat| seat.room > 0)
            .collect();
        let next = self.last_asked.map_or(0, |last| seats.partition_point(|seat| seat.peer <= last));
        seats.rotate_left(next);
        seats
    }

    /// Which seat takes which height next. Seats that have none of the pending heights are given up.
    fn next_turn(&self, seats: &mut VecDeque<Seat<P, H>>, sole: &impl Fn(H) -> bool) -> Option<(usize, H)> {
        let (height, avoid) = self.table.pending().lowest()?;
        while seats.front().is_some_and(|seat| !seat.has(&height)) {
            seats.pop_front();
        }
        let first = seats.front()?;
        if avoid != Some(first.peer) || sole(height) {
            return Some((0, height));
        }
        // A height avoids one peer at most, so the next that has it can take it; the first keeps its turn.
        while seats.get(1).is_some_and(|seat| !seat.has(&height)) {
            seats.remove(1);
        }
        if seats.len() > 1 {
            return Some((1, height));
        }
        let first = seats.front()?;
        self.table
            .pending()
            .lowest_for(first.peer)
            .filter(|height| first.has(height))
            .map(|height| (0, height))
    }

    /// How many more blocks may be asked of `peer`.
    pub(crate) fn room_of(&self, peer: P) -> usize {
        self.limit_of(peer).saturating_sub(self.in_flight_of(peer))
    }

    /// Opens a request.
    pub(crate) fn ask(&mut self, height: H, peer: P, now: Duration) {
        let asked = Asked { peer, since: now, counted: self.clock.read(now) };
        if let Some(entry) = self.table.get(height).and_then(|entry| entry.asked_of(asked)) {
            self.table.insert(height, entry);
            self.last_asked = Some(peer);
            self.totals.requested += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WindowConfig;
    use quickcheck::quickcheck;

    fn window(heights: u32, limit: usize) -> BlockWindow<u8> {
        let mut window =
            BlockWindow::new(WindowConfig { max_in_flight_per_peer: limit, ..WindowConfig::default() });
        (0..heights).for_each(|height| assert!(window.add_pending(height)));
        window
    }

    fn pairs(requests: &[Request<u8>]) -> Vec<(u8, u32)> {
        requests.iter().map(|request| (request.peer, request.height)).collect()
    }

    #[test]
    fn turns_go_on_where_the_last_call_stopped() {
        let mut window = window(4, 16);
        let mut asked = Vec::new();
        for _ in 0..4 {
            asked.extend(pairs(&window.request_blocks_up_to(&[3, 1, 2, 1], 1, Duration::ZERO)));
        }
        assert_eq!(asked, [(1, 0), (2, 1), (3, 2), (1, 3)]);
    }

    #[test]
    fn a_peer_that_left_or_came_does_not_break_the_turns() {
        let mut window = window(3, 16);
        assert_eq!(pairs(&window.request_blocks_up_to(&[2, 5], 1, Duration::ZERO)), [(2, 0)]);
        assert_eq!(pairs(&window.request_blocks_up_to(&[1, 3, 5], 2, Duration::ZERO)), [(3, 1), (5, 2)]);
    }

    #[test]
    fn a_skipped_peer_keeps_its_turn() {
        let mut window = window(3, 16);
        assert!(window.return_to_pending(0, Some(1)));
        assert_eq!(pairs(&window.request_blocks(&[1, 2], Duration::ZERO)), [(2, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn heights_that_avoid_the_only_peer_with_room_wait_and_others_do_not() {
        let mut window = window(6, 2);
        for height in [2, 3] {
            assert!(window.return_to_pending(height, Some(1)));
        }
        assert_eq!(pairs(&window.request_blocks(&[2], Duration::ZERO)), [(2, 0), (2, 1)]);
        assert_eq!(pairs(&window.request_blocks(&[1, 2], Duration::ZERO)), [(1, 4), (1, 5)]);
        assert_eq!(window.lowest_pending(), Some(2));
    }

    #[test]
    fn no_peers_no_room_and_no_heights_give_no_requests() {
        assert!(window(3, 16).request_blocks(&[], Duration::ZERO).is_empty());
        assert!(window(3, 0).request_blocks(&[1, 2], Duration::ZERO).is_empty());
        assert!(window(0, 16).request_blocks(&[1, 2], Duration::ZERO).is_empty());
        assert!(window(3, 16).request_blocks_up_to(&[1], 0, Duration::ZERO).is_empty());
    }

    fn source(peer: u8, best: u32, ready: bool) -> Source<u8> {
        Source { peer, best, ready }
    }

    #[test]
    fn a_peer_is_asked_only_for_what_it_has() {
        let mut window = window(6, 16);
        let sources = [source(1, 1, true), source(2, 9, true)];
        let requests = pairs(&window.request_blocks_from(&sources, usize::MAX, Duration::ZERO));
        assert_eq!(requests, [(1, 0), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]);
        assert!(window.request_blocks_from(&[source(1, 1, true)], usize::MAX, Duration::ZERO).is_empty());
    }

    #[test]
    fn a_failed_height_waits_for_a_source_that_is_busy_but_not_for_one_that_lacks_it() {
        let mut window = window(2, 16);
        assert!(window.return_to_pending(1, Some(1)));
        let busy = [source(1, 9, true), source(2, 9, false)];
        assert_eq!(pairs(&window.request_blocks_from(&busy, usize::MAX, Duration::ZERO)), [(1, 0)]);
        let lacking = [source(1, 9, true), source(2, 0, true)];
        assert_eq!(pairs(&window.request_blocks_from(&lacking, usize::MAX, Duration::ZERO)), [(1, 1)]);
    }

    quickcheck! {
        /// Whatever the sources have, nobody is asked for more than it has, and what is left nobody ready can take.
        fn sources_are_asked_within_their_means(sources: Vec<(u8, u8, bool)>, heights: u8, limit: u8) -> bool {
            let mut window = window(u32::from(heights), usize::from(limit));
            let mut sources: Vec<Source<u8>> =
                sources.into_iter().map(|(peer, best, ready)| source(peer, u32::from(best), ready)).collect();
            sources.sort_unstable_by_key(|source| source.peer);
            sources.dedup_by_key(|source| source.peer);
            let requests = window.request_blocks_from(&sources, usize::MAX, Duration::ZERO);
            let within = requests.iter().all(|request| {
                sources.iter().any(|s| s.peer == request.peer && s.ready && s.best >= request.height)
            });
            let left = window.lowest_pending();
            let idle = sources.iter().filter(|s| s.ready && window.in_flight_of(s.peer) < usize::from(limit));
            within && left.is_none_or(|left| idle.clone().all(|source| source.best < left))
        }

        /// Requirement 000-062: peers that start equal are given the same number of blocks, give or take one.
        fn shares_are_equal(heights: u8, peers: Vec<u8>, limit: u8) -> bool {
            let mut window = window(u32::from(heights), usize::from(limit));
            let requests = window.request_blocks(&peers, Duration::ZERO);
            let shares: Vec<usize> = peers.iter().map(|&peer| window.in_flight_of(peer)).collect();
            let (least, most) = (shares.iter().min().copied().unwrap_or(0), shares.iter().max().copied().unwrap_or(0));
            let lowest_first = requests.iter().map(|request| request.height).eq(0..u32::try_from(requests.len()).unwrap());
            most - least <= 1 && lowest_first
        }
    }
}
