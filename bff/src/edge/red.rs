//! Rate, errors and duration of every route.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use foldhash::fast::RandomState;
use metrics::{Counter, Histogram};

/// By method and status, for each route template: a bounded set, since
/// templates and methods are ours and a status has three digits.
type Handles = HashMap<String, OfRoute, RandomState>;
type OfRoute = HashMap<(&'static str, u16), (Counter, Histogram), RandomState>;

thread_local! {
    /// Finding a metric by its labels costs more than updating it.
    static HANDLES: RefCell<Handles> = RefCell::default();
}

/// Counts one request.
pub(super) fn record(route: &str, method: &'static str, status: u16, took: Duration) {
    HANDLES.with_borrow_mut(|routes| {
        let handles = match routes.get_mut(route) {
            Some(handles) => handles,
            None => routes.entry(route.to_owned()).or_default(),
        };
        let (count, duration) = handles
            .entry((method, status))
            .or_insert_with(|| handles_for(route, method, status));
        count.increment(1);
        duration.record(took.as_secs_f64());
    });
}

fn handles_for(route: &str, method: &'static str, status: u16) -> (Counter, Histogram) {
    let labels = [
        ("route", route.to_owned()),
        ("method", method.to_owned()),
        ("status", status.to_string()),
    ];
    let class = format!("{}xx", status / 100);
    let duration_labels = [
        ("route", route.to_owned()),
        ("method", method.to_owned()),
        ("status_class", class),
    ];
    (
        metrics::counter!("http_requests_total", &labels),
        metrics::histogram!("http_request_duration_seconds", &duration_labels),
    )
}
