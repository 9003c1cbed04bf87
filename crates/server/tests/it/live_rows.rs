//! From the event to the cell, over the whole program: each of these rows is broken and mended as somebody would, and the
//! matrix that the API gives turns with it.

use bailiwick::demo::prover::Script;
use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::time::{DAY, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::shared::whole_program;

platform::statements! {
    MANAGE: Platform = "update accounts set managed_by = $2, managed_since = $3 where id = $1";
    HAS_APP: Platform =
        "insert into totp_factors (account_id, secret, created_at, confirmed_at, last_step) values ($1, $2, $3, $3, 0)";
}

async fn on_both<F: AsyncFn(&Kit, &Script)>(test: F) {
    let dns = Script::default();
    testkit::both_with(
        async |kit| test(kit, &dns).await,
        || {
            let mut options = whole_program(&dns);
            // Names under `.example` can be proved on a test's clock alone.
            options.configure = Box::new(|config| config.test_clock = true);
            options.consumers = vec![responsibility::consumer_step];
            options
        },
    )
    .await;
}

/// `state: reason` of a row's half.
async fn cell(client: &mut Client, slug: &str, row: &str, side: &str) -> String {
    let path = format!("/api/v1/organizations/{slug}/matrix");
    let matrix = client.get(&path).await.expect(200).json();
    let rows = matrix["rows"].as_array().expect("rows");
    let found = rows.iter().find(|one| one["id"] == row && one["side"] == side).expect("a row");
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    format!("{}: {}", text("state"), text("reason"))
}

/// The detectors run beside the matrix here, as they do in the program.
async fn watched<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(test, || {
        let mut options = whole_program(&Script::default());
        options.consumers = vec![threats::consumer_step, responsibility::consumer_step];
        options
    })
    .await;
}

#[tokio::test]
async fn a_stopped_detector_turns_the_row_of_watching_and_back() {
    watched(async |kit| {
        let mut staff = kit.owner_of("northwind").await;
        let row = async |staff: &mut Client| cell(staff, "northwind", "USR-P2", "provider").await;
        kit.settle().await;
        assert_eq!(row(&mut staff).await, "held: every detector is alive");
        let one = "/api/v1/provider/detectors/guessing-many-accounts";
        staff.post(&format!("{one}/stop"), json!({ "reason": "A load test" })).await.expect(200);
        kit.settle().await;
        assert_eq!(row(&mut staff).await, "gap: `guessing-many-accounts` is stopped");
        // Its drill fails with it, and stands in the way until it passes again.
        let ran =
            staff.post("/api/v1/provider/drills", json!({ "rows": ["USR-P2"] })).await.expect(200).json();
        assert_eq!(ran["drills"][0]["passed"], false, "{ran}");
        staff.post(&format!("{one}/start"), json!({ "reason": "It is over" })).await.expect(200);
        kit.settle().await;
        assert!(row(&mut staff).await.contains("got through"), "{}", row(&mut staff).await);
        let ran =
            staff.post("/api/v1/provider/drills", json!({ "rows": ["USR-P2"] })).await.expect(200).json();
        assert_eq!(ran["drills"][0]["passed"], true, "{ran}");
        kit.settle().await;
        assert_eq!(row(&mut staff).await, "held: every detector is alive");
        // A customer sees the same.
        let mut owner = kit.owner_of("harbor").await;
        assert!(cell(&mut owner, "harbor", "USR-P2", "provider").await.starts_with("held"));
        // Half an hour of heartbeats: it stays held all the time.
        let since = held_since(&mut staff).await;
        kit.advance_settled(MINUTE * 30, MINUTE).await;
        assert_eq!(held_since(&mut staff).await, since);
        // The loops stand still: nobody has to say so.
        kit.advance(MINUTE * 5);
        responsibility::consumer_step(kit.app.clone()).await.expect("a step");
        assert!(row(&mut staff).await.starts_with("gap: `guessing-many-accounts` is silent"));
        kit.settle().await;
        assert_eq!(row(&mut staff).await, "held: every detector is alive");
    })
    .await;
}

async fn held_since(staff: &mut Client) -> Value {
    let matrix = staff.get("/api/v1/organizations/northwind/matrix").await.expect(200).json();
    let rows = matrix["rows"].as_array().expect("rows").clone();
    rows.into_iter().find(|one| one["id"] == "USR-P2").expect("a row")["since"].clone()
}

#[tokio::test]
async fn every_drill_passes_and_the_rows_follow() {
    on_both(async |kit, _| {
        let mut staff = kit.owner_of("northwind").await;
        let ran = staff.post("/api/v1/provider/drills", json!({})).await.expect(200).json();
        let drills = ran["drills"].as_array().expect("drills");
        assert_eq!(drills.len(), 4, "{ran}");
        assert!(drills.iter().all(|one| one["passed"] == true), "{ran}");
        kit.settle().await;
        for row in ["USR-P1", "USR-P4"] {
            let held = cell(&mut staff, "northwind", row, "provider").await;
            assert!(held.starts_with("held"), "{row}: {held}");
        }
        let page = staff.get("/provider/drills").await.expect(200).text();
        assert!(page.contains("session: kept out") && page.contains("saml unsigned: refused"), "{page}");
        // A day in which nobody drills.
        kit.advance(DAY);
        responsibility::consumer_step(kit.app.clone()).await.expect("a step");
        let old = cell(&mut staff, "northwind", "USR-P1", "provider").await;
        assert!(old.starts_with("stale"), "{old}");
        kit.settle().await;
        let held = cell(&mut staff, "northwind", "USR-P1", "provider").await;
        assert!(held.starts_with("held"), "{held}");
    })
    .await;
}

/// As after a claim, and with an authenticator app.
async fn managed(kit: &Kit, organization: OrganizationId, account: AccountId) {
    let ctx = kit.ctx();
    let now = ctx.now;
    let written = kit.app.db().write(&ctx, move |tx| {
        tx.execute(&MANAGE, params![account, organization, now])?;
        tx.execute(&HAS_APP, params![account, vec![1_u8], now])?;
        let recorded = tx.record(Event::new(organization, "account.claimed").target("account", account));
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    written.await.expect("a managed account");
}

fn rules(change: &[(&str, Value)]) -> Value {
    let mut rules = serde_json::to_value(users::policies::Rules::RECOMMENDED).expect("rules");
    for (name, value) in change {
        rules[*name] = value.clone();
    }
    rules
}

#[tokio::test]
async fn one_exempted_account_turns_the_row_of_strong_sign_in() {
    const POLICIES: &str = "/api/v1/organizations/harbor/policies";
    on_both(async |kit, dns| {
        let mut staff = kit.owner_of("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        let harbor = kit.organization("harbor").await;
        let domains = "/api/v1/organizations/harbor/domains";
        let domain = owner.post(domains, json!({ "name": "fleet.example" })).await.expect(201).json();
        dns.publish("fleet.example", domain["record"]["value"].as_str().expect("what to publish"));
        let id = domain["id"].as_str().expect("an id");
        owner.post(&format!("{domains}/{id}/check"), json!({})).await.expect(200);
        for name in ["ann", "ben"] {
            let account = kit.member("harbor", &format!("{name}@fleet.example"), Role::Member).await;
            managed(kit, harbor, account).await;
        }
        staff.post("/api/v1/provider/drills", json!({})).await.expect(200);
        kit.settle().await;
        let row = async |owner: &mut Client| cell(owner, "harbor", "USR-C5", "customer").await;
        assert!(row(&mut owner).await.starts_with("gap: 2 managed accounts are bound to neither"));
        let asking = users::policies::Rules { factor: users::factors::Level::Mfa, ..users::policies::Rules::RECOMMENDED };
        let (at, ctx) = (kit.ctx(), kit.ctx());
        let decided = kit.app.db().write(&ctx, move |tx| {
            users::policies::decide(&at, tx, harbor, "Ada", None, asking.clone())
        });
        decided.await.expect("a policy");
        kit.settle().await;
        assert!(row(&mut owner).await.starts_with("held"), "{}", row(&mut owner).await);
        let body = json!({ "name": "Without", "rules": rules(&[]), "groups": [], "accounts": ["ann@fleet.example"] });
        let made = owner.post(POLICIES, body).await.expect(201).json();
        kit.settle().await;
        assert!(row(&mut owner).await.starts_with("gap: one managed account is bound to neither"));
        let one = format!("{POLICIES}/{}", made["id"].as_str().expect("an id"));
        owner.delete(&one).await;
        kit.settle().await;
        assert!(row(&mut owner).await.starts_with("held"), "{}", row(&mut owner).await);
    })
    .await;
}

#[tokio::test]
async fn an_answered_test_of_the_channel_turns_the_row_of_reports() {
    on_both(async |kit, _| {
        let mut staff = kit.owner_of("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        kit.settle().await;
        let row = async |owner: &mut Client| cell(owner, "harbor", "USR-C9", "customer").await;
        assert_eq!(row(&mut owner).await, "gap: the report channel was never tested");
        let tests = "/api/v1/organizations/harbor/abuse-report-channel/tests";
        let made = owner.post(tests, json!({})).await.expect(201).json();
        kit.settle().await;
        assert!(row(&mut owner).await.contains("waits for the provider"));
        let answers =
            format!("/api/v1/provider/abuse-reports/harbor/{}/answers", made["id"].as_str().expect("an id"));
        staff.post(&answers, json!({ "state": "resolved" })).await.expect(200);
        kit.settle().await;
        assert!(row(&mut owner).await.starts_with("held"));
    })
    .await;
}
