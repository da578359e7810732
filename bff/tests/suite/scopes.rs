//! Whoever asks for whatever in whichever order, or all at once: two replicas with caches
//! answer what an edge without a cache does, and nobody sees anyone else's data.

mod people;
mod walk;

use std::{cell::RefCell, time::Duration};

use bff::identity::Role;
use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use platform::config::Seconds;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use uuid::Uuid;

use self::{
    people::{ADMIN, PEOPLE, Someone},
    walk::{Read, Route, Step, steps},
};
use crate::{
    helpers::{Answer, TestApp, within},
    life::house::{House, Person},
    worker::TestWorker,
};

/// After so many seconds, nothing that was kept may be shown any more.
const LONGEST: i64 = 3_001;
/// Far less than what is kept would age in by itself, half a minute.
const SOON: Duration = Duration::from_secs(10);
const HOME: &str = "/v1/screens/home";
/// What is another thing at each request: they tell when a session was seen last, and
/// the copy that it was asked for.
const PASSING: [&str; 2] = ["/v1/auth/sessions", "/v1/me/export"];

struct Stage {
    house: House,
    second: TestApp,
    uncached: TestApp,
    operator: Person,
    people: Vec<Someone>,
    given: Given,
    /// Tells the replicas of changes.
    _worker: TestWorker,
}

impl Stage {
    async fn new() -> Self {
        let house =
            House::with(|settings| settings.tokens.lifetime_s = Seconds(7 * 24 * 3600)).await;
        let operator = house.admin().await;
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(Someone::new(&house, name, &operator).await);
        }
        let prices = "INSERT INTO item_prices (item_id, currency, minor_units, amount, valid_from)
                      SELECT id, 'USD', 2, 5 + row_number() OVER (), created_at FROM items";
        sqlx::query(prices)
            .execute(&mut house.orders_sql().await)
            .await
            .unwrap();
        let mut without = house.app.settings.clone();
        without.cache.enabled = false;
        Self {
            _worker: house.app.worker().await,
            second: house.app.replica().await,
            uncached: house.app.replica_with(without).await,
            house,
            operator,
            people,
            given: Given::default(),
        }
    }

    /// Every `GET` of the document, but for what has no end or leads elsewhere.
    async fn reads(&self) -> Vec<Read> {
        let mut all = self.house.app.operations().await;
        all.retain(|operation| {
            let path = &operation.template;
            operation.method == Method::GET
                && path != "/v1/events"
                && !path.starts_with("/v1/auth/oauth/")
        });
        let reads: Vec<_> = all.into_iter().map(Read::from).collect();
        for read in &reads {
            let path = self.path(ADMIN, &read.path);
            let answer = self
                .ask(&self.house.app, Some((ADMIN, false)), &path, None)
                .await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: there is none");
        }
        reads
    }

    async fn ask(
        &self,
        edge: &TestApp,
        who: Option<(usize, bool)>,
        path: &str,
        known: Option<&str>,
    ) -> Answer {
        let mut request = edge.request(Method::GET, path);
        if let Some((who, by_cookie)) = who {
            let (name, value) = &self.people[who].proofs[usize::from(by_cookie)];
            request = request.header(*name, value);
        }
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        Answer::of(request).await
    }

    /// The path to what is someone's.
    fn path(&self, of: usize, path: &str) -> String {
        let someone = &self.people[of];
        let path = path.replace("{user}", &someone.id.to_string());
        let mut named = someone.named.iter();
        match named.find(|(kind, _)| path.starts_with(kind)) {
            Some((_, id)) => path.replace(&Uuid::nil().to_string(), &id.to_string()),
            None => path,
        }
    }

    /// None while nobody was given a page that others follow.
    fn path_of(&self, route: Route) -> Option<String> {
        let pages = &self.given.pages;
        match route {
            Route::Of(of, path) => Some(self.path(of, &path)),
            Route::Next(which) => (!pages.is_empty()).then(|| which.get(pages).clone()),
        }
    }

    /// Gives someone a role. Afterwards the replicas know of it.
    async fn change(&mut self, who: usize, role: Role) {
        let before = self.people[who].proofs.clone();
        let changed = self.people[who].change_role(&self.house, role, &self.operator);
        if !changed.await {
            return;
        }
        let fresh = self.ask(&self.uncached, Some((who, false)), HOME, None);
        let fresh = content(&fresh.await);
        for edge in [&self.house.app, &self.second] {
            within(SOON, "what one was is over", async || {
                for (name, value) in &before {
                    let asked = edge.request(Method::GET, "/v1/admin/users");
                    let asked = Answer::of(asked.header(*name, value)).await;
                    if asked.status != StatusCode::UNAUTHORIZED {
                        return false;
                    }
                }
                content(&self.ask(edge, Some((who, false)), HOME, None).await) == fresh
            })
            .await;
        }
    }

    /// Whether an answer is what it would be without a cache, and tells nothing of
    /// anyone else.
    async fn check(
        &self,
        who: Option<(usize, bool)>,
        path: &str,
        known: Option<&str>,
        answer: &Answer,
    ) -> Result<(), TestCaseError> {
        let own = who.map(|(who, _)| who);
        let sees_all = own.is_some_and(|who| self.people[who].role >= Role::Support);
        let of_all = path.starts_with("/v1/admin/");
        if of_all && !sees_all {
            prop_assert!(answer.status.is_client_error(), "{own:?} sees {path}");
        }
        let fresh = self.ask(&self.uncached, who, path, None).await;
        if answer.status == StatusCode::NOT_MODIFIED {
            let tag = fresh.header("etag");
            prop_assert_eq!(known, tag.as_deref(), "{}: not what it is", path);
            return Ok(());
        }
        prop_assert_eq!(answer.status, fresh.status, "{}", path);
        if !PASSING.iter().any(|passing| path.starts_with(passing)) {
            prop_assert_eq!(content(answer), content(&fresh), "{}", path);
        }
        if of_all && sees_all {
            return Ok(());
        }
        let text = format!(
            "{}{:?}",
            String::from_utf8_lossy(&answer.bytes),
            answer.headers
        );
        for (other, someone) in self.people.iter().enumerate() {
            let mut marks = someone.marks.iter();
            let seen = marks.find(|mark| text.contains(mark.as_str()));
            prop_assert!(
                own == Some(other) || seen.is_none(),
                "{path}: {own:?} sees {seen:?}"
            );
        }
        Ok(())
    }
}

/// What an answer says, without how it was come by.
fn content(answer: &Answer) -> Value {
    let text = || String::from_utf8_lossy(&answer.bytes).into();
    let mut json: Value = serde_json::from_slice(&answer.bytes).unwrap_or_else(|_| text());
    if let Some(object) = json.as_object_mut() {
        for passing in ["request_id", "parts", "complete"] {
            object.remove(passing);
        }
    }
    json
}

/// What was given to anyone so far.
#[derive(Default)]
struct Given {
    tags: Vec<String>,
    /// Paths of next pages.
    pages: Vec<String>,
}

impl Given {
    fn keep(&mut self, path: &str, answer: &Answer) {
        self.tags.extend(answer.header("etag"));
        if let Some(cursor) = content(answer)["next_cursor"].as_str() {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let query = query.split('&').filter(|one| !one.starts_with("cursor="));
            let query: Vec<_> = query.collect();
            let page = format!("{path}?{}&cursor={cursor}", query.join("&"));
            self.pages.push(page);
        }
    }
}

async fn play(stage: &mut Stage, steps: Vec<Step>) -> Result<(), TestCaseError> {
    stage.given = Given::default();
    for step in steps {
        match step {
            Step::Ask {
                second,
                who,
                route,
                known,
            } => {
                let Some(path) = stage.path_of(route) else {
                    continue;
                };
                let edge = if second {
                    &stage.second
                } else {
                    &stage.house.app
                };
                let known = known
                    .filter(|_| !stage.given.tags.is_empty())
                    .map(|known| known.get(&stage.given.tags).clone());
                let answer = stage.ask(edge, who, &path, known.as_deref()).await;
                stage.check(who, &path, known.as_deref(), &answer).await?;
                stage.given.keep(&path, &answer);
            }
            Step::Together(route) => {
                if let Some(path) = stage.path_of(route) {
                    together(stage, &path).await?;
                }
            }
            Step::Pass { seconds } => stage.house.app.advance(TimeDelta::seconds(seconds)),
            Step::ChangeRole { who, role } => stage.change(who, role).await,
        }
    }
    Ok(())
}

async fn together(stage: &Stage, path: &str) -> Result<(), TestCaseError> {
    stage.house.app.advance(TimeDelta::seconds(LONGEST));
    let everyone = (0..PEOPLE.len()).map(Some).chain([None]);
    let asks = everyone.flat_map(|who| {
        [(&stage.house.app, false), (&stage.second, true)].map(|(edge, by_cookie)| async move {
            let who = who.map(|who| (who, by_cookie));
            (who, stage.ask(edge, who, path, None).await)
        })
    });
    for (who, answer) in join_all(asks).await {
        stage.check(who, path, None, &answer).await?;
    }
    Ok(())
}

#[test]
fn two_users_never_share_bytes() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(Stage::new());
    let reads = runtime.block_on(stage.reads());
    let stage = RefCell::new(stage);
    let config = Config {
        cases: 32,
        failure_persistence: None,
        ..Config::default()
    };
    let play = |steps| runtime.block_on(play(&mut stage.borrow_mut(), steps));
    let outcome = TestRunner::new(config).run(&steps(&reads), play);
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
