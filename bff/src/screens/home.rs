//! `GET /v1/screens/home`: what a signed-in user sees first.

use std::{sync::LazyLock, time::Duration};

use futures::FutureExt as _;
use utoipa::ToSchema;

use super::{
    Sources,
    part::{Keep, Need, Part, PartReport, Screen, json},
};
use crate::{
    accounts::{
        money::{self, Account},
        users::{self, User},
    },
    cache::{Key, Scope, Ttl},
    identity::Caller,
    upstream::{
        CallError, Context, Read,
        view::{Item, Order},
    },
};

/// More accounts than a user can have open: one in each currency.
const ACCOUNTS: i64 = 100;
const RECENT_ORDERS: u8 = 5;
const RECOMMENDATIONS: u8 = 10;

/// The screen.
pub static HOME: LazyLock<Screen<Caller>> = LazyLock::new(|| {
    let parts = vec![
        Part {
            name: "profile",
            need: Need::Required,
            cap: Duration::from_millis(500),
            cache: Some(Keep {
                key: |caller| of_user("profile", caller),
                ttl: Ttl::seconds(30, 600),
            }),
            call: |from, caller, context| json(profile(from, caller, context)),
        },
        Part {
            name: "accounts",
            need: Need::Optional,
            cap: Duration::from_millis(500),
            cache: Some(Keep {
                key: |caller| of_user("accounts", caller),
                ttl: Ttl::seconds(15, 300),
            }),
            call: |from, caller, context| json(accounts(from, caller, context)),
        },
        Part {
            name: "orders",
            need: Need::Optional,
            cap: Duration::from_millis(800),
            cache: Some(Keep {
                key: |caller| of_user("orders", caller),
                ttl: Ttl::seconds(15, 600),
            }),
            call: |from, caller, context| json(orders(from, caller, context)),
        },
        Part {
            name: "recommendations",
            need: Need::Optional,
            cap: Duration::from_millis(600),
            cache: Some(Keep {
                key: |caller| of_user("recommendations", caller).of_catalogue(),
                ttl: Ttl::seconds(60, 3_000),
            }),
            call: |from, caller, context| json(recommendations(from, caller, context)),
        },
    ];
    Screen::new(
        "home",
        "What a signed-in user sees first.\n\n\
         A part that can't be had is null, and `parts` says why. Only what is complete,\n\
         with nothing stale in it, carries a tag.",
        |caller| of_user("home", caller),
        |settings| settings.home_ms.duration(),
        parts,
    )
});

fn of_user(name: &'static str, caller: &Caller) -> Key {
    Key::new(name, Scope::User(caller.user_id))
}

async fn profile(from: Sources, caller: Caller, context: Context) -> Result<User, CallError> {
    let user_id = caller.user_id;
    let found = from
        .accounts
        .read(Read::Profile, context.deadline, user_id, |c| {
            let found = users::find(c, user_id);
            // So that a database that lags isn't believed.
            found
                .map(|user| user?.ok_or(sqlx::Error::RowNotFound))
                .boxed()
        })
        .await;
    match found {
        // The session outlived its user.
        Err(CallError::NotFound) => Err(CallError::Unauthenticated),
        outcome => outcome,
    }
}

async fn accounts(
    from: Sources,
    caller: Caller,
    context: Context,
) -> Result<Vec<Account>, CallError> {
    let user_id = caller.user_id;
    from.accounts
        .read(Read::Money, context.deadline, user_id, |c| {
            money::list(c, user_id, None, ACCOUNTS).boxed()
        })
        .await
}

async fn orders(from: Sources, caller: Caller, context: Context) -> Result<Vec<Order>, CallError> {
    let page = from
        .orders
        .orders(&context, &caller, None, RECENT_ORDERS, String::new())
        .await?;
    Ok(page.items)
}

async fn recommendations(
    from: Sources,
    caller: Caller,
    context: Context,
) -> Result<Vec<Item>, CallError> {
    from.orders
        .recommendations(&context, &caller, RECOMMENDATIONS)
        .await
}

/// The home screen.
#[derive(Debug, ToSchema)]
pub struct Home {
    /// What the parts hold; null where a part isn't there.
    pub data: HomeData,
    /// How each part came out.
    pub parts: HomeParts,
    /// Whether every part that was asked for is there, and fresh.
    pub complete: bool,
}

/// What the home screen's parts hold.
#[derive(Debug, ToSchema)]
pub struct HomeData {
    /// The user.
    pub profile: Option<User>,
    /// Their open accounts.
    pub accounts: Option<Vec<Account>>,
    /// Their latest orders.
    pub orders: Option<Vec<Order>>,
    /// What they might want to buy.
    pub recommendations: Option<Vec<Item>>,
}

/// How the home screen's parts came out.
#[derive(Debug, ToSchema)]
pub struct HomeParts {
    /// Required: without it there is no screen.
    pub profile: PartReport,
    /// Optional.
    pub accounts: PartReport,
    /// Optional.
    pub orders: PartReport,
    /// Optional.
    pub recommendations: PartReport,
}
