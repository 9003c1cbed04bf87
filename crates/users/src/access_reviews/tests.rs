use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::kit::{was_told, with_mail};

const API: &str = "/api/v1/organizations/harbor";
const LIST: &str = "/api/v1/organizations/harbor/access-reviews";

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::evidence::REVIEWED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

/// Harbor with an owner, an admin, Ann in a group, and a token of the admin.
struct Harbor {
    owner: Client,
    admin: Client,
    ann: platform::ids::AccountId,
    crew: String,
}

async fn harbor(kit: &Kit) -> Harbor {
    let mut owner = kit.owner_of("harbor").await;
    let mut admin = kit.as_role("harbor", Role::Admin).await;
    let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
    let crew = owner.post(&format!("{API}/groups"), json!({ "name": "Crew" })).await.expect(201).json();
    let crew = id(&crew);
    owner.put(&format!("{API}/groups/{crew}/members/{ann}"), json!({})).await.expect(204);
    let token = json!({ "name": "ci", "scopes": ["people.read"], "expires_in_days": 365 });
    admin.post(&format!("{API}/api-tokens"), token).await.expect(201);
    Harbor { owner, admin, ann, crew }
}

async fn start(kit: &Kit, owner: &mut Client, body: Value) -> String {
    let mut new = json!({
        "name": "Spring", "reviewers": ["owner@harbor.example", "admin@harbor.example"], "days": 14,
    });
    new.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let review = id(&owner.post(LIST, new).await.expect(201).json());
    kit.settle().await;
    review
}

async fn grants(client: &mut Client, review: &str, query: &str) -> Vec<Value> {
    let page = client.get(&format!("{LIST}/{review}/grants?limit=200&{query}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// The id of the grant of `email` that is called so.
async fn grant(client: &mut Client, review: &str, email: &str, what: &str) -> String {
    let all = grants(client, review, "").await;
    let found = all.iter().find(|one| one["email"] == email && one["what"] == what);
    id(found.unwrap_or_else(|| panic!("{email} has no {what}: {all:#?}")))
}

async fn decide(client: &mut Client, review: &str, ids: &[String], decision: &str) -> testkit::Answer {
    let body = json!({ "grants": ids, "decision": decision, "reason": "not needed any more" });
    client.post(&format!("{LIST}/{review}/decisions"), body).await
}

/// Each of the two reviewers keeps what is not theirs.
async fn keep_the_rest(harbor: &mut Harbor, review: &str) {
    for (client, email) in
        [(&mut harbor.owner, "owner@harbor.example"), (&mut harbor.admin, "admin@harbor.example")]
    {
        let open = grants(client, review, "decision=none").await;
        let ids: Vec<String> = open.iter().filter(|one| one["email"] != email).map(id).collect();
        if !ids.is_empty() {
            decide(client, review, &ids, "keep").await.expect(200);
        }
    }
}

async fn finish(kit: &Kit, client: &mut Client, review: &str) -> Value {
    client.post(&format!("{LIST}/{review}/finish"), json!({})).await.expect(200);
    kit.settle().await;
    client.get(&format!("{LIST}/{review}")).await.expect(200).json()
}

#[tokio::test]
async fn every_grant_is_put_before_the_reviewers_and_revocations_take_effect() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let review = start(kit, &mut harbor.owner, json!({})).await;
            assert!(was_told(kit, "admin@harbor.example", "review of access waits for you").await);
            let all = grants(&mut harbor.owner, &review, "").await;
            let seen: Vec<(&str, &str)> = all
                .iter()
                .map(|one| (one["email"].as_str().unwrap(), one["what"].as_str().unwrap()))
                .collect();
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(
                sorted,
                [
                    ("admin@harbor.example", "API token ci"),
                    ("admin@harbor.example", "The role admin"),
                    ("ann@harbor.example", "Group Crew"),
                    ("ann@harbor.example", "Membership"),
                    ("owner@harbor.example", "The role owner"),
                ]
            );
            let group = grant(&mut harbor.owner, &review, "ann@harbor.example", "Group Crew").await;
            let token = grant(&mut harbor.owner, &review, "admin@harbor.example", "API token ci").await;
            let role = grant(&mut harbor.owner, &review, "admin@harbor.example", "The role admin").await;
            let ids = [group.clone(), token, role];
            let bare = json!({ "grants": ids, "decision": "revoke", "reason": " " });
            harbor.owner.post(&format!("{LIST}/{review}/decisions"), bare).await.expect(422);
            decide(&mut harbor.owner, &review, &ids, "revoke").await.expect(200);
            keep_the_rest(&mut harbor, &review).await;
            // Nothing is gone before the review is finished.
            let person = format!("{API}/people/{}", harbor.ann);
            assert_eq!(harbor.owner.get(&person).await.json()["groups"][0]["name"], "Crew");
            let done = finish(kit, &mut harbor.owner, &review).await;
            assert_eq!(
                (&done["state"], &done["revoke"], &done["verified"]),
                (&json!("done"), &json!(3), &json!(3))
            );
            assert_eq!(harbor.owner.get(&person).await.json()["groups"], json!([]));
            let tokens = harbor.owner.get(&format!("{API}/api-tokens")).await.expect(200).json();
            assert_eq!(tokens["items"][0]["state"], "revoked");
            harbor.admin.get(&format!("{API}/people")).await.expect(403);
            assert!(
                was_told(kit, "ann@harbor.example", "taken away by a review").await
                    || was_told(kit, "ann@harbor.example", "took this away").await
            );
            let applied = grants(&mut harbor.owner, &review, "decision=revoke").await;
            assert!(applied.iter().all(|one| one["effect"] == "revoked" && !one["verified_at"].is_null()));
            decide(&mut harbor.owner, &review, &[group], "keep").await.expect(409);
            harbor.owner.post(&format!("{LIST}/{review}/finish"), json!({})).await.expect(409);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn nobody_reviews_their_own_access_and_only_reviewers_decide() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            // Alone nobody can: their own is in it.
            let alone = json!({ "name": "x", "reviewers": ["owner@harbor.example"] });
            let refused = harbor.owner.post(LIST, alone).await.expect(422);
            assert!(refused.text().contains("second reviewer"));
            let twice = json!({ "name": "x", "reviewers": ["owner@harbor.example", "OWNER@harbor.example"] });
            harbor.owner.post(LIST, twice).await.expect(422);
            let outside = json!({ "name": "x", "reviewers": ["owner@harbor.example", "eve@else.example"] });
            harbor.owner.post(LIST, outside).await.expect(422);
            let review = start(kit, &mut harbor.owner, json!({})).await;
            let own = grant(&mut harbor.admin, &review, "admin@harbor.example", "API token ci").await;
            let refused =
                decide(&mut harbor.admin, &review, std::slice::from_ref(&own), "keep").await.expect(403);
            assert!(refused.text().contains("own-grant"), "{}", refused.text());
            // All or none: one of them is their own.
            let ann = grant(&mut harbor.admin, &review, "ann@harbor.example", "Membership").await;
            decide(&mut harbor.admin, &review, &[ann.clone(), own], "keep").await.expect(403);
            assert_eq!(grants(&mut harbor.admin, &review, "decision=none").await.len(), 5);
            // Only an owner takes an owner's role away.
            let owner = grant(&mut harbor.admin, &review, "owner@harbor.example", "The role owner").await;
            decide(&mut harbor.admin, &review, std::slice::from_ref(&owner), "revoke").await.expect(403);
            // Members who are no reviewers find nothing; who reads people looks and does not decide.
            let mut member = kit.browser_of(harbor.ann).await;
            member.get(&format!("{LIST}/{review}")).await.expect(404);
            member.get(&format!("{LIST}/{review}/grants")).await.expect(404);
            decide(&mut member, &review, std::slice::from_ref(&ann), "keep").await.expect(404);
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            auditor.get(&format!("{LIST}/{review}")).await.expect(200);
            decide(&mut auditor, &review, std::slice::from_ref(&ann), "keep").await.expect(403);
            auditor.post(&format!("{LIST}/{review}/finish"), json!({})).await.expect(403);
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(&format!("{LIST}/{review}")).await.expect(404);
            let elsewhere = format!("{}/{review}", LIST.replace("harbor", "quay"));
            for path in [elsewhere.clone(), format!("{elsewhere}/grants"), format!("{elsewhere}/evidence")] {
                stranger.get(&path).await.expect(404);
            }
            stranger.post(&format!("{elsewhere}/finish"), json!({})).await.expect(404);
            stranger.post(&format!("{elsewhere}/cancel"), json!({})).await.expect(404);
            // No program decides.
            let here = kit.organization("harbor").await;
            let mut token = kit.token_of(here, "people.read,people.manage");
            decide(&mut token, &review, std::slice::from_ref(&ann), "keep").await.expect(403);
            // Looked up when they decide.
            let admin = kit.account("admin@harbor.example").await;
            let person = format!("{API}/people/{admin}");
            harbor.owner.patch(&person, json!({ "state": "suspended" })).await.expect(200);
            decide(&mut harbor.admin, &review, std::slice::from_ref(&ann), "keep").await.expect(404);
            harbor.owner.patch(&person, json!({ "state": "active" })).await.expect(200);
            decide(&mut harbor.admin, &review, &[ann], "keep").await.expect(200);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn silence_revokes_at_the_due_date_and_owners_stay() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let review = start(kit, &mut harbor.owner, json!({ "days": 10 })).await;
            let ann = grant(&mut harbor.owner, &review, "ann@harbor.example", "Membership").await;
            decide(&mut harbor.owner, &review, &[ann], "keep").await.expect(200);
            kit.advance_settled(DAY * 5, DAY).await;
            assert!(was_told(kit, "owner@harbor.example", "still waits for you").await);
            kit.advance_settled(DAY * 5, HOUR * 6).await;
            let done = harbor.owner.get(&format!("{LIST}/{review}")).await.expect(200).json();
            assert_eq!((&done["state"], &done["by_silence"]), (&json!("done"), &json!(3)));
            let person = format!("{API}/people/{}", harbor.ann);
            assert_eq!(harbor.owner.get(&person).await.expect(200).json()["groups"], json!([]));
            harbor.admin.get(&format!("{API}/people")).await.expect(403);
            // The owner's role was left open, so that the review is incomplete.
            let open = grants(&mut harbor.owner, &review, "decision=none").await;
            assert_eq!(open.len(), 1);
            assert_eq!(open[0]["what"], "The role owner");
            let finding = judge(kit).await;
            assert_eq!(finding.state, Verdict::NotMet);
            assert!(finding.reason.contains("undecided"), "{finding:?}");
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_last_owner_stays_whatever_is_decided() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let second = kit.member("harbor", "second@harbor.example", Role::Owner).await;
            let mut second = kit.browser_of(second).await;
            let reviewers = json!({ "reviewers": ["owner@harbor.example", "second@harbor.example"] });
            let review = start(kit, &mut harbor.owner, reviewers).await;
            let one = grant(&mut second, &review, "owner@harbor.example", "The role owner").await;
            let other = grant(&mut harbor.owner, &review, "second@harbor.example", "The role owner").await;
            decide(&mut second, &review, &[one], "revoke").await.expect(200);
            decide(&mut harbor.owner, &review, &[other], "revoke").await.expect(200);
            finish(kit, &mut harbor.owner, &review).await;
            let owners = second.get(&format!("{API}/people?role=owner")).await;
            let owners = if owners.status == 200 {
                owners.json()
            } else {
                harbor.owner.get(&format!("{API}/people?role=owner")).await.expect(200).json()
            };
            assert_eq!(owners["items"].as_array().unwrap().len(), 1, "{owners}");
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_with_the_campaign_and_with_time() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let before = judge(kit).await;
            assert_eq!(before.state, Verdict::NotMet);
            assert_eq!(before.action.unwrap().href, "/o/harbor/access-reviews/new");
            // A review of some kinds is none of all.
            let part = start(kit, &mut harbor.owner, json!({ "kinds": ["group"] })).await;
            keep_the_rest(&mut harbor, &part).await;
            finish(kit, &mut harbor.owner, &part).await;
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            let review = start(kit, &mut harbor.owner, json!({})).await;
            let open = judge(kit).await;
            assert_eq!(open.state, Verdict::NotMet);
            assert_eq!(open.action.unwrap().href, format!("/o/harbor/access-reviews/{review}"));
            let group = grant(&mut harbor.owner, &review, "ann@harbor.example", "Group Crew").await;
            decide(&mut harbor.owner, &review, &[group], "revoke").await.expect(200);
            keep_the_rest(&mut harbor, &review).await;
            finish(kit, &mut harbor.owner, &review).await;
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(super::LASTS))));
            // Granted after the campaign; time passes.
            let path = format!("{API}/groups/{}/members/{}", harbor.crew, harbor.ann);
            harbor.owner.put(&path, json!({})).await.expect(204);
            kit.advance_settled(super::LASTS, DAY * 5).await;
            let late = judge(kit).await;
            assert_eq!(late.state, Verdict::NotMet);
            assert!(late.reason.contains("90 days"), "{late:?}");
            // Restored by the next one.
            let review = start(kit, &mut harbor.owner, json!({})).await;
            keep_the_rest(&mut harbor, &review).await;
            finish(kit, &mut harbor.owner, &review).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_evidence_pack_proves_what_it_says() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let review = start(kit, &mut harbor.owner, json!({})).await;
            let group = grant(&mut harbor.owner, &review, "ann@harbor.example", "Group Crew").await;
            decide(&mut harbor.owner, &review, &[group], "revoke").await.expect(200);
            keep_the_rest(&mut harbor, &review).await;
            finish(kit, &mut harbor.owner, &review).await;
            let pack = harbor.owner.get(&format!("{LIST}/{review}/evidence")).await.expect(200).json();
            assert_eq!(pack["format"], "bailiwick-access-review-1");
            assert_eq!(pack["grants"].as_array().unwrap().len(), 5);
            let size = pack["head"]["size"].as_u64().unwrap();
            let hash = |value: &Value| -> ledger::Hash {
                hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
            };
            let root = hash(&pack["head"]["root_hash"]);
            let proofs = pack["proofs"].as_array().unwrap();
            let actions: Vec<&str> = proofs.iter().map(|one| one["action"].as_str().unwrap()).collect();
            for action in ["started", "opened", "decided", "closed", "applied", "verified", "finished"] {
                let action = format!("access_review.{action}");
                assert!(actions.contains(&action.as_str()), "{action} in {actions:?}");
            }
            for one in proofs {
                let path: Vec<ledger::Hash> =
                    one["audit_path"].as_array().unwrap().iter().map(hash).collect();
                let sequence = one["sequence"].as_u64().unwrap();
                let leaf = hash(&one["leaf_hash"]);
                ledger::verify_inclusion(leaf, sequence, size, &path, &root).unwrap();
            }
            let page = format!("/o/harbor/access-reviews/{review}/download");
            let csv = harbor.owner.get(&format!("{page}/evidence.csv")).await.expect(200).text();
            assert_eq!(csv.lines().count(), 6, "{csv}");
            assert!(csv.contains("Group Crew,revoke,not needed any more"), "{csv}");
            let json = harbor.owner.get(&format!("{page}/evidence.json")).await.expect(200).json();
            assert_eq!(json["review"]["verified"], 1);
            kit.browser_of(harbor.ann).await.get(&format!("{page}/evidence.csv")).await.expect(403);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let page = "/o/harbor/access-reviews";
            let owner = &mut harbor.owner;
            assert!(owner.get(page).await.expect(200).text().contains("No review yet"));
            let new = format!("{page}/new");
            owner.get(&new).await.expect(200);
            let mut fields = vec![
                ("name", "Spring"),
                ("kinds", "role"),
                ("kinds", "group"),
                ("reviewers", "owner@harbor.example\nadmin@harbor.example"),
                ("days", "14"),
                ("on_silence", "keep"),
            ];
            owner.submit(&new, &fields[3..]).await.expect(422);
            let shown = owner.submit(&new, &fields).await.expect(200).text();
            assert!(shown.contains("4 grants of 3 people"), "{shown}");
            assert!(owner.get(page).await.text().contains("No review yet"));
            fields.push(("seen", "group+role/keep"));
            let begun = owner.submit(&new, &fields).await.expect(303);
            let one = begun.location().split('?').next().unwrap().to_owned();
            assert!(owner.get(&one).await.expect(200).text().contains("being taken down"));
            kit.settle().await;
            let shown = owner.get(&format!("{one}?decision=none&kind=group")).await.expect(200).text();
            assert!(shown.contains("Group Crew") && !shown.contains("Membership<"), "{shown}");
            let review = one.rsplit('/').next().unwrap().to_owned();
            let group = grant(owner, &review, "ann@harbor.example", "Group Crew").await;
            let decisions = format!("{one}/decisions");
            owner.submit(&decisions, &[("decision", "keep")]).await.expect(422);
            let bare = [("grants", group.as_str()), ("decision", "revoke"), ("reason", "")];
            owner.submit(&decisions, &bare).await.expect(422);
            let fields = [("grants", group.as_str()), ("decision", "revoke"), ("reason", "left the crew")];
            owner.submit(&decisions, &fields).await.expect(303);
            let run = owner.get(&format!("{one}/finish")).await.expect(200).text();
            assert!(run.contains("1 grant is revoked") && run.contains("3 are undecided"), "{run}");
            owner.submit(&format!("{one}/finish"), &[]).await.expect(422);
            owner.submit(&format!("{one}/finish"), &[("confirm", "Spring")]).await.expect(303);
            kit.settle().await;
            assert!(owner.get(&one).await.expect(200).text().contains("Seen to be gone"));
            // A reviewer without rights works from the page Access.
            let reviewers = json!({ "reviewers": ["ann@harbor.example", "owner@harbor.example"] });
            let review = start(kit, &mut harbor.owner, reviewers).await;
            let mut ann = kit.browser_of(harbor.ann).await;
            let own = ann.get("/o/harbor/access").await.expect(200).text();
            assert!(own.contains(&format!("{page}/{review}")), "{own}");
            ann.get(&format!("{page}/{review}")).await.expect(200);
            ann.get(page).await.expect(403);
            harbor.owner.submit(&format!("{page}/{review}/cancel"), &[]).await.expect(303);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn who_comes_in_finds_what_waits_and_the_way_to_their_organization() {
    testkit::both_with(
        async |kit| {
            let mut harbor = harbor(kit).await;
            let mut ann = kit.browser_of(harbor.ann).await;
            assert!(!ann.get("/account").await.expect(200).text().contains("Waits for you"));
            start(
                kit,
                &mut harbor.owner,
                json!({ "reviewers": ["ann@harbor.example", "owner@harbor.example"] }),
            )
            .await;
            let notice = json!({ "title": "Passwords", "body": "Use a manager.", "renews": false });
            harbor.owner.post(&format!("{API}/awareness"), notice).await.expect(201);
            kit.settle().await;
            let page = ann.get("/account").await.expect(200).text();
            assert!(page.contains("Review Spring") && page.contains("Notice: Passwords"), "{page}");
            // Its name leads somewhere, from the table and from the menu at the top.
            assert!(page.matches("href=\"/o/harbor/access\"").count() >= 2, "{page}");
            ann.get("/o/harbor/access").await.expect(200);
            ann.post(&format!("{API}/awareness/acknowledgement"), json!({ "version": 1 })).await.expect(204);
            assert!(!ann.get("/account").await.expect(200).text().contains("Notice: Passwords"));
            // Nobody else is told of it.
            let mut stranger = kit.owner_of("quay").await;
            let page = stranger.get("/account").await.expect(200).text();
            assert!(!page.contains("Waits for you") && !page.contains("/o/harbor"), "{page}");
        },
        with_mail,
    )
    .await;
}
