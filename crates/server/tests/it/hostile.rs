//! The whole program in the hands of people who mean harm: text that would be markup, ids of others, members that nobody
//! asked for, proxies that pass on too much. The names of the tests stand in docs/security/.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bailiwick::demo::prover::Script;
use platform::access::Role;
use platform::db::DbError;
use platform::events::proofs;
use platform::principals;
use platform::web::routes::{Method, Openness, RouteInfo, RouteKind};
use serde_json::json;
use testkit::program::{Program, ask};
use testkit::{Answer, Client, Kit};

use crate::bad_start::{PASSWORD, Place};
use crate::shared::{all_routes, name_of, whole_program};

/// Ends an attribute, opens an element, and would be heard in a script, a formula, a template or a format.
const HOSTILE: &str = "x'\"><img src=x onerror=alert(1)></textarea>{{7*7}}${7*7}%s";
/// What of it must never stand on a page as it is.
const MARKUP: [&str; 2] = ["<img src=x", "</textarea>{{"];

const API: &str = "/api/v1/organizations/harbor";
const PAGES: &str = "/o/harbor";

async fn on_both<F: AsyncFn(&Kit, &Script)>(test: F) {
    let dns = Script::default();
    testkit::both_with(
        async |kit| test(kit, &dns).await,
        || {
            let mut options = whole_program(&dns);
            // Names under `.example` can be proved on a test's clock alone.
            options.configure = Box::new(|config| config.test_clock = true);
            options
        },
    )
    .await;
}

/// What an organization has, by the name that paths give it.
type Things = BTreeMap<&'static str, String>;

#[track_caller]
fn good(answer: Answer) -> Answer {
    assert!(answer.status.as_u16() < 400, "{} {}", answer.status, answer.text());
    answer
}

#[track_caller]
fn id(answer: Answer) -> String {
    good(answer).json()["id"].as_str().expect("an id").to_owned()
}

/// Fills every field that takes free text with `text`, and gives the ids of what came to be.
async fn fill(kit: &Kit, dns: &Script, owner: &mut Client, text: &str) -> Things {
    let mut things = Things::new();
    good(owner.get("/account").await);
    good(owner.submit("/account", &[("name", text)]).await);
    good(owner.patch(API, json!({ "name": text })).await);
    let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
    good(kit.browser_of(ann).await.submit("/account", &[("name", text)]).await);
    things.insert("account", ann.to_string());
    let body = json!({ "name": text, "description": text });
    let group = id(owner.post(&format!("{API}/groups"), body).await);
    good(owner.put(&format!("{API}/groups/{group}/members/{ann}"), json!({})).await);
    things.insert("group", group);
    let body = json!({ "email": "o'x&y@outside.example", "role": "member" });
    things.insert("invitation", id(owner.post(&format!("{API}/invitations"), body).await));
    let body = json!({ "name": text, "scopes": ["people.read"], "expires_in_days": 7 });
    things.insert("token", id(owner.post(&format!("{API}/api-tokens"), body).await));
    let body = json!({ "name": text, "email": "bea@harbor.example", "role": "security" });
    things.insert("contact", id(owner.post(&format!("{API}/breach-contacts"), body).await));
    let body = json!({ "kind": "other", "about": text, "body": text });
    let report = id(owner.post(&format!("{API}/abuse-reports"), body).await);
    let answer = json!({ "state": "working", "note": text });
    good(owner.post(&format!("{API}/abuse-reports/{report}/answers"), answer).await);
    things.insert("report", report);
    let csv =
        format!("email,name,groups\ncy@harbor.example,\"{0}\",\"{0} crew\"\n", text.replace('"', "\"\""));
    let body = json!({ "csv": csv, "dry_run": false });
    good(owner.post(&format!("{API}/people/imports"), body).await);
    let domain = owner.post(&format!("{API}/domains"), json!({ "name": "fleet.example" })).await;
    let domain = good(domain).json();
    dns.publish("fleet.example", domain["record"]["value"].as_str().expect("what to publish"));
    let domain = domain["id"].as_str().expect("an id").to_owned();
    good(owner.post(&format!("{API}/domains/{domain}/check"), json!({})).await);
    kit.account("kim@fleet.example").await;
    let claim = owner.post(&format!("{API}/domains/{domain}/claims"), json!({ "mode": "all" })).await;
    things.insert("claim", id(claim));
    things.insert("domain", domain);
    let until = kit.now().plus(platform::time::DAY * 60).rfc3339();
    let body = json!({ "row": "USR-C1", "reason": format!("{text} until March"), "until": until });
    things.insert("declaration", id(owner.post(&format!("{API}/acceptances"), body).await));
    kit.settle().await;
    things
}

/// The addresses that a page leads to, without leaving the installation.
fn links(page: &str) -> impl Iterator<Item = String> {
    page.split("href=\"").skip(1).filter_map(|rest| {
        let link = rest.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&");
        link.starts_with('/').then_some(link)
    })
}

/// One of each kind: ids and numbers say which page, not what kind.
fn kind_of(link: &str) -> String {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let part = |part: &str| match part {
        part if part.len() == 36 && part.contains('-') => "{id}".to_owned(),
        part if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) => "{number}".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Opens every kind of page that can be reached from `start`, a few of each.
async fn crawl(client: &mut Client, start: &[&str]) -> Vec<(String, Answer)> {
    const OF_A_KIND_MAX: usize = 4;
    let mut queue: VecDeque<String> = start.iter().map(|path| (*path).to_owned()).collect();
    let (mut seen, mut kinds) = (BTreeSet::new(), BTreeMap::new());
    let mut pages = Vec::new();
    while let Some(link) = queue.pop_front() {
        if link.starts_with("/assets/") || !seen.insert(link.clone()) {
            continue;
        }
        let count: &mut usize = kinds.entry(kind_of(&link)).or_default();
        *count += 1;
        if *count > OF_A_KIND_MAX {
            continue;
        }
        let answer = client.get(&link).await;
        assert!(answer.status.as_u16() < 500, "{link}: {}", answer.text());
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            queue.extend(links(&answer.text()));
        }
        pages.push((link, answer));
    }
    pages
}

fn is_page(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
}

#[track_caller]
fn no_markup(link: &str, page: &str) {
    for markup in MARKUP {
        assert!(!page.contains(markup), "{link} shows `{markup}` as it is: {page}");
    }
}

#[tokio::test]
async fn no_text_of_a_user_becomes_markup_on_any_page() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await.with_header("user-agent", HOSTILE);
        fill(kit, dns, &mut owner, HOSTILE).await;
        let mut staff = kit.owner_of("northwind").await;
        let mut escaped = 0;
        let mut pages = crawl(&mut owner, &[PAGES, "/account", "/account/sessions"]).await;
        pages.extend(crawl(&mut staff, &["/provider", "/account"]).await);
        assert!(pages.len() > 60, "{} pages were reached", pages.len());
        for (link, answer) in &pages {
            let page = answer.text();
            if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
                no_markup(link, &page);
                escaped += usize::from(page.contains("&#60;img src=x"));
            }
        }
        assert!(escaped > 15, "only {escaped} pages show the text at all");
        // What a request says of itself comes back on some pages.
        let said: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
        let html = pages.iter().filter(|(_, answer)| is_page(answer)).map(|(link, _)| link);
        let kinds: BTreeSet<String> =
            html.map(|link| link.split(['?', '#']).next().unwrap_or_default().to_owned()).collect();
        let mut nobody = kit.nobody();
        for path in kinds.iter().map(String::as_str).chain(["/sign-in", "/sign-up", "/recover", "/nowhere"]) {
            let query =
                ["q", "next", "email", "cursor", "at", "kind", "side", "state", "role", "action", "row"];
            let query: Vec<String> = query.iter().map(|name| format!("{name}={said}")).collect();
            for one in query.iter().chain([&query.join("&")]) {
                let link = format!("{path}?{one}");
                for client in [&mut owner, &mut staff, &mut nobody] {
                    no_markup(&link, &client.get(&link).await.text());
                }
            }
        }
        for (path, fields) in [
            ("/sign-in", &[("email", HOSTILE), ("password", HOSTILE), ("next", HOSTILE)][..]),
            ("/sign-up", &[("email", HOSTILE), ("next", HOSTILE)]),
            ("/recover", &[("email", HOSTILE)]),
        ] {
            nobody.get(path).await.expect(200);
            no_markup(path, &nobody.submit(path, fields).await.text());
        }
        for form in ["groups/new", "invitations/new", "api-tokens/new", "domains/new", "breach-contacts/new"]
        {
            let path = format!("{PAGES}/{form}");
            let names = ["name", "email", "description", "role", "scopes", "expires_in_days", "phone"];
            let fields: Vec<(&str, &str)> = names.iter().map(|name| (*name, HOSTILE)).collect();
            no_markup(&path, &owner.submit(&path, &fields).await.text());
        }
    })
    .await;
}

/// ASVS 7.4.4.
#[tokio::test]
async fn every_page_of_a_person_offers_to_sign_out() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        fill(kit, dns, &mut owner, "Crew").await;
        let mut nobody = kit.nobody();
        for (link, answer) in crawl(&mut owner, &[PAGES, "/account"]).await {
            // What everybody may open is no page of a person.
            if is_page(&answer) && nobody.get(&link).await.status != 200 {
                assert!(answer.text().contains("action=\"/sign-out\""), "{link} has no way out");
            }
        }
    })
    .await;
}

/// A path in which every parameter has a value; what `things` does not hold is made up.
fn path_of(route: &RouteInfo, organization: &str, things: &Things) -> String {
    let fill = |part: &str| {
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
            return part.to_owned();
        };
        match (name, things.get(name)) {
            ("organization", _) => organization.to_owned(),
            (_, Some(id)) => id.clone(),
            ("token", None) => "A".repeat(43),
            ("row", None) => "USR-C1".to_owned(),
            ("side", None) => "customer".to_owned(),
            ("sequence", None) => "0".to_owned(),
            _ => "0197a1c0-0000-7000-8000-000000000000".to_owned(),
        }
    };
    route.path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

async fn ask_route(client: &mut Client, route: &RouteInfo, path: &str, body: &[u8]) -> Answer {
    let kind = match (route.method == Method::GET, route.kind) {
        (true, _) => None,
        (_, RouteKind::Api) => Some("application/json"),
        _ => Some("application/x-www-form-urlencoded"),
    };
    client.send(route.method.clone(), path, kind, body.to_vec()).await
}

async fn events_of(kit: &Kit, slug: &'static str) -> u64 {
    let size = kit.app.db().read(move |tx| {
        let here = principals::organization_by_slug(tx, slug)?.expect("an organization");
        Ok::<_, DbError>(proofs::head(tx, here.id)?.0)
    });
    size.await.unwrap()
}

/// IDOR: the ids of one organization under the address of another, whose owner asks with every right there.
#[tokio::test]
async fn ids_of_another_organization_open_nothing() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        let things = fill(kit, dns, &mut owner, "Crew").await;
        let mut thief = kit.owner_of("meadow").await;
        thief.get("/o/meadow/groups/new").await.expect(200);
        let before = events_of(kit, "harbor").await;
        let mut tried = BTreeSet::new();
        for route in all_routes() {
            let named: Vec<&str> =
                things.keys().copied().filter(|name| route.path.contains(&format!("{{{name}}}"))).collect();
            if named.is_empty() || !route.path.contains("{organization}") {
                continue;
            }
            let path = path_of(&route, "meadow", &things);
            for body in ["{}", "name=x&confirm=x&role=member&email=ann%40harbor.example"] {
                let answer = ask_route(&mut thief, &route, &path, body.as_bytes()).await;
                let text = answer.text();
                let shut = match route.method {
                    Method::GET | Method::DELETE => answer.status == 404,
                    _ => answer.status.is_client_error() || answer.status == 303,
                };
                assert!(shut, "{}: {} {text}", name_of(&route), answer.status);
                assert!(!text.contains("@harbor.example"), "{}: {text}", name_of(&route));
            }
            tried.extend(named);
        }
        assert_eq!(tried, things.keys().copied().collect(), "an id that no route was asked with");
        // In a body, too.
        let body = json!({ "email": "new@meadow.example", "role": "member", "groups": [things["group"]] });
        let refused = thief.post("/api/v1/organizations/meadow/invitations", body).await;
        assert!(refused.status.is_client_error(), "{}", refused.text());
        let group = id(thief.post("/api/v1/organizations/meadow/groups", json!({ "name": "Own" })).await);
        let member = format!("/api/v1/organizations/meadow/groups/{group}/members/{}", things["account"]);
        let refused = thief.put(&member, json!({})).await;
        assert!(refused.status.is_client_error(), "{}", refused.text());
        assert_eq!(before, events_of(kit, "harbor").await, "something of the other organization changed");
    })
    .await;
}

/// Mass assignment, ASVS 15.3.3: a member that a route does not know refuses the whole request.
#[tokio::test]
async fn unknown_members_are_refused_by_every_route() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        let things = fill(kit, dns, &mut owner, "Crew").await;
        let mut staff = kit.owner_of("northwind").await;
        let mut tried = 0;
        for route in all_routes().into_iter().filter(|route| route.request.is_some()) {
            let client = match route.openness {
                Openness::Provider(_) => &mut staff,
                _ => &mut owner,
            };
            let path = path_of(&route, "harbor", &things);
            let answer = ask_route(client, &route, &path, b"{\"is_admin\":true}").await;
            // Only for the command line on the server.
            if route.action == "sign_in_link.create" && answer.status == 403 {
                continue;
            }
            assert_eq!(answer.status, 422, "{}: {}", name_of(&route), answer.text());
            // An authenticator's answer is a browser's own, with members that browsers add as they please.
            if route.method == Method::POST && path.contains("/passkey") {
                continue;
            }
            assert!(
                answer.text().contains("unknown field `is_admin`"),
                "{}: {}",
                name_of(&route),
                answer.text()
            );
            tried += 1;
        }
        assert!(tried > 15, "{tried} routes take a body");
    })
    .await;
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        let things = fill(kit, dns, &mut owner, "Crew").await;
        let mut nobody = kit.nobody();
        for route in all_routes() {
            for client in [&mut owner, &mut nobody] {
                let path = path_of(&route, "harbor", &things);
                // Nothing that would end what the next route looks at.
                if route.method == Method::DELETE {
                    continue;
                }
                check_headers(&route, &ask_route(client, &route, &path, b"nonsense").await);
            }
        }
    })
    .await;
}

#[track_caller]
fn check_headers(route: &RouteInfo, answer: &Answer) {
    let name = name_of(route);
    let header = |wanted: &str| answer.header(wanted).unwrap_or_default().to_owned();
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.split(';').any(|one| one.trim() == part), "{name}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
    for (wanted, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(header(wanted), value, "{name}: {wanted}");
    }
    for told in ["server", "x-powered-by", "via"] {
        assert_eq!(answer.header(told), None, "{name} says what it runs on");
    }
    let kind = header("content-type");
    assert!(answer.body.is_empty() || !kind.is_empty(), "{name} does not say what it answers");
    if kind.starts_with("text/") || kind.ends_with("xml") && !kind.contains("svg") {
        assert!(kind.contains("charset=utf-8") || kind.contains("version=0.0.4"), "{name}: {kind}");
    }
    if route.kind != RouteKind::Plain {
        assert_eq!(header("cache-control"), "no-store", "{name}");
    }
}

/// ASVS 5.4.1, 5.4.2.
#[tokio::test]
async fn downloads_are_named_by_us() {
    on_both(async |kit, dns| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        fill(kit, dns, &mut owner, HOSTILE).await;
        let said: String = url::form_urlencoded::byte_serialize(b"a\"b\r\nX-Evil: 1").collect();
        for file in ["people.csv", "matrix.csv", "audit-log.jsonl"] {
            let answer = owner.get(&format!("{PAGES}/{file}?filename={said}&name={said}")).await.expect(200);
            let named = answer.header("content-disposition").unwrap_or_default();
            let name = named.strip_prefix("attachment; filename=\"").and_then(|rest| rest.strip_suffix('"'));
            let name = name.unwrap_or_else(|| panic!("{file}: {named}"));
            assert!(
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
                "{file}: {named}"
            );
            assert_eq!(answer.header("x-evil"), None);
        }
    })
    .await;
}

/// ASVS 4.1.3, 13.4.5: a proxy on the same machine that nobody told us about must not open what is for this machine.
#[tokio::test]
async fn metrics_are_not_passed_on_by_a_proxy() {
    let place = Place::new();
    let program = place.set_up().await;
    ask(place.port, "GET", "/metrics", &[], "").await.unwrap().expect(200);
    for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
        let passed_on = [(name, "203.0.113.9")];
        ask(place.port, "GET", "/metrics", &passed_on, "").await.unwrap().expect(404);
    }
    program.stop().await;
}

/// ASVS 16.2.1, 16.3.2: who was refused what, from where, and why.
#[tokio::test]
async fn a_refusal_is_logged_with_who_and_why() {
    let place = Place::new();
    let program = place.set_up().await;
    let session = crate::bad_start::sign_in(place.port).await;
    ask(place.port, "GET", "/api/v1/organizations/nowhere", &[("Cookie", &session)], "")
        .await
        .unwrap()
        .expect(404);
    let forged = [
        ("Cookie", session.as_str()),
        ("Origin", "https://evil.example"),
        ("Content-Type", "application/json"),
    ];
    ask(place.port, "POST", "/api/v1/organizations", &forged, "{}").await.unwrap().expect(403);
    ask(place.port, "GET", "/api/v1/account", &[], "").await.unwrap().expect(401);
    let ended = program.stop().await;
    let refused: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("refused")).collect();
    for (action, why, actor) in [
        ("organization.", "not-found", "account:"),
        ("organization.create", "cross-site", "account:"),
        ("account.get", "not-signed-in", "nobody"),
    ] {
        let told =
            refused.iter().find(|line| line.contains(action) && line.contains(why) && line.contains(actor));
        let told = told.unwrap_or_else(|| panic!("{action} {why}: {refused:#?}"));
        assert!(told.contains("127.0.0.1") && told.contains("request"), "{told}");
        assert!(!told.contains(PASSWORD) && !told.contains("evil.example"), "{told}");
    }
}

/// What an operator sets against slow and greedy clients is what happens.
#[tokio::test]
async fn the_limits_of_the_configuration_hold() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let place = Place::new();
    let limits = ["--set", "header_seconds=1", "--set", "body_bytes_max=1024"];
    let mut program = Program::start(place.serve(&limits));
    program.ready(place.port).await;
    let json = [("Content-Type", "application/json")];
    let body = json!({ "email": "a@b.example", "password": "x".repeat(2000) }).to_string();
    ask(place.port, "POST", "/api/v1/sessions", &json, &body).await.unwrap().expect(413);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("grant_type=refresh_token&refresh_token={}", "x".repeat(2000));
    ask(place.port, "POST", "/oauth/token", &form, &body).await.unwrap().expect(413);
    // A client that begins a request and never ends its head is let go.
    let mut slow = tokio::net::TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let mut answer = Vec::new();
    let patience = std::time::Duration::from_secs(8);
    tokio::time::timeout(patience, slow.read_to_end(&mut answer)).await.expect("it is let go").ok();
    program.stop().await;
}

/// What stands in the data folder and in an export is about people: nobody else on the machine reads it.
#[tokio::test]
async fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let program = place.set_up().await;
    let mode = |name: &str| {
        let found = std::fs::metadata(place.folder.path().join(name));
        found.unwrap_or_else(|error| panic!("{name}: {error}")).permissions().mode() & 0o777
    };
    assert_eq!((mode("data"), mode("data/bailiwick.db")), (0o700, 0o600));
    program.stop().await;
    // One that an earlier version made.
    let database = place.folder.path().join("data/bailiwick.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut program = Program::start(place.serve(&[]));
    program.ready(place.port).await;
    assert_eq!(mode("data/bailiwick.db"), 0o600);
    program.stop().await;
    let export = ["audit", "export", "--data", "data", "--organization", "northwind", "--to", "ledger.jsonl"];
    place.run(&export).await;
    assert_eq!(mode("ledger.jsonl"), 0o600);
}
