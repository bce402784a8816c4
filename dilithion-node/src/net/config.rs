//! Whom a node connects to, whom it accepts, and how long it waits for them.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    FIRST_MESSAGE_TIMEOUT, HANDSHAKE_TIMEOUT, PING_INTERVAL, SEND_STALL_TIMEOUT, SlotLimits, UploadLimits,
};

/// Whom to connect to and where to listen.
#[derive(Clone, Debug, Default)]
pub struct NetConfig {
    /// Where to listen; `None` accepts nobody.
    pub listen: Option<SocketAddr>,
    /// Peers to stay connected to.
    pub peers: Vec<SocketAddr>,
    /// Whether addresses that peers tell of are dialled as well.
    pub use_addresses: bool,
    /// Whether the network's seeds are asked and dialled as well; addresses that peers tell of are then dialled in any case.
    pub use_seeds: bool,
    /// Whether peers on this machine are banned and counted by address like others, so that 127.0.0.1, 127.0.0.2 and so on
    /// stand for hosts of their own.
    pub loopback_as_remote: bool,
    /// How many may connect to us.
    pub slots: SlotLimits,
    /// How much of what it had already a host may be served.
    pub upload: UploadLimits,
    /// How long peers are waited for.
    pub timeouts: Timeouts,
}

/// How long a connection waits for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the first message of a peer that dialled us.
    pub first_message: Duration,
    /// For the handshake to be complete.
    pub handshake: Duration,
    /// From one ping to the next.
    pub ping_interval: Duration,
    /// For the peer to take a byte of what we send.
    pub send_stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_message: FIRST_MESSAGE_TIMEOUT,
            handshake: HANDSHAKE_TIMEOUT,
            ping_interval: PING_INTERVAL,
            send_stall: SEND_STALL_TIMEOUT,
        }
    }
}
