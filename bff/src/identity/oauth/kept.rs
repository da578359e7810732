use std::sync::Arc;

use chrono::TimeDelta;
use platform::clock::SharedClock;
use tokio::sync::Mutex;

use super::Failure;
use crate::upstream::Deadline;

/// One document of a provider, kept while it is good. One caller fetches it; the
/// others wait.
#[derive(Debug)]
pub(super) struct Kept<T> {
    clock: SharedClock,
    /// With the instant at which it was fetched, in milliseconds since the epoch.
    value: Mutex<Option<(i64, Arc<T>)>>,
}

impl<T> Kept<T> {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            value: Mutex::new(None),
        }
    }

    /// The document, fetched anew unless `is_good` at its age.
    ///
    /// # Errors
    /// Those of `fetch`; when it takes longer than the deadline.
    pub(super) async fn get(
        &self,
        deadline: Deadline,
        is_good: impl FnOnce(&T, TimeDelta) -> bool,
        fetch: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Arc<T>, Failure> {
        let mut value = deadline
            .limit(async { Ok(self.value.lock().await) })
            .await?;
        let now = self.clock.now_ms();
        if let Some((fetched, value)) = &*value
            && is_good(value, TimeDelta::milliseconds(now - fetched))
        {
            return Ok(value.clone());
        }
        let fetched = Arc::new(fetch.await?);
        *value = Some((now, fetched.clone()));
        Ok(fetched)
    }
}
