//! Which crate may use which. The table is the architecture: a crate that is not in it, or an edge that is not,
//! needs a reason and a change here first. Also: pure crates stay away from clock, database and network, and
//! only `platform` knows which database runs.

use super::Finding;
use super::repository::{Package, Repository};

/// A crate and the crates of ours it may use.
const EDGES: [(&str, &[&str]); 16] = [
    ("authz", &[]),
    ("saml", &[]),
    ("scim", &[]),
    ("jose", &[]),
    ("ledger", &[]),
    ("sandbox", &[]),
    ("platform", &["authz", "ledger"]),
    ("users", &["platform", "authz", "saml", "scim", "jose", "ledger"]),
    ("information", &["platform", "authz", "ledger"]),
    ("compliance", &["platform", "ledger"]),
    ("apps", &["platform", "authz", "information", "sandbox"]),
    ("threats", &["platform", "users", "apps"]),
    ("responsibility", &["platform", "users", "information", "apps", "compliance", "threats"]),
    ("server", ALL),
    ("bench", ALL),
    ("testkit", &["platform", "ledger", "authz", "jose"]),
];

const ALL: &[&str] = &[
    "authz",
    "saml",
    "scim",
    "jose",
    "ledger",
    "sandbox",
    "platform",
    "users",
    "information",
    "compliance",
    "apps",
    "threats",
    "responsibility",
    "server",
];

/// Crates that turn bytes into values and nothing else.
const PURE: [&str; 5] = ["authz", "saml", "scim", "jose", "ledger"];

/// What reaches a clock, a file, a database or the network.
const IMPURE: [&str; 13] = [
    "tokio",
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "rusqlite",
    "tokio-postgres",
    "deadpool-postgres",
    "hickory-resolver",
    "lettre",
    "rustls",
    "tokio-rustls",
    "tracing",
];

const DATABASES: [&str; 3] = ["rusqlite", "tokio-postgres", "deadpool-postgres"];

/// `platform` is the store; `testkit` makes databases for tests; `bench` measures the bare engines beside ours.
const MAY_NAME_DATABASES: [&str; 3] = ["platform", "testkit", "bench"];

/// Measures the product from outside, with the kit's authenticators; nothing of it ships.
const MEASURES: &str = "bench";

pub fn check(repository: &Repository) -> Vec<Finding> {
    repository.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |message: String| found.push(Finding::new(&package.manifest, 0, message));
    let name = package.name.as_str();
    let allowed: &[&str] = match EDGES.iter().find(|(known, _)| *known == name) {
        Some((_, allowed)) => allowed,
        None if name == "xtask" => &[],
        None => {
            say(format!(
                "crate `{name}` has no place in the architecture; give it one in tidy/imports.rs and ARCHITECTURE.md"
            ));
            return found;
        }
    };
    for used in &package.dependencies {
        let uses = used.name.as_str();
        if used.ours && uses == "testkit" {
            if !used.dev && name != MEASURES {
                say("uses `testkit` outside tests; move it to [dev-dependencies]".into());
            }
        } else if used.ours && !allowed.contains(&uses) {
            say(format!(
                "`{name}` must not use `{uses}`; move the shared part below both (platform, or a pure crate), or turn the call round with a trait or an event"
            ));
        } else if !used.dev && PURE.contains(&name) && IMPURE.contains(&uses) {
            say(format!(
                "pure crate `{name}` must not use `{uses}`; take bytes and times as arguments instead"
            ));
        } else if !used.dev && DATABASES.contains(&uses) && !MAY_NAME_DATABASES.contains(&name) {
            say(format!("`{name}` must not name the database `{uses}`; go through platform::db"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::repository::packages;
    use super::*;

    fn messages(manifest: &str, dependencies: &str) -> Vec<String> {
        let metadata = format!(
            r#"{{"packages":[{{"manifest_path":"/r/crates/{manifest}/Cargo.toml","dependencies":[{dependencies}]}}]}}"#
        );
        let packages = packages(&metadata).unwrap();
        check(&Repository { files: Vec::new(), packages })
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    fn ours(name: &str, kind: &str) -> String {
        format!(r#"{{"name":"bailiwick-{name}","path":"/r/crates/{name}","kind":{kind}}}"#)
    }

    #[test]
    fn edges_of_the_table_are_accepted() {
        assert_eq!(messages("users", &ours("platform", "null")), Vec::<String>::new());
        assert_eq!(messages("users", &ours("testkit", "\"dev\"")), Vec::<String>::new());
        assert_eq!(messages("server", &ours("responsibility", "null")), Vec::<String>::new());
    }

    #[test]
    fn any_other_edge_is_refused() {
        assert!(
            messages("compliance", &ours("users", "null"))[0].contains("`compliance` must not use `users`")
        );
        assert!(messages("platform", &ours("users", "\"dev\""))[0].contains("must not use `users`"));
        assert!(messages("ledger", &ours("platform", "\"build\""))[0].contains("must not use `platform`"));
        assert!(messages("xtask", &ours("server", "null"))[0].contains("must not use `server`"));
    }

    #[test]
    fn the_test_kit_stays_out_of_the_product() {
        assert!(messages("server", &ours("testkit", "null"))[0].contains("dev-dependencies"));
        assert_eq!(messages("bench", &ours("testkit", "null")), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_place_is_refused() {
        assert!(messages("helpers", "")[0].contains("no place in the architecture"));
    }

    #[test]
    fn pure_crates_reach_nothing_and_one_crate_knows_the_database() {
        let other = |name: &str, kind: &str| format!(r#"{{"name":"{name}","path":null,"kind":{kind}}}"#);
        assert!(messages("ledger", &other("tokio", "null"))[0].contains("pure crate"));
        assert_eq!(messages("ledger", &other("tokio", "\"dev\"")), Vec::<String>::new());
        assert!(messages("users", &other("rusqlite", "null"))[0].contains("platform::db"));
        assert_eq!(messages("platform", &other("rusqlite", "null")), Vec::<String>::new());
    }

    #[test]
    fn the_table_names_each_crate_once_and_only_crates_it_knows() {
        let mut names: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
        for (name, uses) in EDGES {
            assert!(uses.iter().all(|used| ALL.contains(used)), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EDGES.len());
    }
}
