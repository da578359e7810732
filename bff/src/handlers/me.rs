//! The caller.

use axum::{Json, extract::State, response::Response};
use chrono::NaiveDate;
use http::StatusCode;
use utoipa::ToSchema;

use super::{PRIVATE, auth::address, tagged};
use crate::{
    accounts::users::{self, Change, ProfileChange, User},
    app::AppState,
    edge::{
        authenticate::Fresh,
        error::{ApiError, Code, FieldError},
        extract::{BirthDate, Body, IfNoneMatch, Name, Path},
    },
    identity::{Caller, identifier::Username, session::Device},
    request,
    schema::{AnyAddress, OneTimeCode},
};

request! {
    /// Changes the caller's profile: what is absent stays, null clears.
    #[derive(ToSchema)]
    pub struct ProfileRequest {
        /// What the user is called.
        #[schema(value_type = Option<Name<200>>)]
        full_name: Change<Name<200>>,
        /// A name to sign in with.
        #[schema(value_type = Option<Username>)]
        username: Change<Username>,
        /// When the user was born.
        #[schema(value_type = Option<NaiveDate>)]
        birth_date: Change<BirthDate>,
    }
}

request! {
    /// Adds an address, in place of the one of its kind before.
    #[derive(ToSchema)]
    pub struct IdentifierRequest {
        /// The address that the code was sent to.
        #[schema(value_type = AnyAddress)]
        identifier: String,
        /// A code that was sent for `add_identifier`.
        #[schema(value_type = OneTimeCode)]
        code: String,
    }
}

/// Who the caller is.
#[utoipa::path(get, path = "/v1/me", tag = "identity", params(IfNoneMatch),
    responses((status = 200, body = User)))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    tagged(&known, &found(&state, &caller).await?, PRIVATE)
}

async fn found(state: &AppState, caller: &Caller) -> Result<User, ApiError> {
    let user = users::find(&state.accounts, caller.user_id).await?;
    // The session outlived its user.
    user.ok_or_else(|| ApiError::new(Code::Unauthenticated))
}

/// Change the caller's profile.
///
/// The user name is something to sign in with: changing it needs a step-up.
#[utoipa::path(patch, path = "/v1/me", tag = "identity", request_body = ProfileRequest,
    responses((status = 200, body = User)))]
pub async fn change(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
    Body(request): Body<ProfileRequest>,
) -> Result<Json<User>, ApiError> {
    if request.username != Change::Keep {
        state.sessions.require_fresh(&caller).await?;
    }
    let change = ProfileChange {
        full_name: request
            .full_name
            .try_map(|name| Ok::<_, ApiError>(name.0))?,
        username: request.username,
        birth_date: request.birth_date.try_map(|date| born(&state, date))?,
    };
    state
        .sign_in
        .change_profile(&caller, &change, &device)
        .await?;
    changed(state, caller).await
}

/// Add an address to sign in with.
///
/// It takes the place of the one of its kind before, which is told.
#[utoipa::path(post, path = "/v1/me/identifiers", tag = "identity",
    request_body = IdentifierRequest, responses((status = 200, body = User)))]
pub async fn add_identifier(
    State(state): State<AppState>,
    Fresh(caller): Fresh,
    device: Device,
    Body(request): Body<IdentifierRequest>,
) -> Result<Json<User>, ApiError> {
    let address = address(&state, &request.identifier)?;
    state
        .sign_in
        .add_address(&caller, &address, &request.code, &device)
        .await?;
    changed(state, caller).await
}

/// Give up an address.
#[utoipa::path(delete, path = "/v1/me/identifiers/{kind}", tag = "identity",
    params(("kind" = String, Path, pattern = "^(email|phone)$")), responses((status = 204)))]
pub async fn remove_identifier(
    State(state): State<AppState>,
    Fresh(caller): Fresh,
    device: Device,
    Path(kind): Path<String>,
) -> Result<StatusCode, ApiError> {
    state
        .sign_in
        .remove_address(&caller, &kind, &device)
        .await?;
    state.changed(caller.user_id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller after a change, which no cache knows yet.
async fn changed(state: AppState, caller: Caller) -> Result<Json<User>, ApiError> {
    state.changed(caller.user_id).await;
    found(&state, &caller).await.map(Json)
}

/// Nobody is born tomorrow.
pub(super) fn born(state: &AppState, date: BirthDate) -> Result<NaiveDate, ApiError> {
    let today = state.clock.now().date_naive();
    // Somewhere it is tomorrow already.
    if date.0 > today.succ_opt().unwrap_or(today) {
        let fault = FieldError::new("/birth_date", "out_of_range", "expected a day in the past");
        return Err(ApiError::invalid(vec![fault]));
    }
    Ok(date.0)
}
