//! What happened.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::ApiError;
use crate::http::app::App;

/// Events in one answer at most.
const MAX_EVENTS: usize = 1000;

/// Which events are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JournalQuery {
    /// Those that follow so many; without it the last ones.
    after: Option<u64>,
    /// So many at most.
    limit: Option<usize>,
}

/// A part of the journal.
#[derive(Debug, Serialize)]
pub(crate) struct JournalView {
    /// Events that there are.
    events_total: u64,
    /// Hash of the last one.
    head: String,
    /// Ask for those after this number next.
    next: u64,
    events: Vec<Value>,
}

/// `GET /api/v1/journal`; routed only if a journal is kept.
pub(crate) async fn journal(
    State(app): State<App>,
    query: Result<Query<JournalQuery>, QueryRejection>,
) -> Result<Json<JournalView>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let journal = app.services.journal.clone();
    let journal = journal.ok_or_else(|| ApiError::NotFound("no journal is kept".to_owned()))?;
    let (events_total, head) = journal.head();
    let limit = query.limit.unwrap_or(MAX_EVENTS).min(MAX_EVENTS);
    let last = u64::try_from(limit).unwrap_or(u64::MAX);
    let after = query.after.unwrap_or(events_total.saturating_sub(last));
    let permit = if journal.remembers(after) { None } else { Some(app.scan_permit()?) };
    app.blocking(move |_| {
        // Held by the reading itself: it goes on when the client has gone.
        let _permit = permit;
        let read = journal.after(after, limit);
        let (first, events) = read.map_err(|error| ApiError::Unavailable(format!("the journal: {error}")))?;
        let next = first.saturating_add(u64::try_from(events.len()).unwrap_or(0));
        Ok(Json(JournalView { events_total, head, next, events }))
    })
    .await
}
