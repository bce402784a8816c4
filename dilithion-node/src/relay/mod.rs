//! Relay of transactions: asks for what peers announce, passes on what becomes pending. A plain state machine: events in,
//! actions out, the time as an argument.
//!
//! Whether a transaction is valid is the [chainstate](dilithion_chain::Chainstate)'s business; the pool itself is there
//! too. What is kept here can be lost at any time: it saves asking twice.
//!
//! ```
//! use std::time::Duration;
//!
//! use dilithion_node::relay::{RelayAction, RelayConfig, RelayEvent, TxRelay};
//! use dilithion_wire::{PeerId, Txid};
//!
//! let (peer, txid) = (PeerId(1), Txid::ZERO);
//! let mut relay = TxRelay::new(RelayConfig::default(), 42, []);
//! relay.handle(RelayEvent::FollowsTip(true), Duration::ZERO);
//! relay.handle(RelayEvent::PeerConnected { peer, wants: true, inbound: false }, Duration::ZERO);
//! let actions = relay.handle(RelayEvent::Announced { peer, txids: vec![txid] }, Duration::ZERO);
//! assert_eq!(actions, [RelayAction::Request { peer, txids: vec![txid] }]);
//! ```

mod announcements;
mod event;
mod orphans;
mod requests;
mod rolling_set;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dilithion_wire::{PeerId, Txid};

use self::announcements::Announcements;
pub use self::event::{Refusal, RelayAction, RelayEvent};
use self::orphans::{Orphan, Orphans};
pub use self::requests::MAX_OFFERS_PER_PEER;
use self::requests::RequestTracker;
use self::rolling_set::RollingSet;
use crate::random::Random;

/// How fast transactions are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayConfig {
    /// Mean time between two announcements to a peer that dialled us. The times are random, so that nobody can tell from
    /// them where a transaction began. Longer: more is hidden, and all is slower.
    pub inbound_interval: Duration,
    /// The same to a peer that we dialled. It may be shorter: an attacker does not choose whom we dial.
    pub outbound_interval: Duration,
}

impl Default for RelayConfig {
    /// Those of Bitcoin Core (`INBOUND_INVENTORY_BROADCAST_INTERVAL`, `OUTBOUND_INVENTORY_BROADCAST_INTERVAL`).
    fn default() -> Self {
        Self { inbound_interval: Duration::from_secs(5), outbound_interval: Duration::from_secs(2) }
    }
}

/// Ids that are remembered of each kind, so that they are not asked for again.
const REMEMBERED: usize = 100_000;
/// Bytes of transactions that may wait for the validator: what it checks in a second or two. Nothing is asked for beyond.
const MAX_SUBMITTED_BYTES: usize = 4 << 20;
/// The same with what was asked for before. What comes beyond is dropped, as if its sender did not have it: how large the
/// answers will be nobody knows who asks, and peers may all answer at once.
const MAX_ASKED_BYTES: usize = 32 << 20;
/// Announcements of a peer that dialled us that wait for their time; what is more is overlooked.
const MAX_DELAYED_PER_PEER: usize = MAX_OFFERS_PER_PEER;

/// What a peer that dialled us announces is asked for so much later, if there are peers that we dialled: they may announce
/// it as well (`NONPREF_PEER_TX_DELAY` of Bitcoin Core).
const STRANGERS_DELAY: Duration = Duration::from_secs(2);

/// The state machine of transaction relay (see the [module](self)).
#[derive(Debug)]
pub struct TxRelay {
    config: RelayConfig,
    random: Random,
    follows_tip: bool,
    peers: BTreeMap<PeerId, RelayPeer>,
    requests: RequestTracker,
    orphans: Orphans,
    /// With the validator.
    submitted: BTreeMap<Txid, Orphan>,
    submitted_bytes: usize,
    /// What is pending, as far as we know.
    pending: RollingSet,
    /// What the last blocks brought.
    confirmed: RollingSet,
    /// Refused since the chain last moved.
    refused: RollingSet,
}

/// What there is between us and a peer.
#[derive(Debug)]
struct RelayPeer {
    to_tell: Announcements,
    /// What it announced, and when that counts.
    delayed: VecDeque<(Duration, Txid)>,
}

impl TxRelay {
    /// A relay without peers. `seed` decides when what is announced; `pending` is what has become pending before.
    #[must_use]
    pub fn new(config: RelayConfig, seed: u64, pending: impl IntoIterator<Item = Txid>) -> Self {
        let mut known = RollingSet::new(REMEMBERED);
        for txid in pending {
            known.insert(txid);
        }
        Self {
            config,
            random: Random::new(seed),
            follows_tip: false,
            peers: BTreeMap::new(),
            requests: RequestTracker::default(),
            orphans: Orphans::default(),
            submitted: BTreeMap::new(),
            submitted_bytes: 0,
            pending: known,
            confirmed: RollingSet::new(REMEMBERED),
            refused: RollingSet::new(REMEMBERED),
        }
    }

    /// Takes note of an event and returns what is to be done about it, in order.
    pub fn handle(&mut self, event: RelayEvent, now: Duration) -> Vec<RelayAction> {
        let mut out = Vec::new();
        match event {
            RelayEvent::PeerConnected { peer, wants, inbound } => {
                let RelayConfig { inbound_interval, outbound_interval } = self.config;
                let mean = if inbound { inbound_interval } else { outbound_interval };
                let to_tell = Announcements::new(wants, mean);
                self.peers.insert(peer, RelayPeer { to_tell, delayed: VecDeque::new() });
                self.requests.add_peer(peer, !inbound);
            }
            RelayEvent::PeerDisconnected { peer } => {
                self.peers.remove(&peer);
                self.requests.remove_peer(peer);
                self.orphans.forget_peer(peer);
            }
            RelayEvent::Announced { peer, txids } => self.on_announced(peer, &txids, now),
            RelayEvent::Received { peer, txid, transaction } => {
                let orphan = Orphan { txid, transaction, peer, since: now };
                self.on_received(orphan, &mut out);
            }
            RelayEvent::Accepted { txid, evicted } => self.on_accepted(txid, &evicted, now, &mut out),
            RelayEvent::Refused { txid, refusal } => self.on_refused(txid, refusal, now, &mut out),
            RelayEvent::Connected { txids } => self.on_connected(&txids, now, &mut out),
            RelayEvent::Disconnected { pending } => {
                self.on_pool_rebuilt(pending, now);
                self.confirmed.clear();
                self.on_connected(&[], now, &mut out);
            }
            RelayEvent::FollowsTip(follows) => self.follows_tip = follows,
            RelayEvent::Tick => {}
        }
        self.requests.expire(now);
        self.drive(now, &mut out);
        out
    }

    /// When the next [`RelayEvent::Tick`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let announcements = self.peers.values().filter_map(|peer| peer.to_tell.next_due());
        let delayed = self.peers.values().filter_map(|peer| peer.delayed.front().map(|(at, _)| *at));
        // While the validator is full, its next answer is what we wait for.
        let requests = self.requests.next_due().filter(|_| self.may_ask());
        announcements.chain(delayed).chain(requests).min()
    }

    fn drive(&mut self, now: Duration, out: &mut Vec<RelayAction>) {
        for (peer, txid) in self.take_delayed(now) {
            self.want(peer, txid);
        }
        if self.may_ask() {
            let requests = self.requests.next_requests(now);
            out.extend(requests.into_iter().map(|(peer, txids)| RelayAction::Request { peer, txids }));
        }
        for (peer, RelayPeer { to_tell, .. }) in &mut self.peers {
            let txids = to_tell.take_due(now, &mut self.random, &self.pending);
            if !txids.is_empty() {
                out.push(RelayAction::Announce { peer: *peer, txids });
            }
        }
    }

    /// The announcements whose time has come.
    fn take_delayed(&mut self, now: Duration) -> Vec<(PeerId, Txid)> {
        let mut due = Vec::new();
        for (peer, RelayPeer { delayed, .. }) in &mut self.peers {
            let count = delayed.partition_point(|(at, _)| *at <= now);
            due.extend(delayed.drain(..count).map(|(_, txid)| (*peer, txid)));
        }
        due
    }

    /// Whether transactions are asked for at the moment.
    fn may_ask(&self) -> bool {
        self.follows_tip && self.has_room()
    }

    /// Whether the validator may be given more.
    fn has_room(&self) -> bool {
        self.submitted_bytes < MAX_SUBMITTED_BYTES
    }

    fn on_announced(&mut self, peer: PeerId, txids: &[Txid], now: Duration) {
        let Some(RelayPeer { to_tell, .. }) = self.peers.get_mut(&peer) else { return };
        for txid in txids {
            to_tell.knows(*txid);
        }
        if !self.follows_tip {
            return;
        }
        let delayed = self.requests.has_preferred() && !self.requests.is_preferred(peer);
        for txid in txids.iter().take(MAX_OFFERS_PER_PEER) {
            if !delayed {
                self.want(peer, *txid);
            } else if !self.is_known(txid) {
                self.delay(peer, *txid, now);
            }
        }
    }

    fn delay(&mut self, peer: PeerId, txid: Txid, now: Duration) {
        let Some(RelayPeer { delayed, .. }) = self.peers.get_mut(&peer) else { return };
        if delayed.len() < MAX_DELAYED_PER_PEER {
            delayed.push_back((now.saturating_add(STRANGERS_DELAY), txid));
        }
    }

    /// A peer has a transaction: asks for it unless it is known.
    fn want(&mut self, peer: PeerId, txid: Txid) {
        if !self.is_known(&txid) {
            self.requests.offer(peer, txid);
        }
    }

    fn is_known(&self, txid: &Txid) -> bool {
        self.pending.contains(txid)
            || self.confirmed.contains(txid)
            || self.refused.contains(txid)
            || self.submitted.contains_key(txid)
            || self.orphans.contains(txid)
    }

    fn on_received(&mut self, orphan: Orphan, out: &mut Vec<RelayAction>) {
        let (txid, peer) = (orphan.txid, orphan.peer);
        if let Some(RelayPeer { to_tell, .. }) = self.peers.get_mut(&peer) {
            to_tell.knows(txid);
        }
        if self.is_known(&txid) {
            self.requests.forget(&txid);
            return;
        }
        // What nobody asked for has to wait until there is room; its sender may announce it.
        let asked = self.requests.is_asked(&txid, peer);
        if asked && self.submitted_bytes >= MAX_ASKED_BYTES {
            self.requests.forget(&txid);
        } else if asked || (self.follows_tip && self.has_room()) {
            self.requests.forget(&txid);
            self.submit(orphan, out);
        }
    }

    fn submit(&mut self, orphan: Orphan, out: &mut Vec<RelayAction>) {
        let (txid, transaction) = (orphan.txid, orphan.transaction.clone());
        self.submitted_bytes += transaction.encoded_len();
        self.submitted.insert(txid, orphan);
        out.push(RelayAction::Submit { txid, transaction });
    }

    fn answered(&mut self, txid: &Txid) -> Option<Orphan> {
        let submitted = self.submitted.remove(txid)?;
        self.submitted_bytes -= submitted.transaction.encoded_len();
        Some(submitted)
    }

    fn on_accepted(&mut self, txid: Txid, evicted: &[Txid], now: Duration, out: &mut Vec<RelayAction>) {
        self.answered(&txid);
        self.requests.forget(&txid);
        self.refused.remove(&txid);
        self.pending.insert(txid);
        for evicted in evicted {
            self.pending.remove(evicted);
        }
        self.announce(txid, now);
        for child in self.orphans.take_children(&txid) {
            self.submit(child, out);
        }
    }

    /// Lets everybody hear of a transaction.
    fn announce(&mut self, txid: Txid, now: Duration) {
        for RelayPeer { to_tell, .. } in self.peers.values_mut() {
            to_tell.push(txid, now, &mut self.random);
        }
    }

    /// The chain went back: what is pending now may be less than before, and what the blocks had brought comes on top.
    fn on_pool_rebuilt(&mut self, pending: Vec<Txid>, now: Duration) {
        let before = std::mem::replace(&mut self.pending, RollingSet::new(REMEMBERED));
        for txid in pending {
            self.pending.insert(txid);
            if !before.contains(&txid) {
                self.announce(txid, now);
            }
        }
    }

    fn on_refused(&mut self, txid: Txid, refusal: Refusal, now: Duration, out: &mut Vec<RelayAction>) {
        // What an operator submitted is his own business.
        let Some(orphan) = self.answered(&txid) else { return };
        let peer = orphan.peer;
        match refusal {
            // Its parent may be on its way, and its sender has it: he would not pass on what he cannot check.
            Refusal::MissingParent(parent) if !self.is_spent_or_refused(&parent) => {
                if self.requests.has_peer(peer) && self.orphans.insert(orphan, parent, now) {
                    self.want(peer, parent);
                }
            }
            Refusal::MissingParent(_) | Refusal::Unwelcome => self.refuse(txid),
            Refusal::Known => {
                self.pending.insert(txid);
            }
            Refusal::Invalid(misbehaviour) => {
                self.refuse(txid);
                out.push(RelayAction::Misbehaved { peer, misbehaviour });
            }
        }
    }

    /// Whether an output that is missing will not come: its transaction is in the chain, so the output was spent there, or
    /// it was refused.
    fn is_spent_or_refused(&self, parent: &Txid) -> bool {
        self.confirmed.contains(parent) || self.refused.contains(parent)
    }

    /// Forgets a transaction until the chain moves, and what waits for it.
    fn refuse(&mut self, txid: Txid) {
        let mut refused = vec![txid];
        while let Some(txid) = refused.pop() {
            self.refused.insert(txid);
            refused.extend(self.orphans.take_children(&txid).into_iter().map(|child| child.txid));
        }
    }

    fn on_connected(&mut self, txids: &[Txid], now: Duration, out: &mut Vec<RelayAction>) {
        for txid in txids {
            self.pending.remove(txid);
            self.confirmed.insert(*txid);
            self.requests.forget(txid);
        }
        self.refused.clear();
        // A block may have brought the parents.
        for orphan in self.orphans.take_all(now) {
            self.submit(orphan, out);
        }
    }
}
