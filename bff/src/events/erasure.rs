//! Deleting the users who didn't come back in time, and erasing those whose
//! retention time is over.

use platform::{clock::SharedClock, outbox, postgres};
use proto::events::{UserDeletionRequested, UserErased};
use serde_json::json;
use sqlx::PgPool;

use super::new_event;
use crate::{
    accounts::{
        audit::{self, AuditEntry, AuditEvent},
        erasure, life, money,
    },
    identity::{Error, store::devices},
    upstream::GuardedRedis,
};

/// Deletes one who was deactivated and whose time to come back is over. They
/// were told of the day, so that nothing is waited for after it. Orders need no
/// asking for: one waits for its payment for much less than that time. Returns
/// whether there was one.
///
/// # Errors
/// When the store doesn't answer.
pub async fn delete_lapsed(pool: &PgPool, clock: &SharedClock) -> sqlx::Result<bool> {
    let now = clock.now();
    let mut transaction = postgres::begin(pool).await?;
    let Some(user_id) = life::next_lapsed(&mut transaction, now).await? else {
        return Ok(false);
    };
    money::close_all(&mut transaction, user_id, &**clock).await?;
    let Some(version) = life::delete(&mut transaction, user_id, now, now).await? else {
        return Ok(false);
    };
    let event = UserDeletionRequested {
        user_id,
        requested_at: now,
    };
    outbox::append(&mut *transaction, &new_event(version, &event, &**clock)).await?;
    let mut entry = AuditEntry::new(AuditEvent::DeletionRequested, Some(user_id), &**clock);
    entry.detail = json!({ "lapsed": true });
    audit::append_by(&mut *transaction, &entry, None).await?;
    transaction.commit().await?;
    metrics::counter!("users_lapsed_total").increment(1);
    Ok(true)
}

/// Erases one who is due. Several workers share the work. Returns whether there
/// was one.
///
/// # Errors
/// When a store doesn't answer.
pub async fn erase_one(
    pool: &PgPool,
    redis: &GuardedRedis,
    clock: &SharedClock,
) -> Result<bool, Error> {
    let now = clock.now();
    let mut transaction = postgres::begin(pool).await?;
    let Some(due) = erasure::next(&mut transaction, now).await? else {
        return Ok(false);
    };
    let version = erasure::erase(&mut transaction, due.id, now).await?;
    let event = UserErased {
        user_id: due.id,
        requested_at: due.deleted_at,
        erased_at: now,
    };
    outbox::append(&mut *transaction, &new_event(version, &event, &**clock)).await?;
    let entry = AuditEntry::new(AuditEvent::Erased, Some(due.id), &**clock);
    audit::append_by(&mut *transaction, &entry, None).await?;
    // Before the commit: whoever is erased is erased everywhere.
    devices::forget(redis, due.id).await?;
    transaction.commit().await?;
    metrics::counter!("users_erased_total").increment(1);
    Ok(true)
}
