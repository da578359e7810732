use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use metrics::{counter, gauge};
use platform::{consumer::Delivery, nats::Stream};
use tokio::sync::mpsc::{self, error::TrySendError};
use uuid::Uuid;

use super::{Change, End, Full, Note, Position, StreamSettings, history::History};
use crate::identity::Caller;

/// What happened, and who listens.
#[derive(Debug)]
pub struct State {
    history: History,
    open: HashMap<Uuid, Vec<Open>>,
    count: usize,
    last_number: u64,
}

/// The near end of a stream.
#[derive(Debug)]
pub struct Open {
    pub session_id: Uuid,
    pub number: u64,
    notes: mpsc::Sender<Note>,
    end: Arc<OnceLock<End>>,
}

impl State {
    pub fn new(remembered: usize) -> Self {
        Self {
            history: History::new(remembered),
            open: HashMap::new(),
            count: 0,
            last_number: 0,
        }
    }

    pub fn has_room(&self, user: Uuid, settings: &StreamSettings) -> Result<(), Full> {
        if self.open.get(&user).map_or(0, Vec::len) >= settings.max_per_user {
            return Err(Full::User);
        }
        if self.count >= settings.max {
            return Err(Full::Replica);
        }
        Ok(())
    }

    pub fn add(&mut self, caller: &Caller, notes: mpsc::Sender<Note>) -> (u64, Arc<OnceLock<End>>) {
        self.last_number += 1;
        let (number, end) = (self.last_number, Arc::default());
        self.open.entry(caller.user_id).or_default().push(Open {
            session_id: caller.session_id,
            number,
            notes,
            end: Arc::clone(&end),
        });
        self.recount(self.count + 1);
        (number, end)
    }

    /// What a client missed that was away since `last`.
    pub fn missed(&self, last: Position, user: Uuid) -> Vec<Note> {
        match (self.history.after(last, user), self.history.position()) {
            (Some(changes), _) => changes.into_iter().map(Note::Change).collect(),
            (None, Some(position)) => vec![Note::Reset(position)],
            // Everyone is told to look anew when the past is known.
            (None, None) => Vec::new(),
        }
    }

    pub fn position(&self) -> Option<Position> {
        self.history.position()
    }

    pub fn restart(&mut self, stream: Stream, after: u64, latest: u64) {
        self.history.restart(stream, after, latest);
        self.reset();
    }

    pub fn advance(&mut self, stream: Stream, delivery: &Delivery, users: Vec<Uuid>) {
        let was_known = self.history.position().is_some();
        let position = self.history.advance(stream, delivery.place);
        if !users.is_empty() {
            let change = Arc::new(Change {
                id: delivery.aggregate_id,
                occurred_at: delivery.occurred_at,
                name: name(&delivery.event_type).to_owned(),
                position,
            });
            if was_known {
                for user in &users {
                    self.tell(*user, &Note::Change(change.clone()));
                }
            }
            self.history.keep(stream, change, users);
        }
        if !was_known {
            self.reset();
        }
    }

    /// Tells everyone to look anew, once what has happened is known.
    fn reset(&mut self) {
        let Some(position) = self.history.position() else {
            return;
        };
        let users: Vec<Uuid> = self.open.keys().copied().collect();
        for user in users {
            self.tell(user, &Note::Reset(position));
        }
    }

    /// Tells a user; a stream that has no room for it ends.
    fn tell(&mut self, user: Uuid, note: &Note) {
        self.end_of(user, End::TooSlow, |open| {
            matches!(
                open.notes.try_send(note.clone()),
                Err(TrySendError::Full(_))
            )
        });
    }

    /// Ends streams, whosever they are.
    pub fn end(&mut self, end: End, which: impl Fn(&Open) -> bool) {
        let ending = self.open.iter().filter(|(_, open)| open.iter().any(&which));
        let users: Vec<Uuid> = ending.map(|(user, _)| *user).collect();
        for user in users {
            self.end_of(user, end, &which);
        }
    }

    /// Ends streams of one user.
    pub fn end_of(&mut self, user: Uuid, end: End, which: impl Fn(&Open) -> bool) {
        for open in self.take(user, which) {
            // What waits in it is read first, then this.
            let _ = open.end.set(end);
            counter!("event_streams_ended_total", "reason" => end.as_str()).increment(1);
        }
    }

    /// Forgets a stream that is read no more.
    pub fn forget(&mut self, user: Uuid, number: u64) {
        self.take(user, |open| open.number == number);
    }

    fn take(&mut self, user: Uuid, which: impl Fn(&Open) -> bool) -> Vec<Open> {
        let Some(open) = self.open.get_mut(&user) else {
            return Vec::new();
        };
        let taken: Vec<Open> = open.extract_if(.., |one| which(one)).collect();
        if open.is_empty() {
            self.open.remove(&user);
        }
        if !taken.is_empty() {
            self.recount(self.count - taken.len());
        }
        taken
    }

    fn recount(&mut self, count: usize) {
        self.count = count;
        gauge!("event_streams_open").set(count as f64);
    }
}

/// `evt.accounts.transfer.posted.v1` is `transfer.posted` to a client.
fn name(event_type: &str) -> &str {
    let name = event_type.splitn(3, '.').nth(2).unwrap_or(event_type);
    name.rsplit_once('.').map_or(name, |(name, _version)| name)
}
