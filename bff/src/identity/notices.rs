//! Telling users what happens to their accounts.

use platform::clock::SharedClock;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{identifier::Address, session::Device};
use crate::{
    accounts::contacts,
    notify::{self, Message, Notice, Sealer},
};

/// Writes notices to the outbox. Cloning copies the key.
#[derive(Debug, Clone)]
pub struct Notices {
    sealer: Sealer,
    clock: SharedClock,
}

impl Notices {
    /// Notices go out sealed.
    #[must_use]
    pub fn new(sealer: Sealer, clock: SharedClock) -> Self {
        Self { sealer, clock }
    }

    /// Tells a user by mail what happened, in the transaction of what did. A
    /// user without an e-mail address isn't told: anyone could make us pay for
    /// SMS.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn tell(
        &self,
        executor: &mut PgConnection,
        user_id: Uuid,
        notice: Notice,
        device: &Device,
    ) -> sqlx::Result<()> {
        let contact = contacts::of(&mut *executor, user_id).await?;
        let email = contact.and_then(|contact| contact.email);
        match email.map(Address::Email) {
            Some(email) => self.tell_at(executor, &email, notice, device).await,
            None => Ok(()),
        }
    }

    /// The same at one address, whoever has it by now.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn tell_at(
        &self,
        executor: &mut PgConnection,
        to: &Address,
        notice: Notice,
        device: &Device,
    ) -> sqlx::Result<()> {
        let message = Message::notice(to, notice, self.clock.now(), device);
        notify::enqueue(executor, &self.sealer, &message, &*self.clock).await
    }
}
