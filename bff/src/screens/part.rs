use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use metrics::{Counter, Histogram, counter, histogram};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ScreenSettings, Sources};
use crate::{
    cache::{Hit, Key, Source, Ttl},
    schema::{one_of, schemas},
    upstream::{CallError, Context},
};

/// One part of a screen: all that the engine has to know about it.
///
/// `S` is what the screen is of: a caller, an item.
#[derive(Debug)]
pub struct Part<S> {
    /// Its name in `data`, `parts` and `?parts=`.
    pub name: &'static str,
    /// What its absence means.
    pub need: Need,
    /// The longest that its call may take, however much time is left.
    pub cap: Duration,
    /// How it is kept; none: it never is.
    pub cache: Option<Keep<S>>,
    /// The call that brings it. It has to end by the context's deadline.
    pub call: fn(Sources, S, Context) -> Call,
}

/// How a part is kept.
#[derive(Debug)]
pub struct Keep<S> {
    /// Under which key, which says whose it is.
    pub key: fn(&S) -> Key,
    /// For how long.
    pub ttl: Ttl,
}

/// A part on its way, already serialised.
pub type Call = BoxFuture<'static, Result<Bytes, CallError>>;

/// What the absence of a part means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it there is no screen.
    Required,
    /// The screen is incomplete without it.
    Optional,
}

/// Serialises what a part's call brings.
pub fn json<V: Serialize>(
    work: impl Future<Output = Result<V, CallError>> + Send + 'static,
) -> Call {
    let bytes = |value| {
        let json = serde_json::to_vec(&value);
        json.map(Bytes::from).map_err(CallError::internal)
    };
    let call = work.map(move |outcome| outcome.and_then(bytes));
    call.boxed()
}

/// A screen: its parts, in the order of the payload.
#[derive(Debug)]
pub struct Screen<S> {
    /// Ends its path: `/v1/screens/{name}`.
    pub name: &'static str,
    /// What it is, for the OpenAPI document: a sentence, and what else there is to say
    /// after an empty line.
    pub about: &'static str,
    pub(super) key: fn(&S) -> Key,
    pub(super) budget: fn(&ScreenSettings) -> Duration,
    pub(super) parts: Vec<Part<S>>,
    pub(super) metrics: Vec<PartMetrics>,
}

impl<S> Screen<S> {
    /// A screen that may take as long as `budget` says. `key` names it together
    /// with everything that its payload depends on.
    #[must_use]
    pub fn new(
        name: &'static str,
        about: &'static str,
        key: fn(&S) -> Key,
        budget: fn(&ScreenSettings) -> Duration,
        parts: Vec<Part<S>>,
    ) -> Self {
        let metrics = parts
            .iter()
            .map(|part| PartMetrics::new(name, part.name))
            .collect();
        Self {
            name,
            about,
            key,
            budget,
            parts,
            metrics,
        }
    }

    /// The names of its parts.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parts.iter().map(|part| part.name)
    }

    /// Which parts a client asked for; all, when it didn't say.
    pub(super) fn select(&self, names: Option<&str>) -> Result<Selection, CallError> {
        let Some(names) = names else {
            return Ok(Selection(u64::MAX));
        };
        names
            .split(',')
            .try_fold(Selection(0), |Selection(bits), name| {
                match self.names().position(|known| known == name) {
                    Some(index) => Ok(Selection(bits | 1 << index)),
                    None => {
                        let known: Vec<_> = self.names().collect();
                        let reason = format!("expected some of {}", known.join(","));
                        Err(CallError::invalid("parts", reason))
                    }
                }
            })
    }
}

/// The parts that are wanted, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Selection(u64);

impl Selection {
    pub(super) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// How a part came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is there; null means that there is nothing.
    Ok,
    /// It is there, from before, because nothing newer was to be had yet.
    Stale,
    /// It isn't there: `code` says why.
    Unavailable,
    /// The caller may not see it.
    Denied,
    /// It wasn't asked for.
    Omitted,
}

/// How a part came out, and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum PartReport {
    /// It is there; null means that there is nothing.
    Ok {
        /// Where it came from.
        source: Source,
        /// How old it is, in milliseconds.
        age_ms: u64,
    },
    /// It is there, from before, because nothing newer was to be had yet.
    Stale {
        /// Where it came from.
        source: Source,
        /// How old it is, in milliseconds.
        age_ms: u64,
    },
    /// It isn't there.
    Unavailable {
        /// Why: a code as in problems.
        #[schema(value_type = PartCode)]
        code: &'static str,
        /// Whether asking again may bring it.
        retryable: bool,
        /// When to ask again, in milliseconds, if that may bring it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        retry_after_ms: Option<u64>,
    },
    /// The caller may not see it.
    Denied {
        /// Why: a code as in problems.
        #[schema(value_type = DeniedCode)]
        code: &'static str,
        /// False: asking again doesn't bring it.
        retryable: bool,
    },
    /// It wasn't asked for.
    Omitted,
}

schemas! {
    struct PartCode, "PartCode": "Why a part can't be had: each has a page among the problems.",
        one_of(["unavailable", "deadline_exceeded", "overloaded", "invalid_request", "internal"]);
    struct DeniedCode, "DeniedCode": "Why a part isn't shown: each has a page among the problems.",
        one_of(["unauthenticated", "forbidden"]);
}

/// What became of a part.
#[derive(Debug)]
pub(super) enum Outcome {
    Present(Hit),
    /// There really is nothing.
    Empty,
    Missing(CallError),
    Omitted,
}

impl Outcome {
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Present(hit) if hit.stale => Status::Stale,
            Self::Present(_) | Self::Empty => Status::Ok,
            Self::Missing(CallError::Denied | CallError::Unauthenticated) => Status::Denied,
            Self::Missing(_) => Status::Unavailable,
            Self::Omitted => Status::Omitted,
        }
    }

    fn source(&self) -> Option<Source> {
        match self {
            Self::Present(hit) => Some(hit.source),
            Self::Empty => Some(Source::Live),
            Self::Missing(_) | Self::Omitted => None,
        }
    }

    pub(super) fn report(&self, now: i64) -> PartReport {
        let in_ms = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Present(hit) => {
                let source = hit.source;
                let age_ms = match source {
                    // Fetched for this answer.
                    Source::Live => 0,
                    Source::L1 | Source::L2 => hit.entry.age_ms(now),
                };
                match self.status() {
                    Status::Stale => PartReport::Stale { source, age_ms },
                    _ => PartReport::Ok { source, age_ms },
                }
            }
            Self::Empty => PartReport::Ok {
                source: Source::Live,
                age_ms: 0,
            },
            Self::Missing(error) if self.status() == Status::Denied => PartReport::Denied {
                code: error.code(),
                retryable: error.retryable(),
            },
            Self::Missing(error) => PartReport::Unavailable {
                code: error.code(),
                retryable: error.retryable(),
                retry_after_ms: error.retry_after().map(in_ms),
            },
            Self::Omitted => PartReport::Omitted,
        }
    }
}

/// Built once: finding a metric by its labels costs more than updating it.
#[derive(Debug)]
pub(super) struct PartMetrics {
    /// By [`Status`] and source, in the order of [`Source`] and then none.
    outcomes: [[Counter; 4]; 5],
    durations: [Histogram; 4],
}

impl PartMetrics {
    fn new(screen: &'static str, part: &'static str) -> Self {
        const SOURCES: [&str; 4] = ["live", "l1", "l2", "none"];
        let outcomes = ["ok", "stale", "unavailable", "denied", "omitted"].map(|status| {
            SOURCES.map(|source| {
                counter!("part_requests_total", "screen" => screen, "part" => part, "status" => status, "source" => source)
            })
        });
        let durations = SOURCES.map(|source| {
            histogram!("part_duration_seconds", "screen" => screen, "part" => part, "source" => source)
        });
        Self {
            outcomes,
            durations,
        }
    }

    pub(super) fn count(&self, status: Status, source: Option<Source>) {
        self.outcomes[status as usize][index(source)].increment(1);
    }

    /// Only what was waited for has a duration.
    pub(super) fn record(&self, outcome: &Outcome, took: Duration) {
        self.count(outcome.status(), outcome.source());
        self.durations[index(outcome.source())].record(took.as_secs_f64());
    }
}

fn index(source: Option<Source>) -> usize {
    source.map_or(3, |source| source as usize)
}
