//! An area whose evidence does what a test says: its controls read their verdict from the newest event about them.

use std::time::Duration;

use platform::ctx::{Actor, Ctx};
use platform::db::{Commit, DbError, ReadTx};
use platform::events::{self, Event};
use platform::evidence::{DrillReport, DrillSource, EvidenceSource, Fact, Finding, OrganizationFacts, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;
use platform::web::routes::Routes;
use platform::{App, Area};
use testkit::{Kit, KitOptions};

use crate::cells::{self, CellKey};
use crate::states::Cell;
use crate::{matrix, rows};

platform::statements! {
    /// An error on PostgreSQL, after which the transaction is dead.
    BROKEN: Platform = "select cast('x' as integer)", postgres "select cast(kind as bigint) from organizations";
}

macro_rules! source {
    ($name:ident, $row:literal, $side:ident, $($start:literal),+) => {
        EvidenceSource {
            row: $row,
            side: Side::$side,
            depends_on: &[$($start),+],
            evaluate: |tx, organization, now| scripted(tx, organization, now, $row),
        }
    };
}

pub static FAKE: Area = Area {
    name: "fake",
    routes: Routes::new,
    jobs: &[],
    schedules: &[],
    evidence: &[
        source!(C1, "USR-C1", Customer, "fake.c1"),
        source!(C2, "USR-C2", Customer, "fake.c2"),
        source!(C3, "USR-C3", Customer, "fake.c3"),
        source!(C6, "USR-C6", Customer, "fake.c6"),
        source!(C5, "USR-C5", Customer, "fake.c5"),
        source!(C7, "USR-C7", Customer, "fake.c7"),
        source!(C8, "USR-C8", Customer, "fake.c8"),
        source!(C9, "USR-C9", Customer, "fake.c9"),
        source!(C4, "POL-C4", Customer, "fake.c4", "account."),
        source!(U4, "USR-C4", Customer, "fake.u4"),
        source!(P1, "USR-P1", Provider, "fake.p1"),
        source!(P2, "USR-P2", Provider, "fake.p2"),
        source!(P3, "USR-P3", Provider, "fake.p3"),
        source!(P4, "USR-P4", Provider, "fake.p4"),
        source!(P5, "USR-P5", Provider, "fake.p5"),
        source!(P6, "USR-P6", Provider, "fake.p6"),
    ],
    drills: &[DrillSource { row: "USR-P3", id: "forged-domain-proof", run: |app| Box::pin(drill(app)) }],
    facts: Some(facts),
    navigation: &[],
    tasks: &[],
};

fn action_of(row: &str) -> &'static str {
    match row {
        "USR-C1" => "fake.c1",
        "USR-C2" => "fake.c2",
        "USR-C3" => "fake.c3",
        "USR-C6" => "fake.c6",
        "USR-C5" => "fake.c5",
        "USR-C7" => "fake.c7",
        "USR-C8" => "fake.c8",
        "USR-C9" => "fake.c9",
        "POL-C4" => "fake.c4",
        "USR-C4" => "fake.u4",
        "USR-P1" => "fake.p1",
        "USR-P2" => "fake.p2",
        "USR-P3" => "fake.p3",
        "USR-P4" => "fake.p4",
        "USR-P5" => "fake.p5",
        "USR-P6" => "fake.p6",
        other => panic!("{other} has no fake control"),
    }
}

fn newest(
    tx: &mut ReadTx,
    organization: OrganizationId,
    about: &str,
) -> Result<Option<events::StoredEvent>, DbError> {
    Ok(events::about(tx, organization, "fake", about, 1)?.into_iter().next())
}

fn scripted(
    tx: &mut ReadTx,
    organization: OrganizationId,
    _now: Timestamp,
    row: &'static str,
) -> Result<Finding, DbError> {
    let Some(event) = newest(tx, organization, row)? else {
        return Ok(Finding::met("nobody broke it").with_fact(Fact::count("events", 0, "nothing happened")));
    };
    let text = |name: &str| event.public.get(name).map(String::as_str).unwrap_or_default();
    let finding = match text("verdict") {
        "met" => Finding::met("all is well"),
        "not_met" => Finding::not_met("it is broken").with_action("Mend it", format!("/mend/{row}"), 3),
        "not_applicable" => Finding::not_applicable("nothing to do here"),
        "unknown" => Finding::unknown("nobody can tell"),
        "panic" => panic!("a control that panics"),
        "fail" => {
            tx.query(&BROKEN, &[])?;
            return Err(DbError::Check("a control that fails".to_owned()));
        }
        other => panic!("`{other}` is no verdict"),
    };
    let finding = match Timestamp::parse_rfc3339(text("valid_until")) {
        Some(until) => finding.with_valid_until(until),
        None => finding,
    };
    Ok(finding.with_fact(Fact::count("events", event.sequence, format!("set by event {}", event.sequence))))
}

fn facts(tx: &mut ReadTx, organization: OrganizationId) -> Result<OrganizationFacts, DbError> {
    let domain = newest(tx, organization, "domain")?;
    let verified = domain.is_some_and(|event| event.action == "domain.verified");
    Ok(OrganizationFacts { has_verified_domain: verified, has_outside_users: false })
}

async fn drill(app: App) -> Result<DrillReport, DbError> {
    let ctx = app.ctx(Actor::System("drill"));
    let written = app
        .db()
        .write(&ctx, |tx| {
            let provider = principals::provider(tx)?.expect("a provider");
            let script = newest(tx, provider.id, "drill")?;
            let passed = script
                .is_none_or(|event| event.public.get("verdict").is_some_and(|verdict| verdict == "met"));
            let detail =
                if passed { "11 forged proofs were refused" } else { "a shortened token got through" };
            let event = Event::new(provider.id, if passed { "drill.passed" } else { "drill.failed" })
                .target("row", "USR-P3")
                .with("drill", "forged-domain-proof")
                .with("detail", detail);
            let recorded = tx.record(event);
            let report = DrillReport { passed, detail: detail.to_owned() };
            Ok::<_, DbError>(Commit::changed(report, recorded))
        })
        .await?;
    Ok(written.value)
}

pub fn options() -> KitOptions {
    let mut options = KitOptions::new(&[&crate::AREA, &FAKE]);
    options.consumers = vec![crate::consumer_step];
    options
}

/// Records an event with a static action about a fake target.
pub async fn say(
    kit: &Kit,
    organization: OrganizationId,
    action: &'static str,
    about: &str,
    fields: &[(&'static str, String)],
) {
    let (about, fields) = (about.to_owned(), fields.to_vec());
    let ctx: Ctx = kit.ctx();
    kit.app
        .db()
        .write(&ctx, move |tx| {
            let event = Event::new(organization, action).target("fake", &about);
            let event = fields.iter().fold(event, |event, (name, value)| event.with(name, value));
            let recorded = tx.record(event);
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .expect("an event");
}

/// Makes the fake control of `row` say `verdict` from now on.
pub async fn set(kit: &Kit, organization: OrganizationId, row: &str, verdict: &str) {
    say(kit, organization, action_of(row), row, &[("verdict", verdict.to_owned())]).await;
}

pub async fn set_until(kit: &Kit, organization: OrganizationId, row: &str, verdict: &str, within: Duration) {
    let until = kit.now().plus(within).rfc3339();
    say(kit, organization, action_of(row), row, &[("verdict", verdict.to_owned()), ("valid_until", until)])
        .await;
}

/// The stored cell, as evaluated.
pub async fn stored(kit: &Kit, organization: OrganizationId, row: &str, side: Side) -> Option<Cell> {
    let row = rows::find(row).expect("a row");
    kit.app.db().read(move |tx| cells::one(tx, &CellKey { organization, row, side })).await.expect("a cell")
}

/// What a reader sees of the customer's half: `state basis`.
pub async fn seen(kit: &Kit, organization: OrganizationId, row: &str) -> String {
    seen_of(kit, organization, row, Side::Customer).await
}

pub async fn seen_of(kit: &Kit, organization: OrganizationId, row: &str, side: Side) -> String {
    let (now, row) = (kit.now(), row.to_owned());
    kit.app
        .db()
        .read(move |tx| {
            let organization = principals::organization(tx, organization)?.expect("an organization");
            let matrix = matrix::load(tx, &organization, Some(facts), now)?;
            let line =
                matrix.lines.iter().find(|line| line.row.id == row && line.side == side).expect("a line");
            Ok::<_, DbError>(format!("{} {}", line.cell.state(), line.cell.basis.as_str()))
        })
        .await
        .expect("a matrix")
}

/// Steps of the consumer, one in general; gives how much they did. PostgreSQL shows an event only when no older
/// transaction runs in any database of the server, so those of other tests may hold it back for a moment.
pub async fn step(kit: &Kit) -> usize {
    let mut commits = kit.app.db().commits();
    let mut done = 0;
    for _ in 0..100 {
        done += crate::consumer_step(kit.app.clone()).await.expect("a step");
        if platform::feed::caught_up(kit.app.db(), crate::engine::jobs::CONSUMER).await.expect("a feed") {
            return done;
        }
        platform::feed::wait(&mut commits).await;
    }
    panic!("the consumer does not catch up");
}

/// Keeps a page for somebody to look at, when `BAILIWICK_KEEP_PAGES` names a folder.
pub fn keep(name: &str, page: &str) {
    if let Ok(folder) = std::env::var("BAILIWICK_KEEP_PAGES") {
        std::fs::write(format!("{folder}/{name}.html"), page).expect("a page is kept");
    }
}
