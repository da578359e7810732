//! An edge with the orders service itself behind it, and stores for both.

use std::sync::Arc;

use bff::{config::Settings, identity::keys::KeyFile};
use chrono::TimeDelta;
use http::{Method, StatusCode};
use migrator::Store;
use platform::{
    clock::{Clock as _, SystemClock},
    config::Millis,
    outbox::{self, NewEvent},
    postgres::PostgresSettings,
    testing::Database,
};
use proto::events::{Event as _, OrderCancelled};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::helpers::{Answer, TestApp, Tokens, eventually};

/// The edge and the orders service.
pub struct House {
    pub app: TestApp,
    pub orders: Database,
}

/// Someone signed in.
pub struct Person {
    pub id: Uuid,
    pub email: String,
    pub tokens: Tokens,
}

impl House {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// An edge with changed settings, and the orders service.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let orders = Database::create(
            &format!("orders_{}", migrator::digest(Store::Orders)),
            async |url| {
                migrator::up(Store::Orders, &url).await.unwrap();
            },
        )
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = TestApp::with(|settings| {
            settings.orders.url = url.parse().unwrap();
            settings.screens.read_ms = Millis(5_000);
            change(settings);
        })
        .await;
        let keys = KeyFile::read(&app.settings.tokens.keys_file).unwrap();
        let public = app.files.path().join("public.json");
        let document = serde_json::to_vec(&keys.public_keys().unwrap()).unwrap();
        std::fs::write(&public, document).unwrap();

        let mut settings = orders_service::config::Settings {
            postgres: PostgresSettings {
                max_connections: 4,
                ..PostgresSettings::at(orders.url_as("orders_app"))
            },
            nats: app.settings.nats.clone(),
            ..orders_service::config::Settings::default()
        };
        settings.ops.listen = ([127, 0, 0, 1], 0).into();
        settings.tokens.public_keys_file = public;
        let (clock, lifetime) = (Arc::new(app.clock.clone()), app.lifetime.clone());
        tokio::spawn(async move {
            let served = orders_service::serve(settings, clock, lifetime, listener).await;
            served.unwrap();
        });
        let house = Self { app, orders };
        let somebody = house.person("somebody").await;
        eventually("the orders service serves", async || {
            let answer = house.app.get("/v1/orders", Some(&somebody.tokens.access));
            (answer.await.status == StatusCode::OK).then_some(())
        })
        .await;
        house
    }

    /// Someone with a profile that can be told from anything else.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let user = self.app.user(&email).await;
        let id = user["id"].as_str().unwrap().parse().unwrap();
        let profile =
            "UPDATE users SET full_name = initcap($3) || ' Lee', username = $2, username_canonical = $2, birth_date = '1990-01-31',
                              phone = '+1415555' || lpad((random() * 9999)::int::text, 4, '0'),
                              phone_verified_at = now() WHERE id = $1";
        sqlx::query(profile)
            .bind(id)
            .bind(format!("{name}_name"))
            .bind(name)
            .execute(&mut self.app.superuser().await)
            .await
            .unwrap();
        let tokens = self.app.login(&email).await.expect(StatusCode::OK).tokens();
        Person { id, email, tokens }
    }

    /// Someone who may bring money in.
    pub async fn admin(&self) -> Person {
        let person = self.person("operator").await;
        sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
            .bind(person.id)
            .execute(&mut self.app.superuser().await)
            .await
            .unwrap();
        let tokens = self.app.login(&person.email).await.tokens();
        Person { tokens, ..person }
    }

    pub async fn deactivate(&self, person: &Person) -> Answer {
        let token = Some(person.tokens.access.as_str());
        self.app.post("/v1/me/deactivate", token, &json!({})).await
    }

    pub async fn delete(&self, person: &Person) -> Answer {
        Self::delete_at(&self.app, person).await
    }

    pub async fn delete_at(app: &TestApp, person: &Person) -> Answer {
        let request = app.request(Method::DELETE, "/v1/me");
        Answer::of(request.bearer_auth(&person.tokens.access)).await
    }

    /// A replica of the edge that can't reach the orders service.
    pub async fn cut_off(&self) -> TestApp {
        let mut settings = self.app.settings.clone();
        settings.orders.url = "http://127.0.0.1:1".parse().unwrap();
        self.app.replica_with(settings).await
    }

    pub async fn orders_sql(&self) -> PgConnection {
        let url = self.orders.superuser_url();
        PgConnection::connect(url.expose().as_str()).await.unwrap()
    }

    /// An account with so much in it and so much of that set aside. What doesn't
    /// matter here, such as where it came from, is left out, and with it the
    /// checks that would miss it.
    pub async fn account(&self, person: &Person, balance: &str, held: &str) -> Uuid {
        let id = self.app.clock.new_id();
        let mut sql = self.app.superuser().await;
        sql.execute("SET session_replication_role = replica")
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO accounts (id, kind, user_id, name, currency, minor_units, balance, held, version,
                                   created_at, updated_at)
             VALUES ($1, 'user', $2, 'holidays', 'USD', 2, $3::numeric, $4::numeric, 1, now(), now())",
        )
        .bind(id)
        .bind(person.id)
        .bind(balance)
        .bind(held)
        .execute(&mut sql)
        .await
        .unwrap();
        id
    }

    /// An order of one copy, which waits for its payment.
    pub async fn order(&self, person: &Person) -> Uuid {
        let (id, item) = (self.app.clock.new_id(), self.app.clock.new_id());
        let at = SystemClock.now() - TimeDelta::hours(1);
        let mut sql = self.orders_sql().await;
        let mut transaction = sql.begin().await.unwrap();
        for statement in [
            "INSERT INTO items (id, title, author, created_at, updated_at) VALUES ($2, 'The Tin Drum', 'Grass', $4, $4)",
            "INSERT INTO orders (id, user_id, request_id, currency, minor_units, quantity, subtotal, total,
                                 created_at, updated_at, expires_at)
             VALUES ($1, $3, $1, 'USD', 2, 1, 12.30, 12.30, $4, $4, $4 + interval '1 day')",
            "INSERT INTO order_transitions (order_id, version, to_state, at) VALUES ($1, 1, 'pending_payment', $4)",
            "INSERT INTO order_lines (order_id, position, item_id, title, author, quantity, currency, minor_units,
                                      unit_price, total)
             VALUES ($1, 1, $2, 'The Tin Drum', 'Grass', 1, 'USD', 2, 12.30, 12.30)",
        ] {
            // Each statement uses what it needs of the same four values.
            let statement = format!("WITH v AS (SELECT $1::uuid, $2::uuid, $3::uuid, $4::timestamptz) {statement}");
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(id)
                .bind(item)
                .bind(person.id)
                .bind(at)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        id
    }

    /// A cart with two copies of something in it.
    pub async fn cart(&self, person: &Person) -> Uuid {
        let (id, item) = (self.app.clock.new_id(), self.app.clock.new_id());
        let mut sql = self.orders_sql().await;
        for statement in [
            "INSERT INTO items (id, title, author, created_at, updated_at) VALUES ($2, 'Cat and Mouse', 'Grass', now(), now())",
            "INSERT INTO carts (id, user_id, created_at, updated_at) VALUES ($1, $3, now(), now())",
            "INSERT INTO cart_lines (cart_id, item_id, position, quantity) VALUES ($1, $2, 1, 2)",
        ] {
            let statement = format!("WITH v AS (SELECT $1::uuid, $2::uuid, $3::uuid) {statement}");
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(id)
                .bind(item)
                .bind(person.id)
                .execute(&mut sql)
                .await
                .unwrap();
        }
        id
    }

    /// Cancels an order, and has the orders service's relay tell of it.
    pub async fn cancel(&self, order_id: Uuid) {
        let mut sql = self.orders_sql().await;
        let mut transaction = sql.begin().await.unwrap();
        let step = "INSERT INTO order_transitions (order_id, version, from_state, to_state, at)
                    VALUES ($1, 2, 'pending_payment', 'cancelled', now())";
        sqlx::query(step)
            .bind(order_id)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let cancel = "UPDATE orders SET state = 'cancelled', version = 2, expires_at = NULL
                      WHERE id = $1 RETURNING user_id";
        let user_id = sqlx::query_scalar(cancel)
            .bind(order_id)
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        let told = OrderCancelled { order_id, user_id };
        let event = NewEvent::new(OrderCancelled::SUBJECT, order_id, 2, &told, &self.app.clock);
        outbox::append(&mut *transaction, &event).await.unwrap();
        transaction.commit().await.unwrap();
    }
}
