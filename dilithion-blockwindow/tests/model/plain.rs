//! The plain window and a model of three plain lists must look the same.

use crate::ops::{HEIGHTS, Op, PEERS};
use dilithion_blockwindow::{
    BlockState, BlockWindow, Delivery, InFlight, Request, TimedOut, Totals, WindowConfig,
};
use quickcheck::{Gen, QuickCheck};
use std::collections::BTreeSet;
use std::time::Duration;

const LIMIT: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(8);
/// How many unanswered requests are remembered of a peer.
const OWED: usize = 64;

/// The part of a height that stays with it from place to place.
#[derive(Clone, Copy, Debug)]
struct Past {
    avoid: Option<u8>,
    attempts: u32,
}

/// A request.
#[derive(Clone, Copy, Debug)]
struct Open {
    height: u8,
    past: Past,
    peer: u8,
    since: Duration,
    /// The time that counted since then.
    age: Duration,
}

/// The window as one would write it first: three lists, searched from end to end, and the requests that were closed
/// unanswered.
#[derive(Debug, Default)]
struct Model {
    pending: Vec<(u8, Past)>,
    in_flight: Vec<Open>,
    received: Vec<(u8, Past, u8)>,
    owed: Vec<(u8, u8)>,
    owed_more: BTreeSet<u8>,
    floor: u8,
    last_asked: Option<u8>,
    now: Duration,
    paused: bool,
    totals: Totals,
    /// What was added and neither connected, removed nor reset: what must not be lost.
    wanted: BTreeSet<u8>,
}

impl Model {
    fn state(&self, height: u8) -> Option<BlockState<u8>> {
        let pending = self.pending.iter().filter(|e| e.0 == height).map(|_| BlockState::Pending);
        let in_flight = self.in_flight.iter().filter(|e| e.height == height);
        let in_flight =
            in_flight.map(|e| BlockState::InFlight { peer: e.peer, since: e.since, second: None });
        let received =
            self.received.iter().filter(|e| e.0 == height).map(|e| BlockState::Received { from: e.2 });
        let places: Vec<_> = pending.chain(in_flight).chain(received).collect();
        assert!(places.len() <= 1, "height {height} is in {places:?}");
        places.first().copied()
    }

    /// Takes a height off the lists. The peer that it was asked of owes it, unless it has just been `settled`.
    fn take(&mut self, height: u8, settled: Option<u8>) -> Option<Past> {
        let found = self.pending.iter().map(|e| (e.0, e.1));
        let found = found.chain(self.in_flight.iter().map(|e| (e.height, e.past)));
        let past = found.chain(self.received.iter().map(|e| (e.0, e.1))).find(|e| e.0 == height)?.1;
        for open in self.in_flight.iter().filter(|e| e.height == height && Some(e.peer) != settled) {
            let first = self.owed.iter().position(|e| e.0 == open.peer);
            let full = self.owed.iter().filter(|e| e.0 == open.peer).count() == OWED;
            if let Some(first) = first.filter(|_| full) {
                self.owed.remove(first);
                self.owed_more.insert(open.peer);
            }
            self.owed.push((open.peer, height));
        }
        self.pending.retain(|e| e.0 != height);
        self.in_flight.retain(|e| e.height != height);
        self.received.retain(|e| e.0 != height);
        Some(past)
    }

    fn add(&mut self, height: u8) -> bool {
        let added = height >= self.floor && self.state(height).is_none();
        if added {
            self.pending.push((height, Past { avoid: None, attempts: 0 }));
            self.wanted.insert(height);
        }
        added
    }

    fn drop_height(&mut self, height: u8) -> bool {
        self.wanted.remove(&height);
        self.take(height, None).is_some()
    }

    fn count(&self, peer: u8) -> usize {
        self.in_flight.iter().filter(|e| e.peer == peer).count()
    }

    fn request(&mut self, peers: &[u8], limit: usize) -> Vec<Request<u8, u8>> {
        let given: BTreeSet<u8> = peers.iter().copied().collect();
        let (mut order, first): (Vec<u8>, Vec<u8>) =
            given.iter().partition(|&&peer| self.last_asked.is_none_or(|last| peer > last));
        order.extend(first);
        let mut requests = Vec::new();
        'next: while requests.len() < limit {
            self.pending.sort_by_key(|e| e.0);
            for (height, past) in self.pending.clone() {
                let may_take =
                    |peer: &u8| self.count(*peer) < LIMIT && (past.avoid != Some(*peer) || given.len() == 1);
                if let Some(turn) = order.iter().position(may_take) {
                    let peer = order.remove(turn);
                    order.push(peer);
                    self.pending.retain(|e| e.0 != height);
                    let past = Past { attempts: past.attempts + 1, ..past };
                    self.in_flight.push(Open { height, past, peer, since: self.now, age: Duration::ZERO });
                    self.last_asked = Some(peer);
                    self.totals.requested += 1;
                    requests.push(Request { peer, height });
                    continue 'next;
                }
            }
            break;
        }
        requests
    }

    /// The requests to a peer in their order.
    fn open_of(&self, peer: u8) -> Vec<Open> {
        let mut open: Vec<Open> = self.in_flight.iter().filter(|e| e.peer == peer).copied().collect();
        open.sort_by_key(|e| (std::cmp::Reverse(e.age), e.height));
        open
    }

    fn receive(&mut self, height: u8, from: u8) -> Delivery<u8, u8> {
        let owed = self.owed.iter().position(|&e| e == (from, height));
        let may_owe = owed.is_some() || self.owed_more.contains(&from);
        let (state, first) = (self.state(height), self.open_of(from).first().map(|e| e.height));
        let answers = matches!(state, Some(BlockState::InFlight { peer, .. }) if peer == from);
        if let Some(owed) = owed.filter(|_| !answers) {
            self.owed.remove(owed);
        }
        let attempts = self.pending.iter().find(|e| e.0 == height).map_or(0, |e| e.1.attempts);
        let delivery = match state {
            Some(BlockState::InFlight { .. }) if answers && first == Some(height) => Delivery::InFlight,
            Some(BlockState::InFlight { .. }) if answers => Delivery::OutOfOrder { skipped: first.unwrap() },
            Some(BlockState::InFlight { peer, .. }) => Delivery::FromOther { asked: peer },
            Some(BlockState::Pending) if attempts > 0 || may_owe => Delivery::Late { attempts },
            Some(BlockState::Pending) => Delivery::Unrequested,
            _ if may_owe => Delivery::Redundant,
            Some(BlockState::Received { .. }) => Delivery::Duplicate,
            None => Delivery::Unknown,
        };
        if delivery.is_accepted() {
            let past = self.take(height, Some(from)).unwrap();
            self.received.push((height, past, from));
            self.totals.delivered += 1;
        }
        self.totals.redundant += u64::from(delivery == Delivery::Redundant);
        delivery
    }

    fn give_back(&mut self, height: u8, avoid: Option<u8>, settled: Option<u8>) -> bool {
        let past = self.take(height, settled);
        self.pending.extend(past.map(|past| (height, Past { avoid: avoid.or(past.avoid), ..past })));
        past.is_some()
    }

    fn cancel(&mut self, height: u8, peer: u8) -> bool {
        let open = self.in_flight.iter().any(|e| (e.height, e.peer) == (height, peer));
        open && self.give_back(height, None, Some(peer))
    }

    fn timeouts(&mut self) -> Vec<TimedOut<u8, u8>> {
        self.in_flight.sort_by_key(|e| (e.since, e.height));
        let failed: Vec<Open> =
            self.in_flight.iter().filter(|e| !self.paused && e.age >= TIMEOUT).copied().collect();
        for open in &failed {
            self.give_back(open.height, Some(open.peer), None);
            self.totals.timed_out += 1;
        }
        let report = |&Open { height, past, peer, since, .. }: &Open| TimedOut {
            height,
            peer,
            requested_at: since,
            attempts: past.attempts,
        };
        failed.iter().map(report).collect()
    }

    fn return_all(&mut self, peer: u8) -> Vec<u8> {
        let order = self.open_of(peer);
        let mut freed: Vec<u8> = order.iter().map(|e| e.height).collect();
        freed.sort_unstable();
        for &height in &freed {
            self.give_back(height, None, None);
        }
        freed
    }

    fn disconnect(&mut self, peer: u8) -> Vec<u8> {
        let freed = self.return_all(peer);
        for (_, past) in &mut self.pending {
            past.avoid = past.avoid.filter(|&avoid| avoid != peer);
        }
        self.owed.retain(|e| e.0 != peer);
        self.owed_more.remove(&peer);
        freed
    }

    fn drop_from(&mut self, first: u8) {
        for height in first..HEIGHTS {
            self.drop_height(height);
        }
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
        for open in self.in_flight.iter_mut().filter(|_| !self.paused) {
            open.age += time;
        }
    }
}

fn apply(op: &Op, window: &mut BlockWindow<u8, u8>, model: &mut Model) {
    let now = model.now;
    match *op {
        Op::Add(height) => assert_eq!(window.add_pending(height), model.add(height)),
        Op::Request { ref peers, limit } => {
            let requests = window.request_blocks_up_to(peers, limit, now);
            assert!(requests.is_sorted_by_key(|request| request.height));
            assert_eq!(requests, model.request(peers, limit));
        }
        Op::RequestFrom(_) => {} // the naive version knows nothing of who has what
        Op::Second(ref given) => assert_eq!(window.second_request(&crate::ops::sources(given), now), None),
        Op::Receive { height, from } => {
            assert_eq!(window.on_block_received(height, from, now), model.receive(height, from));
        }
        Op::Answer { from, latest } => {
            let open = model.open_of(from);
            let Some(&Open { height, .. }) = (if latest { open.last() } else { open.first() }) else {
                return;
            };
            assert_eq!(window.on_block_received(height, from, now), model.receive(height, from));
        }
        Op::Connect(height) => assert_eq!(window.on_block_connected(height), model.drop_height(height)),
        Op::Return { height, avoid } => {
            assert_eq!(window.return_to_pending(height, avoid), model.give_back(height, avoid, None));
        }
        Op::Cancel { height, peer } => {
            assert_eq!(window.cancel_request(height, peer), model.cancel(height, peer));
        }
        Op::ReturnAll(peer) => assert_eq!(window.return_all_to_pending(peer), model.return_all(peer)),
        Op::Sleep(seconds) => model.sleep(Duration::from_secs(u64::from(seconds))),
        Op::Timeouts => assert_eq!(window.timeout_check(now), model.timeouts()),
        Op::Pause => {
            window.pause(now);
            model.paused = true;
        }
        Op::Resume => {
            window.resume(now);
            model.paused = false;
        }
        Op::Disconnect(peer) => assert_eq!(window.on_peer_disconnected(peer), model.disconnect(peer)),
        Op::Remove(height) => assert_eq!(window.remove(height), model.drop_height(height)),
        Op::Truncate(last) => {
            window.truncate(last);
            model.drop_from(last + 1);
        }
        Op::Reset(from) => {
            window.reset(from);
            model.drop_from(0);
            model.floor = from;
        }
    }
}

fn check(window: &BlockWindow<u8, u8>, model: &Model) {
    for height in 0..HEIGHTS {
        assert_eq!(window.state(height), model.state(height), "state of {height}");
        assert_eq!(
            window.state(height).is_some(),
            model.wanted.contains(&height),
            "{height} is lost or made up"
        );
    }
    let lens = (window.pending_len(), window.in_flight_len(), window.received_len());
    assert_eq!(lens, (model.pending.len(), model.in_flight.len(), model.received.len()));
    assert_eq!((window.len(), window.is_empty()), (model.wanted.len(), model.wanted.is_empty()));
    assert_eq!(window.lowest_pending(), model.pending.iter().map(|e| e.0).min());
    assert_eq!(window.lowest_in_flight(), model.in_flight.iter().map(|e| e.height).min());
    let due = model.in_flight.iter().filter(|_| !model.paused).map(|e| model.now + TIMEOUT - e.age).min();
    assert_eq!((window.next_timeout(), window.next_deadline(model.now)), (due, due));
    assert_eq!(window.next_second_request(), None);
    for peer in 0..PEERS {
        assert_eq!(window.in_flight_of(peer), model.count(peer));
        assert!(window.in_flight_of(peer) <= LIMIT);
        assert_eq!(window.limit_of(peer), LIMIT);
        let own = model.open_of(peer);
        let oldest = own.first().map(|e| InFlight { height: e.height, peer, since: e.since });
        assert_eq!(window.oldest_request(peer), oldest);
    }
    let peers: BTreeSet<u8> = window.in_flight().map(|open| open.peer).collect();
    let stats = window.stats();
    assert_eq!((stats.peers, stats.paused, stats.totals), (peers.len(), model.paused, model.totals));
}

fn behaves_like_the_model(ops: Vec<Op>) {
    let config = WindowConfig {
        max_in_flight_per_peer: LIMIT,
        request_timeout: TIMEOUT,
        max_request_age: TIMEOUT,
        ..WindowConfig::fixed()
    };
    let (mut window, mut model) = (BlockWindow::new(config), Model::default());
    for op in ops {
        apply(&op, &mut window, &mut model);
        check(&window, &model);
    }
}

#[test]
fn r000_063_the_window_behaves_like_three_plain_lists() {
    QuickCheck::new().rng(Gen::new(200)).tests(1_000).quickcheck(behaves_like_the_model as fn(Vec<Op>));
}
