use std::ops::Range;

use chrono::{DateTime, Utc};
use platform::money::Money;
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::stored;
use crate::accounts::users::instant;

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its place in the account's history, from 1.
    pub number: i64,
    /// When.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// The transfer.
    pub transfer_id: Uuid,
    /// What came in; negative: what went out.
    pub amount: Money,
    /// What was in the account then.
    pub balance_after: Money,
    /// What the transfer was for.
    pub note: Option<String>,
}

/// Finds the part of an account's history that begins at `from` and ends before
/// `to`, by number; without them, at its beginning and its end. It looks at a
/// few entries, however many there are: along an account's history time doesn't
/// run backwards.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], when the account is someone else's; or when the
/// store doesn't answer.
pub async fn statement(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    account_id: Uuid,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
) -> sqlx::Result<Range<i64>> {
    // Halves what is left until it is empty, for each end of the time.
    let numbers = sqlx::query!(
        r#"WITH RECURSIVE search AS (
               SELECT ends, at, 1::bigint AS low, a.version + 1 AS high
               FROM accounts a CROSS JOIN (VALUES
                   (false, COALESCE($3::timestamptz, '-infinity')),
                   (true, COALESCE($4::timestamptz, 'infinity'))) AS bounds (ends, at)
               WHERE a.id = $1 AND a.user_id = $2 AND a.kind = 'user'
               UNION ALL
               SELECT ends, at, CASE WHEN t.created_at < at THEN middle + 1 ELSE low END,
                      CASE WHEN t.created_at < at THEN high ELSE middle END
               FROM search
               CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS half
               JOIN entries e ON e.account_id = $1 AND e.account_version = middle
               JOIN transfers t ON t.id = e.transfer_id
               WHERE low < high)
           SELECT min(low) FILTER (WHERE NOT ends) AS "from!", min(low) FILTER (WHERE ends) AS "to!"
           FROM search WHERE low >= high HAVING count(*) > 0"#,
        account_id,
        user_id,
        from,
        to,
    )
    .fetch_one(executor)
    .await?;
    Ok(numbers.from..numbers.to)
}

/// Reads the lines of such a part, oldest first: `limit` of them. Whose account
/// it is was found out with the part.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], when there are none: a database that lags
/// doesn't have them yet; or when the store doesn't answer.
pub async fn lines(
    executor: impl PgExecutor<'_>,
    account_id: Uuid,
    part: Range<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Line>> {
    let rows = sqlx::query!(
        "SELECT e.account_version, e.transfer_id, e.currency, e.amount, e.balance_after, t.created_at, t.note
         FROM entries e JOIN transfers t ON t.id = e.transfer_id
         WHERE e.account_id = $1 AND e.account_version >= $2 AND e.account_version < $3
         ORDER BY e.account_version LIMIT $4",
        account_id,
        part.start,
        part.end,
        limit,
    )
    .fetch_all(executor)
    .await?;
    if rows.is_empty() {
        return Err(sqlx::Error::RowNotFound);
    }
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                number: row.account_version,
                created_at: row.created_at,
                transfer_id: row.transfer_id,
                amount: stored(row.amount, &row.currency)?,
                balance_after: stored(row.balance_after, &row.currency)?,
                note: row.note,
            })
        })
        .collect()
}
