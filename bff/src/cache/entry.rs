use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Duration,
};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::generation::Stamp;

/// For how long a value is good. Both are shortened or stretched by up to a
/// tenth for each value, so that values fetched together don't end together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// Until then it is served as it is; after, it is stale: still served, and
    /// fetched anew in the background.
    pub soft: Duration,
    /// From then on it isn't served at all.
    pub hard: Duration,
}

/// No value is kept longer, whatever its [`Ttl`] says.
pub(super) const LONGEST: Duration = Duration::from_secs(3_600);

impl Ttl {
    /// In seconds.
    ///
    /// # Panics
    /// When `hard` is shorter than `soft` or longer than 54 minutes, which
    /// with jitter is an hour.
    #[must_use]
    pub const fn seconds(soft: u64, hard: u64) -> Self {
        assert!(soft <= hard && hard * 10 <= LONGEST.as_secs() * 9);
        Self {
            soft: Duration::from_secs(soft),
            hard: Duration::from_secs(hard),
        }
    }
}

/// The digest of a value's bytes: equal content, equal digest.
pub type Digest = [u8; 16];

/// A JSON value, serialised once, and when it was fetched.
#[derive(Debug)]
pub struct Entry {
    json: Bytes,
    digest: Digest,
    times: Times,
    /// The next attempt to fetch it anew may begin then.
    refresh_at: AtomicI64,
}

/// Instants in the life of a value, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub fetched: i64,
    pub soft: i64,
    pub hard: i64,
}

impl Times {
    pub(super) fn starting(now: i64, ttl: Ttl) -> Self {
        let jitter = rand::random_range(0.9..=1.1);
        let after = |span: Duration| now + millis(span.mul_f64(jitter));
        Self {
            fetched: now,
            soft: after(ttl.soft),
            hard: after(ttl.hard),
        }
    }
}

impl Entry {
    pub(super) fn new(json: Bytes, times: Times) -> Self {
        let digest = digest(&[&json]);
        Self {
            json,
            digest,
            times,
            refresh_at: AtomicI64::new(times.soft),
        }
    }

    /// A value that isn't kept: fetched `now`.
    #[must_use]
    pub fn passing(json: Bytes, now: i64) -> Self {
        let times = Times {
            fetched: now,
            soft: i64::MAX,
            hard: i64::MAX,
        };
        Self::new(json, times)
    }

    /// The value.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The digest of [`Entry::json`].
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How old it is, in milliseconds.
    #[must_use]
    pub fn age_ms(&self, now: i64) -> u64 {
        u64::try_from(now - self.times.fetched).unwrap_or(0)
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    pub(super) fn is_stale(&self, now: i64) -> bool {
        now >= self.times.soft
    }

    /// Whether it is stale and nobody is fetching it anew.
    pub(super) fn wants_refresh(&self, now: i64) -> bool {
        now >= self.refresh_at.load(Relaxed)
    }

    /// Whether the caller is the one to fetch it anew: one caller at a time,
    /// and after a failure not before `pause` is over.
    pub(super) fn claim_refresh(&self, now: i64, pause: Duration) -> bool {
        let due = self.refresh_at.load(Relaxed);
        let next = now + millis(pause);
        let claim = || {
            self.refresh_at
                .compare_exchange(due, next, Relaxed, Relaxed)
        };
        due <= now && claim().is_ok()
    }

    /// The form in Redis: a format number, the times, the digest, the marks
    /// under which it was fetched, the JSON.
    pub(super) fn encode(&self, marks: &Marks) -> Bytes {
        let mut out = BytesMut::with_capacity(HEADER + self.json.len());
        out.put_u8(FORMAT);
        for time in [self.times.fetched, self.times.soft, self.times.hard] {
            out.put_i64(time);
        }
        out.put_slice(&self.digest);
        for mark in marks {
            out.put_u64(*mark);
        }
        out.put_slice(&self.json);
        out.freeze()
    }

    /// Reads what [`Entry::encode`] wrote, and the marks.
    pub(super) fn decode(mut bytes: Bytes) -> Option<(Self, Marks)> {
        if bytes.len() < HEADER || bytes.get_u8() != FORMAT {
            return None;
        }
        let times = Times {
            fetched: bytes.get_i64(),
            soft: bytes.get_i64(),
            hard: bytes.get_i64(),
        };
        let mut digest = Digest::default();
        bytes.copy_to_slice(&mut digest);
        let marks = [bytes.get_u64(), bytes.get_u64()];
        let entry = Self {
            json: bytes,
            digest,
            times,
            refresh_at: AtomicI64::new(times.soft),
        };
        Some((entry, marks))
    }
}

/// The marks of a value's tags in Redis; 0 stands for none.
pub(super) type Marks = [u64; 2];

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 3 * 8 + 16 + 2 * 8;

/// A value in memory: as it was fetched or found, and until when memory alone
/// answers for it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub entry: std::sync::Arc<Entry>,
    pub stamp: Stamp,
    pub until: i64,
}

/// The first half of SHA-256 over all parts.
pub fn digest(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
