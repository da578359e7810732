use crate::identity::{caller::Caller, error::Error, store::freshness};

use super::Sessions;

impl Sessions {
    /// Whether the session's owner proved lately who they are: at sign-in or by
    /// a step-up. Redis is always asked, so this also sees that a session ended.
    ///
    /// # Errors
    /// [`Error::StepUpRequired`], [`Error::Unauthenticated`] when the session
    /// has ended; when Redis doesn't answer.
    pub async fn require_fresh(&self, caller: &Caller) -> Result<(), Error> {
        let proved_at = freshness::proved_at(&self.redis, caller.session_id).await?;
        let proved_at = proved_at.ok_or(Error::Unauthenticated)?;
        let is_fresh = self.clock.now_ms() < proved_at + self.settings.fresh_s.millis();
        is_fresh.then_some(()).ok_or(Error::StepUpRequired)
    }

    /// The session's owner has just proved who they are.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the session has ended;
    /// when Redis doesn't answer.
    pub async fn prove(&self, caller: &Caller) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let exists = freshness::prove(&self.redis, caller.session_id, now).await?;
        exists.then_some(()).ok_or(Error::Unauthenticated)
    }
}
