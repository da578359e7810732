//! What a page may be asked for with.

use proto::orders::v1::{ItemSort, ListItemsRequest, ListOrdersRequest};
use uuid::Uuid;

use crate::{
    helpers::{Service, invalid_fields},
    shop::{self, NewItem},
};

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
