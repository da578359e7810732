use serde_json::json;
use uuid::Uuid;

use super::{SignIn, SignedIn};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        credentials,
    },
    identity::{
        error::Error,
        session::{Device, Era, Mode},
    },
};

impl SignIn {
    /// Signs in a user for whom a provider vouched after `era` was read.
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
        let active = credentials::of(&self.pool, user_id).await?;
        let what = match &active {
            Some(_) => AuditEvent::SignedIn,
            None => AuditEvent::SignInFailed,
        };
        let mut entry = self.entry(what, Some(user_id), &device, None);
        entry.detail = json!({ "provider": provider });
        let mut transaction = self.pool.begin().await?;
        audit::append(&mut *transaction, &entry).await?;
        if active.is_some() {
            credentials::signed_in(&mut *transaction, user_id, self.clock.now()).await?;
        }
        transaction.commit().await?;
        let active = active.ok_or(Error::InvalidCredentials)?;
        self.open(user_id, active.role, mode, device, era).await
    }
}
