use std::time::Duration;

use super::NewEvent;
use crate::nats::Nats;

/// How long a full queue of the client is waited for.
const LIMIT: Duration = Duration::from_millis(50);

/// Publishes an event at once, outside of any transaction and at most once: for
/// what is also found another way, and is only told so that it is known sooner.
pub async fn announce(nats: &Nats, source: &str, event: &NewEvent) {
    let headers = super::headers(
        event.id,
        event.subject,
        event.aggregate_id,
        event.occurred_at,
        source,
        event.traceparent.as_deref(),
    );
    let subject = nats.subject(event.subject);
    let payload = event.data.to_string().into();
    let sent = nats
        .client()
        .publish_with_headers(subject, headers, payload);
    if !matches!(tokio::time::timeout(LIMIT, sent).await, Ok(Ok(()))) {
        tracing::debug!(subject = event.subject, "not announced");
    }
}
