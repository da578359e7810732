use chrono::TimeDelta;
use migrator::Store;
use platform::{
    clock::{Clock as _, SystemClock},
    nats::Nats,
    outbox::{NewEvent, announce},
};
use proto::{
    events::{Event, UserDeactivated, UserDeletionRequested, UserErased},
    orders::v1::{CountOpenOrdersRequest, ExportOrdersRequest},
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    helpers::{Service, assert_refused, eventually, invalid_fields},
    shop::{self, NewItem},
};

fn page(size: i32, token: &str) -> ExportOrdersRequest {
    ExportOrdersRequest {
        page_size: size,
        page_token: token.into(),
    }
}

#[tokio::test]
async fn only_orders_that_wait_for_money_are_open() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let item = shop::item(&mut sql, NewItem::default()).await;
    let (user, other, at) = (Uuid::new_v4(), Uuid::new_v4(), SystemClock.now());
    for state in ["paid", "fulfilled", "cancelled", "expired"] {
        shop::order(&mut sql, user, state, at, &[(item, 1)]).await;
    }
    shop::order(&mut sql, other, "pending_payment", at, &[(item, 1)]).await;
    let count = async || {
        let mut client = service.privacy_of(user);
        let answer = client.count_open_orders(CountOpenOrdersRequest {}).await;
        answer.unwrap().into_inner().count
    };
    assert_eq!(count().await, 0);
    for (number, state) in (1..).zip(["pending_payment", "capturing"]) {
        shop::order(&mut sql, user, state, at, &[(item, 1)]).await;
        assert_eq!(count().await, number);
    }
}

#[tokio::test]
async fn an_export_is_ones_own_orders_whole_in_pages_and_once_ones_own_cart() {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    let first = shop::item(&mut sql, NewItem::default()).await;
    let second = shop::item(&mut sql, NewItem::default()).await;
    let (user, other, at) = (Uuid::new_v4(), Uuid::new_v4(), SystemClock.now());
    let mut ids = Vec::new();
    for n in 0..5 {
        let lines = [(first, 1), (second, n + 1)];
        let at = at - TimeDelta::hours(n.into());
        ids.push(
            shop::order(&mut sql, user, "paid", at, &lines)
                .await
                .to_string(),
        );
    }
    shop::order(&mut sql, other, "paid", at, &[(first, 1)]).await;
    let cart = shop::cart(&mut sql, user, &[(second, 3), (first, 1)]).await;
    shop::cart(&mut sql, other, &[(first, 5)]).await;

    let mut client = service.privacy_of(user);
    let (mut exported, mut carts) = (Vec::new(), Vec::new());
    let mut token = String::new();
    loop {
        let answer = client.export_orders(page(2, &token)).await.unwrap();
        let answer = answer.into_inner();
        let steps = answer.transitions.iter();
        let steps: Vec<_> = steps.map(|step| (&*step.order_id, step.state())).collect();
        for order in &answer.orders {
            use proto::orders::v1::OrderState::{Capturing, Paid, PendingPayment};

            let way = steps.iter().filter(|(id, _)| *id == order.id);
            let way: Vec<_> = way.map(|(_, state)| *state).collect();
            assert_eq!(way, [PendingPayment, Capturing, Paid]);
        }
        assert_eq!(steps.len(), 3 * answer.orders.len());
        exported.extend(answer.orders);
        carts.push(answer.cart);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        let stolen = service
            .privacy_of(other)
            .export_orders(page(2, &token))
            .await;
        assert_eq!(invalid_fields(stolen), ["page_token"]);
    }
    let found: Vec<_> = exported.iter().map(|order| order.id.clone()).collect();
    assert_eq!(found, ids);
    let [Some(exported_cart), None, None] = &*carts else {
        panic!("{carts:?}");
    };
    assert_eq!(exported_cart.id, cart.to_string());
    let lines = exported_cart.lines.iter();
    let lines: Vec<_> = lines
        .map(|line| (&*line.item_id, &*line.title, line.quantity))
        .collect();
    let (first, second) = (first.to_string(), second.to_string());
    assert_eq!(lines, [(&*second, "A Title", 3), (&*first, "A Title", 1)]);
    for (n, order) in (1..).zip(&exported) {
        let copies: Vec<_> = order.lines.iter().map(|line| line.quantity).collect();
        assert_eq!(copies, [1, n]);
    }
    assert_eq!(
        invalid_fields(client.export_orders(page(101, "")).await),
        ["page_size"]
    );
}

#[tokio::test]
async fn nobodys_privacy_is_nobodys() {
    let service = Service::start().await;
    let mut client = service.privacy(service.anonymous());
    let refused = client.count_open_orders(CountOpenOrdersRequest {}).await;
    assert_refused(refused, Code::PermissionDenied, "USER_REQUIRED");
    let refused = client.export_orders(page(0, "")).await;
    assert_refused(refused, Code::PermissionDenied, "USER_REQUIRED");
}

/// Publishes an event as the edge does, with this id.
async fn publish<E: Event>(nats: &Nats, id: Uuid, event: &E) {
    let mut new = NewEvent::new(E::SUBJECT, event.aggregate_id(), 1, event, &SystemClock);
    new.id = id;
    announce(nats, "test", &new).await;
    nats.client().flush().await.unwrap();
}

#[tokio::test]
async fn who_leaves_is_noted_once_whatever_comes_first_or_twice() {
    let mut settings = None;
    let service = Service::with(|used| settings = Some(used.nats.clone())).await;
    let nats = Nats::connect(&settings.unwrap(), "test").await.unwrap();
    nats.ensure_streams().await.unwrap();
    let mut sql = service.sql().await;
    let [staying, leaving, backwards] = [(); 3].map(|()| Uuid::new_v4());
    let item = shop::item(&mut sql, NewItem::default()).await;
    for user in [staying, leaving, backwards] {
        shop::cart(&mut sql, user, &[(item, 1)]).await;
    }
    let requested_at = SystemClock.now() - TimeDelta::days(30);
    let erased_at = SystemClock.now();
    let requested = |user_id| UserDeletionRequested {
        user_id,
        requested_at,
    };
    let erased = |user_id| UserErased {
        user_id,
        requested_at,
        erased_at,
    };
    let user_id = staying;
    publish(&nats, Uuid::new_v4(), &UserDeactivated { user_id }).await;
    let once = Uuid::new_v4();
    for _ in 0..2 {
        publish(&nats, once, &requested(leaving)).await;
    }
    publish(&nats, Uuid::new_v4(), &erased(backwards)).await;
    publish(&nats, Uuid::new_v4(), &requested(backwards)).await;

    eventually("everything was handled", async || {
        let handled = "SELECT count(*) FROM inbox WHERE consumer = 'orders-users'";
        let handled: i64 = sqlx::query_scalar(handled)
            .fetch_one(&mut sql)
            .await
            .unwrap();
        handled == 3
    })
    .await;
    let rows = "SELECT user_id, erased_at IS NOT NULL FROM departures";
    let mut rows: Vec<(Uuid, bool)> = sqlx::query_as(rows).fetch_all(&mut sql).await.unwrap();
    rows.sort_unstable_by_key(|(user, _)| *user != leaving);
    assert_eq!(rows, [(leaving, false), (backwards, true)]);
    // Only an erasure takes the cart away: until then one can be brought back.
    let carts = "SELECT user_id FROM carts JOIN cart_lines ON cart_id = id ORDER BY carts.id";
    let carts: Vec<Uuid> = sqlx::query_scalar(carts).fetch_all(&mut sql).await.unwrap();
    assert_eq!(carts, [staying, leaving]);

    // What a service's role may not do to the note.
    let app = service.database.url_as(Store::Orders.app_role());
    let mut app = <sqlx::PgConnection as sqlx::Connection>::connect(app.expose().as_str())
        .await
        .unwrap();
    let refused = sqlx::query("DELETE FROM departures")
        .execute(&mut app)
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
}
