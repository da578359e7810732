//! The program itself: its settings, its operations listener, its end.

use std::{collections::BTreeMap, net::SocketAddr, process::Stdio};

use orders_service::config::{PREFIX, Settings};
use platform::{clock::SystemClock, config, paseto::SigningKey, testing::Database};
use proto::orders::v1::ListItemsRequest;
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};
use tonic::transport::{Channel, Endpoint};

use crate::helpers::{
    Bearer, CAP, anonymous, database, eventually, settings, signing_key, until_something_waits,
    write_keys,
};
use proto::orders::v1::catalog_service_client::CatalogServiceClient;

/// The program, running.
struct Program {
    child: Child,
    grpc: SocketAddr,
    ops: SocketAddr,
    key: SigningKey,
    database: Database,
    _files: TempDir,
}

impl Program {
    async fn start() -> Self {
        let database = database().await;
        let files = tempfile::tempdir().unwrap();
        let key = signing_key();
        write_keys(&files, &[&key]);
        let settings = settings(&database, &files);
        let mut child = Command::new(env!("CARGO_BIN_EXE_orders-service"))
            .env_clear()
            .env("ORDERS_GRPC__LISTEN", "127.0.0.1:0")
            .env("ORDERS_OPS__LISTEN", "127.0.0.1:0")
            .env(
                "ORDERS_POSTGRES__URL",
                settings.postgres.url.expose().as_str(),
            )
            .env("ORDERS_POSTGRES__MAX_CONNECTIONS", "5")
            .env("ORDERS_NATS__URL", settings.nats.url.expose().as_str())
            .env("ORDERS_NATS__PREFIX", &settings.nats.prefix)
            .env(
                "ORDERS_TOKENS__PUBLIC_KEYS_FILE",
                &settings.tokens.public_keys_file,
            )
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (told, mut addresses) = mpsc::channel(2);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                if let Some(address) = line["address"].as_str() {
                    let told_by = line["message"].as_str().unwrap().to_owned();
                    let _ = told.send((told_by, address.parse().unwrap())).await;
                }
            }
        });
        let mut next = async || timeout(CAP, addresses.recv()).await.unwrap().unwrap();
        let told: BTreeMap<String, SocketAddr> = [next().await, next().await].into();
        let (grpc, ops) = (told["serving"], told["operations listener"]);
        Self {
            child,
            grpc,
            ops,
            key,
            database,
            _files: files,
        }
    }

    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.grpc))
            .unwrap()
            .connect_lazy()
    }

    /// The status line and the body of an answer of the operations listener.
    async fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.ops).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    fn anonymous(&self) -> String {
        anonymous(&self.key, &SystemClock)
    }

    fn terminate(&self) {
        platform::testing::terminate(self.child.id().expect("it runs"));
    }
}

#[tokio::test]
async fn the_program_drains_at_sigterm_and_fails_nothing_in_flight() {
    let mut program = Program::start().await;
    eventually("it is ready", async || {
        program.get("/readyz").await.0.contains("200")
    })
    .await;
    let mut catalog =
        CatalogServiceClient::with_interceptor(program.channel(), Bearer(program.anonymous()));
    catalog
        .list_items(ListItemsRequest::default())
        .await
        .unwrap();

    let superuser = program.database.superuser_url();
    let mut locking = sqlx::PgConnection::connect(superuser.expose().as_str())
        .await
        .unwrap();
    let mut lock = locking.begin().await.unwrap();
    lock.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let calling =
        tokio::spawn(async move { catalog.list_items(ListItemsRequest::default()).await });
    until_something_waits(&mut lock).await;
    program.terminate();
    eventually("it takes no new connection", async || {
        TcpStream::connect(program.grpc).await.is_err()
    })
    .await;
    let (status, report) = program.get("/readyz").await;
    assert!(
        status.contains("503") && report.contains("draining"),
        "{status} {report}"
    );
    lock.rollback().await.unwrap();
    calling
        .await
        .unwrap()
        .expect("what was in flight is answered");
    let end = timeout(CAP, program.child.wait())
        .await
        .expect("it ends")
        .unwrap();
    assert!(end.success(), "{end}");
}

#[tokio::test]
async fn metrics_count_calls_by_method_and_code_and_know_the_pool() {
    let program = Program::start().await;
    eventually("it is ready", async || {
        program.get("/readyz").await.0.contains("200")
    })
    .await;
    let mut catalog =
        CatalogServiceClient::with_interceptor(program.channel(), Bearer(program.anonymous()));
    catalog
        .list_items(ListItemsRequest::default())
        .await
        .unwrap();
    let _ = catalog.get_item(crate::helpers::missing_item()).await;
    let _ = CatalogServiceClient::new(program.channel())
        .get_item(crate::helpers::missing_item())
        .await;
    let (_, metrics) = program.get("/metrics").await;
    for line in [
        r#"grpc_requests_total{method="orders.v1.CatalogService/ListItems",code="Ok"} 1"#,
        r#"grpc_requests_total{method="orders.v1.CatalogService/GetItem",code="NotFound"} 1"#,
        r#"grpc_requests_total{method="orders.v1.CatalogService/GetItem",code="InvalidArgument"} 1"#,
        r#"grpc_request_duration_seconds_count{method="orders.v1.CatalogService/GetItem"} 2"#,
        r#"postgres_pool_connections{pool="orders",state="idle"}"#,
        r#"postgres_pool_waiting{pool="orders"}"#,
        r#"build_info{service="orders-service""#,
    ] {
        assert!(metrics.contains(line), "{line} isn't in\n{metrics}");
    }
    assert_eq!(program.get("/livez").await.0, "HTTP/1.0 200 OK");
}

#[tokio::test]
async fn a_bad_setting_stops_the_start_with_its_name() {
    for (name, value) in [
        ("ORDERS_GRPC__LISTEN", "nowhere"),
        ("ORDERS_GRPC__LISTE", "127.0.0.1:0"),
        ("ORDERS_SECRETS__PAGE_TOKEN_KEY", "c2hvcnQ="),
        ("ORDERS_CATALOGUE__DEFAULT_CURRENCY", "XXX"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_orders-service"))
            .env_clear()
            .env("ORDERS_GRPC__LISTEN", "127.0.0.1:0")
            .env("ORDERS_OPS__LISTEN", "127.0.0.1:0")
            .env(name, value)
            .output();
        let output = timeout(CAP, output)
            .await
            .expect("it stops by itself")
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains(name),
            "{name}={value}: {told}"
        );
    }
}

#[test]
fn every_default_setting_has_a_variable_of_its_own() {
    let names = config::variable_names(PREFIX, &Settings::default()).unwrap();
    for name in [
        "ORDERS_GRPC__LISTEN",
        "ORDERS_POSTGRES__URL",
        "ORDERS_SECRETS__PAGE_TOKEN_KEY",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
}
