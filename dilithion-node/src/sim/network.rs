//! What happens on connections: dialling, sending, arriving, pings, ends.

use std::time::Duration;

use dilithion_wire::{BlockHash, Height, Message, PeerId};

use super::link::{Connection, End, Keepalive, Packet, Quality, other};
use super::trace::Note;
use super::world::{Actor, Happening, World, facts_of, slot};
use super::{ActorId, MILLISECOND, SECOND};
use crate::net::{Lane, MAX_MISSED_PONGS, MAX_SEND_QUEUE, PING_INTERVAL, lane_of};
use crate::sync::Event;

/// Blocks that wait between a node's store and a peer's line.
const SERVED_AHEAD: usize = 2;

impl World {
    /// Opens a connection: the end that dialled is ready half a round trip after the other.
    pub(super) fn dial(&mut self, from: ActorId, to: ActorId) {
        let reachable = !self.are_parted(from, to) && self.is_up(from) && self.is_up(to);
        if self.banned.contains(&(to, from)) || self.banned.contains(&(from, to)) {
            return;
        }
        if !reachable {
            return self.dial_again(from, to);
        }
        let quality = self.quality(from, to);
        let claimed_heights = [self.claimed_height(from), self.claimed_height(to)];
        self.connections.push(Connection::new([from, to], claimed_heights, quality));
        let peer = PeerId(self.connections.len() as u64);
        // Connect, version, version and verack: one and a half round trips until the acceptor has a verack.
        self.queue.after(quality.latency * 4, Happening::Opened(peer, 0));
        self.queue.after(quality.latency * 5, Happening::Opened(peer, 1));
    }

    fn dial_again(&mut self, from: ActorId, to: ActorId) {
        if self.kept_up.contains(&(from, to)) {
            let pause = self.random.time_within(2 * SECOND..8 * SECOND);
            self.queue.after(pause, Happening::Dial(from, to));
        }
    }

    fn is_up(&self, id: ActorId) -> bool {
        self.node(id).is_none_or(|node| node.running.is_some())
    }

    fn claimed_height(&self, id: ActorId) -> u32 {
        match self.actors.get(usize::from(id.0)) {
            Some(Actor::Node(node)) => node.tip().0.0,
            Some(Actor::Peer(peer)) => peer.claimed_height(),
            None => 0,
        }
    }

    fn quality(&mut self, a: ActorId, b: ActorId) -> Quality {
        if let Some(quality) = self.qualities.get(&(a.min(b), a.max(b))) {
            return *quality;
        }
        Quality {
            latency: self.random.time_within(2 * MILLISECOND..120 * MILLISECOND),
            jitter: self.random.time_within(Duration::ZERO..30 * MILLISECOND),
            bandwidth: self.random.within(500_000..10_000_000),
        }
    }

    pub(super) fn on_opened(&mut self, peer: PeerId, end: End) {
        let connection = &mut self.connections[slot(peer)];
        let [id, remote] = [connection.actors[end], connection.actors[other(end)]];
        let start_height = Height(connection.claimed_heights[other(end)]);
        let already_over = connection.cut || (end == 1 && !connection.open[0]);
        if already_over || !self.is_up(id) || self.banned.contains(&(id, remote)) {
            return self.finish(peer, end);
        }
        self.connections[slot(peer)].open[end] = true;
        self.queue.after(PING_INTERVAL, Happening::PingDue(peer, end));
        self.note(id, Note::Opened { peer, other: remote });
        if self.node(id).is_some() {
            self.tell(id, Event::PeerConnected { peer, start_height });
        } else {
            self.chat(peer, end);
        }
    }

    /// An end sends a packet: at once if its line is free.
    pub(super) fn send(&mut self, peer: PeerId, end: End, packet: Packet) {
        let now = self.queue.now();
        let connection = &mut self.connections[slot(peer)];
        if !connection.open[end] {
            return;
        }
        let id = connection.actors[end];
        let (lane, bytes) = (lane_of(&packet.command()), packet.wire_bytes());
        let outgoing = &mut connection.outgoing[end];
        outgoing.queue.push(lane, (packet, now), bytes);
        let queued = outgoing.queue.bytes(Lane::Control) + outgoing.queue.bytes(Lane::Headers);
        if queued > MAX_SEND_QUEUE && self.node(id).is_some() {
            self.violate(id, "queues stay within their bounds", format!("{queued} bytes to send on {peer}"));
        }
        self.drain(peer, end);
    }

    /// Puts on the line what is due, if it is free.
    pub(super) fn drain(&mut self, peer: PeerId, end: End) {
        let now = self.queue.now();
        let outgoing = &mut self.connections[slot(peer)].outgoing[end];
        if now < outgoing.busy_until {
            if !outgoing.draining {
                outgoing.draining = true;
                let at = outgoing.busy_until;
                self.queue.at(at, Happening::Drained(peer, end));
            }
            return;
        }
        outgoing.draining = false;
        self.serve(peer, end);
        let connection = &mut self.connections[slot(peer)];
        let outgoing = &mut connection.outgoing[end];
        let Some((lane, (packet, queued), _)) = outgoing.queue.pop() else { return };
        let id = connection.actors[end];
        let overtaken = lane == Lane::Control && outgoing.bulk_began.is_some_and(|began| began > queued);
        let (quality, cut) = (connection.quality, connection.cut);
        let jitter = self.random.time_within(Duration::ZERO..quality.jitter);
        let outgoing = &mut self.connections[slot(peer)].outgoing[end];
        let arrival = outgoing.transmit(&packet, now, &quality, jitter);
        if overtaken {
            self.violate(id, "no control message waits behind headers or blocks", format!("on {peer}"));
        }
        if !cut {
            self.queue.at(arrival, Happening::Arrived(peer, other(end), packet));
        }
        self.drain_later(peer, end);
    }

    /// Comes back when the line is free, if anything waits for that.
    fn drain_later(&mut self, peer: PeerId, end: End) {
        let outgoing = &mut self.connections[slot(peer)].outgoing[end];
        let waits =
            [Lane::Control, Lane::Headers, Lane::Blocks].into_iter().any(|lane| outgoing.queue.len(lane) > 0)
                || !outgoing.serving.is_empty();
        if waits && !outgoing.draining {
            outgoing.draining = true;
            let at = outgoing.busy_until;
            self.queue.at(at, Happening::Drained(peer, end));
        }
    }

    /// Moves blocks that were asked for from the store to the line, a few at a time.
    fn serve(&mut self, peer: PeerId, end: End) {
        let now = self.queue.now();
        let connection = &mut self.connections[slot(peer)];
        let Some(Actor::Node(node)) = self.actors.get(usize::from(connection.actors[end].0)) else { return };
        let outgoing = &mut connection.outgoing[end];
        while outgoing.queue.len(Lane::Blocks) < SERVED_AHEAD {
            let Some(hash) = outgoing.serving.pop_front() else { return };
            // What it does not have is passed over.
            let has = node.store().is_some_and(|store| store.has_body(&hash));
            let Some(block) = self.blocks.find(&hash).filter(|_| has) else { continue };
            let packet = Packet::block(block.header, block.payload.clone());
            let bytes = packet.wire_bytes();
            outgoing.queue.push(Lane::Blocks, (packet, now), bytes);
        }
    }

    pub(super) fn arrive(&mut self, peer: PeerId, end: End, packet: Packet) {
        let connection = &self.connections[slot(peer)];
        if !connection.open[end] || connection.cut {
            return;
        }
        let id = connection.actors[end];
        match self.actors.get_mut(usize::from(id.0)) {
            Some(Actor::Node(_)) => self.arrive_at_node(id, peer, end, packet),
            Some(Actor::Peer(scripted)) => {
                let Packet::Message(message) = packet else { return };
                if let Message::Pong(_) = *message {
                    self.connections[slot(peer)].pings[end] = Keepalive::default();
                    return;
                }
                for (delay, reply) in scripted.reply(&message, &mut self.blocks) {
                    if delay.is_zero() {
                        self.send(peer, end, reply);
                    } else {
                        self.queue.after(delay, Happening::Replied(peer, end, reply));
                    }
                }
            }
            None => {}
        }
    }

    /// What the connection's own task does with a message in a node: it answers, or passes on.
    fn arrive_at_node(&mut self, id: ActorId, peer: PeerId, end: End, packet: Packet) {
        let (items, height) = facts_of(&packet, &self.blocks);
        if lane_of(&packet.command()) != Lane::Control || items > 1 {
            self.note(id, Note::Got { peer, command: packet.command(), items, height });
        }
        let message = match packet {
            Packet::Block(block) => return self.deliver_block(id, peer, block.0, block.1),
            Packet::Message(message) => *message,
        };
        match message {
            Message::Ping(nonce) => self.send(peer, end, Message::Pong(nonce).into()),
            Message::Pong(_) => self.connections[slot(peer)].pings[end] = Keepalive::default(),
            Message::Headers(headers) => self.tell(id, Event::Headers { peer, headers }),
            Message::GetHeaders(request) => {
                self.tell(id, Event::GetHeaders { peer, locator: request.locator, stop: request.stop });
            }
            Message::Inv(items) => {
                let blocks = items.into_iter().map(|item| item.hash.into()).collect();
                self.tell(id, Event::Announced { peer, blocks });
            }
            Message::GetData(items) => {
                let serving = &mut self.connections[slot(peer)].outgoing[end].serving;
                serving.extend(items.into_iter().map(|item| BlockHash::from(item.hash)));
                self.drain(peer, end);
            }
            _ => {}
        }
    }

    pub(super) fn on_ping_due(&mut self, peer: PeerId, end: End) {
        let connection = &mut self.connections[slot(peer)];
        if !connection.open[end] {
            return;
        }
        let keepalive = &mut connection.pings[end];
        keepalive.missed += u32::from(keepalive.waiting);
        keepalive.waiting = true;
        if keepalive.missed >= MAX_MISSED_PONGS {
            return self.close(peer, end);
        }
        self.queue.after(PING_INTERVAL, Happening::PingDue(peer, end));
        self.send(peer, end, Message::Ping(peer.0).into());
    }

    /// A scripted peer says what it says unasked, and will again.
    pub(super) fn chat(&mut self, peer: PeerId, end: End) {
        let connection = &self.connections[slot(peer)];
        let id = connection.actors[end];
        let Some(Actor::Peer(scripted)) = self.actors.get_mut(usize::from(id.0)) else { return };
        if !connection.open[end] {
            return;
        }
        let Some((pause, packet)) = scripted.chat(&self.blocks) else { return };
        self.send(peer, end, packet);
        self.queue.after(pause, Happening::Chats(peer, end));
    }

    /// One end closes the connection; the other learns of it when the news arrives.
    pub(super) fn close(&mut self, peer: PeerId, end: End) {
        self.finish(peer, end);
        let connection = &self.connections[slot(peer)];
        if !connection.cut {
            let news =
                connection.outgoing[end].last_arrival.max(self.queue.now()) + connection.quality.latency;
            self.queue.at(news, Happening::Closed(peer, other(end)));
        }
    }

    pub(super) fn on_closed(&mut self, peer: PeerId, end: End) {
        if !self.connections[slot(peer)].cut {
            self.finish(peer, end);
        }
    }

    /// An end is done with a connection.
    fn finish(&mut self, peer: PeerId, end: End) {
        let connection = &mut self.connections[slot(peer)];
        let was_open = std::mem::replace(&mut connection.open[end], false);
        let [id, remote] = [connection.actors[end], connection.actors[other(end)]];
        connection.outgoing[end] = Default::default();
        if was_open {
            self.note(id, Note::Closed { peer });
            if self.node(id).is_some() {
                self.tell(id, Event::PeerDisconnected { peer });
                self.check_disconnected(id, peer);
            }
        }
        if end == 0 && !self.banned.contains(&(id, remote)) {
            self.dial_again(id, remote);
        }
    }

    /// Nothing gets through any more, and nobody is told.
    pub(super) fn cut(&mut self, peer: PeerId) {
        let connection = &mut self.connections[slot(peer)];
        if !connection.cut {
            connection.cut = true;
            let id = connection.actors[0];
            self.note(id, Note::Cut { peer });
        }
    }
}
