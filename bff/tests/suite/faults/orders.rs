//! Between the edge and the orders service.

use bff::config::Settings;
use futures::future::join_all;
use http::StatusCode;
use platform::{
    config::Millis,
    testing::{Fault, Loss, Proxy},
};
use tonic::Code;

use super::{MS, timed};
use crate::{
    helpers::{Answer, TestApp, eventually, metric},
    orders_stub::{Behaviour, OrdersStub},
};

/// An edge that keeps nothing, someone who is signed in, and what is behind.
struct Shop {
    app: TestApp,
    stub: OrdersStub,
    way: Proxy,
    token: String,
}

impl Shop {
    async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let stub = OrdersStub::start();
        let mut url = stub.url();
        let way = Proxy::stand_before(&mut url);
        let app = TestApp::with(|settings| {
            settings.orders.url = url;
            settings.orders.hedge = false;
            settings.cache.enabled = false;
            change(settings);
        })
        .await;
        let token = app.signed_in("ann@example.com").await.access;
        Self {
            app,
            stub,
            way,
            token,
        }
    }

    async fn list(&self) -> StatusCode {
        self.answer().await.status
    }

    async fn answer(&self) -> Answer {
        self.app.get("/v1/orders", Some(&self.token)).await
    }

    /// The part of the home screen that lists orders.
    async fn part(&self) -> serde_json::Value {
        let path = "/v1/screens/home?parts=orders";
        let home = self.app.get(path, Some(&self.token)).await;
        home.expect(StatusCode::OK).json()["parts"]["orders"].clone()
    }

    fn calls(&self) -> usize {
        self.stub.count("list_orders")
    }
}

/// What is told of listing orders.
fn told(name: &str, reason: &str) -> f64 {
    metric(&format!(
        r#"{name}{{upstream="orders",method="list_orders"{reason}}}"#
    ))
}

fn rejected(reason: &str) -> f64 {
    told("upstream_rejected_total", &format!(r#",reason="{reason}""#))
}

/// However much fails, the next call is made.
fn forgiving(settings: &mut Settings) {
    settings.orders.breaker.consecutive_failures = u32::MAX;
    settings.orders.breaker.min_success_ratio = 0.0;
}

#[tokio::test]
async fn a_second_call_saves_a_read_whose_first_is_slow() {
    let shop = Shop::open(|settings| settings.orders.hedge = true).await;
    // So many that it is known what is slow.
    for _ in 0..120 {
        assert_eq!(shop.list().await, StatusCode::OK);
    }
    let before = shop.calls();
    let slow = MS(2_000);
    for round in 1..=5 {
        shop.stub.will_once(Behaviour::AnswerAfter(slow));
        let (status, took) = timed(shop.list()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(took < slow / 2, "{took:?}");
        assert!(shop.calls() >= before + 2 * round);
    }
    // The first is given up, not left to itself.
    eventually("all calls end", async || shop.stub.in_flight() == 0).await;
}

#[tokio::test]
async fn retries_stay_within_their_budget_however_much_fails() {
    let shop = Shop::open(forgiving).await;
    let exhausted = || told("upstream_budget_exhausted_total", "");
    let at_first = exhausted();
    shop.stub.will_once(Behaviour::Fail(Code::Unavailable));
    assert_eq!(shop.list().await, StatusCode::OK);
    assert_eq!(exhausted(), at_first, "a retry was granted");
    shop.stub.will(Behaviour::Fail(Code::Unavailable));
    let before = shop.calls();
    let asked = 300;
    let (statuses, took) = timed(async {
        let mut all = Vec::new();
        for _ in 0..asked / 10 {
            all.extend(join_all((0..10).map(|_| shop.list())).await);
        }
        all
    })
    .await;
    let refused = statuses.iter().filter(|status| status.as_u16() == 503);
    assert_eq!(refused.count(), asked);
    // One for each five, and ten a second: those of ten seconds at once.
    let allowed = asked + asked / 5 + 100 + 10 * took.as_secs() as usize;
    let calls = shop.calls() - before;
    assert!(calls > asked, "there were some: {calls}");
    assert!(calls <= allowed, "{calls} of {allowed}");
    assert!(exhausted() > at_first, "and the others are told of");
}

#[tokio::test]
async fn what_fails_for_good_is_asked_once() {
    let shop = Shop::open(|_| {}).await;
    for code in [
        Code::Internal,
        Code::ResourceExhausted,
        Code::DeadlineExceeded,
    ] {
        let before = shop.calls();
        shop.stub.will_once(Behaviour::Fail(code));
        assert_ne!(shop.list().await, StatusCode::OK, "{code:?}");
        assert_eq!(shop.calls(), before + 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_service_that_refuses_is_well_and_one_that_fails_is_not() {
    let shop = Shop::open(|_| {}).await;
    let circuit = async || shop.app.readyz().await["circuits"]["orders.list_orders"].clone();
    for code in [
        Code::InvalidArgument,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::AlreadyExists,
        Code::Aborted,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::NotFound,
    ] {
        shop.stub.will(Behaviour::Fail(code));
        let before = shop.calls();
        for _ in 0..20 {
            assert_ne!(shop.list().await, StatusCode::OK, "{code:?}");
        }
        assert_eq!(shop.calls(), before + 20, "{code:?}");
        assert_eq!(circuit().await, "closed", "{code:?}");
    }
    shop.stub.will(Behaviour::Fail(Code::Internal));
    assert_eq!(shop.list().await, StatusCode::INTERNAL_SERVER_ERROR);
    for _ in 0..6 {
        shop.list().await;
    }
    assert_eq!(circuit().await, "open");
}

#[tokio::test]
async fn a_read_is_made_again_no_sooner_than_the_service_asked_for() {
    let shop = Shop::open(forgiving).await;
    let soon = MS(300);
    for _ in 0..5 {
        let before = shop.calls();
        shop.stub
            .will_once(Behaviour::FailFor(Code::Unavailable, soon));
        assert_eq!(shop.list().await, StatusCode::OK);
        let calls = shop.stub.calls("list_orders").split_off(before);
        assert_eq!(calls.len(), 2);
        let pause = calls[1].at - calls[0].at;
        assert!(pause >= soon, "{pause:?}");
    }
}

#[tokio::test]
async fn when_the_service_asks_for_more_time_than_is_left_the_client_is_told() {
    let shop = Shop::open(forgiving).await;
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let before = shop.calls();
        shop.stub.will(Behaviour::FailFor(code, MS(7_000)));
        let answer = shop.answer().await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after").as_deref(), Some("7"));
        assert_eq!(shop.part().await["retry_after_ms"], 7_000, "{code:?}");
        assert_eq!(shop.calls(), before + 2, "once each: {code:?}");
    }
}

#[tokio::test]
async fn a_read_whose_answer_broke_off_is_made_again() {
    let shop = Shop::open(forgiving).await;
    for kept in [0, 1, 30, 90] {
        assert_eq!(shop.list().await, StatusCode::OK);
        let (before, lost) = (shop.calls(), shop.way.lost());
        shop.way.set(Fault::LoseAnswer(Loss {
            request: b"",
            // The order itself.
            answer: crate::orders_stub::ORDER.as_bytes(),
            kept,
        }));
        assert_eq!(shop.list().await, StatusCode::OK, "{kept}");
        assert_eq!(shop.way.lost(), lost + 1, "{kept}");
        assert_eq!(shop.calls(), before + 2, "{kept}");
    }
}

#[tokio::test]
async fn connections_that_are_cut_fail_no_read() {
    let shop = Shop::open(forgiving).await;
    for round in 1..=5 {
        shop.stub.will(Behaviour::Hang);
        let cut = async {
            eventually("calls are made", async || shop.stub.in_flight() == 5).await;
            shop.stub.will(Behaviour::Answer);
            shop.way.cut();
        };
        let (statuses, ()) = tokio::join!(join_all((0..5).map(|_| shop.list())), cut);
        assert_eq!(statuses, [StatusCode::OK; 5]);
        assert_eq!(shop.calls(), round * 10);
    }
}

#[tokio::test]
async fn a_narrow_or_long_way_costs_its_part_and_no_more_than_the_budget() {
    let shop = Shop::open(forgiving).await;
    assert_eq!(shop.part().await["status"], "ok");
    for fault in [
        Fault::Bandwidth(20),
        Fault::Latency {
            delay: MS(1_500),
            jitter: MS(50),
        },
        Fault::BlackHole,
    ] {
        shop.way.set(fault);
        let (part, took) = timed(shop.part()).await;
        assert_eq!(part["code"], "deadline_exceeded", "{fault:?}: {part}");
        assert!(took < MS(1_200), "{fault:?}: {took:?}");
        shop.way.heal();
        eventually("it heals", async || {
            shop.app.advance(chrono::TimeDelta::seconds(1));
            shop.part().await["status"] == "ok"
        })
        .await;
    }
}

#[tokio::test]
async fn who_comes_back_from_an_outage_is_not_overrun() {
    let shop = Shop::open(|settings| {
        settings.orders.breaker.probe_after_ms = Millis(1_000);
        settings.orders.breaker.probe_after_max_ms = Millis(1_000);
    })
    .await;
    shop.stub.will(Behaviour::Hang);
    let many = |count| join_all((0..count).map(|_| shop.part()));
    many(20).await;
    let open = shop.part().await;
    assert_eq!(open["code"], "unavailable", "the circuit is open");
    let kept_back = || told("upstream_places_kept_back", "");
    let refused = || ["circuit_open", "bulkhead_full"].map(rejected);
    let [not_called, _] = refused();
    assert_eq!(kept_back(), 0.0);

    // Longer than anyone waits for a turn.
    shop.stub.will(Behaviour::AnswerAfter(MS(200)));
    shop.app.advance(chrono::TimeDelta::seconds(2));
    let before = shop.calls();
    let ok =
        |parts: &[serde_json::Value]| parts.iter().filter(|part| part["status"] == "ok").count();
    let came = many(50).await;
    assert_eq!(shop.calls() - before, 1, "one asks, the others don't wait");
    assert_eq!(ok(&came), 1);
    let [came_too_early, no_place] = refused();
    assert_eq!(came_too_early - not_called, 49.0);
    assert!(kept_back() > 0.0);
    // Nothing was saved up for this moment, and those who come now are let in
    // a few at first, and each time more.
    let mut served = 1;
    eventually("everyone is served", async || {
        let before = shop.calls();
        let now = ok(&many(50).await);
        let called = shop.calls() - before;
        assert!(called <= 50.min(4 * served), "{called} after {served}");
        served = now;
        served == 50
    })
    .await;
    assert!(refused()[1] > no_place, "there was no room for some");
    assert_eq!(refused()[0], came_too_early, "the circuit stayed closed");
    eventually("no place is kept back", async || {
        many(50).await;
        kept_back() == 0.0
    })
    .await;
}
