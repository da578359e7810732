//! The caller's accounts of money.

use axum::{Json, extract::State, response::Response};
use futures::FutureExt as _;
use http::StatusCode;
use platform::{currency::Currency, postgres::constraint};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PRIVATE, cursor::PageQuery, tagged};
use crate::{
    accounts::{
        money::{self, Account, Entry, NewAccount},
        users::Change,
    },
    app::AppState,
    edge::{
        error::{ApiError, Code, FieldError},
        extract::{Body, IfNoneMatch, Name, Path, Query},
    },
    identity::Caller,
    schema::CurrencyCode,
    upstream::{Context, Read, view::Page},
};

/// List the caller's open accounts, oldest first.
#[utoipa::path(get, path = "/v1/accounts", tag = "money", params(PageQuery, Context, IfNoneMatch),
    responses((status = 200, body = Page<Account>)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let list: &[&[u8]] = &[b"accounts", caller.user_id.as_bytes()];
    let after = state.cursors.read(list, query.cursor.as_ref())?;
    let (from, user_id, rows) = (&state.sources.accounts, caller.user_id, query.limit.rows());
    let accounts = from
        .read(Read::Money, context.deadline, user_id, |c| {
            money::list(c, user_id, after, rows).boxed()
        })
        .await?;
    let cursor = |last: &Account| state.cursors.make(list, last.id);
    tagged(&known, &Page::cut(accounts, query.limit.0, cursor), PRIVATE)
}

/// One of the caller's accounts, closed ones too.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "money", params(("id" = Uuid, Path), Context, IfNoneMatch),
    responses((status = 200, body = Account)))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let (from, user_id) = (&state.sources.accounts, caller.user_id);
    let account = from
        .read(Read::Money, context.deadline, user_id, |c| {
            money::get(c, user_id, id).boxed()
        })
        .await?;
    tagged(&known, &account, PRIVATE)
}

/// What happened in one of the caller's accounts, newest first.
#[utoipa::path(get, path = "/v1/accounts/{id}/entries", tag = "money", params(("id" = Uuid, Path), PageQuery, Context, IfNoneMatch),
    responses((status = 200, body = Page<Entry>)))]
pub async fn entries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let list: &[&[u8]] = &[b"entries", caller.user_id.as_bytes(), id.as_bytes()];
    let before = state.cursors.read(list, query.cursor.as_ref())?;
    let (from, user_id, rows) = (&state.sources.accounts, caller.user_id, query.limit.rows());
    let entries = from
        .read(Read::Money, context.deadline, user_id, |c| {
            money::entries(c, user_id, id, before, rows).boxed()
        })
        .await?;
    let cursor = |last: &Entry| state.cursors.make(list, last.transfer_id);
    tagged(&known, &Page::cut(entries, query.limit.0, cursor), PRIVATE)
}

crate::request! {
    /// An account to be opened.
    #[derive(ToSchema)]
    pub struct OpenAccount {
        /// What it is kept in (ISO 4217).
        #[schema(value_type = CurrencyCode)]
        currency: Currency,
        /// What to call it.
        name: Option<Name<100>>,
    }
}

/// Open an account.
///
/// There may be one open in each currency.
#[utoipa::path(post, path = "/v1/accounts", tag = "money", request_body = OpenAccount,
    responses((status = 201, body = Account)))]
pub async fn open(
    State(state): State<AppState>,
    caller: Caller,
    Body(body): Body<OpenAccount>,
) -> Result<(StatusCode, Json<Account>), ApiError> {
    let new = NewAccount {
        id: state.clock.new_id(),
        user_id: caller.user_id,
        currency: body.currency,
        name: body.name.map(|name| name.0),
    };
    let opened = money::open(&state.accounts, &new, &*state.clock).await;
    let account = opened.map_err(|error| match error {
        sqlx::Error::RowNotFound => ApiError::new(Code::Unauthenticated),
        error => broken(error),
    })?;
    state.changed(caller.user_id).await;
    Ok((StatusCode::CREATED, Json(account)))
}

crate::request! {
    /// What is to be changed.
    #[derive(ToSchema)]
    pub struct RenameAccount {
        /// What to call it from now on; null: nothing.
        #[schema(value_type = Option<Name<100>>)]
        name: Change<Name<100>>,
    }
}

/// Rename one of the caller's accounts.
#[utoipa::path(patch, path = "/v1/accounts/{id}", tag = "money", params(("id" = Uuid, Path)),
    request_body = RenameAccount, responses((status = 200, body = Account)))]
pub async fn rename(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(body): Body<RenameAccount>,
) -> Result<Json<Account>, ApiError> {
    let (pool, user_id) = (&state.accounts, caller.user_id);
    let account = match body.name {
        Change::Keep => money::get(pool, user_id, id).await,
        Change::Clear => money::rename(pool, user_id, id, None, &*state.clock).await,
        Change::Set(Name(name)) => {
            money::rename(pool, user_id, id, Some(&name), &*state.clock).await
        }
    };
    let account = account.map_err(broken)?;
    state.changed(user_id).await;
    Ok(Json(account))
}

/// Close one of the caller's accounts.
///
/// There has to be no money in it. What happened in it can still be read.
#[utoipa::path(delete, path = "/v1/accounts/{id}", tag = "money", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub async fn close(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    let closed = money::close(&state.accounts, caller.user_id, id, &*state.clock).await;
    closed.map_err(broken)?;
    state.changed(caller.user_id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The rules of accounts that the database keeps, as answers.
fn broken(error: sqlx::Error) -> ApiError {
    if matches!(error, sqlx::Error::RowNotFound) {
        return ApiError::new(Code::NotFound);
    }
    match constraint(&error) {
        Some(money::ONE_PER_CURRENCY) => {
            let detail = "there is an open account in this currency";
            let taken = FieldError::new("/currency", "taken", detail);
            ApiError::new(Code::Conflict).errors(vec![taken])
        }
        Some(money::CLOSED_IS_EMPTY) => ApiError::new(Code::AccountNotEmpty),
        _ => error.into(),
    }
}
