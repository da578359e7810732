//! What users change about themselves, and the addresses they sign in with.

use platform::outbox::{self, NewEvent};
use proto::events::{Event as _, UserUpdated};
use sqlx::{PgConnection, PgTransaction};
use uuid::Uuid;

use super::{SignIn, registration::taken};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        contacts::{self, Contact},
        users::{self, ProfileChange},
    },
    identity::{caller::Caller, code::Purpose, error::Error, identifier::Address, session::Device},
    notify::Notice,
};

impl SignIn {
    /// Changes the caller's profile.
    ///
    /// # Errors
    /// [`Error::Taken`]; [`Error::LastSignInMethod`] when the user name was it;
    /// [`Error::Unauthenticated`] when the user is gone;
    /// when the store doesn't answer.
    pub async fn change_profile(
        &self,
        caller: &Caller,
        change: &ProfileChange,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let at = self.clock.now();
        let version = users::change(&mut *transaction, caller.user_id, change, at)
            .await
            .map_err(taken)?;
        self.changed(transaction, caller.user_id, version).await
    }

    /// Gives the caller an address whose owner the code proves them to be, in
    /// place of the one before. The addresses until now are told.
    ///
    /// # Errors
    /// [`Error::InvalidCode`]; [`Error::Taken`], which leaves the code good;
    /// [`Error::Unauthenticated`] when the user is gone;
    /// when a store doesn't answer.
    pub async fn add_address(
        &self,
        caller: &Caller,
        address: &Address,
        code: &str,
        device: &Device,
    ) -> Result<(), Error> {
        let purpose = Purpose::AddIdentifier;
        let code = self.codes.redeem(address, purpose, code).await?;
        match self.store_address(caller, address, device).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.give_back(code, error).await),
        }
    }

    async fn store_address(
        &self,
        caller: &Caller,
        address: &Address,
        device: &Device,
    ) -> Result<(), Error> {
        let (user_id, at) = (caller.user_id, self.clock.now());
        let mut transaction = self.pool.begin().await?;
        let before = contacts::of(&mut *transaction, user_id).await?;
        let before = before.ok_or(Error::Unauthenticated)?;
        let version = contacts::set_address(&mut *transaction, user_id, address, at)
            .await
            .map_err(taken)?;
        if before.own(address).is_none() {
            let subject = Some(address.masked());
            let entry = self.entry(AuditEvent::AddressAdded, Some(user_id), device, subject);
            audit::append(&mut *transaction, &entry).await?;
            let notice = Notice::AddressAdded(address.masked());
            self.tell_before(&mut transaction, &before, address, notice, device)
                .await?;
        }
        self.changed(transaction, user_id, version).await
    }

    /// Takes an address away from the caller: the one of this kind, `email` or
    /// `phone`. It is told, and so is the user's e-mail address.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of the kind;
    /// [`Error::LastSignInMethod`]; when the store doesn't answer.
    pub async fn remove_address(
        &self,
        caller: &Caller,
        kind: &str,
        device: &Device,
    ) -> Result<(), Error> {
        let (user_id, at) = (caller.user_id, self.clock.now());
        let mut transaction = self.pool.begin().await?;
        let before = contacts::of(&mut *transaction, user_id).await?;
        let before = before.ok_or(Error::Unauthenticated)?;
        let address = before.of_kind(kind).ok_or(Error::NotFound)?;
        let version = contacts::remove_address(&mut *transaction, user_id, &address, at).await?;
        let subject = Some(address.masked());
        let entry = self.entry(AuditEvent::AddressRemoved, Some(user_id), device, subject);
        audit::append(&mut *transaction, &entry).await?;
        let notice = Notice::AddressRemoved(address.masked());
        self.tell_before(&mut transaction, &before, &address, notice, device)
            .await?;
        self.changed(transaction, user_id, version).await
    }

    /// Tells the e-mail address that the user had until now, and the one that a
    /// change took away: whoever took over a session can't keep both from
    /// hearing of it.
    async fn tell_before(
        &self,
        executor: &mut PgConnection,
        before: &Contact,
        changed: &Address,
        notice: Notice,
        device: &Device,
    ) -> Result<(), Error> {
        for address in before.addresses() {
            let is_told = address.kind() == "email" || address.kind() == changed.kind();
            if is_told && self.codes.is_within_budget(&address, true).await? {
                self.tell_at(executor, &address, notice.clone(), device)
                    .await?;
            }
        }
        Ok(())
    }

    /// Commits a change of a user, if they can still sign in after it.
    async fn changed(
        &self,
        mut transaction: PgTransaction<'_>,
        user_id: Uuid,
        version: Option<i64>,
    ) -> Result<(), Error> {
        let version = version.ok_or(Error::Unauthenticated)?;
        let ways = contacts::ways(&mut *transaction, user_id).await?;
        if !ways.is_some_and(contacts::Ways::suffice) {
            return Err(Error::LastSignInMethod);
        }
        let payload = UserUpdated { user_id };
        let event = NewEvent::new(
            UserUpdated::SUBJECT,
            user_id,
            version,
            &payload,
            &*self.clock,
        );
        outbox::append(&mut *transaction, &event).await?;
        Ok(transaction.commit().await?)
    }
}
