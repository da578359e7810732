//! What the OpenAPI document says beyond its paths.

use utoipa::{
    Modify, OpenApi, PartialSchema as _, ToSchema as _,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, Ref, RefOr, ResponseBuilder,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    credentials::SESSION_COOKIE,
    error::{Code, FieldError, Problem},
    extract::{AnyText, Cursor, IfNoneMatch, Limit, Name},
    idempotency::IdempotencyKey,
};
use crate::{
    events::live::Position,
    handlers::{
        items::{Sort, TagText, Words},
        statement::{Format, When},
    },
    identity::oauth::ProviderName,
    schema::{AmountText, CurrencyCode},
};

/// The document that the routes are added to.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portico",
        description = "One edge for a frontend: identity, money, catalogue and orders, and screens \
                       that answer even when a service behind is down.\n\n\
                       Errors are `application/problem+json` (RFC 9457); `code` says which, and \
                       `/problems/{code}` explains it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    // The last ones stand in parameters, whose schemas aren't collected.
    components(schemas(
        Problem, FieldError, Code, Limit, Cursor, AnyText, Position, When, AmountText, CurrencyCode, IdempotencyKey, ProviderName, Sort, Words, TagText, Format
    )),
    // Of whatever doesn't say that it is for everybody.
    security(("access_token" = []), ("session_cookie" = [])),
    modifiers(&Common)
)]
pub struct Document;

struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        // The macro above takes no numbers.
        for (name, schema) in [
            (Name::<64>::name(), Name::<64>::schema()),
            (Name::<100>::name(), Name::<100>::schema()),
        ] {
            components.schemas.insert(name.into(), schema);
        }
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("PASETO v4.public");
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer.build()));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        components.add_security_scheme("session_cookie", cookie);
    }
}

/// Gives every operation a name of its own, and what it may answer besides what
/// it says itself: any problem.
pub fn complete(document: &mut utoipa::openapi::OpenApi) {
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let request_id = HeaderBuilder::new()
        .description(Some("Ties the answer to its log lines"))
        .build();
    let response = ResponseBuilder::new()
        .description("A problem; `code` says which")
        .content("application/problem+json", problem)
        .header("X-Request-Id", request_id)
        .build();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(operation_id(method, path));
            let responses = &mut operation.responses.responses;
            responses
                .entry("default".into())
                .or_insert_with(|| RefOr::T(response.clone()));
            if looks_at_tags(operation) {
                tell_of_tags(operation);
            }
        }
    }
}

fn looks_at_tags(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| matches!(parameter, RefOr::T(one) if one.name == IfNoneMatch::NAME))
}

/// What a read that takes a tag answers: with one, or that nothing has changed.
fn tell_of_tags(operation: &mut Operation) {
    let header = |text| HeaderBuilder::new().description(Some(text)).build();
    let tag = header("A strong tag of the content; none when it isn't for keeping");
    let kept = header("Who may keep it, and for how long; `no-store` without an `ETag`");
    let responses = &mut operation.responses.responses;
    let unchanged = ResponseBuilder::new().description("Nothing has changed");
    responses.insert("304".into(), RefOr::T(unchanged.build()));
    for status in ["200", "304"] {
        if let Some(RefOr::T(response)) = responses.get_mut(status) {
            let headers = &mut response.headers;
            headers.insert("ETag".into(), RefOr::T(tag.clone()));
            headers.insert("Cache-Control".into(), RefOr::T(kept.clone()));
        }
    }
}

/// `get /v1/accounts/{id}/entries` is `getAccountsByIdEntries` in generated code.
fn operation_id(method: &str, path: &str) -> String {
    let words = path
        .trim_start_matches("/v1")
        .split(['/', '-', '.', '_'])
        .filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |mut id, word| {
        let (by, word) = match word.strip_prefix('{') {
            Some(name) => ("By", name.trim_end_matches('}')),
            None => ("", word),
        };
        id += by;
        let (first, rest) = word.split_at(1);
        id += &first.to_ascii_uppercase();
        id + rest
    })
}
