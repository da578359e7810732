//! A request that panics is one failed request, and no more.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::get,
};
use bff::edge::{layers::around, limits::Classes, observe::Observe};
use http::StatusCode;
use serde_json::Value;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::helpers::TestApp;

/// The first and the last are as good as alone.
async fn asks_three_times<S>(edge: S)
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    for (path, status) in [("/goes-on", 204), ("/panics", 500), ("/goes-on", 204)] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = edge.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status);
        if status == 500 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(answer.headers().contains_key("x-request-id"));
            let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], "internal");
        }
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_as_a_problem() {
    let app = TestApp::start().await;
    let routes = Router::new()
        .route(
            "/panics",
            get(async || -> StatusCode { panic!("on purpose") }),
        )
        .route("/goes-on", get(async || StatusCode::NO_CONTENT));
    asks_three_times(around(routes, Classes::default(), &app.state)).await;
}

/// As a layer could, before there is anything to wait for.
#[derive(Clone)]
struct PanicsAtOnce;

impl Service<Request> for PanicsAtOnce {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(request.uri().path() != "/panics", "on purpose");
        ready(Ok(StatusCode::NO_CONTENT.into_response()))
    }
}

#[tokio::test]
async fn so_does_a_layer() {
    let app = TestApp::start().await;
    asks_three_times(Observe::new(app.state.clone()).layer(PanicsAtOnce)).await;
}
