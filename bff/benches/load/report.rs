//! What was found, as tables of Markdown. Every figure is the median of the
//! rounds.

use std::{fs, num::NonZero, time::Duration};

use platform::clock::{Clock as _, SystemClock};

use super::{
    history::History,
    plan::{Finding, Findings, Subject},
    sign_ins::SignIns,
    streams::Streams,
    transfers::Transfers,
};

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stderr, reason = "shows that it goes on")]
pub(crate) fn progress(what: &str) {
    eprintln!("{what}");
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn print(findings: &Findings) {
    let mut lines = heading(findings.home_bytes);
    lines.extend(table(&findings.subjects));
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

fn table(subjects: &[Finding]) -> Vec<String> {
    let mut lines = vec![
        "| what | requests/s | CPU µs each | at half of that: p50 | p99 | p99.9 | failed |".into(),
        "|---|---:|---:|---:|---:|---:|---:|".into(),
    ];
    lines.extend(subjects.iter().map(|finding| {
        let within = |share| {
            let times = finding.latencies.iter().map(|found| found.within(share));
            format!("{:.2} ms", median(times.map(millis)))
        };
        let failed: u64 = finding.throughput.iter().map(|found| found.failed).sum();
        let late: u64 = finding.latencies.iter().map(|found| found.failed).sum();
        format!(
            "| {} | {:.0} | {:.1} | {} | {} | {} | {} |",
            finding.subject.name(),
            median(finding.throughput.iter().map(|found| found.per_second)),
            median(finding.throughput.iter().map(|found| found.cpu_micros)),
            within(0.50),
            within(0.99),
            within(0.999),
            failed + late,
        )
    }));
    lines.push(String::new());
    lines
}

fn targets(findings: &Findings) -> Vec<String> {
    let mut lines = vec![
        "| | target | reached | met |".into(),
        "|---|---|---|---|".into(),
    ];
    lines.extend(findings.subjects.iter().filter_map(|finding| {
        let (reference, wanted) = finding.subject.reference()?;
        let ratio = ratio(finding, of(&findings.subjects, reference)?);
        Some(row(
            &format!("{}, of {}", finding.subject.name(), reference.name()),
            &wanted.map_or("–".into(), |wanted| format!("≥ {:.0} %", wanted * 100.0)),
            &format!("{:.0} %", ratio * 100.0),
            wanted.map(|wanted| ratio >= wanted),
        ))
    }));

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
    let reads = median(rounds.iter().map(|round| millis(round.reads.within(0.99))));
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
    let mebibyte = 1024 * 1024;
    row(
        what,
        &format!("< {most} MiB"),
        &format!("{} MiB", bytes / mebibyte),
        Some(bytes < most * mebibyte),
    )
}

pub(crate) fn row(what: &str, target: &str, reached: &str, met: Option<bool>) -> String {
    let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
    format!("| {what} | {target} | {reached} | {met} |")
}

fn of(subjects: &[Finding], subject: Subject) -> Option<&Finding> {
    subjects.iter().find(|finding| finding.subject == subject)
}

/// Of the throughputs of the same round each, since rounds differ by what else
/// the machine does.
fn ratio(finding: &Finding, reference: &Finding) -> f64 {
    let rounds = finding.throughput.iter().zip(&reference.throughput);
    median(rounds.map(|(found, reference)| found.per_second / reference.per_second))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
