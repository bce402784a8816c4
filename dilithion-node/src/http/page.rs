//! The page that shows the node.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::ApiError;
use super::cookie::random_bytes;

/// The page, with all it needs.
const PAGE: &str = include_str!("../../assets/dashboard.html");
/// Where the page has the number that its own style and script are known by.
const NONCE_MARK: &str = "@NONCE@";
/// Random bytes of that number.
const NONCE_BYTES: usize = 16;

/// `GET /`. What the browser may load and run is the page's own style and script, known by a number drawn for each
/// answer, and this server's API: nothing that a peer says of itself can become a script.
pub(super) async fn page() -> Result<Response, ApiError> {
    let nonce = random_bytes::<NONCE_BYTES>().map_err(|_| ApiError::Internal("there is no randomness"))?;
    let nonce = hex::encode(nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers =
        [(header::CONTENT_SECURITY_POLICY, policy), (header::REFERRER_POLICY, "no-referrer".to_owned())];
    Ok((headers, Html(PAGE.replace(NONCE_MARK, &nonce))).into_response())
}
