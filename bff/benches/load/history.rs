//! A long history beside a short one: what a page of it costs, and that a
//! statement of it needs no more memory.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use sqlx::PgConnection;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use super::{
    report,
    stand::Stand,
    transfers::superuser,
    users::User,
    visitor::{Script, Visitor, get},
};

/// Entries of the two accounts.
const SHORT: i64 = 100;
const LONG: i64 = 1_000_000;

/// A page of the long history may take this much longer than one of the short.
const SLOWER: f64 = 1.5;
/// A statement may take this much memory, in bytes, however long it is.
const MEMORY: u64 = 16 * 1024 * 1024;

/// What was found.
#[derive(Debug)]
pub(crate) struct History {
    /// Medians of each round: of the short history, of the long one.
    pages: Vec<[Duration; 2]>,
    /// What PostgreSQL does for a page of the long one.
    plan: Vec<String>,
    statement: Statement,
}

#[derive(Debug)]
struct Statement {
    bytes: u64,
    took: Duration,
    /// By how much the edge's memory grew at most, in bytes.
    memory: u64,
}

pub(crate) async fn measure(
    stand: &Stand,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<History> {
    report::progress("a history of a million entries");
    let mut database = superuser(&stand.accounts).await?;
    let users = &stand.people.users;
    let (short, long) = (&users[0], &users[1]);
    let short_account = plant(&mut database, short, SHORT).await?;
    let long_account = plant(&mut database, long, LONG).await?;
    sqlx::raw_sql("VACUUM ANALYZE transfers, entries")
        .execute(&mut database)
        .await?;
    let mut pages = Vec::with_capacity(rounds);
    for round in 0..rounds {
        report::progress(&format!("pages of histories, round {}", round + 1));
        pages.push([
            page(stand, short, short_account, time / 2).await?,
            page(stand, long, long_account, time / 2).await?,
        ]);
    }
    // As the store asks for it.
    let plan = sqlx::query_scalar(
        "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF)
         SELECT e.transfer_id, e.currency, e.amount, e.balance_after, t.created_at
         FROM entries e JOIN transfers t ON t.id = e.transfer_id
         WHERE e.account_id = $1 AND e.account_version < 9223372036854775807
         ORDER BY e.account_version DESC LIMIT 21",
    )
    .bind(long_account)
    .fetch_all(&mut database)
    .await?;
    report::progress("a statement of a million entries");
    // What any statement takes is there after a short one.
    download(stand, short, short_account, SHORT).await?;
    let statement = download(stand, long, long_account, LONG).await?;
    Ok(History {
        pages,
        plan,
        statement,
    })
}

/// Gives a user another account, with so many entries of one unit: as if
/// they had been made, without the time that it takes.
async fn plant(database: &mut PgConnection, of: &User, entries: i64) -> anyhow::Result<Uuid> {
    sqlx::raw_sql("SET session_replication_role = replica")
        .execute(&mut *database)
        .await?;
    let account: Uuid = sqlx::query_scalar(
        "INSERT INTO accounts (id, kind, user_id, currency, minor_units, balance, version, created_at, updated_at)
         SELECT gen_random_uuid(), 'user', $1, code, minor_units, $2, $2, '2020-01-01Z', now()
         FROM currencies
         WHERE code NOT IN (SELECT currency FROM accounts WHERE user_id = $1 AND status = 'open') LIMIT 1
         RETURNING id",
    )
    .bind(of.id)
    .bind(entries)
    .fetch_optional(&mut *database)
    .await?
    .context("the user has an account in every currency")?;
    sqlx::query(
        "WITH made AS (
             SELECT n, a.id AS account, w.id AS world, a.currency, a.minor_units,
                    timestamptz '2020-01-01Z' + n * interval '1 s' AS at,
                    (lpad(to_hex(n), 12, '0') || substr(md5(n::text || a.id), 1, 20))::uuid AS id
             FROM generate_series(1, $2) AS n, accounts a, accounts w
             WHERE a.id = $1 AND w.kind = 'world' AND w.currency = a.currency),
         transfers AS (
             INSERT INTO transfers (id, debit_account_id, credit_account_id, currency, minor_units, amount, created_at)
             SELECT id, world, account, currency, minor_units, 1, at FROM made)
         INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
         SELECT id, account, n, currency, minor_units, 1, n FROM made",
    )
    .bind(account)
    .bind(entries)
    .execute(&mut *database)
    .await?;
    Ok(account)
}

/// How long a page of 20 takes, in the median: one after the other.
async fn page(stand: &Stand, of: &User, account: Uuid, time: Duration) -> anyhow::Result<Duration> {
    let request = get(
        &format!("/v1/accounts/{account}/entries?limit=20"),
        &[("authorization", &of.bearer())],
    );
    let mut visitor = Visitor::connect(stand.cached.address, Script::Same(request)).await?;
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < time || times.is_empty() {
        let asked = Instant::now();
        let answer = visitor.ask().await?;
        ensure!(answer.status == 200, "{}", answer.head);
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Reads a whole statement, and looks at the edge meanwhile.
async fn download(
    stand: &Stand,
    of: &User,
    account: Uuid,
    entries: i64,
) -> anyhow::Result<Statement> {
    let edge = &stand.cached;
    let before = edge.memory()?.now;
    edge.forget_peak()?;
    let began = Instant::now();
    let mut stream = TcpStream::connect(edge.address).await?;
    // With HTTP/1.0 the body comes as it is, until the connection ends.
    let request = format!(
        "GET /v1/accounts/{account}/statement?format=csv HTTP/1.0\r\nhost: portico.example\r\n\
         authorization: {}\r\n\r\n",
        of.bearer(),
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    let (mut bytes, mut lines, mut last) = (0, 0_i64, None);
    while stream.read_buf(&mut buffer).await? > 0 {
        bytes += buffer.len() as u64;
        lines += buffer.iter().filter(|byte| **byte == b'\n').count() as i64;
        last = buffer.last().copied().or(last);
        buffer.clear();
    }
    // The head and the line of names are among them.
    ensure!(
        lines > entries && last == Some(b'\n'),
        "the statement ended after {lines} lines"
    );
    Ok(Statement {
        bytes,
        took: began.elapsed(),
        memory: edge.memory()?.peak.saturating_sub(before),
    })
}

impl History {
    /// What was found, as rows of targets.
    pub(crate) fn rows(&self) -> [String; 2] {
        let millis = |of: usize| {
            let times = self.pages.iter().map(|round| round[of].as_secs_f64() * 1e3);
            report::median(times)
        };
        let ratio = report::median(
            self.pages
                .iter()
                .map(|[short, long]| long.as_secs_f64() / short.as_secs_f64()),
        );
        let Statement {
            bytes,
            took,
            memory,
        } = &self.statement;
        let mebibyte = 1024 * 1024;
        [
            report::row(
                &format!("20 entries from {LONG}, of the time for 20 from {SHORT}"),
                &format!("≤ {:.0} %", SLOWER * 100.0),
                &format!(
                    "{:.0} % ({:.2} ms, {:.2} ms)",
                    ratio * 100.0,
                    millis(1),
                    millis(0)
                ),
                Some(ratio <= SLOWER),
            ),
            report::row(
                &format!("memory for a statement of {LONG} entries"),
                &format!("< {} MiB", MEMORY / mebibyte),
                &format!(
                    "{:.1} MiB ({} MiB in {:.0} s)",
                    *memory as f64 / mebibyte as f64,
                    bytes / mebibyte,
                    took.as_secs_f64()
                ),
                Some(*memory < MEMORY),
            ),
        ]
    }

    /// How PostgreSQL finds a page of the long history.
    pub(crate) fn plan(&self) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            format!("A page of the account with {LONG} entries:"),
            String::new(),
        ];
        lines.extend(self.plan.iter().map(|line| format!("    {line}")));
        lines
    }
}
