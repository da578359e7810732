//! Signing in through other providers.

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use http::{HeaderValue, StatusCode, header, request::Parts};
use utoipa::{IntoParams, ToSchema};

use super::auth::session_answer;
use crate::{
    app::AppState,
    edge::{
        authenticate::session_cookie,
        error::{ApiError, Code, FieldError},
        extract::{AnyText, Body, Path, Query},
    },
    identity::{
        oauth::{Aim, Begun, Failure, Finished, Grant, Outcome, ProviderName, ReturnTo, Returned},
        session::{Device, Mode, Proof},
    },
    request,
};

request! {
    /// How someone wants to come back.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct StartQuery {
        /// How the client wants to hold the session.
        #[param(inline, required = false)]
        mode: Mode,
        /// A path on the first allowed origin, or a URL on any of them. It is
        /// where the browser goes in the end, with `ticket` in token mode, or
        /// with `error`: `access_denied`, `invalid_answer`, or the code of a
        /// problem.
        #[param(value_type = Option<AnyText>, example = "/welcome")]
        return_to: Option<String>,
    }
}

request! {
    /// Exchanges a ticket.
    #[derive(ToSchema)]
    pub struct ExchangeRequest {
        /// What came with `return_to`; good once and for a minute.
        #[schema(value_type = AnyText)]
        ticket: String,
    }
}

/// What a provider adds to the callback. It may add more, which is ignored.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Callback {
    /// As it was sent to the provider.
    #[param(value_type = Option<AnyText>)]
    state: Option<String>,
    /// The authorization code.
    #[param(value_type = Option<AnyText>)]
    code: Option<String>,
    /// Why there is none.
    #[param(value_type = Option<AnyText>)]
    error: Option<String>,
    /// VK's.
    #[param(value_type = Option<AnyText>)]
    device_id: Option<String>,
}

/// No provider's code is longer than this, in bytes.
const MAX_PARAMETER: usize = 4096;

impl FromRequestParts<AppState> for Callback {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let mut callback = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let (place, name) = match &*name {
                "state" => (&mut callback.state, "state"),
                "code" => (&mut callback.code, "code"),
                "error" => (&mut callback.error, "error"),
                "device_id" => (&mut callback.device_id, "device_id"),
                _ => continue,
            };
            if value.len() > MAX_PARAMETER {
                return Err(fault(name, "too_long", "no provider sends as much"));
            }
            // RFC 6749, section 3.1: none of them comes twice.
            if place.replace(value.into_owned()).is_some() {
                return Err(fault(name, "repeated", "expected at most one"));
            }
        }
        Ok(callback)
    }
}

impl Callback {
    fn returned(self) -> Result<Returned, ApiError> {
        let state = self
            .state
            .ok_or_else(|| fault("state", "required", "who sent you?"))?;
        let grant = match (self.code, self.error.as_deref()) {
            (Some(code), None) => Ok(Grant {
                code,
                device_id: self.device_id,
            }),
            (_, Some("access_denied")) => Err(Failure::Denied),
            _ => Err(Failure::Answer("neither a code nor a refusal")),
        };
        Ok(Returned { grant, state })
    }
}

/// Sign in through a provider.
///
/// The browser is sent here. Whoever is signed in already is not looked at: to add a provider to their
/// account, ask `POST /v1/me/identities/{provider}`.
#[utoipa::path(get, path = "/v1/auth/oauth/{provider}/start", tag = "identity", security(()),
    params(("provider" = ProviderName, Path), StartQuery),
    responses((status = 302, description = "To the provider's page",
        headers(("Location" = String), ("Set-Cookie" = String, description = "Knows the browser when it comes back")))))]
pub async fn start(
    State(state): State<AppState>,
    Path(provider): Path<ProviderName>,
    jar: CookieJar,
    Query(query): Query<StartQuery>,
) -> Result<Response, ApiError> {
    configured(&state, provider)?;
    let return_to = return_to(&state, query.return_to.as_deref(), "return_to")?;
    let aim = Aim::SignIn(query.mode);
    let begun = begin(&state, provider, aim, return_to, &jar).await?;
    Ok((
        StatusCode::FOUND,
        mark(&state, &begun),
        to(begun.page.as_str()),
    )
        .into_response())
}

/// Where a provider sends the browser back to.
#[utoipa::path(get, path = "/v1/auth/oauth/{provider}/callback", tag = "identity", security(()),
    params(("provider" = ProviderName, Path), Callback),
    responses((status = 302, description = "To `return_to`, with the session cookie, `ticket` or `error`",
        headers(("Location" = String), ("Set-Cookie" = String, description = "The session, in cookie mode")))))]
pub async fn callback(
    State(state): State<AppState>,
    Path(provider): Path<ProviderName>,
    jar: CookieJar,
    device: Device,
    callback: Callback,
) -> Result<Response, ApiError> {
    configured(&state, provider)?;
    let returned = callback.returned()?;
    let browser = jar
        .get(mark_name(&state))
        .map_or("", |cookie| cookie.value());
    let finished = state
        .oauth
        .finish(provider, returned, browser, device)
        .await?;
    let unknown = || {
        fault(
            "state",
            "unknown_state",
            "nothing began here, or it is over; begin anew",
        )
    };
    go_on(&state, provider, finished.ok_or_else(unknown)?).await
}

/// Exchange a ticket for a session in token mode.
#[utoipa::path(post, path = "/v1/auth/oauth/exchange", tag = "identity", security(()), request_body = ExchangeRequest,
    responses((status = 200, body = super::auth::SessionAnswer)))]
pub async fn exchange(
    State(state): State<AppState>,
    device: Device,
    Body(request): Body<ExchangeRequest>,
) -> Result<Response, ApiError> {
    let signed_in = state.oauth.exchange(&request.ticket, device).await?;
    Ok(session_answer(StatusCode::OK, signed_in))
}

/// A provider that isn't configured isn't there.
pub(super) fn configured(state: &AppState, provider: ProviderName) -> Result<(), ApiError> {
    let there = state.oauth.is_configured(provider);
    there.then_some(()).ok_or(ApiError::new(Code::NotFound))
}

/// Reads where to return to. Without allowed origins, that is the edge's own.
pub(super) fn return_to(
    state: &AppState,
    text: Option<&str>,
    pointer: &'static str,
) -> Result<ReturnTo, ApiError> {
    let allowed = &state.settings.http.allowed_origins.0;
    let own = state.settings.oauth.public_url.as_ref();
    let own: Vec<String> = own
        .iter()
        .map(|url| url.expose().origin().ascii_serialization())
        .collect();
    let origins = if allowed.is_empty() { &own } else { allowed };
    ReturnTo::parse(text.unwrap_or("/"), origins)
        .map_err(|error| fault(pointer, "not_allowed", error.to_string()))
}

/// Begins a flow in the browser that asks.
pub(super) async fn begin(
    state: &AppState,
    provider: ProviderName,
    aim: Aim,
    return_to: ReturnTo,
    jar: &CookieJar,
) -> Result<Begun, ApiError> {
    let browser = jar.get(mark_name(state)).map(|cookie| cookie.value());
    Ok(state.oauth.begin(provider, aim, return_to, browser).await?)
}

/// The cookie by which the browser is known when it comes back. It is `Lax`,
/// because it comes back from another site, and stays until it expires, because
/// another tab may be under way.
pub(super) fn mark(state: &AppState, begun: &Begun) -> [(header::HeaderName, HeaderValue); 1] {
    let (name, browser) = (mark_name(state), &begun.browser);
    let age = state.settings.oauth.state_lifetime_s.0;
    let secure = if is_secure(state) { " Secure;" } else { "" };
    let cookie = format!("{name}={browser}; Path=/;{secure} HttpOnly; SameSite=Lax; Max-Age={age}");
    let value = HeaderValue::try_from(cookie).expect("a cookie of base64 is visible ASCII");
    [(header::SET_COOKIE, value)]
}

fn mark_name(state: &AppState) -> &'static str {
    if is_secure(state) {
        "__Host-oauth"
    } else {
        "oauth"
    }
}

fn is_secure(state: &AppState) -> bool {
    let public = state.settings.oauth.public_url.as_ref();
    public.is_some_and(|url| url.expose().scheme() == "https")
}

async fn go_on(
    state: &AppState,
    provider: ProviderName,
    finished: Finished,
) -> Result<Response, ApiError> {
    let return_to = finished.return_to;
    let found = |place: &str| (StatusCode::FOUND, to(place)).into_response();
    if let Ok(outcome) = &finished.outcome {
        state.changed(outcome.user_id()).await;
    }
    Ok(match finished.outcome {
        Ok(Outcome::Session(signed_in)) => {
            let Proof::Cookie(value, keep) = signed_in.proof else {
                return Err(ApiError::internal(
                    "a session in another mode than was asked for",
                ));
            };
            let cookie = [(header::SET_COOKIE, session_cookie(&value, keep))];
            (cookie, found(return_to.as_str())).into_response()
        }
        Ok(Outcome::Ticket(_, ticket)) => found(&return_to.with("ticket", &ticket)),
        Ok(Outcome::Linked(_)) => found(return_to.as_str()),
        Err(failure) => found(&return_to.with("error", told(provider, failure))),
    })
}

/// What a page is told of a failure; more is in the log.
fn told(provider: ProviderName, failure: Failure) -> &'static str {
    let provider = provider.as_str();
    match failure {
        Failure::Denied => "access_denied",
        Failure::Answer(reason) => {
            tracing::warn!(provider, reason, "what a provider said doesn't hold");
            "invalid_answer"
        }
        failure => ApiError::from(failure).code().as_str(),
    }
}

fn to(place: &str) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::try_from(place).expect("a URL is visible ASCII");
    [(header::LOCATION, value)]
}

fn fault(name: &'static str, code: &'static str, detail: impl Into<String>) -> ApiError {
    ApiError::invalid(vec![FieldError::new(name, code, detail)])
}
