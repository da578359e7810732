//! What others need to verify our tokens.

use axum::{extract::State, response::Response};

use super::tagged;
use crate::{
    app::AppState,
    edge::{error::ApiError, extract::IfNoneMatch},
};

/// The public keys that verify access tokens.
#[utoipa::path(get, path = "/.well-known/paseto-keys", tag = "identity", security(()), params(IfNoneMatch),
    responses((status = 200, body = Object, description = "`{keys:[{kid, paserk, not_before, not_after}]}`")))]
pub async fn paseto_keys(
    State(state): State<AppState>,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let keys = state.tokens.keys().published(state.clock.now());
    tagged(&known, &keys, "public, max-age=60")
}
