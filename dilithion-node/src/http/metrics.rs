//! Figures for Prometheus. Names, units and meaning: `docs/metrics.md`.
//!
//! What the node counts itself is read when somebody asks; only requests are counted as they come.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use dilithion_pow::PowMode;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::ApiError;
use super::app::App;
use crate::net::Direction;
use crate::sync::{IbdState, SyncStatus};

/// What `/metrics` answers with.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A recorder of this server's own: nodes in one process do not mix their figures.
pub(super) struct NodeMetrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl NodeMetrics {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, describe);
        Self { recorder, handle }
    }

    /// Counts a request that was answered.
    pub(super) fn on_request(&self, status: StatusCode, took: Duration) {
        metrics::with_local_recorder(&self.recorder, || {
            counter!("dilithion_http_requests_total", "status" => status.as_u16().to_string()).increment(1);
            histogram!("dilithion_http_request_seconds").record(took);
        });
    }

    /// Sums up the times noted so far. Each takes memory until then, so it has to be done now and then even if nobody
    /// asks for the figures.
    pub(super) fn sum_up(&self) {
        self.handle.run_upkeep();
    }

    /// Counts a call of a method that exists.
    pub(super) fn on_call(&self, method: &'static str) {
        metrics::with_local_recorder(&self.recorder, || {
            counter!("dilithion_rpc_calls_total", "method" => method).increment(1);
        });
    }
}

/// `GET /metrics`
pub(super) async fn serve(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let text = app
        .blocking(|app| -> Result<_, ApiError> {
            let pending = app.node.store().pending_stats()?;
            metrics::with_local_recorder(&app.metrics.recorder, || {
                record_sync(app);
                record_work(app);
                record_peers(app);
                gauge!("dilithion_pending_transactions").set(count(pending.count));
                gauge!("dilithion_pending_bytes").set(count(pending.bytes));
                gauge!("dilithion_http_connections").set(size(app.slots.len()));
            });
            app.metrics.sum_up();
            Ok(app.metrics.handle.render())
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

fn record_sync(app: &App) {
    let status: SyncStatus = app.node.status().borrow().clone();
    let detail = app.node.detail();
    for state in IbdState::ALL {
        gauge!("dilithion_sync_state", "state" => state.name())
            .set(f64::from(u8::from(state == status.state)));
    }
    gauge!("dilithion_sync_paused").set(f64::from(u8::from(status.paused)));
    counter!("dilithion_sync_rounds_total").absolute(detail.round.into());
    gauge!("dilithion_chain_height").set(status.chain_height.0);
    gauge!("dilithion_header_height").set(status.header_height.0);
    gauge!("dilithion_proved_height").set(status.ready_height.0);
    gauge!("dilithion_unproved_headers").set(size(detail.unproved));
    gauge!("dilithion_blocks_per_second").set(status.rates.blocks);
    gauge!("dilithion_headers_per_second").set(status.rates.headers);
    // A figure that nobody knows is none, rather than a wrong one.
    gauge!("dilithion_sync_eta_seconds").set(status.eta.map_or(f64::NAN, |eta| eta.as_secs_f64()));
    let window =
        [("pending", status.pending), ("in_flight", status.in_flight), ("received", status.received)];
    for (stage, blocks) in window {
        gauge!("dilithion_window_blocks", "stage" => stage).set(size(blocks));
    }
    let totals = detail.totals;
    let events = [
        ("requested", totals.requested),
        ("delivered", totals.delivered),
        ("timed_out", totals.timed_out),
        ("second_request", totals.second_requests),
        ("redundant", totals.redundant),
    ];
    for (event, number) in events {
        counter!("dilithion_block_requests_total", "event" => event).absolute(number);
    }
}

fn record_work(app: &App) {
    let pow = app.node.pow_stats();
    counter!("dilithion_hashes_total").absolute(pow.hashed);
    for mode in [PowMode::Light, PowMode::Fast] {
        let active = pow.hasher.active == Some(mode);
        gauge!("dilithion_hash_mode", "mode" => mode.as_str()).set(f64::from(u8::from(active)));
    }
    gauge!("dilithion_hash_threads").set(size(pow.threads));
    gauge!("dilithion_hash_threads_busy").set(size(pow.busy));
    let queues =
        [("tip", pow.queued.tip), ("claims", pow.queued.claims), ("background", pow.queued.background)];
    for (priority, jobs) in queues {
        gauge!("dilithion_hash_queue", "priority" => priority).set(size(jobs));
    }
    counter!("dilithion_hash_panics_total").absolute(pow.panics);
    let uptime = app.node.now().mono.saturating_sub(app.started.mono);
    gauge!("dilithion_uptime_seconds").set(uptime.as_secs_f64());
    gauge!("dilithion_build_info", "version" => env!("CARGO_PKG_VERSION"), "network" => app.node.params().name.clone())
        .set(1.0);
}

fn record_peers(app: &App) {
    let peers = app.node.peers();
    for (direction, word) in [(Direction::Inbound, "inbound"), (Direction::Outbound, "outbound")] {
        let open = peers.iter().filter(|(peer, _)| peer.direction == direction && peer.handshake_complete);
        gauge!("dilithion_peers", "direction" => word).set(size(open.count()));
    }
    let rtts = peers.iter().filter_map(|(peer, _)| peer.ping_rtt);
    gauge!("dilithion_peer_ping_seconds_min").set(rtts.min().map_or(f64::NAN, |rtt| rtt.as_secs_f64()));
    gauge!("dilithion_bans").set(size(app.node.banned().len()));
}

fn size(number: usize) -> f64 {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn count(number: u64) -> f64 {
    number as f64
}

/// What each figure is: its kind, name, unit and meaning; the units are part of the names, as Prometheus wants it.
const FIGURES: &[(Kind, &str, Unit, &str)] = &[
    (
        Kind::Gauge,
        "dilithion_sync_state",
        Unit::Count,
        "1 for the state that the sync is in, 0 for the others",
    ),
    (Kind::Gauge, "dilithion_sync_paused", Unit::Count, "1 while the operator has paused the sync"),
    (Kind::Counter, "dilithion_sync_rounds_total", Unit::Count, "Times the node has begun to sync"),
    (Kind::Gauge, "dilithion_chain_height", Unit::Count, "Height of the connected chain"),
    (Kind::Gauge, "dilithion_header_height", Unit::Count, "Height of the best header chain, claims included"),
    (Kind::Gauge, "dilithion_proved_height", Unit::Count, "Height up to which all headers are proved"),
    (
        Kind::Gauge,
        "dilithion_unproved_headers",
        Unit::Count,
        "Headers whose proof of work is not checked yet",
    ),
    (
        Kind::Gauge,
        "dilithion_blocks_per_second",
        Unit::CountPerSecond,
        "Blocks connected, over half a minute",
    ),
    (Kind::Gauge, "dilithion_headers_per_second", Unit::CountPerSecond, "Headers proved, over half a minute"),
    (Kind::Gauge, "dilithion_sync_eta_seconds", Unit::Seconds, "Time until the sync is done; NaN if unknown"),
    (Kind::Gauge, "dilithion_window_blocks", Unit::Count, "Blocks on their way to the chain, by stage"),
    (Kind::Counter, "dilithion_block_requests_total", Unit::Count, "What became of requests for blocks"),
    (Kind::Counter, "dilithion_hashes_total", Unit::Count, "RandomX hashes computed"),
    (
        Kind::Gauge,
        "dilithion_hash_mode",
        Unit::Count,
        "1 for the mode in which RandomX hashes now, 0 for the other",
    ),
    (Kind::Gauge, "dilithion_hash_threads", Unit::Count, "Hash threads"),
    (Kind::Gauge, "dilithion_hash_threads_busy", Unit::Count, "Hash threads at work"),
    (Kind::Gauge, "dilithion_hash_queue", Unit::Count, "Hashes that wait, by priority"),
    (
        Kind::Counter,
        "dilithion_hash_panics_total",
        Unit::Count,
        "Panics in hash threads: anything but 0 is a fault",
    ),
    (Kind::Gauge, "dilithion_uptime_seconds", Unit::Seconds, "Time since the server started"),
    (Kind::Gauge, "dilithion_build_info", Unit::Count, "Always 1; version and network are labels"),
    (Kind::Gauge, "dilithion_peers", Unit::Count, "Connections with a complete handshake, by direction"),
    (
        Kind::Gauge,
        "dilithion_peer_ping_seconds_min",
        Unit::Seconds,
        "Shortest last ping of a peer; NaN without any",
    ),
    (Kind::Gauge, "dilithion_bans", Unit::Count, "Bans in force"),
    (Kind::Gauge, "dilithion_pending_transactions", Unit::Count, "Transactions that wait for a block"),
    (Kind::Gauge, "dilithion_pending_bytes", Unit::Bytes, "Bytes of these transactions"),
    (Kind::Gauge, "dilithion_http_connections", Unit::Count, "Open connections to this server"),
    (Kind::Counter, "dilithion_http_requests_total", Unit::Count, "Requests answered, by status code"),
    (
        Kind::Histogram,
        "dilithion_http_request_seconds",
        Unit::Seconds,
        "Time from a request's head to its answer",
    ),
    (Kind::Counter, "dilithion_rpc_calls_total", Unit::Count, "Calls of JSON-RPC methods, by method"),
];

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

fn describe() {
    for (kind, name, unit, meaning) in FIGURES {
        match kind {
            Kind::Gauge => describe_gauge!(*name, *unit, *meaning),
            Kind::Counter => describe_counter!(*name, *unit, *meaning),
            Kind::Histogram => describe_histogram!(*name, *unit, *meaning),
        }
    }
}
