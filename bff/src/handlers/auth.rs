//! Registration, sign-in, refresh, sign-out.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::me::born;
use crate::{
    accounts::users::User,
    app::AppState,
    edge::{
        authenticate::{no_session_cookie, session_cookie},
        csrf,
        error::{ApiError, FieldError},
        extract::{AnyText, BirthDate, Body, JsonOrForm, Name},
    },
    identity::{
        Caller,
        identifier::{Address, Identifier, Password, Username},
        session::{Device, Mode, Proof, TokenPair},
        sign_in::{Registration, SignedIn},
    },
    request,
    schema::{AnyAddress, AnyIdentifier, NewPassword, OneTimeCode},
};

request! {
    /// Registers whoever owns an address.
    #[derive(ToSchema)]
    pub struct RegisterRequest {
        /// The address that the code was sent to.
        #[schema(value_type = AnyAddress)]
        identifier: String,
        /// The code.
        #[schema(value_type = OneTimeCode)]
        code: String,
        /// To sign in with from now on.
        #[schema(value_type = NewPassword)]
        password: Password,
        /// What the user is called.
        full_name: Name<200>,
        /// A name to sign in with.
        username: Option<Username>,
        /// When the user was born.
        #[schema(value_type = Option<chrono::NaiveDate>)]
        birth_date: Option<BirthDate>,
        /// How the client wants to hold the session.
        #[schema(required = false)]
        mode: Mode,
    }
}

request! {
    /// Signs in.
    #[derive(ToSchema)]
    pub struct LoginRequest {
        /// An e-mail address, a phone number or a user name.
        #[schema(value_type = AnyIdentifier)]
        identifier: String,
        /// The password.
        password: Password,
        /// How the client wants to hold the session.
        #[schema(required = false)]
        mode: Mode,
    }
}

request! {
    /// Renews a session's tokens.
    #[derive(ToSchema)]
    pub struct RefreshRequest {
        /// The refresh token that was given last.
        #[schema(value_type = AnyText)]
        refresh_token: String,
    }
}

/// A session's tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAnswer {
    /// PASETO v4.public, for `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token is worth nothing.
    expires_in: i64,
    /// For `POST /v1/auth/refresh`, once.
    refresh_token: String,
    /// Seconds until the refresh token is worth nothing.
    refresh_expires_in: i64,
    /// The session.
    session_id: Uuid,
}

/// Someone is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SessionAnswer {
    /// In token mode.
    Tokens(TokenSession),
    /// In cookie mode.
    Cookie(CookieSession),
}

/// Someone, and what proves their session.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenSession {
    user: User,
    #[serde(flatten)]
    tokens: TokenAnswer,
}

/// Someone, whose session is in the `Set-Cookie` header.
#[derive(Debug, Serialize, ToSchema)]
// So that it tells itself from the other.
#[serde(deny_unknown_fields)]
pub struct CookieSession {
    user: User,
}

impl From<TokenPair> for TokenAnswer {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token,
            token_type: "Bearer",
            expires_in: pair.expires_in.num_seconds(),
            refresh_token: pair.refresh_token,
            refresh_expires_in: pair.refresh_expires_in.num_seconds(),
            session_id: pair.session_id,
        }
    }
}

/// Register with a code that was sent to an address.
#[utoipa::path(post, path = "/v1/auth/register", tag = "identity", security(()), request_body = RegisterRequest,
    responses((status = 201, body = SessionAnswer)))]
pub async fn register(
    State(state): State<AppState>,
    headers: HeaderMap,
    device: Device,
    Body(request): Body<RegisterRequest>,
) -> Result<Response, ApiError> {
    check_source(&state, &headers, request.mode)?;
    let birth_date = request.birth_date.map(|date| born(&state, date));
    let registration = Registration {
        address: address(&state, &request.identifier)?,
        code: request.code,
        password: request.password,
        full_name: request.full_name.0,
        username: request.username,
        birth_date: birth_date.transpose()?,
    };
    let signed_in = state
        .sign_in
        .register(registration, request.mode, device)
        .await?;
    // A database that lags doesn't know them yet.
    state.changed(signed_in.user.id).await;
    Ok(session_answer(StatusCode::CREATED, signed_in))
}

/// Sign in with a password.
#[utoipa::path(post, path = "/v1/auth/login", tag = "identity", security(()),
    request_body(content((LoginRequest = "application/json"), (LoginRequest = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = SessionAnswer)))]
pub async fn login(
    State(state): State<AppState>,
    headers: HeaderMap,
    device: Device,
    JsonOrForm(request): JsonOrForm<LoginRequest>,
) -> Result<Response, ApiError> {
    check_source(&state, &headers, request.mode)?;
    let identifier = Identifier::parse(&request.identifier, state.region)
        .map_err(|error| bad_identifier(&error))?;
    let signed_in = state
        .sign_in
        .login(identifier, request.password, request.mode, device)
        .await?;
    Ok(session_answer(StatusCode::OK, signed_in))
}

/// Exchange a refresh token for a new pair.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "identity", security(()), request_body = RefreshRequest,
    responses((status = 200, body = TokenAnswer)))]
pub async fn refresh(
    State(state): State<AppState>,
    device: Device,
    Body(request): Body<RefreshRequest>,
) -> Result<Json<TokenAnswer>, ApiError> {
    let pair = state
        .sign_in
        .refresh(&request.refresh_token, &device)
        .await?;
    Ok(Json(pair.into()))
}

/// End this session.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "identity", responses((status = 204)))]
pub async fn logout(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
) -> Result<Response, ApiError> {
    state.sign_in.logout(&caller, &device).await?;
    Ok(signed_out())
}

/// End every session of the caller.
#[utoipa::path(post, path = "/v1/auth/logout-all", tag = "identity", responses((status = 204)))]
pub async fn logout_all(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
) -> Result<Response, ApiError> {
    state.sign_in.logout_all(&caller, &device).await?;
    Ok(signed_out())
}

/// The session is over: a browser forgets its cookie.
pub(super) fn signed_out() -> Response {
    let forget = [(header::SET_COOKIE, no_session_cookie())];
    (StatusCode::NO_CONTENT, forget).into_response()
}

/// An address of a request, which stands in its field `identifier`.
pub(super) fn address(state: &AppState, text: &str) -> Result<Address, ApiError> {
    Address::parse(text, state.region).map_err(|error| bad_identifier(&error))
}

fn bad_identifier(error: &dyn std::fmt::Display) -> ApiError {
    let fault = FieldError::new("/identifier", "invalid_identifier", error.to_string());
    ApiError::invalid(vec![fault])
}

/// Another site must not sign its visitor in: only a cookie would stay there.
fn check_source(state: &AppState, headers: &HeaderMap, mode: Mode) -> Result<(), ApiError> {
    match mode {
        Mode::Cookie => csrf::check_source(headers, &state.settings.http.allowed_origins.0),
        Mode::Token => Ok(()),
    }
}

pub(super) fn session_answer(status: StatusCode, signed_in: SignedIn) -> Response {
    let user = signed_in.user;
    match signed_in.proof {
        Proof::Tokens(pair) => {
            let tokens = pair.into();
            let answer = SessionAnswer::Tokens(TokenSession { user, tokens });
            (status, Json(answer)).into_response()
        }
        Proof::Cookie(value, keep) => {
            let cookie = [(header::SET_COOKIE, session_cookie(&value, keep))];
            let answer = SessionAnswer::Cookie(CookieSession { user });
            (status, cookie, Json(answer)).into_response()
        }
    }
}
