use async_nats::jetstream::consumer::{AckPolicy, pull};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use http::StatusCode;
use platform::nats::{Nats, Stream};
use serde_json::Value;
use sqlx::Row as _;

use super::house::{House, Person};
use crate::helpers::eventually;

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

/// All text of a table.
async fn text_of(house: &House, table: &str) -> String {
    let mut sql = house.app.superuser().await;
    let query = format!("SELECT coalesce(string_agg(t::text, '\n'), '') AS text FROM {table} t");
    let row = sqlx::query(sqlx::AssertSqlSafe(query));
    row.fetch_one(&mut sql).await.unwrap().get("text")
}

/// All events of a stream so far.
async fn stream_text(house: &House, stream: Stream) -> String {
    let nats = Nats::connect(&house.app.settings.nats, "test")
        .await
        .unwrap();
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        ..pull::Config::default()
    };
    let name = nats.stream_name(stream);
    let stream = nats.jetstream().get_stream(&name).await.unwrap();
    let count = stream.get_info().await.unwrap().state.messages;
    let consumer = stream.create_consumer(config).await.unwrap();
    let messages = consumer.messages().await.unwrap();
    let texts = messages
        .take(usize::try_from(count).unwrap())
        .map(|message| {
            let message = message.unwrap();
            format!(
                "{:?} {}",
                message.headers,
                String::from_utf8_lossy(&message.payload)
            )
        });
    texts.collect::<Vec<_>>().await.join("\n")
}

#[tokio::test]
async fn after_the_retention_time_nothing_tells_who_it_was_in_either_store_or_stream() {
    let house = House::new().await;
    let app = &house.app;
    let ann = house.person("ann").await;
    let bob = house.person("bob").await;
    let account = house.account(&ann, "0", "0").await;
    let order = house.order(&ann).await;
    house.cancel(order).await;
    house.delete(&ann).await.expect(StatusCode::NO_CONTENT);
    app.advance(TimeDelta::days(30) + TimeDelta::minutes(1));
    let _worker = app.worker().await;
    eventually("she is erased", async || {
        (status(&house, &ann).await == "erased").then_some(())
    })
    .await;
    eventually("the orders service heard of it", async || {
        departure(&house, &ann).await?.1
    })
    .await;
    eventually("every event has left", async || {
        (!text_of(
            &house,
            "(SELECT 'waiting' FROM outbox WHERE published_at IS NULL)",
        )
        .await
        .contains("waiting"))
        .then_some(())
    })
    .await;

    for table in [
        "users",
        "credentials",
        "identities",
        "accounts",
        "audit_log",
        "outbox",
    ] {
        let text = text_of(&house, table).await;
        for personal in ["ann@example.com", "ann_name", "a***@example.com"] {
            assert!(!text.contains(personal), "{table}: {text}");
        }
    }
    assert!(
        text_of(&house, "accounts")
            .await
            .contains(&account.to_string())
    );
    let hers = format!(
        "(SELECT ip, user_agent FROM audit_log WHERE user_id = '{}')",
        ann.id
    );
    assert!(!text_of(&house, &hers).await.contains("127.0.0.1"));
    let his = format!("(SELECT ip FROM audit_log WHERE user_id = '{}')", bob.id);
    assert!(text_of(&house, &his).await.contains("127.0.0.1"));
    assert_eq!(status(&house, &bob).await, "active");

    let events = stream_text(&house, Stream::Accounts).await;
    assert!(events.contains("user.erased"), "{events}");
    for personal in [
        "@example.com",
        "ann_name",
        "Ann Lee",
        "1415555",
        "127.0.0.1",
    ] {
        assert!(!events.contains(personal), "{events}");
    }
    let proofs = &ann.tokens;
    app.get("/v1/me", Some(&proofs.access))
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
