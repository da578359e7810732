use platform::config::ServerUrl;
use serde::{Deserialize, Serialize};

/// Explains every variable under `--help`.
pub(crate) const HELP: &str = "\
Variables, all optional (URLs also as NAME_FILE, which names a file that holds the value):
  SEEDER_ACCOUNTS__URL  the accounts database, as the owner of its schema
                        [default: postgres://localhost:5432/accounts]
  SEEDER_ORDERS__URL    the orders database, as the owner of its schema
                        [default: postgres://localhost:5432/orders]
  SEEDER_ENVIRONMENT    development or production; in production the demo user
                        isn't made unless asked for [default: development]
  SEEDER_CONFIG         a TOML file with the same settings; variables win

Exit codes:
  0  filled, or was filled with the same parameters before
  1  anything else that failed; nothing is left half done
  2  the command line or a variable can't be used
  3  a database was filled with other parameters before";

/// Settings of the seeder.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) accounts: StoreSettings,
    pub(crate) orders: StoreSettings,
    pub(crate) environment: Environment,
}

/// Settings of one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreSettings {
    pub(crate) url: ServerUrl,
}

/// Where this runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Environment {
    Development,
    Production,
}

impl Default for Settings {
    fn default() -> Self {
        let at = |url| StoreSettings {
            url: ServerUrl::literal(url),
        };
        Self {
            accounts: at("postgres://localhost:5432/accounts"),
            orders: at("postgres://localhost:5432/orders"),
            environment: Environment::Development,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_every_variable() {
        let names = platform::config::variable_names("SEEDER", &Settings::default()).unwrap();
        assert!(!names.is_empty());
        for name in names {
            assert!(HELP.contains(&format!("  {name} ")), "{name}");
        }
    }
}
