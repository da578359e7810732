//! A screen that someone adds, with nothing but what is public. It stands in
//! `docs/architecture.md` as it stands here.

use std::{sync::LazyLock, time::Duration};

use axum::body::Body;
use bff::{
    accounts::money::{self, Account},
    cache::{Key, Scope, Ttl},
    edge::{layers::around, limits::Classes},
    handlers::screens::screen,
    identity::Caller,
    limits::Class,
    screens::{Ask, Keep, Need, Part, PartReport, Screen, json},
    upstream::{Read, view::Order},
};
use futures::FutureExt as _;
use http::{Request, StatusCode};
use tonic::Code;
use tower::ServiceExt as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::stage::{Stage, read};
use crate::{
    helpers::TestApp,
    orders_stub::{Behaviour, ORDER, OrdersStub},
};

const DOCUMENT: &str = include_str!("../../../../docs/architecture.md");
const THIS: &str = include_str!("added.rs");

static WALLET: LazyLock<Screen<Caller>> = LazyLock::new(|| {
    let accounts = Part {
        name: "accounts",
        need: Need::Required,
        cap: Duration::from_millis(500),
        cache: None,
        call: |from, caller: Caller, context| {
            let user = caller.user_id;
            json(async move {
                let accounts = from.accounts;
                let list = accounts.read(Read::Money, context.deadline, user, |store| {
                    money::list(store, user, None, 100).boxed()
                });
                list.await
            })
        },
    };
    let latest = Part {
        name: "latest",
        need: Need::Optional,
        cap: Duration::from_millis(800),
        cache: Some(Keep {
            key: |caller: &Caller| Key::new("wallet.latest", Scope::User(caller.user_id)),
            ttl: Ttl::seconds(15, 600),
        }),
        call: |from, caller, context| {
            json(async move {
                let orders = from.orders;
                let page = orders.orders(&context, &caller, None, 1, String::new());
                Ok(page.await?.items)
            })
        },
    };
    Screen::new(
        "wallet",
        "What a user has, and what they bought last.",
        |caller| Key::new("wallet", Scope::User(caller.user_id)),
        |_| Duration::from_secs(1),
        vec![accounts, latest],
    )
});

#[tokio::test]
async fn a_screen_that_is_added_has_all_that_the_engine_gives() {
    let stage = Stage::new().await;
    let wallet = async |parts: Option<&str>| {
        let ask = Ask {
            parts: parts.map(str::to_owned),
            ..Ask::default()
        };
        read(
            &stage
                .screens
                .show(&WALLET, &stage.caller, &ask)
                .await
                .unwrap(),
        )
    };
    stage.orders.will(Behaviour::Fail(Code::Unavailable));
    let without = wallet(None).await;
    assert_eq!(without["complete"], false);
    assert_eq!(without["data"]["latest"], serde_json::Value::Null);
    assert_eq!(without["parts"]["latest"]["status"], "unavailable");
    assert_eq!(without["parts"]["accounts"]["status"], "ok");

    stage.orders.will(Behaviour::Answer);
    let whole = wallet(None).await;
    assert_eq!(whole["complete"], true);
    assert_eq!(whole["data"]["accounts"][0]["available"]["currency"], "USD");
    assert_eq!(whole["data"]["latest"][0]["id"], ORDER);
    let again = wallet(Some("latest")).await;
    assert_eq!(again["parts"]["latest"]["source"], "l1");
    assert_eq!(again["parts"]["accounts"]["status"], "omitted");
}

/// What it looks like, for the OpenAPI document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is of use")]
struct Wallet {
    data: WalletData,
    parts: WalletParts,
    complete: bool,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is of use")]
struct WalletData {
    accounts: Option<Vec<Account>>,
    latest: Option<Vec<Order>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is of use")]
struct WalletParts {
    accounts: PartReport,
    latest: PartReport,
}

#[tokio::test]
async fn its_route_is_one_line_and_brings_its_document_along() {
    let orders = OrdersStub::start();
    let app = TestApp::with(|settings| settings.orders.url = orders.url()).await;
    let token = app.signed_in("ann@example.com").await.access;
    let (routes, document) = OpenApiRouter::new()
        .routes(screen::<Wallet>(&WALLET))
        .split_for_parts();
    let mut classes = Classes::default();
    classes.add(&document.paths, Class::Read);
    let edge = around(routes.with_state(app.state.clone()), classes, &app.state);
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::get("/v1/screens/wallet?parts=latest");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        edge.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(ask(&[]).await.status(), StatusCode::UNAUTHORIZED);
    let bearer = ("authorization", &*format!("Bearer {token}"));
    let shown = ask(&[bearer]).await;
    assert_eq!(shown.status(), StatusCode::OK);
    let limit = shown.headers()["ratelimit-policy"].to_str().unwrap();
    assert!(limit.starts_with("\"read\";q="), "{limit}");
    let known = ("if-none-match", shown.headers()["etag"].to_str().unwrap());
    let again = ask(&[bearer, known]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let late = ask(&[bearer, ("x-deadline-ms", "soon")]).await;
    assert_eq!(late.status(), StatusCode::BAD_REQUEST);

    let document = serde_json::to_value(document).unwrap();
    let operation = &document["paths"]["/v1/screens/wallet"]["get"];
    assert_eq!(operation["operationId"], "wallet");
    let schemas = &document["components"]["schemas"];
    for name in ["Wallet", "WalletData", "WalletParts", "PartReport", "Order"] {
        assert!(schemas[name].is_object(), "{name}: {schemas}");
    }
}

#[test]
fn the_documentation_shows_this_very_screen() {
    let (_, rest) = DOCUMENT.split_once("```rust\n").expect("a screen");
    let (shown, _) = rest.split_once("```").expect("the end of it");
    assert!(shown.contains("Screen::new("), "{shown}");
    assert!(THIS.contains(shown), "{shown}");
}
