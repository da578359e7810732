//! What a team might pick instead, with the calls of an uncached home screen: a
//! server in Node.js with Fastify, and nginx with Lua. Each is here when its
//! program is installed; otherwise it is known what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bff::upstream::AccountsSettings;
use platform::config::environment;

use super::{
    generator,
    process::{Process, free_address},
    report,
    stand::{HOME, Stand, Starter},
    subject::Subject,
    visitor::{Script, Visitor, get},
};

/// Where their files are.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/load/peers");

const WARM_UP: Duration = Duration::from_secs(5);

/// A peer that runs, or why it doesn't.
pub(crate) type Peer = Result<Process, String>;

#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) fastify: Peer,
    pub(crate) nginx: Peer,
    /// What answers each call over HTTP: nginx can make none of them, and
    /// Fastify has its tokens from there.
    pub(crate) parts: Process,
}

impl Peers {
    /// Starts those that can be, and makes sure that they answer what the edge
    /// answers.
    pub(crate) async fn start(stand: &Stand) -> anyhow::Result<Self> {
        report::progress("peers");
        let parts = stand.another_fan_out("parts").await?;
        let peers = Self {
            fastify: fastify(stand, &parts).await?,
            nginx: nginx(stand, &parts).await?,
            parts,
        };
        for peer in [&peers.fastify, &peers.nginx].into_iter().flatten() {
            compare(stand, peer).await?;
            warm_up(stand, peer).await?;
        }
        compare(stand, &stand.fan_out).await?;
        Ok(peers)
    }
}

async fn fastify(stand: &Stand, parts: &Process) -> anyhow::Result<Peer> {
    let (Some(node), Some(npm)) = (program("node"), program("npm")) else {
        return Ok(Err("node or npm isn't installed".to_owned()));
    };
    let directory = match installed(&npm)? {
        Ok(directory) => directory,
        Err(reason) => return Ok(Err(reason)),
    };
    for file in ["server.js", "upstream.js", "schema.js"] {
        fs::copy(
            Path::new(FILES).join("fastify").join(file),
            directory.join(file),
        )?;
    }
    let address = free_address()?;
    let connections = AccountsSettings::default().max_connections;
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let variables = [
        ("NODE_ENV", "production".to_owned()),
        ("PORT", address.port().to_string()),
        (
            "ACCOUNTS",
            stand.accounts.url_as("accounts_app").expose().to_string(),
        ),
        ("ORDERS", stand.orders.address.to_string()),
        ("TOKENS", format!("http://{}", parts.address)),
        ("PROTO", proto.to_owned()),
        ("CONNECTIONS", connections.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let mut command = Command::new(node);
    command.arg(directory.join("server.js"));
    let starter = Starter(&stand.directory);
    let started = starter.start("fastify", address, command, &variables);
    Ok(Ok(started.await?))
}

/// The directory where the packages of the lock file are: they are fetched once.
fn installed(npm: &Path) -> anyhow::Result<Result<PathBuf, String>> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fastify");
    let (source, done) = (
        Path::new(FILES).join("fastify"),
        directory.join("installed"),
    );
    let lock = fs::read(source.join("package-lock.json"))?;
    if fs::read(&done).is_ok_and(|of| of == lock) {
        return Ok(Ok(directory));
    }
    report::progress("npm ci");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), directory.join(file))?;
    }
    let output = Command::new(npm)
        .args([
            "ci",
            "--omit=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ])
        .current_dir(&directory)
        .output()
        .context("npm")?;
    if !output.status.success() {
        let mistakes = String::from_utf8_lossy(&output.stderr);
        return Ok(Err(format!("npm ci failed: {}", mistakes.trim())));
    }
    fs::write(&done, lock)?;
    Ok(Ok(directory))
}

async fn nginx(stand: &Stand, parts: &Process) -> anyhow::Result<Peer> {
    let Some(nginx) = program("nginx") else {
        return Ok(Err("nginx isn't installed".to_owned()));
    };
    let address = free_address()?;
    let directory = stand.directory.path();
    let configuration = fs::read_to_string(Path::new(FILES).join("nginx/nginx.conf"))?
        .replace("${DIRECTORY}", &directory.display().to_string())
        .replace("${PARTS}", &parts.address.to_string())
        .replace("${LISTEN}", &address.to_string());
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new(&nginx);
    command.args(["-e", "stderr", "-c"]).arg(&file);
    let mut check = Command::new(&nginx);
    let checked = check
        .args(["-t", "-e", "stderr", "-c"])
        .arg(&file)
        .output()?;
    if !checked.status.success() {
        let mistakes = String::from_utf8_lossy(&checked.stderr);
        let first = mistakes.lines().next().unwrap_or_default();
        return Ok(Err(format!("is libnginx-mod-http-lua installed? {first}")));
    }
    let starter = Starter(&stand.directory);
    Ok(Ok(starter.start("nginx", address, command, &[]).await?))
}

/// A program on the path, or where Debian keeps servers.
fn program(name: &str) -> Option<PathBuf> {
    let path = environment().remove("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// Node.js compiles what is used often, and takes its time; nobody would measure
/// it before.
async fn warm_up(stand: &Stand, peer: &Process) -> anyhow::Result<()> {
    let visitors = Subject::Fastify.visitors(stand, peer.address).await?;
    generator::closed(visitors, &[peer], 200, Duration::ZERO, WARM_UP).await?;
    Ok(())
}

/// Everyone's home screen, byte for byte: nothing in one that is made of live
/// parts differs from one time to the next.
async fn compare(stand: &Stand, peer: &Process) -> anyhow::Result<()> {
    for user in &stand.people.users {
        let ours = get(HOME, &[("authorization", &user.bearer())]);
        let mut edge = Visitor::connect(stand.uncached.address, Script::Same(ours)).await?;
        let theirs = get(&format!("/home/{}", user.id), &[]);
        let mut other = Visitor::connect(peer.address, Script::Same(theirs)).await?;
        let (edge, other) = (edge.ask().await?, other.ask().await?);
        ensure!(
            edge.status == 200 && other.status == 200 && edge.body == other.body,
            "a home screen differs: {}\n{}{}",
            String::from_utf8_lossy(edge.body),
            other.head,
            String::from_utf8_lossy(other.body),
        );
    }
    Ok(())
}
