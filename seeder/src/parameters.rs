use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

/// What decides every row: the same parameters make the same data.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Parameters {
    /// Where chance begins; another seed makes other data
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// People, the demo user among them
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub users: u32,
    /// Books in the catalogue
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items: u32,
    /// Orders of all users together
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub orders: u32,
    /// The instant that the data ends at; orders go back a year from it
    #[arg(long, default_value = "2026-11-20T00:00:00Z")]
    pub as_of: DateTime<Utc>,
    /// Whether the first person is the demo user, who can sign in.
    #[arg(skip = true)]
    pub demo_user: bool,
}

impl fmt::Display for Parameters {
    /// As they stand on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--seed {} --users {} --items {} --orders {} --as-of {} --demo-user {}",
            self.seed,
            self.users,
            self.items,
            self.orders,
            self.as_of.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            if self.demo_user { "yes" } else { "no" },
        )
    }
}
