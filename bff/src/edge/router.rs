//! Every route, one line each.

use anyhow::Context as _;
use axum::{
    Router,
    middleware::{map_request, map_response},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{
    error::{ApiError, Code},
    extract::json_or_nothing,
    limits::Classes,
    openapi::{Document, complete},
};
use crate::{
    app::AppState,
    handlers::{
        accounts, admin, auth, codes, events, export, identities, items, life, me, oauth, orders,
        pages, passwords, screens::screen, sessions, statement, transfers, well_known,
    },
    limits::Class,
    screens::home::{HOME, Home},
};

/// The routes of the public listener, without the layers around them, and what
/// they count as.
pub fn routes(state: &AppState) -> (Router, Classes) {
    let (routes, classes) = documented();
    let (router, _) = routes.split_for_parts();
    let router = router
        .route("/openapi.json", get(pages::openapi))
        .merge(docs())
        .fallback(|| async { ApiError::new(Code::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::new(Code::MethodNotAllowed) })
        .with_state(state.clone());
    (router, classes)
}

/// The interactive documentation, every file of it from this program.
fn docs() -> Router<AppState> {
    let config = Config::from("/openapi.json").validator_url("none");
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  base-uri 'none'; frame-ancestors 'none'; form-action 'none'";
    let pages: Router<AppState> = SwaggerUi::new("/docs").config(config).into();
    pages
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(policy),
        ))
        // The pages have an empty answer of their own for it.
        .layer(map_response(async |page: Response| match page.status() {
            StatusCode::NOT_FOUND => ApiError::new(Code::NotFound).into_response(),
            _ => page,
        }))
}

/// The OpenAPI document, as JSON.
///
/// # Errors
/// Never for a document that a test has seen.
pub fn openapi() -> anyhow::Result<String> {
    let (routes, _) = documented();
    let mut document = routes.into_openapi();
    complete(&mut document);
    document.to_pretty_json().context("the OpenAPI document")
}

#[rustfmt::skip]
fn documented() -> (OpenApiRouter<AppState>, Classes) {
    let code_sends = OpenApiRouter::new()
        .routes(routes!(codes::verify_code))          // POST   /v1/auth/verify-code
        .routes(routes!(passwords::reset));           // POST   /v1/auth/reset-password
    let sign_in = OpenApiRouter::new()
        .routes(routes!(auth::register))              // POST   /v1/auth/register
        .routes(routes!(auth::login))                 // POST   /v1/auth/login
        .routes(routes!(codes::step_up))              // POST   /v1/auth/step-up
        .routes(routes!(oauth::start))                // GET    /v1/auth/oauth/{provider}/start
        .routes(routes!(passwords::update))           // POST   /v1/auth/update-password
        .routes(routes!(passwords::confirm_reset));   // POST   /v1/auth/confirm-reset-password
    let writes = OpenApiRouter::new()
        .routes(routes!(auth::logout))                // POST   /v1/auth/logout
        .routes(routes!(auth::logout_all))            // POST   /v1/auth/logout-all
        .routes(routes!(identities::link, identities::unlink)) // POST, DELETE /v1/me/identities/{provider}
        .routes(routes!(sessions::end))               // DELETE /v1/auth/sessions/{id}
        .routes(routes!(me::change))                  // PATCH  /v1/me
        .routes(routes!(me::add_identifier))          // POST   /v1/me/identifiers
        .routes(routes!(me::remove_identifier))       // DELETE /v1/me/identifiers/{kind}
        .routes(routes!(life::deactivate))            // POST   /v1/me/deactivate
        .routes(routes!(life::delete))                // DELETE /v1/me
        .routes(routes!(export::export))              // GET    /v1/me/export
        .routes(routes!(admin::change))               // PATCH  /v1/admin/users/{id}
        .routes(routes!(admin::sign_out))             // POST   /v1/admin/users/{id}/sign-out
        .routes(routes!(accounts::open))              // POST   /v1/accounts
        .routes(routes!(accounts::rename))            // PATCH  /v1/accounts/{id}
        .routes(routes!(accounts::close))             // DELETE /v1/accounts/{id}
        .routes(routes!(transfers::create))           // POST   /v1/transfers
        .routes(routes!(transfers::deposit))          // POST   /v1/admin/accounts/{id}/deposit
        .route_layer(map_request(json_or_nothing));
    let reads = OpenApiRouter::new()
        .routes(routes!(sessions::list))              // GET    /v1/auth/sessions
        .routes(routes!(me::show))                    // GET    /v1/me
        .routes(routes!(accounts::list))              // GET    /v1/accounts
        .routes(routes!(accounts::show))              // GET    /v1/accounts/{id}
        .routes(routes!(accounts::entries))           // GET    /v1/accounts/{id}/entries
        .routes(routes!(statement::show))             // GET    /v1/accounts/{id}/statement
        .routes(routes!(transfers::list))             // GET    /v1/transfers
        .routes(routes!(transfers::show))             // GET    /v1/transfers/{id}
        .routes(routes!(orders::list))                // GET    /v1/orders
        .routes(routes!(orders::show))                // GET    /v1/orders/{id}
        .routes(screen::<Home>(&HOME))                // GET    /v1/screens/home
        .routes(routes!(events::stream))              // GET    /v1/events
        .routes(routes!(admin::users))                // GET    /v1/admin/users
        .routes(routes!(admin::user))                 // GET    /v1/admin/users/{id}
        .routes(routes!(admin::audit));               // GET    /v1/admin/audit
    let public = OpenApiRouter::new()
        .routes(routes!(auth::refresh))               // POST   /v1/auth/refresh
        .routes(routes!(oauth::exchange))             // POST   /v1/auth/oauth/exchange
        .routes(routes!(oauth::callback))             // GET    /v1/auth/oauth/{provider}/callback
        .routes(routes!(items::list))                 // GET    /v1/items
        .routes(routes!(items::show))                 // GET    /v1/items/{id}
        .routes(routes!(well_known::paseto_keys))     // GET    /.well-known/paseto-keys
        .routes(routes!(pages::problems))             // GET    /problems
        .routes(routes!(pages::problem));             // GET    /problems/{code}
    // By what the document says of them: nothing else in a group is counted.
    let groups = [
        (code_sends, Class::Code),
        (sign_in, Class::Auth),
        (writes, Class::Write),
        (reads, Class::Read),
        (public, Class::Public),
    ];
    let mut all = OpenApiRouter::with_openapi(Document::openapi());
    let mut classes = Classes::default();
    for (group, class) in groups {
        classes.add(&group.get_openapi().paths, class);
        all = all.merge(group);
    }
    (all, classes)
}
