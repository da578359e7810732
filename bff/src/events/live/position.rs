use std::{fmt, str::FromStr};

use platform::nats::Stream;

use crate::schema::{like, schemas};

/// How far the streams of both stores have been seen: the id of an event, as a
/// client gets it and gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// In the events of the accounts store.
    pub accounts: u64,
    /// In those of the orders store.
    pub orders: u64,
}

schemas! {
    Position, "EventId": "Which event was seen.", like("^[0-9]+-[0-9]+$");
}

impl Position {
    pub(super) const fn of(self, stream: Stream) -> u64 {
        match stream {
            Stream::Orders => self.orders,
            _ => self.accounts,
        }
    }

    pub(super) const fn set(&mut self, stream: Stream, place: u64) {
        match stream {
            Stream::Orders => self.orders = place,
            _ => self.accounts = place,
        }
    }

    pub(super) const fn is_within(self, from: Self, to: Self) -> bool {
        from.accounts <= self.accounts
            && self.accounts <= to.accounts
            && from.orders <= self.orders
            && self.orders <= to.orders
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.accounts, self.orders)
    }
}

/// A text that isn't the id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of an event")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (accounts, orders) = text.split_once('-').ok_or(NotAPosition)?;
        let place = |text: &str| text.parse().map_err(|_| NotAPosition);
        Ok(Self {
            accounts: place(accounts)?,
            orders: place(orders)?,
        })
    }
}
