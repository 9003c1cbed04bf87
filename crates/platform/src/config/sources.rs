//! Where values come from: file, environment, options. Each is brought to the same text form and remembers its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::settings::{ENV_PREFIX, Kind, Setting, find, settings};
use super::{ConfigError, ConfigErrors};

/// Environment variables with our prefix that are no settings: the client commands' and the tests'.
const OTHER_ENV: &[&str] =
    &["BAILIWICK_CONFIG", "BAILIWICK_URL", "BAILIWICK_TOKEN", "BAILIWICK_TEST_POSTGRES"];
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The raw material of a [`super::Config`].
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Path (for messages) and text of the file.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables; those without our prefix are passed over.
    pub env: Vec<(String, String)>,
    /// Options of the command line: key of the setting and value. A switch without a value is `true`.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// Reads this process's environment, and the file: `path` if given (then it must exist), else the one that
    /// `BAILIWICK_CONFIG` names, else `bailiwick.toml` where the program runs, if there is one.
    pub fn from_process(path: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, ConfigErrors> {
        let env: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(ENV_PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        let named = env.iter().find(|(name, value)| name == "BAILIWICK_CONFIG" && !value.is_empty());
        let chosen = path.map(Path::to_path_buf).or_else(|| named.map(|(_, value)| value.into()));
        let file = match chosen {
            Some(path) => Some(read_file(path)?),
            None if Path::new("bailiwick.toml").exists() => Some(read_file("bailiwick.toml".into())?),
            None => None,
        };
        Ok(Self { file, env, flags })
    }
}

fn read_file(path: PathBuf) -> Result<(PathBuf, String), ConfigErrors> {
    let fail = |reason: String| ConfigErrors::one(ConfigError::File { path: path.clone(), reason });
    let size = std::fs::metadata(&path).map_err(|error| fail(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(fail("it is larger than 1 MiB, so it is another file".into()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| fail(error.to_string()))?;
    Ok((path, text))
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment,
    Option,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Option => f.write_str("option"),
        }
    }
}

/// One value, in text form.
pub(super) struct Raw {
    pub text: String,
    pub origin: Origin,
}

/// The merged values: default < file < environment < option.
#[derive(Default)]
pub(super) struct Merged {
    pub values: BTreeMap<&'static str, Raw>,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<String>,
}

pub(super) fn merge(sources: &Sources) -> Merged {
    let mut merged = Merged::default();
    for setting in settings() {
        if let Some(default) = setting.default {
            merged.set(setting, default.to_owned(), Origin::Default);
        }
    }
    if let Some((path, text)) = &sources.file {
        merged.read_toml(path, text);
    }
    merged.read_env(&sources.env);
    for (key, value) in &sources.flags {
        match find(key) {
            Some(setting) => merged.set(setting, value.clone(), Origin::Option),
            None => merged.errors.push(ConfigError::UnknownOption {
                name: key.replace('_', "-"),
                nearest: nearest(key).map(|setting| setting.flag()),
            }),
        }
    }
    merged
}

impl Merged {
    fn set(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.values.insert(setting.key, Raw { text, origin });
    }

    fn read_env(&mut self, env: &[(String, String)]) {
        for (name, value) in env {
            let Some(rest) = name.strip_prefix(ENV_PREFIX) else { continue };
            if OTHER_ENV.contains(&name.as_str()) {
                continue;
            }
            match settings().iter().find(|setting| setting.env() == *name) {
                // `VARIABLE=` is how a script unsets one.
                Some(_) if value.is_empty() => {}
                Some(setting) => self.set(setting, value.clone(), Origin::Environment),
                // Only a warning: Kubernetes gives every pod `BAILIWICK_PORT` and more for a service of our name.
                None => {
                    let nearest = nearest(&rest.to_ascii_lowercase())
                        .map(|setting| format!("; did you mean `{}`?", setting.env()))
                        .unwrap_or_default();
                    self.warnings.push(format!("environment variable `{name}` is no setting{nearest}"));
                }
            }
        }
    }

    fn read_toml(&mut self, path: &Path, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            let reason = error.message().lines().next().unwrap_or("not TOML").to_owned();
            self.errors.push(ConfigError::Syntax { path: path.into(), line, reason });
        }
        for (key, value) in table.get_ref() {
            let origin = Origin::File { path: path.into(), line: line_of(text, key.span().start) };
            let Some(setting) = find(key.get_ref()) else {
                self.errors.push(ConfigError::UnknownKey {
                    key: key.get_ref().to_string(),
                    origin,
                    nearest: nearest(key.get_ref()).map(|setting| setting.key),
                });
                continue;
            };
            match text_form(setting, value.get_ref()) {
                Some(text) => self.set(setting, text, origin),
                None => self.errors.push(ConfigError::Value {
                    key: setting.key,
                    origin,
                    problem: format!(
                        "must be {}, not {}",
                        toml_type(setting.kind),
                        value.get_ref().type_str()
                    ),
                }),
            }
        }
    }
}

/// The text form of a TOML value of the right type.
fn text_form(setting: &Setting, value: &DeValue<'_>) -> Option<String> {
    match (setting.kind, value) {
        (Kind::Switch, DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::Number { .. }, DeValue::Integer(number)) => {
            u64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        (Kind::Switch | Kind::Number { .. }, _) => None,
        (Kind::List, DeValue::Array(items)) => {
            let items: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str().filter(|item| !item.contains(','))).collect();
            items.map(|items| items.join(","))
        }
        (Kind::List, _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

fn toml_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Switch => "`true` or `false` without quotes",
        Kind::Number { .. } => "a whole number without quotes",
        Kind::List => "an array of texts, such as `[\"192.0.2.1\", \"192.0.2.2\"]`",
        Kind::Text | Kind::Path | Kind::Url | Kind::Address | Kind::Choice(_) => "a text in quotes",
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The setting whose key was probably meant: at most a third of the letters differ.
fn nearest(key: &str) -> Option<&'static Setting> {
    let key: String = key.chars().take(64).collect::<String>().to_ascii_lowercase().replace('-', "_");
    settings()
        .iter()
        .map(|setting| (distance(&key, setting.key), setting))
        .filter(|(distance, setting)| *distance <= setting.key.len().max(key.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, setting)| setting)
}

/// Optimal string alignment: insertions, deletions, changes and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(row[j - 1] + 1).min(rows[i - 1][j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
