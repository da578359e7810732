use uuid::Uuid;

use super::{Failure, OAuth, ProviderName, provider::Person};
use crate::{
    accounts::{audit::AuditEvent, contacts, identities},
    identity::{Caller, error::Error, session::Device},
    notify::Notice,
};

impl OAuth {
    /// Links a person to the user who asked for it. Done already, it is done.
    pub(super) async fn link_to(
        &self,
        user_id: Uuid,
        provider: ProviderName,
        person: &Person,
        device: &Device,
    ) -> Result<(), Failure> {
        let known =
            identities::find(&self.sign_in.pool, provider.as_str(), &person.subject).await?;
        match known {
            Some(holder) if holder.user_id == user_id => return Ok(()),
            Some(_) => return Err(Failure::Taken),
            None => {}
        }
        let mut transaction = self.sign_in.pool.begin().await?;
        if !identities::lock(&mut *transaction, user_id).await? {
            return Err(Failure::Refused);
        }
        match self
            .link(&mut transaction, user_id, provider, person, device)
            .await
        {
            // Someone else was faster.
            Err(failure) if failure.is_lost_race() => Err(Failure::Taken),
            outcome => {
                outcome?;
                Ok(transaction.commit().await?)
            }
        }
    }

    /// Takes a provider from the ways in which the caller can sign in. Whether
    /// it is configured doesn't matter.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it isn't one of them,
    /// [`Error::LastSignInMethod`] when it is the last;
    /// when the store doesn't answer.
    pub async fn unlink(
        &self,
        caller: &Caller,
        provider: ProviderName,
        device: &Device,
    ) -> Result<(), Failure> {
        let user_id = caller.user_id;
        let mut transaction = self.sign_in.pool.begin().await?;
        identities::lock(&mut *transaction, user_id).await?;
        if !identities::remove(&mut *transaction, user_id, provider.as_str()).await? {
            return Err(Error::NotFound.into());
        }
        let ways = contacts::ways(&mut *transaction, user_id).await?;
        if !ways.is_some_and(contacts::Ways::suffice) {
            return Err(Error::LastSignInMethod.into());
        }
        let notice = Notice::ProviderRemoved(provider.title().into());
        self.sign_in
            .notices
            .tell(&mut transaction, user_id, notice, device)
            .await?;
        let what = AuditEvent::IdentityUnlinked;
        self.tell(&mut transaction, what, user_id, provider, device)
            .await?;
        Ok(transaction.commit().await?)
    }
}
