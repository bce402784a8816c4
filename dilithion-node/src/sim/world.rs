//! The simulated world: actors, connections, and the loop in which things happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_wire::{BlockHash, Height, Inventory, Message, PeerId};

use super::ActorId;
use super::blocks::{Blocks, Chain, Recipe};
use super::events::EventQueue;
use super::hasher::Worker;
use super::link::{Connection, End, Packet, Quality};
use super::node::SimNode;
use super::report::Violation;
use super::scripted::{Manners, ScriptedPeer};
use super::trace::{Note, Trace};
use crate::random::Random;

/// Somebody with connections.
#[derive(Debug)]
pub(super) enum Actor {
    /// A node under test.
    Node(Box<SimNode>),
    /// A peer with a script.
    Peer(Box<ScriptedPeer>),
}

/// Something that a scenario makes happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// The first dials the second.
    Connect(ActorId, ActorId),
    /// All connections between two actors are closed.
    Disconnect(ActorId, ActorId),
    /// All connections between two actors go dead; neither is told.
    Cut(ActorId, ActorId),
    /// A node or peer stops without a warning.
    Crash(ActorId),
    /// A node starts.
    Start(ActorId),
    /// These actors can reach each other only, and the others each other only.
    Partition(Vec<ActorId>),
    /// The partition is over.
    Heal,
    /// A peer has this chain now, and announces its tip.
    Extend(ActorId, Chain),
    /// A node mines a block on its tip.
    Mine(ActorId, Recipe),
    /// A node's wall clock steps by some seconds.
    StepClock(ActorId, i64),
    /// A peer behaves otherwise from now on.
    Become(ActorId, Manners),
}

/// What can happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// A handshake completes, at one end.
    Opened(PeerId, End),
    /// An end learns that the connection is closed.
    Closed(PeerId, End),
    /// A packet arrives.
    Arrived(PeerId, End, Packet),
    /// The line from this end is free.
    Drained(PeerId, End),
    /// An end is due to send a ping.
    PingDue(PeerId, End),
    /// A scripted peer's late answer.
    Replied(PeerId, End, Packet),
    /// A scripted peer speaks unasked.
    Chats(PeerId, End),
    /// A coordinator wants to be woken.
    Tick(ActorId, Duration),
    /// A worker has computed a hash, in this life of the node.
    Hashed(ActorId, u32, Worker),
    /// The validator's step is done, in this life of the node.
    Stored(ActorId, u32),
    /// A connection that a node keeps up is to be dialled.
    Dial(ActorId, ActorId),
    /// The scenario's step of this number.
    Step(usize),
    /// Time to look whether the run is over.
    Look,
}

/// A whole network and its future.
#[derive(Debug)]
pub struct World {
    pub(super) queue: EventQueue<Happening>,
    pub(super) random: Random,
    /// All blocks there are.
    pub blocks: Blocks,
    pub(super) actors: Vec<Actor>,
    pub(super) connections: Vec<Connection>,
    /// Connections that are kept up by their first actor.
    pub(super) kept_up: BTreeSet<(ActorId, ActorId)>,
    /// How good connections of two actors are, if not by chance.
    pub(super) qualities: BTreeMap<(ActorId, ActorId), Quality>,
    /// Who has banned whom.
    pub(super) banned: BTreeSet<(ActorId, ActorId)>,
    /// The smaller part of a network that has fallen apart.
    pub(super) partition: BTreeSet<ActorId>,
    pub(super) steps: Vec<Option<Step>>,
    pub(super) trace: Trace,
    pub(super) violation: Option<Violation>,
    pub(super) mined: u64,
    /// Honest peers may be dropped in this scenario.
    pub(super) may_drop_honest: bool,
    pub(super) counts: Counts,
}

/// What a run counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// `getheaders` that nodes sent.
    pub getheaders: u64,
    /// Blocks that nodes asked for.
    pub requested: u64,
    /// Blocks that nodes connected.
    pub connected: u64,
    /// Forks that nodes left.
    pub forks: u64,
    /// Peers that nodes banned.
    pub bans: u64,
}

impl Counts {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.getheaders += other.getheaders;
        self.requested += other.requested;
        self.connected += other.connected;
        self.forks += other.forks;
        self.bans += other.bans;
    }
}

/// The number of a connection among all: its [`PeerId`] at both ends. Numbers start with 1.
pub(super) fn slot(peer: PeerId) -> usize {
    usize::try_from(peer.0).unwrap_or(0).saturating_sub(1)
}

impl World {
    /// A world without anybody.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            queue: EventQueue::new(),
            random: Random::new(seed),
            blocks: Blocks::new(),
            actors: Vec::new(),
            connections: Vec::new(),
            kept_up: BTreeSet::new(),
            qualities: BTreeMap::new(),
            banned: BTreeSet::new(),
            partition: BTreeSet::new(),
            steps: Vec::new(),
            trace: Trace::default(),
            violation: None,
            mined: 0,
            may_drop_honest: false,
            counts: Counts::default(),
        }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.queue.now()
    }

    /// How many things have happened.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.queue.happened()
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A node; `None` if the actor is none.
    #[must_use]
    pub fn node(&self, id: ActorId) -> Option<&SimNode> {
        match self.actors.get(usize::from(id.0))? {
            Actor::Node(node) => Some(node),
            Actor::Peer(_) => None,
        }
    }

    pub(super) fn node_mut(&mut self, id: ActorId) -> Option<&mut SimNode> {
        match self.actors.get_mut(usize::from(id.0))? {
            Actor::Node(node) => Some(node),
            Actor::Peer(_) => None,
        }
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (ActorId, &SimNode)> {
        self.actors.iter().enumerate().filter_map(|(position, actor)| match actor {
            Actor::Node(node) => Some((ActorId::at(position), &**node)),
            Actor::Peer(_) => None,
        })
    }

    /// Whether nothing that the actor does may be held against it.
    #[must_use]
    pub fn is_honest(&self, id: ActorId) -> bool {
        match self.actors.get(usize::from(id.0)) {
            Some(Actor::Node(_)) => true,
            Some(Actor::Peer(peer)) => peer.manners.are_honest(),
            None => false,
        }
    }

    /// Makes the next thing happen. Returns false if nothing is left to happen.
    pub(super) fn advance(&mut self) -> bool {
        let Some(happening) = self.queue.pop() else { return false };
        match happening {
            Happening::Arrived(peer, end, packet) => self.arrive(peer, end, packet),
            Happening::Drained(peer, end) => self.drain(peer, end),
            Happening::Hashed(id, boot, worker) => self.on_hashed(id, boot, worker),
            Happening::Stored(id, boot) => self.on_stored(id, boot),
            Happening::Tick(id, at) => self.on_tick(id, at),
            Happening::Opened(peer, end) => self.on_opened(peer, end),
            Happening::Closed(peer, end) => self.on_closed(peer, end),
            Happening::PingDue(peer, end) => self.on_ping_due(peer, end),
            Happening::Replied(peer, end, packet) => self.send(peer, end, packet),
            Happening::Chats(peer, end) => self.chat(peer, end),
            Happening::Dial(from, to) => self.dial(from, to),
            Happening::Step(number) => self.take_step(number),
            Happening::Look => {}
        }
        true
    }

    fn take_step(&mut self, number: usize) {
        let Some(step) = self.steps.get_mut(number).and_then(Option::take) else { return };
        match step {
            Step::Connect(from, to) => self.dial(from, to),
            Step::Disconnect(a, b) => {
                for (peer, end) in self.connections_of(a, b) {
                    self.close(peer, end);
                }
            }
            Step::Cut(a, b) => {
                for (peer, _) in self.connections_of(a, b) {
                    self.cut(peer);
                }
            }
            Step::Crash(id) => self.crash(id),
            Step::Start(id) => self.start(id),
            Step::Partition(part) => {
                self.partition = part.into_iter().collect();
                for position in 0..self.connections.len() {
                    let [a, b] = self.connections[position].actors;
                    if self.are_parted(a, b) {
                        self.cut(PeerId(position as u64 + 1));
                    }
                }
            }
            Step::Heal => self.partition.clear(),
            Step::Extend(id, chain) => self.extend(id, chain),
            Step::Mine(id, recipe) => self.mine(id, recipe),
            Step::StepClock(id, seconds) => {
                self.note(id, Note::ClockStepped { seconds });
                if let Some(node) = self.node_mut(id) {
                    node.profile.clock_offset += seconds;
                }
            }
            Step::Become(id, manners) => {
                if let Some(Actor::Peer(peer)) = self.actors.get_mut(usize::from(id.0)) {
                    peer.manners = manners;
                }
            }
        }
    }

    /// A scripted peer has more blocks than before.
    fn extend(&mut self, id: ActorId, chain: Chain) {
        let Some(Actor::Peer(peer)) = self.actors.get_mut(usize::from(id.0)) else { return };
        peer.chain = chain;
        let packet = peer.announcement(&self.blocks);
        for (peer, end) in self.open_connections_of(id) {
            self.send(peer, end, packet.clone());
        }
    }

    pub(super) fn are_parted(&self, a: ActorId, b: ActorId) -> bool {
        self.partition.contains(&a) != self.partition.contains(&b)
    }

    /// The connections between two actors, and the first one's end of them.
    fn connections_of(&self, a: ActorId, b: ActorId) -> Vec<(PeerId, End)> {
        let ends = (1..).zip(&self.connections).filter_map(|(number, connection)| match connection.actors {
            [first, second] if (first, second) == (a, b) => Some((PeerId(number), 0)),
            [first, second] if (first, second) == (b, a) => Some((PeerId(number), 1)),
            _ => None,
        });
        ends.filter(|(peer, _)| self.connections[slot(*peer)].open.contains(&true)).collect()
    }

    /// The ends of an actor's connections that it thinks are open.
    pub(super) fn open_connections_of(&self, id: ActorId) -> Vec<(PeerId, End)> {
        (1..)
            .zip(&self.connections)
            .flat_map(|(number, connection)| {
                (0..2)
                    .filter(move |end| connection.actors[*end] == id && connection.open[*end])
                    .map(move |end| (PeerId(number), end))
            })
            .collect()
    }

    pub(super) fn note(&mut self, id: ActorId, note: Note) {
        self.trace.note(self.queue.now(), id, note);
    }

    /// Something that must never happen has happened: the run ends with this.
    pub(super) fn violate(&mut self, id: ActorId, rule: &'static str, what: String) {
        if self.violation.is_none() {
            let (at, last_events) = (self.queue.now(), self.trace.lines());
            self.violation = Some(Violation { rule, actor: id, what, at, last_events });
        }
    }

    /// The best chain that somebody honest has: most work, with valid blocks only.
    #[must_use]
    pub fn best_tip(&self) -> BlockHash {
        let tips = self.actors.iter().filter_map(|actor| match actor {
            Actor::Node(node) => Some(node.tip().1),
            Actor::Peer(peer) if peer.manners.are_honest() => Some(self.blocks.tip(&peer.chain).hash),
            Actor::Peer(_) => None,
        });
        let best = tips.filter_map(|hash| self.blocks.find(&hash)).filter(|block| block.valid);
        best.max_by_key(|block| block.work).map_or(self.blocks.params().genesis.hash, |block| block.hash)
    }

    /// Whether a chain ends in as much work as the best.
    #[must_use]
    pub fn is_as_good_as_best(&self, tip: &BlockHash) -> bool {
        let work = |hash: &BlockHash| self.blocks.find(hash).map(|block| block.work);
        work(tip) >= work(&self.best_tip())
    }
}

/// The items and the height that a note tells of a packet.
pub(super) fn facts_of(packet: &Packet, blocks: &Blocks) -> (usize, Option<Height>) {
    match packet {
        Packet::Block(block) => (1, blocks.find(&block.0.prev_hash).map(|parent| parent.height.next())),
        Packet::Message(message) => match &**message {
            Message::Headers(headers) => {
                let parent = headers.first().and_then(|header| blocks.find(&header.prev_hash));
                (headers.len(), parent.map(|parent| parent.height.next()))
            }
            Message::GetHeaders(request) => {
                let tip = request.locator.first().and_then(|hash| blocks.find(hash));
                (request.locator.len(), tip.map(|tip| tip.height))
            }
            Message::GetData(items) | Message::Inv(items) => {
                let first = items.first().and_then(|item: &Inventory| blocks.find(&item.hash.into()));
                (items.len(), first.map(|block| block.height))
            }
            _ => (1, None),
        },
    }
}
