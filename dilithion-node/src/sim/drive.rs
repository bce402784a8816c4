//! What happens inside nodes: events go to the coordinator, its actions are carried out.

use std::time::Duration;

use bytes::Bytes;
use dilithion_headers::HashJob;
use dilithion_wire::{BlockHeader, Message, Misbehaviour, PeerId};

use super::blocks::{Recipe, sim_hash};
use super::hasher::Worker;
use super::link::other;
use super::trace::Note;
use super::world::{Happening, World, facts_of, slot};
use super::{ActorId, MILLISECOND, SECOND};
use crate::clock::Now;
use crate::net::BAN_SCORE;
use crate::stage::BlockStore;
use crate::sync::{Action, Event, StoreJob};

/// Longest time between two ticks of a coordinator, as in the engine.
const MAX_TICK: Duration = SECOND;

impl World {
    /// The time as a node's clocks show it.
    fn now_at(&self, id: ActorId) -> Now {
        let mono = self.queue.now();
        let offset = self.node(id).map_or(0, |node| node.profile.clock_offset);
        Now { mono, unix: (self.blocks.start_time() + mono.as_secs()).saturating_add_signed(offset) }
    }

    /// Tells a node's coordinator something, and does what it wants done about it.
    pub(super) fn tell(&mut self, id: ActorId, event: Event) {
        let now = self.now_at(id);
        let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) else { return };
        for action in running.coordinator.handle(event, now) {
            self.perform(id, action);
        }
        self.wake_later(id);
        self.check(id);
    }

    /// Schedules the next tick, at the latest after [`MAX_TICK`].
    fn wake_later(&mut self, id: ActorId) {
        let now = self.queue.now();
        let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) else { return };
        let wait = running.coordinator.next_tick(now).clamp(MILLISECOND, MAX_TICK);
        if now + wait < running.tick_at {
            running.tick_at = now + wait;
            self.queue.at(now + wait, Happening::Tick(id, now + wait));
        }
    }

    pub(super) fn on_tick(&mut self, id: ActorId, at: Duration) {
        let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) else { return };
        if running.tick_at == at {
            running.tick_at = Duration::MAX;
            self.tell(id, Event::Tick);
        }
    }

    fn perform(&mut self, id: ActorId, action: Action) {
        match action {
            Action::Send { peer, message } => self.send_from(id, peer, message.into()),
            Action::Announce { peer, headers, .. } => {
                self.send_from(id, peer, Message::Headers(headers).into());
            }
            Action::Hash(jobs) => self.hash(id, &jobs),
            Action::CancelHashes { peer } => {
                if let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) {
                    running.hasher.cancel(peer.0);
                }
            }
            Action::Store(job) => self.store(id, job),
            Action::Misbehaved { peer, misbehaviour } => self.punish(id, peer, misbehaviour),
            Action::Disconnect { peer, reason } => {
                self.note(id, Note::Dropped { peer, reason });
                self.check_dropped(id, peer, reason);
                self.close_soon(id, peer);
            }
            Action::StateChanged { from, to } => {
                self.note(id, Note::State { from, to });
                if !from.may_become(to) {
                    self.violate(id, "state transitions are legal", format!("{from} → {to}"));
                }
            }
            Action::ForkDetected { height } => {
                self.counts.forks += 1;
                self.note(id, Note::Fork { height });
                self.check_fork(id, height);
            }
        }
    }

    fn send_from(&mut self, id: ActorId, peer: PeerId, packet: super::link::Packet) {
        let (items, height) = facts_of(&packet, &self.blocks);
        self.note(id, Note::Sent { peer, command: packet.command(), items, height });
        self.check_sent(id, peer, &packet);
        let end = usize::from(self.connections[slot(peer)].actors[0] != id);
        self.send(peer, end, packet);
    }

    /// A node closes a connection: its task needs a moment, and then tells the coordinator.
    fn close_soon(&mut self, id: ActorId, peer: PeerId) {
        let connection = &mut self.connections[slot(peer)];
        let end = usize::from(connection.actors[0] != id);
        if connection.open[end] {
            self.queue.after(Duration::ZERO, Happening::Closed(peer, end));
            let news = self.queue.now() + self.connections[slot(peer)].quality.latency;
            self.queue.at(news, Happening::Closed(peer, other(end)));
        }
    }

    fn punish(&mut self, id: ActorId, peer: PeerId, misbehaviour: Misbehaviour) {
        self.note(id, Note::Punished { peer, misbehaviour });
        self.void_requests(id);
        let connection = &mut self.connections[slot(peer)];
        let end = usize::from(connection.actors[0] != id);
        let remote = connection.actors[other(end)];
        connection.scores[other(end)] += misbehaviour.score();
        let banned = connection.scores[other(end)] >= BAN_SCORE;
        if self.is_honest(remote) {
            self.violate(id, "no honest peer is punished", format!("{remote} is, for {misbehaviour}"));
        }
        if banned {
            self.counts.bans += 1;
            self.banned.insert((id, remote));
            self.close_soon(id, peer);
        }
    }

    fn hash(&mut self, id: ActorId, jobs: &[HashJob]) {
        let Some(node) = self.node_mut(id) else { return };
        let boot = node.boot;
        let Some(running) = node.running.as_mut() else { return };
        let time = running.hasher.time_per_hash();
        for worker in running.hasher.submit(jobs) {
            self.queue.after(time, Happening::Hashed(id, boot, worker));
        }
    }

    pub(super) fn on_hashed(&mut self, id: ActorId, boot: u32, worker: Worker) {
        let Some(node) = self.node_mut(id).filter(|node| node.boot == boot) else { return };
        let Some(running) = node.running.as_mut() else { return };
        let (done, goes_on) = running.hasher.finish(worker);
        let (time, queued) = (running.hasher.time_per_hash(), running.hasher.queued());
        if goes_on {
            self.queue.after(time, Happening::Hashed(id, boot, worker));
        }
        self.note(id, Note::Hashed { queued });
        if let Some(job) = done {
            self.tell(id, Event::HashComputed { token: job.token, hash: sim_hash(&job.header) });
        }
    }

    fn store(&mut self, id: ActorId, job: StoreJob) {
        let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) else { return };
        running.validator.push(job);
        self.begin_storing(id);
    }

    /// Lets the validator begin its next step, if it is idle and there is one.
    fn begin_storing(&mut self, id: ActorId) {
        let Some(node) = self.node_mut(id) else { return };
        let (boot, commit, block) = (node.boot, node.profile.time_per_commit, node.profile.time_per_block);
        let Some(running) = node.running.as_mut() else { return };
        if !running.storing && !running.validator.is_idle() {
            running.storing = true;
            let blocks = u32::try_from(running.validator.next_batch_len()).unwrap_or(u32::MAX);
            self.queue.after(commit + block * blocks, Happening::Stored(id, boot));
        }
    }

    pub(super) fn on_stored(&mut self, id: ActorId, boot: u32) {
        let Some(node) = self.node_mut(id).filter(|node| node.boot == boot) else { return };
        let (commit, block) = (node.profile.time_per_commit, node.profile.time_per_block);
        let Some(running) = node.running.as_mut() else { return };
        running.storing = false;
        let blocks = u32::try_from(running.validator.next_batch_len()).unwrap_or(u32::MAX);
        let events = running.validator.step();
        running.validator.took(commit + block * blocks);
        let tip = running.validator.store().tip().0;
        self.note(id, Note::Stored { tip });
        self.begin_storing(id);
        for event in events {
            if let Event::BlocksConnected { blocks } = &event {
                self.counts.connected += blocks.len() as u64;
            }
            self.tell(id, event);
        }
    }

    pub(super) fn deliver_block(&mut self, id: ActorId, peer: PeerId, header: BlockHeader, payload: Bytes) {
        let wanted = self.before_block(id, &header, &payload);
        self.tell(id, Event::Block { peer, header, payload });
        if let Some(wanted) = wanted {
            self.check_kept(id, wanted);
        }
    }

    pub(super) fn start(&mut self, id: ActorId) {
        let seed = self.random.next_u64();
        let now = self.queue.now();
        let Some(node) = self.node_mut(id) else { return };
        match node.start(seed) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => {
                return self.violate(id, "a node starts from what its store holds", error.to_string());
            }
        }
        self.note(id, Note::Started);
        let jobs = self
            .node(id)
            .and_then(|node| node.running.as_ref())
            .map(|running| running.coordinator.outstanding_hashes())
            .unwrap_or_default();
        self.hash(id, &jobs);
        self.queue.at(now, Happening::Tick(id, now));
        if let Some(running) = self.node_mut(id).and_then(|node| node.running.as_mut()) {
            running.tick_at = now;
        }
        // Its first connections are the scenario's; later it dials those that it keeps up again.
        let again = self.node(id).is_some_and(|node| node.boot > 1);
        let dials: Vec<_> = self.kept_up.iter().copied().filter(|(from, _)| again && *from == id).collect();
        for (from, to) in dials {
            self.queue.at(now, Happening::Dial(from, to));
        }
    }

    /// A node ends between two events, or in the middle of a step of its validator: after the commit, before anybody
    /// heard of it.
    pub(super) fn crash(&mut self, id: ActorId) {
        let commits = self.random.one_in(2);
        self.note(id, Note::Crashed);
        if let Some(node) = self.node_mut(id) {
            if let Some(running) = node.running.as_mut().filter(|running| running.storing && commits) {
                let _lost = running.validator.step();
            }
            node.crash();
        }
        for (peer, end) in self.open_connections_of(id) {
            self.connections[slot(peer)].open[end] = false;
            self.connections[slot(peer)].outgoing[end] = Default::default();
            // The operating system closes its sockets.
            let news = self.queue.now() + self.connections[slot(peer)].quality.latency;
            if !self.connections[slot(peer)].cut {
                self.queue.at(news, Happening::Closed(peer, other(end)));
            }
        }
    }

    /// A node mines a block on its tip.
    pub(super) fn mine(&mut self, id: ActorId, recipe: Recipe) {
        self.mined += 1;
        let salt = u64::MAX / 2 + self.mined;
        let Some(tip) = self.node(id).filter(|node| node.running.is_some()).map(|node| node.tip().1) else {
            return;
        };
        let Some(block) = self.blocks.mine_on(&tip, salt, recipe) else { return };
        let (header, hash, height) = (block.header, block.hash, block.height);
        let payload = block.payload.clone();
        self.note(id, Note::Mined { height });
        self.tell(id, Event::BlockMined { header, hash, payload });
    }
}
