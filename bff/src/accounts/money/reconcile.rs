use std::fmt;

use rust_decimal::Decimal;
use sqlx::PgExecutor;
use uuid::Uuid;

/// Findings of one kind that a report lists; all are counted.
const LISTED: i64 = 100;

/// A rule of the ledger that the database's own constraints keep, and that
/// reconciling looks after nevertheless: against whoever gets around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Rule {
    /// An account's balance is the sum of its entries, none missing.
    Balance,
    /// What is held in an account is the sum of its open holds.
    Held,
    /// The entries of a transfer are two, and bring there what they take here.
    Transfer,
    /// What the world owes is what everyone else has, in each currency.
    World,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Balance, Self::Held, Self::Transfer, Self::World];

    /// As it stands in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Held => "held",
            Self::Transfer => "transfer",
            Self::World => "world",
        }
    }
}

/// Where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The rule.
    pub rule: Rule,
    /// The account or transfer; none where it is a whole currency.
    pub id: Option<Uuid>,
    /// ISO 4217; none for a transfer that is missing.
    pub currency: Option<String>,
    /// What the rule asks for.
    pub expected: Decimal,
    /// What there is.
    pub found: Decimal,
    /// How often the rule is broken in all.
    pub total: i64,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.as_str();
        let currency = self.currency.as_deref().unwrap_or("?");
        match self.id {
            Some(id) => write!(f, "{rule} of {id}")?,
            None => f.write_str(rule)?,
        }
        write!(
            f,
            ": {} {currency} instead of {}",
            self.found, self.expected
        )
    }
}

/// Compares everything with everything, in one snapshot. It reads the whole
/// ledger: the connection has to be one that may take its time.
///
/// # Errors
/// When the store doesn't answer.
pub async fn reconcile(executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<Drift>> {
    sqlx::query_as!(
        Drift,
        r#"WITH drift AS (
               SELECT 'balance' AS rule, a.id, a.currency, COALESCE(e.sum, 0) AS expected, a.balance AS found
               FROM accounts a LEFT JOIN (
                   SELECT account_id, sum(amount), max(account_version) AS last, count(*) FROM entries
                   GROUP BY account_id) e ON e.account_id = a.id
               WHERE a.balance <> COALESCE(e.sum, 0)
                  OR (a.version, a.version) <> (COALESCE(e.last, 0), COALESCE(e.count, 0))
               UNION ALL
               SELECT 'held', a.id, a.currency, COALESCE(h.sum, 0), a.held
               FROM accounts a LEFT JOIN (
                   SELECT account_id, sum(amount) FROM holds WHERE state = 'held'
                   GROUP BY account_id) h ON h.account_id = a.id
               WHERE a.held <> COALESCE(h.sum, 0)
               UNION ALL
               SELECT 'transfer', COALESCE(t.id, e.transfer_id), t.currency,
                      COALESCE(t.amount, 0), COALESCE(e.arrived, 0)
               FROM transfers t FULL JOIN (
                   SELECT transfer_id, count(*), sum(amount),
                          sum(amount) FILTER (WHERE amount > 0) AS arrived
                   FROM entries GROUP BY transfer_id) e ON e.transfer_id = t.id
               WHERE (t.amount, 0, 2) IS DISTINCT FROM (e.arrived, e.sum, e.count)
               UNION ALL
               SELECT 'world', NULL, currency,
                      -COALESCE(sum(balance) FILTER (WHERE kind <> 'world'), 0),
                      COALESCE(sum(balance) FILTER (WHERE kind = 'world'), 0)
               FROM accounts GROUP BY currency HAVING sum(balance) <> 0),
           numbered AS (
               SELECT *, row_number() OVER (PARTITION BY rule ORDER BY id) AS number,
                      count(*) OVER (PARTITION BY rule) AS total
               FROM drift)
           SELECT rule AS "rule!: Rule", id, currency, expected AS "expected!", found AS "found!", total AS "total!"
           FROM numbered WHERE number <= $1 ORDER BY rule, number"#,
        LISTED,
    )
    .fetch_all(executor)
    .await
}
