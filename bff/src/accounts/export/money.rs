//! The money of it.

use chrono::{DateTime, Utc};
use platform::money::Money;
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::accounts::{
    money::stored,
    users::{instant, optional_instant},
};

/// An account.
#[derive(Debug, Serialize)]
pub struct ExportedAccount {
    /// Its id.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What is in it.
    pub balance: Money,
    /// Of that, what is set aside.
    pub held: Money,
    /// When it was opened.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When anything of it last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
    /// When it was closed.
    #[serde(serialize_with = "optional_instant")]
    pub closed_at: Option<DateTime<Utc>>,
}

/// What a transfer did to one of the user's accounts.
#[derive(Debug, Serialize)]
pub struct ExportedEntry {
    /// The account.
    pub account_id: Uuid,
    /// Its place in the account's history.
    pub number: i64,
    /// The transfer.
    pub transfer_id: Uuid,
    /// Where it came from.
    pub from_account_id: Uuid,
    /// Where it went.
    pub to_account_id: Uuid,
    /// Negative: left the account.
    pub amount: Money,
    /// What was in the account then.
    pub balance_after: Money,
    /// What was written beside it.
    pub note: Option<String>,
    /// When it happened.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
}

/// Money that was set aside for a payment.
#[derive(Debug, Serialize)]
pub struct ExportedHold {
    /// The payment.
    pub id: Uuid,
    /// The account.
    pub account_id: Uuid,
    /// What became of it.
    pub state: String,
    /// How much.
    pub amount: Money,
    /// When it was set aside.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When its state last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
    /// Until when, unless the payment comes.
    #[serde(serialize_with = "instant")]
    pub expires_at: DateTime<Utc>,
    /// The transfer that took it.
    pub transfer_id: Option<Uuid>,
}

/// Accounts, closed ones too: `limit` of those after `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn accounts(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<ExportedAccount>> {
    let rows = sqlx::query!(
        "SELECT id, name, currency, balance, held, created_at, updated_at, closed_at FROM accounts
         WHERE user_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
        user_id,
        after,
        limit,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ExportedAccount {
                id: row.id,
                name: row.name,
                balance: stored(row.balance, &row.currency)?,
                held: stored(row.held, &row.currency)?,
                created_at: row.created_at,
                updated_at: row.updated_at,
                closed_at: row.closed_at,
            })
        })
        .collect()
}

/// What happened in an account, oldest first: `limit` entries after the one of
/// the number `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn entries(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<(Uuid, i64)>,
    limit: i64,
) -> sqlx::Result<Vec<ExportedEntry>> {
    let rows = sqlx::query!(
        "SELECT e.account_id, e.account_version, e.transfer_id, e.currency, e.amount, e.balance_after,
                t.debit_account_id, t.credit_account_id, t.note, t.created_at
         FROM accounts a
         JOIN entries e ON e.account_id = a.id
         JOIN transfers t ON t.id = e.transfer_id
         WHERE a.user_id = $1 AND ($2::uuid IS NULL OR (e.account_id, e.account_version) > ($2, $3::bigint))
         ORDER BY e.account_id, e.account_version LIMIT $4",
        user_id,
        after.map(|(account, _)| account),
        after.map(|(_, number)| number),
        limit,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ExportedEntry {
                account_id: row.account_id,
                number: row.account_version,
                transfer_id: row.transfer_id,
                from_account_id: row.debit_account_id,
                to_account_id: row.credit_account_id,
                amount: stored(row.amount, &row.currency)?,
                balance_after: stored(row.balance_after, &row.currency)?,
                note: row.note,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// What was set aside in the user's accounts: `limit` holds after `after`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn holds(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<ExportedHold>> {
    let rows = sqlx::query!(
        r#"SELECT h.id, h.account_id AS "account_id!", h.state::text AS "state!", h.currency AS "currency!",
                  h.amount AS "amount!", h.created_at, h.updated_at,
                  h.expires_at AS "expires_at!", h.transfer_id
           FROM accounts a JOIN holds h ON h.account_id = a.id
           WHERE a.user_id = $1 AND ($2::uuid IS NULL OR h.id > $2) ORDER BY h.id LIMIT $3"#,
        user_id,
        after,
        limit,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ExportedHold {
                id: row.id,
                account_id: row.account_id,
                state: row.state,
                amount: stored(row.amount, &row.currency)?,
                created_at: row.created_at,
                updated_at: row.updated_at,
                expires_at: row.expires_at,
                transfer_id: row.transfer_id,
            })
        })
        .collect()
}
