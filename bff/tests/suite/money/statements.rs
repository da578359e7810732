//! An account's history as a file.

use chrono::{DateTime, Utc};
use http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{Bank, Person, long_history, transfer, unique};

/// The one query of the program that has these words in it, as it was compiled.
fn prepared(words: &str) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let files = std::fs::read_dir(directory).unwrap();
    let queries = files.map(|file| {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let description: Value = serde_json::from_str(&text).unwrap();
        description["query"].as_str().unwrap().to_owned()
    });
    let found: Vec<_> = queries.filter(|query| query.contains(words)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

async fn statement(bank: &Bank, of: &Person, query: &str) -> crate::helpers::Answer {
    let path = format!("/v1/accounts/{}/statement{query}", of.account);
    bank.app.get(&path, Some(&of.token)).await
}

#[tokio::test]
async fn a_statement_has_what_happened_oldest_first() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 10).await, bank.person("bob", 0).await);
    for note in ["=SUM(A1), \"quoted\"", "A plain one"] {
        let mut body = transfer(&ann, &bob, "1.50");
        body["note"] = json!(note);
        bank.keyed("/v1/transfers", &ann.token, &unique(), &body)
            .await
            .expect(StatusCode::CREATED);
    }
    let json = statement(&bank, &ann, "").await.expect(StatusCode::OK);
    assert_eq!(
        json.header("content-disposition").as_deref(),
        Some("attachment; filename=\"statement.json\"")
    );
    let json = json.json();
    assert_eq!(json["account_id"], json!(ann.account));
    let field = |name: &str| -> Vec<String> {
        let entries = json["entries"].as_array().unwrap().iter();
        entries
            .map(|entry| entry[name]["amount"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(field("amount"), ["10.00", "-1.50", "-1.50"]);
    assert_eq!(field("balance_after"), ["10.00", "8.50", "7.00"]);

    let csv = statement(&bank, &ann, "?format=csv")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        csv.header("content-type").as_deref(),
        Some("text/csv; charset=utf-8; header=present")
    );
    let csv = String::from_utf8(csv.bytes).unwrap();
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 4, "{csv}");
    assert_eq!(
        lines[0],
        "number,created_at,transfer_id,amount,balance_after,currency,note"
    );
    assert!(
        lines[2].ends_with(",-1.50,8.50,USD,\"'=SUM(A1), \"\"quoted\"\"\""),
        "{csv}"
    );
}

#[tokio::test]
async fn a_long_statement_is_complete_and_a_time_within_it_exact() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let entries = 20_003;
    long_history(&bank.app, &ann.account, entries).await;
    let numbers = async |query: &str| -> Vec<i64> {
        let json = statement(&bank, &ann, query)
            .await
            .expect(StatusCode::OK)
            .json();
        let entries = json["entries"].as_array().unwrap().iter();
        entries
            .map(|line| line["number"].as_i64().unwrap())
            .collect()
    };
    let all: Vec<i64> = (1..=i64::from(entries)).collect();
    assert_eq!(numbers("").await, all);
    let csv = statement(&bank, &ann, "?format=csv").await;
    assert_eq!(csv.bytes.split(|b| *b == b'\n').count(), all.len() + 2);
    let at = |second: i64| -> String {
        let begin: DateTime<Utc> = "2020-01-01T00:00:00Z".parse().unwrap();
        (begin + chrono::TimeDelta::seconds(second))
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    };
    let between = async |from, to| numbers(&format!("?from={}&to={}", at(from), at(to))).await;
    assert_eq!(between(7_000, 7_003).await, [7_000, 7_001, 7_002]);
    assert_eq!(between(-5, 3).await, [1, 2]);
    assert_eq!(between(20_002, 30_000).await, [20_002, 20_003]);
    assert_eq!(between(9, 9).await, Vec::<i64>::new());
    assert_eq!(numbers("?to=2020-01-01").await, Vec::<i64>::new());
    assert_eq!(numbers("?from=2020-01-02").await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_page_of_a_long_history_reads_no_more_than_one_of_a_short_one() {
    let bank = Bank::open().await;
    let (ann, bob) = (bank.person("ann", 0).await, bank.person("bob", 0).await);
    long_history(&bank.app, &ann.account, 100).await;
    long_history(&bank.app, &bob.account, 50_000).await;
    let mut db = bank.app.superuser().await;
    sqlx::raw_sql("ANALYZE").execute(&mut db).await.unwrap();
    let mut pages = Vec::new();
    let query = prepared("ORDER BY e.account_version DESC");
    for person in [&ann, &bob] {
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
            .bind(person.account.parse::<Uuid>().unwrap())
            .bind(i64::MAX)
            .bind(21_i64)
            .fetch_one(&mut db)
            .await
            .unwrap();
        let plan = &plan[0]["Plan"];
        pages.push(
            ["Shared Hit Blocks", "Shared Read Blocks"]
                .map(|kind| plan[kind].as_u64().unwrap())
                .iter()
                .sum::<u64>(),
        );
    }
    assert!(pages[1] <= pages[0] * 3 / 2, "{pages:?}");
}

#[rstest]
#[case("?from=yesterday", "from")]
#[case("?to=2026-13-01", "to")]
#[case("?from=2026-02-01&to=2026-01-01", "to")]
#[case("?format=pdf", "format")]
#[case("?from=-5000-01-01", "from")]
#[case("?from=0000-12-31", "from")]
#[case("?to=%2B10000-01-01", "to")]
#[case("?from=-5000-01-01T00:00:00Z", "from")]
#[case("?to=%2B262000-01-01T00:00:00Z", "to")]
#[tokio::test]
async fn a_bad_statement_is_refused_by_field(#[case] query: &str, #[case] field: &str) {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 0).await;
    let answer = statement(&bank, &ann, query).await;
    assert_eq!(answer.expect(StatusCode::BAD_REQUEST).pointers(), [field]);
}

#[tokio::test]
async fn a_statement_of_someone_else_is_not_there() {
    let bank = Bank::open().await;
    let (ann, eve) = (bank.person("ann", 1).await, bank.person("eve", 0).await);
    let path = format!("/v1/accounts/{}/statement", ann.account);
    let answer = bank.app.get(&path, Some(&eve.token)).await;
    assert_eq!(answer.expect(StatusCode::NOT_FOUND).code(), "not_found");
}

#[tokio::test]
async fn the_first_and_the_last_year_are_ones() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 1).await;
    let all = "?from=0001-01-01&to=9999-12-31T23:59:59Z";
    let all = statement(&bank, &ann, all).await.expect(StatusCode::OK);
    assert_eq!(all.json()["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_statement_to_the_end_has_what_another_replica_with_a_faster_clock_wrote() {
    let bank = Bank::open().await;
    let ann = bank.person("ann", 1).await;
    bank.app.advance(chrono::TimeDelta::seconds(-20));
    let all = statement(&bank, &ann, "").await.expect(StatusCode::OK);
    assert_eq!(all.json()["entries"].as_array().unwrap().len(), 1);
}
