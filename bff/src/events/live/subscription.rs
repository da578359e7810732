use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{Change, End, Live, Position};

/// What a stream tells.
#[derive(Debug, Clone)]
pub enum Note {
    /// Something happened.
    Change(Arc<Change>),
    /// Something may have happened that can't be told: look anew.
    Reset(Position),
    /// Nothing happened; this is how far the stream is, if that is known.
    Beat(Option<Position>),
    /// The last note.
    End(End),
}

/// The far end of a stream. It counts until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    pub(super) live: Live,
    pub(super) user: Uuid,
    pub(super) number: u64,
    /// What happened while the client was away.
    pub(super) missed: VecDeque<Note>,
    pub(super) notes: mpsc::Receiver<Note>,
    pub(super) end: Arc<OnceLock<End>>,
    pub(super) until: Instant,
    pub(super) heartbeat: Duration,
    pub(super) over: bool,
}

impl Subscription {
    /// The next note, without end of waiting; `None` after the last one.
    pub async fn next(&mut self) -> Option<Note> {
        if self.over {
            return None;
        }
        if let Some(note) = self.missed.pop_front() {
            return Some(note);
        }
        let note = tokio::select! {
            biased;
            note = self.notes.recv() => self.or_end(note),
            () = sleep_until(self.until) => {
                self.live.renew(self.user, self.number);
                let note = self.notes.recv().await;
                self.or_end(note)
            }
            () = sleep(self.heartbeat) => {
                let notes = &self.notes;
                match self.live.position_if(|| notes.is_empty()) {
                    Some(position) => Note::Beat(position),
                    None => self.notes.recv().await?,
                }
            }
        };
        self.over = matches!(note, Note::End(_));
        Some(note)
    }

    fn or_end(&self, note: Option<Note>) -> Note {
        note.unwrap_or_else(|| Note::End(self.end.get().copied().unwrap_or(End::GoingAway)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.forget(self.user, self.number);
    }
}
