//! What was found, as tables of Markdown. Every figure is the median of the
//! rounds.

use std::{fs, num::NonZero, time::Duration};

use platform::clock::{Clock as _, SystemClock};

use super::{
    faults::Faults,
    generator::{self, Throughput},
    history::History,
    overload::Overload,
    plan::{Finding, Findings},
    sign_ins::SignIns,
    streams::Streams,
    subject::Subject,
    transfers::Transfers,
};

pub(crate) const MEBIBYTE: u64 = 1024 * 1024;

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Of sorted times, the one that this share of them stayed within.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let index = (share * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[expect(clippy::print_stderr, reason = "shows that it goes on")]
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn print(findings: &Findings) {
    let mut lines = heading(findings.home_bytes);
    lines.extend(table(findings));
    lines.extend(findings.faults.iter().flat_map(Faults::table));
    lines.extend(findings.overload.iter().flat_map(Overload::table));
    lines.extend(targets(findings));
    lines.extend(findings.history.iter().flat_map(History::plan));
    println!("{}", lines.join("\n"));
}

fn heading(home_bytes: usize) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let command: Vec<String> = std::env::args().skip(1).collect();
    vec![
        format!(
            "{}, {cores} cores of {model}, Linux {}; home screen of {home_bytes} bytes; \
             `cargo bench -p bff --bench load -- {}`",
            SystemClock.now().format("%Y-%m-%d"),
            kernel.trim(),
            command.join(" "),
        ),
        String::new(),
    ]
}

fn table(findings: &Findings) -> Vec<String> {
    let mut lines = vec![
        "| what | requests/s | CPU µs each | at half of that: p50 | p99 | p99.9 | memory at most | failed |".into(),
        "|---|---:|---:|---:|---:|---:|---:|---:|".into(),
    ];
    lines.extend(findings.subjects.iter().map(|finding| {
        let within = |share| {
            format!(
                "{:.2} ms",
                in_millis(generator::within(&finding.latencies, share))
            )
        };
        let failed: u64 = finding.throughput.iter().map(|found| found.failed).sum();
        let late: u64 = finding.latencies.iter().map(|found| found.failed).sum();
        let micros = |of: fn(&Throughput) -> f64| median(finding.throughput.iter().map(of));
        let helpers = micros(|found| found.helpers_cpu_micros);
        let helpers = match helpers > 0.0 {
            true => format!(" + {helpers:.1}"),
            false => String::new(),
        };
        format!(
            "| {} | {:.0} | {:.1}{helpers} | {} | {} | {} | {} MiB | {} |",
            finding.subject.name(),
            micros(|found| found.per_second),
            micros(|found| found.cpu_micros),
            within(0.50),
            within(0.99),
            within(0.999),
            finding.memory / MEBIBYTE,
            failed + late,
        )
    }));
    lines.extend(findings.missing.iter().map(|(subject, reason)| {
        let name = subject.name();
        format!("| {name} | not measured: {reason} | | | | | | |")
    }));
    lines.push(String::new());
    lines
}

fn targets(findings: &Findings) -> Vec<String> {
    let mut lines = vec![
        "| | target | reached | met |".into(),
        "|---|---|---|---|".into(),
    ];
    for finding in &findings.subjects {
        lines.extend(ratios(finding, &findings.subjects));
    }

    lines.extend(findings.faults.iter().flat_map(Faults::rows));
    lines.extend(findings.overload.iter().flat_map(Overload::rows));
    lines.extend(signed_in(&findings.subjects));
    lines.extend(findings.sign_ins.iter().flat_map(sign_ins));
    lines.extend(findings.transfers.iter().flat_map(Transfers::rows));
    lines.extend(findings.history.iter().flat_map(History::rows));
    lines.extend(findings.streams.iter().flat_map(Streams::rows));

    let known = findings.verification.again;
    lines.push(row(
        "a token seen before",
        "≤ 2 µs",
        &format!("{known:.2} µs"),
        Some(known <= 2.0),
    ));
    let first = findings.verification.first;
    lines.push(row(
        "a token never seen",
        "–",
        &format!("{first:.0} µs"),
        None,
    ));
    lines.push(memory("memory, idle", findings.idle_memory, 64));
    lines.push(memory("memory, at most", findings.peak_memory, 256));
    lines
}

/// What it costs to know whom a request is from.
fn signed_in(subjects: &[Finding]) -> Vec<String> {
    let Some(nobody) = of(subjects, Subject::Item) else {
        return Vec::new();
    };
    let more = |subject, what: &str, most: Option<f64>| {
        let rounds = of(subjects, subject)?.throughput.iter();
        let rounds = rounds.zip(&nobody.throughput);
        let micros = median(rounds.map(|(by, nobody)| by.cpu_micros - nobody.cpu_micros));
        Some(row(
            &format!("CPU of {what}, more than signed out"),
            &most.map_or("–".into(), |most| format!("≤ {most:.0} µs")),
            &format!("{micros:.1} µs"),
            most.map(|most| micros <= most),
        ))
    };
    [
        more(Subject::ItemByToken, "a token seen before", Some(5.0)),
        more(Subject::ItemByCookie, "a cookie seen within a second", None),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sign_ins(SignIns { rounds }: &SignIns) -> [String; 2] {
    let share = median(
        rounds
            .iter()
            .map(|round| round.signed_in.per_second / round.argon_alone),
    );
    let alone = median(rounds.iter().map(|round| round.argon_alone));
    let each = median(rounds.iter().map(|round| round.signed_in.per_second));
    let reads = median(
        rounds
            .iter()
            .map(|round| in_millis(round.reads.within(0.99))),
    );
    let failed: u64 = rounds
        .iter()
        .map(|round| round.signed_in.failed + round.reads.failed)
        .sum();
    [
        row(
            &format!("sign-ins, of Argon2 alone ({failed} failed)"),
            "≥ 90 %",
            &format!("{:.0} % ({each:.0}/s of {alone:.0}/s)", share * 100.0),
            Some(share >= 0.9),
        ),
        row(
            "p99 of home meanwhile",
            "< 50 ms",
            &format!("{reads:.1} ms"),
            Some(reads < 50.0),
        ),
    ]
}

pub(crate) fn memory(what: &str, bytes: u64, most: u64) -> String {
    row(
        what,
        &format!("< {most} MiB"),
        &format!("{} MiB", bytes / MEBIBYTE),
        Some(bytes < most * MEBIBYTE),
    )
}

pub(crate) fn row(what: &str, target: &str, reached: &str, met: Option<bool>) -> String {
    let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
    format!("| {what} | {target} | {reached} | {met} |")
}

/// Beside each of its references that was measured.
fn ratios(finding: &Finding, subjects: &[Finding]) -> Vec<String> {
    let references = finding.subject.references().iter();
    let rows = references.filter_map(|(reference, wanted)| {
        let ratio = ratio(finding, of(subjects, *reference)?);
        Some(row(
            &format!("{}, of {}", finding.subject.name(), reference.name()),
            &wanted.map_or("–".into(), |wanted| format!("≥ {:.0} %", wanted * 100.0)),
            &format!("{:.0} %", ratio * 100.0),
            wanted.map(|wanted| ratio >= wanted),
        ))
    });
    rows.collect()
}

fn of(subjects: &[Finding], subject: Subject) -> Option<&Finding> {
    subjects.iter().find(|finding| finding.subject == subject)
}

/// Of the throughputs of the same turn each, since turns differ by what else the
/// machine does.
fn ratio(finding: &Finding, reference: &Finding) -> f64 {
    let rounds = finding.throughput.iter().zip(&reference.throughput);
    median(rounds.map(|(found, reference)| found.per_second / reference.per_second))
}

fn in_millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub(crate) fn millis(time: Duration) -> String {
    match in_millis(time) {
        short @ ..100.0 => format!("{short:.2} ms"),
        long => format!("{long:.0} ms"),
    }
}
