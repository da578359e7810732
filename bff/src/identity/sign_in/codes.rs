use super::SignIn;
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        contacts,
    },
    identity::{
        caller::Caller,
        code::{Purpose, Sent},
        error::Error,
        identifier::Address,
        session::Device,
    },
};

impl SignIn {
    /// Sends a code that someone asked for. A code to step up goes to the
    /// caller's own addresses alone; to any other nothing is sent, which the
    /// answer doesn't tell.
    ///
    /// # Errors
    /// [`Error::TooOften`]; [`Error::Unauthenticated`] when the purpose is one
    /// of somebody signed in; when a store doesn't answer.
    pub async fn send_code(
        &self,
        address: &Address,
        purpose: Purpose,
        caller: Option<&Caller>,
        device: &Device,
    ) -> Result<Sent, Error> {
        let own = match (purpose, caller) {
            (Purpose::Registration, _) | (Purpose::AddIdentifier, Some(_)) => Some(address.clone()),
            (Purpose::StepUp, Some(caller)) => {
                let contact = contacts::of(&self.pool, caller.user_id).await?;
                contact.ok_or(Error::Unauthenticated)?.own(address)
            }
            (Purpose::AddIdentifier | Purpose::StepUp, None) => {
                return Err(Error::Unauthenticated);
            }
            // Has a call of its own.
            (Purpose::ResetPassword, _) => None,
        };
        let to = own.as_ref().unwrap_or(address);
        let sent = self
            .codes
            .send(to, purpose, own.is_some(), device.language)
            .await?;
        if let (Purpose::StepUp, Some(caller), Some(own)) = (purpose, caller, &own) {
            self.codes.note_step_up(caller.user_id, own).await?;
        }
        let (user_id, subject) = (caller.map(|caller| caller.user_id), address.masked());
        let entry = self.entry(AuditEvent::CodeSent, user_id, device, Some(subject));
        match caller {
            Some(_) => audit::append(&self.pool, &entry).await?,
            None => audit::append_about(&self.pool, &entry, address).await?,
        }
        Ok(sent)
    }
}
