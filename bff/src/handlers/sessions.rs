//! The caller's own sessions.

use std::net::IpAddr;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::signed_out;
use crate::{
    accounts::users::instant,
    app::AppState,
    edge::{error::ApiError, extract::Path},
    identity::{
        Caller,
        session::{Device, Mode, Session},
    },
};

/// A session, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    id: Uuid,
    mode: Mode,
    #[serde(serialize_with = "instant")]
    created_at: DateTime<Utc>,
    /// To the minute.
    #[serde(serialize_with = "instant")]
    last_seen_at: DateTime<Utc>,
    /// The address that it was opened from.
    #[schema(value_type = String)]
    ip: IpAddr,
    user_agent: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// All of them: there are ten at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    items: Vec<SessionView>,
    /// Always null: the list is complete.
    next_cursor: Option<String>,
}

impl SessionView {
    pub(super) fn new(session: Session, current: Uuid) -> Self {
        Self {
            id: session.id,
            mode: session.mode,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            ip: session.ip,
            user_agent: session.user_agent,
            current: session.id == current,
        }
    }
}

/// List the caller's living sessions, newest first.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "identity",
    responses((status = 200, body = SessionList)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<SessionList>, ApiError> {
    let sessions = state.sessions.list(caller.user_id).await?;
    let view = |session| SessionView::new(session, caller.session_id);
    Ok(Json(SessionList {
        items: sessions.into_iter().map(view).collect(),
        next_cursor: None,
    }))
}

/// End one of the caller's sessions.
///
/// In a browser, ending one's own signs out.
#[utoipa::path(delete, path = "/v1/auth/sessions/{id}", tag = "identity",
    params(("id" = Uuid, Path)), responses((status = 204)))]
pub async fn end(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    state.sign_in.end_session(&caller, id, &device).await?;
    Ok(match id == caller.session_id {
        true => signed_out(),
        false => StatusCode::NO_CONTENT.into_response(),
    })
}
