//! Which cached values are too old to serve, told in a way that a value which
//! is just being fetched can't escape.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::key::Tag;

/// Tags that share a counter only cost each other a fetch now and then.
const COUNTERS: usize = 1 << 14;

/// Counts the changes of every tag, in a fixed number of counters.
///
/// A value is stamped with the sum of its tags' counters *before* it is
/// fetched, and served only while the sum is still the same. Counters only
/// rise, so the sum changes exactly when one of them does: a fetch that was
/// overtaken by a change brings a value that is never served.
#[derive(Debug)]
pub(super) struct Generations {
    everything: AtomicU64,
    counters: Box<[AtomicU64]>,
}

/// The sum of the counters of some tags, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Default for Generations {
    fn default() -> Self {
        Self {
            everything: AtomicU64::new(0),
            counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Generations {
    pub(super) fn stamp(&self, tags: impl IntoIterator<Item = Option<Tag>>) -> Stamp {
        let count = |tag| self.counter(tag).load(Ordering::Acquire);
        let everything = self.everything.load(Ordering::Acquire);
        let counts = tags.into_iter().flatten().map(count);
        Stamp(counts.fold(everything, u64::wrapping_add))
    }

    pub(super) fn raise(&self, tag: Tag) {
        self.counter(tag).fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn raise_everything(&self) {
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    fn counter(&self, tag: Tag) -> &AtomicU64 {
        let index = match tag {
            Tag::Catalogue => 0,
            // The low bits of a UUIDv7 are random; no need to hash them.
            Tag::User(id) | Tag::Item(id) => low_bits(id),
        };
        &self.counters[index % COUNTERS]
    }
}

fn low_bits(id: Uuid) -> usize {
    usize::try_from(id.as_u64_pair().1 & u64::from(u32::MAX)).unwrap_or(0)
}
