//! Short answers for scripts and supervisors.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::ApiError;
use crate::http::app::App;
use crate::sync::IbdState;

/// `GET /healthy`: whether the node does its work at all; restart it if not.
pub(crate) async fn healthy(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let status = app.node.status().borrow().clone();
    match status.state {
        IbdState::Error => Err(ApiError::Unavailable(status.waiting_for)),
        state => Ok(Json(json!({ "healthy": true, "state": state.name() }))),
    }
}

/// `GET /ready`: whether the node is in sync, so that its answers about the chain are up to date; those about headers, if it
/// fetches no blocks.
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let status = app.node.status().borrow().clone();
    if status.in_sync {
        let (mode, headers) = (status.mode.name(), status.ready_height.0);
        let answer =
            json!({ "ready": true, "mode": mode, "height": status.chain_height.0, "headers": headers });
        return Ok(Json(answer));
    }
    Err(ApiError::Unavailable(format!("{}: {}", status.state, status.waiting_for)))
}

/// `GET /health`, as scripts of the design's predecessor ask (spec: operations §2.5).
pub(crate) async fn health(State(app): State<App>) -> Json<Value> {
    let height = app.node.status().borrow().chain_height.0;
    Json(json!({ "status": "ok", "height": height }))
}

/// `GET /height`
pub(crate) async fn height(State(app): State<App>) -> Json<Value> {
    let height = app.node.status().borrow().chain_height.0;
    Json(json!({ "height": height }))
}
