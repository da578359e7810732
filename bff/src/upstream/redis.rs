use std::{io, sync::Arc, time::Duration};

use futures::FutureExt as _;
use platform::redis::Redis;
use redis::{
    Cmd, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio::ConnectionLike,
};

use super::{BreakerSettings, CallError, Deadline, Guard, Guards, Policy};

/// Redis, for one use: asked for a short time, and not at all while it doesn't
/// answer. Cloning shares the guard.
#[derive(Debug, Clone)]
pub struct GuardedRedis {
    redis: Redis,
    guard: Arc<Guard>,
    limit: Duration,
}

impl GuardedRedis {
    /// Guards one use, by whose name metrics are labelled: so many calls at once,
    /// each of which takes at most `limit`, after a wait for its turn.
    #[must_use]
    pub fn new(
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
            guard: Arc::new(guard),
            limit,
        }
    }

    /// Without the guard: for asking how the server is.
    pub(crate) fn unguarded(&self) -> &Redis {
        &self.redis
    }

    /// A key, behind the prefix of this installation.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
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
    ) -> RedisResult<T> {
        let mut redis = self.redis.hot();
        self.ask(deadline, command.query_async(&mut redis)).await
    }

    /// A connection for commands, scripts and pipelines of one round trip.
    pub(crate) fn hot(&self) -> GuardedConnection<'_> {
        GuardedConnection(self)
    }

    async fn ask<T>(
        &self,
        deadline: Deadline,
        work: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        let silence = |error: &RedisError| {
            let silent = error.is_io_error();
            silent.then(|| CallError::unavailable(error))
        };
        let answer = self.guard.ask(deadline, work, silence).await;
        answer.map_err(io::Error::other)?
    }
}

/// See [`GuardedRedis::hot`].
#[derive(Debug)]
pub(crate) struct GuardedConnection<'r>(&'r GuardedRedis);

impl ConnectionLike for GuardedConnection<'_> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut redis = self.0.redis.hot();
        let work = async move { redis.req_packed_command(command).await };
        self.0.ask(self.0.deadline(), work).boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let mut redis = self.0.redis.hot();
        let work = async move { redis.req_packed_commands(pipeline, offset, count).await };
        self.0.ask(self.0.deadline(), work).boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.redis.hot().get_db()
    }
}
