//! Erasing the users whose retention time is over.

use platform::{
    clock::SharedClock,
    outbox::{self, NewEvent},
};
use proto::events::{Event as _, UserErased};
use serde_json::json;
use sqlx::PgPool;

use crate::accounts::{
    audit::{self, AuditEntry, AuditEvent},
    erasure,
};

/// Erases one who is due. Several workers share the work. Returns whether there
/// was one.
///
/// # Errors
/// When the store doesn't answer.
pub async fn erase_one(pool: &PgPool, clock: &SharedClock) -> sqlx::Result<bool> {
    let now = clock.now();
    let mut transaction = pool.begin().await?;
    let Some(due) = erasure::next(&mut transaction, now).await? else {
        return Ok(false);
    };
    let version = erasure::erase(&mut transaction, due.id, now).await?;
    let event = UserErased {
        user_id: due.id,
        requested_at: due.deleted_at,
        erased_at: now,
    };
    let event = NewEvent::new(UserErased::SUBJECT, due.id, version, &event, &**clock);
    outbox::append(&mut *transaction, &event).await?;
    let entry = AuditEntry {
        id: clock.new_id(),
        at: now,
        event: AuditEvent::Erased,
        user_id: Some(due.id),
        session_id: None,
        ip: None,
        user_agent: None,
        subject: None,
        detail: json!({}),
    };
    audit::append_by(&mut *transaction, &entry, None).await?;
    transaction.commit().await?;
    metrics::counter!("users_erased_total").increment(1);
    Ok(true)
}
