use chrono::{DateTime, Utc};
use platform::{
    clock::Clock,
    money::Money,
    postgres::{BATCH_LIMIT, bounded, is_down},
    shutdown::Lifetime,
    trace,
};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::accounts::persist;

/// Holds that the sweeper looks up at once.
const DUE: i64 = 100;

/// Money to be set aside for a payment.
#[derive(Debug)]
pub struct NewHold {
    /// The payment's id, which is the hold's, and will be that of the transfer.
    pub id: Uuid,
    /// The account to hold it in.
    pub account_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// How much; more than nothing.
    pub amount: Money,
    /// When it is given back unless it was taken; in the future.
    pub expires_at: DateTime<Utc>,
}

/// Where a hold stands. It leaves `Held` once, and for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HoldState {
    /// The money is set aside.
    Held,
    /// It was taken, by the transfer with the hold's id.
    Captured,
    /// It was given back, or the payment was called off before it was held.
    Released,
    /// Its time was over, and it was given back.
    Expired,
}

/// Why no money was set aside. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum HoldRefusal {
    /// The user has no such account.
    NoAccount,
    /// The account is closed.
    AccountClosed,
    /// The account is in another currency.
    CurrencyMismatch,
    /// Less is available than is to be set aside.
    InsufficientFunds,
    /// The payment is known with another account or amount.
    Differs,
}

/// Sets money aside, once: for a payment that is known already, the answer is
/// where its hold stands.
///
/// # Errors
/// When the store doesn't answer. Then the outcome is unknown, and calling again
/// finds out, as with everything here.
pub async fn place_hold(
    executor: impl PgExecutor<'_>,
    new: &NewHold,
    clock: &dyn Clock,
) -> sqlx::Result<Result<HoldState, HoldRefusal>> {
    let verdict = sqlx::query!(
        r#"SELECT CASE WHEN is_state THEN verdict END AS "state: HoldState",
                  CASE WHEN NOT is_state THEN verdict END AS "refusal: HoldRefusal"
           FROM hold_place($1, $2, $3, $4, $5, $6, $7, $8, $9) AS verdict,
                LATERAL (SELECT verdict = ANY (enum_range(NULL::hold_state)::text[]) AS is_state) AS kind"#,
        new.id,
        new.account_id,
        new.user_id,
        new.amount.amount(),
        new.amount.currency().code(),
        new.expires_at,
        clock.now(),
        clock.new_id(),
        trace::current_traceparent(),
    )
    .fetch_one(executor)
    .await?;
    match (verdict.state, verdict.refusal) {
        (Some(state), _) => Ok(Ok(state)),
        (None, Some(refusal)) => Ok(Err(refusal)),
        (None, None) => Err(sqlx::Error::Decode("a hold without a verdict".into())),
    }
}

/// Takes what is held: it becomes the house's revenue, once. Returns where the
/// hold stands then: captured, or how it ended before; none for an unknown one.
///
/// # Errors
/// When the store doesn't answer.
pub async fn capture_hold(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    note: &str,
    clock: &dyn Clock,
) -> sqlx::Result<Option<HoldState>> {
    sqlx::query_scalar!(
        r#"SELECT hold_capture($1, $2, $3, $4, $5, $6) AS "state: HoldState""#,
        id,
        note,
        clock.now(),
        clock.new_id(),
        clock.new_id(),
        trace::current_traceparent(),
    )
    .fetch_one(executor)
    .await
}

/// Gives back what is held. Returns where the hold stands then: released, or
/// how it ended before. An unknown one counts as released from here on, and is
/// refused when it comes late.
///
/// # Errors
/// When the store doesn't answer.
pub async fn release_hold(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    clock: &dyn Clock,
) -> sqlx::Result<HoldState> {
    let state = end(executor, id, HoldState::Released, clock).await?;
    Ok(state.expect("an unknown hold is released by a tombstone"))
}

/// Gives back what was held until now and wasn't taken. Returns how many holds
/// that were. One that can't be ended now, because its account is busy, is left
/// for the next time, and holds up no other.
///
/// # Errors
/// When the store doesn't answer.
pub async fn expire_holds(
    pool: &PgPool,
    clock: &dyn Clock,
    lifetime: &Lifetime,
) -> sqlx::Result<u64> {
    let (now, mut expired) = (clock.now(), 0);
    // Behind those that were looked at, whatever became of them.
    let mut after = (DateTime::UNIX_EPOCH, Uuid::nil());
    loop {
        let due = sqlx::query!(
            r#"SELECT id, expires_at AS "expires_at!" FROM holds
               WHERE state = 'held' AND expires_at <= $1 AND (expires_at, id) > ($2, $3)
               ORDER BY expires_at, id LIMIT $4"#,
            now,
            after.0,
            after.1,
            DUE,
        );
        let due = bounded(BATCH_LIMIT, due.fetch_all(pool)).await?;
        for hold in &due {
            if lifetime.is_stopping() {
                return Ok(expired);
            }
            // Each on its own: a hold that is being captured holds up no other.
            let end = || end(pool, hold.id, HoldState::Expired, clock);
            match bounded(BATCH_LIMIT, persist(pool, end)).await {
                Ok(state) => expired += u64::from(state == Some(HoldState::Expired)),
                Err(error) if is_down(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(hold = %hold.id, %error, "a hold doesn't end");
                    metrics::counter!("holds_not_expired_total").increment(1);
                }
            }
        }
        match due.last() {
            Some(last) if due.len() == DUE as usize => after = (last.expires_at, last.id),
            _ => return Ok(expired),
        }
    }
}

async fn end(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    wanted: HoldState,
    clock: &dyn Clock,
) -> sqlx::Result<Option<HoldState>> {
    sqlx::query_scalar!(
        r#"SELECT hold_end($1, $2::text::hold_state, $3, $4, $5) AS "state: HoldState""#,
        id,
        wanted as HoldState,
        clock.now(),
        clock.new_id(),
        trace::current_traceparent(),
    )
    .fetch_one(executor)
    .await
}
