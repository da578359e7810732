//! Reading the audit trail.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::users::instant;
use crate::upstream::Primary;

/// One line of the trail, as it is read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditLine {
    /// Its id.
    pub id: Uuid,
    /// When it happened.
    #[serde(serialize_with = "instant")]
    pub at: DateTime<Utc>,
    /// What happened.
    #[schema(example = "session.opened")]
    pub event: String,
    /// To whom, when that is known.
    pub user_id: Option<Uuid>,
    /// Who did it; null: the program or an operator.
    pub actor_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// From where.
    pub ip: Option<String>,
    /// By which program.
    pub user_agent: Option<String>,
    /// A masked identifier.
    pub subject: Option<String>,
    /// More.
    #[schema(value_type = Object)]
    pub detail: Value,
}

impl AuditLine {
    /// Leaves out what a line about this user tells of whoever else did it.
    pub fn hide_others(&mut self, user_id: Uuid) {
        if self.actor_id.is_some_and(|actor| actor != user_id) {
            (self.actor_id, self.session_id) = (None, None);
            (self.ip, self.user_agent) = (None, None);
        }
    }
}

/// Which lines are wanted; what is missing doesn't narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// What happened to this user.
    pub user_id: Option<Uuid>,
    /// What this user did.
    pub actor_id: Option<Uuid>,
    /// What happened.
    pub event: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// Reads the trail, newest first: `limit` lines that come after the line
/// `after`, which must still be there.
///
/// # Errors
/// When the store doesn't answer.
pub async fn list(
    pool: &Primary,
    filter: &AuditFilter,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<AuditLine>> {
    let mut reading = super::planned_anew(pool).await?;
    sqlx::query_as!(
        AuditLine,
        r#"SELECT id, at, event, user_id, actor_id, session_id, host(ip) AS ip, user_agent, subject, detail
           FROM audit_log
           WHERE ($1::uuid IS NULL OR user_id = $1)
             AND ($2::uuid IS NULL OR actor_id = $2)
             AND ($3::text IS NULL OR event = $3)
             AND ($4::timestamptz IS NULL OR at >= $4)
             AND ($5::timestamptz IS NULL OR at < $5)
             AND ($6::uuid IS NULL OR (at, id) < (SELECT l.at, l.id FROM audit_log l WHERE l.id = $6))
           ORDER BY at DESC, id DESC LIMIT $7"#,
        filter.user_id,
        filter.actor_id,
        filter.event,
        filter.from,
        filter.until,
        after,
        limit,
    )
    .fetch_all(&mut *reading)
    .await
}
