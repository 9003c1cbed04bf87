//! Line 11: a directory kept over SCIM as Microsoft Entra ID keeps one: people looked up by `userName`, made, changed by
//! `Replace`, put into groups and taken out by `Add` and `Remove`. Each change is durable and in the ledger; each person
//! gets an account, because the domain of their address is verified.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use platform::ctx::Actor;
use platform::db::DbError;
use platform::principals;
use serde_json::{Value, json};
use users::directories::{self, Issue, Which};
use users::domains::name::DomainName;
use users::domains::proof::{Answer, DnsEvidence, HttpsEvidence, ResolverAnswer, Seen};
use users::domains::{self, Adding, checks};

use super::{check, started};
use crate::error::{BenchError, Result};
use crate::hashing::OWASP;
use crate::http::{Connection, encode};
use crate::load;
use crate::peers::Peer;
use crate::product::Server;
use crate::report::{Bound, Figure, Row, number, ratio};
use crate::round::{Subject, interleave, median};
use crate::seed::{self, Seeded, Size, wrong};
use crate::setup::Setup;

const CONNECTIONS: usize = 16;
const DOMAIN: &str = "bench-provisioning.dev";
const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// As many as Entra puts into one patch.
const MEMBERS_A_PATCH: usize = 100;
/// What the peer holds before it is measured: it looks through all of them at every request.
const PEER_PEOPLE: u64 = 1_000;

/// A SCIM server's directory, and what was put into it.
struct Directory {
    url: String,
    base: String,
    /// Empty where none is asked for.
    authorization: String,
    next: AtomicU64,
    /// Ids by number.
    people: Mutex<BTreeMap<u64, String>>,
    groups: Mutex<Vec<String>>,
}

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    let (people, groups) = if setup.quick { (5_000, 250) } else { (100_000, 5_000) };
    let size = Size { organizations: 1, users: 10, first: 10, passwords: false };
    let seeded = seed::installation(setup.work(), "provisioning", size, OWASP)?;
    let (base, authorization) = seed::runtime()?.block_on(prepare(&seeded))?;
    let server = Server::start(setup, &seeded.data, OWASP)?;
    let ours = Directory::new(&server.url, &base, &authorization);
    ours.fill(people, groups)?;
    let peer = Peer::scim2_server(setup);
    let theirs = started(&peer).and_then(|peer| {
        let directory = Directory::new(&peer.url, "/v2", "");
        directory.fill(PEER_PEOPLE.min(people), PEER_PEOPLE.min(people) / 20)?;
        Ok(directory)
    });
    let mut delays = Vec::new();
    let round = setup.round;
    let mut subjects = [
        Subject::new("SQLite, one row a transaction", || setup.sqlite_transactions()),
        Subject::new("ours, create", || {
            let outcome = ours.run(round, Directory::create)?;
            delays.push(outcome.delays.percentile_ms(0.95));
            Ok(outcome.per_second())
        }),
        Subject::new("scim2-server, create", || {
            Ok(started(&theirs)?.run(round, Directory::create)?.per_second())
        }),
        Subject::new("ours, PATCH", || Ok(ours.run(round, Directory::patch)?.per_second())),
        Subject::new("scim2-server, PATCH", || {
            Ok(started(&theirs)?.run(round, Directory::patch)?.per_second())
        }),
        Subject::new("ours, filter", || Ok(ours.run(round, Directory::find)?.per_second())),
        Subject::new("scim2-server, filter", || {
            Ok(started(&theirs)?.run(round, Directory::find)?.per_second())
        }),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    expect_people(&seeded.database(), ours.next.load(Ordering::SeqCst))?;
    let [limit, create, their_create, patch, their_patch, find, their_find] =
        [0, 1, 2, 3, 4, 5, 6].map(|index| median(&figures[index]));
    let row = |what: String, ours: &Figure, theirs: &Figure, limit: Option<&Figure>| Row {
        line: "11",
        operation: what,
        checks: vec![check("× scim2-server", ratio(ours, theirs), Bound::Shown)],
        ours: Some(ours.clone()),
        peer: Some(("scim2-server in memory".to_owned(), theirs.clone())),
        limit: limit.map(|limit| ("SQLite, one row a transaction".to_owned(), limit.clone())),
        unit: "/s",
    };
    let [people, groups] = [people, groups].map(|count| number(count as f64));
    let what = format!(
        "SCIM create, {CONNECTIONS} connections, {people} people, {groups} groups; the peer holds {}",
        number(PEER_PEOPLE as f64)
    );
    let mut creates = row(what, &create, &their_create, Some(&limit));
    creates.checks.insert(0, check("p95 ms", median(&Ok(delays)), Bound::AtMost(10.0)));
    creates.checks.insert(0, check("creates/s", create.clone(), Bound::AtLeast(4_000.0)));
    Ok(vec![
        creates,
        row("… PATCH, three of a person, one of a group".to_owned(), &patch, &their_patch, None),
        row("… filter `userName eq`".to_owned(), &find, &their_find, None),
    ])
}

/// A verified domain, a directory and its token.
async fn prepare(seeded: &Seeded) -> Result<(String, String)> {
    let app = seed::open(&seeded.data, OWASP).await?;
    let slug = seed::slug(0);
    let found = app.db().read(move |tx| principals::organization_by_slug(tx, &slug)).await?;
    let home = found.ok_or_else(|| wrong("the organization", "it is not there"))?.id;
    let ctx = app.ctx(Actor::Operator);
    let name = DomainName::parse(DOMAIN).map_err(|error| wrong("a domain", error))?;
    let (inside, at) = (app.clone(), ctx.clone());
    let verified = app.db().write(&ctx, move |tx| {
        let added = domains::add(&at, tx, home, &name)?;
        let Adding::Done(domain) = added.value() else {
            return Err(DbError::Check("the domain was not added".to_owned()));
        };
        let (id, token) = (domain.id, domain.token.clone());
        checks::apply(&inside, &at, tx, home, id, &token, &proof_of(&domain.record_value()))
    });
    let verified = verified.await?.value;
    if !matches!(verified, checks::Checked::Verified(_)) {
        return Err(wrong("the domain", format!("it was not verified: {verified:?}")));
    }
    let at = ctx.clone();
    let issued =
        app.db().write(&ctx, move |tx| directories::issue(&at, tx, home, &Which::Only, None, 365)).await?;
    let Issue::Done { directory, secret, .. } = issued.value else {
        return Err(wrong("a SCIM token", "it was refused"));
    };
    seed::work_off(&app).await?;
    app.db().close(Duration::from_secs(30)).await;
    Ok((format!("/scim/v2/{}", directory.id), format!("Bearer {}", secret.text())))
}

/// What two resolvers say where the record stands.
fn proof_of(value: &str) -> Seen {
    let answers = ["192.0.2.1:53", "192.0.2.2:53"].map(|resolver| ResolverAnswer {
        resolver: resolver.to_owned(),
        answer: Answer::Records { texts: vec![value.to_owned()], aliases: Vec::new() },
        sibling: Answer::Absent,
    });
    Seen {
        dns: DnsEvidence { answers: answers.to_vec() },
        https: HttpsEvidence::Absent("no server".to_owned()),
    }
}

/// Every acknowledged person has a record, and every record its account.
fn expect_people(database: &Path, made: u64) -> Result<()> {
    let store = rusqlite::Connection::open(database)?;
    let linked: i64 =
        store.query_row("select count(*) from scim_users where account_id is not null", [], |row| {
            row.get(0)
        })?;
    if u64::try_from(linked).is_ok_and(|linked| linked == made) {
        return Ok(());
    }
    Err(BenchError::Answer {
        what: "people with an account in the store".to_owned(),
        got: linked.to_string(),
        expected: made.to_string(),
    })
}

type Step = fn(&Directory, &mut Connection, u64) -> Result<()>;

impl Directory {
    fn new(url: &str, base: &str, authorization: &str) -> Self {
        Self {
            url: url.to_owned(),
            base: base.to_owned(),
            authorization: authorization.to_owned(),
            next: AtomicU64::new(0),
            people: Mutex::default(),
            groups: Mutex::default(),
        }
    }

    fn run(&self, lasting: Duration, step: Step) -> Result<load::Outcome> {
        load::closed(CONNECTIONS, lasting, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| step(self, &mut connection, number))
        })
    }

    /// People, and groups that hold each of them twice.
    fn fill(&self, people: u64, groups: u64) -> Result<()> {
        load::each(CONNECTIONS, people, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| self.create(&mut connection, number))
        })?;
        load::each(CONNECTIONS, groups, |_| {
            let mut connection = Connection::new(&self.url);
            Box::new(move |number| self.fill_group(&mut connection, number, people, groups))
        })?;
        Ok(())
    }

    fn send(
        &self,
        connection: &mut Connection,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let headers =
            [("Content-Type", "application/scim+json"), ("Authorization", self.authorization.as_str())];
        let path = format!("{}{path}", self.base);
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = connection.send(method, &path, &headers, body.as_bytes())?;
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        let answer = answer.expect(&path, if method == "POST" { 201 } else { 200 })?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    fn create(&self, connection: &mut Connection, _: u64) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let made = self.send(connection, "POST", "/Users", Some(&person(number)))?;
        let id = self.id_of(&made)?;
        self.people.lock().unwrap_or_else(PoisonError::into_inner).insert(number, id);
        Ok(())
    }

    fn fill_group(&self, connection: &mut Connection, number: u64, people: u64, groups: u64) -> Result<()> {
        let body = json!({
            "schemas": [format!("{CORE}:Group")],
            "displayName": format!("Entra group {number}"),
            "externalId": format!("g-{number}"),
        });
        let made = self.send(connection, "POST", "/Groups", Some(&body))?;
        let id = self.id_of(&made)?;
        let members: Vec<u64> = (number..people).step_by(groups.max(1) as usize).collect();
        let second = (number..people).step_by(groups.max(1) as usize).map(|one| (one * 7 + 3) % people);
        let members: Vec<u64> = members.iter().copied().chain(second).collect();
        for part in members.chunks(MEMBERS_A_PATCH) {
            let values: Vec<Value> = part.iter().map(|one| json!({ "value": self.person(*one) })).collect();
            self.change(
                connection,
                &format!("/Groups/{id}"),
                json!([
                    { "op": "Add", "path": "members", "value": values }
                ]),
            )?;
        }
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Ok(())
    }

    /// Three of four change a person, the fourth a group's members.
    fn patch(&self, connection: &mut Connection, number: u64) -> Result<()> {
        let someone = spread(number) % self.next.load(Ordering::SeqCst);
        let id = self.person(someone);
        if number % 4 == 3 {
            let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            let group = groups[spread(number / 8) as usize % groups.len()].clone();
            drop(groups);
            let operation = if number % 8 == 3 {
                json!({ "op": "Add", "path": "members", "value": [{ "value": id }] })
            } else {
                json!({ "op": "Remove", "path": format!("members[value eq \"{id}\"]") })
            };
            return self.change(connection, &format!("/Groups/{group}"), json!([operation]));
        }
        self.change(connection, &format!("/Users/{id}"), json!([
            { "op": "Replace", "path": "displayName", "value": format!("Person {someone} of {number}") },
            { "op": "Replace", "path": format!("{ENTERPRISE}:department"), "value": format!("D{}", number % 40) },
        ]))
    }

    fn change(&self, connection: &mut Connection, path: &str, operations: Value) -> Result<()> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        self.send(connection, "PATCH", path, Some(&body)).map(drop)
    }

    /// As Entra looks before it makes somebody.
    fn find(&self, connection: &mut Connection, number: u64) -> Result<()> {
        let someone = spread(number) % self.next.load(Ordering::SeqCst);
        let filter = encode(&format!("userName eq \"{}\"", user_name(someone)));
        let found = self.send(connection, "GET", &format!("/Users?filter={filter}"), None)?;
        if found["totalResults"] == 1 && found["Resources"][0]["userName"] == user_name(someone) {
            return Ok(());
        }
        Err(self.wrong(&found, "that one person"))
    }

    /// The id of a person, by number; somebody's whose creation has not been answered yet is another's.
    fn person(&self, number: u64) -> String {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        let found = people.get(&number).or_else(|| people.values().next());
        found.cloned().unwrap_or_default()
    }

    fn id_of(&self, made: &Value) -> Result<String> {
        made["id"].as_str().map(str::to_owned).ok_or_else(|| self.wrong(made, "an id"))
    }

    fn wrong(&self, got: &Value, expected: &str) -> BenchError {
        BenchError::Answer {
            what: self.base.clone(),
            got: got.to_string().chars().take(200).collect(),
            expected: expected.to_owned(),
        }
    }
}

fn user_name(number: u64) -> String {
    format!("p{number}@{DOMAIN}")
}

/// Far from its neighbours.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn person(number: u64) -> Value {
    json!({
        "schemas": [format!("{CORE}:User"), ENTERPRISE],
        "externalId": format!("e-{number}"),
        "userName": user_name(number),
        "active": true,
        "displayName": format!("Person {number}"),
        "emails": [{ "primary": true, "type": "work", "value": user_name(number) }],
        "name": {
            "formatted": format!("Person {number}"),
            "givenName": "Person",
            "familyName": number.to_string(),
        },
        ENTERPRISE: { "department": format!("D{}", number % 40), "employeeNumber": number.to_string() },
    })
}
