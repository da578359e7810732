//! The providers that the caller can sign in through.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::oauth::{begin, configured, mark, return_to};
use crate::{
    app::AppState,
    edge::{
        authenticate::Fresh,
        error::ApiError,
        extract::{AnyText, Body, Path},
    },
    identity::{
        oauth::{Aim, ProviderName},
        session::Device,
    },
    request,
};

request! {
    /// Adds a provider.
    #[derive(ToSchema)]
    pub struct LinkRequest {
        /// A path on the first allowed origin, or a URL on any of them: where
        /// the browser goes in the end, with `error` when nothing was linked.
        #[schema(value_type = Option<AnyText>, example = "/settings")]
        return_to: Option<String>,
    }
}

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkAnswer {
    /// The provider's page. Send the same browser there within ten minutes.
    authorization_url: String,
}

/// Add a provider to sign in with.
///
/// Needs a step-up.
#[utoipa::path(post, path = "/v1/me/identities/{provider}", tag = "identity",
    params(("provider" = ProviderName, Path)), request_body = LinkRequest,
    responses((status = 200, body = LinkAnswer,
        headers(("Set-Cookie" = String, description = "Knows the browser when it comes back")))))]
pub async fn link(
    State(state): State<AppState>,
    Path(provider): Path<ProviderName>,
    Fresh(caller): Fresh,
    jar: CookieJar,
    Body(request): Body<LinkRequest>,
) -> Result<Response, ApiError> {
    configured(&state, provider)?;
    let return_to = return_to(&state, request.return_to.as_deref(), "/return_to")?;
    let aim = Aim::Link {
        user_id: caller.user_id,
        session_id: caller.session_id,
    };
    let begun = begin(&state, provider, aim, return_to, &jar).await?;
    let mark = mark(&state, &begun);
    let authorization_url = begun.page.into();
    Ok((mark, Json(LinkAnswer { authorization_url })).into_response())
}

/// Remove a provider to sign in with.
///
/// Needs a step-up. The last way can't be removed.
#[utoipa::path(delete, path = "/v1/me/identities/{provider}", tag = "identity",
    params(("provider" = ProviderName, Path)), responses((status = 204)))]
pub async fn unlink(
    State(state): State<AppState>,
    Path(provider): Path<ProviderName>,
    Fresh(caller): Fresh,
    device: Device,
) -> Result<StatusCode, ApiError> {
    state.oauth.unlink(&caller, provider, &device).await?;
    state.changed(caller.user_id).await;
    Ok(StatusCode::NO_CONTENT)
}
