//! The caller's accounts of money.

use axum::{extract::State, response::Response};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{PRIVATE, tagged};
use crate::{
    accounts::money::Account,
    app::AppState,
    edge::{
        error::ApiError,
        extract::{IfNoneMatch, Limit, Path, Query},
    },
    identity::Caller,
    upstream::{Context, view::Page},
};

crate::request! {
    /// Which page of the list.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct AccountsQuery {
        /// How many.
        limit: Limit,
        /// From an earlier page.
        cursor: Option<String>,
    }
}

/// List the caller's open accounts, oldest first.
#[utoipa::path(get, path = "/v1/accounts", tag = "money", params(AccountsQuery),
    responses((status = 200, body = Page<Account>), (status = 304, description = "Nothing has changed")))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<AccountsQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let list: &[&[u8]] = &[b"accounts", caller.user_id.as_bytes()];
    let after = state.cursors.read(list, query.cursor.as_deref())?;
    // One more tells whether there is another page.
    let rows = i64::from(query.limit.0) + 1;
    let (from, deadline) = (&state.sources.accounts, context.deadline);
    let accounts = from.list(deadline, caller.user_id, after, rows).await?;
    let cursor = |last: &Account| state.cursors.make(list, last.id);
    tagged(&known, &Page::cut(accounts, query.limit.0, cursor), PRIVATE)
}

/// One of the caller's accounts, closed ones too.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "money", params(("id" = Uuid, Path)),
    responses((status = 200, body = Account), (status = 304, description = "Nothing has changed")))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let account = state
        .sources
        .accounts
        .account(context.deadline, caller.user_id, id)
        .await?;
    tagged(&known, &account, PRIVATE)
}
