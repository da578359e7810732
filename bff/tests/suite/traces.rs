//! Traces, as a collector gets them from the real program.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bff::identity::secret::hex;
use http::{Method, StatusCode};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    helpers::{Answer, TestApp},
    orders_stub::OrdersStub,
    program::Program,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Keeps the spans that it is sent.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Where it listens, until the test ends.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        url
    }
}

fn text<'a>(span: &'a Span, name: &str) -> &'a str {
    let attribute = span.attributes.iter().find(|one| one.key == name);
    let value = attribute.and_then(|one| one.value.as_ref()?.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn a_trace_has_a_span_for_the_request_each_part_and_each_call() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let collector = Collector::default();
    let mut command = app.command(&["serve"]);
    command.env("BFF_TELEMETRY__OTLP_ENDPOINT", collector.listen().await);
    let mut program = Program::run(&app, command).await;
    let home = program.request(Method::GET, "/v1/screens/home");
    let home = home
        .bearer_auth(&token)
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    Answer::of(home).await.expect(StatusCode::OK);
    // What wasn't sent yet is sent at the end.
    program.terminate();
    assert!(program.ended().await.success());

    let spans = collector.0.lock().unwrap().clone();
    let of = |name: &str, parents: &BTreeSet<String>| -> Vec<&Span> {
        let child =
            |span: &&Span| span.name == name && parents.contains(&hex(&span.parent_span_id));
        spans.iter().filter(child).collect()
    };
    let ids = |spans: &[&Span]| spans.iter().map(|span| hex(&span.span_id)).collect();
    let requests = of("request", &BTreeSet::from([CALLER.to_owned()]));
    assert_eq!(requests.len(), 1, "{spans:?}");
    assert_eq!(hex(&requests[0].trace_id), TRACE);
    assert_eq!(text(requests[0], "route"), "/v1/screens/home");
    let parts = of("part", &ids(&requests));
    let names: BTreeSet<&str> = parts.iter().map(|part| text(part, "part")).collect();
    let all = ["accounts", "orders", "profile", "recommendations"];
    assert_eq!(names, BTreeSet::from(all));
    let calls = of("call", &ids(&parts));
    let names: BTreeSet<&str> = calls.iter().map(|call| text(call, "upstream")).collect();
    assert!(
        names.is_superset(&BTreeSet::from(["accounts", "orders"])),
        "{names:?}"
    );
    // The orders service hears of the call as the one it came of.
    let heard = orders.calls("list_orders")[0]
        .header("traceparent")
        .unwrap()
        .to_owned();
    let of_orders = calls
        .iter()
        .find(|call| text(call, "method") == "list_orders")
        .unwrap();
    let call = hex(&of_orders.span_id);
    assert_eq!(heard, format!("00-{TRACE}-{call}-01"));
    assert_eq!(hex(&of_orders.trace_id), TRACE);
}
