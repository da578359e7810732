use std::{collections::VecDeque, sync::Arc};

use platform::nats::Stream;
use uuid::Uuid;

use super::{Change, Position};

/// The latest changes, in the order in which they were heard of.
#[derive(Debug)]
pub struct History {
    most: usize,
    changes: VecDeque<Kept>,
    /// Whatever came after this is among `changes`.
    since: Position,
    now: Position,
    /// Where each stream was when it was begun with; `None` until then. Up to
    /// there, nothing is news.
    begun: [Option<u64>; 2],
}

#[derive(Debug)]
struct Kept {
    stream: Stream,
    users: Vec<Uuid>,
    change: Arc<Change>,
}

impl History {
    pub fn new(most: usize) -> Self {
        let nowhere = Position {
            accounts: 0,
            orders: 0,
        };
        Self {
            most,
            changes: VecDeque::new(),
            since: nowhere,
            now: nowhere,
            begun: [None; 2],
        }
    }

    /// A stream goes on after `after`, with a gap before it, and what is up to
    /// `latest` has happened already.
    pub fn restart(&mut self, stream: Stream, after: u64, latest: u64) {
        self.changes.retain(|kept| kept.stream != stream);
        self.since.set(stream, after);
        self.now.set(stream, after);
        self.begun[usize::from(stream == Stream::Orders)] = Some(latest);
    }

    /// Where both streams are, once what had happened before was heard of.
    pub fn position(&self) -> Option<Position> {
        let [Some(accounts), Some(orders)] = self.begun else {
            return None;
        };
        let begun = Position { accounts, orders };
        (self.now.accounts >= begun.accounts && self.now.orders >= begun.orders).then_some(self.now)
    }

    /// A stream has come to `place`.
    pub fn advance(&mut self, stream: Stream, place: u64) -> Position {
        self.now.set(stream, place);
        self.now
    }

    /// Keeps what happened to these users, as long as there is room.
    pub fn keep(&mut self, stream: Stream, change: Arc<Change>, users: Vec<Uuid>) {
        self.changes.push_back(Kept {
            stream,
            users,
            change,
        });
        if self.changes.len() > self.most
            && let Some(oldest) = self.changes.pop_front()
        {
            let place = oldest.change.position.of(oldest.stream);
            self.since.set(oldest.stream, place);
        }
    }

    /// What happened to a user after `last`; `None` when that isn't known any
    /// more, or not yet.
    pub fn after(&self, last: Position, user: Uuid) -> Option<Vec<Arc<Change>>> {
        if !last.is_within(self.since, self.position()?) {
            return None;
        }
        let missed = self.changes.iter().filter(|kept| {
            kept.change.position.of(kept.stream) > last.of(kept.stream)
                && kept.users.contains(&user)
        });
        Some(missed.map(|kept| kept.change.clone()).collect())
    }
}
