//! Everything that is kept about a person is in the copy that they get, or it says
//! here why it isn't: every column of both databases, every kind of key in Redis.

mod places;

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use super::house::{House, Person};
use crate::money::long_history;
use places::{
    ACCOUNTS, KEYS, ORDERS,
    Place::{At, Not},
    Table,
};

async fn columns(sql: &mut PgConnection) -> Vec<(String, String)> {
    let all = "SELECT table_name::text, column_name::text FROM information_schema.columns
               JOIN information_schema.tables USING (table_schema, table_name)
               WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    sqlx::query_as(all).fetch_all(sql).await.unwrap()
}

/// What isn't where it is said to be.
fn astray(copy: &Value, tables: &[Table], columns: &[(String, String)]) -> Vec<String> {
    let mut astray = Vec::new();
    for (table, column) in columns {
        let Some((_, place, others)) = tables.iter().find(|(name, ..)| name == table) else {
            astray.push(format!("{table}.{column}: the table isn't known here"));
            continue;
        };
        let own = others.iter().find(|(name, _)| name == column);
        let pointer = match (own, place) {
            (Some((_, At(pointer))), _) => (*pointer).to_owned(),
            (None, At(rows)) => format!("{rows}/{column}"),
            (Some((_, Not(why))), _) | (None, Not(why)) => {
                assert!(!why.is_empty());
                continue;
            }
        };
        if copy.pointer(&pointer).is_none() {
            astray.push(format!("{table}.{column}: not at {pointer}"));
        }
    }
    astray
}

/// Someone of whom there is something in every table.
async fn person(house: &House) -> Person {
    let ann = house.person("ann").await;
    let account = house.account(&ann, "0.02", "0.01").await;
    long_history(&house.app, &account.to_string(), 2).await;
    house.order(&ann).await;
    house.cart(&ann).await;
    let app = &house.app;
    let wrong = app
        .step_up(&ann.tokens, &json!({ "password": "wrong" }))
        .await;
    wrong.expect(StatusCode::UNAUTHORIZED);
    app.ask("ann@example.com", "step_up", Some(&ann.tokens.access))
        .await
        .expect(StatusCode::ACCEPTED);
    app.get("/v1/screens/home", Some(&ann.tokens.access))
        .await
        .expect(StatusCode::OK);
    let mut sql = app.superuser().await;
    for statement in [
        "INSERT INTO identities (provider, subject, user_id, created_at) VALUES ('vk', 'v-1', $1, now())",
        "INSERT INTO holds (id, account_id, currency, minor_units, amount, expires_at, created_at, updated_at)
         SELECT gen_random_uuid(), id, 'USD', 2, 0.01, now() + interval '1 day', now(), now()
         FROM accounts WHERE user_id = $1",
        "INSERT INTO idempotency_keys (user_id, key, fingerprint, status, body, created_at)
         VALUES ($1, 'once', sha256(''), 201, '{\"id\":1}', now())",
        "INSERT INTO audit_log (id, at, event, user_id, actor_id, ip, subject)
         VALUES (gen_random_uuid(), now(), 'user.blocked', gen_random_uuid(), $1, '192.0.2.7', 'z***@z.example')",
    ] {
        let bound = sqlx::query(statement).bind(ann.id);
        bound.execute(&mut sql).await.unwrap();
    }
    ann
}

/// The kinds of all keys that name this user, or a session of theirs.
async fn kinds(house: &House, copy: &Value, ann: &Person) -> BTreeSet<String> {
    let settings = &house.app.settings.redis;
    let client = redis::Client::open(settings.url.expose().as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}*", settings.prefix))
        .query_async(&mut connection)
        .await
        .unwrap();
    let sessions = copy["sessions"].as_array().unwrap().iter();
    let mut ids: Vec<String> = sessions
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect();
    ids.push(ann.id.to_string());
    let of_hers = keys.iter().filter(|key| {
        let plain = key.replace('-', "");
        let mut ids = ids.iter();
        ids.any(|id| key.contains(id) || plain.contains(&id.replace('-', "")))
    });
    let kind = |key: &String| {
        let name = key[settings.prefix.len()..].trim_start_matches(':');
        name.split(':').next().unwrap().to_owned()
    };
    of_hers.map(kind).collect()
}

#[tokio::test]
async fn whatever_is_kept_of_a_person_is_in_the_copy_or_has_a_reason_not_to_be() {
    let house = House::new().await;
    let ann = person(&house).await;
    let copy = house
        .app
        .get("/v1/me/export", Some(&ann.tokens.access))
        .await;
    let copy = copy.expect(StatusCode::OK).json();
    let accounts = columns(&mut house.app.superuser().await).await;
    assert_eq!(astray(&copy, ACCOUNTS, &accounts), [""; 0]);
    let orders = columns(&mut house.orders_sql().await).await;
    assert_eq!(astray(&copy, ORDERS, &orders), [""; 0]);

    let kinds = kinds(&house, &copy, &ann).await;
    assert!(kinds.len() > 4, "{kinds:?}");
    for kind in kinds {
        let known = KEYS.iter().find(|(name, _)| *name == kind);
        let (_, place) = known.unwrap_or_else(|| panic!("{kind} isn't known here"));
        if let At(pointer) = place {
            assert!(copy.pointer(pointer).is_some(), "{kind}: not at {pointer}");
        }
    }

    assert_eq!(copy["acts"][0]["ip"], "192.0.2.7");
    assert!(
        !copy.to_string().contains("z***@z.example"),
        "someone else's"
    );
    assert_eq!(copy["answers"][0]["body"], json!("{\"id\":1}"));
    assert_eq!(
        copy["orders"][0]["transitions"][0]["state"],
        "pending_payment"
    );
}

/// A reference to people that no one has thought of yet is found.
#[tokio::test]
async fn a_new_table_or_column_is_noticed() {
    let house = House::new().await;
    let ann = person(&house).await;
    let copy = house
        .app
        .get("/v1/me/export", Some(&ann.tokens.access))
        .await;
    let copy = copy.expect(StatusCode::OK).json();
    let mut sql = house.app.superuser().await;
    for added in [
        "CREATE TABLE wishes (user_id uuid)",
        "ALTER TABLE users ADD COLUMN shoe_size int",
    ] {
        let mut transaction = sql.begin().await.unwrap();
        sqlx::query(added).execute(&mut *transaction).await.unwrap();
        let astray = astray(&copy, ACCOUNTS, &columns(&mut transaction).await);
        assert_eq!(astray.len(), 1, "{astray:?}");
        transaction.rollback().await.unwrap();
    }
}
