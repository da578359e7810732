//! Everything that is measured, running: private servers, filled databases, the
//! orders service, the edge with its cache and without, and both references.

use std::{fs, net::SocketAddr, process::Command};

use anyhow::{Context as _, ensure};
use platform::testing::{Database, Server};
use tempfile::TempDir;

use super::{
    process::{Process, free_address},
    settings::Surroundings,
    stores,
    users::{self, People, User},
    visitor::{Script, Visitor, get},
};

/// The path of the home screen.
pub(crate) const HOME: &str = "/v1/screens/home";

#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) floor: Process,
    pub(crate) fan_out: Process,
    pub(crate) orders: Process,
    pub(crate) cached: Process,
    pub(crate) uncached: Process,
    /// An edge that has streams to keep open and nothing else to do.
    pub(crate) streaming: Process,
    pub(crate) people: People,
    pub(crate) accounts: Database,
    /// An item that is in the catalogue.
    pub(crate) item: uuid::Uuid,
    /// How long the floor's answer is, in bytes.
    pub(crate) home_bytes: usize,
    /// Memory of an edge that nobody has asked anything, in bytes.
    pub(crate) idle_memory: u64,
    pub(crate) directory: TempDir,
    servers: [Server; 3],
}

impl Stand {
    pub(crate) async fn start(connections: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (postgres, redis, nats) =
            tokio::join!(Server::postgres(), Server::redis(), Server::nats());
        let [accounts, orders] = stores::filled(&postgres).await?;
        let (keys, public_keys) = stores::key_files(&directory)?;
        let around = Surroundings {
            accounts: &accounts,
            orders: &orders,
            redis: redis.url(),
            nats: nats.url(),
            orders_address: free_address()?,
            keys: &keys,
            public_keys: &public_keys,
            directory: directory.path(),
        };
        let starter = Starter(&directory);
        let itself = std::env::current_exe()?;

        let mut command = Command::new(&itself);
        command.arg("orders");
        let address = around.orders_address;
        let orders_service = starter
            .start("orders", address, command, &around.of_orders()?)
            .await?;
        let cached = starter.edge("cached", &around, true).await?;
        let streaming = starter.edge("streaming", &around, true).await?;
        let uncached = starter.edge("uncached", &around, false).await?;
        let idle_memory = cached.memory()?.now;

        let people = users::prepare(&accounts, cached.address, connections).await?;
        let home = usual_home(&cached, &people.users).await?;
        let body = directory.path().join("home.json");
        fs::write(&body, &home)?;

        let address = free_address()?;
        let mut command = Command::new(&itself);
        command
            .arg("floor")
            .arg(address.port().to_string())
            .arg(&body);
        let floor = starter.start("floor", address, command, &[]).await?;

        let servers = [postgres, redis, nats];
        let orders_address = around.orders_address;
        let fan_out = fan_out("fan-out", &directory, &servers, &accounts, orders_address).await?;

        Ok(Self {
            floor,
            fan_out,
            orders: orders_service,
            cached,
            uncached,
            streaming,
            people,
            accounts: accounts.clone(),
            item: any_item(&orders).await?,
            home_bytes: home.len(),
            idle_memory,
            directory,
            servers,
        })
    }

    /// Redis, to do something to it.
    pub(crate) const fn redis(&self) -> &Server {
        let [_, redis, _] = &self.servers;
        redis
    }

    /// One more fan-out, in a process of its own.
    pub(crate) async fn another_fan_out(&self, name: &'static str) -> anyhow::Result<Process> {
        let orders = self.orders.address;
        fan_out(name, &self.directory, &self.servers, &self.accounts, orders).await
    }
}

async fn fan_out(
    name: &'static str,
    directory: &TempDir,
    [_, redis, nats]: &[Server; 3],
    accounts: &Database,
    orders: SocketAddr,
) -> anyhow::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("fan-out")
        .arg(address.port().to_string())
        .arg(accounts.url_as("accounts_app").expose().as_str())
        .arg(format!("http://{orders}"))
        .arg(directory.path().join(stores::KEYS))
        .arg(redis.url().expose().as_str())
        .arg(nats.url().expose().as_str());
    Starter(directory).start(name, address, command, &[]).await
}

pub(crate) struct Starter<'a>(pub(crate) &'a TempDir);

impl Starter<'_> {
    pub(crate) async fn start(
        &self,
        name: &'static str,
        address: SocketAddr,
        command: Command,
        variables: &[(String, String)],
    ) -> anyhow::Result<Process> {
        let directory = self.0.path();
        let mut process = Process::start(name, address, command, variables, directory)?;
        process.ready(directory).await?;
        Ok(process)
    }

    async fn edge(
        &self,
        name: &'static str,
        around: &Surroundings<'_>,
        cached: bool,
    ) -> anyhow::Result<Process> {
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.arg("serve");
        let variables = around.of_edge(address, cached)?;
        self.start(name, address, command, &variables).await
    }
}

/// The home screen whose length is the median of everyone's. It is asked for
/// twice, so that it comes from memory.
async fn usual_home(edge: &Process, users: &[User]) -> anyhow::Result<Vec<u8>> {
    let mut homes = Vec::with_capacity(users.len());
    for user in users {
        let request = get(HOME, &[("authorization", &user.bearer())]);
        let mut visitor = Visitor::connect(edge.address, Script::Same(request)).await?;
        visitor.ask().await?;
        let answer = visitor.ask().await?;
        let home = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200, "{}{home}", answer.head);
        ensure!(home.ends_with("\"complete\":true}"), "{home}");
        homes.push(answer.body.to_vec());
    }
    homes.sort_by_key(Vec::len);
    Ok(homes.swap_remove(homes.len() / 2))
}

async fn any_item(orders: &Database) -> anyhow::Result<uuid::Uuid> {
    use sqlx::Connection as _;

    let url = orders.superuser_url();
    let mut database = sqlx::PgConnection::connect(url.expose().as_str()).await?;
    let item = sqlx::query_scalar("SELECT id FROM items ORDER BY id LIMIT 1")
        .fetch_optional(&mut database)
        .await?;
    database.close().await?;
    item.context("no item was seeded")
}
