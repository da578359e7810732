use chrono::{DateTime, Utc};
use platform::money::Money;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MoneySchema, stored};
use crate::accounts::users::instant;

/// What a transfer did to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entry {
    /// The transfer.
    pub transfer_id: Uuid,
    /// What came in; negative: what went out.
    #[schema(value_type = MoneySchema)]
    pub amount: Money,
    /// What was in the account then.
    #[schema(value_type = MoneySchema)]
    pub balance_after: Money,
    /// When.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
}

/// Reads the entries of one of a user's accounts, newest first: `limit` of them
/// that came before that of the transfer `before`.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], when the account is someone else's or has no
/// such entry; or when the store doesn't answer.
pub async fn entries(
    connection: &mut PgConnection,
    user_id: Uuid,
    account_id: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Entry>> {
    super::get(&mut *connection, user_id, account_id).await?;
    let before =
        match before {
            // A database that lags may not have it yet; then it can't tell what was before.
            Some(transfer_id) => sqlx::query_scalar!(
                "SELECT account_version FROM entries WHERE transfer_id = $1 AND account_id = $2",
                transfer_id,
                account_id,
            )
            .fetch_one(&mut *connection)
            .await?,
            None => i64::MAX,
        };
    let rows = sqlx::query!(
        "SELECT e.transfer_id, e.currency, e.amount, e.balance_after, t.created_at
         FROM entries e JOIN transfers t ON t.id = e.transfer_id
         WHERE e.account_id = $1 AND e.account_version < $2
         ORDER BY e.account_version DESC LIMIT $3",
        account_id,
        before,
        limit,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Entry {
                transfer_id: row.transfer_id,
                amount: stored(row.amount, &row.currency)?,
                balance_after: stored(row.balance_after, &row.currency)?,
                created_at: row.created_at,
            })
        })
        .collect()
}
