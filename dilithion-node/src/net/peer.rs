//! One peer: its identity, its send queues, its counters.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dilithion_wire::{BlockHash, Command, Message, PeerId, RawMessage, SendCompact, VersionMessage};
use thiserror::Error;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::peer_info::{PeerInfo, Traffic};
use super::server::Request;
use super::{Candidate, Host, Lane, MAX_SEND_QUEUE, SendQueue, lane_of};

/// Bytes of a message's header on the wire (spec: wire §1.2).
const FRAME_HEADER_BYTES: usize = 24;
/// Served messages that may wait between the store and a peer's socket.
const BULK_QUEUE: usize = 2;
/// The version of compact blocks that there is (spec: wire §5.6).
const COMPACT_BLOCKS_VERSION: u64 = 1;
/// Lines about everyday messages of a peer at the default verbosity at once; beyond, one a second.
const LOG_BURST: u64 = 100;
/// Commands logged at the default verbosity; the others would drown them during a sync.
const LOGGED_COMMANDS: [&str; 4] = ["version", "verack", "ping", "pong"];

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// We did.
    Outbound,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The peer wants something of us.
    Inbound,
    /// The operator wants us to stay connected to it.
    Manual,
    /// One of the few that we chose ourselves.
    Automatic,
    /// To see whether a node is there at all; it ends with the handshake.
    Feeler,
}

impl Purpose {
    /// Who opened it.
    #[must_use]
    pub fn direction(self) -> Direction {
        match self {
            Self::Inbound => Direction::Inbound,
            Self::Manual | Self::Automatic | Self::Feeler => Direction::Outbound,
        }
    }
}

/// Why a message could not be queued.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
    /// The peer does not read what we send.
    #[error("the peer's send queue is full")]
    QueueFull,
}

/// One connection, shared between its tasks, the engine and whoever wants to look.
#[doc(alias = "CNode")]
#[derive(Debug)]
pub struct Peer {
    /// Its number, unique in this run.
    pub id: PeerId,
    /// The remote end.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// What it is for.
    pub purpose: Purpose,
    /// Sent in our `version`; a `version` that shows it leads back to us. Each connection has its own, so that nobody can tell
    /// from it that two addresses are one node.
    pub(super) nonce: u64,
    /// It is this node.
    is_self: AtomicBool,
    /// Its server has something to do.
    serving: AtomicBool,
    /// Lines about it at the default verbosity so far.
    lines: AtomicU64,
    queue: Mutex<SendQueue<Outgoing>>,
    /// Rings when something was queued.
    queued: Notify,
    /// Room for served blocks and the like.
    bulk: Arc<Semaphore>,
    closed: CancellationToken,
    score: AtomicU32,
    handshake_complete: AtomicBool,
    last_recv_ms: AtomicU64,
    last_send_ms: AtomicU64,
    ping_rtt_us: AtomicU64,
    min_rtt_us: AtomicU64,
    connected: Duration,
    last_block_ms: AtomicU64,
    asked: Asked,
    /// It wants new blocks as compact blocks.
    prefers_compact: AtomicBool,
    /// To its server, while it is connected.
    requests: OnceLock<mpsc::Sender<Request>>,
    traffic: Traffic,
}

/// A message on its way to the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) raw: RawMessage,
    /// What it holds of the room for served messages, if it is one; back when it is written.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// A peer's counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Its number.
    pub id: PeerId,
    /// The remote end.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether the handshake is complete.
    pub handshake_complete: bool,
    /// Monotonic time of the last message from it.
    pub last_recv: Duration,
    /// Monotonic time of the last bytes written to it.
    pub last_send: Duration,
    /// Round-trip time of the last answered ping.
    pub ping_rtt: Option<Duration>,
    /// Its misbehaviour score after its last offence; it falls with time.
    pub score: u32,
}

impl Peer {
    pub(super) fn new(
        id: PeerId,
        address: SocketAddr,
        purpose: Purpose,
        nonce: u64,
        connected: Duration,
        closed: CancellationToken,
    ) -> Self {
        Self {
            id,
            address,
            direction: purpose.direction(),
            purpose,
            nonce,
            is_self: AtomicBool::new(false),
            serving: AtomicBool::new(false),
            lines: AtomicU64::new(0),
            queue: Mutex::default(),
            queued: Notify::new(),
            bulk: Arc::new(Semaphore::new(BULK_QUEUE)),
            closed,
            score: AtomicU32::new(0),
            handshake_complete: AtomicBool::new(false),
            last_recv_ms: AtomicU64::new(0),
            last_send_ms: AtomicU64::new(0),
            ping_rtt_us: AtomicU64::new(0),
            min_rtt_us: AtomicU64::new(u64::MAX),
            connected,
            last_block_ms: AtomicU64::new(0),
            asked: Asked::default(),
            prefers_compact: AtomicBool::new(false),
            requests: OnceLock::new(),
            traffic: Traffic::default(),
        }
    }

    /// Queues a message; it overtakes what is being served.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the connection is gone, or if the peer has stopped reading; then it is also disconnected.
    pub fn send(&self, message: &Message) -> Result<(), SendError> {
        let raw = message.to_raw();
        let bytes = FRAME_HEADER_BYTES + raw.payload.len();
        if self.queued_bytes() + bytes > MAX_SEND_QUEUE {
            self.disconnect();
            return Err(SendError::QueueFull);
        }
        self.asked.note(message);
        self.push(raw, None)
    }

    /// Takes note of how it wants to hear of new blocks.
    pub(super) fn note_compact(&self, wanted: SendCompact) {
        if wanted.version == COMPACT_BLOCKS_VERSION {
            self.prefers_compact.store(wanted.high_bandwidth, Ordering::Relaxed);
        }
    }

    /// Its server begins or ends to serve something.
    pub(super) fn note_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
    }

    /// A `version` that we sent it came back to us.
    pub(super) fn note_self(&self) {
        self.is_self.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_self(&self) -> bool {
        self.is_self.load(Ordering::Relaxed)
    }

    /// Whether one more line about an everyday message of this peer is for everybody: an ordinary one makes a few in half a
    /// minute, one that floods would fill the disk.
    pub(super) fn may_log(&self) -> bool {
        let connected =
            Duration::from_millis(self.last_recv_ms.load(Ordering::Relaxed)).saturating_sub(self.connected);
        let may = self.lines.load(Ordering::Relaxed) < LOG_BURST.saturating_add(connected.as_secs());
        self.lines.fetch_add(may.into(), Ordering::Relaxed);
        may
    }

    /// Where its server takes requests; set once, when the connection begins.
    pub(super) fn set_server(&self, requests: mpsc::Sender<Request>) {
        // A second one would be a second connection, which has a peer of its own.
        let _ = self.requests.set(requests);
    }

    /// Announces a block as a compact block, if the peer wants that and its server is idle; tells whether.
    pub(crate) fn announce_compact(&self, block: BlockHash) -> bool {
        let wanted = self.prefers_compact.load(Ordering::Relaxed);
        let idle = wanted && !self.serving.load(Ordering::Relaxed);
        let server = self.requests.get().filter(|server| idle && server.capacity() == server.max_capacity());
        server.is_some_and(|server| server.try_send(Request::Announcement(block)).is_ok())
    }

    /// Queues what the peer asked to be served, waiting while earlier such is not written; all other messages overtake it.
    pub(super) async fn send_bulk(&self, raw: RawMessage) -> Result<(), SendError> {
        let room = Arc::clone(&self.bulk).acquire_owned().await.map_err(|_| SendError::Closed)?;
        self.push(raw, Some(room))
    }

    fn push(&self, raw: RawMessage, room: Option<OwnedSemaphorePermit>) -> Result<(), SendError> {
        if self.closed.is_cancelled() {
            return Err(SendError::Closed);
        }
        self.log_sent(&raw);
        // What is served may be as long as a block, whatever it is.
        let lane = if room.is_some() { Lane::Blocks } else { lane_of(&raw.command) };
        let bytes = FRAME_HEADER_BYTES + raw.payload.len();
        self.lock_queue().push(lane, Outgoing { raw, room }, bytes);
        self.queued.notify_one();
        Ok(())
    }

    /// The message that is to be written next; waits for one.
    pub(super) async fn next_outgoing(&self) -> Outgoing {
        loop {
            match self.try_next_outgoing() {
                Some(outgoing) => return outgoing,
                None => self.queued.notified().await,
            }
        }
    }

    /// The same, unless it is being served.
    pub(super) fn try_next_small(&self) -> Option<Outgoing> {
        self.lock_queue().pop().filter(|(lane, ..)| *lane != Lane::Blocks).map(|(_, outgoing, _)| outgoing)
    }

    /// The message that is to be written next, if there is one.
    pub(super) fn try_next_outgoing(&self) -> Option<Outgoing> {
        self.lock_queue().pop().map(|(_, outgoing, _)| outgoing)
    }

    fn lock_queue(&self) -> std::sync::MutexGuard<'_, SendQueue<Outgoing>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_sent(&self, raw: &RawMessage) {
        let (command, id) = (raw.command.as_str(), self.id);
        let bytes = FRAME_HEADER_BYTES + raw.payload.len();
        if LOGGED_COMMANDS.contains(&command) && self.may_log() {
            tracing::info!("[P2P] Sent '{command}' to peer {id} ({bytes} bytes)");
        } else {
            tracing::debug!("[P2P] Sent '{command}' to peer {id} ({bytes} bytes)");
        }
    }

    pub(super) fn note_received(&self, raw: &RawMessage, now: Duration) {
        self.last_recv_ms.store(millis(now), Ordering::Relaxed);
        self.traffic.note_received(FRAME_HEADER_BYTES + raw.payload.len());
        let (command, id) = (raw.command.as_str(), self.id);
        if LOGGED_COMMANDS.contains(&command) && self.may_log() {
            tracing::info!("[P2P] Received '{command}' from peer {id}");
        } else {
            tracing::debug!("[P2P] Received '{command}' from peer {id}");
        }
    }

    /// Whether a message answers one of ours; each of ours vouches for so many answers as it asked for.
    pub(super) fn was_asked_for(&self, command: &Command) -> bool {
        self.asked.settle(command)
    }

    pub(super) fn note_version(&self, version: &VersionMessage) {
        self.traffic.note_version(version);
    }

    pub(super) fn note_written(&self, bytes: usize, now: Duration) {
        self.traffic.note_sent(bytes);
        self.last_send_ms.store(millis(now), Ordering::Relaxed);
    }

    pub(super) fn note_pong(&self, rtt: Duration) {
        // Zero means "none yet", so a pong within the same microsecond counts as one microsecond.
        let micros = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX).max(1);
        self.ping_rtt_us.store(micros, Ordering::Relaxed);
        self.min_rtt_us.fetch_min(micros, Ordering::Relaxed);
    }

    /// A block that it sent goes to the validator.
    pub(super) fn note_block(&self, now: Duration) {
        // Zero means "none yet".
        self.last_block_ms.store(millis(now).max(1), Ordering::Relaxed);
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> Host {
        Host::of(self.address.ip())
    }

    /// What counts when slots are short.
    pub(super) fn candidate(&self) -> Candidate {
        let min_rtt = self.min_rtt_us.load(Ordering::Relaxed);
        let last_block = self.last_block_ms.load(Ordering::Relaxed);
        Candidate {
            id: self.id,
            group: self.host().group(),
            connected: self.connected,
            handshake_complete: self.handshake_complete.load(Ordering::Relaxed),
            min_rtt: (min_rtt < u64::MAX).then(|| Duration::from_micros(min_rtt)),
            last_block: (last_block > 0).then(|| Duration::from_millis(last_block)),
        }
    }

    pub(super) fn note_handshake_complete(&self) {
        self.handshake_complete.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_score(&self, score: u32) {
        self.score.store(score, Ordering::Relaxed);
    }

    /// Bytes queued for sending, except for what is being served.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        let queue = self.lock_queue();
        queue.bytes(Lane::Control) + queue.bytes(Lane::Headers)
    }

    /// Closes the connection; its tasks end soon.
    pub fn disconnect(&self) {
        self.closed.cancel();
        self.bulk.close();
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.is_cancelled()
    }

    /// Completes when the connection is to be closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// What it said of itself, and its traffic.
    #[must_use]
    pub fn info(&self) -> PeerInfo {
        let min_rtt = self.min_rtt_us.load(Ordering::Relaxed);
        let min_ping = (min_rtt < u64::MAX).then(|| Duration::from_micros(min_rtt));
        self.traffic.info(self.id, self.connected, min_ping)
    }

    /// Its counters.
    #[must_use]
    pub fn snapshot(&self) -> PeerSnapshot {
        let rtt = self.ping_rtt_us.load(Ordering::Relaxed);
        PeerSnapshot {
            id: self.id,
            address: self.address,
            direction: self.direction,
            purpose: self.purpose,
            handshake_complete: self.handshake_complete.load(Ordering::Relaxed),
            last_recv: Duration::from_millis(self.last_recv_ms.load(Ordering::Relaxed)),
            last_send: Duration::from_millis(self.last_send_ms.load(Ordering::Relaxed)),
            ping_rtt: (rtt > 0).then(|| Duration::from_micros(rtt)),
            score: self.score.load(Ordering::Relaxed),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
