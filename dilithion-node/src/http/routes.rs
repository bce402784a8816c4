//! Which path leads where.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::app::App;
use super::{ApiError, events, guard, metrics, page, rest, rpc};

/// All routes, behind the guard.
pub(super) fn router(app: &App) -> Router {
    let mut router = Router::new()
        .route("/", get(page::page).post(rpc::serve))
        .route("/metrics", get(metrics::serve))
        .merge(rest::routes())
        .route("/api/v1/events", get(events::serve))
        .route("/api/v1/action/{action}", post(rest::actions::act));
    if app.services.journal.is_some() {
        router = router.route("/api/v1/journal", get(rest::journal::journal));
    }
    router
        .fallback(async || {
            ApiError::NotFound("there is nothing here; GET /api/v1/openapi.json tells what is".to_owned())
        })
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app.clone())
}
