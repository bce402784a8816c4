//! Messages in blocks, on private networks.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use dilithion_chain::MessageError;
use dilithion_wire::MessageId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::ApiError;
use crate::http::app::App;
use crate::http::guard::{Authorized, parse_body};
use crate::json::data_message;
use crate::node::SubmitError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageRequest {
    sender: String,
    content: String,
}

/// `POST /message`: a message for the next block.
pub(crate) async fn submit(
    _: Authorized,
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let MessageRequest { sender, content } = parse_body(&body)?;
    let id = app.node.submit_text(sender, content).await.map_err(refused)?;
    Ok(Json(json!({ "message_id": id.to_string() })))
}

fn refused(error: SubmitError) -> ApiError {
    match error {
        SubmitError::Message(error) => ApiError::BadRequest(error.to_string()),
        SubmitError::Refused(MessageError::Full { .. }) => {
            ApiError::TooMany("pool-full: too many messages wait for a block")
        }
        SubmitError::Refused(error @ MessageError::TooLarge { .. }) => {
            ApiError::BadRequest(error.to_string())
        }
        SubmitError::Refused(error) => ApiError::Conflict(error.to_string()),
        SubmitError::Store(error) => ApiError::Store(*error),
        error => ApiError::Unavailable(error.to_string()),
    }
}

/// `GET /message/ID`: a message of the chain, or one that waits, which has no height.
pub(crate) async fn message(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let id: MessageId =
        id.parse().map_err(|_| ApiError::BadRequest("an id has 64 hexadecimal digits".to_owned()))?;
    let found = app
        .read(move |store| match store.message(&id)? {
            Some(found) => Ok(Some(data_message(&found.message, Some(found.height)))),
            None => Ok(store.pending_message(&id)?.map(|message| data_message(&message, None))),
        })
        .await?;
    found.map(Json).ok_or_else(|| ApiError::NotFound(format!("there is no message {id}")))
}
