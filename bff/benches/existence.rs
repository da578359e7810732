//! What a filter in front of the look-up of unknown identifiers would save at
//! sign-in, beside what a sign-in costs in any case.
//!
//!     cargo bench -p bff --bench existence
//!
//! `docs/benchmarks.md` says what follows from it.

use std::{
    hint::black_box,
    io::Write as _,
    time::{Duration, Instant},
};

use bff::{
    accounts::credentials,
    identity::{
        identifier::{Identifier, Password},
        password::Hasher,
        settings::PasswordSettings,
    },
};
use fastbloom::BloomFilter;
use migrator::Store;
use platform::{
    postgres::PostgresSettings,
    testing::{Database, Server},
};
use sqlx::PgPool;

/// Users in the store.
const USERS: i32 = 200_000;
/// Identifiers in the filter: what the store might grow to.
const FILTERED: usize = 10_000_000;
/// How often one of a million that aren't there seems to be.
const FALSE_POSITIVES: f64 = 0.01;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::postgres().await;
    let database = Database::create_on(server.url(), "existence", async |url| {
        migrator::up(Store::Accounts, &url)
            .await
            .expect("the migrations apply");
    })
    .await;
    fill(&PostgresSettings::at(database.superuser_url()).pool("bench")?).await?;
    let pool = PostgresSettings::at(database.url_as("accounts_app")).pool("bench")?;

    let (filter, built) = filter();
    let asked: Vec<String> = (0..1_000_000).map(|n| address("stranger", n)).collect();
    let began = Instant::now();
    let seeming = asked.iter().filter(|one| filter.contains(one.as_str()));
    let seeming = black_box(seeming.count());
    let filtered = began.elapsed() / 1_000_000;

    let unknown = look_ups(&pool, "stranger").await?;
    let known = look_ups(&pool, "user").await?;
    let hashed = hashes().await?;

    let mut out = std::io::stdout().lock();
    let share = |part: Duration| 100.0 * part.as_secs_f64() / (hashed + unknown).as_secs_f64();
    writeln!(
        out,
        "one thread, medians; a sign-in is a look-up and a hash\n"
    )?;
    writeln!(out, "| step | µs | of a sign-in |\n|---|---|---|")?;
    for (step, took) in [
        ("the filter's answer", filtered),
        ("looking up an unknown identifier", unknown),
        ("looking up a known one", known),
        ("the hash, which both need", hashed),
    ] {
        let micros = took.as_secs_f64() * 1e6;
        writeln!(out, "| {step} | {micros:.2} | {:.3} % |", share(took))?;
    }
    writeln!(
        out,
        "\nthe filter: {FILTERED} identifiers, {} MiB, built in {built:.1?}, wrong for {seeming} of 1000000",
        filter.num_bits() / 8 / 1024 / 1024,
    )?;
    Ok(())
}

fn address(name: &str, number: usize) -> String {
    format!("{name}{number}@example.com")
}

/// The filter, and how long a start would wait for it, reading not counted.
fn filter() -> (BloomFilter, Duration) {
    let mut filter = BloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(FILTERED);
    let began = Instant::now();
    for number in 0..FILTERED {
        filter.insert(address("user", number).as_str());
    }
    (filter, began.elapsed())
}

async fn fill(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO users (id, full_name, email, email_canonical, email_verified_at, created_at, updated_at)
         SELECT gen_random_uuid(), 'Ann Lee', a, a, now(), now(), now()
         FROM generate_series(0, $1 - 1) AS n, format('user%s@example.com', n) AS a",
    )
    .bind(USERS)
    .execute(pool)
    .await?;
    sqlx::query("VACUUM ANALYZE users").execute(pool).await?;
    Ok(())
}

async fn look_ups(pool: &PgPool, name: &str) -> anyhow::Result<Duration> {
    let region = "US".parse()?;
    let mut times = Vec::new();
    for number in 0..10_000 {
        let identifier = Identifier::parse(&address(name, number), region)?;
        let began = Instant::now();
        black_box(credentials::find(pool, &identifier).await?);
        times.push(began.elapsed());
    }
    Ok(median(times))
}

async fn hashes() -> anyhow::Result<Duration> {
    let hasher = Hasher::new(&PasswordSettings::default())?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let password = Password::new("plum orbit cello 9").expect("it isn't too long");
        let began = Instant::now();
        black_box(hasher.verify(password, None).await?);
        times.push(began.elapsed());
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
