use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode};
use platform::{
    config::Seconds,
    nats::{Nats, Stream},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::house::{House, Person};
use crate::{
    helpers::{Answer, eventually},
    stored::tables_of,
};

async fn status(house: &House, person: &Person) -> String {
    let mut sql = house.app.superuser().await;
    let status = sqlx::query_scalar("SELECT status::text FROM users WHERE id = $1");
    status.bind(person.id).fetch_one(&mut sql).await.unwrap()
}

async fn departure(house: &House, person: &Person) -> Option<(bool, Option<DateTime<Utc>>)> {
    let mut sql = house.orders_sql().await;
    let row = "SELECT true, erased_at FROM departures WHERE user_id = $1";
    sqlx::query_as(row)
        .bind(person.id)
        .fetch_optional(&mut sql)
        .await
        .unwrap()
}

async fn count(house: &House, query: &'static str, person: &Person) -> i64 {
    let mut sql = house.app.superuser().await;
    let count = sqlx::query_scalar(query).bind(person.id);
    count.fetch_one(&mut sql).await.unwrap()
}

/// What there is of her before, and must not be after.
const OF_A_PERSON: [&str; 3] = [
    "SELECT count(*) FROM credentials WHERE user_id = $1",
    "SELECT count(*) FROM identities WHERE user_id = $1",
    "SELECT count(*) FROM idempotency_keys WHERE user_id = $1",
];

/// Gives her what a person may have: a provider, an account with a name, and a
/// transfer with a key.
async fn live(house: &House, ann: &Person, bob: &Person) {
    let identity = "INSERT INTO identities (provider, subject, user_id, email, created_at)
                    VALUES ('google', 'her-subject', $1, 'ann@gmail.example', now())";
    sqlx::query(identity)
        .bind(ann.id)
        .execute(&mut house.app.superuser().await)
        .await
        .unwrap();
    let admin = house.admin().await;
    let send = async |path: &str, token: &str, body: Value| {
        let request = house.app.request(Method::POST, path).bearer_auth(token);
        let request = request.header("idempotency-key", "once").json(&body);
        Answer::of(request).await.expect(StatusCode::CREATED).json()
    };
    let account = json!({ "currency": "USD", "name": "Hers alone" });
    let from = send("/v1/accounts", &ann.tokens.access, account).await;
    let account = json!({ "currency": "USD", "name": "His" });
    let to = send("/v1/accounts", &bob.tokens.access, account).await;
    let amount = json!({ "amount": "5.00", "currency": "USD" });
    let path = format!(
        "/v1/admin/accounts/{}/deposit",
        from["id"].as_str().unwrap()
    );
    let deposit = json!({ "amount": amount, "reason": "A test" });
    send(&path, &admin.tokens.access, deposit).await;
    let transfer =
        json!({ "from_account_id": from["id"], "to_account_id": to["id"], "amount": amount });
    send("/v1/transfers", &ann.tokens.access, transfer).await;
    let order = house.order(ann).await;
    house.cancel(order).await;
    house.cart(ann).await;
    house.cart(bob).await;
    for query in OF_A_PERSON {
        assert_eq!(count(house, query, ann).await, 1, "{query}");
    }
}

/// All events of a stream so far.
async fn stream_of(house: &House, stream: Stream) -> Vec<String> {
    let nats = Nats::connect(&house.app.settings.nats, "test")
        .await
        .unwrap();
    let name = nats.stream_name(stream);
    let stream = nats.jetstream().get_stream(&name).await.unwrap();
    let state = &stream.cached_info().state;
    let mut events = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        // What was taken from a queue is gone.
        if let Ok(event) = stream.get_raw_message(sequence).await {
            let data = String::from_utf8_lossy(&event.payload);
            events.push(format!("{:?} {data}", event.headers));
        }
    }
    events
}

#[tokio::test]
async fn after_the_retention_time_nothing_tells_who_it_was_in_either_store_or_stream() {
    // So short that nothing else takes away what erasing has to: kept answers, say.
    let retention = TimeDelta::hours(1);
    let house = House::with(|settings| settings.life.retention_s = Seconds(3_600)).await;
    let app = &house.app;
    let ann = house.person("ann").await;
    let bob = house.person("bob").await;
    live(&house, &ann, &bob).await;
    let phone: String = sqlx::query_scalar("SELECT phone FROM users WHERE id = $1")
        .bind(ann.id)
        .fetch_one(&mut app.superuser().await)
        .await
        .unwrap();
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    app.advance(retention + TimeDelta::minutes(1));
    let worker = app.worker().await;
    eventually("she is erased", async || {
        status(&house, &ann).await == "erased"
    })
    .await;
    eventually("the orders service heard of it", async || {
        departure(&house, &ann).await?.1
    })
    .await;
    let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND $1::uuid IS NOT NULL";
    eventually("every event has left", async || {
        count(&house, waiting, &ann).await == 0
    })
    .await;
    worker.all_handled(app).await;

    for query in OF_A_PERSON {
        assert_eq!(count(&house, query, &ann).await, 0, "{query}");
    }
    let named = "SELECT count(*) FROM accounts WHERE user_id = $1 AND name IS NOT NULL";
    assert_eq!(count(&house, named, &ann).await, 0);
    assert_eq!(count(&house, named, &bob).await, 1);
    let places = "SELECT count(*) FROM audit_log
                  WHERE user_id = $1 AND ip IS NOT NULL AND (actor_id IS NULL OR actor_id = $1)";
    assert_eq!(count(&house, places, &ann).await, 0);
    assert!(count(&house, places, &bob).await > 0);
    assert_eq!(status(&house, &bob).await, "active");
    let carts: Vec<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM carts JOIN cart_lines ON cart_id = id")
            .fetch_all(&mut house.orders_sql().await)
            .await
            .unwrap();
    assert_eq!(carts, [bob.id]);

    let mut kept = app.accounts_dump().await;
    kept.extend(tables_of(&mut house.orders_sql().await).await);
    let id = ann.id.to_string();
    for table in ["users ", "accounts ", "orders ", "departures "] {
        let is_hers = |row: &String| row.starts_with(table) && row.contains(&id);
        assert!(kept.iter().any(is_hers), "{table}: nothing was looked at");
    }
    for stream in Stream::ALL {
        kept.extend(stream_of(&house, stream).await);
    }
    assert!(kept.iter().any(|event| event.contains("user.erased")));
    for personal in [
        "ann@example.com",
        "a***@example.com",
        "ann@gmail.example",
        "ann_name",
        "Ann Lee",
        "her-subject",
        "Hers alone",
        phone.as_str(),
    ] {
        let told = kept.iter().find(|line| line.contains(personal));
        assert_eq!(told, None, "{personal}");
    }
    // What the streams tell, they tell of nobody.
    for stream in Stream::ALL {
        for event in stream_of(&house, stream).await {
            for personal in ["@example.com", "1415555", "127.0.0.1", "1990-01-31"] {
                assert!(!event.contains(personal), "{event}");
            }
        }
    }
}

#[tokio::test]
async fn an_erased_users_proofs_are_worth_nothing_while_they_could_be() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    // So that her token's time isn't over as well.
    sqlx::query("UPDATE users SET erase_after = now() WHERE id = $1")
        .bind(ann.id)
        .execute(&mut app.superuser().await)
        .await
        .unwrap();
    let _worker = app.worker().await;
    eventually("she is erased", async || {
        status(&house, &ann).await == "erased"
    })
    .await;
    app.get("/v1/me", Some(&ann.tokens.access))
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.refresh(&ann.tokens.refresh)
        .await
        .expect(StatusCode::UNAUTHORIZED);
    app.login(&ann.email).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn before_the_retention_time_is_over_nothing_is_erased() {
    let house = House::new().await;
    let app = &house.app;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    house.deactivate(&bob).await.expect(StatusCode::NO_CONTENT);
    app.advance(TimeDelta::days(29));
    let cora = house.person("cora").await;
    sqlx::query(
        "UPDATE users SET status = 'deleted', deleted_at = now(), erase_after = now() WHERE id = $1",
    )
    .bind(cora.id)
    .execute(&mut app.superuser().await)
    .await
    .unwrap();
    let _worker = app.worker().await;
    eventually("who is due is erased", async || {
        (status(&house, &cora).await == "erased").then_some(())
    })
    .await;
    assert_eq!(status(&house, &ann).await, "deleted");
    assert_eq!(status(&house, &bob).await, "deactivated");
    eventually("the orders service heard that she left", async || {
        departure(&house, &ann).await
    })
    .await;
    assert!(departure(&house, &bob).await.is_none(), "he may come back");
}

#[tokio::test]
async fn the_trail_forgets_only_who_was_erased() {
    let house = House::new().await;
    let ann = house.person("ann").await;
    let app_role = house.app.settings.postgres.pool("test").unwrap();
    sqlx::query("SELECT audit_log_forget($1)")
        .bind(ann.id)
        .execute(&app_role)
        .await
        .unwrap();
    let kept: Value = sqlx::query_scalar(
        "SELECT to_jsonb(l) FROM audit_log l WHERE user_id = $1 AND event = 'session.opened'",
    )
    .bind(ann.id)
    .fetch_one(&app_role)
    .await
    .unwrap();
    assert_eq!(kept["ip"], "127.0.0.1");
}
