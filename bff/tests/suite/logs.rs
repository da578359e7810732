//! The log, and whoever reads it or doesn't.

use std::io::Write as _;

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    helpers::{Answer, TestApp, eventually},
    program::{LIMIT, Log, Program},
};

/// What a pipe holds (pipe(7)).
const PIPE: usize = 65_536;

/// A program that has said more than anybody takes from it.
async fn unread(app: &TestApp) -> (Program, Log) {
    let mut command = app.command(&["serve"]);
    command
        .env("BFF_TELEMETRY__LOG_WAITING", "100")
        .env("BFF_LIMITS__PUBLIC__PER_MINUTE", "1000000")
        .env("BFF_LIMITS__PUBLIC__BURST", "100000");
    let (program, log) = Program::unread(app, command).await;
    eventually("lines are dropped", async || {
        join_all((0..100).map(|_| ask(&program, "flood"))).await;
        dropped(&program).await > 0
    })
    .await;
    (program, log)
}

async fn ask(program: &Program, id: &str) {
    let request = program
        .request(Method::GET, "/problems")
        .header("x-request-id", id);
    let answer = timeout(LIMIT, Answer::of(request)).await;
    answer.expect("an answer").expect(StatusCode::OK);
}

/// As the metrics have it.
async fn dropped(program: &Program) -> u64 {
    let metrics = program.metrics().await;
    let mut counts = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("log_lines_dropped_total "));
    counts.next().expect("the counter").parse().unwrap()
}

#[tokio::test]
async fn nobody_waits_for_who_reads_the_log_and_its_lines_stay_whole() {
    let app = TestApp::start().await;
    let (program, mut log) = unread(&app).await;
    let asked_for = async {
        loop {
            ask(&program, "read-again").await;
        }
    };
    let read = async {
        loop {
            let line = log.next_line().await.unwrap().expect("it runs");
            let line: Value = serde_json::from_str(&line).expect("a whole line");
            if line["span"]["request_id"] == "read-again" {
                return;
            }
        }
    };
    tokio::select! {
        () = asked_for => {}
        said = timeout(LIMIT, read) => said.expect("a line for a request"),
    }
}

#[tokio::test]
async fn a_program_whose_log_nobody_reads_ends_when_it_is_asked_to() {
    let app = TestApp::start().await;
    let (mut program, _log) = unread(&app).await;
    program.terminate();
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_program_that_fails_ends_although_nobody_reads_why() {
    let app = TestApp::start().await;
    let (_nobody_reads, mut log) = std::io::pipe().unwrap();
    log.write_all(&[b' '; PIPE]).unwrap();
    let mut command = app.command(&["serve"]);
    // An address for documentation (RFC 5737), which no machine has.
    command
        .env("BFF_HTTP__LISTEN", "203.0.113.1:80")
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ended = timeout(LIMIT, child.wait()).await.expect("it ends");
    assert_eq!(ended.unwrap().code(), Some(1));
}
