//! Many transfers at once: nothing is made, lost or negative, and nobody waits
//! for ever.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures::future::join_all;
use http::StatusCode;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rust_decimal::Decimal;

use super::{Bank, Person};
use crate::helpers::{TestApp, accounts_database_on};
use platform::testing::Server;

/// Transfers of each test.
const TRANSFERS: usize = 1_200;

/// Sums all balances again and again, each time in one snapshot, until told to
/// end. The house's debt is part of it: the sum is zero.
async fn watch(bank: &Bank, done: &AtomicBool) -> usize {
    let mut db = bank.app.superuser().await;
    let mut looked = 0;
    while !done.load(Relaxed) || looked == 0 {
        let (sum, lowest): (Decimal, Decimal) = sqlx::query_as(
            "SELECT sum(balance), min(balance - held) FILTER (WHERE NOT allow_negative) FROM accounts",
        )
        .fetch_one(&mut db)
        .await
        .unwrap();
        assert_eq!(sum, Decimal::ZERO);
        assert!(lowest >= Decimal::ZERO, "{lowest}");
        looked += 1;
    }
    looked
}

/// Makes transfers of a few cents between whomever `choose` names, 64 at once.
async fn run(
    bank: &Bank,
    people: &[Person],
    choose: impl Fn(&mut StdRng) -> (usize, usize) + Copy,
) {
    let done = AtomicBool::new(false);
    let one = async |number: usize| {
        let mut random = StdRng::seed_from_u64(number as u64);
        let mut posted = 0;
        for _ in 0..TRANSFERS / 64 + 1 {
            let (from, to) = choose(&mut random);
            let amount = Decimal::new(random.random_range(1..=300), 2).to_string();
            let answer = bank.transfer(&people[from], &people[to], &amount).await;
            match answer.status {
                StatusCode::CREATED => posted += 1,
                StatusCode::UNPROCESSABLE_ENTITY => {
                    assert_eq!(answer.code(), "insufficient_funds");
                }
                _ => panic!("{answer:?}"),
            }
        }
        posted
    };
    let all = async {
        let posted = join_all((0..64).map(one)).await;
        done.store(true, Relaxed);
        posted.into_iter().sum::<usize>()
    };
    let (posted, looked) = tokio::join!(all, watch(bank, &done));
    assert!(posted > TRANSFERS / 2 && looked > 3, "{posted} {looked}");
    let deposits = people.len();
    let transfers = bank.count("SELECT count(*) FROM transfers").await;
    assert_eq!(transfers as usize, posted + deposits);
    assert_eq!(bank.count(DRIFT).await, 0);
}

/// Accounts whose balance isn't the sum of their entries.
const DRIFT: &str = "SELECT count(*) FROM accounts a
    WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM entries WHERE account_id = a.id)";

async fn with_own_server() -> (Server, Bank) {
    let server = Server::postgres().await;
    let accounts = accounts_database_on(server.url()).await;
    let app = TestApp::with_accounts(accounts, |settings| {
        settings.postgres.acquire_timeout_ms = platform::config::Millis(10_000);
    })
    .await;
    (server, Bank::of(app).await)
}

#[tokio::test]
async fn transfers_in_all_directions_keep_the_total_and_never_deadlock() {
    let (server, bank) = with_own_server().await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "cat", "dan"] {
        people.push(bank.person(name, 20).await);
    }
    run(&bank, &people, |random| {
        let from = random.random_range(0..4);
        (from, (from + random.random_range(1..4)) % 4)
    })
    .await;
    let log = server.log();
    assert!(!log.contains("deadlock"), "{log}");
}

#[tokio::test]
async fn a_hot_account_stays_right() {
    let (server, bank) = with_own_server().await;
    let mut people = vec![bank.person("shop", 20).await];
    for number in 0..6 {
        people.push(bank.person(&format!("buyer{number}"), 50).await);
    }
    run(&bank, &people, |random| {
        let other = random.random_range(1..=6);
        if random.random_bool(0.7) {
            (other, 0)
        } else {
            (0, other)
        }
    })
    .await;
    let log = server.log();
    assert!(!log.contains("deadlock"), "{log}");
}
