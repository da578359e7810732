//! Passwords: changed by those who know them, replaced by those who don't.

use axum::{Json, extract::State};
use http::StatusCode;
use utoipa::ToSchema;

use super::{auth::address, codes::CodeSent};
use crate::{
    app::AppState,
    edge::{error::ApiError, extract::Body},
    identity::{Caller, identifier::Password, session::Device},
    request,
    schema::{AnyAddress, NewPassword, OneTimeCode},
};

request! {
    /// Changes the caller's password.
    #[derive(ToSchema)]
    pub struct UpdatePasswordRequest {
        /// The password until now.
        current_password: Password,
        /// To sign in with from now on.
        #[schema(value_type = NewPassword)]
        new_password: Password,
    }
}

request! {
    /// Asks for a code to choose another password with.
    #[derive(ToSchema)]
    pub struct ResetPasswordRequest {
        /// An e-mail address or a phone number.
        #[schema(value_type = AnyAddress)]
        identifier: String,
    }
}

request! {
    /// Chooses another password.
    #[derive(ToSchema)]
    pub struct ConfirmResetRequest {
        /// The address that the code was sent to.
        #[schema(value_type = AnyAddress)]
        identifier: String,
        /// The code.
        #[schema(value_type = OneTimeCode)]
        code: String,
        /// To sign in with from now on.
        #[schema(value_type = NewPassword)]
        new_password: Password,
    }
}

/// Change the caller's password.
///
/// All other sessions of the user end.
#[utoipa::path(post, path = "/v1/auth/update-password", tag = "identity",
    request_body = UpdatePasswordRequest, responses((status = 204)))]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
    Body(request): Body<UpdatePasswordRequest>,
) -> Result<StatusCode, ApiError> {
    let (current, new) = (request.current_password, request.new_password);
    state
        .sign_in
        .update_password(&caller, current, new, &device)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send a code to choose another password with.
///
/// The answer is always the same, whether or not anyone is known by the address.
#[utoipa::path(post, path = "/v1/auth/reset-password", tag = "identity", security(()),
    request_body = ResetPasswordRequest, responses((status = 202, body = CodeSent)))]
pub async fn reset(
    State(state): State<AppState>,
    device: Device,
    Body(request): Body<ResetPasswordRequest>,
) -> Result<(StatusCode, Json<CodeSent>), ApiError> {
    let address = address(&state, &request.identifier)?;
    let sent = state.sign_in.send_reset_code(&address, &device).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// Choose another password with a code.
///
/// Every session and every open code of the user ends, and none is made.
#[utoipa::path(post, path = "/v1/auth/confirm-reset-password", tag = "identity", security(()),
    request_body = ConfirmResetRequest, responses((status = 204)))]
pub async fn confirm_reset(
    State(state): State<AppState>,
    device: Device,
    Body(request): Body<ConfirmResetRequest>,
) -> Result<StatusCode, ApiError> {
    let address = address(&state, &request.identifier)?;
    let (code, new) = (request.code, request.new_password);
    state
        .sign_in
        .reset_password(&address, &code, new, &device)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
