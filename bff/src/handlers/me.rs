//! The caller.

use axum::{Json, extract::State};

use crate::{
    accounts::users::{self, User},
    app::AppState,
    edge::error::{ApiError, Code},
    identity::Caller,
};

/// Who the caller is.
#[utoipa::path(get, path = "/v1/me", tag = "identity", responses((status = 200, body = User)))]
pub async fn show(State(state): State<AppState>, caller: Caller) -> Result<Json<User>, ApiError> {
    let user = users::find(&state.accounts, caller.user_id).await?;
    // The session outlived its user.
    user.map(Json)
        .ok_or_else(|| ApiError::new(Code::Unauthenticated))
}
