//! A user's own changes, as they happen.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse as _, Response, Sse, sse::Event},
};
use futures::{Stream, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::{
    app::AppState,
    edge::error::{ApiError, Code, FieldError},
    events::live::{Change, End, Full, Note, Position, Subscription},
    identity::Caller,
};

const LAST_EVENT_ID: &str = "last-event-id";
/// When a client may try again that found no room.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What happens to the caller, as it happens.
///
/// `transfer.posted`, `hold.placed`, `account.updated`, `order.paid`,
/// `user.updated`, `session.revoked` and the like. Each event's data says what
/// changed and when; what it is now, its own route tells.
///
/// Two more kinds of event: after `reset`, look anew at everything, because what
/// was missed isn't known; `end` is the last one and has a `reason`. A client
/// that comes back with `Last-Event-ID`, as `EventSource` does by itself, is told
/// what it missed. Events may come twice; their ids grow.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<Position>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, description = "Events, until the client leaves or the stream ends",
        content((Change = "text/event-stream")))))]
pub async fn stream(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = last_event(&headers)?;
    let subscription = state.live.open(&caller, last).map_err(|full| match full {
        Full::User => ApiError::new(Code::RateLimited)
            .detail("as many streams are open as one user may have")
            .retry_after(RETRY_AFTER),
        Full::Replica => ApiError::new(Code::Overloaded).retry_after(RETRY_AFTER),
    })?;
    // nginx would collect events until they fill a buffer.
    let unbuffered = [(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    )];
    Ok((unbuffered, Sse::new(events(subscription))).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    position.map(Some).ok_or_else(|| {
        let fault = FieldError::new(
            "Last-Event-ID",
            "invalid_format",
            "expected the id of an event",
        );
        ApiError::invalid(vec![fault])
    })
}

fn events(subscription: Subscription) -> impl Stream<Item = Result<Event, Infallible>> {
    // Clients that lose a replica don't all come back at once.
    let retry = Duration::from_millis(rand::random_range(1_000..=3_000));
    let first = Event::default().retry(retry).comment("");
    let rest = stream::unfold(subscription, async |mut subscription| {
        let note = subscription.next().await?;
        Some((Ok(event(&note)), subscription))
    });
    futures::StreamExt::chain(stream::once(std::future::ready(Ok(first))), rest)
}

fn event(note: &Note) -> Event {
    match note {
        Note::Change(change) => json(&change.name, &**change).id(change.position.to_string()),
        Note::Reset(position) => json("reset", &serde_json::json!({})).id(position.to_string()),
        // Without data it is no event to the client, but its id counts.
        Note::Beat(Some(position)) => Event::default().id(position.to_string()),
        Note::Beat(None) => Event::default().comment(""),
        Note::End(reason) => json("end", &Ended { reason: *reason }),
    }
}

fn json(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    event.json_data(data).expect("an event is plain data")
}

/// The data of `end`.
#[derive(Debug, Serialize)]
struct Ended {
    reason: End,
}
