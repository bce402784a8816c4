//! A connection from its beginning to its end; its reading and routing side.

use std::sync::Arc;
use std::time::Duration;

use dilithion_wire::{FrameError, Height, MAX_COMMAND_BYTES, Message, MessageCodec};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_stream::StreamExt;
use tokio_util::codec::FramedRead;

use super::allowances::SharedAllowance;
use super::handshake::{Handshake, HandshakeError, HandshakeState, Step};
use super::peer::{Direction, Peer, SendError};
use super::pings::Pings;
use super::receive_budget::ReceiveBudget;
use super::server::Request;
use super::shared::Shared;
use super::{server, writer};
use crate::relay::RelayEvent;
use crate::stage::EngineEvent;
use crate::sync::Event;

/// Longest payload before the handshake is complete. A `version` has 400 bytes at most (spec: wire §1.5), and C++ nodes
/// send nothing longer before their `verack`: what they say after their handshake follows it on the same stream, so it
/// finds ours complete.
const MAX_EARLY_PAYLOAD: usize = 1 << 10;
/// What a connection handles in one turn: then others' messages are seen to. The checksum of so many bytes takes 0.2 ms.
const TURN_BYTES: usize = 64 << 10;
/// What handling a message costs besides its checksum, as bytes of a turn: 64 small messages are one.
const BYTES_FOR_MESSAGE: usize = 1 << 10;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("closed by us")]
    Local,
    #[error("closed by the peer")]
    Remote,
    #[error("a node is there")]
    Felt,
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
    let (requests, request_queue) = mpsc::channel(server::REQUEST_QUEUE);
    peer.set_server(requests.clone());
    let writer = tokio::spawn(writer::write_loop(write, Arc::clone(&peer), Arc::clone(&shared)));
    let allowance = shared.allowance(peer.host());
    let serving = server::serve(Arc::clone(&peer), Arc::clone(&shared), allowance.clone(), request_queue);
    let server = tokio::spawn(serving);

    let mut connection = Connection::new(peer, shared, allowance, requests);
    let ended = connection.read_loop(read).await.err().unwrap_or(Ended::Local);
    if connection.told {
        connection.tell(Event::PeerDisconnected { peer: connection.peer.id });
        connection.tell(RelayEvent::PeerDisconnected { peer: connection.peer.id });
    }
    connection.peer.disconnect();
    drop(connection);
    server.abort();
    // The writer notices the cancellation; a task that panicked has been reported by the runtime.
    let _ = writer.await;
    ended
}

/// The reading side of a connection.
pub(super) struct Connection {
    pub(super) peer: Arc<Peer>,
    pub(super) shared: Arc<Shared>,
    pub(super) handshake: Handshake,
    pub(super) first_step: Option<Step>,
    pub(super) start_height: Height,
    /// The peer wants to hear of transactions.
    pub(super) wants_transactions: bool,
    pub(super) requests: mpsc::Sender<Request>,
    /// Bytes that this peer may have waiting at the engine.
    pub(super) budget: ReceiveBudget,
    pub(super) pings: Pings,
    /// What its host may do, shared with the host's other connections.
    pub(super) allowance: SharedAllowance,
    /// The engine knows of it.
    pub(super) told: bool,
    /// Its `getaddr` has been answered.
    pub(super) addresses_told: bool,
}

impl Connection {
    fn new(
        peer: Arc<Peer>,
        shared: Arc<Shared>,
        allowance: SharedAllowance,
        requests: mpsc::Sender<Request>,
    ) -> Self {
        let (handshake, first_step) = Handshake::new(peer.direction, Arc::clone(&shared.params));
        Self {
            budget: ReceiveBudget::new(shared.receive_budget.clone()),
            peer,
            shared,
            handshake,
            first_step,
            start_height: Height::GENESIS,
            wants_transactions: true,
            requests,
            pings: Pings::default(),
            allowance,
            told: false,
            addresses_told: false,
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
        let peer = Arc::clone(&self.peer);
        if let Some(step) = self.first_step.take() {
            self.take_step(step)?;
        }
        let mut turn = 0;
        loop {
            let complete = self.handshake.state() == HandshakeState::Complete;
            if complete {
                frames.decoder_mut().set_max_payload(MAX_COMMAND_BYTES);
            }
            tokio::select! {
                biased;
                () = peer.closed() => return Err(Ended::Local),
                () = tokio::time::sleep_until(handshake_deadline), if !complete => {
                    return Err(Ended::HandshakeTimeout);
                }
                () = tokio::time::sleep_until(first_deadline), if silent => return Err(Ended::Silent),
                _ = pings.tick(), if complete => self.send_ping()?,
                frame = frames.next() => match frame {
                    None => return Err(Ended::Remote),
                    Some(Ok(raw)) => {
                        silent = false;
                        turn += BYTES_FOR_MESSAGE + raw.payload.len();
                        // What it waits for may never come from a peer that is being disconnected.
                        tokio::select! {
                            biased;
                            () = peer.closed() => return Err(Ended::Local),
                            dispatched = self.dispatch(raw) => dispatched?,
                        }
                        // The runtime counts operations on the socket, and one of them may bring a thousand messages, or a
                        // large one.
                        if turn >= TURN_BYTES {
                            turn = 0;
                            tokio::task::yield_now().await;
                        }
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

    pub(super) fn send_ping(&mut self) -> Result<(), Ended> {
        let nonce = self.shared.random_nonce();
        self.pings.send(nonce, self.shared.clock.now().mono).map_err(Ended::NoPong)?;
        Ok(self.peer.send(&Message::Ping(nonce))?)
    }

    pub(super) fn on_pong(&mut self, nonce: u64) {
        chatter!(self.peer, "[P2P] Received pong from peer {} (nonce: {nonce})", self.peer.id);
        if let Some(rtt) = self.pings.pong(nonce, self.shared.clock.now().mono) {
            self.peer.note_pong(rtt);
        }
    }

    /// Passes an event on, waiting while too many bytes are on their way already.
    pub(super) async fn forward(&self, event: impl Into<EngineEvent>, bytes: usize) -> Result<(), Ended> {
        let waiting = self.budget.take(bytes).await.map_err(|_| Ended::Local)?;
        self.shared.engine.send(event, Some(waiting));
        Ok(())
    }

    pub(super) fn tell(&self, event: impl Into<EngineEvent>) {
        self.shared.engine.send(event, None);
    }
}

fn ping_timer(interval: Duration) -> Interval {
    let mut timer = tokio::time::interval_at(Instant::now() + interval, interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
