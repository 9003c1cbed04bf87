//! The reference page of the configuration, written from the table of settings so that it cannot be out of date.

use std::fmt::Write;

use super::settings::{Kind, settings};

const HEAD: &str = "# Configuration

<!-- Written from the table of settings in `crates/platform/src/config/settings.rs`; a test compares. -->

Every setting can be given in four ways; a later one wins:

1. its default,
2. the file `bailiwick.toml` in the folder where the program runs (another one: `--config FILE` or `BAILIWICK_CONFIG`),
3. an environment variable,
4. an option of `bailiwick serve`.

`bailiwick config check` reads all of it and names everything that is wrong, each with its cure. `bailiwick config print`
shows the values in force and where each comes from; passwords are masked.

A file with a key that does not exist is refused, so that a spelling mistake never turns a setting off silently.

```toml
public_url = \"https://trust.northwind.example\"
provider_name = \"Northwind Cloud\"
database = \"postgres://bailiwick:PASSWORD@db.internal/bailiwick\"
smtp_url = \"smtps://bailiwick:PASSWORD@mail.northwind.example\"
trusted_proxies = [\"10.0.0.0/8\"]
```
";

/// `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for setting in settings() {
        if setting.group != group {
            group = setting.group;
            // Writing to a `String` does not fail.
            let _ = write!(page, "\n## {group}\n");
        }
        let default = setting.default.map_or_else(|| "unset".to_owned(), |value| format!("`{value}`"));
        let value = match setting.kind {
            Kind::Text => "a text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Url => "a URL".to_owned(),
            Kind::Address => "`IP:PORT`".to_owned(),
            Kind::Switch => "`true` or `false`".to_owned(),
            Kind::Number { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Choice(choices) => {
                choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(" or ")
            }
            Kind::List => "a list (array in the file, separated by commas elsewhere)".to_owned(),
        };
        let secret = if setting.secret { " Shown masked." } else { "" };
        let _ = write!(
            page,
            "\n### `{key}`\n{doc}{secret}\n\nValue: {value} · default: {default} · `--{flag}` · `{env}`\n",
            key = setting.key,
            doc = setting.doc,
            flag = setting.flag(),
            env = setting.env(),
        );
    }
    page
}
