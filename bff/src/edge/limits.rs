//! Limits on requests, by class of route (draft-ietf-httpapi-ratelimit-headers).

use std::time::Duration;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue};

use super::{
    authenticate::authenticate,
    client_address::ClientAddress,
    error::{ApiError, Code},
};
use crate::{
    app::AppState,
    limits::{Class, Decision, Policy, Subject},
};

/// What the class allows, for every answer of its routes.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A limited group of routes: the app, and the class that the group counts as.
#[derive(Debug, Clone)]
pub struct Limited {
    /// The app.
    pub state: AppState,
    /// The class.
    pub class: Class,
}

/// Counts a request: by user when it proves one, else by the client's address.
/// A proof that is worth nothing counts by address too, and is left to the
/// handler to refuse.
pub async fn limit(State(group): State<Limited>, request: Request, next: Next) -> Response {
    let Limited { state, class } = group;
    let (mut parts, body) = request.into_parts();
    let user = if class.is_strict() {
        None
    } else {
        authenticate(&mut parts, &state).await.ok().flatten()
    };
    let subject = match user {
        Some(caller) => Subject::User(caller.user_id),
        None => Subject::Address(address(&parts)),
    };
    let decision = state.limiter.check(class, subject).await;
    let mut response = if decision.allowed {
        next.run(Request::from_parts(parts, body)).await
    } else {
        ApiError::new(Code::RateLimited)
            .retry_after(decision.wait)
            .into_response()
    };
    tell(&mut response, class, state.limiter.policy(class), decision);
    response
}

fn address(parts: &http::request::Parts) -> std::net::IpAddr {
    let known = parts.extensions.get::<ClientAddress>();
    known.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |address| {
        address.bucket()
    })
}

fn tell(response: &mut Response, class: Class, policy: Policy, decision: Decision) {
    let name = class.as_str();
    let policy = format!(
        "\"{name}\";q={};w={}",
        policy.count,
        policy.window.as_secs()
    );
    let left = format!(
        "\"{name}\";r={};t={}",
        decision.remaining,
        whole_seconds(decision.wait)
    );
    let headers = response.headers_mut();
    for (header, value) in [(POLICY, policy), (LIMIT, left)] {
        let value = HeaderValue::try_from(value).expect("names and digits are visible ASCII");
        headers.insert(header, value);
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
