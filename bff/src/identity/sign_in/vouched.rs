use serde_json::json;
use uuid::Uuid;

use super::{SignIn, SignedIn};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        credentials, users,
    },
    identity::{
        error::Error,
        life,
        session::{Device, Era, Mode},
    },
};

impl SignIn {
    /// Signs in a user for whom a provider vouched after `era` was read. One who
    /// deactivated their account comes back with it, as with a password.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the user may not sign in;
    /// when a store doesn't answer.
    pub async fn vouched(
        &self,
        user_id: Uuid,
        era: Era,
        provider: &'static str,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let mut transaction = self.pool.begin().await?;
        let back = self.entry(AuditEvent::Reactivated, Some(user_id), &device, None);
        life::come_back(&mut transaction, &back, user_id, &*self.clock).await?;
        let may = credentials::signed_in(&mut *transaction, user_id, self.clock.now()).await?;
        let what = match may {
            true => AuditEvent::SignedIn,
            false => AuditEvent::SignInFailed,
        };
        let session_id = self.clock.new_id();
        let mut entry = self.entry(what, Some(user_id), &device, None);
        entry.session_id = may.then_some(session_id);
        entry.detail = json!({ "provider": provider });
        audit::append(&mut *transaction, &entry).await?;
        let user = users::find(&mut *transaction, user_id).await?;
        transaction.commit().await?;
        let user = user.filter(|_| may).ok_or(Error::InvalidCredentials)?;
        self.greet(user_id, &device).await?;
        self.open(user, session_id, mode, device, era).await
    }
}
