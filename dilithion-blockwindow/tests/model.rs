//! Requirement 000-063: random operations on the window and on a model of three plain lists must look the same.

use dilithion_blockwindow::{BlockState, BlockWindow, Delivery, InFlight, Request, TimedOut, WindowConfig};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::BTreeSet;
use std::time::Duration;

const HEIGHTS: u8 = 20;
const PEERS: u8 = 4;
const LIMIT: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(8);

#[derive(Clone, Debug)]
enum Op {
    Add(u8),
    Request { peers: Vec<u8>, limit: usize },
    Receive { height: u8, from: u8 },
    Connect(u8),
    Return { height: u8, avoid: Option<u8> },
    Sleep(u8),
    Timeouts,
    Disconnect(u8),
    Remove(u8),
    Reset(u8),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |n: u8| u8::arbitrary(g) % n;
        let (dice, height, peer) = (below(100), below(HEIGHTS), below(PEERS));
        match dice {
            0..=29 => Self::Add(height),
            30..=49 => {
                let limit = if below(3) == 0 { usize::from(below(5)) } else { usize::MAX };
                let count = below(PEERS + 1);
                Self::Request { peers: (0..count).map(|_| below(PEERS)).collect(), limit }
            }
            50..=61 => Self::Receive { height, from: peer },
            62..=66 => Self::Connect(height),
            67..=74 => Self::Return { height, avoid: (below(3) > 0).then_some(peer) },
            75..=84 => Self::Sleep(below(10)),
            85..=92 => Self::Timeouts,
            93..=96 => Self::Disconnect(peer),
            97..=98 => Self::Remove(height),
            _ => Self::Reset(height),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self.clone() {
            Self::Request { peers, limit } => {
                Box::new(peers.shrink().map(move |peers| Self::Request { peers, limit }))
            }
            Self::Receive { height, from } => {
                Box::new((height, from).shrink().map(|(height, from)| Self::Receive { height, from }))
            }
            Self::Return { height, avoid } => {
                Box::new((height, avoid).shrink().map(|(height, avoid)| Self::Return { height, avoid }))
            }
            Self::Add(height) => Box::new(height.shrink().map(Self::Add)),
            Self::Connect(height) => Box::new(height.shrink().map(Self::Connect)),
            Self::Sleep(seconds) => Box::new(seconds.shrink().map(Self::Sleep)),
            Self::Disconnect(peer) => Box::new(peer.shrink().map(Self::Disconnect)),
            Self::Remove(height) => Box::new(height.shrink().map(Self::Remove)),
            Self::Reset(height) => Box::new(height.shrink().map(Self::Reset)),
            Self::Timeouts => Box::new(std::iter::empty()),
        }
    }
}

/// The part of a height that stays with it from place to place.
#[derive(Clone, Copy, Debug)]
struct Past {
    avoid: Option<u8>,
    attempts: u32,
}

/// The window as one would write it first: three lists, searched from end to end.
#[derive(Debug, Default)]
struct Model {
    pending: Vec<(u8, Past)>,
    in_flight: Vec<(u8, Past, u8, Duration)>,
    received: Vec<(u8, Past, u8)>,
    floor: u8,
    last_asked: Option<u8>,
    /// What was added and neither connected, removed nor reset: what must not be lost.
    wanted: BTreeSet<u8>,
}

impl Model {
    fn state(&self, height: u8) -> Option<BlockState<u8>> {
        let pending = self.pending.iter().filter(|e| e.0 == height).map(|_| BlockState::Pending);
        let in_flight = self.in_flight.iter().filter(|e| e.0 == height);
        let in_flight = in_flight.map(|e| BlockState::InFlight { peer: e.2, since: e.3 });
        let received =
            self.received.iter().filter(|e| e.0 == height).map(|e| BlockState::Received { from: e.2 });
        let places: Vec<_> = pending.chain(in_flight).chain(received).collect();
        assert!(places.len() <= 1, "height {height} is in {places:?}");
        places.first().copied()
    }

    fn take(&mut self, height: u8) -> Option<Past> {
        let found = self.pending.iter().map(|e| (e.0, e.1));
        let found = found.chain(self.in_flight.iter().map(|e| (e.0, e.1)));
        let past = found.chain(self.received.iter().map(|e| (e.0, e.1))).find(|e| e.0 == height)?.1;
        self.pending.retain(|e| e.0 != height);
        self.in_flight.retain(|e| e.0 != height);
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
        self.take(height).is_some()
    }

    fn count(&self, peer: u8) -> usize {
        self.in_flight.iter().filter(|e| e.2 == peer).count()
    }

    fn request(&mut self, peers: &[u8], limit: usize, now: Duration) -> Vec<Request<u8, u8>> {
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
                    self.in_flight.push((height, Past { attempts: past.attempts + 1, ..past }, peer, now));
                    self.last_asked = Some(peer);
                    requests.push(Request { peer, height });
                    continue 'next;
                }
            }
            break;
        }
        requests
    }

    fn receive(&mut self, height: u8, from: u8) -> Delivery<u8> {
        let state = self.state(height);
        let Some(past) = self.take(height) else { return Delivery::Unknown };
        let (delivery, sender) = match state {
            Some(BlockState::InFlight { peer, .. }) if peer == from => (Delivery::InFlight, from),
            Some(BlockState::InFlight { peer, .. }) => (Delivery::FromOther { asked: peer }, from),
            Some(BlockState::Received { from: sender }) => (Delivery::Duplicate, sender),
            _ if past.attempts == 0 => {
                self.pending.push((height, past));
                return Delivery::Unrequested;
            }
            _ => (Delivery::Late { attempts: past.attempts }, from),
        };
        self.received.push((height, past, sender));
        delivery
    }

    fn give_back(&mut self, height: u8, avoid: Option<u8>) -> bool {
        let past = self.take(height);
        self.pending.extend(past.map(|past| (height, Past { avoid: avoid.or(past.avoid), ..past })));
        past.is_some()
    }

    fn timeouts(&mut self, now: Duration) -> Vec<TimedOut<u8, u8>> {
        self.in_flight.sort_by_key(|e| (e.3, e.0));
        let expired = |e: &&(u8, Past, u8, Duration)| e.3 + TIMEOUT <= now;
        let failed: Vec<_> = self.in_flight.iter().filter(expired).copied().collect();
        for &(height, _, peer, _) in &failed {
            self.give_back(height, Some(peer));
        }
        let report = |&(height, past, peer, requested_at): &(u8, Past, u8, Duration)| TimedOut {
            height,
            peer,
            requested_at,
            attempts: past.attempts,
        };
        failed.iter().map(report).collect()
    }

    fn disconnect(&mut self, peer: u8) -> Vec<u8> {
        let mut freed: Vec<u8> = self.in_flight.iter().filter(|e| e.2 == peer).map(|e| e.0).collect();
        freed.sort_unstable();
        for &height in &freed {
            self.give_back(height, None);
        }
        for (_, past) in &mut self.pending {
            past.avoid = past.avoid.filter(|&avoid| avoid != peer);
        }
        freed
    }

    fn reset(&mut self, from: u8) {
        *self = Self { floor: from, last_asked: self.last_asked, ..Self::default() };
    }
}

fn apply(op: &Op, window: &mut BlockWindow<u8, u8>, model: &mut Model, now: &mut Duration) {
    match *op {
        Op::Add(height) => assert_eq!(window.add_pending(height), model.add(height)),
        Op::Request { ref peers, limit } => {
            let requests = window.request_blocks_up_to(peers, limit, *now);
            assert!(requests.is_sorted_by_key(|request| request.height));
            assert_eq!(requests, model.request(peers, limit, *now));
        }
        Op::Receive { height, from } => {
            assert_eq!(window.on_block_received(height, from), model.receive(height, from));
        }
        Op::Connect(height) => assert_eq!(window.on_block_connected(height), model.drop_height(height)),
        Op::Return { height, avoid } => {
            assert_eq!(window.return_to_pending(height, avoid), model.give_back(height, avoid));
        }
        Op::Sleep(seconds) => *now += Duration::from_secs(u64::from(seconds)),
        Op::Timeouts => assert_eq!(window.timeout_check(*now), model.timeouts(*now)),
        Op::Disconnect(peer) => assert_eq!(window.on_peer_disconnected(peer), model.disconnect(peer)),
        Op::Remove(height) => assert_eq!(window.remove(height), model.drop_height(height)),
        Op::Reset(from) => {
            window.reset(from);
            model.reset(from);
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
    assert_eq!(window.lowest_in_flight(), model.in_flight.iter().map(|e| e.0).min());
    assert_eq!(window.next_timeout(), model.in_flight.iter().map(|e| e.3 + TIMEOUT).min());
    for peer in 0..PEERS {
        assert_eq!(window.in_flight_of(peer), model.count(peer));
        assert!(window.in_flight_of(peer) <= LIMIT);
        let own = model.in_flight.iter().filter(|e| e.2 == peer);
        let oldest = own.min_by_key(|e| (e.3, e.0)).map(|e| InFlight { height: e.0, peer, since: e.3 });
        assert_eq!(window.oldest_request(peer), oldest);
    }
    let peers: BTreeSet<u8> = window.in_flight().map(|open| open.peer).collect();
    assert_eq!(window.stats().peers, peers.len());
}

fn behaves_like_the_model(ops: Vec<Op>) {
    let config = WindowConfig { max_in_flight_per_peer: LIMIT, request_timeout: TIMEOUT };
    let (mut window, mut model, mut now) = (BlockWindow::new(config), Model::default(), Duration::ZERO);
    for op in ops {
        apply(&op, &mut window, &mut model, &mut now);
        check(&window, &model);
    }
}

#[test]
fn r000_063_the_window_behaves_like_three_plain_lists() {
    QuickCheck::new().rng(Gen::new(200)).tests(1_000).quickcheck(behaves_like_the_model as fn(Vec<Op>));
}
