//! The programs measured beside ours; `bench-peers/` installs and starts them.

use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{BenchError, Result};
use crate::hashing::{HashCost, PASSWORD};
use crate::http::{Connection, Cookies, encode};
use crate::load;
use crate::process::{self, Served};
use crate::realm::{self, CLIENT, REDIRECT};
use crate::setup::Setup;

mod postgres;
mod small;

pub use postgres::Postgres;
pub use small::{Peer, install_saml, make_saml, oidc_client, verify_saml};

pub const KEYCLOAK_TOKENS: &str = "/realms/bench/protocol/openid-connect/token";
pub const KEYCLOAK_AUTHORIZE: &str = "/realms/bench/protocol/openid-connect/auth";

#[derive(Deserialize)]
struct Ready {
    url: String,
    pid: u32,
    start_ms: f64,
}

pub struct Keycloak {
    /// Ends the server when this goes.
    _served: Served,
    pub url: String,
    pub pid: u32,
    pub start_ms: f64,
    pub users: u64,
}

impl Keycloak {
    pub fn start(setup: &Setup, users: u64, cost: HashCost) -> Result<Self> {
        Self::start_with(setup, users, 0, cost)
    }

    /// With so many clients that get tokens for themselves besides.
    pub fn start_with(setup: &Setup, users: u64, machines: usize, cost: HashCost) -> Result<Self> {
        let file = setup.work().join("realm.json");
        let document = serde_json::to_vec(&realm::document(users, machines, cost)?)?;
        std::fs::write(&file, document).map_err(BenchError::io(format!("writing {}", file.display())))?;
        let mut command = Command::new(setup.root.join("bench-peers/keycloak.sh"));
        command.arg("serve").arg(file);
        for (option, value) in [
            ("--memory", cost.memory_kib),
            ("--iterations", cost.iterations),
            ("--server-core", setup.server_core),
            ("--load-core", setup.load_core),
        ] {
            command.arg(option).arg(value.to_string());
        }
        let (served, ready) = Served::start::<Ready>(&mut command)?;
        Ok(Self { _served: served, url: ready.url, pid: ready.pid, start_ms: ready.start_ms, users })
    }

    /// Log-ins a second as a browser makes them: the log-in page, then its form.
    pub fn form_logins(&self, workers: usize, lasting: Duration) -> Result<f64> {
        let outcome = load::closed(workers, lasting, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| {
                form_login(&mut connection, &realm::user_name(number % self.users), PASSWORD).map(drop)
            })
        });
        outcome.map(|outcome| outcome.per_second())
    }

    /// Signs in the first `count` users; gives what each browser sends as its cookies.
    pub fn sign_in(&self, workers: usize, count: u64) -> Result<Vec<String>> {
        let cookies = std::sync::Mutex::new(Vec::new());
        let kept = &cookies;
        load::each(workers, count, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| {
                let jar = form_login(&mut connection, &realm::user_name(number), PASSWORD)?;
                kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(jar.line());
                Ok(())
            })
        })?;
        Ok(cookies.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Log-ins a second by the direct grant: one request, no page, but three signed tokens.
    pub fn grant_logins(&self, workers: usize, lasting: Duration) -> Result<f64> {
        let outcome = load::closed(workers, lasting, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| {
                grant_login(&mut connection, &realm::user_name(number % self.users), PASSWORD)
            })
        });
        outcome.map(|outcome| outcome.per_second())
    }
}

fn form_login(connection: &mut Connection, user: &str, password: &str) -> Result<Cookies> {
    let mut cookies = Cookies::default();
    let path = format!(
        "{KEYCLOAK_AUTHORIZE}?client_id={CLIENT}&response_type=code&scope=openid&redirect_uri={}",
        encode(REDIRECT)
    );
    let page = connection.get(&path, &[])?.expect("Keycloak's log-in page", 200)?;
    cookies.keep(&page);
    let text = page.text();
    let action = form_action(&text).ok_or_else(|| BenchError::Answer {
        what: "Keycloak's log-in page".to_owned(),
        got: "no form".to_owned(),
        expected: "a form with an action".to_owned(),
    })?;
    let fields = [("username", user), ("password", password), ("credentialId", "")];
    let answer = connection.post_form(&action, &[("Cookie", &cookies.line())], &fields)?;
    let answer = answer.expect("Keycloak's log-in form", 302)?;
    let place = answer.header("location").unwrap_or_default();
    if place.starts_with(REDIRECT) && place.contains("code=") {
        cookies.keep(&answer);
        return Ok(cookies);
    }
    Err(BenchError::Answer {
        what: "Keycloak's log-in form".to_owned(),
        got: place.to_owned(),
        expected: format!("{REDIRECT}?code=…"),
    })
}

fn grant_login(connection: &mut Connection, user: &str, password: &str) -> Result<()> {
    let fields = [
        ("grant_type", "password"),
        ("client_id", CLIENT),
        ("scope", "openid"),
        ("username", user),
        ("password", password),
    ];
    let answer =
        connection.post_form(KEYCLOAK_TOKENS, &[], &fields)?.expect("Keycloak's token endpoint", 200)?;
    let tokens: serde_json::Value = serde_json::from_slice(&answer.body)?;
    if tokens["access_token"].is_string() {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: "Keycloak's token endpoint".to_owned(),
        got: "no access_token".to_owned(),
        expected: "tokens".to_owned(),
    })
}

/// The path and query of the page's first form.
fn form_action(page: &str) -> Option<String> {
    let form = &page[page.find("<form")?..];
    let (_, rest) = form.split_once("action=\"")?;
    let (address, _) = rest.split_once('"')?;
    let address = address.replace("&amp;", "&");
    let path = match address.strip_prefix("http://") {
        Some(rest) => rest[rest.find('/')?..].to_owned(),
        None => address,
    };
    Some(path)
}

#[derive(Debug, Deserialize)]
pub struct TesseraRun {
    pub entries_per_second: f64,
    pub included_ms_p99: f64,
}

/// Builds the driver once.
pub fn build_tessera(setup: &Setup) -> Result<()> {
    let mut command = Command::new("go");
    command.current_dir(setup.root.join("bench-peers/tessera")).args(["build", "-trimpath", "-o"]);
    process::output(command.arg(tessera_program(setup)).arg(".")).map(drop)
}

/// One run on the server's core, into a new log on the measured disk.
pub fn tessera(setup: &Setup, entries: u64) -> Result<TesseraRun> {
    let folder = tempfile::tempdir_in(setup.work()).map_err(BenchError::io("making a folder for the log"))?;
    let mut command = process::pinned(setup.server_core, tessera_program(setup));
    command.env("GOMAXPROCS", "1").arg("-dir").arg(folder.path().join("log"));
    process::json(command.arg("-entries").arg(entries.to_string()))
}

fn tessera_program(setup: &Setup) -> std::path::PathBuf {
    setup.tools().join("tessera").join("tessera-load")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_of_the_form_is_a_path_with_its_query() {
        let page = r#"<html><form id="kc-form-login" action="http://127.0.0.1:9/realms/b/authenticate?a=1&amp;b=2" method="post">"#;
        assert_eq!(form_action(page).as_deref(), Some("/realms/b/authenticate?a=1&b=2"));
        assert_eq!(form_action(r#"<form action="/here?x=1">"#).as_deref(), Some("/here?x=1"));
        assert_eq!(form_action("<p>no form</p>"), None);
    }
}
