//! Screens: one call, one payload.

use axum::{extract::State, response::Response};

use super::PRIVATE;
use crate::{
    app::AppState,
    edge::{error::ApiError, extract::IfNoneMatch},
    identity::Caller,
    screens::{
        Ask,
        home::{HOME, Home},
    },
};

/// What a signed-in user sees first.
///
/// A part that can't be had is null, and `parts` says why.
#[utoipa::path(get, path = "/v1/screens/home", tag = "screens",
    params(
        ("parts" = Option<String>, Query, pattern = "^[a-z_]+(,[a-z_]+)*$", description = "Names of parts, separated by commas; all, if it isn't given"),
        ("X-Deadline-Ms" = Option<u64>, Header, minimum = 1, description = "The longest the client will wait, in milliseconds, if that is less than a second"),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` from before")),
    responses(
        (status = 200, body = Home, headers(
            ("ETag" = String, description = "When complete and nothing is stale"),
            ("Cache-Control" = String, description = "`private, no-cache`, or `no-store` without an `ETag`"))),
        (status = 304, description = "Nothing has changed")))]
pub async fn home(
    State(state): State<AppState>,
    caller: Caller,
    ask: Ask,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let payload = state.screens.show(&HOME, &caller, &ask).await?;
    Ok(known.answer(payload.body, payload.etag, PRIVATE))
}
