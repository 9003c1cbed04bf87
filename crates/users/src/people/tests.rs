use platform::access::Role;
use platform::ctx::Actor;
use platform::ids::{AccountId, OrganizationId};
use serde_json::json;
use testkit::Kit;

use super::{Authority, Change, Outcome};

mod search;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const PEOPLE: &str = "/api/v1/organizations/harbor/people";

async fn change(kit: &Kit, organization: OrganizationId, account: AccountId, change: Change) -> Outcome {
    let ctx = kit.app.ctx(Actor::Operator);
    let inside = ctx.clone();
    kit.app
        .db()
        .write(&ctx, move |tx| super::change(&inside, tx, organization, Authority::OPERATOR, account, change))
        .await
        .unwrap()
        .value
}

#[tokio::test]
async fn the_list_is_searched_filtered_and_paged() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for n in 0..5 {
                kit.member("harbor", &format!("ann{n}@harbor.example"), Role::Member).await;
            }
            kit.member("quay", "ann9@harbor.example", Role::Member).await;
            let all = owner.get(PEOPLE).await.expect(200).json();
            assert_eq!(all["items"].as_array().unwrap().len(), 6);
            let found = owner.get(&format!("{PEOPLE}?q=ANN&limit=3")).await.expect(200).json();
            assert_eq!(found["items"][0]["email"], "ann0@harbor.example");
            let cursor = found["next_cursor"].as_str().unwrap();
            let rest = owner.get(&format!("{PEOPLE}?q=ann&limit=3&cursor={cursor}")).await.expect(200).json();
            let emails: Vec<_> =
                rest["items"].as_array().unwrap().iter().map(|p| p["email"].clone()).collect();
            assert_eq!(emails, ["ann3@harbor.example", "ann4@harbor.example"]);
            let owners = owner.get(&format!("{PEOPLE}?role=owner")).await.expect(200).json();
            assert_eq!(owners["items"].as_array().unwrap().len(), 1);
            owner.get(&format!("{PEOPLE}?role=king")).await.expect(422);
            owner.get(&format!("{PEOPLE}?cursor=%25")).await.expect(422);
            let page = owner.get("/o/harbor/people?q=ann").await.expect(200).text();
            assert!(
                page.contains("ann0@harbor.example") && !page.contains("</a><small>owner@harbor.example")
            );
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn strangers_see_nothing_and_members_may_not() {
    testkit::both(
        async |kit| {
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut stranger = kit.owner_of("quay").await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let mut member = kit.browser_of(ann).await;
            let one = format!("{PEOPLE}/{ann}");
            for path in [PEOPLE, &one, "/api/v1/organizations/harbor/people/export", "/o/harbor/people"] {
                stranger.get(path).await.expect(404);
                member.get(path).await.expect(403);
                auditor.get(path).await.expect(200);
            }
            kit.nobody().get(PEOPLE).await.expect(401);
            auditor.patch(&one, json!({"role": "owner"})).await.expect(403);
            member.patch(&one, json!({"role": "owner"})).await.expect(403);
            stranger.delete(&one).await.expect(404);
            // A person of another organization is not there.
            stranger.get(&format!("/api/v1/organizations/quay/people/{ann}")).await.expect(404);
            stranger.delete(&format!("/api/v1/organizations/quay/people/{ann}")).await.expect(404);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_last_owner_stays() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let one = kit.account("owner@harbor.example").await;
            let path = format!("{PEOPLE}/{one}");
            owner.patch(&path, json!({"role": "admin"})).await.expect(409);
            owner.delete(&path).await.expect(409);
            owner.patch(&path, json!({"state": "suspended"})).await.expect(409);
            assert_eq!(change(kit, harbor, one, Change::Suspend).await, Outcome::LastOwner);
            assert_eq!(kit.actions(harbor).await, ["organization.created", "member.added"]);
            let two = kit.member("harbor", "two@harbor.example", Role::Owner).await;
            // A suspended owner is no owner who could act.
            assert_eq!(change(kit, harbor, two, Change::Suspend).await, Outcome::Done);
            assert_eq!(change(kit, harbor, one, Change::Remove).await, Outcome::LastOwner);
            assert_eq!(change(kit, harbor, two, Change::Restore).await, Outcome::Done);
            assert_eq!(change(kit, harbor, one, Change::Role(Role::Member)).await, Outcome::Done);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let one = kit.member("harbor", "one@harbor.example", Role::Owner).await;
            let two = kit.member("harbor", "two@harbor.example", Role::Owner).await;
            let mut outcomes =
                tokio::join!(async { change(kit, harbor, one, Change::Remove).await }, async {
                    change(kit, harbor, two, Change::Role(Role::Member)).await
                },);
            if outcomes.0 != Outcome::Done {
                outcomes = (outcomes.1, outcomes.0);
            }
            assert_eq!(outcomes, (Outcome::Done, Outcome::LastOwner));
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn admins_do_not_touch_owners_nor_make_them() {
    testkit::both(
        async |kit| {
            kit.owner_of("harbor").await;
            let owner = kit.member("harbor", "two@harbor.example", Role::Owner).await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let me = kit.account("admin@harbor.example").await;
            admin.patch(&format!("{PEOPLE}/{owner}"), json!({"role": "member"})).await.expect(403);
            admin.delete(&format!("{PEOPLE}/{owner}")).await.expect(403);
            admin.patch(&format!("{PEOPLE}/{me}"), json!({"role": "owner"})).await.expect(403);
            admin.patch(&format!("{PEOPLE}/{ann}"), json!({"role": "owner"})).await.expect(403);
            admin.patch(&format!("{PEOPLE}/{me}"), json!({"state": "suspended"})).await.expect(409);
            let done = admin.patch(&format!("{PEOPLE}/{ann}"), json!({"role": "auditor"})).await.expect(200);
            assert_eq!(done.json()["role"], "auditor");
            admin.patch(&format!("{PEOPLE}/{ann}"), json!({})).await.expect(422);
            admin.patch(&format!("{PEOPLE}/{ann}"), json!({"state": "gone"})).await.expect(422);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn suspension_ends_access_at_once_and_restoring_gives_it_back() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let id = kit.account("auditor@harbor.example").await;
            let path = format!("{PEOPLE}/{id}");
            auditor.get(PEOPLE).await.expect(200);
            owner.patch(&path, json!({"state": "suspended"})).await.expect(200);
            auditor.get(PEOPLE).await.expect(404);
            let page = format!("/o/harbor/people/{id}");
            assert!(owner.get(&page).await.expect(200).text().contains("Suspended"));
            owner.submit(&format!("{page}/restore"), &[]).await.expect(303);
            auditor.get(PEOPLE).await.expect(200);
            owner.submit(&format!("{page}/role"), &[("role", "admin")]).await.expect(303);
            let text = owner.get(&page).await.expect(200).text();
            assert!(text.contains("member.role_changed"), "the history shows it: {text}");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn removal_is_confirmed_by_address_and_ends_group_memberships() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Auditor).await;
            let group = owner
                .post("/api/v1/organizations/harbor/groups", json!({"name": "Crew"}))
                .await
                .expect(201)
                .json();
            let members =
                format!("/api/v1/organizations/harbor/groups/{}/members", group["id"].as_str().unwrap());
            owner.put(&format!("{members}/{ann}"), json!({})).await.expect(204);
            let page = format!("/o/harbor/people/{ann}/remove");
            assert!(owner.get(&page).await.expect(200).text().contains("leave 1 group"));
            owner.submit(&page, &[("confirm", "somebody")]).await.expect(422);
            owner.submit(&page, &[("confirm", "ann@harbor.example")]).await.expect(303);
            owner.get(&format!("{PEOPLE}/{ann}")).await.expect(404);
            let left = owner.get(&members).await.expect(200).json();
            assert_eq!(left["items"].as_array().unwrap().len(), 0);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_export_holds_everybody_and_no_formula() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let evil = kit.member("harbor", "evil@harbor.example", Role::Member).await;
            let ctx = kit.ctx();
            let harbor = kit.organization("harbor").await;
            kit.app
                .db()
                .write(&ctx, move |tx| {
                    platform::principals::rename_account(tx, evil, "=HYPERLINK(\"http://x\")")?;
                    let renamed = platform::events::Event::new(harbor, "account.renamed");
                    let recorded = tx.record(renamed);
                    Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), recorded))
                })
                .await
                .unwrap();
            let answer = owner.get("/api/v1/organizations/harbor/people/export").await.expect(200);
            assert!(answer.header("content-disposition").unwrap().contains("people-harbor.csv"));
            let text = answer.text();
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 2);
            assert_eq!(&rows[0][1], "'=HYPERLINK(\"http://x\")");
            owner.get("/o/harbor/people.csv?q=own").await.expect(200);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_drill_sees_each_way_in_that_suspension_does_not_close() {
    use super::drill;
    use crate::seams;
    use platform::evidence::Verdict;
    testkit::both_with(
        async |kit| {
            let northwind = kit.organization("northwind").await;
            let judge = async || {
                let now = kit.now();
                let evaluate = super::evidence::SUSPENSION.evaluate;
                kit.app.db().read(move |tx| evaluate(tx, northwind, now)).await.unwrap()
            };
            assert_eq!(judge().await.state, Verdict::Unknown);
            let run = async || (drill::SUSPENDED_ACCOUNT.run)(kit.app.clone()).await.unwrap();
            let held = run().await;
            assert!(held.passed, "{held:?}");
            assert_eq!(judge().await.state, Verdict::Met);
            for (seam, words) in [
                (seams::PASSWORD, "password"),
                (seams::SINGLE_SIGN_ON, "single sign-on"),
                (seams::TOKEN, "API token"),
                (seams::SESSION, "session"),
                (seams::PROVISIONING, "directory"),
            ] {
                kit.advance(platform::time::HOUR);
                seams::set(kit, seam, true).await;
                let broken = run().await;
                assert!(!broken.passed, "{seam}: {broken:?}");
                assert_eq!(broken.detail, format!("a suspended canary was let in by {words}"));
                let judged = judge().await;
                assert_eq!(judged.state, Verdict::NotMet, "{seam}");
                let told = judged
                    .facts
                    .iter()
                    .filter(|fact| fact.sentence.contains("let in somebody suspended"))
                    .count();
                assert_eq!(told, 1, "{judged:?}");
                seams::set(kit, seam, false).await;
                kit.advance(platform::time::HOUR);
                assert!(run().await.passed, "{seam}");
                assert_eq!(judge().await.state, Verdict::Met, "{seam}");
            }
            // Nothing of the canaries stays: no organization, account or mail, and the ledger tells of drills alone.
            let left =
                kit.app.db().read(|tx| platform::principals::organizations(tx, "", 100)).await.unwrap();
            assert_eq!(left.len(), 1);
            let actions = kit.actions(northwind).await;
            let others = actions.iter().filter(|one| !one.starts_with("drill.") && !one.starts_with("seam."));
            assert_eq!(others.count(), 1, "{actions:?}");
            assert!(kit.mails().await.is_empty());
        },
        crate::kit::real_sign_in,
    )
    .await;
}
