//! What the node does.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::clock::Now;
use crate::http::ApiError;
use crate::http::app::App;
use crate::status_file::{RunStatus, last_passed};
use crate::sync::{SyncDetail, SyncStatus};

/// What the node does. The names are those of the status file, where it has the field.
#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    version: &'static str,
    network: String,
    /// `running`, `paused`, `completed` or `error`.
    status: RunStatus,
    state: &'static str,
    /// `full`, or `headers` if no blocks are fetched.
    mode: &'static str,
    /// How many times the node has begun to sync.
    round: u32,
    in_state_seconds: f64,
    waiting_for: String,
    chain_height: u32,
    best_hash: String,
    header_height: u32,
    /// Headers up to this height are proved.
    ready_headers: u32,
    /// The last checkpoint that the chain has passed.
    checkpoint: Option<u32>,
    peers: usize,
    pending: usize,
    in_flight: usize,
    received: usize,
    hash_queue: usize,
    blocks_per_second: f64,
    headers_per_second: f64,
    eta_seconds: Option<f64>,
    last_block_ts: Option<u32>,
    uptime_seconds: f64,
    updated_at: u64,
    pid: u32,
    journal_events: Option<u64>,
    journal_head: Option<String>,
    /// The last changes of the state, oldest first.
    history: Vec<TransitionView>,
}

/// A change of the state.
#[derive(Debug, Serialize)]
struct TransitionView {
    state: &'static str,
    at: u64,
}

/// `GET /api/v1/status`
pub(crate) async fn status(State(app): State<App>) -> Result<Json<StatusView>, ApiError> {
    let status = app.node.status().borrow().clone();
    let tip = status.chain_hash;
    let (time, head) = app
        .blocking(move |app| -> Result<_, ApiError> {
            let header = app.node.store().header(&tip)?;
            let head = app.services.journal.as_ref().map(|journal| journal.head());
            Ok((header.map(|stored| stored.header.time), head))
        })
        .await?;
    let mut view = StatusView::new(&app, status, time);
    if let Some((events, hash)) = head {
        view.journal_events = Some(events);
        view.journal_head = Some(hash);
    }
    Ok(Json(view))
}

impl StatusView {
    /// From the snapshots alone; `last_block_ts` is the time of the tip.
    pub(crate) fn new(app: &App, status: SyncStatus, last_block_ts: Option<u32>) -> Self {
        let (detail, now) = (app.node.detail(), app.node.now());
        let params = app.node.params();
        let checkpoints = params.checkpoints.iter().map(|checkpoint| checkpoint.height);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            network: params.name.clone(),
            status: RunStatus::from(&status),
            state: status.state.name(),
            mode: status.mode.name(),
            round: detail.round,
            in_state_seconds: in_state(&status, &detail, now).as_secs_f64(),
            chain_height: status.chain_height.0,
            best_hash: status.chain_hash.to_string(),
            header_height: status.header_height.0,
            ready_headers: status.ready_height.0,
            checkpoint: last_passed(checkpoints, status.chain_height),
            peers: status.peers,
            pending: status.pending,
            in_flight: status.in_flight,
            received: status.received,
            hash_queue: app.node.pow_stats().queued.total(),
            blocks_per_second: status.rates.blocks,
            headers_per_second: status.rates.headers,
            eta_seconds: status.eta.map(|eta| eta.as_secs_f64()),
            waiting_for: status.waiting_for,
            last_block_ts,
            uptime_seconds: now.mono.saturating_sub(app.started.mono).as_secs_f64(),
            updated_at: now.unix,
            pid: std::process::id(),
            journal_events: None,
            journal_head: None,
            history: history(&detail, now),
        }
    }
}

/// How long the state has lasted: the status itself may be some seconds old.
fn in_state(status: &SyncStatus, detail: &SyncDetail, now: Now) -> Duration {
    match detail.transitions.last() {
        Some(last) if last.state == status.state => now.mono.saturating_sub(last.at),
        _ => status.in_state,
    }
}

fn history(detail: &SyncDetail, now: Now) -> Vec<TransitionView> {
    let transitions = detail.transitions.iter();
    transitions
        .map(|transition| TransitionView { state: transition.state.name(), at: unix(transition.at, now) })
        .collect()
}

/// Seconds since 1970 of a moment in monotonic time.
pub(crate) fn unix(at: Duration, now: Now) -> u64 {
    now.unix.saturating_sub(now.mono.saturating_sub(at).as_secs())
}
