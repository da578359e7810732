//! Which headers a read looks at is what the document says of it, route by route.

use std::time::Duration;

use bff::config::Settings;
use http::{HeaderMap, Method, StatusCode};
use platform::config::Millis;
use serde_json::json;
use uuid::Uuid;

use crate::{
    helpers::{Answer, Operation},
    life::house::House,
    money::{id, unique, usd},
};

const TAG: &str = "If-None-Match";
const DEADLINE: &str = "X-Deadline-Ms";

/// Someone who may see everything, and one of everything to be seen.
struct Stage {
    house: House,
    token: String,
    account: String,
    transfer: String,
    order: Uuid,
    item: Uuid,
    user: Uuid,
}

impl Stage {
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let house = House::with(|settings| {
            settings.oauth.public_url = Some("https://api.example".parse().unwrap());
            settings.oauth.vk.client_id = "portico".into();
            change(settings);
        })
        .await;
        let admin = house.admin().await;
        let token = admin.tokens.access.clone();
        let body = json!({ "currency": "USD" });
        let opened = house.app.post("/v1/accounts", Some(&token), &body).await;
        let account = id(&opened.expect(StatusCode::CREATED).json());
        let path = format!("/v1/admin/accounts/{account}/deposit");
        let body = json!({ "amount": usd("5.00"), "reason": "A test" });
        let deposit = house.app.request(Method::POST, &path).bearer_auth(&token);
        let deposit = deposit.header("idempotency-key", unique()).json(&body);
        let made = Answer::of(deposit).await.expect(StatusCode::CREATED);
        let transfer = id(&made.json()["transfer"]);
        let order = house.order(&admin).await;
        let item = sqlx::query_scalar("SELECT item_id FROM order_lines WHERE order_id = $1")
            .bind(order)
            .fetch_one(&mut house.orders_sql().await)
            .await
            .unwrap();
        Self {
            house,
            token,
            account,
            transfer,
            order,
            item,
            user: admin.id,
        }
    }

    /// Every `GET` of the document, with a path to something that there is.
    async fn reads(&self) -> Vec<Operation> {
        let mut all = self.house.app.operations().await;
        all.retain(|operation| operation.method == Method::GET);
        for operation in &mut all {
            let (kind, _) = operation.template.split_once("{id}").unwrap_or_default();
            let id = match kind {
                "/v1/accounts/" => self.account.clone(),
                "/v1/transfers/" => self.transfer.clone(),
                "/v1/orders/" => self.order.to_string(),
                "/v1/items/" => self.item.to_string(),
                "/v1/admin/users/" => self.user.to_string(),
                "" => continue,
                kind => panic!("{kind}: what is it?"),
            };
            operation.path = operation.template.replace("{id}", &id);
        }
        assert!(all.len() > 20, "{}", all.len());
        all
    }

    fn request(&self, path: &str, header: Option<(&str, &str)>) -> reqwest::RequestBuilder {
        let request = self.house.app.request(Method::GET, path);
        let request = request.bearer_auth(&self.token);
        match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    /// The beginning of an answer: one of them has no end.
    async fn ask(&self, path: &str, header: Option<(&str, &str)>) -> (StatusCode, HeaderMap) {
        let answer = self.request(path, header).send().await.unwrap();
        (answer.status(), answer.headers().clone())
    }
}

fn names(operation: &Operation, header: &str) -> bool {
    let parameters = operation.said["parameters"].as_array();
    let is_it = |one: &serde_json::Value| one["name"] == header && one["in"] == "header";
    parameters.into_iter().flatten().any(is_it)
}

#[tokio::test]
async fn what_is_asked_for_again_by_its_tag_hasnt_changed_where_the_document_says_so() {
    let stage = Stage::with(|_| ()).await;
    let (mut tagged, mut others) = (0, 0);
    for operation in stage.reads().await {
        let (path, responses) = (&operation.path, &operation.said["responses"]);
        let says = names(&operation, TAG);
        let (status, first) = stage.ask(path, None).await;
        // A sign-in at a provider is a way through, and can't be read.
        let is_read = !path.starts_with("/v1/auth/oauth/");
        assert!(!is_read || status == StatusCode::OK, "{path}: {status}");
        assert_eq!(first.contains_key("etag"), says, "{path}");
        for status in ["200", "304"] {
            let told = responses[status]["headers"].get("ETag").is_some();
            assert_eq!(told, says, "{path}: {status}");
        }
        if !says {
            assert_eq!(stage.ask(path, Some((TAG, "*"))).await.0, status, "{path}");
            others += 1;
            continue;
        }
        let tag = first["etag"].to_str().unwrap();
        assert!(tag.starts_with('"'), "{path}: {tag} is weak");
        let (status, again) = stage.ask(path, Some((TAG, tag))).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED, "{path}");
        for kept in ["etag", "cache-control"] {
            assert_eq!(again.get(kept), first.get(kept), "{path}: {kept}");
        }
        let (status, _) = stage.ask(path, Some((TAG, "\"another\""))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        tagged += 1;
    }
    assert!(tagged > 10 && others > 5, "{tagged} and {others}");
}

#[tokio::test]
async fn what_may_be_kept_for_a_while_has_a_tag_for_afterwards() {
    let stage = Stage::with(|_| ()).await;
    let reads = stage.reads().await;
    // The document doesn't tell of itself.
    let paths = reads.iter().map(|read| read.path.as_str());
    for path in paths.chain(["/openapi.json"]) {
        let (_, headers) = stage.ask(path, None).await;
        let kept = headers["cache-control"].to_str().unwrap();
        let is_kept = kept != "no-store" && path != "/v1/events";
        assert_eq!(is_kept, headers.contains_key("etag"), "{path}: {kept}");
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_where_the_document_tells_of_it() {
    let stage = Stage::with(|_| ()).await;
    let (mut limited, mut others) = (0, 0);
    for operation in stage.reads().await {
        let (path, wrong) = (&operation.path, Some((DEADLINE, "soon")));
        if names(&operation, DEADLINE) {
            let refused = Answer::of(stage.request(path, wrong)).await;
            let refused = refused.expect(StatusCode::BAD_REQUEST);
            assert_eq!(refused.pointers(), [DEADLINE], "{path}");
            limited += 1;
        } else {
            let usual = stage.ask(path, None).await.0;
            assert_eq!(stage.ask(path, wrong).await.0, usual, "{path}");
            others += 1;
        }
    }
    assert!(limited > 8 && others > 8, "{limited} and {others}");
}

#[tokio::test]
async fn whoever_waits_for_less_than_it_takes_is_told_so_in_time() {
    // Far longer than the test's patience.
    let long = Millis(60_000);
    let stage = Stage::with(|settings| {
        settings.screens.read_ms = long;
        settings.screens.home_ms = long;
        settings.http.request_timeout_ms = long;
        settings.reads.statement_timeout_ms = long;
        settings.reads.wait_ms = long;
    })
    .await;
    let mut accounts = stage.house.app.superuser().await;
    let mut orders = stage.house.orders_sql().await;
    for (sql, tables) in [
        (&mut accounts, "users, accounts, transfers, entries"),
        (&mut orders, "items, orders"),
    ] {
        let lock = format!("BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE");
        let locked = sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(sql).await;
        locked.unwrap();
    }
    for operation in stage.reads().await {
        if !names(&operation, DEADLINE) {
            continue;
        }
        let request = stage.request(&operation.path, Some((DEADLINE, "200")));
        let answer = Answer::of(request.timeout(Duration::from_secs(10))).await;
        assert_eq!(
            answer.expect(StatusCode::GATEWAY_TIMEOUT).code(),
            "deadline_exceeded",
            "{}",
            operation.path
        );
    }
}
