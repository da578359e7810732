//! Leaving, for a while or for good.

use axum::{extract::State, response::Response};

use super::auth::signed_out;
use crate::{
    app::AppState,
    edge::{authenticate::Fresh, error::ApiError},
    identity::session::Device,
    upstream::Context,
};

/// Deactivate the caller.
///
/// All sessions end. Signing in with the password within the retention time brings everything
/// back. Needs a step-up.
#[utoipa::path(post, path = "/v1/me/deactivate", tag = "identity", responses((status = 204)))]
pub async fn deactivate(
    State(state): State<AppState>,
    Fresh(caller): Fresh,
    device: Device,
) -> Result<Response, ApiError> {
    state.life.deactivate(&caller, &device).await?;
    state.changed(caller.user_id).await;
    Ok(signed_out())
}

/// Delete the caller.
///
/// All sessions end, and accounts are closed. After the retention time nothing is left that tells who it was. Refused
/// while there is money in an account or set aside, or an order is open. Needs a
/// step-up.
#[utoipa::path(delete, path = "/v1/me", tag = "identity", responses((status = 204)))]
pub async fn delete(
    State(state): State<AppState>,
    Fresh(caller): Fresh,
    device: Device,
    context: Context,
) -> Result<Response, ApiError> {
    let orders = &state.sources.orders;
    // Not knowing is no reason to guess, whatever kept the answer away.
    let open = orders.has_open_orders(&context, &caller).await;
    let open = open.map_err(|error| ApiError::unavailable("orders", error))?;
    state.life.delete(&caller, open, &device).await?;
    state.changed(caller.user_id).await;
    Ok(signed_out())
}
