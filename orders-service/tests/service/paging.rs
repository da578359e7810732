use std::collections::HashSet;

use chrono::TimeDelta;
use platform::clock::{Clock as _, SystemClock};
use proto::orders::v1::{ItemSort, ListItemsRequest};
use uuid::Uuid;

use crate::{
    helpers::Service,
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
async fn a_list_of_many_has_no_gaps_and_no_repeats_either() {
    let service = Service::start().await;
    sqlx::raw_sql(
        "WITH added AS (
             INSERT INTO items (id, title, author, tags, created_at, updated_at)
             SELECT ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
                    'A Common Word', 'An Author', '{common}', at, at
             FROM generate_series(1, 2100) n,
                  LATERAL (SELECT now() - n % 7 * interval '1 day') AS t (at)
             RETURNING id, created_at)
         INSERT INTO item_prices (item_id, currency, minor_units, amount, valid_from)
         SELECT id, 'USD', 2, 1 + extract(day FROM created_at)::int % 3, created_at FROM added",
    )
    .execute(&mut service.sql().await)
    .await
    .unwrap();
    for (sort, count) in [
        (ItemSort::Newest, 2100),
        (ItemSort::PriceAscending, 2100),
        (ItemSort::PriceDescending, 2100),
        (ItemSort::Bestselling, 2100),
        // Of so many, the newest are ranked.
        (ItemSort::Relevance, 2000),
    ] {
        let request = ListItemsRequest {
            query: "common".into(),
            tag: "common".into(),
            sort: sort.into(),
            page_size: 100,
            ..ListItemsRequest::default()
        };
        let found = all_pages(&service, request).await;
        let different: HashSet<_> = found.iter().collect();
        assert_eq!((found.len(), different.len()), (count, count), "{sort:?}");
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
