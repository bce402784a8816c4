//! The JSON API. Times are in seconds since 1970, durations in seconds, hashes in display order, amounts in ions.

pub(super) mod actions;
mod chain;
mod health;
pub(super) mod journal;
mod messages;
pub(super) mod peers;
pub(super) mod status;
pub(super) mod window;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::app::App;

/// The description of this API.
const OPENAPI: &str = include_str!("../../../assets/openapi.json");

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/peers", get(peers::peers))
        .route("/api/v1/bans", get(peers::bans))
        .route("/api/v1/chain", get(chain::chain))
        .route("/api/v1/headers", get(chain::headers))
        .route("/api/v1/window", get(window::window))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/healthy", get(health::healthy))
        .route("/ready", get(health::ready))
        .route("/health", get(health::health))
        .route("/height", get(health::height))
        .route("/latest", get(chain::latest))
        .route("/block/{height}", get(chain::block))
        .route("/message", post(messages::submit))
        .route("/message/{id}", get(messages::message))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
