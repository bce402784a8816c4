//! What every request passes before it is answered: where it comes from, how long it may be, how long it may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::ApiError;
use super::app::App;
use super::held::Held;
use super::slots::Activity;

/// Bytes of a request's body at most (requirement M10).
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// A request must have arrived in this time, its head and its body each (requirement M10).
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Checks a request, reads it to its end, has it answered, and takes note of both.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = app.node.now().mono;
    let activity = request.extensions().get::<Activity>().cloned().unwrap_or_default();
    let (response, answering) = match admit(&app, request).await {
        Ok(request) => {
            let answering = activity.begin(app.node.now().mono);
            (next.run(request).await, Some(answering))
        }
        Err(error) => (error.into_response(), None),
    };
    app.metrics.on_request(response.status(), app.node.now().mono.saturating_sub(began));
    let mut response = match answering {
        Some(answering) => response.map(|body| Body::new(Held::new(body, answering, app))),
        None => response,
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn admit(app: &App, request: Request) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    check_origin(app, &parts.headers)?;
    let limited = Limited::new(body, MAX_BODY_BYTES);
    let read = tokio::time::timeout(READ_TIMEOUT, limited.collect()).await.map_err(|_| ApiError::Timeout)?;
    let body = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ApiError::TooLarge { limit: MAX_BODY_BYTES }
        } else {
            ApiError::BadRequest("the body is cut short".to_owned())
        }
    })?;
    Ok(Request::from_parts(parts, Body::from(body.to_bytes())))
}

/// A page of somebody else's, shown by a browser on this machine, can send requests here. Its `Host` is wrong if its
/// name was made to point here, and its `Origin` is always its own.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(HeaderValue::to_str), hosts.next()) else {
        return Err(ApiError::BadRequest("one Host header is needed".to_owned()));
    };
    if !app.config.allows_host(host) {
        return Err(ApiError::Forbidden(
            "the Host header names neither this machine nor what --rpcallow lists",
        ));
    }
    let own = |origin: &HeaderValue| {
        origin.to_str().is_ok_and(|origin| origin.strip_prefix("http://").is_some_and(|from| from == host))
    };
    match headers.get(header::ORIGIN) {
        Some(origin) if !own(origin) => {
            Err(ApiError::Forbidden("the request comes from a page of another server"))
        }
        _ => Ok(()),
    }
}

/// Proof that the request carries the operator's token; a handler that takes one answers nobody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorized(());

impl FromRequestParts<App> for Authorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if app.credentials.accept(parts.headers.get(header::AUTHORIZATION)) {
            Ok(Self(()))
        } else {
            Err(ApiError::Unauthorized)
        }
    }
}

/// Reads a JSON body; an empty one is that of a request without parameters.
pub(crate) fn parse_body<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| ApiError::BadRequest(format!("the body: {error}")))
}
