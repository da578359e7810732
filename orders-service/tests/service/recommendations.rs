use chrono::TimeDelta;
use orders_service::config::Settings;
use platform::{
    clock::{Clock as _, SystemClock},
    config::Seconds,
};
use proto::orders::v1::{ItemSort, ListItemsRequest, ListRecommendationsRequest};
use uuid::Uuid;

use crate::{
    helpers::{Service, eventually, invalid_fields},
    shop::{self, NewItem},
};

fn counting(settings: &mut Settings) {
    settings.catalogue.count_sales_every_s = Seconds(1);
}

async fn recommended(service: &Service, user: Uuid, page_size: i32) -> Vec<String> {
    let request = ListRecommendationsRequest {
        page_size,
        currency: String::new(),
    };
    let mut catalog = service.catalog(service.token(user, |_| ()));
    let answer = catalog
        .list_recommendations(request)
        .await
        .unwrap()
        .into_inner();
    answer.items.into_iter().map(|item| item.title).collect()
}

#[tokio::test]
async fn what_sold_best_lately_is_recommended_to_those_who_have_not_bought_it() {
    let service = Service::with(counting).await;
    let mut sql = service.sql().await;
    let mut add = async |title, price, on_hand| {
        shop::item(
            &mut sql,
            NewItem {
                title,
                price,
                on_hand,
                ..NewItem::default()
            },
        )
        .await
    };
    let best = add("best", Some("1.00"), 1).await;
    let second = add("second", Some("1.00"), 1).await;
    let unpaid = add("unpaid", Some("1.00"), 1).await;
    let long_ago = add("long ago", Some("1.00"), 1).await;
    let unpriced = add("not sold in dollars", None, 1).await;
    let sold_out = add("sold out", Some("1.00"), 0).await;
    let deleted = add("deleted", Some("1.00"), 1).await;
    shop::delete(&mut sql, deleted).await;
    let (ana, ben) = (Uuid::new_v4(), Uuid::new_v4());
    let now = SystemClock.now();
    let recent = now - TimeDelta::days(29);
    for (user, state, at, lines) in [
        (ana, "paid", now, vec![(best, 2), (second, 1)]),
        (
            Uuid::new_v4(),
            "fulfilled",
            recent,
            vec![(best, 2), (unpriced, 9), (sold_out, 9), (deleted, 9)],
        ),
        (Uuid::new_v4(), "pending_payment", now, vec![(unpaid, 50)]),
        (Uuid::new_v4(), "cancelled", now, vec![(unpaid, 50)]),
        (
            ben,
            "fulfilled",
            now - TimeDelta::days(31),
            vec![(long_ago, 50)],
        ),
    ] {
        shop::order(&mut sql, user, state, at, &lines).await;
    }
    let stranger = Uuid::new_v4();
    eventually("sales are counted", async || {
        recommended(&service, stranger, 2).await == ["best", "second"]
    })
    .await;
    assert_eq!(recommended(&service, stranger, 1).await, ["best"]);
    // What sold nothing lately follows, the newest first.
    assert_eq!(
        recommended(&service, stranger, 0).await,
        ["best", "second", "long ago", "unpaid"]
    );
    assert_eq!(recommended(&service, ana, 0).await, ["long ago", "unpaid"]);
    assert_eq!(
        recommended(&service, ben, 0).await,
        ["best", "second", "unpaid"]
    );

    let list = ListItemsRequest {
        sort: ItemSort::Bestselling.into(),
        ..ListItemsRequest::default()
    };
    let list = service
        .public_catalog()
        .list_items(list)
        .await
        .unwrap()
        .into_inner();
    let list: Vec<_> = list.items.into_iter().map(|item| item.title).collect();
    let all = [
        "sold out",
        "not sold in dollars",
        "best",
        "second",
        "long ago",
        "unpaid",
    ];
    assert_eq!(list, all);
}

#[tokio::test]
async fn a_sale_counts_until_its_time_is_over() {
    let service = Service::with(counting).await;
    let mut sql = service.sql().await;
    let old = shop::item(
        &mut sql,
        NewItem {
            title: "old",
            ..NewItem::default()
        },
    )
    .await;
    shop::item(
        &mut sql,
        NewItem {
            title: "new",
            ..NewItem::default()
        },
    )
    .await;
    shop::order(
        &mut sql,
        Uuid::new_v4(),
        "paid",
        SystemClock.now(),
        &[(old, 1)],
    )
    .await;
    let user = Uuid::new_v4();
    eventually("the sale counts", async || {
        recommended(&service, user, 1).await == ["old"]
    })
    .await;
    service.clock.advance(TimeDelta::days(31));
    eventually("the sale is over", async || {
        recommended(&service, user, 1).await == ["new"]
    })
    .await;
}

#[tokio::test]
async fn a_page_size_or_currency_that_does_not_fit_is_refused() {
    let service = Service::start().await;
    let request = ListRecommendationsRequest {
        page_size: 51,
        currency: "BTC".into(),
    };
    let answer = service.public_catalog().list_recommendations(request).await;
    assert_eq!(invalid_fields(answer), ["page_size", "currency"]);
}
