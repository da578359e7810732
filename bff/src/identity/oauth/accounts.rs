use platform::{outbox, postgres::constraint};
use proto::events::{UserRegistered, UserUpdated};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Failure, OAuth, ProviderName, provider::Person};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        credentials::UserStatus,
        identities::{self, AddressHolder, NewIdentity, NewPerson},
    },
    events::new_event,
    identity::{
        identifier::{Address, Email},
        session::Device,
    },
    notify::Notice,
};

/// How often one who loses a race against another request of the same person
/// looks again. Each time someone else has won.
const TRIES: usize = 3;

impl OAuth {
    /// The user that a person is here, made or linked if need be.
    ///
    /// An identity that is known decides. Of a new one only an address counts
    /// that the provider vouches for: it is linked to the user who has that
    /// address, and otherwise a user is made. What a provider says without
    /// vouching decides nothing, or anyone could sign in as anyone.
    pub(super) async fn user_of(
        &self,
        provider: ProviderName,
        person: &Person,
        device: &Device,
    ) -> Result<Uuid, Failure> {
        for _ in 0..TRIES {
            let known =
                identities::find(&self.sign_in.pool, provider.as_str(), &person.subject).await?;
            if let Some(holder) = known {
                return match holder.status {
                    // Signing in brings the deactivated back, if it isn't too late.
                    UserStatus::Active | UserStatus::Deactivated => Ok(holder.user_id),
                    _ => self.refuse(holder.user_id, provider, device).await,
                };
            }
            let adopted = match person.vouched_email() {
                Some(email) => self.adopt(email, provider, person, device).await,
                None => Ok(None),
            };
            let outcome = match adopted {
                Ok(Some(user_id)) => Ok(user_id),
                Ok(None) => self.register(provider, person, device).await,
                Err(failure) => Err(failure),
            };
            match outcome {
                Err(failure) if failure.is_lost_race() => {}
                outcome => return outcome,
            }
        }
        Err(Failure::Taken)
    }

    /// Links a person to the user who has their address, if there is one, all in
    /// the transaction that keeps the user as they are.
    ///
    /// Where the address was never proved, someone else may have put it there
    /// to wait for its owner: everything they could get in with goes first.
    async fn adopt(
        &self,
        email: &Email,
        provider: ProviderName,
        person: &Person,
        device: &Device,
    ) -> Result<Option<Uuid>, Failure> {
        let mut transaction = self.sign_in.pool.begin().await?;
        let holder = identities::lock_holder_of(&mut *transaction, email).await?;
        let Some(AddressHolder {
            user_id,
            status,
            verified,
        }) = holder
        else {
            return Ok(None);
        };
        if status != UserStatus::Active {
            transaction.rollback().await?;
            return self.refuse(user_id, provider, device).await;
        }
        if !verified {
            self.disown(&mut transaction, user_id, email, provider, device)
                .await?;
        }
        identities::verify_email(&mut *transaction, user_id, self.sign_in.clock.now()).await?;
        self.link(&mut transaction, user_id, provider, person, device)
            .await?;
        transaction.commit().await?;
        Ok(Some(user_id))
    }

    /// Without Redis nothing of it happens: the sessions end first.
    async fn disown(
        &self,
        transaction: &mut PgConnection,
        user_id: Uuid,
        email: &Email,
        provider: ProviderName,
        device: &Device,
    ) -> Result<(), Failure> {
        let masked = Address::Email(email.clone()).masked();
        let mut entry =
            self.sign_in
                .entry(AuditEvent::Disowned, Some(user_id), device, Some(masked));
        entry.detail = json!({ "provider": provider.as_str() });
        identities::disown(&mut *transaction, user_id).await?;
        audit::append(transaction, &entry).await?;
        Ok(self.sign_in.sessions.end_all(user_id, None).await?)
    }

    async fn register(
        &self,
        provider: ProviderName,
        person: &Person,
        device: &Device,
    ) -> Result<Uuid, Failure> {
        let (id, at) = (self.sign_in.clock.new_id(), self.sign_in.clock.now());
        let email = person.vouched_email();
        let new = NewPerson {
            id,
            email,
            full_name: person.full_name.as_deref(),
            at,
        };
        let mut transaction = self.sign_in.pool.begin().await?;
        identities::insert_person(&mut *transaction, &new).await?;
        identities::insert(&mut *transaction, &identity(provider, person, id, at)).await?;
        let registered = UserRegistered { user_id: id };
        let event = new_event(1, &registered, &*self.sign_in.clock);
        outbox::append(&mut *transaction, &event).await?;
        let masked = email.map(|email| Address::Email(email.clone()).masked());
        let mut entry = self
            .sign_in
            .entry(AuditEvent::Registered, Some(id), device, masked);
        entry.detail = json!({ "provider": provider.as_str() });
        audit::append(&mut *transaction, &entry).await?;
        transaction.commit().await?;
        metrics::counter!("registrations_total").increment(1);
        // Nobody is told of the device they have just signed up with.
        self.sign_in.remember(id, device).await?;
        Ok(id)
    }

    /// Adds an identity to a user who is kept as they are meanwhile.
    pub(super) async fn link(
        &self,
        transaction: &mut PgConnection,
        user_id: Uuid,
        provider: ProviderName,
        person: &Person,
        device: &Device,
    ) -> Result<(), Failure> {
        let at = self.sign_in.clock.now();
        identities::insert(&mut *transaction, &identity(provider, person, user_id, at))
            .await
            .map_err(|error| match constraint(&error) {
                Some("identities_one_per_provider") => Failure::Taken,
                _ => error.into(),
            })?;
        let notice = Notice::ProviderAdded(provider.title().into());
        self.sign_in
            .notices
            .tell(transaction, user_id, notice, device)
            .await?;
        let what = AuditEvent::IdentityLinked;
        self.tell(transaction, what, user_id, provider, device)
            .await
    }

    /// Writes down a change of a user's identities and tells of it.
    pub(super) async fn tell(
        &self,
        transaction: &mut PgConnection,
        what: AuditEvent,
        user_id: Uuid,
        provider: ProviderName,
        device: &Device,
    ) -> Result<(), Failure> {
        let at = self.sign_in.clock.now();
        let version = identities::changed(&mut *transaction, user_id, at).await?;
        let event = new_event(version, &UserUpdated { user_id }, &*self.sign_in.clock);
        outbox::append(&mut *transaction, &event).await?;
        let mut entry = self.sign_in.entry(what, Some(user_id), device, None);
        entry.detail = json!({ "provider": provider.as_str() });
        Ok(audit::append(&mut *transaction, &entry).await?)
    }

    /// Writes down a failure that may be someone's doing, and isn't yet.
    pub(super) async fn written_down(
        &self,
        failure: Failure,
        provider: ProviderName,
        device: &Device,
    ) -> Failure {
        if !matches!(failure, Failure::Answer(_) | Failure::Taken) {
            return failure;
        }
        let mut entry = self
            .sign_in
            .entry(AuditEvent::SignInFailed, None, device, None);
        entry.detail = json!({ "provider": provider.as_str(), "reason": failure.to_string() });
        match audit::append(&self.sign_in.pool, &entry).await {
            Ok(()) => failure,
            Err(error) => error.into(),
        }
    }

    /// Writes down that a user who may not sign in has tried to.
    async fn refuse<T>(
        &self,
        user_id: Uuid,
        provider: ProviderName,
        device: &Device,
    ) -> Result<T, Failure> {
        let mut entry = self
            .sign_in
            .entry(AuditEvent::SignInFailed, Some(user_id), device, None);
        entry.detail = json!({ "provider": provider.as_str() });
        audit::append(&self.sign_in.pool, &entry).await?;
        Err(Failure::Refused)
    }
}

fn identity<'p>(
    provider: ProviderName,
    person: &'p Person,
    user_id: Uuid,
    at: chrono::DateTime<chrono::Utc>,
) -> NewIdentity<'p> {
    NewIdentity {
        provider: provider.as_str(),
        subject: &person.subject,
        user_id,
        email: person.email.as_ref(),
        at,
    }
}
