//! Who the node is connected to, and who is refused.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use dilithion_wire::PeerId;
use serde::Serialize;

use super::status::unix;
use crate::clock::Now;
use crate::http::app::App;
use crate::net::{Direction, PeerInfo, PeerSnapshot, Purpose};
use crate::sync::PeerProgress;

/// All connections.
#[derive(Debug, Serialize)]
pub(crate) struct PeersView {
    peers: Vec<PeerView>,
}

/// One connection. What a peer said of itself is `null` until it has.
#[derive(Debug, Serialize)]
struct PeerView {
    id: u64,
    address: String,
    /// `inbound` or `outbound`.
    direction: &'static str,
    /// `inbound`, `manual`, `automatic` or `feeler`.
    purpose: &'static str,
    handshake_complete: bool,
    connected_at: u64,
    last_recv: Option<u64>,
    last_send: Option<u64>,
    ping_ms: Option<f64>,
    min_ping_ms: Option<f64>,
    score: u32,
    bytes_received: u64,
    bytes_sent: u64,
    version: Option<i32>,
    user_agent: Option<String>,
    start_height: Option<i32>,
    /// The height that it claims, or has shown.
    height: Option<u32>,
    in_flight: usize,
    in_flight_limit: usize,
}

/// `GET /api/v1/peers`
pub(crate) async fn peers(State(app): State<App>) -> Json<PeersView> {
    Json(PeersView::new(&app))
}

impl PeersView {
    pub(crate) fn new(app: &App) -> Self {
        let (detail, now) = (app.node.detail(), app.node.now());
        let progress = |id: PeerId| detail.peers.iter().find(|peer| peer.peer == id);
        let peers = app.node.peers().into_iter();
        Self { peers: peers.map(|(peer, info)| PeerView::new(&peer, info, progress(peer.id), now)).collect() }
    }
}

impl PeerView {
    fn new(peer: &PeerSnapshot, info: PeerInfo, progress: Option<&PeerProgress>, now: Now) -> Self {
        let (version, start_height, user_agent) = match info.version {
            Some(said) => (Some(said.version), Some(said.start_height), Some(said.user_agent)),
            None => (None, None, None),
        };
        Self {
            id: peer.id.0,
            address: peer.address.to_string(),
            direction: direction_word(peer.direction),
            purpose: purpose_word(peer.purpose),
            handshake_complete: peer.handshake_complete,
            connected_at: unix(info.connected, now),
            last_recv: moment(peer.last_recv, now),
            last_send: moment(peer.last_send, now),
            ping_ms: peer.ping_rtt.map(millis),
            min_ping_ms: info.min_ping.map(millis),
            score: peer.score,
            bytes_received: info.bytes_received,
            bytes_sent: info.bytes_sent,
            version,
            user_agent,
            start_height,
            height: progress.map(|progress| progress.height.0),
            in_flight: progress.map_or(0, |progress| progress.in_flight),
            in_flight_limit: progress.map_or(0, |progress| progress.limit),
        }
    }
}

/// Seconds since 1970 of a moment that is zero if it never was.
pub(crate) fn moment(at: Duration, now: Now) -> Option<u64> {
    (!at.is_zero()).then(|| unix(at, now))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn purpose_word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Inbound => "inbound",
        Purpose::Manual => "manual",
        Purpose::Automatic => "automatic",
        Purpose::Feeler => "feeler",
    }
}

/// All bans in force.
#[derive(Debug, Serialize)]
pub(crate) struct BansView {
    bans: Vec<BanView>,
}

#[derive(Debug, Serialize)]
struct BanView {
    address: String,
    since: u64,
    until: u64,
    reason: String,
}

/// `GET /api/v1/bans`
pub(crate) async fn bans(State(app): State<App>) -> Json<BansView> {
    let bans = app.node.banned().into_iter();
    let view = |ban: crate::net::Ban| BanView {
        address: ban.host.to_string(),
        since: ban.since,
        until: ban.until,
        reason: ban.reason,
    };
    Json(BansView { bans: bans.map(view).collect() })
}
