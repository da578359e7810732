//! What administrators do to users, and who may do it to whom.

use platform::{clock::SharedClock, outbox};
use proto::events::UserUpdated;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    caller::{Caller, Role},
    error::Error,
    session::{Device, Sessions},
    sign_in::taken,
};
use crate::{
    accounts::{
        administration::{self, Locked},
        audit::{self, AuditEntry, AuditEvent},
        credentials::UserStatus,
        life,
    },
    events::new_event,
    upstream::Primary,
};

/// Changes users on an administrator's word. Cloning shares everything in it.
#[derive(Debug, Clone)]
pub struct Administration {
    pool: Primary,
    clock: SharedClock,
    sessions: Sessions,
}

/// On whose word.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    /// An administrator's, through the API.
    Admin(&'a Caller, &'a Device),
    /// That of whoever runs the program, at its command line.
    Operator,
}

/// What is to be otherwise; what is missing stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserChange {
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether the user may sign in.
    pub status: Option<Standing>,
}

/// What an administrator decides about a user's coming in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The user may.
    Active,
    /// The user may not.
    Blocked,
}

impl Administration {
    /// Changes users of this store, whose sessions these are.
    #[must_use]
    pub fn new(pool: Primary, clock: SharedClock, sessions: Sessions) -> Self {
        Self {
            pool,
            clock,
            sessions,
        }
    }

    /// Changes a user's role or status. All sessions of the user end, so that
    /// nobody goes on with what they were allowed before. Whether the actor may
    /// is read from the store, not from a token that may be minutes old.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Gone`] for a user
    /// who was deleted; when a store doesn't answer, and then nothing has
    /// changed.
    pub async fn change(
        &self,
        actor: Actor<'_>,
        user_id: Uuid,
        change: UserChange,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let before = authorise(&mut transaction, actor, user_id).await?;
        let after = Locked {
            role: change.role.unwrap_or(before.role),
            status: change.status.map_or(before.status, Into::into),
            ..before
        };
        if (after.role, after.status) == (before.role, before.status) {
            return Ok(());
        }
        if matches!(before.status, UserStatus::Deleted | UserStatus::Erased) {
            return Err(Error::Gone);
        }
        let version = administration::set(&mut transaction, &after, self.clock.now()).await?;
        let event = new_event(version, &UserUpdated { user_id }, &*self.clock);
        outbox::append(&mut *transaction, &event).await?;
        if after.role != before.role {
            let detail = json!({ "from": before.role, "to": after.role });
            let event = AuditEvent::RoleChanged;
            self.note(&mut transaction, actor, user_id, event, detail)
                .await?;
        }
        if after.status != before.status {
            let detail = json!({ "from": before.status, "to": after.status });
            let event = AuditEvent::StatusChanged;
            self.note(&mut transaction, actor, user_id, event, detail)
                .await?;
        }
        // Before the commit, so that nothing changes while Redis is away. A sign-in
        // that was under way is of an era that is over; a later one waits for the
        // user's row, which is locked, and finds what is true then.
        self.sessions.end_all(user_id, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; when a store doesn't answer.
    pub async fn sign_out(&self, actor: Actor<'_>, user_id: Uuid) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        authorise(&mut transaction, actor, user_id).await?;
        let event = AuditEvent::SignedOutByAdmin;
        self.note(&mut transaction, actor, user_id, event, json!({}))
            .await?;
        self.sessions.end_all(user_id, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Brings back someone who was deleted and isn't erased yet, on an operator's
    /// word. Returns what they were until now: anyone else stays as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Taken`] when someone else has their address or
    /// name by now; when the store doesn't answer.
    pub async fn restore(&self, user_id: Uuid) -> Result<UserStatus, Error> {
        let mut transaction = self.pool.begin().await?;
        let before = authorise(&mut transaction, Actor::Operator, user_id).await?;
        let restored = life::restore(&mut transaction, user_id, self.clock.now()).await;
        if let Some(version) = restored.map_err(taken)? {
            let event = new_event(version, &UserUpdated { user_id }, &*self.clock);
            outbox::append(&mut *transaction, &event).await?;
            let event = AuditEvent::Restored;
            self.note(&mut transaction, Actor::Operator, user_id, event, json!({}))
                .await?;
            transaction.commit().await?;
        }
        Ok(before.status)
    }

    async fn note(
        &self,
        connection: &mut PgConnection,
        actor: Actor<'_>,
        user_id: Uuid,
        event: AuditEvent,
        detail: Value,
    ) -> Result<(), Error> {
        let (admin, device) = match actor {
            Actor::Admin(caller, device) => (Some(caller), Some(device)),
            Actor::Operator => (None, None),
        };
        let mut entry = AuditEntry::new(event, Some(user_id), &*self.clock);
        if let Some(device) = device {
            entry = entry.by_way_of(device);
        }
        entry.session_id = admin.map(|caller| caller.session_id);
        entry.detail = detail;
        let actor = admin.map(|caller| caller.user_id);
        Ok(audit::append_by(connection, &entry, actor).await?)
    }
}

impl From<Standing> for UserStatus {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Blocked => Self::Blocked,
        }
    }
}

/// Locks the user, and the administrator with it. An administrator may change
/// those below them: not themselves, and nobody of their own rank.
async fn authorise(
    connection: &mut PgConnection,
    actor: Actor<'_>,
    user_id: Uuid,
) -> Result<Locked, Error> {
    let acting = match actor {
        Actor::Admin(caller, _) => Some(caller.user_id),
        Actor::Operator => None,
    };
    let ids: Vec<Uuid> = acting.into_iter().chain([user_id]).collect();
    let locked = administration::lock(connection, &ids).await?;
    let find = |id| locked.iter().find(|user| user.id == id).copied();
    if let Some(acting) = acting {
        let acting = find(acting).ok_or(Error::Unauthenticated)?;
        if acting.status != UserStatus::Active {
            return Err(Error::Unauthenticated);
        }
        let target = find(user_id).ok_or(Error::NotFound)?;
        if acting.role < Role::Admin || target.role >= acting.role {
            return Err(Error::Forbidden);
        }
    }
    find(user_id).ok_or(Error::NotFound)
}
