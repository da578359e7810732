//! Changing a password, and choosing one anew without the one before.

use chrono::TimeDelta;
use sqlx::PgTransaction;
use uuid::Uuid;

use super::SignIn;
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        contacts::{self, Contact},
        credentials,
    },
    identity::{
        caller::Caller,
        code::{Purpose, Sent},
        error::Error,
        identifier::{Address, Password},
        session::Device,
        store::attempts,
    },
    notify::Notice,
};

impl SignIn {
    /// Changes the caller's password. All other sessions end.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the current password is wrong, with
    /// the same waits as at sign-in; [`Error::Weak`]; [`Error::Busy`];
    /// when a store doesn't answer.
    pub async fn update_password(
        &self,
        caller: &Caller,
        current: Password,
        new: Password,
        device: &Device,
    ) -> Result<(), Error> {
        let credentials = self.check_password(caller, current, device).await?;
        let contact = contacts::of(&self.pool, caller.user_id).await?;
        let contact = contact.ok_or(Error::Unauthenticated)?;
        let hash = self.new_hash(new, &contact).await?;

        let before = credentials.password.as_deref().unwrap_or_default();
        let mut transaction = self.pool.begin().await?;
        let at = self.clock.now();
        let is_current =
            credentials::change_password(&mut *transaction, caller.user_id, before, &hash, at)
                .await?;
        if !is_current {
            return Err(Error::InvalidCredentials);
        }
        let event = AuditEvent::PasswordChanged;
        let spared = Some(caller.session_id);
        self.password_replaced(transaction, &contact, event, spared, device)
            .await
    }

    /// Sends a code to choose another password with, if anyone has the address.
    /// The answer is always the same, also when it was asked for too often.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub async fn send_reset_code(&self, address: &Address, device: &Device) -> Result<Sent, Error> {
        let contact = contacts::by_address(&self.pool, address).await?;
        let own = contact.as_ref().and_then(|contact| contact.own(address));
        let to = own.as_ref().unwrap_or(address);
        let sent = self
            .codes
            .send(to, Purpose::ResetPassword, own.is_some(), device.language)
            .await;
        match sent {
            Ok(sent) => {
                let subject = Some(address.masked());
                let entry = self.entry(AuditEvent::CodeSent, None, device, subject);
                audit::append_about(&self.pool, &entry, address).await?;
                Ok(sent)
            }
            Err(Error::TooOften(wait)) => Ok(Sent {
                expires_in: self.codes.lifetime(),
                resend_after: TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX),
            }),
            Err(error) => Err(error),
        }
    }

    /// Chooses another password by means of a code. Every session and every
    /// open code of the user ends.
    ///
    /// # Errors
    /// [`Error::InvalidCode`], also when nobody has the address;
    /// [`Error::Weak`] and [`Error::Busy`], which leave the code good;
    /// when a store doesn't answer.
    pub async fn reset_password(
        &self,
        address: &Address,
        code: &str,
        new: Password,
        device: &Device,
    ) -> Result<(), Error> {
        let code = self
            .codes
            .redeem(address, Purpose::ResetPassword, code)
            .await?;
        match self.replace_password(address, new, device).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.give_back(code, error).await),
        }
    }

    async fn replace_password(
        &self,
        address: &Address,
        new: Password,
        device: &Device,
    ) -> Result<(), Error> {
        let contact = contacts::by_address(&self.pool, address).await?;
        let contact = contact.ok_or(Error::InvalidCode)?;
        let hash = self.new_hash(new, &contact).await?;
        let mut transaction = self.pool.begin().await?;
        let (user_id, at) = (contact.user_id, self.clock.now());
        credentials::set_password(&mut *transaction, user_id, &hash, at).await?;
        let event = AuditEvent::PasswordReset;
        self.password_replaced(transaction, &contact, event, None, device)
            .await
    }

    async fn new_hash(&self, password: Password, contact: &Contact) -> Result<String, Error> {
        let hashed = self.hasher.hash(password, contact.known()).await?;
        hashed.map_err(|broken| Error::Weak("new_password", broken))
    }

    /// Ends what the password before was good for, then commits. In this order
    /// no failure leaves a session alive that the change should have ended: a
    /// sign-in with the password before waits for the commit and then fails.
    async fn password_replaced(
        &self,
        mut transaction: PgTransaction<'_>,
        contact: &Contact,
        event: AuditEvent,
        spared: Option<Uuid>,
        device: &Device,
    ) -> Result<(), Error> {
        let user_id = contact.user_id;
        let entry = self.entry(event, Some(user_id), device, None);
        audit::append(&mut *transaction, &entry).await?;
        self.notices
            .tell(&mut transaction, user_id, Notice::PasswordChanged, device)
            .await?;
        self.sessions.end_all(user_id, spared).await?;
        self.codes.void_all(contact).await?;
        attempts::forget(&self.redis, &user_id.to_string()).await?;
        transaction.commit().await?;
        Ok(())
    }
}
