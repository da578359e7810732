//! Which sessions have ended while their access tokens still run.
//!
//! Every replica keeps the sessions that ended within the last token lifetime.
//! It hears of them through NATS at once, and asks Redis every two seconds for
//! what it may have missed, so that without NATS the bound is two seconds and a
//! round trip.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use foldhash::quality::RandomState;
use futures::StreamExt as _;
use platform::{clock::SharedClock, nats::Nats, shutdown::Lifetime};
use proto::events::{Event as _, SessionRevoked};
use uuid::Uuid;

use super::store::sessions;
use crate::upstream::GuardedRedis;

/// How often Redis is asked.
const CATCH_UP: Duration = Duration::from_secs(2);
/// Replicas' clocks and the scripts' times may be apart by this.
const OVERLAP_MS: i64 = 60_000;

/// The sessions that ended lately. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Revocations {
    ended: Arc<RwLock<HashMap<Uuid, i64, RandomState>>>,
    /// For how long an ended session has to be known, in milliseconds.
    keep: i64,
}

impl Revocations {
    /// Keeps ended sessions for `keep` milliseconds: the longest that an access
    /// token can be accepted.
    #[must_use]
    pub fn new(keep: i64) -> Self {
        Self {
            ended: Arc::default(),
            keep,
        }
    }

    /// For how long an ended session has to be known, in milliseconds.
    #[must_use]
    pub fn keep(&self) -> i64 {
        self.keep
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn contains(&self, session: Uuid) -> bool {
        let ended = self
            .ended
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.contains_key(&session)
    }

    /// Takes note of sessions that ended, with when they did.
    pub fn add(&self, sessions: impl IntoIterator<Item = (Uuid, i64)>) {
        let mut ended = self
            .ended
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.extend(sessions);
    }

    fn forget_before(&self, instant: i64) {
        let mut ended = self
            .ended
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.retain(|_, at| *at >= instant);
        metrics::gauge!("sessions_revoked_remembered").set(ended.len() as f64);
    }

    /// Listens and catches up until the lifetime ends.
    pub async fn follow(
        self,
        redis: GuardedRedis,
        nats: Nats,
        clock: SharedClock,
        lifetime: Lifetime,
    ) {
        let mut events = match nats
            .client()
            .subscribe(nats.subject(SessionRevoked::SUBJECT))
            .await
        {
            Ok(events) => events.left_stream(),
            Err(error) => {
                tracing::error!(%error, "revocations come through Redis alone");
                futures::stream::pending().right_stream()
            }
        };
        let mut tick = tokio::time::interval(CATCH_UP);
        let mut since = clock.now_ms() - self.keep;
        loop {
            tokio::select! {
                Some(message) = events.next() => {
                    match serde_json::from_slice::<SessionRevoked>(&message.payload) {
                        Ok(event) => {
                            self.add([(event.session_id, event.revoked_at.timestamp_millis())]);
                        }
                        Err(error) => {
                            tracing::warn!(%error, subject = SessionRevoked::SUBJECT, "unreadable event");
                        }
                    }
                }
                _ = tick.tick() => {
                    let now = clock.now_ms();
                    match sessions::revoked_since(&redis, since).await {
                        Ok(ended) => {
                            self.add(ended);
                            since = now - OVERLAP_MS;
                        }
                        Err(error) => tracing::debug!(%error, "revocations: redis is away"),
                    }
                    self.forget_before(now - self.keep);
                }
                () = lifetime.stopping() => return,
            }
        }
    }
}
