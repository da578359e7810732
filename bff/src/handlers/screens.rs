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
/// A part that can't be had is null, and `parts` says why. Only what is complete,
/// with nothing stale in it, carries a tag.
#[utoipa::path(get, path = "/v1/screens/home", tag = "screens",
    params(Ask, IfNoneMatch), responses((status = 200, body = Home)))]
pub async fn home(
    State(state): State<AppState>,
    caller: Caller,
    ask: Ask,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let payload = state.screens.show(&HOME, &caller, &ask).await?;
    Ok(known.answer(payload.body, payload.etag, PRIVATE))
}
