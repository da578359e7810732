use http::StatusCode;
use serde_json::{Value, json};

use super::house::House;
use crate::money::long_history;

#[tokio::test]
async fn a_copy_holds_everything_of_ones_own_and_nothing_of_others() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let bob = house.person("bob").await;
    let account = house.account(&ann, "4.50", "1.00").await;
    long_history(&house.app, &account.to_string(), 450).await;
    let his = house.account(&bob, "7.00", "0").await;
    let orders = [house.order(&ann).await, house.order(&bob).await];
    let carts = [house.cart(&ann).await, house.cart(&bob).await];
    let identity = "INSERT INTO identities (provider, subject, user_id, email, created_at)
                    VALUES ('google', 'g-1', $1, 'ann@gmail.example', now())";
    sqlx::query(identity)
        .bind(ann.id)
        .execute(&mut house.app.superuser().await)
        .await
        .unwrap();
    let trail = "INSERT INTO audit_log (id, at, event, user_id)
                 SELECT gen_random_uuid(), now(), 'session.opened', $1 FROM generate_series(1, 205)";
    sqlx::query(trail)
        .bind(ann.id)
        .execute(&mut house.app.superuser().await)
        .await
        .unwrap();

    let by_staff = "INSERT INTO audit_log (id, at, event, user_id, actor_id, session_id, ip, user_agent)
                    VALUES (gen_random_uuid(), now(), 'user.blocked', $1, $2, $2, '203.0.113.9', 'Staff/1')";
    sqlx::query(by_staff)
        .bind(ann.id)
        .bind(bob.id)
        .execute(&mut house.app.superuser().await)
        .await
        .unwrap();

    let token = Some(ann.tokens.access.as_str());
    let answer = house.app.get("/v1/me/export", token).await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    for foreign in [bob.id, his, orders[1], carts[1]] {
        assert!(!text.contains(&foreign.to_string()), "{foreign}");
    }
    for secret in ["$argon2id", "k4.secret", "203.0.113.9", "Staff/1"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let copy = answer.json();
    assert_eq!(copy["user"]["email"], "ann@example.com");
    assert_eq!(copy["user"]["username"], "ann_name");
    assert_eq!(copy["identities"][0]["subject"], "g-1");
    assert_eq!(copy["sessions"].as_array().unwrap().len(), 1);
    let list = |name: &str| copy[name].as_array().unwrap().clone();
    let dollars = |amount: &str| json!({ "amount": amount, "currency": "USD" });
    assert_eq!(list("accounts").len(), 1);
    assert_eq!(copy["accounts"][0]["balance"], dollars("4.50"));
    let entries = list("entries");
    assert_eq!(entries.len(), 450);
    let numbers: Vec<_> = entries
        .iter()
        .map(|entry| entry["number"].as_i64())
        .collect();
    assert!(numbers.iter().copied().eq((1..=450).map(Some)));
    assert_eq!(entries[449]["balance_after"], dollars("4.50"));
    let bought = list("orders");
    assert_eq!(bought.len(), 1);
    assert_eq!(bought[0]["id"], json!(orders[0]));
    assert_eq!(bought[0]["lines"][0]["title"], "The Tin Drum");
    assert_eq!(copy["cart"]["id"], json!(carts[0]));
    let line = &copy["cart"]["lines"][0];
    assert_eq!(
        (&line["title"], &line["quantity"]),
        (&json!("Cat and Mouse"), &json!(2))
    );
    let trail = list("audit");
    assert!(trail.len() > 205, "{}", trail.len());
    for event in ["user.exported", "user.blocked"] {
        assert!(trail.iter().any(|line| line["event"] == event), "{event}");
    }
}

#[tokio::test]
async fn a_copy_of_next_to_nothing_is_whole_too() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let token = Some(ann.tokens.access.as_str());
    let copy = house.app.get("/v1/me/export", token).await;
    let copy = copy.expect(StatusCode::OK).json();
    for name in [
        "identities",
        "orders",
        "accounts",
        "entries",
        "holds",
        "answers",
        "acts",
    ] {
        assert_eq!(copy[name], Value::Array(vec![]), "{name}");
    }
    assert_eq!(copy["cart"], Value::Null);
    house
        .app
        .get("/v1/me/export", None)
        .await
        .expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn there_is_no_copy_without_the_orders() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let token = Some(ann.tokens.access.as_str());
    let answer = house.cut_off().await.get("/v1/me/export", token).await;
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("retry-after").is_some());
}
