//! What a run came to, in words and figures.

use std::time::Duration;

use anyhow::ensure;

use super::{Arguments, edge::Tally, money::Book, schedule::Schedule, streams::Told};

/// By how much the second half's most memory may be above the first's.
const GROWTH: f64 = 1.10;

/// What memory grows by while caches and pools fill, in bytes.
const SLACK: u64 = 8 << 20;

const MIB: f64 = 1_048_576.0;

/// Resident memory of the edge, looked at again and again, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Memory(pub(crate) Vec<u64>);

impl Memory {
    /// The most of each half.
    fn halves(&self) -> [u64; 2] {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        [first, second].map(|half| half.iter().copied().max().unwrap_or(0))
    }

    /// Whether it stayed flat.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        let [first, second] = self.halves();
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let most = first as f64 * GROWTH + SLACK as f64;
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let found = second as f64;
        ensure!(
            found <= most,
            "{:.0} MiB after {:.0} MiB",
            found / MIB,
            most / MIB
        );
        Ok(())
    }
}

/// Whether every answer was one that may be given.
pub(crate) fn mistakes(tally: &Tally) -> anyhow::Result<()> {
    let told = tally.mistakes.join("\n  ");
    let all = tally.mistakes_in_all;
    ensure!(all == 0, "{all} mistakes:\n  {told}");
    Ok(())
}

/// What was looked at in the end, and how it was.
pub(crate) type Verdict = (&'static str, anyhow::Result<()>);

/// Everything of a run.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) seed: u64,
    pub(crate) schedule: &'a Schedule,
    pub(crate) tally: &'a Tally,
    pub(crate) books: &'a [Book],
    pub(crate) told: &'a [Told],
    pub(crate) memory: &'a Memory,
    /// How long it took until nothing was under way any more.
    pub(crate) rest: Duration,
    pub(crate) verdicts: &'a [Verdict],
}

impl Run<'_> {
    pub(crate) fn print(&self) {
        let tally = self.tally;
        say("\n| request | answers |\n|---|---|");
        for (key, count) in &tally.answers {
            say(&format!("| `{key}` | {count} |"));
        }
        let sum = |of: fn(&Book) -> usize| self.books.iter().map(of).sum::<usize>();
        let events: u64 = self.told.iter().map(|told| told.events).sum();
        let opened: u64 = self.told.iter().map(|told| told.opened).sum();
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let [first, second] = self.memory.halves().map(|bytes| bytes as f64 / MIB);
        say(&format!(
            "\nseed {}, {} s, {} guests, {} faults\n\
             {} answers: {} good, {} refused by the rules, {} 503 or 504, {} mistakes\n\
             {} transfers acknowledged, {} refused\n\
             {events} events over {opened} streams\n\
             memory of the edge: {first:.0} MiB at most in the first half, {second:.0} in the second\n\
             at rest {:.0} s after the last fault",
            self.seed,
            self.arguments.seconds,
            self.arguments.guests,
            self.schedule.len(),
            tally.asked(),
            tally.with_status("2") + tally.with_status("3"),
            tally.with_status("4"),
            tally.with_status("5"),
            tally.mistakes_in_all,
            sum(|book| book.made.len()),
            sum(|book| book.refused.len()),
            self.rest.as_secs_f64(),
        ));
        for (what, verdict) in self.verdicts {
            match verdict {
                Ok(()) => say(&format!("ok      {what}")),
                Err(error) => say(&format!("FAILED  {what}: {error:#}")),
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn say(what: &str) {
    println!("{what}");
}
