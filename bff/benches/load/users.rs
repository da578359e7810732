//! People who visit: seeded users, given a password and signed in through the
//! edge.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bff::identity::{identifier::Password, password::Hasher, settings::PasswordSettings};
use bytes::Bytes;
use platform::testing::Database;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::visitor::{Script, Visitor, post};

/// One that nobody has used before.
pub(crate) const PASSWORD: &str = "plum orbit cello 9";

/// Someone who can sign in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) email: String,
}

/// Someone who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    access: String,
}

/// Everyone who visits.
#[derive(Debug)]
pub(crate) struct People {
    /// Those who stay signed in.
    pub(crate) users: Vec<User>,
    /// As many, who sign in again and again: each time may end a session.
    pub(crate) others: Vec<Person>,
    /// What is stored of everyone's password.
    pub(crate) hash: String,
}

/// What signing in returns.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl User {
    /// The header that proves them.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.access)
    }
}

impl Person {
    /// The request that signs them in.
    pub(crate) fn login(&self) -> Bytes {
        let body = json!({ "identifier": self.email, "password": PASSWORD });
        post("/v1/auth/login", &body)
    }

    /// Signs them in for a cookie, as it is to be sent.
    pub(crate) async fn cookie(&self, edge: SocketAddr) -> anyhow::Result<String> {
        let body = json!({ "identifier": self.email, "password": PASSWORD, "mode": "cookie" });
        let script = Script::Same(post("/v1/auth/login", &body));
        let mut visitor = Visitor::connect(edge, script).await?;
        let answer = visitor.ask().await?;
        let cookie = answer.header("set-cookie").context("a cookie")?;
        let pair = cookie.split(';').next().context("a pair")?;
        Ok(pair.to_owned())
    }

    /// Signs them in.
    pub(crate) async fn sign_in(&self, edge: SocketAddr) -> anyhow::Result<Pair> {
        let mut visitor = Visitor::connect(edge, Script::Same(self.login())).await?;
        let answer = visitor.ask().await?;
        let pair: Value = serde_json::from_slice(answer.body)?;
        ensure!(answer.status == 200, "{}: {pair}", self.email);
        let text = |name: &str| pair[name].as_str().map(str::to_owned).context("a token");
        Ok(Pair {
            access: text("access_token")?,
            refresh: text("refresh_token")?,
        })
    }
}

/// Gives twice so many users one password, and signs half of them in.
pub(crate) async fn prepare(
    accounts: &Database,
    edge: SocketAddr,
    count: usize,
) -> anyhow::Result<People> {
    let hasher = Hasher::new(&PasswordSettings::default())?;
    let hash = hasher
        .hash(Password::new(PASSWORD).context("a password")?, Vec::new())
        .await?
        .map_err(|weak| anyhow::anyhow!("{weak:?}"))?;
    let mut database = PgConnection::connect(accounts.superuser_url().expose().as_str()).await?;
    let people: Vec<(Uuid, String)> = sqlx::query_as(
        "WITH people AS (
             SELECT id, email FROM users
             WHERE email_verified_at IS NOT NULL AND status = 'active' AND deleted_at IS NULL
             ORDER BY id LIMIT $1),
         passwords AS (
             INSERT INTO credentials (user_id, password, changed_at)
             SELECT id, $2, now() FROM people
             ON CONFLICT (user_id) DO UPDATE SET password = excluded.password)
         SELECT id, email FROM people",
    )
    .bind(i64::try_from(2 * count)?)
    .bind(&hash)
    .fetch_all(&mut database)
    .await?;
    database.close().await?;
    ensure!(people.len() == 2 * count, "too few users were seeded");

    let mut others: Vec<Person> = people
        .into_iter()
        .map(|(id, email)| Person { id, email })
        .collect();
    let mut users = Vec::with_capacity(count);
    for person in others.drain(..count) {
        let (id, access) = (person.id, person.sign_in(edge).await?.access);
        users.push(User { id, access });
    }
    Ok(People {
        users,
        others,
        hash,
    })
}
