//! What these tests share: the whole program in process, and lists of exceptions that only shrink.

use std::collections::BTreeSet;

use bailiwick::demo::prover::Script;
use platform::area::Area;
use platform::web::routes::RouteInfo;
use testkit::KitOptions;
use users::passwords::phc::Cost;
use users::passwords::{PasswordPool, PoolSettings};

/// Every area, with callers named by a header, cheap password hashes and a DNS that says what `dns` says.
pub fn whole_program(dns: &Script) -> KitOptions {
    let areas: Vec<&'static Area> = bailiwick::AREAS.to_vec();
    let mut options = KitOptions::new(&areas);
    let dns = dns.clone();
    options.services = Box::new(move |builder| {
        let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let pool = PasswordPool::start(PoolSettings { threads: 1, queue_max: 64, cost }).expect("a pool");
        builder
            .service(pool)
            .service(dns.service())
            .service(users::openid_provider::State::default())
            .service(users::single_sign_on::State::default())
    });
    options
}

/// Every recorded route, in the order of the areas.
pub fn all_routes() -> Vec<std::sync::Arc<RouteInfo>> {
    bailiwick::AREAS.iter().flat_map(|area| (area.routes)().infos()).collect()
}

/// `POST /sign-in`: how a route is called in messages and lists of exceptions.
pub fn name_of(route: &RouteInfo) -> String {
    format!("{} {}", route.method, route.path)
}

/// A list of exceptions, each with its reason, that may only shrink: fails on what is not in it, and on what is in it
/// without need.
#[track_caller]
pub fn only(what: &str, found: impl IntoIterator<Item = String>, allowed: &[(&str, &str)]) {
    let found: BTreeSet<String> = found.into_iter().collect();
    for (name, reason) in allowed {
        println!("{what}: {name} ({reason})");
    }
    let new: Vec<&String> =
        found.iter().filter(|name| !allowed.iter().any(|(known, _)| known == name)).collect();
    assert!(new.is_empty(), "{what}: mend these, or give each a reason in the list: {new:#?}");
    let stale: Vec<&str> =
        allowed.iter().map(|(name, _)| *name).filter(|name| !found.contains(*name)).collect();
    assert!(stale.is_empty(), "{what}: no longer so, take them off the list: {stale:#?}");
}

#[test]
fn a_list_of_exceptions_only_shrinks() {
    let fails = |found: &[&str], allowed: &'static [(&str, &str)]| {
        let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
        std::panic::catch_unwind(|| only("x", found, allowed)).is_err()
    };
    assert!(!fails(&["a"], &[("a", "why")]));
    assert!(fails(&["a", "b"], &[("a", "why")]), "a new one");
    assert!(fails(&[], &[("a", "why")]), "a stale one");
}
