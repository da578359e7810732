//! Two replicas behind nginx, restarted one after the other under load.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::{net::TcpListener, process::Command, time::timeout};

use crate::helpers::{TestApp, eventually};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx");
const REPLICAS: [&str; 2] = ["one", "two"];
const CLIENTS: usize = 8;

/// A port that was free a moment ago.
async fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Writes what starts a replica on the stores of a [`TestApp`], and returns its port.
async fn replica(app: &TestApp, folder: &Path) -> u16 {
    let (public, ops) = (port().await, port().await);
    let settings = &app.settings;
    let variables = [
        ("ENVIRONMENT", "development".to_owned()),
        ("HTTP__LISTEN", format!("127.0.0.1:{public}")),
        ("HTTP__DRAIN_DELAY_MS", "1500".into()),
        ("OPS__LISTEN", format!("127.0.0.1:{ops}")),
        ("POSTGRES__URL", settings.postgres.url.expose().to_string()),
        ("POSTGRES__MAX_CONNECTIONS", "4".into()),
        ("REDIS__URL", settings.redis.url.expose().to_string()),
        ("REDIS__PREFIX", settings.redis.prefix.clone()),
        ("NATS__URL", settings.nats.url.expose().to_string()),
        ("NATS__PREFIX", settings.nats.prefix.clone()),
        (
            "TOKENS__KEYS_FILE",
            settings.tokens.keys_file.display().to_string(),
        ),
        ("LIMITS__READ__PER_MINUTE", "1000000".into()),
        ("LIMITS__READ__BURST", "100000".into()),
        ("LIMITS__WRITE__PER_MINUTE", "1000000".into()),
        ("LIMITS__WRITE__BURST", "100000".into()),
    ];
    let variables = variables.map(|(name, value)| format!("BFF_{name}='{value}'"));
    let program = env!("CARGO_BIN_EXE_bff");
    let script = format!(
        "#!/bin/sh\nexec env -i {} {program} serve\n",
        variables.join(" ")
    );
    fs::create_dir(folder).unwrap();
    let run = folder.join("run");
    fs::write(&run, script).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("ops-port"), ops.to_string()).unwrap();
    public
}

/// nginx with our configuration, on other ports.
async fn nginx(folder: &Path, replicas: [u16; 2]) -> String {
    let listen = port().await;
    let ours = fs::read_to_string(format!("{DEPLOY}/portico.conf")).unwrap();
    let mut moved = ours.clone();
    for (from, to) in [
        ("127.0.0.1:8080", format!("127.0.0.1:{}", replicas[0])),
        ("127.0.0.1:8081", format!("127.0.0.1:{}", replicas[1])),
        ("listen 8000", format!("listen 127.0.0.1:{listen}")),
    ] {
        assert!(moved.contains(from), "{from}");
        moved = moved.replace(from, &to);
    }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display()))
        .join("\n");
    let whole = format!(
        "user root;\npid {0}/nginx.pid;\nerror_log {0}/nginx.log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}\n{moved}\n}}\n",
        folder.display()
    );
    let configuration = folder.join("nginx.conf");
    fs::write(&configuration, whole).unwrap();
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/sbin/nginx"];
    let program = program.into_iter().find(|path| Path::new(path).exists());
    let started = Command::new(program.unwrap_or("nginx"))
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&configuration)
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(started.success());
    format!("http://127.0.0.1:{listen}")
}

async fn rolling_restart(folder: &Path) {
    let mut command = Command::new(format!("{DEPLOY}/rolling-restart"));
    command.arg(folder).args(REPLICAS).kill_on_drop(true);
    let done = timeout(Duration::from_secs(90), command.output()).await;
    let done = done.expect("in time").unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.is_empty(), "{said}");
}

/// Ends what the script started, and nginx, by the ids that they noted.
struct Started(PathBuf);

impl Started {
    fn ids(&self) -> Vec<u32> {
        let note = |name| fs::read_to_string(self.0.join(name).join("pid"));
        let notes = REPLICAS.into_iter().filter_map(|name| note(name).ok());
        notes
            .filter_map(|note| note.split(' ').next()?.parse().ok())
            .collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let nginx = fs::read_to_string(self.0.join("nginx.pid"));
        let nginx = nginx.ok().and_then(|id| id.trim().parse().ok());
        for id in self.ids().into_iter().chain(nginx) {
            platform::testing::terminate(id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_behind_nginx_are_restarted_under_load_and_no_request_fails() {
    let app = TestApp::start().await;
    let ann = app.signed_in("ann@example.com").await.access;
    let cookie = app.cookie("ann@example.com").await;
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let ports = [
        replica(&app, &folder.join(REPLICAS[0])).await,
        replica(&app, &folder.join(REPLICAS[1])).await,
    ];
    let started = Started(folder.to_owned());
    rolling_restart(folder).await;
    let before = started.ids();
    let url = nginx(folder, ports).await;
    let request = |method: Method, path: &str| app.client.request(method, format!("{url}{path}"));
    eventually("nginx answers", async || {
        let answer = request(Method::GET, "/problems").send().await;
        answer
            .ok()
            .filter(|answer| answer.status() == StatusCode::OK)
    })
    .await;

    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let visit = async |number: usize| {
        let mut faults = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let by_token = request(Method::GET, "/v1/me").bearer_auth(&ann);
            let by_cookie = request(Method::GET, "/v1/me").header("cookie", &cookie);
            let change = json!({ "full_name": format!("Ann {number}") });
            let change = request(Method::PATCH, "/v1/me")
                .bearer_auth(&ann)
                .json(&change);
            for request in [by_token, by_cookie, change] {
                match request.send().await {
                    Ok(answer) if answer.status() == StatusCode::OK => {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(answer) => faults.push(answer.status().to_string()),
                    Err(error) => faults.push(format!("{error:?}")),
                }
            }
        }
        faults
    };
    let restart = async {
        rolling_restart(folder).await;
        over.store(true, Ordering::Relaxed);
    };
    let (faults, ()) = tokio::join!(join_all((0..CLIENTS).map(visit)), restart);
    let faults = faults.concat();
    let log = fs::read_to_string(folder.join("nginx.log")).unwrap();
    // Refused connections are what a restart is made of.
    let log = log.lines().filter(|line| !line.contains("refused"));
    let log: Vec<&str> = log.take(5).collect();
    assert_eq!(
        faults.first(),
        None,
        "{} failed; nginx: {log:#?}",
        faults.len()
    );
    assert!(answered.load(Ordering::Relaxed) > 100, "{answered:?}");
    let after = started.ids();
    assert_eq!(after.len(), 2);
    assert!(before.iter().all(|id| !after.contains(id)), "both are new");
}
