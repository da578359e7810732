//! One-time codes, and what is proved again by them.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::address;
use crate::{
    app::AppState,
    edge::{
        error::{ApiError, FieldError},
        extract::Body,
    },
    identity::{
        Caller,
        code::{Purpose, Sent},
        identifier::Password,
        session::Device,
        sign_in::StepUp,
    },
    request,
    schema::{AnyAddress, OneTimeCode},
};

request! {
    /// Asks for a one-time code.
    #[derive(ToSchema)]
    pub struct CodeRequest {
        /// An e-mail address or a phone number.
        #[schema(value_type = AnyAddress)]
        identifier: String,
        /// What the code is for.
        purpose: Purpose,
    }
}

request! {
    /// Proves again who is signed in: by one of the two.
    #[derive(ToSchema)]
    pub struct StepUpRequest {
        /// The password.
        password: Option<Password>,
        /// A code that was sent for `step_up`.
        #[schema(value_type = Option<OneTimeCode>)]
        code: Option<String>,
    }
}

/// A code is on its way, if it may be.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeSent {
    /// Seconds until the code is worth nothing.
    expires_in: i64,
    /// Seconds until another may be asked for.
    resend_after: i64,
}

impl From<Sent> for CodeSent {
    fn from(sent: Sent) -> Self {
        Self {
            expires_in: sent.expires_in.num_seconds(),
            // Rounded up, so that nobody asks too soon.
            resend_after: (sent.resend_after.num_milliseconds() + 999) / 1_000,
        }
    }
}

/// Send a one-time code.
///
/// The answer is the same whether or not anyone is known by the address.
#[utoipa::path(post, path = "/v1/auth/verify-code", tag = "identity",
    security((), ("access_token" = []), ("session_cookie" = [])), request_body = CodeRequest,
    responses((status = 202, body = CodeSent)))]
pub async fn verify_code(
    State(state): State<AppState>,
    caller: Option<Caller>,
    device: Device,
    Body(request): Body<CodeRequest>,
) -> Result<(StatusCode, Json<CodeSent>), ApiError> {
    let address = address(&state, &request.identifier)?;
    let sent = state
        .sign_in
        .send_code(&address, request.purpose, caller.as_ref(), &device)
        .await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// Prove again who is signed in.
///
/// For ten minutes the session may do what needs it.
#[utoipa::path(post, path = "/v1/auth/step-up", tag = "identity", request_body = StepUpRequest,
    responses((status = 204)))]
pub async fn step_up(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
    Body(request): Body<StepUpRequest>,
) -> Result<StatusCode, ApiError> {
    let proof = match (request.password, request.code) {
        (Some(password), None) => StepUp::Password(password),
        (None, Some(code)) => StepUp::Code(code),
        _ => {
            let fault = |pointer| FieldError::new(pointer, "one_of", "expected one of the two");
            return Err(ApiError::invalid(vec![fault("/password"), fault("/code")]));
        }
    };
    state.sign_in.step_up(&caller, proof, &device).await?;
    Ok(StatusCode::NO_CONTENT)
}
