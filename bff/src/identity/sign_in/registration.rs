use chrono::NaiveDate;
use platform::{outbox, postgres::constraint};
use proto::events::UserRegistered;
use uuid::Uuid;

use super::{SignIn, SignedIn};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        credentials::{self, NewUser},
        users::{self, User},
    },
    events::new_event,
    identity::{
        code::{Purpose, Redeemed},
        error::Error,
        identifier::{Address, Password, Username},
        session::{Device, Era, Mode},
    },
};

/// What a person registers with.
#[derive(Debug)]
pub struct Registration {
    /// The address that the code was sent to.
    pub address: Address,
    /// The code.
    pub code: String,
    /// The password to be.
    pub password: Password,
    /// What they are called.
    pub full_name: String,
    /// The name to sign in with, if any.
    pub username: Option<Username>,
    /// When they were born, if they say.
    pub birth_date: Option<NaiveDate>,
}

impl SignIn {
    /// Makes a user and signs it in. The code proves that the caller owns the
    /// address, so that "taken" tells nothing that isn't theirs to know.
    ///
    /// # Errors
    /// [`Error::InvalidCode`], [`Error::Weak`], [`Error::Taken`], [`Error::Busy`];
    /// when a store doesn't answer.
    pub async fn register(
        &self,
        registration: Registration,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let code = self
            .codes
            .redeem(
                &registration.address,
                Purpose::Registration,
                &registration.code,
            )
            .await?;
        let session_id = self.clock.new_id();
        match self.store_user(registration, session_id, &device).await {
            Ok(user) => {
                // The first one isn't worth a notice.
                self.remember(user.id, &device).await?;
                self.open(user, session_id, mode, device, Era::default())
                    .await
            }
            Err(error) => Err(self.give_back(code, error).await),
        }
    }

    /// The work that the code was for has failed: its owner may use it again.
    pub(super) async fn give_back(&self, code: Redeemed, error: Error) -> Error {
        self.codes.restore(code).await;
        error
    }

    async fn store_user(
        &self,
        wanted: Registration,
        session_id: Uuid,
        device: &Device,
    ) -> Result<User, Error> {
        let mut known = wanted.address.known();
        known.push(wanted.full_name.clone());
        known.extend(
            wanted
                .username
                .as_ref()
                .map(|name| name.canonical().to_owned()),
        );
        let hash = self
            .hasher
            .hash(wanted.password, known)
            .await?
            .map_err(|broken| Error::Weak("password", broken))?;

        let at = self.clock.now();
        let user = NewUser {
            id: self.clock.new_id(),
            address: wanted.address,
            username: wanted.username,
            full_name: wanted.full_name,
            birth_date: wanted.birth_date,
            at,
        };
        let mut transaction = self.pool.begin().await?;
        credentials::insert_user(&mut *transaction, &user)
            .await
            .map_err(taken)?;
        credentials::set_password(&mut *transaction, user.id, &hash, at).await?;
        let event = new_event(1, &UserRegistered { user_id: user.id }, &*self.clock);
        outbox::append(&mut *transaction, &event).await?;
        let subject = Some(user.address.masked());
        let mut entry = self.entry(AuditEvent::Registered, Some(user.id), device, subject);
        entry.session_id = Some(session_id);
        audit::append(&mut *transaction, &entry).await?;
        let user = users::find(&mut *transaction, user.id).await?;
        transaction.commit().await?;
        metrics::counter!("registrations_total").increment(1);
        user.ok_or(Error::Unauthenticated)
    }
}

/// Which field someone else has, by the constraint that says so.
pub(in crate::identity) fn taken(error: sqlx::Error) -> Error {
    match constraint(&error) {
        Some("users_email_unique" | "users_phone_unique") => Error::Taken(vec!["identifier"]),
        Some("users_username_unique") => Error::Taken(vec!["username"]),
        _ => Error::Postgres(error),
    }
}
