//! Transfers through the edge, in the same rounds as two scripts that `pgbench`
//! runs on the same server: the bare transaction of a transfer, and two plain
//! updates without any history.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use platform::{
    clock::{Clock as _, SystemClock},
    testing::Database,
};
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;
use uuid::Uuid;

use super::{
    generator::{self, Throughput},
    report,
    stand::Stand,
    visitor::{Payer, Script, Visitor},
};

const WARM_UP: Duration = Duration::from_millis(700);

/// Of the bare transaction's throughput, what the edge is to reach.
const WANTED: f64 = 0.7;

/// Between whom money moves.
#[derive(Debug, Clone, Copy)]
enum Between {
    RandomPairs,
    /// Everyone pays one account.
    OneHotAccount,
}

impl Between {
    const ALL: [Self; 2] = [Self::RandomPairs, Self::OneHotAccount];

    const fn name(self) -> &'static str {
        match self {
            Self::RandomPairs => "transfers, random pairs",
            Self::OneHotAccount => "transfers, one hot account",
        }
    }
}

/// What was found, round by round.
#[derive(Debug)]
pub(crate) struct Transfers {
    found: Vec<(Between, Vec<Round>)>,
}

#[derive(Debug)]
struct Round {
    edge: Throughput,
    /// Transactions a second.
    bare: f64,
    plain: f64,
}

/// One after the other, again and again.
pub(crate) async fn measure(
    stand: &Stand,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Transfers> {
    let accounts = prepare(stand).await?;
    let mut found = Vec::new();
    for between in Between::ALL {
        let mut of_these = Vec::with_capacity(rounds);
        for round in 0..rounds {
            report::progress(&format!("{}, round {}", between.name(), round + 1));
            let visitors = visitors(stand, &accounts, between).await?;
            of_these.push(Round {
                edge: generator::closed(visitors, &[&stand.cached], 201, WARM_UP, time).await?,
                bare: pgbench(stand, "bare.sql", between, accounts.len(), time).await?,
                plain: pgbench(stand, "plain.sql", between, accounts.len(), time).await?,
            });
        }
        found.push((between, of_these));
    }
    Ok(Transfers { found })
}

/// Gives everyone who is signed in an account with a fortune in it. Returns the
/// accounts, in the order of their owners.
async fn prepare(stand: &Stand) -> anyhow::Result<Vec<Uuid>> {
    let mut database = superuser(&stand.accounts).await?;
    let users: Vec<Uuid> = stand.people.users.iter().map(|user| user.id).collect();
    for statement in include_str!("pgbench/people.sql").split_inclusive(";\n") {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") {
            query.bind(&users)
        } else {
            query
        };
        query.execute(&mut database).await?;
    }
    let deposited: Vec<String> = sqlx::query_scalar(
        "SELECT verdict FROM (
             SELECT user_id, account_id FROM bench_people
             UNION ALL
             SELECT user_id, id FROM accounts WHERE id::text LIKE 'a0000000-0000-7000-8000-%') AS payers,
         transfer_post(
             user_id, 'bench', sha256('a deposit'), bench_id(), NULL, account_id,
             1000000000, 'USD', NULL, now(), bench_id(), NULL)",
    )
    .fetch_all(&mut database)
    .await?;
    ensure!(deposited.iter().all(|verdict| verdict == "posted"));
    let accounts = sqlx::query_scalar("SELECT account_id FROM bench_people ORDER BY n")
        .fetch_all(&mut database)
        .await?;
    database.close().await?;
    Ok(accounts)
}

pub(crate) async fn superuser(database: &Database) -> sqlx::Result<PgConnection> {
    PgConnection::connect(database.superuser_url().expose().as_str()).await
}

async fn visitors(
    stand: &Stand,
    accounts: &[Uuid],
    between: Between,
) -> anyhow::Result<Vec<Visitor>> {
    let hot: Arc<[Uuid]> = accounts[..1].into();
    let all: Arc<[Uuid]> = accounts.into();
    let everyone = stand.people.users.iter().zip(accounts);
    let (skipped, to) = match between {
        Between::RandomPairs => (0, all),
        Between::OneHotAccount => (1, hot),
    };
    let mut visitors = Vec::with_capacity(accounts.len());
    for (user, from) in everyone.skip(skipped) {
        let payer = Payer {
            bearer: user.bearer(),
            from: *from,
            to: to.clone(),
        };
        visitors.push(Visitor::connect(stand.cached.address, Script::Pay(payer)).await?);
    }
    Ok(visitors)
}

/// Runs a script over as many connections as the edge keeps for writing.
async fn pgbench(
    stand: &Stand,
    script: &str,
    between: Between,
    people: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/pgbench");
    let clients = bff::config::Settings::default().postgres.max_connections;
    let hot = i32::from(matches!(between, Between::OneHotAccount));
    let url = stand.accounts.url_as("accounts_app");
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", time.as_secs().max(1)))
        .arg(format!("--define=people={people}"))
        .arg(format!("--define=hot={hot}"))
        // From which the ids of a run count on.
        .arg(format!("--define=now={}", SystemClock.now_ms()))
        .arg(format!("--file={}", scripts.join(script).display()))
        .arg(url.expose().as_str())
        .output()
        .await
        .context("pgbench, which comes with PostgreSQL")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mistakes = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}: {mistakes}");
    said.lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next())
        .and_then(|tps| tps.parse().ok())
        .with_context(|| format!("{script}: {said}"))
}

impl Transfers {
    /// What was found, as rows of targets.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = self.found.iter().map(|(between, rounds)| {
            let middle = |of: fn(&Round) -> f64| report::median(rounds.iter().map(of));
            let share = middle(|round| round.edge.per_second / round.bare);
            let failed: u64 = rounds.iter().map(|round| round.edge.failed).sum();
            report::row(
                &format!("{}, of the bare transaction ({failed} failed)", between.name()),
                &format!("≥ {:.0} %", WANTED * 100.0),
                &format!(
                    "{:.0} % ({:.0}/s at {:.0} µs of the edge's CPU; bare {:.0}/s, two plain updates {:.0}/s)",
                    share * 100.0,
                    middle(|round| round.edge.per_second),
                    middle(|round| round.edge.cpu_micros),
                    middle(|round| round.bare),
                    middle(|round| round.plain),
                ),
                Some(share >= WANTED),
            )
        });
        rows.collect()
    }
}
