//! An edge, a provider, and a browser between them.

use bff::{config::Settings, identity::oauth::settings::OAuthSettings};
use http::{Method, StatusCode};
use platform::config::{Millis, Secret};
use serde_json::{Value, json};
use url::Url;

use super::provider::{CLIENT_ID, CLIENT_SECRET, Person, Provider};
use crate::helpers::{Answer, TestApp, Tokens};

/// Where the browser wants to be in the end.
pub const RETURN_TO: &str = "https://app.example/welcome";
pub const PROVIDERS: [&str; 4] = ["google", "facebook", "vk", "yandex"];

pub struct Stage {
    pub app: TestApp,
    pub provider: Provider,
}

/// A flow that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The provider's page.
    pub page: Url,
    /// The browser's mark, as it sends it.
    pub cookie: String,
}

impl Begun {
    pub fn of(page: &str, answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").expect("a mark");
        Self {
            page: page.parse().expect("a URL"),
            cookie: cookie.split(';').next().expect("a pair").to_owned(),
        }
    }

    pub fn state(&self) -> String {
        let mut pairs = self.page.query_pairs();
        let state = pairs.find(|(name, _)| name == "state").expect("a state");
        state.1.into_owned()
    }
}

/// Settings under which all four providers are `provider`.
pub fn settings(provider: &Provider) -> OAuthSettings {
    let mut oauth = OAuthSettings {
        public_url: Some("https://api.example".parse().unwrap()),
        timeout_ms: Millis(5_000),
        ..OAuthSettings::default()
    };
    let url = |path: &str| format!("{}/{path}", provider.url).parse().unwrap();
    let secret = || Secret::new(CLIENT_SECRET);
    (oauth.google.client_id, oauth.google.client_secret) = (CLIENT_ID.into(), secret());
    (oauth.facebook.client_id, oauth.facebook.client_secret) = (CLIENT_ID.into(), secret());
    (oauth.vk.client_id, oauth.vk.client_secret) = (CLIENT_ID.into(), secret());
    (oauth.yandex.client_id, oauth.yandex.client_secret) = (CLIENT_ID.into(), secret());
    oauth.google.url = url("google");
    (oauth.facebook.url, oauth.facebook.graph_url) = (url("facebook"), url("graph/"));
    oauth.vk.url = url("vk");
    (oauth.yandex.url, oauth.yandex.info_url) = (url("yandex"), url("yandex-login"));
    oauth
}

impl Stage {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let provider = Provider::start().await;
        let app = TestApp::with(|all| {
            all.oauth = settings(&provider);
            change(all);
        })
        .await;
        Self { app, provider }
    }

    /// The person that signs in from now on.
    pub fn person(&self, subject: &str, email: Option<&str>) {
        let person = Person::new(subject, email);
        self.provider.script(|script| script.person = person);
    }

    /// `GET …/start`, answered.
    pub async fn start_answer(&self, provider: &str, mode: &str, return_to: &str) -> Answer {
        let path = format!("/v1/auth/oauth/{provider}/start");
        let query = [("mode", mode), ("return_to", return_to)];
        Answer::of(self.app.request(Method::GET, &path).query(&query)).await
    }

    /// Begins a flow.
    pub async fn begin(&self, provider: &str, mode: &str) -> Begun {
        let answer = self.start_answer(provider, mode, RETURN_TO).await;
        let answer = answer.expect(StatusCode::FOUND);
        Begun::of(&answer.header("location").expect("a page"), &answer)
    }

    /// What the person does at the provider. Returns the path and query of the
    /// callback that the browser is sent to.
    pub async fn consent(&self, begun: &Begun) -> String {
        let page = Answer::of(self.app.client.get(begun.page.clone())).await;
        let location = page
            .expect(StatusCode::FOUND)
            .header("location")
            .expect("a callback");
        let back: Url = location.parse().expect("a URL");
        assert_eq!(back.origin().ascii_serialization(), "https://api.example");
        format!("{}?{}", back.path(), back.query().expect("a query"))
    }

    /// The browser comes back.
    pub async fn come_back(&self, callback: &str, cookie: Option<&str>) -> Answer {
        let request = self.app.request(Method::GET, callback);
        Answer::of(match cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        })
        .await
    }

    /// A whole flow, to the callback's answer.
    pub async fn journey(&self, provider: &str, mode: &str) -> Answer {
        let begun = self.begin(provider, mode).await;
        let callback = self.consent(&begun).await;
        self.come_back(&callback, Some(&begun.cookie)).await
    }

    pub async fn exchange(&self, ticket: &str) -> Answer {
        let body = json!({ "ticket": ticket });
        self.app.post("/v1/auth/oauth/exchange", None, &body).await
    }

    /// Signs in, in token mode.
    pub async fn signed_in(&self, provider: &str) -> Tokens {
        let answer = self.journey(provider, "token").await;
        let ticket = parameter(&answer, "ticket").expect("a ticket");
        self.exchange(&ticket).await.expect(StatusCode::OK).tokens()
    }

    /// What a user says of themselves.
    pub async fn me(&self, tokens: &Tokens) -> Value {
        self.app
            .get("/v1/me", Some(&tokens.access))
            .await
            .expect(StatusCode::OK)
            .json()
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        let mut db = self.app.superuser().await;
        sqlx::query_scalar(query).fetch_one(&mut db).await.unwrap()
    }

    pub async fn execute(&self, statement: &'static str) {
        let mut db = self.app.superuser().await;
        sqlx::query(statement).execute(&mut db).await.unwrap();
    }
}

/// A parameter of the place that an answer sends the browser to, which has to
/// be the right one.
pub fn parameter(answer: &Answer, name: &str) -> Option<String> {
    assert_eq!(
        answer.status,
        StatusCode::FOUND,
        "{}",
        String::from_utf8_lossy(&answer.bytes)
    );
    let place: Url = answer
        .header("location")
        .expect("a place")
        .parse()
        .expect("a URL");
    assert!(place.as_str().starts_with(RETURN_TO), "{place}");
    let mut pairs = place.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The session cookie that an answer sets, as the browser sends it.
pub fn session(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let mut texts = cookies.map(|value| value.to_str().unwrap());
    let cookie = texts.find(|text| text.starts_with("__Host-session="))?;
    cookie.split(';').next().map(str::to_owned)
}
