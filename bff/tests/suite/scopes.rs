//! Whoever asks for whatever in whichever order: two replicas with caches
//! answer what an edge without a cache does, and nobody sees anyone else's data.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use platform::config::Seconds;
use proptest::{
    prelude::*,
    sample::{Index, subsequence},
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    helpers::{Answer, TestApp},
    life::house::House,
};

/// Four customers, and one of each role that sees more.
const PEOPLE: [&str; 6] = ["ann", "bob", "cat", "dan", "support", "admin"];
const CUSTOMERS: usize = 4;

/// Someone, and what only their own answers may hold.
struct Someone {
    proofs: [(&'static str, String); 2],
    account: Uuid,
    order: Uuid,
    marks: Vec<String>,
}

struct Stage {
    house: House,
    second: TestApp,
    uncached: TestApp,
    people: Vec<Someone>,
}

impl Stage {
    async fn new() -> Self {
        let house = House::with(|settings| settings.tokens.lifetime_s = Seconds(24 * 3600)).await;
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(someone(&house, name).await);
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
            Route::Account(of, rest) => format!("/v1/accounts/{}{rest}", self.people[*of].account),
            Route::Order(of) => format!("/v1/orders/{}", self.people[*of].order),
        }
    }
}

async fn someone(house: &House, name: &str) -> Someone {
    let person = house.person(name).await;
    if ["support", "admin"].contains(&name) {
        sqlx::query("UPDATE users SET role = $2::user_role WHERE id = $1")
            .bind(person.id)
            .bind(name)
            .execute(&mut house.app.superuser().await)
            .await
            .unwrap();
    }
    let tokens = house.app.login(&person.email).await.tokens();
    let cookie = house.app.cookie(&person.email).await;
    let (account, order) = (
        house.account(&person, "10.00", "0").await,
        house.order(&person).await,
    );
    Someone {
        marks: vec![
            person.id.to_string(),
            person.email,
            format!("{name}_name"),
            account.to_string(),
            order.to_string(),
            tokens.session,
        ],
        proofs: [
            ("authorization", format!("Bearer {}", tokens.access)),
            ("cookie", cookie),
        ],
        account,
        order,
    }
}

#[derive(Debug, Clone)]
enum Route {
    Fixed(&'static str),
    Home(Vec<&'static str>),
    /// Of whichever person, whoever asks.
    Account(usize, &'static str),
    Order(usize),
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
    ]);
    let parts = vec!["profile", "accounts", "orders", "recommendations"];
    let of = 0..PEOPLE.len();
    prop_oneof![
        4 => fixed.prop_map(Route::Fixed),
        3 => subsequence(parts, 1..=4).prop_map(Route::Home),
        2 => (of.clone(), prop::sample::select(vec!["", "/entries"]))
            .prop_map(|(of, rest)| Route::Account(of, rest)),
        1 => of.prop_map(Route::Order),
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
    prop::collection::vec(prop_oneof![9 => ask, 1 => pass], 1..40)
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
        let fresh = stage.ask(&stage.uncached, who, &path, None).await;
        if answer.status == StatusCode::NOT_MODIFIED {
            prop_assert_eq!(known, fresh.header("etag"), "{}: not what it is", path);
            continue;
        }
        prop_assert_eq!(answer.status, fresh.status, "{}", path);
        // Which sessions were seen when is another thing at each request.
        if path != "/v1/auth/sessions" {
            prop_assert_eq!(content(&answer), content(&fresh), "{}", path);
        }
        tags.extend(answer.header("etag"));
        let own = who.map(|(who, _)| who);
        let sees_all = own.is_some_and(|who| who >= CUSTOMERS) && path == "/v1/admin/users";
        if sees_all {
            continue;
        }
        let text = format!(
            "{}{:?}",
            String::from_utf8_lossy(&answer.bytes),
            answer.headers
        );
        for (other, someone) in stage.people.iter().enumerate() {
            let seen = someone
                .marks
                .iter()
                .find(|mark| text.contains(mark.as_str()));
            prop_assert!(
                own == Some(other) || seen.is_none(),
                "{path}: {own:?} sees {seen:?}"
            );
        }
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
