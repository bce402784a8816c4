//! What the operator may do to the node. What is not possible in its state is refused with 409, not swallowed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use dilithion_wire::PeerId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::ApiError;
use crate::http::app::App;
use crate::http::guard::{Authorized, parse_body};
use crate::net::BAN_DURATION;
use crate::sync::{IbdState, Order};

/// Bytes of a ban's reason at most.
const MAX_REASON: usize = 500;

/// Without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BanRequest {
    address: IpAddr,
    seconds: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostRequest {
    address: IpAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressRequest {
    address: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerRequest {
    peer: u64,
}

/// `POST /api/v1/action/…`
pub(crate) async fn act(
    _: Authorized,
    State(app): State<App>,
    Path(action): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    match action.as_str() {
        "ban" => ban(&app, parse_body(&body)?)?,
        "unban" => {
            let HostRequest { address } = parse_body(&body)?;
            possible(app.node.unban(address), || format!("{address} is not banned"))?;
        }
        "clear_banned" => {
            let Nothing {} = parse_body(&body)?;
            app.node.clear_banned();
        }
        "disconnect" => {
            let PeerRequest { peer } = parse_body(&body)?;
            let known = app.node.disconnect(PeerId(peer));
            known.then_some(()).ok_or_else(|| ApiError::NotFound(format!("there is no peer {peer}")))?;
        }
        "add_peer" => {
            let AddressRequest { address } = parse_body(&body)?;
            app.node.add_peer(address);
        }
        "pause" => {
            let Nothing {} = parse_body(&body)?;
            order(&app, Order::Pause, "the sync is paused already")?;
        }
        "resume" => {
            let Nothing {} = parse_body(&body)?;
            order(&app, Order::Resume, "the sync is not paused")?;
        }
        "sync_now" => {
            let Nothing {} = parse_body(&body)?;
            possible(app.node.status().borrow().peers > 0, || "there is no peer to ask".to_owned())?;
            order(&app, Order::SyncNow, "the sync is paused")?;
        }
        "produce_now" => {
            let Nothing {} = parse_body(&body)?;
            app.node.produce(None).await.map_err(|error| ApiError::Conflict(error.to_string()))?;
        }
        "stop" => {
            let Nothing {} = parse_body(&body)?;
            app.node.request_stop();
        }
        _ => return Err(ApiError::NotFound(format!("there is no action '{action}'"))),
    }
    app.note_action(&action, &String::from_utf8_lossy(&body));
    Ok(Json(json!({ "action": action, "done": true })))
}

fn ban(app: &App, request: BanRequest) -> Result<(), ApiError> {
    let reason = request.reason.unwrap_or_else(|| "by the operator".to_owned());
    if reason.len() > MAX_REASON {
        return Err(ApiError::BadRequest(format!("a reason has {MAX_REASON} bytes at most")));
    }
    let duration = request.seconds.map_or(BAN_DURATION, Duration::from_secs);
    app.node.ban(request.address, reason, duration);
    Ok(())
}

fn order(app: &App, order: Order, why_not: &str) -> Result<(), ApiError> {
    let failed = app.node.status().borrow().state == IbdState::Error;
    possible(!failed, || "the node has failed; nothing but a restart helps".to_owned())?;
    possible(app.node.order(order), || why_not.to_owned())
}

fn possible(is: bool, why_not: impl FnOnce() -> String) -> Result<(), ApiError> {
    if is { Ok(()) } else { Err(ApiError::Conflict(why_not())) }
}
