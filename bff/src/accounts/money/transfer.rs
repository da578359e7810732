use chrono::{DateTime, Utc};
use platform::{clock::Clock, money::Money, trace};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MoneySchema, stored};
use crate::{
    accounts::{
        audit::{self, AuditEntry},
        idempotency::{Answer, RequestKey},
        users::instant,
    },
    upstream::Primary,
};

/// Money that went from one account to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transfer {
    /// Its id.
    pub id: Uuid,
    /// Where it came from.
    pub from_account_id: Uuid,
    /// Where it went.
    pub to_account_id: Uuid,
    /// How much.
    #[schema(value_type = MoneySchema)]
    pub amount: Money,
    /// What it was for.
    pub note: Option<String>,
    /// When.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
}

/// What is in an account after a transfer.
#[derive(Debug, ToSchema)]
pub struct Balance {
    /// The account.
    pub account_id: Uuid,
    /// What is in it.
    pub balance: MoneySchema,
    /// Of that, what is set aside for payments under way.
    pub held: MoneySchema,
    /// What can be spent: `balance` less `held`.
    pub available: MoneySchema,
}

/// The answer to a transfer, for the OpenAPI document: the database function
/// `transfer_answer` writes it, because it is kept with the work.
#[derive(Debug, ToSchema)]
pub struct TransferAnswer {
    /// What was done.
    pub transfer: Transfer,
    /// What is now in those of the two accounts that the caller may see.
    pub balances: Vec<Balance>,
}

/// A transfer to be.
#[derive(Debug)]
pub struct NewTransfer {
    /// Its id, unless the key was used before.
    pub id: Uuid,
    /// An account of the caller's; none: the world, which makes it a deposit.
    pub from: Option<Uuid>,
    /// A user's account.
    pub to: Uuid,
    /// How much; more than nothing.
    pub amount: Money,
    /// What it is for.
    pub note: Option<String>,
}

/// Why a transfer wasn't carried out. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Refusal {
    /// A request with this key is being carried out.
    InFlight,
    /// The key belongs to another request.
    #[sqlx(rename = "reused")]
    KeyReused,
    /// The caller has no such account to take money from.
    NoDebitAccount,
    /// There is no such account to bring it to.
    NoCreditAccount,
    /// One of the caller's two accounts is closed.
    AccountClosed,
    /// From an account to itself.
    SameAccount,
    /// Not both accounts are in the amount's currency.
    CurrencyMismatch,
    /// Less is available than is to be taken.
    InsufficientFunds,
    /// A balance would pass [`platform::money::LIMIT`].
    TooMuch,
}

/// Carries out a transfer, once for its key: as often as this is called, there
/// is one transfer and one answer.
///
/// # Errors
/// When the store doesn't answer. Then the outcome is unknown, and calling again
/// with the same key finds out.
pub async fn post(
    executor: impl PgExecutor<'_>,
    key: &RequestKey,
    new: &NewTransfer,
    clock: &dyn Clock,
) -> sqlx::Result<Result<Answer, Refusal>> {
    let row = sqlx::query!(
        r#"SELECT CASE WHEN verdict NOT IN ('posted', 'replayed') THEN verdict END AS "refusal: Refusal",
                  verdict = 'replayed' AS "replayed!", body
           FROM transfer_post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        key.user_id,
        key.key,
        &key.fingerprint[..],
        new.id,
        new.from,
        new.to,
        new.amount.amount(),
        new.amount.currency().code(),
        new.note,
        clock.now(),
        clock.new_id(),
        trace::current_traceparent(),
    )
    .fetch_one(executor)
    .await?;
    if let Some(refusal) = row.refusal {
        return Ok(Err(refusal));
    }
    let no_answer = || sqlx::Error::Decode("a transfer without an answer".into());
    Ok(Ok(Answer {
        body: row.body.ok_or_else(no_answer)?,
        replayed: row.replayed,
    }))
}

/// Brings money in from the world as [`post`] does, and writes `entry` down in
/// the same transaction: the account's owner is the one to whom it happened, and
/// the one whose key it is did it.
///
/// # Errors
/// As those of [`post`].
pub async fn deposit(
    pool: &Primary,
    key: &RequestKey,
    new: &NewTransfer,
    entry: &AuditEntry,
    clock: &dyn Clock,
) -> sqlx::Result<Result<Answer, Refusal>> {
    let mut transaction = pool.begin().await?;
    let posted = post(&mut *transaction, key, new, clock).await?;
    if let Ok(Answer {
        replayed: false, ..
    }) = posted
    {
        let owner = sqlx::query_scalar!("SELECT user_id FROM accounts WHERE id = $1", new.to);
        let entry = AuditEntry {
            user_id: owner.fetch_one(&mut *transaction).await?,
            ..entry.clone()
        };
        audit::append_by(&mut *transaction, &entry, Some(key.user_id)).await?;
    }
    transaction.commit().await?;
    Ok(posted)
}

struct Row {
    id: Uuid,
    debit_account_id: Uuid,
    credit_account_id: Uuid,
    currency: String,
    amount: Decimal,
    note: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Transfer {
    type Error = sqlx::Error;

    /// Fails only for what the table's checks refuse.
    fn try_from(row: Row) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.id,
            from_account_id: row.debit_account_id,
            to_account_id: row.credit_account_id,
            amount: stored(row.amount, &row.currency)?,
            note: row.note,
            created_at: row.created_at,
        })
    }
}

/// Reads one transfer from or to an account of the user's.
///
/// # Errors
/// [`sqlx::Error::RowNotFound`], also when the user is no party to it; or when
/// the store doesn't answer.
pub async fn transfer(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    id: Uuid,
) -> sqlx::Result<Transfer> {
    sqlx::query_as!(
        Row,
        "SELECT id, debit_account_id, credit_account_id, currency, amount, note, created_at
         FROM transfers t
         WHERE id = $1 AND EXISTS (
             SELECT FROM accounts a WHERE a.id IN (t.debit_account_id, t.credit_account_id) AND a.user_id = $2)",
        id,
        user_id,
    )
    .fetch_one(executor)
    .await?
    .try_into()
}

/// Reads the transfers from and to a user's accounts, newest first: `limit` of
/// them that are older than the transfer `before`.
///
/// # Errors
/// When the store doesn't answer.
pub async fn transfers(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Transfer>> {
    // The newest of each account, of which the newest of all are among. An id
    // tells when it was made.
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, debit_account_id, credit_account_id, currency, amount, note, created_at
         FROM transfers
         WHERE id IN (
             SELECT e.transfer_id
             FROM accounts a CROSS JOIN LATERAL (
                 SELECT transfer_id FROM entries
                 WHERE account_id = a.id AND transfer_id < $2
                 ORDER BY transfer_id DESC LIMIT $3) e
             WHERE a.user_id = $1 AND a.kind = 'user')
         ORDER BY id DESC LIMIT $3",
        user_id,
        before.unwrap_or(Uuid::max()),
        limit,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
