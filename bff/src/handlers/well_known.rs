//! What others need to verify our tokens.

use axum::{Json, extract::State, response::IntoResponse};
use http::header;

use crate::app::AppState;

/// The public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/paseto-keys", tag = "identity", security(()),
    responses((status = 200, body = Object, description = "`{keys:[{kid, paserk, not_before, not_after}]}`")))]
pub async fn paseto_keys(State(state): State<AppState>) -> impl IntoResponse {
    let keys = state.tokens.keys().published(state.clock.now());
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(keys))
}
