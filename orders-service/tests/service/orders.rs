use chrono::TimeDelta;
use platform::clock::{Clock as _, SystemClock};
use proto::orders::v1::{GetOrderRequest, ListOrdersRequest, Money, OrderState};
use tonic::Code;
use uuid::Uuid;

use crate::{
    helpers::{Service, assert_refused, invalid_fields},
    shop::{self, NewItem},
};

fn get(id: Uuid) -> GetOrderRequest {
    GetOrderRequest { id: id.to_string() }
}

fn dollars(amount: &str) -> Option<Money> {
    Some(Money {
        amount: amount.into(),
        currency: "USD".into(),
    })
}

#[tokio::test]
async fn an_order_is_shown_whole_as_it_was_sold() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let first = shop::item(
        &mut sql,
        NewItem {
            title: "First",
            ..NewItem::default()
        },
    )
    .await;
    let second = shop::item(
        &mut sql,
        NewItem {
            title: "Second",
            ..NewItem::default()
        },
    )
    .await;
    let user = Uuid::new_v4();
    let at = SystemClock.now();
    let id = shop::order(
        &mut sql,
        user,
        "pending_payment",
        at,
        &[(second, 2), (first, 1)],
    )
    .await;
    let rename = "UPDATE items SET title = 'Renamed', updated_at = now()";
    sqlx::query(rename).execute(&mut sql).await.unwrap();

    let order = service
        .orders_of(user)
        .get_order(get(id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(order.id, id.to_string());
    assert_eq!(order.state(), OrderState::PendingPayment);
    assert_eq!(order.quantity, 3);
    assert_eq!(order.subtotal, dollars("36.90"));
    assert_eq!(order.discount, dollars("0.00"));
    assert_eq!(order.total, dollars("36.90"));
    assert_eq!(order.etag, "1");
    assert!(order.expires_at.is_some());
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| (line.title.as_str(), line.quantity))
        .collect();
    assert_eq!(lines, [("Second", 2), ("First", 1)]);
    assert_eq!(order.lines[0].unit_price, dollars("12.30"));
    assert_eq!(order.lines[0].total, dollars("24.60"));
}

#[tokio::test]
async fn a_list_holds_the_callers_own_orders_the_newest_first() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let item = shop::item(&mut sql, NewItem::default()).await;
    let (ana, ben) = (Uuid::new_v4(), Uuid::new_v4());
    let now = SystemClock.now();
    let mut expected = Vec::new();
    for (hours, state) in [(1, "paid"), (2, "cancelled"), (3, "paid"), (4, "expired")] {
        let at = now - TimeDelta::hours(hours);
        let id = shop::order(&mut sql, ana, state, at, &[(item, 1)]).await;
        expected.push(id.to_string());
        shop::order(&mut sql, ben, state, at, &[(item, 1)]).await;
    }
    let list = async |state: OrderState| {
        let request = ListOrdersRequest {
            state: state.into(),
            ..ListOrdersRequest::default()
        };
        let answer = service
            .orders_of(ana)
            .list_orders(request)
            .await
            .unwrap()
            .into_inner();
        assert!(answer.orders.iter().all(|order| order.lines.is_empty()));
        answer
            .orders
            .into_iter()
            .map(|order| order.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(OrderState::Unspecified).await, expected);
    assert_eq!(
        list(OrderState::Paid).await,
        [expected[0].clone(), expected[2].clone()]
    );
    assert_eq!(list(OrderState::Fulfilled).await, Vec::<String>::new());
    let unknown = ListOrdersRequest {
        state: 77,
        ..ListOrdersRequest::default()
    };
    assert_eq!(
        invalid_fields(service.orders_of(ana).list_orders(unknown).await),
        ["state"]
    );
}

#[tokio::test]
async fn someone_elses_order_is_not_found_just_like_one_that_does_not_exist() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let item = shop::item(&mut sql, NewItem::default()).await;
    let (ana, ben) = (Uuid::new_v4(), Uuid::new_v4());
    let id = shop::order(&mut sql, ana, "paid", SystemClock.now(), &[(item, 1)]).await;
    assert!(service.orders_of(ana).get_order(get(id)).await.is_ok());
    let stolen = service.orders_of(ben).get_order(get(id)).await.unwrap_err();
    let missing = service
        .orders_of(ben)
        .get_order(get(Uuid::new_v4()))
        .await
        .unwrap_err();
    assert_eq!(stolen.details(), missing.details());
    assert_eq!(stolen.message(), missing.message());
    assert_refused(Err::<(), _>(stolen), Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn a_call_on_nobodys_behalf_sees_no_orders() {
    let service = Service::start().await;
    let mut orders = service.orders(service.anonymous());
    let answer = orders.get_order(get(Uuid::new_v4())).await;
    assert_refused(answer, Code::PermissionDenied, "USER_REQUIRED");
    let answer = orders.list_orders(ListOrdersRequest::default()).await;
    assert_refused(answer, Code::PermissionDenied, "USER_REQUIRED");
}

#[tokio::test]
async fn a_page_token_of_orders_is_worth_nothing_to_another_user() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let item = shop::item(&mut sql, NewItem::default()).await;
    let (ana, ben) = (Uuid::new_v4(), Uuid::new_v4());
    let at = SystemClock.now();
    for user in [ana, ana, ben, ben] {
        shop::order(&mut sql, user, "paid", at, &[(item, 1)]).await;
    }
    let request = ListOrdersRequest {
        page_size: 1,
        ..ListOrdersRequest::default()
    };
    let first = service
        .orders_of(ana)
        .list_orders(request)
        .await
        .unwrap()
        .into_inner();
    let page_token = first.next_page_token;
    let next = ListOrdersRequest {
        page_size: 1,
        page_token,
        ..ListOrdersRequest::default()
    };
    let second = service
        .orders_of(ana)
        .list_orders(next.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (second.orders.len(), second.next_page_token.as_str()),
        (1, "")
    );
    let stolen = service.orders_of(ben).list_orders(next).await;
    assert_eq!(invalid_fields(stolen), ["page_token"]);
}
