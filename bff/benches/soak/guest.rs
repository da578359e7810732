//! Someone who signs in, looks around, pays, and comes again.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::Method;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    contract::Answer,
    edge::Edge,
    money::{Book, Payer},
};

const HOME: &str = "/v1/screens/home";

/// Access tokens are renewed when they are this old.
const RENEW_AFTER: Duration = Duration::from_secs(20);

/// The longest pause between two requests.
const PAUSE_MS: u64 = 120;

/// How a session is proved.
#[derive(Debug, Clone)]
struct Tokens {
    access: String,
    refresh: String,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Guest {
    edge: Edge,
    /// Its place among the people.
    who: usize,
    password: &'static str,
    random: StdRng,
    tokens: Tokens,
    cookie: String,
    /// Of the last home screen.
    tag: Option<String>,
    items: Vec<String>,
    payer: Payer,
}

impl Guest {
    /// Someone who is signed in, while all is well.
    pub(crate) async fn arrive(
        edge: &Edge,
        who: usize,
        password: &'static str,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut guest = Self {
            edge: edge.clone(),
            who,
            password,
            random: StdRng::seed_from_u64(seed ^ (who as u64 + 1) << 32),
            tokens: Tokens {
                access: String::new(),
                refresh: String::new(),
                since: Instant::now(),
            },
            cookie: String::new(),
            tag: None,
            items: Vec::new(),
            payer: Payer::new(who, seed),
        };
        guest.sign_in().await;
        guest.sign_in_for_a_cookie().await;
        ensure!(!guest.tokens.access.is_empty() && !guest.cookie.is_empty());
        Ok(guest)
    }

    /// The header that proves the session by token.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.tokens.access)
    }

    /// Opens an account in USD, or finds the one there is.
    pub(crate) async fn account(&self) -> anyhow::Result<String> {
        let path = "/v1/accounts";
        let list = self.get(path, path, &self.bearer_header(), &[200]).await;
        let list = list.context("the accounts")?.json();
        let in_dollars = |account: &&Value| account["balance"]["currency"] == "USD";
        let mut found = list["items"].as_array().into_iter().flatten();
        let account = match found.find(in_dollars) {
            Some(account) => account.clone(),
            None => {
                let request = self.edge.request(&Method::POST, path);
                let request = request.header("authorization", self.bearer());
                let request = request.json(&json!({ "currency": "USD" }));
                let answer = self.ask(Method::POST, path, request, &[201]).await;
                answer.context("an account")?.json()
            }
        };
        let id = account["id"].as_str();
        Ok(id.with_context(|| account.to_string())?.to_owned())
    }

    /// From which account to which ones it pays.
    pub(crate) fn pays(&mut self, from: String, to: Vec<String>) {
        self.payer.pays(from, to);
    }

    /// Does one thing after another until then.
    pub(crate) async fn visit(&mut self, until: Instant) {
        while Instant::now() < until {
            if self.tokens.access.is_empty() {
                self.sign_in().await;
            } else if self.tokens.since.elapsed() > RENEW_AFTER {
                self.renew().await;
            } else {
                self.do_something().await;
            }
            let pause = self.random.random_range(0..PAUSE_MS);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn do_something(&mut self) {
        match self.random.random_range(0..100) {
            0..30 => self.home(false).await,
            30..45 => self.home(true).await,
            45..55 => self.items().await,
            55..62 => self.item().await,
            62..70 => self.read("/v1/orders").await,
            70..75 => self.read("/v1/me").await,
            75..80 => self.read("/v1/transfers").await,
            80..92 => self.pay().await,
            92..94 => self.change_in_a_hurry().await,
            94..97 => self.renew().await,
            97 => self.sign_in().await,
            98 => self.sign_out().await,
            _ => self.sign_in_for_a_cookie().await,
        }
    }

    /// Finds out what became of every transfer; all is well again.
    pub(crate) async fn settle(&mut self) -> Book {
        if self.tokens.access.is_empty() {
            self.sign_in().await;
        }
        let bearer = self.bearer();
        self.payer.settle(&self.edge, &bearer).await
    }

    async fn pay(&mut self) {
        let bearer = self.bearer();
        self.payer.pay(&self.edge, &bearer, &mut self.random).await;
    }

    /// Leaves in the middle of a transaction, perhaps.
    async fn change_in_a_hurry(&mut self) {
        let request = self.edge.request(&Method::PATCH, "/v1/me");
        let request = request.header("authorization", self.bearer());
        let request = request.json(&json!({ "full_name": format!("Guest {}", self.who) }));
        let patience = hurry(&mut self.random);
        self.edge.leave(request, patience).await;
    }

    async fn home(&mut self, by_cookie: bool) {
        let mut proof = match by_cookie {
            true => vec![("cookie", self.cookie.clone())],
            false => self.bearer_header(),
        };
        let known = self.tag.clone().filter(|_| self.random.random_bool(0.3));
        proof.extend(known.map(|tag| ("if-none-match", tag)));
        let answer = self.get(HOME, HOME, &proof, &[200, 304]).await;
        let tag = answer.and_then(|answer| {
            let tag = answer.headers.get("etag")?.to_str().ok()?;
            Some(tag.to_owned())
        });
        self.tag = tag.or(self.tag.take());
    }

    async fn read(&self, path: &'static str) {
        self.get(path, path, &self.bearer_header(), &[200]).await;
    }

    async fn items(&mut self) {
        let queries = ["", "?limit=5", "?query=sea", "?sort=bestselling&limit=10"];
        let query = queries[self.random.random_range(0..queries.len())];
        let path = format!("/v1/items{query}");
        let Some(answer) = self.get("/v1/items", &path, &[], &[200]).await else {
            return;
        };
        let list = answer.json();
        let ids = list["items"].as_array().into_iter().flatten();
        let ids = ids.filter_map(|item| item["id"].as_str().map(str::to_owned));
        self.items = ids.collect();
    }

    async fn item(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let id = &self.items[self.random.random_range(0..self.items.len())];
        let path = format!("/v1/items/{id}");
        self.get("/v1/items/{id}", &path, &[], &[200]).await;
    }

    async fn sign_in(&mut self) {
        if let Some(answer) = self.log_in("token").await
            && answer.status == 200
        {
            self.keep(&answer.json());
        }
    }

    /// What is out is out, at once. Unless it is known, the session isn't used
    /// any more.
    async fn sign_out(&mut self) {
        let (path, me) = ("/v1/auth/logout", "/v1/me");
        let bearer = self.bearer_header();
        self.tokens.access.clear();
        let request = self.edge.request(&Method::POST, path);
        let request = request.header(bearer[0].0, &bearer[0].1);
        let answer = self.ask(Method::POST, path, request, &[204]).await;
        if answer.is_some_and(|answer| answer.status == 204) {
            self.get(me, me, &bearer, &[401]).await;
        }
    }

    async fn sign_in_for_a_cookie(&mut self) {
        let cookie = self.log_in("cookie").await.and_then(|answer| {
            let cookie = answer.headers.get("set-cookie")?.to_str().ok()?;
            Some(cookie.split(';').next()?.to_owned())
        });
        self.cookie = cookie.unwrap_or(std::mem::take(&mut self.cookie));
    }

    async fn log_in(&self, mode: &str) -> Option<Answer> {
        let path = "/v1/auth/login";
        let email = &self.edge.people()[self.who].email;
        let body = json!({ "identifier": email, "password": self.password, "mode": mode });
        let request = self.edge.request(&Method::POST, path).json(&body);
        self.ask(Method::POST, path, request, &[200]).await
    }

    /// Whatever became of the last attempt, the same token is good for another.
    async fn renew(&mut self) {
        let path = "/v1/auth/refresh";
        let body = json!({ "refresh_token": self.tokens.refresh });
        let request = self.edge.request(&Method::POST, path).json(&body);
        if let Some(answer) = self.ask(Method::POST, path, request, &[200]).await
            && answer.status == 200
        {
            self.keep(&answer.json());
        }
    }

    fn keep(&mut self, pair: &Value) {
        let text = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
        self.tokens = Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            since: Instant::now(),
        };
    }

    fn bearer_header(&self) -> Vec<(&'static str, String)> {
        vec![("authorization", self.bearer())]
    }

    async fn get(
        &self,
        template: &'static str,
        path: &str,
        headers: &[(&'static str, String)],
        wanted: &[u16],
    ) -> Option<Answer> {
        let request = self.edge.request(&Method::GET, path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value)
        });
        self.ask(Method::GET, template, request, wanted).await
    }

    async fn ask(
        &self,
        method: Method,
        template: &'static str,
        request: reqwest::RequestBuilder,
        wanted: &[u16],
    ) -> Option<Answer> {
        let operation = (method, template);
        self.edge.ask(self.who, &operation, request, wanted).await
    }
}

/// How long someone waits who doesn't.
pub(crate) fn hurry(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(1..100))
}
