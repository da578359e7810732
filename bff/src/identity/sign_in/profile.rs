//! What users change about themselves, and the addresses they sign in with.

use platform::outbox;
use proto::events::UserUpdated;
use sqlx::{PgConnection, PgTransaction};
use uuid::Uuid;

use super::{SignIn, registration::taken};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        contacts::{self, Contact},
        users::{self, Change, ProfileChange},
    },
    events::new_event,
    identity::{caller::Caller, code::Purpose, error::Error, identifier::Address, session::Device},
    notify::Notice,
};

impl SignIn {
    /// Changes the caller's profile. The caller's addresses are told of another
    /// user name: it is something to sign in with.
    ///
    /// # Errors
    /// [`Error::Taken`]; [`Error::LastSignInMethod`] when the user name was it;
    /// [`Error::Unauthenticated`] when the user is gone;
    /// when the store doesn't answer.
    pub async fn change_profile(
        &self,
        caller: &Caller,
        change: &ProfileChange,
        device: &Device,
    ) -> Result<(), Error> {
        let (user_id, at) = (caller.user_id, self.clock.now());
        let mut transaction = self.pool.begin().await?;
        let version = users::change(&mut *transaction, user_id, change, at)
            .await
            .map_err(taken)?;
        if change.username != Change::Keep {
            let mut entry = self.entry(AuditEvent::UsernameChanged, Some(user_id), device, None);
            entry.session_id = Some(caller.session_id);
            audit::append(&mut *transaction, &entry).await?;
            let contact = contacts::of(&mut *transaction, user_id).await?;
            let contact = contact.ok_or(Error::Unauthenticated)?;
            self.tell_all(&mut transaction, &contact, &Notice::UsernameChanged, device)
                .await?;
        }
        self.changed(transaction, user_id, version).await
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
            self.tell_all(&mut transaction, &before, &notice, device)
                .await?;
        }
        self.changed(transaction, user_id, version).await
    }

    /// Takes an address away from the caller: the one of this kind, `email` or
    /// `phone`. The addresses until now are told.
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
        self.tell_all(&mut transaction, &before, &notice, device)
            .await?;
        self.changed(transaction, user_id, version).await
    }

    /// Tells every address that the user had until now: whoever took over a session
    /// can't keep all of them from hearing of a change.
    async fn tell_all(
        &self,
        executor: &mut PgConnection,
        before: &Contact,
        notice: &Notice,
        device: &Device,
    ) -> Result<(), Error> {
        for address in before.addresses() {
            if self.codes.is_within_budget(&address, true).await? {
                self.notices
                    .tell_at(executor, &address, notice.clone(), device)
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
        let event = new_event(version, &UserUpdated { user_id }, &*self.clock);
        outbox::append(&mut *transaction, &event).await?;
        Ok(transaction.commit().await?)
    }
}
