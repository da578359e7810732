//! Connections to Redis: one multiplexed connection for short commands and
//! scripts, and a pool for what must own a connection: asking how the server is.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use deadpool_redis::{Pool, PoolError, Runtime};
use redis::{
    Client, IntoConnectionInfo as _, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use crate::{
    config::{Millis, ServerUrl},
    shutdown::Lifetime,
};

/// How often the connection is looked at, and how often in a row it may be silent.
const LOOK: Duration = Duration::from_secs(1);
const SILENT: u32 = 3;

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
    hot: Arc<ArcSwap<ConnectionManager>>,
    connect: Arc<Connect>,
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
        // Nothing waits to be sent together with what comes next.
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(tcp))?;
        let connect = Connect { client, config };
        let pool = deadpool_redis::Config::from_url(url)
            .builder()?
            .max_size(settings.pool_size)
            .wait_timeout(Some(settings.response_timeout_ms.duration()))
            .create_timeout(Some(settings.connect_timeout_ms.duration()))
            .recycle_timeout(Some(settings.response_timeout_ms.duration()))
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self {
            hot: Arc::new(ArcSwap::from_pointee(connect.lazily()?)),
            connect: Arc::new(connect),
            pool,
            prefix: settings.prefix.clone(),
            response_timeout: settings.response_timeout_ms.duration(),
        })
    }

    /// The multiplexed connection: for reads, writes and scripts that are done
    /// in one round trip.
    #[must_use]
    pub fn hot(&self) -> ConnectionManager {
        ConnectionManager::clone(&self.hot.load())
    }

    /// Until the process ends, connects anew when the connection is silent and the
    /// server answers over others: the server's machine was replaced, or something
    /// on the way has forgotten the connection. The client itself connects anew when
    /// a connection breaks, and not when nothing comes over it.
    pub async fn watch(self, lifetime: Lifetime) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = 0;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = lifetime.stopping() => return,
            }
            let answer: RedisResult<()> = redis::cmd("PING").query_async(&mut self.hot()).await;
            silent = match answer {
                Err(error) if error.is_timeout() => silent + 1,
                _ => 0,
            };
            if silent < SILENT || self.ping().await.is_err() {
                continue;
            }
            match self.connect.lazily() {
                Ok(hot) => {
                    tracing::warn!("the connection to Redis is silent: connecting anew");
                    self.hot.store(Arc::new(hot));
                    silent = 0;
                }
                Err(error) => tracing::error!(%error, "Redis can't be connected to"),
            }
        }
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

/// What a connection is made with.
struct Connect {
    client: Client,
    config: ConnectionManagerConfig,
}

impl Connect {
    fn lazily(&self) -> RedisResult<ConnectionManager> {
        ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone())
    }
}
