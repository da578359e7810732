//! How sessions end before their time.

use chrono::{DateTime, Utc};
use platform::outbox;
use proto::events::SessionRevoked;
use uuid::Uuid;

use super::Sessions;
use crate::{
    events::{SOURCE, new_event},
    identity::{error::Error, store::sessions},
};

impl Sessions {
    /// Ends one session of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has none of that id;
    /// when Redis doesn't answer.
    pub async fn end(&self, user_id: Uuid, session_id: Uuid) -> Result<(), Error> {
        match self.end_those(user_id, &[session_id], None).await? {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }

    /// Ends every session of a user but one.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn end_all(&self, user_id: Uuid, spared: Option<Uuid>) -> Result<(), Error> {
        self.end_those(user_id, &[], spared).await.map(drop)
    }

    async fn end_those(
        &self,
        user_id: Uuid,
        named: &[Uuid],
        spared: Option<Uuid>,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        let keep = self.revocations.keep();
        let at = now.timestamp_millis();
        let ended = sessions::end(&self.redis, user_id, named, spared, at, keep).await?;
        self.tell(user_id, &ended, now).await;
        Ok(ended.len())
    }

    /// Makes ended sessions known: here at once, elsewhere through NATS. What
    /// NATS doesn't carry, every replica reads from Redis.
    pub(super) async fn tell(&self, user_id: Uuid, ended: &[Uuid], at: DateTime<Utc>) {
        if ended.is_empty() {
            return;
        }
        self.revocations
            .add(ended.iter().map(|id| (*id, at.timestamp_millis())));
        metrics::counter!("sessions_revoked_total").increment(ended.len() as u64);
        for &session_id in ended {
            let event = SessionRevoked {
                session_id,
                user_id,
                revoked_at: at,
            };
            let event = new_event(0, &event, &*self.clock);
            outbox::announce(&self.nats, SOURCE, &event).await;
        }
    }
}
