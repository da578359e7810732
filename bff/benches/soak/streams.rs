//! Guests who are told what happens to them, as it happens.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use platform::clock::{Clock as _, SystemClock};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::edge::Edge;

/// How long a client waits before it comes again.
const AGAIN: Duration = Duration::from_millis(500);

/// What has happened is told within this, when nothing is wrong any more.
const LATE: Duration = Duration::from_secs(10);

/// What one guest was told of.
#[derive(Debug)]
pub(crate) struct Told {
    who: usize,
    /// What happens from here on is told: the stream has said where it is, or that
    /// the guest is to look anew.
    since: Option<DateTime<Utc>>,
    /// What happened after this may not have been told any more.
    until: DateTime<Utc>,
    transfers: BTreeSet<Uuid>,
    /// How often the stream was opened.
    pub(crate) opened: u64,
    pub(crate) events: u64,
}

/// Listens for what happens until then; a stream that ends is opened again where it
/// ended.
pub(crate) async fn listen(edge: Edge, who: usize, bearer: String, until: Instant) -> Told {
    let mut told = Told {
        who,
        since: None,
        until: SystemClock.now() + until.duration_since(Instant::now()),
        transfers: BTreeSet::new(),
        opened: 0,
        events: 0,
    };
    let mut last = None;
    let until = until + LATE;
    while Instant::now() < until {
        let listened = follow(&edge, &bearer, &mut last, &mut told);
        if let Ok(Err(error)) = timeout_at(until, listened).await {
            edge.mistake(format!("a stream of {who}: {error:#}"));
        }
        tokio::time::sleep(AGAIN).await;
    }
    told
}

async fn follow(
    edge: &Edge,
    bearer: &str,
    last: &mut Option<String>,
    told: &mut Told,
) -> anyhow::Result<()> {
    let request = edge.request(&Method::GET, "/v1/events");
    let request = request.header("authorization", bearer);
    let request = last
        .iter()
        .fold(request, |request, id| request.header("last-event-id", id));
    // It has no end, so it has no time limit.
    let mut stream = request.timeout(Duration::from_secs(3_600)).send().await?;
    if stream.status() == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(());
    }
    ensure!(stream.status() == StatusCode::OK, "{}", stream.status());
    told.opened += 1;
    let mut text = String::new();
    while let Some(chunk) = stream.chunk().await? {
        text += std::str::from_utf8(&chunk).context("not text")?;
        while let Some((block, rest)) = text.split_once("\n\n") {
            take(block, last, told)?;
            text = rest.to_owned();
        }
    }
    Ok(())
}

/// Takes in a block: a comment, an event, or why the stream ends.
fn take(block: &str, last: &mut Option<String>, told: &mut Told) -> anyhow::Result<()> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    if let Some(id) = field("id") {
        *last = Some(id.to_owned());
        told.since.get_or_insert_with(|| SystemClock.now());
    }
    let Some(event) = field("event") else {
        return Ok(());
    };
    let data = field("data").with_context(|| format!("{event} without data"))?;
    let data: Value = serde_json::from_str(data).context("not JSON")?;
    told.events += 1;
    if event == "transfer.posted" {
        let id = data["id"].as_str().context("whose id?")?;
        told.transfers.insert(id.parse()?);
    } else if event == "reset" {
        told.since = Some(SystemClock.now());
    }
    Ok(())
}

/// Whether everyone was told of their own transfers alone, and of all of them.
pub(crate) async fn check(db: &mut PgConnection, edge: &Edge, all: &[Told]) -> anyhow::Result<()> {
    for told in all {
        let ids: Vec<Uuid> = told.transfers.iter().copied().collect();
        let user = edge.people()[told.who].id;
        let own: i64 = sqlx::query_scalar(
            "SELECT count(DISTINCT e.transfer_id) FROM entries e
             JOIN accounts a ON a.id = e.account_id
             WHERE e.transfer_id = ANY($1) AND a.user_id = $2",
        )
        .bind(&ids)
        .bind(user)
        .fetch_one(&mut *db)
        .await?;
        let own = usize::try_from(own)?;
        ensure!(
            own == ids.len(),
            "{} was told of {} transfers of others",
            told.who,
            ids.len() - own
        );
        let since = told.since.context("a stream never said where it is")?;
        let untold: Vec<Uuid> = sqlx::query_scalar(
            "SELECT e.transfer_id FROM entries e
             JOIN accounts a ON a.id = e.account_id
             JOIN transfers t ON t.id = e.transfer_id
             WHERE a.user_id = $2 AND t.created_at > $3 AND t.created_at < $4
               AND t.id <> ALL($1)",
        )
        .bind(&ids)
        .bind(user)
        .bind(since)
        .bind(told.until)
        .fetch_all(&mut *db)
        .await?;
        ensure!(
            untold.is_empty(),
            "{} was told of {}, and not of {untold:?}",
            told.who,
            ids.len()
        );
    }
    Ok(())
}
