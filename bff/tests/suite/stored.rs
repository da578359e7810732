//! What a test may look for in everything that was stored.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use redis::{Value, aio::MultiplexedConnection};

use crate::helpers::TestApp;

/// What a private Redis is told.
pub struct Monitor {
    redis: MultiplexedConnection,
    lines: Pin<Box<dyn Stream<Item = String> + Send>>,
    asked: usize,
}

impl Monitor {
    /// Listens from here on.
    pub async fn of(app: &TestApp) -> Self {
        let client = redis::Client::open(app.settings.redis.url.expose().as_str());
        let monitor = client.expect("a URL").get_async_monitor().await;
        let monitor = monitor.expect("Redis");
        Self {
            redis: app.redis().await,
            lines: monitor.into_on_message().boxed(),
            asked: 0,
        }
    }

    /// What clients sent since it was asked last, but for what every replica asks
    /// now and then: which sessions ended, and how much of a limit is left. What a
    /// script does is one command.
    pub async fn commands(&mut self) -> Vec<String> {
        self.asked += 1;
        let mark = format!("that was it {}", self.asked);
        let echo = redis::cmd("ECHO").arg(&mark).to_owned();
        let _: String = echo.query_async(&mut self.redis).await.expect("an echo");
        let mut commands = Vec::new();
        while let Some(line) = self.lines.next().await {
            if line.contains(&mark) {
                return commands;
            }
            let is_background = line.contains("ZRANGEBYSCORE") || line.contains(":limit:");
            if !line.contains(" lua] ") && !is_background {
                commands.push(line);
            }
        }
        panic!("Redis has gone");
    }
}

impl TestApp {
    /// A connection to this test's Redis.
    pub async fn redis(&self) -> MultiplexedConnection {
        let url = self.settings.redis.url.expose();
        let client = redis::Client::open(url.as_str()).expect("a URL");
        let connection = client.get_multiplexed_async_connection();
        connection.await.expect("Redis")
    }

    /// All that this test's edge keeps in Redis: each key with all of its value,
    /// of whichever type it is.
    pub async fn redis_dump(&self) -> Vec<String> {
        let mut redis = self.redis().await;
        let pattern = format!("{}:*", self.settings.redis.prefix);
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut redis)
            .await
            .expect("keys");
        let mut dump = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE")
                .arg(&key)
                .query_async(&mut redis)
                .await
                .expect("a type");
            let (read, range): (&str, &[&str]) = match kind.as_str() {
                "string" => ("GET", &[]),
                "hash" => ("HGETALL", &[]),
                "set" => ("SMEMBERS", &[]),
                "zset" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
                "list" => ("LRANGE", &["0", "-1"]),
                // It has ended meanwhile.
                "none" => continue,
                other => panic!("{key} is a {other}: say how it is read"),
            };
            let mut command = redis::cmd(read);
            command.arg(&key).arg(range);
            let value: Value = command.query_async(&mut redis).await.expect("a value");
            let mut text = vec![key];
            flatten(&value, &mut text);
            dump.push(text.join(" "));
        }
        dump
    }

    /// Every row of every table of the accounts store, as text.
    pub async fn accounts_dump(&self) -> Vec<String> {
        tables_of(&mut self.superuser().await).await
    }
}

/// Every row of every table of a database, as text, after the table's name.
pub async fn tables_of(db: &mut sqlx::PgConnection) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(table_name) FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut *db)
    .await
    .expect("tables");
    let mut dump = Vec::new();
    for table in tables {
        let rows = format!("SELECT '{table} ' || t::text FROM {table} t");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .fetch_all(&mut *db)
            .await
            .expect("rows");
        dump.extend(rows);
    }
    dump
}

fn flatten(value: &Value, text: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => text.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::Array(values) | Value::Set(values) => {
            values.iter().for_each(|value| flatten(value, text));
        }
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(key, text);
            flatten(value, text);
        }),
        other => text.push(format!("{other:?}")),
    }
}
