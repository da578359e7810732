use platform::{
    config::{Secret, ServerUrl},
    telemetry::{LogFormat, TelemetrySettings},
};
use serde::{Deserialize, Serialize};

/// Explains every variable under `--help`.
pub(crate) const HELP: &str = "\
Variables, all optional (secrets and URLs also as NAME_FILE, which names a file that holds the value):
  MIGRATOR_ACCOUNTS__URL            the accounts database, as the owner of its schema
                                    [default: postgres://localhost:5432/accounts]
  MIGRATOR_ACCOUNTS__APP_PASSWORD   set as the password of the role accounts_app; empty leaves it as it is
  MIGRATOR_ORDERS__URL              the orders database, as the owner of its schema
                                    [default: postgres://localhost:5432/orders]
  MIGRATOR_ORDERS__APP_PASSWORD     set as the password of the role orders_app; empty leaves it as it is
  MIGRATOR_TELEMETRY__LOG_FORMAT    text or json [default: text]
  MIGRATOR_TELEMETRY__LOG_FILTER    what is logged to stderr [default: info,sqlx=warn]
  MIGRATOR_TELEMETRY__LOG_WAITING   lines that wait for whoever reads stderr [default: 10000]
  MIGRATOR_TELEMETRY__OTLP_ENDPOINT where traces go; empty sends none
  MIGRATOR_TELEMETRY__TRACE_RATIO   the share of traces that is recorded [default: 0.1]
  MIGRATOR_CONFIG                   a TOML file with the same settings; variables win

Exit codes:
  0  done; for check: every database is in step
  1  anything else that failed
  2  the command line or a variable can't be used
  3  migrations are pending
  4  an applied migration was changed since
  5  a server can't be reached
  6  a database is ahead: a newer program migrated it
  7  another migrator was at work for a minute";

/// Settings of the migrator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    pub(crate) accounts: StoreSettings,
    pub(crate) orders: StoreSettings,
    pub(crate) telemetry: TelemetrySettings,
}

/// Settings of one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreSettings {
    pub(crate) url: ServerUrl,
    #[serde(default)]
    pub(crate) app_password: Secret,
}

impl Default for Settings {
    fn default() -> Self {
        let at = |url| StoreSettings {
            url: ServerUrl::literal(url),
            app_password: Secret::default(),
        };
        Self {
            accounts: at("postgres://localhost:5432/accounts"),
            orders: at("postgres://localhost:5432/orders"),
            telemetry: TelemetrySettings {
                log_format: LogFormat::Text,
                log_filter: "info,sqlx=warn".into(),
                ..TelemetrySettings::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_every_variable() {
        let names = platform::config::variable_names("MIGRATOR", &Settings::default()).unwrap();
        assert!(!names.is_empty());
        for name in names {
            assert!(HELP.contains(&format!("  {name} ")), "{name}");
        }
    }
}
