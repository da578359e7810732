//! The edge and its worker, as they run in production, behind ways that break.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;
use platform::{
    config::ServerUrl,
    testing::{Database, Proxy, Server},
};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::{
    edge::Person,
    process::{Process, free_address},
    schedule::Ways,
    settings::Surroundings,
    stores, users,
};

#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) edge: Process,
    pub(crate) ways: Ways,
    pub(crate) people: Vec<Person>,
    accounts: Database,
    _behind: [Process; 2],
    operations: String,
    _directory: TempDir,
    _servers: [Server; 3],
}

impl Stand {
    /// Starts everything, with so many people who can sign in, of whom the first
    /// is an admin.
    pub(crate) async fn start(count: usize, seed: u64) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (postgres, redis, nats) =
            tokio::join!(Server::postgres(), Server::redis(), Server::nats());
        let [accounts, orders] = stores::filled(&postgres).await?;
        let (keys, public_keys) = stores::key_files(&directory)?;
        let orders_address = free_address()?;
        let orders_url: ServerUrl = format!("http://{orders_address}").parse()?;
        let ways = Ways {
            postgres: Proxy::seeded(&accounts.url_as("accounts_app"), seed),
            redis: Proxy::seeded(&redis.url(), seed),
            nats: Proxy::seeded(&nats.url(), seed),
            orders: Proxy::seeded(&orders_url, seed),
        };
        let around = Surroundings {
            accounts: &accounts,
            orders: &orders,
            redis: redis.url(),
            nats: nats.url(),
            orders_address,
            keys: &keys,
            public_keys: &public_keys,
            directory: directory.path(),
        };
        let path = directory.path();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("orders");
        let orders = start(
            "orders",
            orders_address,
            command,
            &around.of_orders()?,
            path,
        )
        .await?;

        let (address, operations) = (free_address()?, free_address()?);
        let mut variables = around.of_edge(address, true)?;
        let through = [
            ("BFF_POSTGRES__URL", ways.postgres.url()),
            ("BFF_REDIS__URL", ways.redis.url()),
            ("BFF_NATS__URL", ways.nats.url()),
            ("BFF_ORDERS__URL", ways.orders.url()),
        ];
        // The last of a name counts.
        variables
            .extend(through.map(|(name, url)| (name.to_owned(), url.expose().as_str().to_owned())));
        for (name, value) in [
            ("BFF_OPS__LISTEN", operations.to_string()),
            ("BFF_SESSIONS__MAX_PER_USER", "100000".into()),
            ("BFF_TELEMETRY__LOG_FILTER", "error".into()),
        ] {
            variables.push((name.to_owned(), value));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.arg("serve");
        let edge = start("edge", address, command, &variables, path).await?;
        let listen = free_address()?;
        variables.push(("BFF_WORKER__LISTEN".into(), listen.to_string()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.arg("worker");
        let worker = start("worker", listen, command, &variables, path).await?;

        let mut people = users::prepare(&accounts, edge.address, count).await?.others;
        people.truncate(count);
        let people: Vec<_> = people
            .into_iter()
            .map(|person| Person {
                id: person.id,
                email: person.email,
            })
            .collect();
        let stand = Self {
            edge,
            ways,
            people,
            accounts,
            _behind: [worker, orders],
            operations: format!("http://{operations}/metrics"),
            _directory: directory,
            _servers: [postgres, redis, nats],
        };
        sqlx::query("UPDATE users SET role = 'admin' WHERE id = $1")
            .bind(stand.people[0].id)
            .execute(&mut stand.database().await?)
            .await?;
        Ok(stand)
    }

    /// The accounts store, as its superuser and by no proxy.
    pub(crate) async fn database(&self) -> anyhow::Result<PgConnection> {
        let url = self.accounts.superuser_url();
        Ok(PgConnection::connect(url.expose().as_str()).await?)
    }

    /// What the edge tells of itself.
    pub(crate) async fn metrics(&self, http: &reqwest::Client) -> anyhow::Result<String> {
        Ok(http.get(&self.operations).send().await?.text().await?)
    }

    /// Files and sockets that the edge has open.
    pub(crate) fn open_files(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.edge.id()))?.count())
    }

    /// What the processes had to say.
    pub(crate) fn logs(&self) -> anyhow::Result<String> {
        let mut all = String::new();
        for name in ["edge.log", "worker.log", "orders.log"] {
            let path = self._directory.path().join(name);
            all += &fs::read_to_string(&path).context(name)?;
        }
        Ok(all)
    }
}

async fn start(
    name: &'static str,
    address: std::net::SocketAddr,
    command: Command,
    variables: &[(String, String)],
    directory: &Path,
) -> anyhow::Result<Process> {
    let mut process = Process::start(name, address, command, variables, directory)?;
    process.ready(directory).await?;
    Ok(process)
}
