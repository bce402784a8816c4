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

use std::collections::BTreeMap;
use std::time::Duration;

use dilithion_wire::{PeerId, Transaction, Txid};

use self::announcements::Announcements;
pub use self::event::{Refusal, RelayAction, RelayEvent};
use self::orphans::Orphans;
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

/// Ids of accepted and of refused transactions that are remembered, so that they are not asked for again.
const REMEMBERED: usize = 100_000;
/// Bytes of transactions that may wait for the validator: what it checks in a second or two. Nothing is asked for beyond.
const MAX_SUBMITTED_BYTES: usize = 4 << 20;

/// The state machine of transaction relay (see the [module](self)).
#[derive(Debug)]
pub struct TxRelay {
    config: RelayConfig,
    random: Random,
    follows_tip: bool,
    peers: BTreeMap<PeerId, Announcements>,
    requests: RequestTracker,
    orphans: Orphans,
    /// With the validator, and who sent each.
    submitted: BTreeMap<Txid, Submitted>,
    submitted_bytes: usize,
    accepted: RollingSet,
    /// Refused since the chain last moved.
    refused: RollingSet,
}

/// A transaction that the validator looks at.
#[derive(Debug)]
struct Submitted {
    peer: PeerId,
    transaction: Transaction,
    bytes: usize,
}

impl TxRelay {
    /// A relay without peers. `seed` decides when what is announced; `pending` is what has become pending before.
    #[must_use]
    pub fn new(config: RelayConfig, seed: u64, pending: impl IntoIterator<Item = Txid>) -> Self {
        let mut accepted = RollingSet::new(REMEMBERED);
        for txid in pending {
            accepted.insert(txid);
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
            accepted,
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
                self.peers.insert(peer, Announcements::new(wants, mean));
                self.requests.add_peer(peer);
            }
            RelayEvent::PeerDisconnected { peer } => {
                self.peers.remove(&peer);
                self.requests.remove_peer(peer);
                self.orphans.forget_peer(peer);
            }
            RelayEvent::Announced { peer, txids } => self.on_announced(peer, &txids),
            RelayEvent::Received { peer, txid, transaction } => {
                self.on_received(peer, txid, transaction, &mut out);
            }
            RelayEvent::Accepted { txid } => self.on_accepted(txid, now, &mut out),
            RelayEvent::Refused { txid, refusal } => self.on_refused(txid, refusal, now, &mut out),
            RelayEvent::ChainMoved => self.on_chain_moved(&mut out),
            RelayEvent::FollowsTip(follows) => self.on_follows_tip(follows),
            RelayEvent::Tick => {}
        }
        self.requests.expire(now);
        self.drive(now, &mut out);
        out
    }

    /// When the next [`RelayEvent::Tick`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let announcements = self.peers.values().filter_map(Announcements::next_due);
        announcements.chain(self.requests.next_deadline()).min()
    }

    fn drive(&mut self, now: Duration, out: &mut Vec<RelayAction>) {
        if self.submitted_bytes < MAX_SUBMITTED_BYTES {
            let requests = self.requests.next_requests(now);
            out.extend(requests.into_iter().map(|(peer, txids)| RelayAction::Request { peer, txids }));
        }
        for (peer, announcements) in &mut self.peers {
            let txids = announcements.take_due(now, &mut self.random);
            if !txids.is_empty() {
                out.push(RelayAction::Announce { peer: *peer, txids });
            }
        }
    }

    fn on_announced(&mut self, peer: PeerId, txids: &[Txid]) {
        let Some(announcements) = self.peers.get_mut(&peer) else { return };
        for txid in txids {
            announcements.knows(*txid);
        }
        if self.follows_tip {
            for txid in txids {
                self.want(peer, *txid);
            }
        }
    }

    /// A peer has a transaction: asks for it unless it is known.
    fn want(&mut self, peer: PeerId, txid: Txid) {
        if !self.is_known(&txid) {
            self.requests.offer(peer, txid);
        }
    }

    fn is_known(&self, txid: &Txid) -> bool {
        self.accepted.contains(txid)
            || self.refused.contains(txid)
            || self.submitted.contains_key(txid)
            || self.orphans.contains(txid)
    }

    fn on_received(
        &mut self,
        peer: PeerId,
        txid: Txid,
        transaction: Transaction,
        out: &mut Vec<RelayAction>,
    ) {
        let asked = self.requests.settle(&txid, peer);
        if let Some(announcements) = self.peers.get_mut(&peer) {
            announcements.knows(txid);
        }
        // What nobody asked for has to wait until there is room; its sender may announce it.
        let room = asked || self.submitted_bytes < MAX_SUBMITTED_BYTES;
        if self.follows_tip && room && !self.is_known(&txid) {
            self.submit(txid, peer, transaction, out);
        }
    }

    fn submit(&mut self, txid: Txid, peer: PeerId, transaction: Transaction, out: &mut Vec<RelayAction>) {
        let bytes = transaction.encoded_len();
        self.submitted_bytes += bytes;
        self.submitted.insert(txid, Submitted { peer, transaction: transaction.clone(), bytes });
        out.push(RelayAction::Submit { txid, transaction });
    }

    fn answered(&mut self, txid: &Txid) -> Option<Submitted> {
        let submitted = self.submitted.remove(txid)?;
        self.submitted_bytes -= submitted.bytes;
        Some(submitted)
    }

    fn on_accepted(&mut self, txid: Txid, now: Duration, out: &mut Vec<RelayAction>) {
        self.answered(&txid);
        self.refused.remove(&txid);
        self.accepted.insert(txid);
        for announcements in self.peers.values_mut() {
            announcements.push(txid, now, &mut self.random);
        }
        for (child, peer, transaction) in self.orphans.take_children(&txid) {
            self.submit(child, peer, transaction, out);
        }
    }

    fn on_refused(&mut self, txid: Txid, refusal: Refusal, now: Duration, out: &mut Vec<RelayAction>) {
        // What an operator submitted is his own business.
        let Some(Submitted { peer, transaction, .. }) = self.answered(&txid) else { return };
        match refusal {
            // Its parent may be on its way, and its sender has it: he would not pass on what he cannot check.
            Refusal::MissingParent(parent) if !self.refused.contains(&parent) => {
                if self.orphans.insert(txid, transaction, parent, peer, now) {
                    self.want(peer, parent);
                } else {
                    self.refuse(txid);
                }
            }
            Refusal::MissingParent(_) | Refusal::Unwelcome => self.refuse(txid),
            Refusal::Invalid(misbehaviour) => {
                self.refuse(txid);
                out.push(RelayAction::Misbehaved { peer, misbehaviour });
            }
        }
    }

    /// Forgets a transaction until the chain moves, and what waits for it.
    fn refuse(&mut self, txid: Txid) {
        let mut refused = vec![txid];
        while let Some(txid) = refused.pop() {
            self.refused.insert(txid);
            refused.extend(self.orphans.take_children(&txid).into_iter().map(|(child, ..)| child));
        }
    }

    fn on_chain_moved(&mut self, out: &mut Vec<RelayAction>) {
        self.refused.clear();
        // A block may have brought the parents.
        for (txid, peer, transaction) in self.orphans.take_all() {
            self.submit(txid, peer, transaction, out);
        }
    }

    fn on_follows_tip(&mut self, follows: bool) {
        self.follows_tip = follows;
        if !follows {
            self.requests.clear();
        }
    }
}
