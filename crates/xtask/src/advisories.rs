//! Checks Cargo.lock against security advisories in the OSV format (`affected[].ranges[].events`), as RustSec publishes
//! them: a folder of JSON files or an archive (`.tar.gz`) of one.
//!
//! What it promises: a package in the lock file at a version that an advisory names is an error, unless `advisories.toml`
//! allows that advisory for that package, with a reason and a day on which the allowance ends. An allowance that has
//! ended, or that nothing needs any more, is an error, too. It says how old the snapshot is: what was published later
//! it cannot know.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use semver::Version;
use serde::Deserialize;

use crate::lockfile::{Locked, Lockfile, root};

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
struct Advisory {
    id: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    published: String,
    withdrawn: Option<String>,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Affected {
    package: Name,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct Name {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    r#type: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

#[derive(Deserialize, Default)]
struct Allowances {
    #[serde(default)]
    allow: Vec<Allowance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowance {
    id: String,
    package: String,
    reason: String,
    /// `2026-12-31`: the last day.
    until: String,
}

/// Checks the lock file of this checkout; gives what was looked at, or everything that is wrong.
pub fn run(snapshot: &str) -> Result<String, Vec<String>> {
    let one = |error: String| vec![error];
    let advisories = read(Path::new(snapshot)).map_err(one)?;
    let lockfile = Lockfile::open().map_err(one)?;
    let file = root().join("advisories.toml");
    let text = std::fs::read_to_string(file)
        .map_err(|error| vec![format!("cannot read advisories.toml: {error}")])?;
    let allowed: Allowances =
        toml::from_str(&text).map_err(|error| vec![format!("advisories.toml is not readable: {error}")])?;
    check(&advisories, &lockfile, &allowed, &today().map_err(one)?)?;
    let newest = advisories.iter().map(|advisory| advisory.published.as_str()).max().unwrap_or_default();
    Ok(format!(
        "{} advisories, the newest of {}, against {} packages; {} allowed",
        advisories.len(),
        newest.get(..10).unwrap_or("an unknown day"),
        lockfile.package.len(),
        allowed.allow.len()
    ))
}

/// By the machine's clock: when allowances end is about real days.
fn today() -> Result<String, String> {
    let output =
        Command::new("date").args(["-u", "+%F"]).output().map_err(|error| format!("date: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read(snapshot: &Path) -> Result<Vec<Advisory>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("cannot read `{}`: {error}", snapshot.display());
    let mut advisories = Vec::new();
    if snapshot.is_dir() {
        for entry in std::fs::read_dir(snapshot).map_err(|error| fail(&error))? {
            let path = entry.map_err(|error| fail(&error))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let bytes = std::fs::read(&path).map_err(|error| fail(&error))?;
                advisories.push(serde_json::from_slice(&bytes).map_err(|error| fail(&error))?);
            }
        }
    } else {
        let bytes = unpack(snapshot).map_err(|error| fail(&error))?;
        for advisory in serde_json::Deserializer::from_slice(&bytes).into_iter() {
            advisories.push(advisory.map_err(|error| fail(&error))?);
        }
    }
    if advisories.is_empty() {
        return Err(fail(&"it holds no advisory"));
    }
    Ok(advisories)
}

/// The files of an archive, one after the other: JSON documents can be read that way.
fn unpack(archive: &Path) -> Result<Vec<u8>, String> {
    let mut child = Command::new("tar")
        .args(["--extract", "--gzip", "--to-stdout", "--wildcards", "--file"])
        .arg(archive)
        .arg("*.json")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("tar: {error}"))?;
    let mut bytes = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(bytes) } else { Err("tar could not unpack it".into()) }
}

fn check(
    advisories: &[Advisory],
    lockfile: &Lockfile,
    allowances: &Allowances,
    today: &str,
) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    let mut used = vec![false; allowances.allow.len()];
    for advisory in advisories.iter().filter(|advisory| advisory.withdrawn.is_none()) {
        for package in lockfile.package.iter().filter(|package| package.source.is_some()) {
            match affects(advisory, package) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(error) => {
                    wrong.push(format!("{}: {error}", advisory.id));
                    continue;
                }
            }
            let allowed = allowances
                .allow
                .iter()
                .position(|allow| allow.id == advisory.id && allow.package == package.name);
            match allowed {
                Some(at) => used[at] = true,
                None => wrong.push(format!(
                    "{} {} has {}: {}; update it (`cargo update -p {}`), drop it, or allow it in advisories.toml with a reason and an end",
                    package.name, package.version, advisory.id, advisory.summary, package.name
                )),
            }
        }
    }
    for (allow, used) in allowances.allow.iter().zip(used) {
        let name = format!("advisories.toml: {} for {}", allow.id, allow.package);
        if allow.until.len() != 10 || allow.reason.trim().len() < 20 {
            wrong.push(format!("{name}: needs a reason in a sentence and `until` as `YYYY-MM-DD`"));
        } else if allow.until.as_str() < today {
            wrong.push(format!("{name}: ended on {}; update the package or decide anew", allow.until));
        } else if !used {
            wrong.push(format!("{name}: nothing needs it any more; remove it"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The evaluation of the OSV format: listed versions, or an event line that has the version inside.
fn affects(advisory: &Advisory, package: &Locked) -> Result<bool, String> {
    let version = parse(&package.version)?;
    let of_package = |affected: &&Affected| {
        affected.package.ecosystem == "crates.io" && affected.package.name == package.name
    };
    for affected in advisory.affected.iter().filter(of_package) {
        if affected.versions.contains(&package.version) {
            return Ok(true);
        }
        for range in affected.ranges.iter().filter(|range| range.r#type == "SEMVER") {
            if inside(&range.events, &version)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn inside(events: &[Event], version: &Version) -> Result<bool, String> {
    let mut line = Vec::new();
    for event in events {
        // At the same version the end of one range comes before the start of the next.
        let (text, order) = match event {
            Event::Fixed(text) | Event::Limit(text) => (text, 0),
            Event::Introduced(text) => (text, 1),
            Event::LastAffected(text) => (text, 2),
        };
        line.push((parse(text)?, order));
    }
    line.sort();
    let mut vulnerable = false;
    for (at, order) in line {
        match order {
            1 if *version >= at => vulnerable = true,
            0 if *version >= at => vulnerable = false,
            2 if *version > at => vulnerable = false,
            _ => {}
        }
    }
    Ok(vulnerable)
}

fn parse(text: &str) -> Result<Version, String> {
    // OSV writes `0` for "from the first version on".
    if text == "0" {
        return Version::parse("0.0.0-0").map_err(|error| error.to_string());
    }
    let mut version = Version::parse(text).map_err(|error| format!("`{text}` is no version: {error}"))?;
    // Build metadata has no rank (semver.org §10), but would have one in Ord.
    version.build = semver::BuildMetadata::EMPTY;
    Ok(version)
}
