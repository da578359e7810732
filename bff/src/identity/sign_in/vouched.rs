use serde_json::json;
use uuid::Uuid;

use super::{SignIn, SignedIn};
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        credentials::{self, UserStatus},
        identities,
    },
    identity::{
        error::Error,
        session::{Device, Mode},
    },
};

impl SignIn {
    /// Signs in a user whom a provider vouches for.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the user may not sign in;
    /// when a store doesn't answer.
    pub async fn vouched(
        &self,
        user_id: Uuid,
        provider: &'static str,
        mode: Mode,
        device: Device,
    ) -> Result<SignedIn, Error> {
        let holder = identities::holder(&self.pool, user_id).await?;
        let active = holder.filter(|holder| holder.status == UserStatus::Active);
        let mut entry = self.entry(AuditEvent::SignInFailed, Some(user_id), &device, None);
        entry.detail = json!({ "provider": provider });
        let Some(holder) = active else {
            metrics::counter!("sign_ins_total", "outcome" => "refused").increment(1);
            audit::append(&self.pool, &entry).await?;
            return Err(Error::InvalidCredentials);
        };
        entry.event = AuditEvent::SignedIn;
        let mut transaction = self.pool.begin().await?;
        credentials::signed_in(&mut *transaction, user_id, self.clock.now()).await?;
        audit::append(&mut *transaction, &entry).await?;
        transaction.commit().await?;
        metrics::counter!("sign_ins_total", "outcome" => "accepted").increment(1);
        self.open(user_id, holder.role, mode, device).await
    }
}
