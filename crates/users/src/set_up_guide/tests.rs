use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals::{self, Organization, OrganizationKind, OrganizationState};
use platform::time::DAY;
use serde_json::{Value, json};
use testkit::{Client, Kit, KitOptions};

use super::{Sources, Tally, by_progress, by_slug, sql, tally};
use crate::kit::with_mail;

const API: &str = "/api/v1/organizations/harbor/set-up";
const ALL: &str = "/api/v1/provider/set-ups";

fn following() -> KitOptions {
    let mut options = with_mail();
    options.consumers = vec![super::consumer_step];
    options
}

async fn state(client: &mut Client, step: &str) -> String {
    let guide = client.get(API).await.expect(200).json();
    let found = guide["steps"].as_array().unwrap().iter().find(|one| one["id"] == step).cloned();
    found.unwrap_or_else(|| panic!("no step {step}: {guide}"))["state"].as_str().unwrap().to_owned()
}

async fn listed(staff: &mut Client, asked: &str) -> Vec<Value> {
    staff.get(&format!("{ALL}?{asked}")).await.expect(200).json()["items"].as_array().unwrap().clone()
}

async fn publish(owner: &mut Client) {
    let notice = json!({ "title": "Passwords", "body": "Use a manager.", "renews": true });
    owner.post("/api/v1/organizations/harbor/awareness", notice).await.expect(201);
}

async fn read(client: &mut Client) {
    let path = "/api/v1/organizations/harbor/awareness/acknowledgement";
    client.post(path, json!({ "version": 1 })).await.expect(204);
}

#[tokio::test]
async fn a_step_is_done_when_it_is_and_open_when_it_is_not_any_more() {
    testkit::both_with(
        async |kit| {
            let mut staff = kit.owner_of("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            kit.settle().await;
            let guide = owner.get(API).await.expect(200).json();
            // Contacts are another area's: not in this program, so no step.
            assert_eq!(guide["steps"].as_array().unwrap().len(), 8);
            assert_eq!(guide["steps"][0]["row"], "USR-C1");
            assert_eq!(guide["steps"][0]["page"], "/o/harbor/domains");
            assert_eq!(guide["done"], 0, "{guide}");
            let line = listed(&mut staff, "").await;
            assert_eq!((&line[0]["organization"], &line[0]["next"]), (&json!("harbor"), &json!("domain")));
            assert_eq!(line.len(), 1, "the provider's own organization is none of its customers");
            // The evidence of the row says that it is done, and the list follows.
            publish(&mut owner).await;
            assert_eq!(state(&mut owner, "awareness").await, "open");
            read(&mut owner).await;
            kit.settle().await;
            assert_eq!(state(&mut owner, "awareness").await, "done");
            assert_eq!(listed(&mut staff, "").await[0]["done"], 1);
            // Somebody joins who has not read it, and reads it.
            let eve = kit.member("harbor", "eve@outside.example", Role::Member).await;
            kit.settle().await;
            assert_eq!(state(&mut owner, "awareness").await, "open");
            assert_eq!(listed(&mut staff, "").await[0]["done"], 0);
            let mut eve = kit.browser_of(eve).await;
            read(&mut eve).await;
            kit.settle().await;
            assert_eq!(listed(&mut staff, "").await[0]["done"], 1);
            // What ends with time alone, the daily job sees.
            kit.advance_settled(crate::awareness::LASTS + DAY * 2, DAY * 30).await;
            assert_eq!(listed(&mut staff, "").await[0]["done"], 0);
        },
        following,
    )
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_left_out_with_a_reason_until_it_is_finished() {
    testkit::both_with(
        async |kit| {
            let mut staff = kit.owner_of("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            kit.owner_of("quay").await;
            kit.settle().await;
            let skip = |step: &str| json!({ "step": step, "reason": "We are 12 people" });
            let path = format!("{API}/skips");
            owner.post(&path, json!({ "step": "domain", "reason": " " })).await.expect(422);
            owner.post(&path, skip("dance")).await.expect(404);
            owner.post(&path, skip("contacts")).await.expect(404);
            publish(&mut owner).await;
            read(&mut owner).await;
            owner.post(&path, skip("awareness")).await.expect(409);
            for step in ["domain", "claim", "policy", "second_factor", "identity_provider", "provisioning"] {
                owner.post(&path, skip(step)).await.expect(204);
            }
            assert_eq!(state(&mut owner, "domain").await, "skipped");
            owner.delete(&format!("{path}/domain")).await.expect(204);
            owner.delete(&format!("{path}/domain")).await.expect(404);
            assert_eq!(state(&mut owner, "domain").await, "open");
            owner.post(&path, skip("domain")).await.expect(204);
            assert!(listed(&mut staff, "state=finished").await.is_empty());
            owner.post(&path, skip("review")).await.expect(204);
            // Finished, and it stays so.
            let done = listed(&mut staff, "state=finished").await;
            assert_eq!(
                (&done[0]["skipped"], &done[0]["done"], &done[0]["next"]),
                (&json!(7), &json!(1), &Value::Null)
            );
            owner.delete(&format!("{path}/review")).await.expect(204);
            kit.settle().await;
            assert_eq!(listed(&mut staff, "state=finished").await.len(), 1);
            let counts = kit.app.db().read(tally).await.unwrap();
            assert_eq!(counts, Tally { finished: 1, under_way: 1 });
            // USR-P5 says so.
            let (provider, now) = (kit.organization("northwind").await, kit.now());
            let evaluate = crate::support::evidence::IN_TIME.evaluate;
            let finding = kit.app.db().read(move |tx| evaluate(tx, provider, now)).await.unwrap();
            let fact = finding.facts.iter().find(|fact| fact.name == "organizations_set_up").unwrap();
            assert_eq!(fact.sentence, "1 of 2 organizations finished their guided set-up");
            let actions = kit.actions(kit.organization("harbor").await).await;
            assert_eq!(actions.iter().filter(|one| *one == "set_up_guide.step_skipped").count(), 8);
            assert_eq!(actions.iter().filter(|one| *one == "set_up_guide.step_taken_up").count(), 2);
            // Who may what.
            let mut member = kit.as_role("harbor", Role::Member).await;
            member.get(API).await.expect(403);
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            auditor.get(API).await.expect(200);
            auditor.post(&path, skip("review")).await.expect(403);
            auditor.put(API, json!({ "hidden": true })).await.expect(403);
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(API).await.expect(404);
            stranger.post(&path, skip("review")).await.expect(404);
            stranger.get(ALL).await.expect(404);
            kit.settle().await;
        },
        following,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let mut staff = kit.owner_of("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            kit.settle().await;
            let page = "/o/harbor/set-up";
            let shown = owner.get(page).await.expect(200).text();
            assert!(
                shown.contains("Verify your domain") && shown.contains("no verified domain yet"),
                "{shown}"
            );
            assert!(shown.contains("/o/harbor/rows/USR-C1"), "{shown}");
            let refused = owner.submit(&format!("{page}/skip"), &[("step", "claim"), ("reason", "")]).await;
            assert!(refused.expect(422).text().contains("f-reason-claim-e"));
            let fields = [("step", "claim"), ("reason", "No accounts <b> yet")];
            owner.submit(&format!("{page}/skip"), &fields).await.expect(303);
            let shown = owner.get(page).await.expect(200).text();
            assert!(shown.contains("No accounts &#60;b&#62; yet"), "{shown}");
            owner.submit(&format!("{page}/take-up"), &[("step", "claim")]).await.expect(303);
            let hidden = owner.submit(&format!("{page}/hide"), &[("hidden", "on")]).await.expect(303);
            assert_eq!(hidden.location().split('?').next().unwrap(), "/o/harbor");
            assert_eq!(owner.get(API).await.expect(200).json()["hidden"], true);
            owner.submit(&format!("{page}/hide"), &[("hidden", "")]).await.expect(303);
            assert_eq!(owner.get(API).await.expect(200).json()["hidden"], false);
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            assert!(!auditor.get(page).await.expect(200).text().contains("Leave it out"));
            let list = staff.get("/provider/set-ups").await.expect(200).text();
            assert!(list.contains("Harbor") && list.contains("0 of 8 done"), "{list}");
            let none = staff.get("/provider/set-ups?state=finished").await.expect(200).text();
            assert!(none.contains("Nobody finished yet"), "{none}");
            assert!(staff.get("/provider/set-ups?q=harb").await.expect(200).text().contains("Harbor"));
            staff.get("/provider/set-ups?state=lost").await.expect(422);
            kit.settle().await;
        },
        following,
    )
    .await;
}

/// In small transactions: a long one keeps events of other tests on the same server from being seen.
async fn many(kit: &Kit, from: u32, count: u32) {
    let ctx = kit.ctx();
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| {
        let mut recorded = None;
        for n in from..from + count {
            let id: OrganizationId = at.id();
            let new = Organization {
                id,
                slug: format!("customer-{n:05}"),
                name: format!("Customer {n}"),
                kind: OrganizationKind::Customer,
                state: OrganizationState::Active,
                created_at: at.now,
            };
            assert!(principals::insert_organization(tx, &new)?);
            let finished = n % 3 == 0;
            let row = params![
                id,
                n % 9,
                0,
                9,
                "domain",
                "Verify your domain",
                finished,
                finished.then_some(at.now),
                at.now
            ];
            tx.execute(&sql::KEEP, row)?;
            recorded = Some(tx.record(Event::new(id, "organization.created")));
        }
        Ok::<_, DbError>(recorded.map_or(Commit::unchanged(()), |recorded| Commit::changed((), recorded)))
    });
    made.await.expect("organizations");
}

#[tokio::test]
async fn ten_thousand_organizations_are_listed_at_once() {
    testkit::both_with(
        async |kit| {
            for batch in 0..50 {
                many(kit, batch * 200, 200).await;
            }
            let mut best = [u128::MAX; 3];
            for _ in 0..5 {
                let now = std::time::Instant::now;
                let began = now();
                let first = kit.app.db().read(|tx| by_progress(tx, false, None, 51)).await.unwrap();
                best[0] = best[0].min(began.elapsed().as_millis());
                assert_eq!((first.len(), first[0].progress.done), (51, 1));
                let last = first.last().map(|one| (one.progress.done, one.id));
                let began = now();
                let next = kit.app.db().read(move |tx| by_progress(tx, false, last, 51)).await.unwrap();
                best[1] = best[1].min(began.elapsed().as_millis());
                assert_eq!(next.len(), 51);
                assert!(!first.iter().any(|one| one.id == next[0].id));
                let began = now();
                let found = kit.app.db().read(|tx| by_slug(tx, "customer-04", "", 51)).await.unwrap();
                best[2] = best[2].min(began.elapsed().as_millis());
                assert_eq!(found[0].slug, "customer-04000");
            }
            assert!(best.iter().all(|millis| *millis < 50), "{best:?} ms");
            assert_eq!(kit.app.db().read(tally).await.unwrap(), Tally { finished: 3334, under_way: 6666 });
        },
        || {
            let mut options = KitOptions::new(&[]);
            options.areas = Vec::new();
            options
        },
    )
    .await;
}

#[tokio::test]
async fn one_look_at_an_organization_asks_each_control() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let (sources, now) = (Sources::of(&kit.app), kit.now());
            let stands = kit.app.db().read(move |tx| super::look(tx, &sources, harbor, now)).await.unwrap();
            assert!(
                stands.iter().all(|stand| !stand.seen.is_empty() && stand.href.starts_with("/o/harbor/"))
            );
        },
        following,
    )
    .await;
}
