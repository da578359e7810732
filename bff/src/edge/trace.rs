//! W3C Trace Context at the edge.

use http::HeaderMap;
use opentelemetry::{propagation::Extractor, trace::TraceContextExt as _};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Makes the caller's trace the parent of this request's span, and writes the
/// trace id into its log lines.
pub(super) fn adopt_parent(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let parent = opentelemetry::global::get_text_map_propagator(|p| p.extract(&Headers(headers)));
    let trace_id = parent.span().span_context().trace_id();
    span.record("trace_id", tracing::field::display(trace_id));
    // Without an exporter there is nothing to attach to, and that is fine.
    let _ = span.set_parent(parent);
}
