//! Everything that stands around every route, outermost first.

use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue, Method, header};
use tower::ServiceBuilder;
use tower_http::cors::CorsLayer;

use super::{
    credentials::Guard,
    extract::DEADLINE,
    limits::{Classes, Limits},
    observe::Observe,
    request_id,
    shed::Shed,
};
use crate::app::AppState;

/// Puts the layers around the routes, which count as these classes.
pub fn around(router: Router, classes: Classes, state: &AppState) -> Router {
    router.layer(
        ServiceBuilder::new()
            // Request id, log line, metrics, problem bodies, security headers, the
            // limit on a request's time, the end of panics.
            .layer(Observe::new(state.clone()))
            // Preflights are answered here, before anything counts them.
            .option_layer(cors(&state.settings.http.allowed_origins.0))
            // So many requests at once and no more; the rest is refused, unread.
            .layer(Shed::new(
                state.settings.http.max_in_flight,
                state.readiness.overloaded(),
            ))
            // Two proofs at once, and the cookie where another site could have
            // sent it, are refused on every route.
            .layer(Guard::new(&state.settings.http.allowed_origins.0))
            // So many requests of one user or address and no more.
            .layer(Limits::new(state.clone(), classes)),
    )
}

/// Pages of these origins, and no others, may call the API with the cookie.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_credentials(true)
            .allow_methods([
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("last-event-id"),
                HeaderName::from_static("traceparent"),
                HeaderName::from_static("x-csrf"),
                DEADLINE,
                request_id::HEADER,
            ])
            .expose_headers([
                header::ETAG,
                header::RETRY_AFTER,
                HeaderName::from_static("ratelimit"),
                HeaderName::from_static("ratelimit-policy"),
                HeaderName::from_static("idempotent-replayed"),
                request_id::HEADER,
            ])
            .max_age(Duration::from_secs(600))
            // Nothing but preflights, which aren't kept, depends on more.
            .vary([header::ORIGIN])
    })
}
