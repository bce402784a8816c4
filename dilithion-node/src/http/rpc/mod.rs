//! JSON-RPC 2.0 with the methods that explorers and scripts rely on; names of methods and fields are those of the C++
//! nodes, whose names are mostly those of Bitcoin Core (spec: lessons §7).
//!
//! | part | methods |
//! |---|---|
//! | `chain` | what is connected |
//! | `sync` | how the node gets there, and waiting for it |
//! | `network` | peers and bans |
//! | `transactions` | transactions, in blocks or pending |
//! | `control` | the node itself |
//! | `verdict` | what the operator says against blocks |

mod args;
mod chain;
mod control;
mod error;
mod method;
mod network;
mod sync;
mod transactions;
mod verdict;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use self::args::Args;
use self::error::RpcError;
use self::method::Method;
use super::ApiError;
use super::app::App;
use super::guard::Authorized;

/// A header that every call must carry, with the value `1`: a page in a browser cannot set it on a request to another
/// server without asking first, and we do not answer that question (spec: lessons §7).
pub const RPC_HEADER: &str = "x-dilithion-rpc";
/// Calls in one request at most.
const MAX_BATCH: usize = 100;

/// One call.
#[derive(Debug, Deserialize)]
struct Call {
    #[serde(default)]
    jsonrpc: Option<String>,
    method: String,
    #[serde(default)]
    params: Value,
    /// Absent in a notification, which is not answered; an explicit `null` is answered.
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// `POST /`
pub(super) async fn serve(
    _: Authorized,
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    if headers.get(RPC_HEADER).is_none_or(|value| value != "1") {
        return Err(ApiError::Forbidden("a call needs the header X-Dilithion-RPC: 1"));
    }
    let answer = match serde_json::from_slice(&body) {
        Ok(Value::Array(calls)) => batch(&app, calls).await,
        Ok(call) => one(&app, call).await,
        Err(error) => {
            let failed = failure(&RpcError::parse(error.to_string()), &Value::Null);
            return Ok((StatusCode::BAD_REQUEST, Json(failed)).into_response());
        }
    };
    // Notifications alone have no answer.
    Ok(answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |answer| Json(answer).into_response()))
}

/// Answers calls one after another.
async fn batch(app: &App, calls: Vec<Value>) -> Option<Value> {
    if calls.is_empty() || calls.len() > MAX_BATCH {
        let error = RpcError::invalid_request(format!("a batch has 1 to {MAX_BATCH} calls"));
        return Some(failure(&error, &Value::Null));
    }
    let mut answers = Vec::new();
    for call in calls {
        answers.extend(one(app, call).await);
    }
    (!answers.is_empty()).then_some(Value::Array(answers))
}

/// Answers a call; `None` for a notification.
async fn one(app: &App, call: Value) -> Option<Value> {
    let call: Call = match serde_json::from_value(call) {
        Ok(call) => call,
        Err(error) => return Some(failure(&RpcError::invalid_request(error.to_string()), &Value::Null)),
    };
    let id = call.id.clone();
    let result = run(app, call).await;
    let id = id?;
    Some(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "result": result, "id": id }),
        Err(error) => failure(&error, &id),
    })
}

async fn run(app: &App, call: Call) -> Result<Value, RpcError> {
    // Older scripts leave it out, or say 1.0.
    if call.jsonrpc.as_deref().is_some_and(|version| version != "2.0" && version != "1.0") {
        return Err(RpcError::invalid_request("jsonrpc must be 2.0"));
    }
    let method = Method::find(&call.method).ok_or_else(|| RpcError::method_not_found(&call.method))?;
    app.metrics.on_call(method.name);
    let said = if method.is_action { call.params.to_string() } else { String::new() };
    let args = Args::new(method.params, call.params)?;
    let result = (method.run)(app.clone(), args).await?;
    if method.is_action {
        app.note_action(method.name, &said);
    }
    Ok(result)
}

fn failure(error: &RpcError, id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "error": error.to_json(), "id": id })
}
