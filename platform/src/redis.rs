//! Connections to Redis: one multiplexed connection for short commands and
//! scripts, and a pool for what must own a connection: asking how the server is.

use std::time::Duration;

use deadpool_redis::{Pool, PoolError, Runtime};
use redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use serde::{Deserialize, Serialize};

use crate::config::{Millis, ServerUrl};

/// Settings of Redis.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port[/database]`
    pub url: ServerUrl,
    /// Stands before every key, so that several systems can share a server.
    pub prefix: String,
    /// How long a command may take, in milliseconds.
    pub response_timeout_ms: Millis,
    /// How long connecting may take, in milliseconds.
    pub connect_timeout_ms: Millis,
    /// Connections of the pool, beside the one that everything goes over.
    pub pool_size: usize,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: ServerUrl::literal("redis://127.0.0.1:6379"),
            prefix: "portico".into(),
            response_timeout_ms: Millis(250),
            connect_timeout_ms: Millis(500),
            pool_size: 2,
        }
    }
}

/// Redis, as the program uses it. Cloning shares the connections.
#[derive(Clone)]
pub struct Redis {
    hot: ConnectionManager,
    pool: Pool,
    prefix: String,
    response_timeout: Duration,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Prepares the connections. Nothing is connected before the first use, so
    /// that the program starts without the server.
    ///
    /// # Errors
    /// When the URL isn't one of Redis.
    pub fn new(settings: &RedisSettings) -> anyhow::Result<Self> {
        let url = settings.url.expose().as_str();
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(settings.response_timeout_ms.duration()))
            .set_connection_timeout(Some(settings.connect_timeout_ms.duration()))
            .set_number_of_retries(0)
            .set_max_delay(Duration::from_secs(1));
        let hot = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        let pool = deadpool_redis::Config::from_url(url)
            .builder()?
            .max_size(settings.pool_size)
            .wait_timeout(Some(settings.response_timeout_ms.duration()))
            .create_timeout(Some(settings.connect_timeout_ms.duration()))
            .recycle_timeout(Some(settings.response_timeout_ms.duration()))
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self {
            hot,
            pool,
            prefix: settings.prefix.clone(),
            response_timeout: settings.response_timeout_ms.duration(),
        })
    }

    /// The multiplexed connection: for reads, writes and scripts that are done
    /// in one round trip.
    #[must_use]
    pub fn hot(&self) -> ConnectionManager {
        self.hot.clone()
    }

    /// How long a command may take.
    #[must_use]
    pub const fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// `{prefix}:{name}`
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Whether the server answers over a connection of the pool: what waits on the
    /// multiplexed one doesn't count, nor what it believes about the server.
    ///
    /// # Errors
    /// When it doesn't, in time.
    pub async fn ping(&self) -> Result<(), PoolError> {
        let mut connection = self.pool.get().await?;
        Ok(redis::cmd("PING").query_async(&mut connection).await?)
    }
}
