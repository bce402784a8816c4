//! Connections: two directions, each with its bandwidth, latency and queue.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use dilithion_wire::{BlockHash, BlockHeader, Command, Message};

use super::ActorId;
use crate::net::{Lane, SendQueue, lane_of};

/// Bytes of a message's header on the wire (spec: wire §1.2).
const FRAME_HEADER_BYTES: usize = 24;
/// The longest form of a number before a list (spec: wire §1.3); what a simulation takes for all of them.
const COUNT_BYTES: usize = 3;
/// A header in a `headers` message: 80 bytes and a number that is 0 (spec: wire §2).
const LISTED_HEADER_BYTES: usize = BlockHeader::SIZE + 1;
/// An inventory item (spec: wire §2).
const ITEM_BYTES: usize = 36;
/// A hash in a locator.
const HASH_BYTES: usize = 32;

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    /// Any message but `block`.
    Message(Box<Message>),
    /// A `block` message, as a node takes it in: its header and its payload.
    Block(Box<(BlockHeader, Bytes)>),
}

impl Packet {
    /// The message's command.
    #[must_use]
    pub(super) fn command(&self) -> Command {
        match self {
            Self::Message(message) => message.command(),
            Self::Block(_) => Command::BLOCK,
        }
    }

    /// Bytes on the wire.
    #[must_use]
    pub(super) fn wire_bytes(&self) -> usize {
        FRAME_HEADER_BYTES
            + match self {
                Self::Block(block) => block.1.len(),
                Self::Message(message) => match &**message {
                    Message::Ping(_) | Message::Pong(_) => size_of::<u64>(),
                    Message::Headers(headers) => COUNT_BYTES + headers.len() * LISTED_HEADER_BYTES,
                    Message::GetHeaders(request) => COUNT_BYTES + (request.locator.len() + 1) * HASH_BYTES,
                    Message::Inv(items) | Message::GetData(items) => COUNT_BYTES + items.len() * ITEM_BYTES,
                    _ => 0,
                },
            }
    }
}

impl Packet {
    /// A `block` message.
    pub(super) fn block(header: BlockHeader, payload: Bytes) -> Self {
        Self::Block(Box::new((header, payload)))
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

/// How good a connection is.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// Time that each message is under way at least.
    pub latency: Duration,
    /// What may come on top, anew for each message.
    pub jitter: Duration,
    /// Bytes a second.
    pub bandwidth: u64,
}

/// One of the two ends of a connection: 0 dialled.
pub(super) type End = usize;

/// The other end.
pub(super) const fn other(end: End) -> End {
    1 - end
}

/// A connection, with both its ends' views.
#[derive(Debug)]
pub(super) struct Connection {
    /// Who is at each end.
    pub(super) actors: [ActorId; 2],
    /// Which ends think that it is open.
    pub(super) open: [bool; 2],
    /// The height that each end stated in its `version`.
    pub(super) claimed_heights: [u32; 2],
    /// What each end has to send.
    pub(super) outgoing: [Outgoing; 2],
    /// The keepalive of each end.
    pub(super) pings: [Keepalive; 2],
    /// How good it is.
    pub(super) quality: Quality,
    /// Nothing gets through any more, and nobody is told.
    pub(super) cut: bool,
    /// The score that each end has run up at the other.
    pub(super) scores: [u32; 2],
}

/// Pings that one end has sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keepalive {
    /// One is unanswered.
    pub(super) waiting: bool,
    /// How many in a row were not answered before the next was due.
    pub(super) missed: u32,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Messages that wait for the line, and since when.
    pub(super) queue: SendQueue<(Packet, Duration)>,
    /// Blocks that the other end asked for.
    pub(super) serving: VecDeque<BlockHash>,
    /// Until when the line is busy with one message.
    pub(super) busy_until: Duration,
    /// When the last message that was sent arrives: none overtakes another.
    pub(super) last_arrival: Duration,
    /// When the last message that is not control began to be sent.
    pub(super) bulk_began: Option<Duration>,
    /// Something waits for the line to be free.
    pub(super) draining: bool,
}

impl Outgoing {
    /// Puts a message on the line: it takes it for as long as its bytes need. Returns when it arrives.
    pub(super) fn transmit(
        &mut self,
        packet: &Packet,
        now: Duration,
        quality: &Quality,
        jitter: Duration,
    ) -> Duration {
        if lane_of(&packet.command()) != Lane::Control {
            self.bulk_began = Some(now);
        }
        let nanos = packet.wire_bytes() as u64 * NANOS_PER_SECOND / quality.bandwidth.max(1);
        self.busy_until = now + Duration::from_nanos(nanos);
        self.last_arrival = self.last_arrival.max(self.busy_until + quality.latency + jitter);
        self.last_arrival
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Connection {
    /// A connection that is being established.
    #[must_use]
    pub(super) fn new(actors: [ActorId; 2], claimed_heights: [u32; 2], quality: Quality) -> Self {
        Self {
            actors,
            open: [false; 2],
            claimed_heights,
            outgoing: Default::default(),
            pings: Default::default(),
            quality,
            cut: false,
            scores: [0; 2],
        }
    }
}
