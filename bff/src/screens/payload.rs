use std::io::Write as _;

use bytes::Bytes;
use http::HeaderValue;

use super::part::{Outcome, Screen, Status};
use crate::cache::{Digest, digest};

/// A screen as it is sent.
#[derive(Debug, Clone)]
pub struct Payload {
    /// JSON: `data`, `parts` and `complete`.
    pub body: Bytes,
    /// Set when the screen is complete and nothing in it is stale. It stands for
    /// what the parts say, not for how this answer came about: the same data
    /// from a cache has the same tag.
    pub etag: Option<HeaderValue>,
}

/// Puts the parts together from the bytes that they are stored as.
pub(super) fn merge<S>(screen: &Screen<S>, outcomes: &[Outcome], now: i64) -> Payload {
    let complete = outcomes
        .iter()
        .all(|outcome| matches!(outcome.status(), Status::Ok | Status::Omitted));
    let length = |outcome: &Outcome| value(outcome).len() + REPORT;
    let mut body = Vec::with_capacity(REPORT + outcomes.iter().map(length).sum::<usize>());
    body.extend(b"{\"data\":{");
    for (index, (name, outcome)) in screen.names().zip(outcomes).enumerate() {
        write_name(&mut body, index, name);
        body.extend(value(outcome));
    }
    body.extend(b"},\"parts\":{");
    for (index, (name, outcome)) in screen.names().zip(outcomes).enumerate() {
        write_name(&mut body, index, name);
        serde_json::to_writer(&mut body, &outcome.report(now)).expect("memory can be written to");
    }
    write!(body, "}},\"complete\":{complete}}}").expect("memory can be written to");
    Payload {
        body: body.into(),
        etag: complete.then(|| etag(screen, outcomes)),
    }
}

/// What a part's report, name and punctuation take, about.
const REPORT: usize = 128;

fn write_name(body: &mut Vec<u8>, index: usize, name: &str) {
    let comma = if index == 0 { "" } else { "," };
    write!(body, "{comma}\"{name}\":").expect("memory can be written to");
}

fn value(outcome: &Outcome) -> &[u8] {
    match outcome {
        Outcome::Present(hit) => hit.entry.json(),
        _ => b"null",
    }
}

/// Of a complete screen: every part is there, or was left out.
fn etag<S>(screen: &Screen<S>, outcomes: &[Outcome]) -> HeaderValue {
    let digests: Vec<(&str, Digest)> = screen
        .names()
        .zip(outcomes)
        .filter_map(|(name, outcome)| match outcome {
            Outcome::Present(hit) => Some((name, *hit.entry.digest())),
            Outcome::Empty => Some((name, Digest::default())),
            _ => None,
        })
        .collect();
    let parts: Vec<&[u8]> = digests
        .iter()
        .flat_map(|(name, digest)| [name.as_bytes(), b":", digest])
        .collect();
    strong_etag(&digest(&parts))
}

/// A strong entity tag (RFC 9110, section 8.8.3) of a digest.
#[must_use]
pub fn strong_etag(digest: &Digest) -> HeaderValue {
    let tag = format!("\"{:032x}\"", u128::from_be_bytes(*digest));
    HeaderValue::try_from(tag).expect("hexadecimal digits in quotes are visible ASCII")
}
