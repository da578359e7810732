//! What happens to a user, told to them as it happens: each replica hears of
//! every event, keeps the latest, and passes them on to the streams that are
//! open here.
//!
//! A client that comes back names the last event it saw, and is told what it
//! missed. When that is more than is kept here, it is told to look anew.

mod history;
mod position;
mod settings;
mod state;
mod subscription;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use platform::{
    consumer::{Delivery, Feed, Signal},
    nats::{Nats, Stream},
    shutdown::Lifetime,
};
use proto::events::{Event as _, SessionRevoked};
use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};
use utoipa::ToSchema;
use uuid::Uuid;

use super::invalidation;
use crate::identity::{Caller, revocation::Revocations};

pub use position::Position;
pub use settings::StreamSettings;
pub use subscription::{Note, Subscription};

use state::State;

/// How often streams of ended sessions are looked for: a revocation that was
/// heard of through Redis comes with no event.
const LOOK: Duration = Duration::from_secs(1);

/// Something of a user's that changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Change {
    /// What changed: the transfer, the order, the session, …
    pub id: Uuid,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// What happened, such as `transfer.posted`; the name of the event.
    #[serde(skip)]
    pub name: String,
    /// Where it stands: the id of the event.
    #[serde(skip)]
    pub position: Position,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The session was ended.
    SessionEnded,
    /// The client reads more slowly than things happen.
    TooSlow,
    /// Every stream ends after a while, so that its client proves again who it is.
    Renew,
    /// This replica stops.
    GoingAway,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SessionEnded => "session_ended",
            Self::TooSlow => "too_slow",
            Self::Renew => "renew",
            Self::GoingAway => "going_away",
        }
    }
}

/// Why no stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The user has as many as a user may.
    User,
    /// The replica has as many as it may.
    Replica,
}

/// The streams that are open on this replica. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: StreamSettings,
    state: Mutex<State>,
}

impl Live {
    /// Nothing is heard of until [`Live::follow`].
    #[must_use]
    pub fn new(settings: &StreamSettings) -> Self {
        Self(Arc::new(Inner {
            settings: settings.clone(),
            state: Mutex::new(State::new(settings.remembered)),
        }))
    }

    /// Opens a stream of what happens to the caller, after the `last` event
    /// that the client saw.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn open(&self, caller: &Caller, last: Option<Position>) -> Result<Subscription, Full> {
        let settings = &self.0.settings;
        let (sender, notes) = mpsc::channel(settings.waiting);
        let mut state = self.state();
        state.has_room(caller.user_id, settings)?;
        let missed = last.map_or_else(Vec::new, |last| state.missed(last, caller.user_id));
        let (number, end) = state.add(caller, sender);
        drop(state);
        let max_age = settings.max_age_s.duration();
        Ok(Subscription {
            live: self.clone(),
            user: caller.user_id,
            number,
            missed: missed.into(),
            notes,
            end,
            until: Instant::now() + max_age.mul_f64(rand::random_range(0.9..=1.1)),
            heartbeat: settings.heartbeat_s.duration(),
            over: false,
        })
    }

    /// Hears of what happens, and passes it on, until the process ends. Then
    /// every stream ends.
    pub async fn follow(self, nats: Nats, revocations: Revocations, lifetime: Lifetime) {
        let past = self.0.settings.remembered as u64;
        let feed = |stream| Feed::new(nats.clone(), stream).with_past(past);
        let (accounts, orders) = (feed(Stream::Accounts), feed(Stream::Orders));
        let look = async {
            let mut tick = tokio::time::interval(LOOK);
            loop {
                tick.tick().await;
                self.state().end(End::SessionEnded, |open| {
                    revocations.contains(open.session_id)
                });
            }
        };
        tokio::select! {
            () = accounts.run(&lifetime, |signal| self.hear(Stream::Accounts, signal)) => {}
            () = orders.run(&lifetime, |signal| self.hear(Stream::Orders, signal)) => {}
            () = look => {}
        }
        self.state().end(End::GoingAway, |_| true);
    }

    fn hear(&self, stream: Stream, signal: Signal) {
        let mut state = self.state();
        match signal {
            Signal::Reset { after, latest } => state.restart(stream, after, latest),
            Signal::Event(delivery) => {
                let ended = session_that_ended(&delivery);
                let users = match &ended {
                    Some(ended) => vec![ended.user_id],
                    None => invalidation::users(&delivery),
                };
                state.advance(stream, &delivery, users);
                if let Some(SessionRevoked {
                    user_id,
                    session_id,
                    ..
                }) = ended
                {
                    state.end_of(user_id, End::SessionEnded, |open| {
                        open.session_id == session_id
                    });
                }
            }
        }
    }

    /// How far a stream is in which nothing waits; `None`, if something does.
    fn position_if(&self, idle: impl FnOnce() -> bool) -> Option<Option<Position>> {
        let state = self.state();
        idle().then(|| state.position())
    }

    fn renew(&self, user: Uuid, number: u64) {
        self.state()
            .end_of(user, End::Renew, |open| open.number == number);
    }

    fn forget(&self, user: Uuid, number: u64) {
        self.state().forget(user, number);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session_that_ended(delivery: &Delivery) -> Option<SessionRevoked> {
    (delivery.event_type == SessionRevoked::SUBJECT).then(|| delivery.json().ok())?
}

#[cfg(test)]
mod tests;
