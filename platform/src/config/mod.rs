//! Layered, typed configuration: defaults, then one optional TOML file, then
//! environment variables, which win.
//!
//! A variable is the prefix and the path of a setting in upper case, `__`
//! between section and key: `BFF_HTTP__LISTEN` sets `http.listen`. Any variable
//! may also be given as `…_FILE`, whose value names a file that holds the value
//! (for secrets), unless that is a setting by itself. A setting that doesn't exist,
//! or a value that doesn't fit, stops the start with the variable's name and what
//! it wants.

mod values;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use config::{Config, Environment, File, FileFormat};
use serde::{Serialize, de::DeserializeOwned};

pub use values::{List, Millis, Seconds, Secret, ServerUrl};

/// Why a configuration was refused: every reason that was found.
#[derive(Debug, thiserror::Error)]
#[error("the configuration can't be used:{}", self.0.iter().fold(String::new(), |mut all, one| { let _ = write!(all, "\n  {one}"); all }))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    fn one(reason: impl Into<String>) -> Self {
        Self(vec![reason.into()])
    }
}

/// The environment variables of this process.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads settings of type `T`.
///
/// `prefix` is that of the variables, without the underscore (`BFF`). The file
/// is `file`, or the one that `{prefix}_CONFIG` names.
///
/// # Errors
/// When a file can't be read, a setting is unknown, or a value doesn't fit.
pub fn load<T: DeserializeOwned + Default + Serialize>(
    prefix: &str,
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Result<T, ConfigError> {
    let variable = |path: &str| format!("{prefix}_{}", path.replace('.', "__").to_uppercase());
    let settings = variable_names(prefix, &T::default())?;
    let mut own = own_variables(prefix, environment, &settings)?;
    let named_file = own.remove(&format!("{prefix}_CONFIG"));
    let file = file
        .map(Path::to_path_buf)
        .or_else(|| named_file.map(Into::into));

    let mut builder = Config::builder();
    if let Some(file) = &file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::one(format!("{}: {error}", file.display())))?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let variables = Environment::with_prefix(prefix)
        .prefix_separator("_")
        .separator("__")
        .keep_prefix(false)
        .source(Some(own.into_iter().collect()));
    let config = builder
        .add_source(variables)
        .build()
        .map_err(|e| ConfigError::one(e.to_string()))?;

    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let settings = serde_ignored::deserialize(
        serde_path_to_error::Deserializer::new(config, &mut track),
        |path| {
            unknown.push(format!(
                "{}: there is no such setting",
                variable(&path.to_string())
            ))
        },
    );
    match settings {
        Ok(settings) if unknown.is_empty() => Ok(settings),
        Ok(_) => Err(ConfigError(unknown)),
        Err(error) => {
            let path = track.path().to_string();
            let reason = without_location(&error.to_string());
            unknown.insert(0, format!("{}: {reason}", variable(&path)));
            Err(ConfigError(unknown))
        }
    }
}

/// The names of all variables that set a field of `settings`.
///
/// # Errors
/// When the settings can't be serialised, which a test would show.
pub fn variable_names<T: Serialize>(
    prefix: &str,
    settings: &T,
) -> Result<Vec<String>, ConfigError> {
    fn walk(path: &str, value: &serde_json::Value, names: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let separator = if path.ends_with('_') { "" } else { "__" };
                    walk(
                        &format!("{path}{separator}{}", name.to_uppercase()),
                        value,
                        names,
                    );
                }
            }
            _ => names.push(path.to_owned()),
        }
    }
    let value = serde_json::to_value(settings).map_err(|e| ConfigError::one(e.to_string()))?;
    let mut names = Vec::new();
    walk(&format!("{prefix}_"), &value, &mut names);
    Ok(names)
}

/// The effective values as TOML, secrets masked.
///
/// # Errors
/// When the settings can't be serialised, which a test would show.
pub fn display<T: Serialize>(settings: &T) -> Result<String, ConfigError> {
    toml::to_string(settings).map_err(|e| ConfigError::one(e.to_string()))
}

fn own_variables(
    prefix: &str,
    environment: &BTreeMap<String, String>,
    settings: &[String],
) -> Result<BTreeMap<String, String>, ConfigError> {
    let start = format!("{prefix}_");
    let mut own = BTreeMap::new();
    for (name, value) in environment
        .iter()
        .filter(|(name, _)| name.starts_with(&start))
    {
        let plain = name.strip_suffix("_FILE");
        let Some(plain) = plain.filter(|_| !settings.contains(name)) else {
            if !environment.contains_key(&format!("{name}_FILE")) {
                own.insert(name.clone(), value.clone());
            }
            continue;
        };
        if environment.contains_key(plain) {
            return Err(ConfigError::one(format!(
                "{plain} and {name}: give only one of them"
            )));
        }
        let text = std::fs::read_to_string(value)
            .map_err(|error| ConfigError::one(format!("{name}: {value}: {error}")))?;
        own.insert(
            plain.to_owned(),
            text.trim_end_matches(['\r', '\n']).to_owned(),
        );
    }
    Ok(own)
}

/// The config crate appends ` for key …` and the source; the variable says it.
fn without_location(message: &str) -> String {
    message
        .split(" for key ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default)]
    struct Settings {
        listen: String,
        limits: Limits,
        key: Secret,
        keys_file: String,
        store: ServerUrl,
        origins: List<String>,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self {
                listen: "here".into(),
                limits: Limits::default(),
                key: Secret::default(),
                keys_file: "none".into(),
                store: ServerUrl::literal("redis://localhost"),
                origins: List::default(),
            }
        }
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Limits {
        per_minute: u32,
    }

    fn with(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let variables = variables
            .iter()
            .map(|&(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        load("APP", None, &variables)
    }

    #[test]
    fn variables_win_over_the_file_and_the_file_over_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "listen = 'file'\n[limits]\nper_minute = 1").unwrap();
        let variables = [("APP_LIMITS__PER_MINUTE".to_owned(), "7".to_owned())].into();
        let settings: Settings = load("APP", Some(file.path()), &variables).unwrap();
        assert_eq!(settings.listen, "file");
        assert_eq!(settings.limits.per_minute, 7);
    }

    #[test]
    fn a_bad_value_is_named() {
        let error = with(&[("APP_LIMITS__PER_MINUTE", "many")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("APP_LIMITS__PER_MINUTE: "), "{error}");
        assert!(error.contains("many"), "{error}");
        let error = with(&[("APP_STORE", "nowhere")]).unwrap_err().to_string();
        assert!(error.contains("APP_STORE: expected a URL"), "{error}");
    }

    #[test]
    fn an_unknown_variable_is_named() {
        let error = with(&[("APP_LIMITS__PER_HOUR", "1"), ("APP_X", "1")]).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(
            error
                .to_string()
                .contains("APP_LIMITS__PER_HOUR: there is no such"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123\n").unwrap();
        let settings = with(&[
            ("APP_KEY_FILE", file.path().to_str().unwrap()),
            ("APP_STORE", "redis://me:hidden@there"),
        ])
        .unwrap();
        assert_eq!(settings.key.expose(), "0123");
        let shown = format!("{}{settings:?}", display(&settings).unwrap());
        assert!(
            !shown.contains("0123") && !shown.contains("hidden"),
            "{shown}"
        );
        assert!(with(&[("APP_KEY", "a"), ("APP_KEY_FILE", "b")]).is_err());
    }

    #[test]
    fn a_setting_whose_name_ends_in_file_is_itself() {
        let settings = with(&[("APP_KEYS_FILE", "/not/there")]).unwrap();
        assert_eq!(settings.keys_file, "/not/there");
    }

    #[test]
    fn lists_are_split_at_commas() {
        let settings = with(&[("APP_ORIGINS", "https://a, https://b,")]).unwrap();
        assert_eq!(settings.origins.0, ["https://a", "https://b"]);
    }

    #[test]
    fn every_setting_has_a_variable() {
        let names = variable_names("APP", &Settings::default()).unwrap();
        assert!(
            names.contains(&"APP_LIMITS__PER_MINUTE".to_owned()),
            "{names:?}"
        );
    }
}
