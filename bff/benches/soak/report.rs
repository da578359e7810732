//! What a run came to, in words and figures.

use std::time::Duration;

use anyhow::ensure;

use super::{Arguments, edge::Tally, money::Book, schedule::Schedule, streams::Told};

/// By how much the second half's most memory may be above the first's.
const GROWTH: f64 = 1.10;

/// What memory grows by while caches and pools fill, in bytes.
const SLACK: u64 = 8 << 20;

const MIB: f64 = 1_048_576.0;

/// Resident memory of a program, looked at again and again, in bytes.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) of: &'static str,
    pub(crate) seen: Vec<u64>,
}

impl Memory {
    /// The most of each half.
    fn halves(&self) -> [u64; 2] {
        let (first, second) = self.seen.split_at(self.seen.len() / 2);
        [first, second].map(|half| half.iter().copied().max().unwrap_or(0))
    }

    /// Whether it stayed flat.
    fn verdict(&self) -> anyhow::Result<()> {
        let [first, second] = self.halves();
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let most = first as f64 * GROWTH + SLACK as f64;
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let found = second as f64;
        ensure!(
            found <= most,
            "{:.0} MiB of {}, where {:.0} MiB would be flat",
            found / MIB,
            self.of,
            most / MIB
        );
        Ok(())
    }
}

/// Whether the memory of every program stayed flat.
pub(crate) fn flat(memory: &[Memory]) -> anyhow::Result<()> {
    memory.iter().try_for_each(Memory::verdict)
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
    pub(crate) memory: &'a [Memory],
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
        say(&format!(
            "\nseed {}, {} s, {} guests, {} faults\n\
             {} answers: {} good, {} refused by the rules, {} 503 or 504, {} mistakes\n\
             {} transfers acknowledged, {} refused\n\
             {events} events over {opened} streams\n\
             at rest {:.0} s after everyone had left",
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
        for memory in self.memory {
            let [first, second] = memory.halves().map(|bytes| bytes >> 20);
            let of = memory.of;
            say(&format!(
                "memory of {of}: {first} MiB at most in the first half, {second} in the second"
            ));
        }
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
