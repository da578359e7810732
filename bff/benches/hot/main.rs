//! What requests pass again and again, counted in instructions: whatever else
//! the machine does, the figures stay, so a change of them is a change of the code.
//!
//!     cargo install --locked gungraun-runner@0.20.0
//!     cargo bench -p bff --bench hot
//!
//! Valgrind runs each piece in a process of its own: a few times uncounted, then
//! once. `docs/benchmarks.md` says what follows from it.
#![expect(missing_docs, reason = "gungraun's macros write none")]

mod edge;

use std::io;

use axum::body::Body;
use bff::{
    cache::digest,
    config::Settings,
    limits::{Class, Subject},
    screens::{Ask, home::HOME},
};
use bytes::Bytes;
use futures::{FutureExt as _, stream};
use gungraun::{LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use http::{HeaderValue, Request, header};
use platform::config::{Millis, ServerUrl};
use tower::ServiceExt as _;

use edge::{Edge, Piece};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOME_SCREEN: &str = "/v1/screens/home";

/// A whole request, from the outermost layer to the answer.
fn answers(edge: Edge, status: u16, request: impl Fn(&Edge) -> Request<Body>) -> Piece {
    edge.does(|edge| {
        let (router, request) = (edge.router.clone(), request(edge));
        async move {
            let answer = router.oneshot(request).await;
            assert_eq!(answer.expect("a router answers").status(), status);
        }
    })
}

fn gets(edge: Edge, path: &str, status: u16) -> Piece {
    answers(edge, status, |edge| edge.get(path))
}

/// Its client has it already.
fn gets_known_home(edge: Edge) -> Piece {
    let first = edge.router.clone().oneshot(edge.get(HOME_SCREEN));
    let first = edge.runtime.block_on(first).expect("a router answers");
    let etag: &HeaderValue = &first.headers()[header::ETAG];
    answers(edge, 304, |edge| {
        let mut request = edge.get(HOME_SCREEN);
        request
            .headers_mut()
            .insert(header::IF_NONE_MATCH, etag.clone());
        request
    })
}

/// There is room for one request, and that one waits for its body for ever.
fn is_refused() -> Piece {
    let edge = Edge::with(|settings| settings.http.max_in_flight = 1);
    let body = Body::from_stream(stream::pending::<io::Result<Bytes>>());
    let login = Request::post("/v1/auth/login").body(body);
    let held = edge
        .router
        .clone()
        .oneshot(login.expect("a request"))
        .boxed();
    assert!(Box::leak(Box::new(held)).now_or_never().is_none());
    gets(edge, HOME_SCREEN, 503)
}

fn takes_token(token: impl Fn(&Edge) -> String) -> Piece {
    Edge::new().does(|edge| {
        let (sessions, token) = (edge.state.sessions.clone(), token(edge));
        async move { assert!(sessions.by_token(token.as_bytes()).is_some()) }
    })
}

fn limits(edge: Edge) -> Piece {
    edge.does(|edge| {
        let (state, subject) = (edge.state.clone(), Subject::User(edge.caller.user_id));
        async move { assert!(state.limiter.check(Class::Read, subject).await.allowed) }
    })
}

fn finds_in_memory() -> Piece {
    Edge::new().does(|edge| {
        let (cache, key) = (edge.state.cache.clone(), edge.key("orders"));
        async move { assert!(cache.peek(&key).is_some()) }
    })
}

fn digests(bytes: usize) -> Piece {
    Edge::new().does(|_| {
        let value = vec![b'x'; bytes];
        async move { assert_ne!(digest(&[&value]), [0; 16]) }
    })
}

fn shows_home(edge: Edge) -> Piece {
    edge.does(|edge| {
        let (screens, caller) = (edge.state.screens.clone(), edge.caller);
        async move {
            let shown = screens.show(&HOME, &caller, &Ask::default()).await;
            assert!(shown.expect("all is there").etag.is_some());
        }
    })
}

fn merging(settings: &mut Settings) {
    settings.screens.merged_ms = Millis(0);
}

fn logging(settings: &mut Settings) {
    settings.telemetry.log_filter = "info".into();
}

fn without_redis(settings: &mut Settings) {
    settings.redis.url = ServerUrl::literal("redis://127.0.0.1:1");
}

#[library_benchmark]
#[bench::unknown_path(gets(Edge::new(), "/v1/nothing", 404))]
#[bench::refused(is_refused())]
#[bench::home(gets(Edge::new(), HOME_SCREEN, 200))]
#[bench::home_known(gets_known_home(Edge::new()))]
#[bench::home_merged(gets(Edge::with(merging), HOME_SCREEN, 200))]
#[bench::home_logged(gets(Edge::with(logging), HOME_SCREEN, 200))]
fn request(piece: Piece) -> Edge {
    piece.done()
}

#[library_benchmark]
#[bench::token_seen_before(takes_token(|edge| edge.token.clone()))]
#[bench::token_never_seen(takes_token(Edge::new_token))]
#[bench::limit_by_lease(limits(Edge::new()))]
#[bench::limit_without_redis(limits(Edge::with(without_redis)))]
#[bench::value_in_memory(finds_in_memory())]
#[bench::digest_of_3000_bytes(digests(3_000))]
#[bench::home_kept(shows_home(Edge::new()))]
#[bench::home_merged(shows_home(Edge::with(merging)))]
fn piece(piece: Piece) -> Edge {
    piece.done()
}

library_benchmark_group!(name = requests, benchmarks = request);
library_benchmark_group!(name = pieces, benchmarks = piece);

main!(
    config = LibraryBenchmarkConfig::default()
        .pass_through_envs(["PATH", "TEST_DIR"])
        .valgrind_args(["--trace-children=no"]),
    library_benchmark_groups = [requests, pieces]
);
