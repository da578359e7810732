use std::time::Duration;

use platform::redis::Redis;
use redis::{Cmd, FromRedisValue, RedisResult, aio::ConnectionManager};

use super::{BreakerSettings, CallError, Deadline, Guard, Guards, Policy};

/// Redis, for a use that has an answer without it: asked for a short time, and
/// not at all while it fails.
#[derive(Debug)]
pub(crate) struct GuardedRedis {
    redis: Redis,
    guard: Guard,
    limit: Duration,
}

impl GuardedRedis {
    /// Guards one use, by whose name metrics are labelled: so many calls at once,
    /// each of which takes at most `limit`, after a wait for its turn.
    pub(crate) fn new(
        name: &'static str,
        redis: Redis,
        limit: Duration,
        (concurrency, wait): (usize, Duration),
        breaker: &BreakerSettings,
        guards: &Guards,
    ) -> Self {
        let policy = Policy {
            concurrency,
            wait,
            retries: 0,
            hedge: false,
            patience: limit / 2,
        };
        let guard = Guard::new(["redis", name], policy, breaker, guards);
        Self {
            redis,
            guard,
            limit,
        }
    }

    /// A key, behind the prefix of this installation.
    pub(crate) fn key(&self, key: &str) -> String {
        self.redis.key(key)
    }

    /// By when a call that is made now is over, for a caller who has at least as
    /// much time.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::within(self.limit)
    }

    /// Whether Redis has failed too often to be relied on.
    pub(crate) fn is_away(&self) -> bool {
        !self.guard.is_closed()
    }

    /// Carries out a command.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        deadline: Deadline,
        command: &Cmd,
    ) -> Result<T, CallError> {
        let ask = |mut redis| async move { command.query_async(&mut redis).await };
        self.ask(deadline, ask).await
    }

    /// Asks something else than a command.
    pub(crate) async fn ask<T, F>(
        &self,
        deadline: Deadline,
        ask: impl Fn(ConnectionManager) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let call = || async { ask(self.redis.hot()).await.map_err(CallError::unavailable) };
        self.guard.call(deadline, call).await
    }
}
