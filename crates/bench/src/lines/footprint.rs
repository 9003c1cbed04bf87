//! Line 21: memory, start, and the console at a size where a missing index shows.

use std::time::Duration;

use super::{absent, login, ours_alone, skipped_when_quick};
use crate::error::Result;
use crate::hashing::OWASP;
use crate::histogram::Histogram;
use crate::http::Connection;
use crate::load::pause;
use crate::peers::Keycloak;
use crate::process;
use crate::product::{Server, server_ms};
use crate::report::{Figure, Row, number};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size};
use crate::setup::Setup;

const REQUESTS: usize = 40;
const QUIET: Duration = Duration::from_secs(3);

/// Pages of the provider's console that list or count.
const PROVIDER_LISTS: [&str; 16] = [
    "/provider",
    "/provider?sort=owes",
    "/provider/rows",
    "/provider/rows/USR-C1",
    "/provider/domains",
    "/provider/drills",
    "/provider/products",
    "/provider/insights",
    "/provider/set-ups",
    "/provider/tickets",
    "/provider/support",
    "/provider/abuse-reports",
    "/provider/jobs",
    "/provider/mails",
    "/provider/secrets",
    "/provider/search?q=or",
];
/// The same of the console of an organization, below `/o/{organization}`.
const LISTS: [&str; 32] = [
    "",
    "/people",
    "/people?q=user-00",
    "/groups",
    "/invitations",
    "/domains",
    "/approved-domains",
    "/policies",
    "/connections",
    "/directories",
    "/social-login",
    "/strong-sign-in",
    "/enrolment",
    "/break-glass",
    "/access",
    "/access-offers",
    "/access-requests",
    "/access-reviews",
    "/awareness",
    "/abuse-reports",
    "/support",
    "/set-up",
    "/insights",
    "/breach-contacts",
    "/api-tokens",
    "/audit-log",
    "/audit-log?action=session.",
    "/audit-streams",
    "/changes",
    "/settings",
    "/search?q=user-00",
    "/search/hits?q=u",
];

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let mut rows = small(setup)?;
    rows.extend(large(setup)?);
    Ok(rows)
}

/// Ten thousand people: what one server of a small provider needs, beside Keycloak with as many.
fn small(setup: &Setup) -> Result<Vec<Row>> {
    let seeded = seed::installation(setup.work(), "footprint", login::size(), OWASP)?;
    let keycloak = if setup.quick { None } else { Some(Keycloak::start(setup, login::USERS, OWASP)?) };
    let mut memory = Vec::new();
    let mut subjects = [Subject::new("start, ms", || {
        let server = Server::start(setup, &seeded.data, OWASP)?;
        memory.push(used_then_idle(&server, &seeded)?);
        Ok(server.start_ms)
    })];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let beside = |figure: Option<Figure>| {
        let figure = figure.or_else(|| skipped_when_quick(setup));
        Some(("Keycloak".to_owned(), figure.unwrap_or_else(|| absent("no round was run"))))
    };
    let theirs =
        keycloak.as_ref().map(|server| process::resident_mib(server.pid).map_err(|error| error.to_string()));
    let [users, organizations] = [login::USERS, login::ORGANIZATIONS].map(|count| number(count as f64));
    let operation =
        format!("memory after a log-in and every list, idle; {users} users, {organizations} organizations");
    let mut idle = ours_alone("21", &operation, "MiB", median(&Ok(memory)), 80.0);
    idle.peer = beside(theirs);
    let mut start = ours_alone("21", "start to first answer, same data", "ms", median(&figures[0]), 300.0);
    start.peer = beside(keycloak.as_ref().map(|keycloak| Ok(keycloak.start_ms)));
    Ok(vec![idle, start])
}

fn large(setup: &Setup) -> Result<Vec<Row>> {
    let (organizations, users) = if setup.quick { (1_000, 100_000) } else { (10_000, 1_000_000) };
    let size = Size { organizations, users, first: users / 10, passwords: false };
    let seeded = seed::installation(setup.work(), "large", size, OWASP)?;
    let mut memory = Vec::new();
    let mut starts = Vec::new();
    let mut subjects = [Subject::new("slowest console list, p95 ms", || {
        let server = Server::start(setup, &seeded.data, OWASP)?;
        starts.push(server.start_ms);
        let slowest = slowest_list(&server, &seeded)?;
        pause(QUIET);
        memory.push(process::resident_mib(server.pid())?);
        Ok(slowest)
    })];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [users, organizations] = [users, organizations].map(|count| number(count as f64));
    let what = format!("{users} users, {organizations} organizations");
    let list = format!("slowest console list, p95 of {REQUESTS}, the server's time; {what}");
    Ok(vec![
        ours_alone("21", &list, "ms", median(&figures[0]), 50.0),
        ours_alone("21", "… memory after all lists", "MiB", median(&Ok(memory)), 80.0),
        ours_alone("21", "… start to first answer", "ms", median(&Ok(starts)), 300.0),
    ])
}

/// Memory when a server has done a little of everything and nothing is asked of it.
fn used_then_idle(server: &Server, seeded: &Seeded) -> Result<f64> {
    let mut connection = Connection::new(&server.url);
    login::login(&mut connection, &seed::email(1))?;
    for (path, cookie) in lists(seeded) {
        connection.get(&path, &[("Cookie", cookie)])?.expect(&path, 200)?;
    }
    pause(QUIET);
    process::resident_mib(server.pid())
}

fn lists(seeded: &Seeded) -> impl Iterator<Item = (String, &str)> {
    let provider = PROVIDER_LISTS.iter().map(|path| ((*path).to_owned(), seeded.provider_session.as_str()));
    let home = seed::slug(0);
    let organization =
        LISTS.iter().map(move |path| (format!("/o/{home}{path}"), seeded.member_session.as_str()));
    provider.chain(organization)
}

/// The p95 of the slowest list; says which one it was.
fn slowest_list(server: &Server, seeded: &Seeded) -> Result<f64> {
    let mut connection = Connection::new(&server.url);
    let (mut slowest, mut which) = (0.0_f64, String::new());
    for (path, cookie) in lists(seeded) {
        let mut times = Histogram::default();
        for _ in 0..REQUESTS {
            let page = connection.get(&path, &[("Cookie", cookie)])?.expect(&path, 200)?;
            times.record(Duration::from_secs_f64(server_ms(&page)? / 1e3));
        }
        let time = times.percentile_ms(0.95);
        if time > slowest {
            (slowest, which) = (time, path);
        }
    }
    eprintln!("  slowest: {which}");
    Ok(slowest)
}
