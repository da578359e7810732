use chrono::{DateTime, Utc};
use platform::{clock::Clock, currency::Currency, money::Money, outbox};
use proto::events::AccountUpdated;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MoneySchema, stored};
use crate::{
    accounts::{persist, users::instant},
    events::new_event,
    upstream::Primary,
};

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "account_status", rename_all = "snake_case")]
pub enum AccountStatus {
    /// It can.
    Open,
    /// Not any more; it is empty.
    Closed,
}

/// A user's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Whether it can be used.
    pub status: AccountStatus,
    /// What is in it.
    #[schema(value_type = MoneySchema)]
    pub balance: Money,
    /// Of that, what is set aside for payments under way.
    #[schema(value_type = MoneySchema)]
    pub held: Money,
    /// What can be spent: `balance` less `held`.
    #[schema(value_type = MoneySchema)]
    pub available: Money,
    /// When it was opened.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    name: Option<String>,
    status: AccountStatus,
    currency: String,
    balance: Decimal,
    held: Decimal,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Account {
    type Error = sqlx::Error;

    /// Fails only for what the table's checks refuse.
    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let balance = stored(row.balance, &row.currency)?;
        let held = stored(row.held, &row.currency)?;
        Ok(Self {
            id: row.id,
            name: row.name,
            status: row.status,
            available: balance
                .minus(held)
                .map_err(|error| sqlx::Error::Decode(error.into()))?,
            balance,
            held,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Reads a user's open accounts, oldest first: `limit` of them that were
/// opened after the account `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn list(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Account>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, name, status AS "status: AccountStatus", currency, balance, held, created_at, updated_at
           FROM accounts
           WHERE user_id = $1 AND kind = 'user' AND status = 'open' AND ($2::uuid IS NULL OR id > $2)
           ORDER BY id LIMIT $3"#,
        user_id,
        after,
        limit,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Reads one of a user's accounts, closed or not.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], also when it is someone else's; or when the
/// store doesn't answer.
pub async fn get(executor: impl PgExecutor<'_>, user_id: Uuid, id: Uuid) -> sqlx::Result<Account> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, name, status AS "status: AccountStatus", currency, balance, held, created_at, updated_at
           FROM accounts WHERE id = $1 AND user_id = $2 AND kind = 'user'"#,
        id,
        user_id,
    )
    .fetch_one(executor)
    .await?
    .try_into()
}

/// An account that is about to be opened.
#[derive(Debug)]
pub struct NewAccount {
    /// Its id, by which it is known when it is opened a second time.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What it is kept in.
    pub currency: Currency,
    /// What its owner calls it.
    pub name: Option<String>,
}

/// The constraint that refuses a second open account in one currency.
pub const ONE_PER_CURRENCY: &str = "accounts_one_open_per_currency";

/// The constraint that refuses to close an account with money in it.
pub const CLOSED_IS_EMPTY: &str = "accounts_closed_is_empty";

/// Opens an account, once, unless its owner isn't active. A deletion under way is
/// waited for, so that no account appears behind its last look at them; the
/// weaker `FOR KEY SHARE` would go by what the owner was before.
///
/// # Errors
/// [`ONE_PER_CURRENCY`], when its owner has one; [`sqlx::Error::RowNotFound`],
/// when the owner isn't active; or when the store doesn't answer.
pub async fn open(pool: &Primary, new: &NewAccount, clock: &dyn Clock) -> sqlx::Result<Account> {
    persist(pool.unguarded(), || try_open(pool, new, clock)).await
}

async fn try_open(pool: &Primary, new: &NewAccount, clock: &dyn Clock) -> sqlx::Result<Account> {
    let mut transaction = pool.begin().await?;
    let row = sqlx::query_as!(
        Row,
        r#"WITH owner AS (
               SELECT id FROM users WHERE id = $2 AND status = 'active' FOR SHARE)
           INSERT INTO accounts (id, kind, user_id, name, currency, minor_units, created_at, updated_at)
           SELECT $1, 'user', owner.id, $3, code, minor_units, $5, $5 FROM owner, currencies WHERE code = $4
           ON CONFLICT (id) DO NOTHING
           RETURNING id, name, status AS "status: AccountStatus", currency, balance, held, created_at, updated_at"#,
        new.id,
        new.user_id,
        new.name,
        new.currency.code(),
        clock.now(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else {
        // Unless an earlier try was committed after all.
        return get(&mut *transaction, new.user_id, new.id).await;
    };
    tell(&mut *transaction, row.id, new.user_id, clock).await?;
    transaction.commit().await?;
    row.try_into()
}

/// Gives one of a user's accounts another name, or none.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], also when it is someone else's; or when the
/// store doesn't answer.
pub async fn rename(
    pool: &Primary,
    user_id: Uuid,
    id: Uuid,
    name: Option<&str>,
    clock: &dyn Clock,
) -> sqlx::Result<Account> {
    persist(pool.unguarded(), || {
        try_rename(pool, user_id, id, name, clock)
    })
    .await
}

async fn try_rename(
    pool: &Primary,
    user_id: Uuid,
    id: Uuid,
    name: Option<&str>,
    clock: &dyn Clock,
) -> sqlx::Result<Account> {
    let mut transaction = pool.begin().await?;
    let row = sqlx::query_as!(
        Row,
        r#"UPDATE accounts SET name = $3, updated_at = GREATEST(updated_at, $4)
           WHERE id = $1 AND user_id = $2
           RETURNING id, name, status AS "status: AccountStatus", currency, balance, held, created_at, updated_at"#,
        id,
        user_id,
        name,
        clock.now(),
    )
    .fetch_one(&mut *transaction)
    .await?;
    tell(&mut *transaction, id, user_id, clock).await?;
    transaction.commit().await?;
    row.try_into()
}

/// Closes one of a user's accounts, once. Its history stays.
///
/// # Errors
/// [`CLOSED_IS_EMPTY`], when there is money in it; [`sqlx::Error::RowNotFound`],
/// also when it is someone else's; or when the store doesn't answer.
pub async fn close(pool: &Primary, user_id: Uuid, id: Uuid, clock: &dyn Clock) -> sqlx::Result<()> {
    persist(pool.unguarded(), || try_close(pool, user_id, id, clock)).await
}

async fn try_close(pool: &Primary, user_id: Uuid, id: Uuid, clock: &dyn Clock) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    get(&mut *transaction, user_id, id).await?;
    if close_open(&mut transaction, user_id, Some(id), clock).await? {
        tell(&mut *transaction, id, user_id, clock).await?;
    }
    transaction.commit().await
}

/// Closes all of a user's accounts, in the transaction in which the user leaves.
///
/// # Errors
/// [`CLOSED_IS_EMPTY`], when there is money in one; or when the store doesn't
/// answer.
pub async fn close_all(
    connection: &mut PgConnection,
    user_id: Uuid,
    clock: &dyn Clock,
) -> sqlx::Result<()> {
    close_open(connection, user_id, None, clock).await.map(drop)
}

/// Closes one of a user's accounts, or all. Returns whether any was open.
async fn close_open(
    connection: &mut PgConnection,
    user_id: Uuid,
    id: Option<Uuid>,
    clock: &dyn Clock,
) -> sqlx::Result<bool> {
    let closed = sqlx::query!(
        "UPDATE accounts SET status = 'closed',
             closed_at = GREATEST(updated_at, $3), updated_at = GREATEST(updated_at, $3)
         WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND kind = 'user' AND status = 'open'",
        user_id,
        id,
        clock.now(),
    )
    .execute(connection)
    .await?;
    Ok(closed.rows_affected() > 0)
}

/// Tells whoever keeps the account somewhere that it changed.
async fn tell(
    executor: impl PgExecutor<'_>,
    account_id: Uuid,
    user_id: Uuid,
    clock: &dyn Clock,
) -> sqlx::Result<()> {
    let event = AccountUpdated {
        account_id,
        user_id,
    };
    outbox::append(executor, &new_event(0, &event, clock)).await
}
