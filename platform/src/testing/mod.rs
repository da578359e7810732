//! Support for tests: clocks, servers, databases.
//!
//! `make test` starts one PostgreSQL, one Redis and one NATS and names them in
//! `TEST_POSTGRES_URL` (a superuser's), `TEST_REDIS_URL` and `TEST_NATS_URL`.
//! Each test has its own databases, key prefix and subjects on them, so tests
//! run side by side. A test that does something to a server has a [`Server`].

mod clock;
mod database;
mod eventually;
mod process;
mod proxy;
mod server;

pub use clock::ManualClock;
pub use database::Database;
pub use eventually::{Condition, eventually, within};
pub use process::terminate;
pub use proxy::{Fault, Loss, Proxy};
pub use server::Server;

use crate::{
    config::ServerUrl,
    nats::{Nats, Stream},
    shutdown::Lifetime,
};

/// The shared PostgreSQL, as its superuser.
#[must_use]
pub fn postgres_url() -> ServerUrl {
    server_url("TEST_POSTGRES_URL")
}

/// The shared Redis.
#[must_use]
pub fn redis_url() -> ServerUrl {
    server_url("TEST_REDIS_URL")
}

/// The shared NATS server.
#[must_use]
pub fn nats_url() -> ServerUrl {
    server_url("TEST_NATS_URL")
}

/// A short name that no other test uses: for key prefixes, subjects, databases.
#[must_use]
pub fn unique_name() -> String {
    format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// Ends what a test started, and clears its corner of the shared NATS server.
///
/// # Panics
/// When something doesn't end.
pub async fn finish(lifetime: &Lifetime, nats: &Nats) {
    let ended = lifetime.finish(std::time::Duration::from_secs(60)).await;
    assert!(ended, "something didn't end");
    for stream in Stream::ALL {
        // One that was never made needs no deleting.
        let name = nats.stream_name(stream);
        let _ = nats.jetstream().delete_stream(name).await;
    }
}

fn server_url(variable: &str) -> ServerUrl {
    let environment = crate::config::environment();
    let text = environment
        .get(variable)
        .unwrap_or_else(|| panic!("{variable} isn't set: run the tests with `make test`"));
    text.parse()
        .unwrap_or_else(|error| panic!("{variable}: {error}"))
}
