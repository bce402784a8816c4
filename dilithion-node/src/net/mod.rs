//! Connections: sockets, handshakes, routing. No hashing, no validation, no lock that a slow stage can hold.
//!
//! Each connection has three tasks: one reads and routes, one writes, one serves blocks from the store. What a
//! connection cannot answer by itself goes as an [`Event`](crate::sync::Event) to the engine.
//!
//! What is decided is apart from what is done: [`Handshake`], [`SlotLimits`], and behind them the modules `score`,
//! `ban_list`, `eviction`, `rates`, `serve_limits` and `addresses` know no socket, file or clock.

/// Tells of everyday messages at the default verbosity, as long as a peer does not make us say too much.
macro_rules! chatter {
    ($peer:expr, $($text:tt)*) => {
        if $peer.may_log() { tracing::info!($($text)*) } else { tracing::debug!($($text)*) }
    };
}

mod address_book;
mod addresses;
mod allowances;
mod asked;
mod ban_list;
mod bans;
mod compact;
mod config;
mod connection;
mod dialer;
mod dispatch;
mod eviction;
mod handshake;
mod height_ranges;
mod host;
mod inbound;
mod manager;
mod outbound;
mod peer;
mod peer_info;
mod peers;
mod pings;
mod rates;
mod receive_budget;
mod router;
mod saved;
mod score;
mod send_queue;
mod serve_limits;
mod server;
mod shared;
mod slots;
mod token_bucket;
mod writer;

pub use dilithion_wire::BAN_SCORE;

use addresses::AddressManager;
pub use ban_list::Ban;
use bans::Bans;
pub use config::{NetConfig, Timeouts};
pub use dialer::{DialFuture, Dialer, TcpDialer};
use eviction::Candidate;
pub use handshake::{Handshake, HandshakeError, HandshakeState, Step};
pub use host::Host;
use host::NetGroup;
pub use manager::ConnectionManager;
pub(crate) use manager::NetParts;
pub use peer::{Direction, Peer, PeerSnapshot, Purpose, SendError};
pub use peer_info::{PeerInfo, PeerVersion};
pub use peers::Peers;
use rates::PeerRates;
pub(crate) use receive_budget::WaitingBytes;
pub use router::{Lane, lane_of};
pub use send_queue::SendQueue;
use serve_limits::ServeLimits;
pub use serve_limits::UploadLimits;
pub use slots::SlotLimits;
use slots::{Admission, Refusal};
use token_bucket::TokenBucket;

use std::time::Duration;

/// Outbound connections at most (spec: wire §4).
pub const MAX_OUTBOUND_CONNECTIONS: usize = 8;
/// Inbound connections at most (spec: wire §4).
pub const MAX_INBOUND_CONNECTIONS: usize = 117;
/// Connections with one host at most, as M nodes have it (spec: wire §4).
pub const MAX_CONNECTIONS_PER_HOST: usize = 2;
/// A ping is sent to every peer this often.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A peer that left this many pings in a row unanswered is disconnected.
pub const MAX_MISSED_PONGS: u32 = 3;
/// A connection whose handshake is not complete by then is closed (spec: wire §3).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// An inbound connection that has sent no whole message by then is closed: it is the one that speaks first (spec: wire §3).
/// Nodes that we dialled may take longer: a C++ node that is busy with headers answers after 43 s (spec: reference-node §2).
pub const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A TCP connection must be established in this time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that accepts not a single byte of ours for so long is closed.
pub const SEND_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A little known address is tested this often (spec: wire §4).
pub const FEELER_INTERVAL: Duration = Duration::from_secs(2 * 60);
/// Known addresses are written to disk this often (spec: wire §4).
pub const ADDRESS_SAVE_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// Peers of a run that the next one begins with, as in Bitcoin Core: an attacker who fills the book does not shake off
/// those that served us well.
pub const MAX_ANCHORS: usize = 2;
/// First pause before a lost connection is dialled again; doubles with each failure.
pub const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// Longest pause before a lost connection is dialled again.
pub const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(60);
/// How long an address stays banned (spec: wire §4, S).
pub const BAN_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// A misbehaviour score falls by one in this time (spec: wire §4, S, whose pass of 30 s takes off two).
pub const SCORE_DECAY_INTERVAL: Duration = Duration::from_secs(15);
/// A file of the network layer is written this often at most, however often its content changes.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of one peer's messages that may wait for the engine; beyond it, its socket is not read.
pub const RECEIVE_BUDGET: usize = 8 << 20;
/// Bytes of one peer's messages that may wait for the engine whatever other peers have waiting there: the longest messages
/// that peers announce blocks with, 2000 headers (spec: wire §2).
pub const OWN_RECEIVE_BUDGET: usize = 256 << 10;
/// Bytes of all peers' messages that may wait for the engine beyond that; then those that want more are not read.
pub const SHARED_RECEIVE_BUDGET: usize = 256 << 20;
/// Bytes that may wait to be sent to one peer outside block serving; beyond it, the peer is disconnected.
pub const MAX_SEND_QUEUE: usize = 8 << 20;
