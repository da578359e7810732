//! The edge and its worker, as they run in production, behind ways that break, and
//! the orders service.

use std::{fs, net::SocketAddr, process::Command};

use anyhow::Context as _;
use futures::future::try_join_all;
use platform::{
    config::ServerUrl,
    testing::{Database, Proxy, Server},
};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::{
    edge::Person, process::free_address, program::Program, rest::Told, schedule::Ways,
    settings::Surroundings, stores, users,
};

#[derive(Debug)]
pub(crate) struct Stand {
    /// The edge first.
    pub(crate) programs: [Program; 3],
    pub(crate) ways: Ways,
    pub(crate) people: Vec<Person>,
    accounts: Database,
    directory: TempDir,
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
        let operations = free_address()?;
        let mut variables = around.of_orders()?;
        // The last of a name counts.
        variables.push(("ORDERS_OPS__LISTEN".into(), operations.to_string()));
        let addresses = [orders_address, operations];
        let orders = Program::start("orders", command, &variables, addresses, path).await?;

        let (address, operations) = (free_address()?, free_address()?);
        let mut variables = around.of_edge(address, true)?;
        let through = [
            ("BFF_POSTGRES__URL", ways.postgres.url()),
            ("BFF_REDIS__URL", ways.redis.url()),
            ("BFF_NATS__URL", ways.nats.url()),
            ("BFF_ORDERS__URL", ways.orders.url()),
        ];
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
        let addresses = [address, operations];
        let edge = Program::start("edge", command, &variables, addresses, path).await?;
        let listen = free_address()?;
        variables.push(("BFF_WORKER__LISTEN".into(), listen.to_string()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bff"));
        command.arg("worker");
        let addresses = [listen; 2];
        let worker = Program::start("worker", command, &variables, addresses, path).await?;

        let mut people = users::prepare(&accounts, address, count).await?.others;
        people.truncate(count);
        let people: Vec<_> = people
            .into_iter()
            .map(|person| Person {
                id: person.id,
                email: person.email,
            })
            .collect();
        let stand = Self {
            programs: [edge, worker, orders],
            ways,
            people,
            accounts,
            directory,
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

    /// Where the edge listens to guests.
    pub(crate) const fn address(&self) -> SocketAddr {
        let [edge, ..] = &self.programs;
        edge.address()
    }

    /// What each program tells of itself.
    pub(crate) async fn metrics(&self, http: &reqwest::Client) -> anyhow::Result<Vec<Told>> {
        let told = async |program: &Program| Ok((program.name, program.metrics(http).await?));
        try_join_all(self.programs.iter().map(told)).await
    }

    /// Files and sockets that each program has open.
    pub(crate) fn open_files(&self) -> anyhow::Result<Vec<usize>> {
        self.programs.iter().map(Program::open_files).collect()
    }

    /// What the processes had to say.
    pub(crate) fn logs(&self) -> anyhow::Result<String> {
        let mut all = String::new();
        for Program { name, .. } in &self.programs {
            let path = self.directory.path().join(name).with_extension("log");
            all += &fs::read_to_string(&path).context(*name)?;
        }
        Ok(all)
    }
}
