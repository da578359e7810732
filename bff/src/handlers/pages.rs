//! Pages for people: the documentation and the meaning of each problem.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use super::tagged_bytes;
use crate::{
    app::AppState,
    edge::{
        error::{ApiError, Code},
        extract::{IfNoneMatch, Path},
    },
};

/// What a page may load: its own style, nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// The OpenAPI document.
pub async fn openapi(State(state): State<AppState>, known: IfNoneMatch) -> Response {
    let (document, etag) = state.openapi.clone();
    known.answer(document, Some(etag), "public, max-age=60")
}

/// Explain a problem's code.
#[utoipa::path(get, path = "/problems/{code}", tag = "problems", security(()), params(("code" = Code, Path), IfNoneMatch),
    responses((status = 200, content_type = "text/html", body = String)))]
pub async fn problem(Path(code): Path<String>, known: IfNoneMatch) -> Result<Response, ApiError> {
    let code = Code::parse(&code).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let (name, title, status) = (code.as_str(), code.title(), code.status().as_u16());
    let text = marked_up(code.page());
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>\
         <h1>{title}</h1><p><code>{name}</code>, status {status}</p><p>{text}</p></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    let page = tagged_bytes(&known, html.into(), "public, max-age=3600");
    Ok((headers, page).into_response())
}

/// What stands between backticks is code.
fn marked_up(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let pieces = escaped.split('`').enumerate();
    pieces
        .map(|(index, piece)| match index % 2 {
            1 => format!("<code>{piece}</code>"),
            _ => piece.to_owned(),
        })
        .collect()
}

/// All codes, for programs and people.
#[utoipa::path(get, path = "/problems", tag = "problems", security(()), responses((status = 200, body = Vec<String>)))]
pub async fn problems() -> Json<Vec<&'static str>> {
    Json(Code::ALL.iter().map(|code| code.as_str()).collect())
}
