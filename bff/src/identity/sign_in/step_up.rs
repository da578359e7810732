use super::SignIn;
use crate::{
    accounts::{
        audit::{self, AuditEvent},
        contacts,
        credentials::{self, Credentials},
    },
    identity::{
        caller::Caller, code::Purpose, error::Error, identifier::Password, session::Device,
        store::attempts::Outcome,
    },
};

/// How someone signed in proves again who they are.
#[derive(Debug)]
pub enum StepUp {
    /// By the password.
    Password(Password),
    /// By a code that was sent to one of the user's addresses.
    Code(String),
}

impl SignIn {
    /// Makes the caller's session fresh.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] for a wrong password, with the same waits
    /// as at sign-in; [`Error::InvalidCode`]; [`Error::Unauthenticated`] when
    /// the session has ended; [`Error::Busy`]; when a store doesn't answer.
    pub async fn step_up(
        &self,
        caller: &Caller,
        proof: StepUp,
        device: &Device,
    ) -> Result<(), Error> {
        match proof {
            StepUp::Password(password) => {
                self.check_password(caller, password, device).await?;
            }
            StepUp::Code(code) => self.check_code(caller, &code, device).await?,
        }
        self.sessions.prove(caller).await?;
        let mut entry = self.entry(AuditEvent::SteppedUp, Some(caller.user_id), device, None);
        entry.session_id = Some(caller.session_id);
        Ok(audit::append(&self.pool, &entry).await?)
    }

    /// Checks the password of someone signed in, who may be a thief with the
    /// session alone: failures count like those at sign-in.
    pub(super) async fn check_password(
        &self,
        caller: &Caller,
        password: Password,
        device: &Device,
    ) -> Result<Credentials, Error> {
        let found = credentials::of(&self.pool, caller.user_id).await?;
        let owner = caller.user_id.to_string();
        let judgement = self.judge(found.as_ref(), &owner, password).await?;
        match (found, judgement.outcome) {
            (Some(credentials), Outcome::Accepted) => Ok(credentials),
            _ => {
                self.not_proved(caller, device).await?;
                Err(Error::InvalidCredentials)
            }
        }
    }

    async fn check_code(&self, caller: &Caller, code: &str, device: &Device) -> Result<(), Error> {
        let contact = contacts::of(&self.pool, caller.user_id).await?;
        let contact = contact.ok_or(Error::Unauthenticated)?;
        let address = self.codes.step_up_address(&contact).await?;
        let redeemed = match &address {
            Some(address) => self.codes.redeem(address, Purpose::StepUp, code).await,
            None => Err(Error::InvalidCode),
        };
        if matches!(redeemed, Err(Error::InvalidCode)) {
            self.not_proved(caller, device).await?;
        }
        redeemed.map(drop)
    }

    async fn not_proved(&self, caller: &Caller, device: &Device) -> Result<(), Error> {
        let mut entry = self.entry(AuditEvent::StepUpFailed, Some(caller.user_id), device, None);
        entry.session_id = Some(caller.session_id);
        Ok(audit::append(&self.pool, &entry).await?)
    }
}
