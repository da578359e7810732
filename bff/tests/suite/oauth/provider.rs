//! One server that is Google, Facebook, VK and Yandex, right or wrong as told.
//! It checks what the edge sends as strictly as the real ones do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use http::{StatusCode, header};
use ring::digest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::{
    data::{facebook_me, vk_user_info, yandex_info},
    fault::Fault,
    tokens::{self, Subject},
};

pub type Pairs = HashMap<String, String>;

pub const CLIENT_ID: &str = "portico-test";
pub const CLIENT_SECRET: &str = "a secret of the tests";

/// Who signs in at the provider.
#[derive(Debug, Clone)]
pub struct Person {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: Value,
    pub name: String,
}

impl Person {
    pub fn new(subject: &str, email: Option<&str>) -> Self {
        Self {
            subject: subject.into(),
            email: email.map(str::to_owned),
            email_verified: true.into(),
            name: "Ann Lee".into(),
        }
    }
}

/// What the page was asked with, kept until the code is exchanged.
#[derive(Debug, Clone)]
struct Asked {
    provider: &'static str,
    query: Pairs,
}

#[derive(Debug)]
pub struct Script {
    pub person: Person,
    pub fault: Option<Fault>,
    /// The key that signs, and is published.
    pub kid: String,
    codes: HashMap<String, Asked>,
    pub tokens: HashMap<String, &'static str>,
    /// How often each endpoint was asked.
    calls: HashMap<&'static str, usize>,
}

/// The running server.
#[derive(Debug, Clone)]
pub struct Provider {
    pub url: String,
    pub script: Arc<Mutex<Script>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Script {
            person: Person::new("1001", Some("ann@example.com")),
            fault: None,
            kid: "first".into(),
            codes: HashMap::new(),
            tokens: HashMap::new(),
            calls: HashMap::new(),
        };
        let provider = Self {
            url,
            script: Arc::new(Mutex::new(script)),
        };
        let router = routes(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// Changes what happens next.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub fn calls(&self, endpoint: &str) -> usize {
        let script = self.script.lock().unwrap();
        script.calls.get(endpoint).copied().unwrap_or_default()
    }

    pub fn called(&self, endpoint: &'static str) -> Option<Fault> {
        let mut script = self.script.lock().unwrap();
        *script.calls.entry(endpoint).or_default() += 1;
        script.fault
    }
}

#[rustfmt::skip]
fn routes(provider: Provider) -> Router {
    Router::new()
        .route("/google/.well-known/openid-configuration", get(discovery))
        .route("/google/keys", get(keys))
        .route("/google/authorize", get(|s, q| page(s, q, "google")))
        .route("/google/token", post(|s, f| exchange(s, f, "google")))
        .route("/facebook/v26.0/dialog/oauth", get(|s, q| page(s, q, "facebook")))
        .route("/graph/v26.0/oauth/access_token", post(|s, f| exchange(s, f, "facebook")))
        .route("/graph/v26.0/me", get(facebook_me))
        .route("/vk/authorize", get(|s, q| page(s, q, "vk")))
        .route("/vk/oauth2/auth", post(|s, f| exchange(s, f, "vk")))
        .route("/vk/oauth2/user_info", post(vk_user_info))
        .route("/yandex/authorize", get(|s, q| page(s, q, "yandex")))
        .route("/yandex/token", post(|s, f| exchange(s, f, "yandex")))
        .route("/yandex-login/{path}", get(yandex_info))
        .with_state(provider)
}

async fn discovery(State(provider): State<Provider>) -> Response {
    let base = format!("{}/google", provider.url);
    let issuer = match provider.called("discovery") {
        Some(Fault::DiscoveryFails) => return StatusCode::BAD_GATEWAY.into_response(),
        Some(Fault::DiscoveryOfAnother) => "https://accounts.evil.example",
        _ => &base,
    };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Response {
    match provider.called("keys") {
        Some(Fault::KeysFail) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::KeysAreHuge) => huge(),
        _ => Json(tokens::published(&provider.script.lock().unwrap().kid)).into_response(),
    }
}

/// The page: whoever comes says yes at once, unless scripted otherwise.
async fn page(
    State(provider): State<Provider>,
    Query(query): Query<Pairs>,
    name: &'static str,
) -> Response {
    let fault = provider.called("page");
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], CLIENT_ID);
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert_eq!(name == "google", query.contains_key("nonce"));
    let mut back = Url::parse(&query["redirect_uri"]).unwrap();
    let mut pairs = vec![("state", query["state"].clone())];
    match fault {
        Some(Fault::Denial) => pairs.push(("error", "access_denied".into())),
        Some(Fault::ServerError) => pairs.push(("error", "server_error".into())),
        Some(Fault::NoCode) => {}
        _ => {
            let code = format!("code-{}", platform::testing::unique_name());
            let asked = Asked {
                provider: name,
                query,
            };
            let mut script = provider.script.lock().unwrap();
            script.codes.insert(code.clone(), asked);
            pairs.extend([("code", code), ("scope", "whatever they add".into())]);
            if name == "vk" && fault != Some(Fault::NoDevice) {
                pairs.push(("device_id", "device-7".into()));
            }
        }
    }
    if fault == Some(Fault::WrongState) {
        pairs[0].1 = BASE64.encode([7; 32]);
    }
    back.query_pairs_mut().extend_pairs(pairs);
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

async fn exchange(
    State(provider): State<Provider>,
    Form(form): Form<Pairs>,
    name: &'static str,
) -> Response {
    let fault = provider.called("exchange");
    match fault {
        Some(Fault::ExchangeFails) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::ExchangeHangs) => std::future::pending::<()>().await,
        Some(Fault::ExchangeIsHuge) => return huge(),
        Some(Fault::ExchangeIsHtml) => return axum::response::Html("<p>Hello").into_response(),
        Some(Fault::ExchangeRedirects) => {
            return (StatusCode::FOUND, [(header::LOCATION, "/vk/oauth2/auth")]).into_response();
        }
        _ => {}
    }
    let mut script = provider.script.lock().unwrap();
    let asked = script.codes.remove(&form["code"]);
    let Some(asked) = asked.filter(|asked| is_right(asked, &form, name)) else {
        return refused();
    };
    if fault == Some(Fault::ExchangeRefused) {
        return refused();
    }
    let token = format!("token-{}", platform::testing::unique_name());
    script.tokens.insert(token.clone(), name);
    let mut answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
    if name == "google" && fault != Some(Fault::NoIdToken) {
        let subject = Subject {
            issuer: &format!("{}/google", provider.url),
            client_id: CLIENT_ID,
            nonce: &asked.query["nonce"],
            kid: &script.kid,
            person: &script.person,
        };
        answer["id_token"] = tokens::id_token(&subject, fault).into();
    }
    if name == "vk" {
        answer["user_id"] = 1.into();
        answer["state"] = match fault {
            Some(Fault::StateEcho) => BASE64.encode([7; 32]).into(),
            _ => asked.query["state"].clone().into(),
        };
    }
    Json(answer).into_response()
}

fn is_right(asked: &Asked, form: &Pairs, name: &str) -> bool {
    let challenge = digest::digest(&digest::SHA256, form["code_verifier"].as_bytes());
    let vk = name != "vk"
        || (form.get("device_id").is_some_and(|id| id == "device-7")
            && form.get("state") == asked.query.get("state"));
    asked.provider == name
        && form["grant_type"] == "authorization_code"
        && form["client_id"] == CLIENT_ID
        && form["client_secret"] == CLIENT_SECRET
        && form["redirect_uri"] == asked.query["redirect_uri"]
        && BASE64.encode(challenge) == asked.query["code_challenge"]
        && vk
}

fn refused() -> Response {
    let error = json!({ "error": "invalid_grant", "error_description": "not this one" });
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

pub fn huge() -> Response {
    let endless = format!("{{\"x\": \"{}\"}}", "a".repeat(2 * 1024 * 1024));
    ([(header::CONTENT_TYPE, "application/json")], endless).into_response()
}
