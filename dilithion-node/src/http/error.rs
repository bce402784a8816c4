//! Why a request is not answered as asked, as a status code and a JSON body.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dilithion_chain::StoreError;
use serde::Serialize;
use thiserror::Error;

/// Why a request is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The token is missing or wrong.
    #[error("this needs the token of the file .cookie in the data directory")]
    Unauthorized,
    /// The request does not come from where it may.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The thing exists, but cannot be asked like this.
    #[error("this method is not allowed here")]
    MethodNotAllowed,
    /// The rest of the request did not come in time.
    #[error("the request did not arrive in time")]
    Timeout,
    /// The action is not possible in this state.
    #[error("{0}")]
    Conflict(String),
    /// The body is longer than it may be.
    #[error("a body has {limit} bytes at most")]
    TooLarge {
        /// How long it may be.
        limit: usize,
    },
    /// Too much of this kind is under way.
    #[error("{0}")]
    TooMany(&'static str),
    /// The node cannot do this now.
    #[error("{0}")]
    Unavailable(String),
    /// The store failed.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// A fault of the server.
    #[error("{0}")]
    Internal(&'static str),
}

/// The body of an error.
#[derive(Debug, Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Serialize)]
struct ErrorDetail {
    code: &'static str,
    message: String,
}

impl ApiError {
    /// The status code, and the word for it in the body.
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Store(StoreError::Pruned { .. }) => (StatusCode::GONE, "pruned"),
            Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let body = ErrorBody { error: ErrorDetail { code, message: self.to_string() } };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            // A scheme for which browsers have no dialogue: a page cannot make one ask for the token.
            Self::Unauthorized => {
                headers
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"dilithion\""));
            }
            // The rest of the body is not read.
            Self::TooLarge { .. } | Self::Timeout => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
