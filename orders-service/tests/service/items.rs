use chrono::TimeDelta;
use platform::{
    clock::{Clock as _, SystemClock},
    currency::Currency,
};
use proto::orders::v1::{GetItemRequest, ListItemsRequest, Money};
use tonic::Code;
use uuid::Uuid;

use crate::{
    helpers::{Service, assert_refused, invalid_fields, missing_item},
    shop::{self, NewItem},
};

fn get(id: Uuid) -> GetItemRequest {
    GetItemRequest {
        id: id.to_string(),
        currency: String::new(),
    }
}

#[tokio::test]
async fn an_item_is_shown_whole() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let new = NewItem {
        title: "The Left Hand of Darkness",
        author: "Ursula K. Le Guin",
        description: "An envoy on a world of winter.",
        tags: &["science-fiction", "classic"],
        price: Some("9.90"),
        on_hand: 7,
        ..NewItem::default()
    };
    let id = shop::item(&mut sql, new).await;
    sqlx::query("UPDATE item_stock SET reserved = 2")
        .execute(&mut sql)
        .await
        .unwrap();
    let item = service
        .public_catalog()
        .get_item(get(id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(item.id, id.to_string());
    assert_eq!(item.title, "The Left Hand of Darkness");
    assert_eq!(item.author, "Ursula K. Le Guin");
    assert_eq!(item.description, "An envoy on a world of winter.");
    assert_eq!(item.tags, ["science-fiction", "classic"]);
    assert_eq!(
        item.price,
        Some(Money {
            amount: "9.90".into(),
            currency: "USD".into()
        })
    );
    assert_eq!(item.available, 5);
    assert!(item.created_at.is_some() && item.updated_at.is_some());
}

#[tokio::test]
async fn a_price_holds_for_its_currency_and_its_time() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let id = shop::item(
        &mut sql,
        NewItem {
            price: None,
            ..NewItem::default()
        },
    )
    .await;
    let now = SystemClock.now();
    let (sale, end) = (now + TimeDelta::hours(1), now + TimeDelta::hours(2));
    let start = now - TimeDelta::hours(1);
    shop::price(&mut sql, id, Currency::Jpy, "1500", start, Some(sale)).await;
    shop::price(&mut sql, id, Currency::Jpy, "990", sale, Some(end)).await;
    let shown = async || {
        let request = GetItemRequest {
            id: id.to_string(),
            currency: "JPY".into(),
        };
        let item = service
            .public_catalog()
            .get_item(request)
            .await
            .unwrap()
            .into_inner();
        (item.price.map(|price| price.amount), item.etag)
    };
    let (before, etag) = shown().await;
    assert_eq!(before.as_deref(), Some("1500"));
    assert_eq!(shown().await.1, etag, "nothing changed");
    service.clock.advance(TimeDelta::minutes(90));
    let (during, sale_etag) = shown().await;
    assert_eq!(during.as_deref(), Some("990"));
    assert_ne!(sale_etag, etag);
    service.clock.advance(TimeDelta::minutes(60));
    assert_eq!(shown().await.0, None);
    let dollars = service
        .public_catalog()
        .get_item(get(id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(dollars.price, None);
}

#[tokio::test]
async fn an_item_that_is_missing_or_deleted_is_not_found() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let id = shop::item(&mut sql, NewItem::default()).await;
    assert!(service.public_catalog().get_item(get(id)).await.is_ok());
    shop::delete(&mut sql, id).await;
    for request in [get(id), missing_item()] {
        let answer = service.public_catalog().get_item(request).await;
        assert_refused(answer, Code::NotFound, "ITEM_NOT_FOUND");
    }
    let list = service
        .public_catalog()
        .list_items(ListItemsRequest::default())
        .await;
    assert_eq!(list.unwrap().into_inner().items, []);
}

#[tokio::test]
async fn every_field_that_does_not_fit_is_named() {
    let service = Service::start().await;
    let mut catalog = service.public_catalog();
    let list = ListItemsRequest {
        page_size: 1000,
        query: "nul\0".into(),
        tag: "Not A Tag".into(),
        currency: "usd".into(),
        sort: 99,
        ..ListItemsRequest::default()
    };
    let fields = invalid_fields(catalog.list_items(list).await);
    assert_eq!(fields, ["query", "tag", "currency", "sort", "page_size"]);
    let prices = ListItemsRequest {
        min_price: Some("NaN".into()),
        max_price: Some("1.5".into()),
        ..ListItemsRequest::default()
    };
    assert_eq!(
        invalid_fields(catalog.list_items(prices).await),
        ["min_price", "max_price"]
    );
    for id in [
        "",
        "1",
        "not-a-uuid",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "\0",
    ] {
        let request = GetItemRequest {
            id: id.into(),
            currency: "XXX".into(),
        };
        assert_eq!(
            invalid_fields(catalog.get_item(request).await),
            ["id", "currency"]
        );
    }
}

#[tokio::test]
async fn filters_leave_out_what_does_not_match_all_of_them() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let mut add = async |tags, price| {
        shop::item(
            &mut sql,
            NewItem {
                tags,
                price,
                ..NewItem::default()
            },
        )
        .await
        .to_string()
    };
    let cheap = add(&["poetry"] as &[&str], Some("5.00")).await;
    let dear = add(&["poetry", "rare"], Some("50.00")).await;
    let other = add(&["history"], Some("5.00")).await;
    let unpriced = add(&["poetry"], None).await;
    let list = async |tag: &str, min: Option<&str>, max: Option<&str>| {
        let request = ListItemsRequest {
            tag: tag.into(),
            min_price: min.map(Into::into),
            max_price: max.map(Into::into),
            ..ListItemsRequest::default()
        };
        let items = service
            .public_catalog()
            .list_items(request)
            .await
            .unwrap()
            .into_inner()
            .items;
        let mut ids: Vec<_> = items.into_iter().map(|item| item.id).collect();
        ids.sort();
        ids
    };
    let ids = |ids: &[&String]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        list("poetry", None, None).await,
        ids(&[&cheap, &dear, &unpriced])
    );
    assert_eq!(
        list("poetry", Some("5.00"), Some("5.00")).await,
        ids(&[&cheap])
    );
    assert_eq!(list("", None, Some("49.99")).await, ids(&[&cheap, &other]));
    assert_eq!(list("rare", Some("50.01"), None).await, ids(&[]));
    assert_eq!(list("unknown", None, None).await, ids(&[]));
}
