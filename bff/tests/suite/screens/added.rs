//! A screen that someone adds, with nothing but what is public. It stands in
//! `docs/architecture.md` as it stands here.

use std::{sync::LazyLock, time::Duration};

use bff::{
    accounts::money,
    cache::{Key, Scope, Ttl},
    identity::Caller,
    screens::{Ask, Keep, Need, Part, Screen, json},
};
use futures::FutureExt as _;
use tonic::Code;

use super::stage::{Stage, read};
use crate::orders_stub::{Behaviour, ORDER};

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
                let accounts = from.accounts.read(context.deadline, user, |store| {
                    money::list(store, user, None, 100).boxed()
                });
                accounts.await
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

#[test]
fn the_documentation_shows_this_very_screen() {
    let (_, rest) = DOCUMENT.split_once("```rust\n").expect("a screen");
    let (shown, _) = rest.split_once("```").expect("the end of it");
    assert!(shown.contains("Screen::new("), "{shown}");
    assert!(THIS.contains(shown), "{shown}");
}
