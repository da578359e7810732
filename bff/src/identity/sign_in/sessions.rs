//! Renewing sessions, and ending them at their owner's wish.

use platform::postgres::constraint;
use uuid::Uuid;

use super::SignIn;
use crate::{
    accounts::audit::{self, AuditEntry, AuditEvent},
    identity::{
        caller::Caller,
        error::Error,
        session::{Device, TokenPair},
    },
    notify::Notice,
};

impl SignIn {
    /// Renews a session's tokens. The use of a token that was displaced long ago
    /// has ended the session, and is written down.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; when a store doesn't answer.
    pub async fn refresh(&self, token: &str, device: &Device) -> Result<TokenPair, Error> {
        match self.sessions.refresh(token).await {
            Err(Error::Stolen {
                user_id,
                session_id,
            }) => {
                self.tell_of_theft(user_id, session_id, device).await?;
                Err(Error::Unauthenticated)
            }
            outcome => outcome,
        }
    }

    /// The session has ended, and Redis remembers that nobody was told. Should
    /// this fail, the next use of any of its tokens comes here again.
    async fn tell_of_theft(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        device: &Device,
    ) -> Result<(), Error> {
        let event = AuditEvent::RefreshTokenStolen;
        let entry = AuditEntry {
            // However many find out at once, a session is stolen once.
            id: session_id,
            session_id: Some(session_id),
            ..self.entry(event, Some(user_id), device, None)
        };
        let mut transaction = self.pool.begin().await?;
        match audit::append(&mut *transaction, &entry).await {
            Ok(()) => {
                self.notices
                    .tell(&mut transaction, user_id, Notice::SessionStolen, device)
                    .await?;
                transaction.commit().await?;
            }
            Err(error) if constraint(&error) == Some("audit_log_pkey") => {}
            Err(error) => return Err(error.into()),
        }
        self.sessions.theft_is_told(session_id).await
    }

    /// Ends the caller's session. One that has ended already stays so.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub async fn logout(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        match self.end_session(caller, caller.session_id, device).await {
            Err(Error::NotFound) => Ok(()),
            outcome => outcome,
        }
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`] when none of that id is theirs;
    /// when a store doesn't answer.
    pub async fn end_session(
        &self,
        caller: &Caller,
        session_id: Uuid,
        device: &Device,
    ) -> Result<(), Error> {
        self.sessions.end(caller.user_id, session_id).await?;
        let mut entry = self.entry(AuditEvent::SignedOut, Some(caller.user_id), device, None);
        entry.session_id = Some(session_id);
        Ok(audit::append(&self.pool, &entry).await?)
    }

    /// Ends every session of the caller.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub async fn logout_all(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        self.sessions.end_all(caller.user_id, None).await?;
        let user_id = Some(caller.user_id);
        let entry = self.entry(AuditEvent::SignedOutEverywhere, user_id, device, None);
        Ok(audit::append(&self.pool, &entry).await?)
    }
}
