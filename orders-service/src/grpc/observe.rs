//! The outermost layer: the call's span in the caller's trace, its log line and
//! metrics, and the details of failures that the library answers by itself.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use platform::trace;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field};

use crate::error::Error;

/// The layer; see the module.
#[derive(Debug, Clone)]
pub struct Observe {
    methods: Arc<BTreeSet<Arc<str>>>,
}

impl Default for Observe {
    /// Knows the methods of our contract: they label the metrics, since a
    /// caller can send any path.
    fn default() -> Self {
        let contract = FileDescriptorSet::decode(proto::orders::FILE_DESCRIPTOR_SET)
            .expect("the contract was encoded by its build script");
        let mut methods = BTreeSet::new();
        for file in &contract.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    methods.insert(path.into());
                }
            }
        }
        Self {
            methods: Arc::new(methods),
        }
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            methods: self.methods.clone(),
        }
    }
}

/// The layered service.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    methods: Arc<BTreeSet<Arc<str>>>,
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().trim_start_matches('/');
        let method = self.methods.get(path).cloned();
        let span = tracing::info_span!(
            "call",
            method = method.as_deref().unwrap_or("other"),
            request_id = request_id(request.headers()),
            trace_id = field::Empty,
        );
        adopt_parent(&span, request.headers());
        let record = Record::begin(method);
        let work = span.in_scope(|| self.inner.call(request));
        let observed = async move {
            let mut response = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => Status::from(Error::Internal("a panic".into())).into_http(),
            };
            if let Some(error) = undetailed(response.headers(), record.method.is_some()) {
                response = Status::from(error).into_http();
            }
            record.end(code(response.headers()));
            Ok(response)
        };
        observed.instrument(span).boxed()
    }
}

/// The failure's code; a call that failed after its answer began counts as good.
fn code(headers: &HeaderMap) -> Code {
    headers
        .get(Status::GRPC_STATUS)
        .map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()))
}

/// What a failure without details is: one that never reached our code. To
/// the library, a message that can't be read is an internal error.
fn undetailed(headers: &HeaderMap, ours: bool) -> Option<Error> {
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return None;
    }
    match code(headers) {
        Code::Unimplemented => Some(Error::MethodUnknown),
        Code::Internal | Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument
            if ours =>
        {
            Some(Error::MessageInvalid)
        }
        _ => None,
    }
}

/// The edge's id of the request, when it is one that can stand in a log.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (id.len() <= 64 && id.bytes().all(plain)).then_some(id)
}

/// Makes the caller's trace the parent of this call's span.
fn adopt_parent(span: &Span, headers: &HeaderMap) {
    let parent = headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    let Some(parent) = parent.filter(|text| text.len() == 55) else {
        return;
    };
    span.record("trace_id", parent.split('-').nth(1));
    trace::continue_from(span, parent);
}

/// A call in work. Dropped before its end, its caller has gone.
struct Record {
    method: Option<Arc<str>>,
    began: Instant,
    ended: bool,
}

impl Record {
    fn begin(method: Option<Arc<str>>) -> Self {
        Self {
            method,
            began: Instant::now(),
            ended: false,
        }
    }

    fn end(mut self, code: Code) {
        self.ended = true;
        self.write(code);
    }

    fn write(&self, code: Code) {
        let took = self.began.elapsed();
        let method = self.method.clone().unwrap_or_else(|| Arc::from("other"));
        let code = format!("{code:?}");
        tracing::info!(target: "orders_service::access", code, ?took, "call");
        let histogram =
            metrics::histogram!("grpc_request_duration_seconds", "method" => method.clone());
        histogram.record(took);
        metrics::counter!("grpc_requests_total", "method" => method, "code" => code).increment(1);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.write(Code::Cancelled);
        }
    }
}
