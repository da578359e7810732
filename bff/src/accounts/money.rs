//! Users' accounts of money.

use chrono::{DateTime, Utc};
use platform::money::Money;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::users::instant;

/// An exact amount in one currency, for the OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(as = Money)]
pub struct MoneySchema {
    /// A decimal number with exactly the currency's minor digits.
    #[schema(example = "12.30")]
    pub amount: String,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
}

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
        let decode = |error| sqlx::Error::Decode(Box::new(error));
        let currency = row
            .currency
            .parse()
            .map_err(|error| decode(platform::money::MoneyError::from(error)))?;
        let balance = Money::new(row.balance, currency).map_err(decode)?;
        let held = Money::new(row.held, currency).map_err(decode)?;
        Ok(Self {
            id: row.id,
            name: row.name,
            status: row.status,
            available: balance.minus(held).map_err(decode)?,
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
