//! What the ledger needs done in the background: holds end when their time is
//! over, and the books are checked.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use platform::{
    clock::SharedClock,
    config::{Millis, Seconds},
    postgres,
    retry::now_and_then,
    shutdown::Lifetime,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::accounts::money::{self, Drift, Rule};

/// Reading the whole ledger takes less, or the server ends it.
const LONGEST: Duration = Duration::from_secs(45 * 60);

/// How often the ledger is looked after.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerSettings {
    /// How often holds whose time is over are looked for, in milliseconds.
    pub expire_holds_every_ms: Millis,
    /// How often the books are checked, in seconds.
    pub reconcile_every_s: Seconds,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            expire_holds_every_ms: Millis(1_000),
            reconcile_every_s: Seconds(24 * 3600),
        }
    }
}

/// Looks after the ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The accounts store.
    pub pool: PgPool,
    /// The same, where a statement may take the time to read all of it.
    pub patient: PgPool,
    /// The time.
    pub clock: SharedClock,
    /// How often.
    pub settings: LedgerSettings,
}

impl Ledger {
    /// Ends holds and checks the books until the process ends.
    pub async fn run(&self, lifetime: &Lifetime) {
        let holds = self.settings.expire_holds_every_ms;
        let books = self.settings.reconcile_every_s;
        tokio::join!(
            now_and_then("holds", holds.duration(), lifetime, || self
                .expire(lifetime)),
            now_and_then("reconciling", books.duration(), lifetime, || self
                .check(lifetime)),
        );
    }

    async fn expire(&self, lifetime: &Lifetime) -> anyhow::Result<()> {
        let expired = money::expire_holds(&self.pool, &*self.clock, lifetime).await?;
        metrics::counter!("holds_expired_total").increment(expired);
        Ok(())
    }

    async fn check(&self, lifetime: &Lifetime) -> anyhow::Result<()> {
        tokio::select! {
            () = lifetime.stopping() => {}
            drift = self.reconcile() => for drift in drift? {
                tracing::error!(%drift, "the books don't balance");
            }
        }
        Ok(())
    }

    /// Checks the books, and shows the outcome in the metrics.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn reconcile(&self) -> sqlx::Result<Vec<Drift>> {
        let began = Instant::now();
        let drift = postgres::bounded(LONGEST, money::reconcile(&self.patient)).await?;
        metrics::histogram!("ledger_reconcile_seconds").record(began.elapsed().as_secs_f64());
        metrics::gauge!("ledger_reconciled_at_seconds").set(self.clock.now().timestamp() as f64);
        for rule in Rule::ALL {
            let of_rule = drift.iter().find(|drift| drift.rule == rule);
            let total = of_rule.map_or(0, |drift| drift.total);
            metrics::gauge!("ledger_drift", "rule" => rule.as_str()).set(total as f64);
        }
        Ok(drift)
    }

    /// Checks the books, for an operator.
    ///
    /// # Errors
    /// When they don't balance, with where; when the store doesn't answer.
    pub async fn report(&self) -> anyhow::Result<String> {
        let drift = self.reconcile().await?;
        let mut text = String::new();
        for rule in Rule::ALL {
            let of_rule: Vec<&Drift> = drift.iter().filter(|drift| drift.rule == rule).collect();
            let total = of_rule.first().map_or(0, |drift| drift.total);
            writeln!(text, "{}: {total} wrong", rule.as_str())?;
            for drift in of_rule {
                writeln!(text, "  {drift}")?;
            }
        }
        anyhow::ensure!(drift.is_empty(), "the books don't balance\n{text}");
        Ok(text)
    }
}
