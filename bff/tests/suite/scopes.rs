//! Whoever asks for whatever in whichever order, or all at once: two replicas with caches
//! answer what an edge without a cache does, and nobody sees anyone else's data.

mod people;

use chrono::TimeDelta;
use futures::future::join_all;
use http::{Method, StatusCode};
use platform::config::Seconds;
use proptest::{
    prelude::*,
    sample::{Index, subsequence},
    test_runner::{Config, TestRunner},
};
use serde_json::Value;

use self::people::{CUSTOMERS, PEOPLE, Someone, someone};
use crate::{
    helpers::{Answer, TestApp},
    life::house::House,
};

/// After so many seconds, nothing that was kept may be shown any more.
const LONGEST: i64 = 3_001;

struct Stage {
    house: House,
    second: TestApp,
    uncached: TestApp,
    people: Vec<Someone>,
}

impl Stage {
    async fn new() -> Self {
        let house =
            House::with(|settings| settings.tokens.lifetime_s = Seconds(7 * 24 * 3600)).await;
        let admin = house.admin().await;
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(someone(&house, name, &admin).await);
        }
        let mut without = house.app.settings.clone();
        without.cache.enabled = false;
        Self {
            second: house.app.replica().await,
            uncached: house.app.replica_with(without).await,
            house,
            people,
        }
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

    fn path(&self, route: &Route) -> String {
        match route {
            Route::Fixed(path) => (*path).to_owned(),
            Route::Home(parts) => format!("/v1/screens/home?parts={}", parts.join(",")),
            Route::Of(of, path) => {
                let named = self.people[*of].named.iter();
                named.fold((*path).to_owned(), |path, (name, id)| {
                    path.replace(name, &id.to_string())
                })
            }
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
        let fresh = self.ask(&self.uncached, who, path, None).await;
        if answer.status == StatusCode::NOT_MODIFIED {
            let tag = fresh.header("etag");
            prop_assert_eq!(known, tag.as_deref(), "{}: not what it is", path);
            return Ok(());
        }
        prop_assert_eq!(answer.status, fresh.status, "{}", path);
        // Which sessions were seen when is another thing at each request.
        if path != "/v1/auth/sessions" {
            prop_assert_eq!(content(answer), content(&fresh), "{}", path);
        }
        let own = who.map(|(who, _)| who);
        let sees_all = own.is_some_and(|who| who >= CUSTOMERS) && path.starts_with("/v1/admin/");
        if sees_all {
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

#[derive(Debug, Clone)]
enum Route {
    Fixed(&'static str),
    Home(Vec<&'static str>),
    /// With what belongs to whichever person, whoever asks.
    Of(usize, &'static str),
}

#[derive(Debug, Clone)]
enum Step {
    Ask {
        second: bool,
        who: Option<(usize, bool)>,
        route: Route,
        /// With a tag that someone was given.
        known: Option<Index>,
    },
    /// Everyone and nobody at once, of both replicas, when all that was kept is too
    /// old: their answers are fetched side by side.
    Together(Route),
    Pass {
        seconds: i64,
    },
}

fn route() -> impl Strategy<Value = Route> {
    let fixed = prop::sample::select(vec![
        "/v1/me",
        "/v1/screens/home",
        "/v1/accounts",
        "/v1/accounts?limit=1",
        "/v1/transfers",
        "/v1/orders",
        "/v1/orders?limit=1",
        "/v1/orders?state=pending_payment",
        "/v1/items",
        "/v1/items?query=drum",
        "/v1/auth/sessions",
        "/v1/admin/users",
        "/v1/admin/audit",
    ]);
    let of = prop::sample::select(vec![
        "/v1/accounts/{account}",
        "/v1/accounts/{account}/entries",
        "/v1/orders/{order}",
        "/v1/transfers/{transfer}",
        "/v1/items/{item}",
        "/v1/admin/users/{user}",
    ]);
    let parts = vec!["profile", "accounts", "orders", "recommendations"];
    prop_oneof![
        4 => fixed.prop_map(Route::Fixed),
        3 => subsequence(parts, 1..=4).prop_map(Route::Home),
        3 => (0..PEOPLE.len(), of).prop_map(|(of, path)| Route::Of(of, path)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = prop::option::weighted(0.9, (0..PEOPLE.len(), any::<bool>()));
    let known = prop::option::weighted(0.3, any::<Index>());
    let ask =
        (any::<bool>(), who, route(), known).prop_map(|(second, who, route, known)| Step::Ask {
            second,
            who,
            route,
            known,
        });
    let pass = (1_i64..60).prop_map(|seconds| Step::Pass { seconds });
    let together = route().prop_map(Step::Together);
    prop::collection::vec(prop_oneof![9 => ask, 1 => pass, 1 => together], 1..40)
}

/// What an answer says, without how it was come by.
fn content(answer: &Answer) -> Value {
    let mut json: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    if let Some(object) = json.as_object_mut() {
        for passing in ["request_id", "parts", "complete"] {
            object.remove(passing);
        }
    }
    json
}

async fn play(stage: &Stage, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut tags: Vec<String> = Vec::new();
    for step in steps {
        let (second, who, route, known) = match step {
            Step::Ask {
                second,
                who,
                route,
                known,
            } => (second, who, route, known),
            Step::Pass { seconds } => {
                stage.house.app.advance(TimeDelta::seconds(seconds));
                continue;
            }
            Step::Together(route) => {
                together(stage, &stage.path(&route)).await?;
                continue;
            }
        };
        let edge = if second {
            &stage.second
        } else {
            &stage.house.app
        };
        let path = stage.path(&route);
        let known = known
            .filter(|_| !tags.is_empty())
            .map(|known| known.get(&tags).clone());
        let answer = stage.ask(edge, who, &path, known.as_deref()).await;
        stage.check(who, &path, known.as_deref(), &answer).await?;
        tags.extend(answer.header("etag"));
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
    let config = Config {
        cases: 32,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome =
        TestRunner::new(config).run(&steps(), |steps| runtime.block_on(play(&stage, steps)));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
