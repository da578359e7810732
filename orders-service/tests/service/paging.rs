use chrono::TimeDelta;
use platform::clock::{Clock as _, SystemClock};
use proto::orders::v1::{ItemSort, ListItemsRequest, ListOrdersRequest};
use uuid::Uuid;

use crate::{
    helpers::{Service, invalid_fields},
    shop::{self, NewItem},
};

async fn all_pages(service: &Service, mut request: ListItemsRequest) -> Vec<String> {
    let mut catalog = service.public_catalog();
    let mut ids = Vec::new();
    for _ in 0..100 {
        let page = catalog
            .list_items(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.items.len() <= request.page_size as usize);
        ids.extend(page.items.into_iter().map(|item| item.id));
        if page.next_page_token.is_empty() {
            return ids;
        }
        request.page_token = page.next_page_token;
    }
    panic!("the pages never end");
}

#[tokio::test]
async fn pages_have_no_gaps_and_no_repeats_though_every_key_is_the_same() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let created_at = SystemClock.now() - TimeDelta::days(2);
    let mut expected = Vec::new();
    for _ in 0..23 {
        let new = NewItem {
            title: "The Same Title",
            created_at,
            ..NewItem::default()
        };
        expected.push(shop::item(&mut sql, new).await.to_string());
    }
    expected.sort();
    for sort in [
        ItemSort::Newest,
        ItemSort::PriceAscending,
        ItemSort::PriceDescending,
        ItemSort::Bestselling,
        ItemSort::Relevance,
    ] {
        for page_size in [1, 5, 23, 100] {
            let request = ListItemsRequest {
                query: "same title".into(),
                sort: sort.into(),
                page_size,
                ..ListItemsRequest::default()
            };
            let mut found = all_pages(&service, request).await;
            found.sort();
            assert_eq!(found, expected, "{sort:?} by {page_size}");
        }
    }
}

#[tokio::test]
async fn each_sort_keeps_its_order_over_the_pages() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let mut ids = Vec::new();
    for (hours, price) in [
        (1, "3.00"),
        (2, "1.00"),
        (3, "2.00"),
        (4, "1.00"),
        (5, "9.99"),
    ] {
        let created_at = SystemClock.now() - TimeDelta::hours(hours);
        let new = NewItem {
            price: Some(price),
            created_at,
            ..NewItem::default()
        };
        ids.push(shop::item(&mut sql, new).await.to_string());
    }
    let unpriced = NewItem {
        price: None,
        ..NewItem::default()
    };
    ids.push(shop::item(&mut sql, unpriced).await.to_string());
    let pick = |places: &[usize]| {
        places
            .iter()
            .map(|place| ids[*place].clone())
            .collect::<Vec<_>>()
    };
    for (sort, expected) in [
        (ItemSort::Unspecified, pick(&[0, 1, 2, 3, 4, 5])),
        (ItemSort::Newest, pick(&[0, 1, 2, 3, 4, 5])),
        (ItemSort::PriceAscending, pick(&[1, 3, 2, 0, 4])),
        (ItemSort::PriceDescending, pick(&[4, 0, 2, 3, 1])),
    ] {
        let request = ListItemsRequest {
            sort: sort.into(),
            page_size: 2,
            ..ListItemsRequest::default()
        };
        assert_eq!(all_pages(&service, request).await, expected, "{sort:?}");
    }
}

#[tokio::test]
async fn rows_that_come_and_go_between_pages_move_nothing() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let mut ids = Vec::new();
    for hours in 1..=6 {
        let created_at = SystemClock.now() - TimeDelta::hours(hours);
        ids.push(
            shop::item(
                &mut sql,
                NewItem {
                    created_at,
                    ..NewItem::default()
                },
            )
            .await,
        );
    }
    let mut catalog = service.public_catalog();
    let request = ListItemsRequest {
        page_size: 2,
        ..ListItemsRequest::default()
    };
    let first = catalog
        .list_items(request.clone())
        .await
        .unwrap()
        .into_inner();

    let created_at = SystemClock.now();
    shop::item(
        &mut sql,
        NewItem {
            created_at,
            ..NewItem::default()
        },
    )
    .await;
    shop::delete(&mut sql, ids[1]).await;
    shop::delete(&mut sql, ids[2]).await;

    let page_token = first.next_page_token;
    let rest = ListItemsRequest {
        page_size: 50,
        page_token,
        ..request
    };
    let rest = catalog.list_items(rest).await.unwrap().into_inner();
    let found: Vec<_> = rest.items.into_iter().map(|item| item.id).collect();
    let expected: Vec<_> = ids[3..].iter().map(Uuid::to_string).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_page_token_holds_for_its_query_alone() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    for _ in 0..3 {
        shop::item(
            &mut sql,
            NewItem {
                tags: &["kept"],
                ..NewItem::default()
            },
        )
        .await;
    }
    let mut catalog = service.public_catalog();
    let request = ListItemsRequest {
        page_size: 1,
        tag: "kept".into(),
        ..ListItemsRequest::default()
    };
    let first = catalog
        .list_items(request.clone())
        .await
        .unwrap()
        .into_inner();
    let next = ListItemsRequest {
        page_token: first.next_page_token.clone(),
        ..request
    };
    let other_size = ListItemsRequest {
        page_size: 2,
        ..next.clone()
    };
    assert_eq!(
        catalog
            .list_items(other_size)
            .await
            .unwrap()
            .into_inner()
            .items
            .len(),
        2
    );

    let mut changed = first.next_page_token.clone().into_bytes();
    changed[3] = if changed[3] == b'A' { b'B' } else { b'A' };
    for refused in [
        ListItemsRequest {
            tag: String::new(),
            ..next.clone()
        },
        ListItemsRequest {
            sort: ItemSort::PriceAscending.into(),
            ..next.clone()
        },
        ListItemsRequest {
            currency: "EUR".into(),
            ..next.clone()
        },
        ListItemsRequest {
            min_price: Some("1.00".into()),
            ..next.clone()
        },
        ListItemsRequest {
            page_token: String::from_utf8(changed).unwrap(),
            ..next.clone()
        },
        ListItemsRequest {
            page_token: "nonsense".into(),
            ..next.clone()
        },
        ListItemsRequest {
            page_token: "x".repeat(60_000),
            ..next.clone()
        },
    ] {
        assert_eq!(
            invalid_fields(catalog.list_items(refused).await),
            ["page_token"]
        );
    }
}

#[tokio::test]
async fn a_page_size_out_of_bounds_is_refused() {
    let service = Service::start().await;
    for page_size in [-1, 101, i32::MAX, i32::MIN] {
        let items = ListItemsRequest {
            page_size,
            ..ListItemsRequest::default()
        };
        let answer = service.public_catalog().list_items(items).await;
        assert_eq!(invalid_fields(answer), ["page_size"]);
        let orders = ListOrdersRequest {
            page_size,
            ..ListOrdersRequest::default()
        };
        let answer = service.orders_of(Uuid::new_v4()).list_orders(orders).await;
        assert_eq!(invalid_fields(answer), ["page_size"]);
    }
}
