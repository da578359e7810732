//! One run, from the first guest to the last look.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use super::{
    Arguments, arrival,
    edge::Edge,
    guest::Guest,
    money,
    program::Program,
    report::{self, Memory, Run, Verdict},
    rest,
    schedule::Schedule,
    stand::Stand,
    streams,
    users::PASSWORD,
};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// One guest in so many listens to what happens.
const LISTENS: usize = 3;

/// Files and sockets that may be open beyond those before the load: pools have
/// filled meanwhile.
const MORE_FILES: usize = 80;

/// Runs everything, and says how it went.
///
/// # Errors
/// When it didn't go well.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let whole = Duration::from_secs(arguments.seconds);
    let random = || rand::random_range(1..=u64::from(u32::MAX));
    let seed = arguments.seed.unwrap_or_else(random);
    let schedule = Schedule::new(seed, whole);
    report::say(&format!("seed {seed}\n{schedule}"));
    let stand = Stand::start(arguments.guests + 1, seed).await?;
    let http = client()?;
    let url = format!("http://{}", stand.address());
    let edge = Edge::new(&url, http.clone(), stand.people.clone())?;
    let before = stand.metrics(&http).await?;
    let mut guests = arrival::of_everyone(&edge, PASSWORD, seed).await?;
    let files = stand.open_files()?;

    let until = Instant::now() + whole;
    let mut listening = Vec::new();
    for who in (1..stand.people.len()).step_by(LISTENS) {
        // A session that isn't ended meanwhile.
        let listener = Guest::arrive(&edge, who, PASSWORD, seed).await?;
        let told = streams::listen(edge.clone(), who, listener.bearer(), until);
        listening.push(tokio::spawn(told));
    }
    let visiting = join_all(guests.iter_mut().map(|guest| guest.visit(until)));
    let ((), _, memory) = tokio::join!(schedule.run(&stand.ways), visiting, watch(&stand, until));
    let memory = memory?;
    let told = try_join_all(listening).await?;

    report::say("everyone leaves");
    let left = Instant::now();
    let at_rest = rest::reached(&before, async || {
        // Circuits find out by being asked.
        let soon = Instant::now() + Duration::from_millis(200);
        join_all(guests.iter_mut().map(|guest| guest.visit(soon))).await;
        sleep(LOOK).await;
        stand.metrics(&http).await
    })
    .await;
    let rest = left.elapsed();
    let books = join_all(guests.iter_mut().map(|guest| guest.settle())).await;
    let mut db = stand.database().await?;
    let verdicts: [Verdict; 7] = [
        (
            "nothing is under way or waited for, every circuit is closed, tasks have ended",
            at_rest,
        ),
        ("every event is out", outbox_is_empty(&mut db).await),
        (
            "files and sockets are closed",
            files_are_closed(&stand, &files),
        ),
        (
            "each transfer was made once, and the books balance",
            money::check(&mut db, &books).await,
        ),
        (
            "events were told to whom they concern, none left out",
            streams::check(&mut db, &edge, &told).await,
        ),
        ("memory is flat", report::flat(&memory)),
        ("every answer was valid", report::mistakes(&edge.told())),
    ];
    let tally = edge.told();
    Run {
        arguments,
        seed,
        schedule: &schedule,
        tally: &tally,
        books: &books,
        told: &told,
        memory: &memory,
        rest,
        verdicts: &verdicts,
    }
    .print();
    let failed = verdicts
        .iter()
        .filter(|(_, verdict)| verdict.is_err())
        .count();
    if failed > 0 {
        report::say(&stand.logs()?);
    }
    ensure!(
        failed == 0,
        "{failed} of {} looks failed; seed {seed}",
        verdicts.len()
    );
    Ok(())
}

async fn watch(stand: &Stand, until: Instant) -> anyhow::Result<Vec<Memory>> {
    let nothing = |program: &Program| Memory {
        of: program.name,
        seen: Vec::new(),
    };
    let mut all = stand.programs.each_ref().map(nothing);
    while Instant::now() < until {
        for (program, memory) in stand.programs.iter().zip(&mut all) {
            memory.seen.push(program.memory()?);
        }
        sleep(LOOK).await;
    }
    Ok(all.into())
}

async fn outbox_is_empty(db: &mut sqlx::PgConnection) -> anyhow::Result<()> {
    let unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
    for _ in 0..60 {
        let left: i64 = sqlx::query_scalar(unpublished).fetch_one(&mut *db).await?;
        if left == 0 {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    anyhow::bail!("some events never left")
}

fn files_are_closed(stand: &Stand, before: &[usize]) -> anyhow::Result<()> {
    let now = stand.open_files()?;
    for ((program, before), now) in stand.programs.iter().zip(before).zip(now) {
        let more = now.saturating_sub(*before);
        ensure!(more <= MORE_FILES, "{more} more of {}", program.name);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a client of the soak's own")]
fn client() -> anyhow::Result<reqwest::Client> {
    // Only the first one of a process is installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .context("a client")
}
