//! How users leave: for a while, or for good.

use platform::{
    clock::{Clock, SharedClock},
    outbox,
};
use proto::events::{Event, UserDeactivated, UserDeletionRequested, UserUpdated};
use sqlx::{PgConnection, PgTransaction};
use uuid::Uuid;

use super::{
    caller::Caller,
    error::{Error, Obligation},
    notices::Notices,
    session::{Device, Sessions},
    settings::LifeSettings,
};
use crate::{
    accounts::{
        administration,
        audit::{self, AuditEntry, AuditEvent},
        life, money,
    },
    events::new_event,
    notify::Notice,
    upstream::Primary,
};

/// Lets users leave. Cloning shares everything in it.
#[derive(Debug, Clone)]
pub struct Life {
    pool: Primary,
    clock: SharedClock,
    sessions: Sessions,
    notices: Notices,
    settings: LifeSettings,
}

impl Life {
    /// For users of this store, whose sessions these are.
    #[must_use]
    pub fn new(
        pool: Primary,
        clock: SharedClock,
        sessions: Sessions,
        notices: Notices,
        settings: LifeSettings,
    ) -> Self {
        Self {
            pool,
            clock,
            sessions,
            notices,
            settings,
        }
    }

    /// Deactivates the caller. Signing in again in time brings them back; later a
    /// worker deletes them.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the caller isn't active any more;
    /// when a store doesn't answer, and then nothing has changed.
    pub async fn deactivate(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        let (now, user_id) = (self.clock.now(), caller.user_id);
        let mut transaction = self.pool.begin().await?;
        let return_until = now + self.settings.retention_s.delta();
        let version = life::deactivate(&mut transaction, user_id, now, return_until)
            .await?
            .ok_or(Error::Unauthenticated)?;
        let notice = Notice::Deactivated(return_until);
        self.notices
            .tell(&mut transaction, user_id, notice, device)
            .await?;
        let event = UserDeactivated { user_id };
        self.tell(&mut transaction, version, &event).await?;
        self.leave(transaction, AuditEvent::Deactivated, caller, device)
            .await
    }

    /// Deletes the caller: for everyone but those who look after users at once,
    /// and after the retention time for good. Their accounts are closed.
    ///
    /// # Errors
    /// [`Error::StillOpen`] while money or an order is in the way;
    /// [`Error::Unauthenticated`] when the caller isn't active any more;
    /// when a store doesn't answer, and then nothing has changed.
    pub async fn delete(
        &self,
        caller: &Caller,
        has_open_orders: bool,
        device: &Device,
    ) -> Result<(), Error> {
        let (now, user_id) = (self.clock.now(), caller.user_id);
        let mut transaction = self.pool.begin().await?;
        // No account is opened for the user from here on.
        administration::lock(&mut transaction, &[user_id]).await?;
        let belongings = life::belongings(&mut transaction, user_id).await?;
        let in_the_way = [
            (belongings.balance, Obligation::Balance),
            (belongings.held, Obligation::Hold),
            (has_open_orders, Obligation::OpenOrder),
        ];
        let in_the_way: Vec<Obligation> = in_the_way
            .into_iter()
            .filter_map(|(is_there, what)| is_there.then_some(what))
            .collect();
        if !in_the_way.is_empty() {
            return Err(Error::StillOpen(in_the_way));
        }
        money::close_all(&mut transaction, user_id, &*self.clock).await?;
        let erase_after = now + self.settings.retention_s.delta();
        // While it is known where to.
        let notice = Notice::DeletionRequested(erase_after);
        self.notices
            .tell(&mut transaction, user_id, notice, device)
            .await?;
        let version = life::delete(&mut transaction, user_id, now, erase_after)
            .await?
            .ok_or(Error::Unauthenticated)?;
        let event = UserDeletionRequested {
            user_id,
            requested_at: now,
        };
        self.tell(&mut transaction, version, &event).await?;
        self.leave(transaction, AuditEvent::DeletionRequested, caller, device)
            .await
    }

    /// Writes down what the caller did.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn note(
        &self,
        caller: &Caller,
        event: AuditEvent,
        device: &Device,
    ) -> Result<(), Error> {
        Ok(audit::append(&self.pool, &self.entry(event, caller, device)).await?)
    }

    fn entry(&self, event: AuditEvent, caller: &Caller, device: &Device) -> AuditEntry {
        let entry = AuditEntry::new(event, Some(caller.user_id), &*self.clock);
        AuditEntry {
            session_id: Some(caller.session_id),
            ..entry.by_way_of(device)
        }
    }

    async fn tell(
        &self,
        connection: &mut PgConnection,
        version: i64,
        event: &impl Event,
    ) -> Result<(), Error> {
        Ok(outbox::append(connection, &new_event(version, event, &*self.clock)).await?)
    }

    async fn leave(
        &self,
        mut transaction: PgTransaction<'_>,
        event: AuditEvent,
        caller: &Caller,
        device: &Device,
    ) -> Result<(), Error> {
        audit::append(&mut *transaction, &self.entry(event, caller, device)).await?;
        // As with a change by an administrator: nothing changes while Redis is
        // away, and no sign-in outruns this.
        self.sessions.end_all(caller.user_id, None).await?;
        Ok(transaction.commit().await?)
    }
}

/// Brings back a deactivated user who has just proved who they are, and writes
/// `entry` down. Does nothing when it is too late.
///
/// # Errors
/// When the store doesn't answer.
pub(super) async fn come_back(
    connection: &mut PgConnection,
    entry: &AuditEntry,
    user_id: Uuid,
    clock: &dyn Clock,
) -> Result<(), Error> {
    if let Some(version) = life::reactivate(&mut *connection, user_id, clock.now()).await? {
        let event = new_event(version, &UserUpdated { user_id }, clock);
        outbox::append(&mut *connection, &event).await?;
        audit::append(connection, entry).await?;
    }
    Ok(())
}
