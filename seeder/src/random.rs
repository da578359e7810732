//! Chance that is the same for the same seed.
//!
//! Every row draws from a stream of its own, named by the seed, what the row
//! is and its number. So a row doesn't change when another is made otherwise.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng, seq::IndexedRandom as _};
use uuid::Uuid;

/// What the rows are that draw from a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    User = 1,
    Author = 2,
    Item = 3,
    Order = 4,
    Account = 5,
    Gift = 6,
    Transfer = 7,
    Cart = 8,
}

/// One row's source of chance. ChaCha keeps its values over versions.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) ChaCha8Rng);

impl Chance {
    pub(crate) fn of(seed: u64, stream: Stream, number: usize) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = stream as u8;
        key[16..24].copy_from_slice(&(number as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// One of a list.
    pub(crate) fn choose<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        list.choose(&mut self.0)
            .expect("the lists are written with words in them")
    }

    /// One of a list of pairs, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, list: &[(T, u32)]) -> T {
        list.choose_weighted(&mut self.0, |(_, weight)| *weight)
            .expect("the weights are written with a sum above zero")
            .0
    }

    /// Yes, in that many of a hundred.
    pub(crate) fn percent(&mut self, share: u32) -> bool {
        self.0.random_ratio(share, 100)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// From 0 to 1, 1 excluded.
    pub(crate) fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// An instant from `start` on and before `end`, to the millisecond.
    pub(crate) fn instant(&mut self, start: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
        let span = (end - start).num_milliseconds().max(1);
        start + TimeDelta::milliseconds(self.0.random_range(0..span))
    }

    /// A UUIDv7 of that instant.
    pub(crate) fn id(&mut self, at: DateTime<Utc>) -> Uuid {
        uuid::Builder::from_unix_timestamp_millis(
            at.timestamp_millis().unsigned_abs(),
            &self.0.random(),
        )
        .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_each_time_and_differs_from_the_others() {
        let draw = |seed, stream, number| Chance::of(seed, stream, number).within(0, i64::MAX - 1);
        assert_eq!(draw(42, Stream::Item, 7), draw(42, Stream::Item, 7));
        assert_ne!(draw(42, Stream::Item, 7), draw(42, Stream::Item, 8));
        assert_ne!(draw(42, Stream::Item, 7), draw(42, Stream::Order, 7));
        assert_ne!(draw(42, Stream::Item, 7), draw(43, Stream::Item, 7));
    }

    #[test]
    fn an_id_is_of_its_instant() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = Chance::of(1, Stream::User, 1).id(at);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(
            id.get_timestamp().unwrap().to_unix(),
            (1_700_000_000, 123_000_000)
        );
    }
}
