//! A connection from its beginning to its end; its reading and routing side.

use std::sync::Arc;
use std::time::Duration;

use dilithion_wire::{
    BlockHeader, Command, FrameError, Height, Inventory, InventoryKind, MAX_COMMAND_BYTES, Message,
    MessageCodec, Misbehaviour, RawMessage, VersionMessage,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_stream::StreamExt;
use tokio_util::codec::FramedRead;

use super::handshake::{Handshake, HandshakeError, HandshakeState, Step};
use super::peer::{Direction, Peer, SendError};
use super::router::{Lane, lane_of};
use super::shared::Shared;
use super::{MAX_MISSED_PONGS, RECEIVE_BUDGET, server, writer};
use crate::sync::Event;

/// Longest payload before the handshake is complete. A `version` has 400 bytes at most (spec: wire §1.5), and C++ nodes
/// send nothing longer before their `verack`: what they say after their handshake follows it on the same stream, so it
/// finds ours complete.
const MAX_EARLY_PAYLOAD: usize = 1 << 10;
/// What is listened to before the handshake is complete; the rest is ignored. Pings are answered at any time, as the C++
/// nodes do (spec: wire §2).
const EARLY_COMMANDS: [Command; 4] = [Command::VERSION, Command::VERACK, Command::PING, Command::PONG];
/// The longest form of the number before a block's transactions (spec: wire §1.3).
const MAX_SIZE_PREFIX: usize = 9;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("closed by us")]
    Local,
    #[error("closed by the peer")]
    Remote,
    #[error("no message in time")]
    Silent,
    #[error("handshake not complete in time")]
    HandshakeTimeout,
    #[error("{0} pings unanswered")]
    NoPong(u32),
    #[error("useless: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("send queue: {0}")]
    Send(#[from] SendError),
    #[error("{0}")]
    Frame(FrameError),
    #[error("misbehaved")]
    Misbehaved,
}

/// Runs a connection to its end.
pub(super) async fn run(stream: TcpStream, peer: Arc<Peer>, shared: Arc<Shared>) -> Ended {
    // Latency matters more than packet count: most messages are small and answer something.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("[P2P] Cannot disable Nagle for peer {}: {error}", peer.id);
    }
    let (read, write) = stream.into_split();
    let (getdata, getdata_queue) = mpsc::channel(server::GETDATA_QUEUE);
    let writer = tokio::spawn(writer::write_loop(write, Arc::clone(&peer), Arc::clone(&shared)));
    let server = tokio::spawn(server::serve(Arc::clone(&peer), shared.store.clone(), getdata_queue));

    let mut connection = Connection::new(peer, shared, getdata);
    let ended = connection.read_loop(read).await.err().unwrap_or(Ended::Local);
    if connection.handshake.state() == HandshakeState::Complete {
        connection.tell(Event::PeerDisconnected { peer: connection.peer.id });
    }
    connection.peer.disconnect();
    drop(connection);
    server.abort();
    // The writer notices the cancellation; a task that panicked has been reported by the runtime.
    let _ = writer.await;
    ended
}

/// The reading side of a connection.
struct Connection {
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    handshake: Handshake,
    first_step: Option<Step>,
    nonce: u64,
    start_height: Height,
    getdata: mpsc::Sender<Vec<Inventory>>,
    /// Bytes that this peer may have waiting at the engine.
    budget: Arc<Semaphore>,
    ping: Option<(u64, Duration)>,
    missed_pongs: u32,
}

impl Connection {
    fn new(peer: Arc<Peer>, shared: Arc<Shared>, getdata: mpsc::Sender<Vec<Inventory>>) -> Self {
        let (handshake, first_step) = Handshake::new(peer.direction, Arc::clone(&shared.params));
        let nonce = shared.own_nonce;
        Self {
            peer,
            shared,
            handshake,
            first_step,
            nonce,
            start_height: Height::GENESIS,
            getdata,
            budget: Arc::new(Semaphore::new(RECEIVE_BUDGET)),
            ping: None,
            missed_pongs: 0,
        }
    }

    async fn read_loop(&mut self, read: OwnedReadHalf) -> Result<(), Ended> {
        let mut codec = MessageCodec::new(self.shared.params.magic);
        codec.set_max_payload(MAX_EARLY_PAYLOAD);
        let mut frames = FramedRead::new(read, codec);
        let timeouts = self.shared.config.timeouts;
        let handshake_deadline = Instant::now() + timeouts.handshake;
        let first_deadline = Instant::now() + timeouts.first_message;
        // Who dialled speaks first.
        let mut silent = self.peer.direction == Direction::Inbound;
        let mut pings = ping_timer(timeouts.ping_interval);
        if let Some(step) = self.first_step.take() {
            self.take_step(step)?;
        }
        loop {
            let complete = self.handshake.state() == HandshakeState::Complete;
            if complete {
                frames.decoder_mut().set_max_payload(MAX_COMMAND_BYTES);
            }
            tokio::select! {
                biased;
                () = self.peer.closed() => return Err(Ended::Local),
                () = tokio::time::sleep_until(handshake_deadline), if !complete => {
                    return Err(Ended::HandshakeTimeout);
                }
                () = tokio::time::sleep_until(first_deadline), if silent => return Err(Ended::Silent),
                _ = pings.tick(), if complete => self.send_ping()?,
                frame = frames.next() => match frame {
                    None => return Err(Ended::Remote),
                    Some(Ok(raw)) => {
                        silent = false;
                        self.dispatch(raw).await?;
                    }
                    Some(Err(error)) => return Err(self.on_frame_error(error)),
                },
            }
        }
    }

    fn on_frame_error(&self, error: FrameError) -> Ended {
        let id = self.peer.id;
        match &error {
            FrameError::BadChecksum { .. } => {
                tracing::warn!("[P2P] Invalid message checksum from peer {id}");
            }
            FrameError::Io(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
                tracing::info!("[P2P] Incomplete payload from peer {id}");
            }
            FrameError::Io(io) => tracing::info!("[P2P] Connection to peer {id} lost: {io}"),
            _ => tracing::warn!("[P2P] Invalid header from peer {id}: {error}"),
        }
        if let Some(misbehaviour) = error.misbehaviour() {
            self.shared.punish(&self.peer, misbehaviour);
        }
        Ended::Frame(error)
    }

    /// Routes one message: control is answered here and now, headers and blocks go on to their stages.
    async fn dispatch(&mut self, raw: RawMessage) -> Result<(), Ended> {
        self.peer.note_received(&raw, self.shared.clock.now().mono);
        if self.handshake.state() != HandshakeState::Complete && !EARLY_COMMANDS.contains(&raw.command) {
            return Ok(());
        }
        match lane_of(&raw.command) {
            Lane::Control => self.on_control(&raw).await,
            Lane::Headers => {
                let headers = match self.decode(&raw)? {
                    Some(Message::Headers(headers)) => headers,
                    // Headers with delay proofs are those of another chain.
                    Some(_) => return self.punish(Misbehaviour::InvalidHeaders),
                    None => return Ok(()),
                };
                self.forward(Event::Headers { peer: self.peer.id, headers }, raw.payload.len()).await
            }
            Lane::Blocks => {
                if let Err(error) = raw.check_size(&self.shared.params.limits) {
                    return self.punish(error.misbehaviour());
                }
                // Only the header is read here; the body is decoded where it is validated.
                let Some(header) = raw.payload.first_chunk::<{ BlockHeader::SIZE }>() else { return Ok(()) };
                let header = BlockHeader::from_bytes(header);
                let bytes = raw.payload.len();
                if bytes > BlockHeader::SIZE + MAX_SIZE_PREFIX + self.shared.params.limits.max_blob_bytes {
                    return self.punish(Misbehaviour::OversizedBlock);
                }
                self.forward(Event::Block { peer: self.peer.id, header, payload: raw.payload }, bytes).await
            }
        }
    }

    async fn on_control(&mut self, raw: &RawMessage) -> Result<(), Ended> {
        let peer = self.peer.id;
        let Some(message) = self.decode(raw)? else { return Ok(()) };
        match message {
            Message::Version(version) => self.on_version(&version)?,
            Message::Verack => {
                if let Some(step) = self.handshake.on_verack() {
                    self.take_step(step)?;
                }
            }
            Message::Ping(nonce) => {
                tracing::info!("[P2P] Received ping from peer {peer}");
                self.peer.send(&Message::Pong(nonce))?;
            }
            Message::Pong(nonce) => self.on_pong(nonce),
            Message::GetHeaders(request) => {
                let event = Event::GetHeaders { peer, locator: request.locator, stop: request.stop };
                self.forward(event, raw.payload.len()).await?;
            }
            Message::Inv(items) => {
                self.punish_unknown_kinds(&items)?;
                let blocks: Vec<_> = items
                    .into_iter()
                    .filter(|item| item.kind == InventoryKind::Block)
                    .map(|item| item.hash.into())
                    .collect();
                if !blocks.is_empty() {
                    self.forward(Event::Announced { peer, blocks }, raw.payload.len()).await?;
                }
            }
            // Waiting here stops reading from a peer that asks faster than it reads our answers.
            Message::GetData(items) => {
                self.punish_unknown_kinds(&items)?;
                self.getdata.send(items).await.map_err(|_| Ended::Local)?;
            }
            // Everything else asks nothing of a node that keeps no pool of transactions.
            _ => {}
        }
        Ok(())
    }

    fn on_version(&mut self, version: &VersionMessage) -> Result<(), Ended> {
        let peer = self.peer.id;
        let own_nonce = version.nonce == self.nonce;
        tracing::info!("[P2P] Received version from peer {peer}");
        tracing::info!("  Protocol: {}", version.version);
        tracing::info!("  User Agent: {}", version.user_agent.escape_debug());
        tracing::info!("  Start Height: {}", version.start_height);
        let steps = self.handshake.on_version(version, own_nonce)?;
        // Negative heights are read as "nothing".
        self.start_height = Height(u32::try_from(version.start_height).unwrap_or(0));
        for step in steps {
            self.take_step(step)?;
        }
        Ok(())
    }

    fn take_step(&mut self, step: Step) -> Result<(), Ended> {
        let peer = self.peer.id;
        match step {
            Step::SendVersion => {
                let now = self.shared.clock.now();
                let height = self.shared.tip_height();
                let mut version =
                    VersionMessage::new(&self.shared.params, self.peer.address, self.nonce, height, now.unix);
                version.services = self.shared.services();
                if let Err(error) = self.peer.send(&Message::Version(version)) {
                    tracing::warn!("[P2P] Failed to send version to peer {peer}");
                    return Err(error.into());
                }
                tracing::info!("[P2P] Handshake initiated with peer {peer}");
            }
            Step::SendVerack => self.peer.send(&Message::Verack)?,
            Step::Complete => {
                tracing::info!("[P2P] Handshake complete with peer {peer}");
                self.peer.note_handshake_complete();
                // New blocks by their headers, please: that saves asking for them (spec: wire §5.5).
                self.peer.send(&Message::SendHeaders)?;
                self.tell(Event::PeerConnected { peer, start_height: self.start_height });
                // Now rather than in half a minute: near peers keep their slot.
                self.send_ping()?;
            }
        }
        Ok(())
    }

    fn send_ping(&mut self) -> Result<(), Ended> {
        if self.ping.is_some() {
            self.missed_pongs += 1;
            if self.missed_pongs >= MAX_MISSED_PONGS {
                return Err(Ended::NoPong(self.missed_pongs));
            }
        }
        let nonce = self.shared.random_nonce();
        self.ping = Some((nonce, self.shared.clock.now().mono));
        Ok(self.peer.send(&Message::Ping(nonce))?)
    }

    fn on_pong(&mut self, nonce: u64) {
        tracing::info!("[P2P] Received pong from peer {} (nonce: {nonce})", self.peer.id);
        if let Some((_, sent)) = self.ping.take_if(|(expected, _)| *expected == nonce) {
            self.missed_pongs = 0;
            self.peer.note_pong(self.shared.clock.now().mono.saturating_sub(sent));
        }
    }

    /// Decodes a message; a malformed one costs the peer its penalty and is dropped.
    fn decode(&self, raw: &RawMessage) -> Result<Option<Message>, Ended> {
        match raw.decode(&self.shared.params.limits) {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                tracing::warn!("[P2P] Bad '{}' from peer {}: {error}", raw.command.as_str(), self.peer.id);
                self.punish(error.misbehaviour()).map(|()| None)
            }
        }
    }

    /// Each item of a kind that does not exist has its price.
    fn punish_unknown_kinds(&self, items: &[Inventory]) -> Result<(), Ended> {
        let unknown = items.iter().filter(|item| matches!(item.kind, InventoryKind::Other(_))).count();
        (0..unknown).try_for_each(|_| self.punish(Misbehaviour::BadInventoryKind))
    }

    fn punish(&self, misbehaviour: Misbehaviour) -> Result<(), Ended> {
        if self.shared.punish(&self.peer, misbehaviour) { Err(Ended::Misbehaved) } else { Ok(()) }
    }

    /// Passes an event on, waiting while too many bytes of this peer are on their way already.
    async fn forward(&self, event: Event, bytes: usize) -> Result<(), Ended> {
        let permits = u32::try_from(bytes.min(RECEIVE_BUDGET)).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget);
        let permit = budget.acquire_many_owned(permits).await.map_err(|_| Ended::Local)?;
        self.shared.engine.send(event, Some(permit));
        Ok(())
    }

    fn tell(&self, event: Event) {
        self.shared.engine.send(event, None);
    }
}

fn ping_timer(interval: Duration) -> Interval {
    let mut timer = tokio::time::interval_at(Instant::now() + interval, interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
