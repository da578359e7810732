//! What is asked for, and what happens between: any `GET` of the document.

use bff::identity::Role;
use proptest::{
    prelude::*,
    sample::{Index, select},
};

use super::{HOME, people::PEOPLE};
use crate::helpers::Operation;

/// What can be asked for.
#[derive(Debug, Clone)]
pub struct Read {
    /// To what is nobody's.
    pub path: String,
    /// For each parameter, how it may stand in the query.
    queries: Vec<Vec<String>>,
}

impl From<Operation> for Read {
    fn from(operation: Operation) -> Self {
        let parameters = operation.said["parameters"].as_array();
        let names = parameters
            .into_iter()
            .flatten()
            .filter(|one| one["in"] == "query")
            .map(|one| one["name"].as_str().unwrap())
            // It comes with what is given.
            .filter(|name| *name != "cursor");
        Self {
            queries: names.map(queries_of).collect(),
            path: operation.path,
        }
    }
}

fn queries_of(parameter: &str) -> Vec<String> {
    let values: &[&str] = match parameter {
        "limit" => &["1", "2"],
        "parts" => &[
            "profile",
            "orders",
            "accounts,orders",
            "orders,profile,recommendations",
        ],
        "query" => &["drum", "ann"],
        "tag" => &["novel"],
        "currency" => &["USD", "EUR"],
        "min_price" | "max_price" => &["7.00", "9.00"],
        "sort" => &["newest", "price_ascending", "price_descending"],
        "state" => &["pending_payment", "paid"],
        "format" => &["csv", "json"],
        "from" | "to" | "until" => &["2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"],
        "role" => &["customer", "admin"],
        "status" => &["active", "blocked"],
        "event" => &["session.opened", "user.role_changed"],
        "user_id" | "actor_id" => &["{user}"],
        _ => panic!("{parameter}: what is it?"),
    };
    let query = |value: &&str| format!("{parameter}={value}");
    values.iter().map(query).collect()
}

#[derive(Debug, Clone)]
pub enum Route {
    /// With what belongs to whichever person, whoever asks.
    Of(usize, String),
    /// What follows a page that someone was given.
    Next(Index),
}

#[derive(Debug, Clone)]
pub enum Step {
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
    ChangeRole {
        who: usize,
        role: Role,
    },
}

fn route(reads: &[Read]) -> impl Strategy<Value = Route> + use<> {
    let read = |reads: Vec<Read>| {
        let of = |read: Read| {
            let query = |values| prop::option::weighted(0.3, select::<String>(values));
            let queries: Vec<_> = read.queries.into_iter().map(query).collect();
            (0..PEOPLE.len(), queries).prop_map(move |(of, queries)| {
                let queries: Vec<_> = queries.into_iter().flatten().collect();
                Route::Of(of, format!("{}?{}", read.path, queries.join("&")))
            })
        };
        select(reads).prop_flat_map(of)
    };
    let mut home = reads.to_vec();
    home.retain(|read| read.path == HOME);
    prop_oneof![
        6 => read(reads.to_vec()),
        3 => read(home),
        1 => any::<Index>().prop_map(Route::Next),
    ]
}

pub fn steps(reads: &[Read]) -> impl Strategy<Value = Vec<Step>> + use<> {
    let who = prop::option::weighted(0.9, (0..PEOPLE.len(), any::<bool>()));
    let known = prop::option::weighted(0.3, any::<Index>());
    let ask = (any::<bool>(), who, route(reads), known).prop_map(|(second, who, route, known)| {
        Step::Ask {
            second,
            who,
            route,
            known,
        }
    });
    let pass = (1_i64..60).prop_map(|seconds| Step::Pass { seconds });
    let together = route(reads).prop_map(Step::Together);
    let role = select(vec![Role::Customer, Role::Support, Role::Admin]);
    let change_role =
        (0..PEOPLE.len(), role).prop_map(|(who, role)| Step::ChangeRole { who, role });
    let step = prop_oneof![18 => ask, 2 => pass, 2 => together, 1 => change_role];
    prop::collection::vec(step, 1..40)
}
