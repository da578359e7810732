//! Looking after users: support reads, administrators change.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    accounts::{
        administration::{self, ManagedUser, UserFilter},
        credentials::UserStatus,
        trail::{self, AuditFilter, AuditLine},
    },
    app::AppState,
    edge::{
        error::{ApiError, Code},
        extract::{Body, Cursor, Limit, Name, Path, Query},
        roles::{Admin, Support},
    },
    identity::{
        Role,
        administration::{Actor, Standing, UserChange},
        session::Device,
    },
    upstream::view::Page,
};

crate::request! {
    /// Which users.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct UsersQuery {
        /// A part of a name or an address, or a whole id.
        query: Option<Name<100>>,
        /// Only those with this role.
        role: Option<Role>,
        /// Only those with this status.
        status: Option<UserStatus>,
        /// How many.
        #[param(required = false)]
        limit: Limit,
        /// From an earlier page of the same query.
        cursor: Option<Cursor>,
    }
}

crate::request! {
    /// What is to be otherwise; what is missing stays.
    #[derive(ToSchema)]
    pub struct ChangeUser {
        /// What the user may do.
        role: Option<Role>,
        /// `active` or `blocked`.
        status: Option<Standing>,
    }
}

crate::request! {
    /// Which lines of the trail.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct AuditQuery {
        /// What happened to this user.
        user_id: Option<Uuid>,
        /// What this user did.
        actor_id: Option<Uuid>,
        /// What happened, such as `session.opened`.
        event: Option<Name<64>>,
        /// Not before this.
        from: Option<DateTime<Utc>>,
        /// Before this.
        until: Option<DateTime<Utc>>,
        /// How many.
        #[param(required = false)]
        limit: Limit,
        /// From an earlier page of the same query.
        cursor: Option<Cursor>,
    }
}

/// List users, the youngest first.
#[utoipa::path(get, path = "/v1/admin/users", tag = "administration", params(UsersQuery),
    responses((status = 200, body = Page<ManagedUser>)))]
pub async fn users(
    State(state): State<AppState>,
    _: Support,
    Query(asked): Query<UsersQuery>,
) -> Result<Json<Page<ManagedUser>>, ApiError> {
    let filter = UserFilter {
        query: asked.query.map(|query| query.0),
        role: asked.role,
        status: asked.status,
    };
    let list = json!(["admin users", filter.query, filter.role, filter.status]).to_string();
    let list: &[&[u8]] = &[list.as_bytes()];
    let after = state.cursors.read(list, asked.cursor.as_ref())?;
    let rows = asked.limit.rows();
    let users = administration::list(&state.accounts, &filter, after, rows).await?;
    let cursor = |last: &ManagedUser| state.cursors.make(list, last.id);
    Ok(Json(Page::cut(users, asked.limit.0, cursor)))
}

/// One user, gone ones too.
#[utoipa::path(get, path = "/v1/admin/users/{id}", tag = "administration",
    params(("id" = Uuid, Path)), responses((status = 200, body = ManagedUser)))]
pub async fn user(
    State(state): State<AppState>,
    _: Support,
    Path(id): Path<Uuid>,
) -> Result<Json<ManagedUser>, ApiError> {
    shown(&state, id).await
}

async fn shown(state: &AppState, id: Uuid) -> Result<Json<ManagedUser>, ApiError> {
    let user = administration::find(&state.accounts, id).await?;
    user.map(Json).ok_or_else(|| ApiError::new(Code::NotFound))
}

/// Change what a user may do, or block one.
///
/// The user's sessions end. Only those below one's own rank can be changed.
#[utoipa::path(patch, path = "/v1/admin/users/{id}", tag = "administration",
    params(("id" = Uuid, Path)), request_body = ChangeUser, responses((status = 200, body = ManagedUser)))]
pub async fn change(
    State(state): State<AppState>,
    Admin(caller): Admin,
    device: Device,
    Path(id): Path<Uuid>,
    Body(asked): Body<ChangeUser>,
) -> Result<Json<ManagedUser>, ApiError> {
    let change = UserChange {
        role: asked.role,
        status: asked.status,
    };
    let actor = Actor::Admin(&caller, &device);
    state.administration.change(actor, id, change).await?;
    state.changed(id).await;
    shown(&state, id).await
}

/// End all sessions of a user.
///
/// Only of those below one's own rank.
#[utoipa::path(post, path = "/v1/admin/users/{id}/sign-out", tag = "administration",
    params(("id" = Uuid, Path)), responses((status = 204)))]
pub async fn sign_out(
    State(state): State<AppState>,
    Admin(caller): Admin,
    device: Device,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    let actor = Actor::Admin(&caller, &device);
    state.administration.sign_out(actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read the audit trail, newest first.
#[utoipa::path(get, path = "/v1/admin/audit", tag = "administration", params(AuditQuery),
    responses((status = 200, body = Page<AuditLine>)))]
pub async fn audit(
    State(state): State<AppState>,
    _: Support,
    Query(asked): Query<AuditQuery>,
) -> Result<Json<Page<AuditLine>>, ApiError> {
    let filter = AuditFilter {
        user_id: asked.user_id,
        actor_id: asked.actor_id,
        event: asked.event.map(|event| event.0),
        from: asked.from,
        until: asked.until,
    };
    let AuditFilter {
        user_id,
        actor_id,
        event,
        from,
        until,
    } = &filter;
    let list = json!(["audit", user_id, actor_id, event, from, until]).to_string();
    let list: &[&[u8]] = &[list.as_bytes()];
    let after = state.cursors.read(list, asked.cursor.as_ref())?;
    let rows = asked.limit.rows();
    let lines = trail::list(&state.accounts, &filter, after, rows).await?;
    let cursor = |last: &AuditLine| state.cursors.make(list, last.id);
    Ok(Json(Page::cut(lines, asked.limit.0, cursor)))
}
