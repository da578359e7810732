//! Which cached values are too old to serve, told in a way that a value which
//! is just being fetched can't escape.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::key::{Tag, Tags};

/// A power of two. Tags that share a counter only cost each other a fetch.
const COUNTERS: usize = 1 << 14;

/// Counts the changes of every tag, in a fixed number of counters.
///
/// A value is stamped with the sum of its tags' counters *before* it is
/// fetched, and served only while the sum is still the same. Counters only
/// rise, so the sum changes exactly when one of them does: a fetch that was
/// overtaken by a change brings a value that is never served.
#[derive(Debug)]
pub(super) struct Generations(Box<[AtomicU64]>);

/// The sum of the counters of some tags, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Default for Generations {
    fn default() -> Self {
        Self((0..COUNTERS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Generations {
    pub(super) fn stamp(&self, tags: &Tags) -> Stamp {
        self.sum(tags.iter().flatten().copied())
    }

    /// The stamp of several values together.
    pub(super) fn sum(&self, tags: impl Iterator<Item = Tag>) -> Stamp {
        let count = |tag| self.counter(tag).load(Ordering::Acquire);
        Stamp(tags.map(count).fold(0, u64::wrapping_add))
    }

    pub(super) fn raise(&self, tag: Tag) {
        self.counter(tag).fetch_add(1, Ordering::AcqRel);
    }

    fn counter(&self, tag: Tag) -> &AtomicU64 {
        // The low bits of a UUIDv7 are random; no need to hash them.
        let of = |id: Uuid| usize::try_from(id.as_u64_pair().1).unwrap_or(usize::MAX);
        let index = match tag {
            Tag::Everything => 0,
            Tag::Catalogue => 1,
            Tag::User(id) | Tag::Item(id) => of(id),
        };
        &self.0[index % COUNTERS]
    }
}
