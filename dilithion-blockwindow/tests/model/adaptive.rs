//! The window with all that it does beyond the plain one: what must hold after any operations.
//!
//! Which peer is asked is left to the window and judged by rules; all else is foretold by a list of open requests.

use crate::ops::{Given, HEIGHTS, Op, PEERS, sources};
use dilithion_blockwindow::{
    BlockState, BlockWindow, Delivery, InFlight, MIN_SECOND_REQUEST_DELAY, Request, SecondAsked, WindowConfig,
};
use quickcheck::{Gen, QuickCheck};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LIMIT: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(8);
const MAX_AGE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
struct Open {
    height: u8,
    peer: u8,
    since: Duration,
    /// The time that had counted until then.
    asked: Duration,
}

#[derive(Debug, Default)]
struct Shadow {
    now: Duration,
    /// The time that has counted: `now` without the pauses.
    counted: Duration,
    paused: bool,
    floor: u8,
    /// What was added and neither connected, removed nor reset: what must not be lost.
    wanted: BTreeSet<u8>,
    /// In the order of the requests.
    open: Vec<Open>,
    received: BTreeMap<u8, u8>,
    avoid: BTreeMap<u8, u8>,
    /// Requests that were closed unanswered.
    owed: Vec<(u8, u8)>,
    heard: BTreeMap<u8, Duration>,
    limits: BTreeMap<u8, usize>,
}

impl Shadow {
    fn askees(&self, height: u8) -> Vec<Open> {
        self.open.iter().filter(|open| open.height == height).copied().collect()
    }

    fn count(&self, peer: u8) -> usize {
        self.open.iter().filter(|open| open.peer == peer).count()
    }

    fn limit(&self, peer: u8) -> usize {
        self.limits.get(&peer).copied().unwrap_or(LIMIT)
    }

    fn is_pending(&self, height: u8) -> bool {
        self.state(height) == Some(BlockState::Pending)
    }

    fn state(&self, height: u8) -> Option<BlockState<u8>> {
        if let Some(&from) = self.received.get(&height) {
            assert!(self.askees(height).is_empty());
            return Some(BlockState::Received { from });
        }
        let askees = self.askees(height);
        assert!(askees.len() <= 2, "{askees:?}");
        let second = askees.get(1).map(|open| SecondAsked { peer: open.peer, since: open.since });
        assert!(second.is_none_or(|second| second.peer != askees[0].peer), "asked twice of the same peer");
        let in_flight =
            askees.first().map(|open| BlockState::InFlight { peer: open.peer, since: open.since, second });
        self.wanted.contains(&height).then(|| in_flight.unwrap_or(BlockState::Pending))
    }

    fn fails_at(&self, open: &Open) -> Duration {
        let heard = self.heard.get(&open.peer).copied().unwrap_or_default();
        (open.asked.max(heard) + TIMEOUT).min(open.asked + MAX_AGE)
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool, settled: Option<u8>) {
        let closed = self.open.iter().filter(|open| which(open) && Some(open.peer) != settled);
        self.owed.extend(closed.map(|open| (open.peer, open.height)));
        self.open.retain(|open| !which(open));
    }

    fn forget(&mut self, height: u8) -> bool {
        self.close(|open| open.height == height, None);
        self.received.remove(&height);
        self.avoid.remove(&height);
        self.wanted.remove(&height)
    }

    fn opened(&mut self, Request { peer, height }: Request<u8, u8>) {
        self.open.push(Open { height, peer, since: self.now, asked: self.counted });
        self.limits.entry(peer).or_insert(LIMIT);
        assert!(self.count(peer) <= self.limit(peer), "{peer} was asked for more than it may be");
    }

    /// Judges the answer to a call for requests.
    fn requested(&mut self, requests: &[Request<u8, u8>], given: &[Given]) {
        for &request in requests {
            let Request { peer, height } = request;
            assert!(self.is_pending(height), "{height} was requested though it is not pending");
            let has = |&&(_, best, _): &&Given| best >= height;
            assert!(given.iter().filter(has).any(|source| source.0 == peer && source.2));
            if self.avoid.get(&height) == Some(&peer) {
                let others = given.iter().filter(has).filter(|source| source.0 != peer).count();
                assert_eq!(others, 0, "{height} went back to {peer}, which had failed it");
            }
            self.opened(request);
        }
    }

    fn second(&mut self, request: Option<Request<u8, u8>>, given: &[Given], due: Option<Duration>) {
        let lowest = self.wanted.first().copied().unwrap_or_default();
        let askees = self.askees(lowest);
        let waits = !self.received.is_empty() || self.wanted.len() == 1;
        let blocks = askees.len() == 1 && waits && !self.paused;
        assert_eq!(due.is_some(), blocks, "a second request is wanted exactly if one peer blocks the others");
        let able = |peer: u8| {
            let other = peer != askees[0].peer && self.avoid.get(&lowest) != Some(&peer);
            other && self.count(peer) < self.limit(peer)
        };
        let able: BTreeSet<u8> = given
            .iter()
            .filter(|&&(peer, best, is_ready)| blocks && is_ready && best >= lowest && able(peer))
            .map(|source| source.0)
            .collect();
        assert_eq!(request.is_some(), due.is_some_and(|due| due <= self.now) && !able.is_empty());
        if let Some(request) = request {
            let silent =
                self.heard.get(&askees[0].peer).map_or(askees[0].asked, |&at| at.max(askees[0].asked));
            let waited = self.counted >= silent + MIN_SECOND_REQUEST_DELAY;
            assert!(waited || self.counted >= askees[0].asked + TIMEOUT, "too early");
            assert!(request.height == lowest && able.contains(&request.peer));
            self.opened(request);
        }
    }

    fn delivered(&mut self, height: u8, from: u8, delivery: Delivery<u8, u8>) {
        let open = self.askees(height).iter().any(|open| open.peer == from);
        let owed = self.owed.iter().position(|&owed| owed == (from, height)).filter(|_| !open);
        owed.map(|owed| self.owed.remove(owed));
        let asked = open || owed.is_some();
        assert!(!(asked && delivery.is_unsolicited()), "{from} is blamed for what it was asked for");
        assert_eq!(open, matches!(delivery, Delivery::InFlight | Delivery::OutOfOrder { .. }));
        if let Delivery::OutOfOrder { skipped } = delivery {
            assert!(self.open.iter().any(|open| (open.peer, open.height) == (from, skipped)));
        }
        let in_flight = !self.askees(height).is_empty();
        assert!(delivery.is_accepted() || !in_flight, "a block that is waited for was not taken");
        if delivery.is_accepted() {
            assert!(in_flight || self.is_pending(height));
            self.close(|open| open.height == height, Some(from));
            self.received.insert(height, from);
        }
        if asked {
            self.heard
                .entry(from)
                .and_modify(|heard| *heard = self.counted.max(*heard))
                .or_insert(self.counted);
            let limit = self.limit(from) + usize::from(delivery.is_accepted());
            self.limits.insert(from, limit.min(LIMIT));
        }
    }

    fn timeouts(&mut self) -> BTreeSet<(u8, u8)> {
        let mut failed: Vec<Open> = self.open.clone();
        failed.retain(|open| !self.paused && self.fails_at(open) <= self.counted);
        failed.sort_by_key(|open| (open.since, open.height, open.peer));
        for &Open { height, peer, .. } in &failed {
            self.close(|open| (open.height, open.peer) == (height, peer), None);
            self.avoid.insert(height, peer);
        }
        for peer in failed.iter().map(|open| open.peer).collect::<BTreeSet<_>>() {
            self.limits.insert(peer, (self.limit(peer) / 2).max(1));
            while self.count(peer) > self.limit(peer) {
                let own = self.open.iter().filter(|open| open.peer == peer);
                let latest = own.max_by_key(|open| (open.asked, open.height)).unwrap().height;
                self.close(|open| (open.height, open.peer) == (latest, peer), None);
            }
        }
        failed.iter().map(|open| (open.height, open.peer)).collect()
    }

    fn return_all(&mut self, peer: u8) -> Vec<u8> {
        let held: BTreeSet<u8> =
            self.open.iter().filter(|open| open.peer == peer).map(|open| open.height).collect();
        self.close(|open| open.peer == peer, None);
        held.into_iter().filter(|&height| self.is_pending(height)).collect()
    }

    fn disconnect(&mut self, peer: u8) -> Vec<u8> {
        let freed = self.return_all(peer);
        let pending: Vec<u8> =
            self.wanted.iter().copied().filter(|&height| self.is_pending(height)).collect();
        self.avoid.retain(|height, avoid| *avoid != peer || !pending.contains(height));
        self.owed.retain(|owed| owed.0 != peer);
        self.heard.remove(&peer);
        self.limits.remove(&peer);
        freed
    }
}

fn apply(op: &Op, window: &mut BlockWindow<u8, u8>, shadow: &mut Shadow) {
    let now = shadow.now;
    match *op {
        Op::Add(height) => {
            let added = height >= shadow.floor && shadow.wanted.insert(height);
            assert_eq!(window.add_pending(height), added);
        }
        Op::Request { ref peers, limit } => {
            let requests = window.request_blocks_up_to(peers, limit, now);
            assert!(requests.len() <= limit);
            let given: Vec<Given> = peers.iter().map(|&peer| (peer, HEIGHTS, true)).collect();
            shadow.requested(&requests, &given);
            let only = peers.iter().all(|peer| *peer == peers[0]);
            let mut idle = peers.iter().filter(|&&peer| shadow.count(peer) < shadow.limit(peer));
            let waits = |peer: &u8| {
                let mut pending = shadow.wanted.iter().filter(|&&height| shadow.is_pending(height));
                pending.any(|height| only || shadow.avoid.get(height) != Some(peer))
            };
            assert!(requests.len() == limit || !idle.any(waits), "a peer is idle that could be asked");
        }
        Op::RequestFrom(ref given) => {
            let given: BTreeMap<u8, Given> = given.iter().rev().map(|&source| (source.0, source)).collect();
            let given: Vec<Given> = given.into_values().collect();
            shadow.requested(&window.request_blocks_from(&sources(&given), usize::MAX, now), &given);
        }
        Op::Second(ref given) => {
            let due = window.next_second_request();
            assert_eq!(
                window.next_deadline(now),
                window.next_timeout().into_iter().chain(due.filter(|due| *due > now)).min()
            );
            shadow.second(window.second_request(&sources(given), now), given, due);
        }
        Op::Receive { height, from } => {
            shadow.delivered(height, from, window.on_block_received(height, from, now));
        }
        Op::Answer { from, latest } => {
            let own: Vec<Open> = shadow.open.iter().filter(|open| open.peer == from).copied().collect();
            let Some(&Open { height, .. }) = (if latest { own.last() } else { own.first() }) else { return };
            shadow.delivered(height, from, window.on_block_received(height, from, now));
        }
        Op::Connect(height) => assert_eq!(window.on_block_connected(height), shadow.forget(height)),
        Op::Return { height, avoid } => {
            assert_eq!(window.return_to_pending(height, avoid), shadow.wanted.contains(&height));
            shadow.close(|open| open.height == height, None);
            shadow.received.remove(&height);
            shadow
                .avoid
                .extend(avoid.filter(|_| shadow.wanted.contains(&height)).map(|avoid| (height, avoid)));
        }
        Op::Cancel { height, peer } => {
            let before = shadow.open.len();
            shadow.close(|open| (open.height, open.peer) == (height, peer), Some(peer));
            assert_eq!(window.cancel_request(height, peer), shadow.open.len() < before);
        }
        Op::ReturnAll(peer) => assert_eq!(window.return_all_to_pending(peer), shadow.return_all(peer)),
        Op::Sleep(seconds) => {
            let time = Duration::from_secs(u64::from(seconds));
            shadow.now += time;
            shadow.counted += if shadow.paused { Duration::ZERO } else { time };
        }
        Op::Timeouts => {
            let due = window.next_timeout();
            let failed = window.timeout_check(now);
            assert_eq!(failed.is_empty(), due.is_none_or(|due| due > now));
            assert!(failed.is_sorted_by_key(|failed| (failed.requested_at, failed.height)));
            let failed: BTreeSet<_> = failed.iter().map(|failed| (failed.height, failed.peer)).collect();
            assert_eq!(failed, shadow.timeouts());
        }
        Op::Pause => {
            window.pause(now);
            shadow.paused = true;
        }
        Op::Resume => {
            window.resume(now);
            shadow.paused = false;
        }
        Op::Disconnect(peer) => assert_eq!(window.on_peer_disconnected(peer), shadow.disconnect(peer)),
        Op::Remove(height) => assert_eq!(window.remove(height), shadow.forget(height)),
        Op::Truncate(last) => {
            window.truncate(last);
            (last + 1..HEIGHTS).for_each(|height| {
                shadow.forget(height);
            });
        }
        Op::Reset(from) => {
            window.reset(from);
            (0..HEIGHTS).for_each(|height| {
                shadow.forget(height);
            });
            shadow.floor = from;
        }
    }
}

fn check(window: &BlockWindow<u8, u8>, shadow: &Shadow) {
    for height in 0..HEIGHTS {
        assert_eq!(window.state(height), shadow.state(height), "state of {height}");
    }
    assert_eq!(window.len(), shadow.wanted.len());
    assert_eq!(window.pending_len() + window.in_flight_len() + window.received_len(), window.len());
    assert_eq!(window.received_len(), shadow.received.len());
    let mut open: Vec<InFlight<u8, u8>> = shadow
        .open
        .iter()
        .map(|&Open { height, peer, since, .. }| InFlight { height, peer, since })
        .collect();
    open.sort_by_key(|open| open.height);
    assert_eq!(window.in_flight().collect::<Vec<_>>(), open);
    let due = shadow.open.iter().map(|open| shadow.now + shadow.fails_at(open) - shadow.counted).min();
    assert_eq!(window.next_timeout(), due.filter(|_| !shadow.paused));
    for peer in 0..PEERS {
        assert_eq!(
            (window.in_flight_of(peer), window.limit_of(peer)),
            (shadow.count(peer), shadow.limit(peer))
        );
        assert!(window.in_flight_of(peer) <= window.limit_of(peer) && window.limit_of(peer) <= LIMIT);
    }
    assert_eq!(window.is_paused(), shadow.paused);
}

fn keeps_its_promises(ops: Vec<Op>) {
    let config = WindowConfig {
        max_in_flight_per_peer: LIMIT,
        request_timeout: TIMEOUT,
        max_request_age: MAX_AGE,
        ..WindowConfig::default()
    };
    let (mut window, mut shadow) = (BlockWindow::new(config), Shadow::default());
    for op in ops {
        apply(&op, &mut window, &mut shadow);
        check(&window, &shadow);
    }
}

#[test]
fn r000_063_the_adaptive_window_keeps_its_promises() {
    QuickCheck::new().rng(Gen::new(200)).tests(1_000).quickcheck(keeps_its_promises as fn(Vec<Op>));
}
