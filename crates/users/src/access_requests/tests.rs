use std::time::Duration;

use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::ids::AccountId;
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::kit::{was_told, with_mail};
use crate::products::{self, Settings};

const API: &str = "/api/v1/organizations/harbor";
const LIST: &str = "/api/v1/organizations/harbor/access-requests";

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

async fn group(client: &mut Client, name: &str) -> String {
    id(&client.post(&format!("{API}/groups"), json!({ "name": name })).await.expect(201).json())
}

async fn offer(client: &mut Client, body: Value) -> String {
    id(&client.post(&format!("{API}/access-offers"), body).await.expect(201).json())
}

async fn ask(client: &mut Client, offer: &str, days: u32) -> String {
    let body = json!({ "offer": offer, "reason": "I cover for Bea", "days": days });
    id(&client.post(LIST, body).await.expect(201).json())
}

async fn decide(client: &mut Client, request: &str, approve: bool) -> testkit::Answer {
    client.post(&format!("{LIST}/{request}/decision"), json!({ "approve": approve, "words": "" })).await
}

async fn state(client: &mut Client, request: &str) -> String {
    let seen = client.get(&format!("{LIST}/{request}")).await.expect(200).json();
    seen["state"].as_str().unwrap().to_owned()
}

async fn groups_of(client: &mut Client, account: AccountId) -> Vec<Value> {
    let person = client.get(&format!("{API}/people/{account}")).await.expect(200).json();
    person["groups"].as_array().unwrap().iter().map(|group| group["name"].clone()).collect()
}

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::evidence::APPROVED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

#[tokio::test]
async fn a_group_is_asked_for_granted_and_taken_away_at_its_end() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut browser = kit.browser_of(ann).await;
            let crew = group(&mut admin, "Crew").await;
            assert_eq!(browser.get(&format!("{API}/access-options")).await.expect(200).json(), json!([]));
            let offer = offer(&mut admin, json!({ "group": crew, "days_max": 30 })).await;
            let options = browser.get(&format!("{API}/access-options")).await.expect(200).json();
            assert_eq!((&options[0]["name"], &options[0]["held"]), (&json!("Crew"), &json!(false)));
            for wrong in [
                json!({ "offer": offer, "reason": "", "days": 5 }),
                json!({ "offer": offer, "reason": "see https://evil.example", "days": 5 }),
                json!({ "offer": offer, "reason": "ok", "days": 31 }),
                json!({ "offer": offer, "reason": "ok", "days": 0 }),
            ] {
                browser.post(LIST, wrong).await.expect(422);
            }
            let request = ask(&mut browser, &offer, 10).await;
            let again = json!({ "offer": offer, "reason": "again", "days": 5 });
            browser.post(LIST, again.clone()).await.expect(409);
            assert!(was_told(kit, "admin@harbor.example", "I cover for Bea").await);
            let mine = admin.get(&format!("{API}/access-requests-mine")).await.expect(200).json();
            assert_eq!(mine["to_decide"][0]["id"], request.as_str());
            decide(&mut admin, &request, true).await.expect(200);
            decide(&mut admin, &request, true).await.expect(409);
            assert_eq!(groups_of(&mut admin, ann).await, ["Crew"]);
            assert!(was_told(kit, "ann@harbor.example", "your request was granted").await);
            browser.post(LIST, again.clone()).await.expect(409);
            kit.advance_settled(DAY * 9, DAY).await;
            assert!(was_told(kit, "ann@harbor.example", "ends soon").await);
            assert_eq!(groups_of(&mut admin, ann).await, ["Crew"]);
            kit.advance_settled(DAY, HOUR).await;
            assert_eq!(groups_of(&mut admin, ann).await, Vec::<Value>::new());
            assert_eq!(state(&mut browser, &request).await, "ended");
            let actions = kit.actions(kit.organization("harbor").await).await;
            let tail: Vec<_> = actions.iter().rev().take(2).rev().collect();
            assert_eq!(tail, ["group.member_removed", "access_request.ended"]);
            // It can be asked for again.
            browser.post(LIST, again).await.expect(201);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn nobody_decides_about_their_own_request() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let crew = group(&mut owner, "Crew").await;
            let leads = group(&mut owner, "Leads").await;
            let offered = offer(&mut owner, json!({ "group": crew, "approvers": leads })).await;
            // Neither an owner, nor a member of the deciding group, nor a plain member.
            let request = ask(&mut owner, &offered, 5).await;
            let refused = decide(&mut owner, &request, true).await.expect(403);
            assert!(refused.text().contains("own-request"), "{}", refused.text());
            decide(&mut owner, &request, false).await.expect(403);
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            owner.put(&format!("{API}/groups/{leads}/members/{ann}"), json!({})).await.expect(204);
            let mut browser = kit.browser_of(ann).await;
            let own = ask(&mut browser, &offered, 5).await;
            decide(&mut browser, &own, true).await.expect(403);
            assert_eq!(state(&mut browser, &own).await, "waiting");
            let page = browser.get(&format!("/o/harbor/access/requests/{own}")).await.expect(200).text();
            assert!(!page.contains("Approve") && page.contains("Take back"), "{page}");
            let fields = [("decision", "approve"), ("words", "")];
            let form = format!("/o/harbor/access/requests/{own}/decision");
            browser.submit(&form, &fields).await.expect(403);
            // As a member of the deciding group she decides about the owner's.
            decide(&mut browser, &request, true).await.expect(200);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn only_those_who_decide_now_decide() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let crew = group(&mut owner, "Crew").await;
            let leads = group(&mut owner, "Leads").await;
            let offered = offer(&mut owner, json!({ "group": crew, "approvers": leads })).await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let bea = kit.member("harbor", "bea@harbor.example", Role::Member).await;
            let mut lead = kit.browser_of(bea).await;
            let membership = format!("{API}/groups/{leads}/members/{bea}");
            owner.put(&membership, json!({})).await.expect(204);
            let request = ask(&mut ann, &offered, 5).await;
            assert!(was_told(kit, "bea@harbor.example", "waits").await, "the group is told");
            // A member without the right does not even learn that it is there; an auditor reads it.
            let mut cem =
                kit.browser_of(kit.member("harbor", "cem@harbor.example", Role::Member).await).await;
            cem.get(&format!("{LIST}/{request}")).await.expect(404);
            decide(&mut cem, &request, true).await.expect(404);
            cem.get(LIST).await.expect(403);
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            auditor.get(&format!("{LIST}/{request}")).await.expect(200);
            decide(&mut auditor, &request, true).await.expect(403);
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(&format!("{LIST}/{request}")).await.expect(404);
            decide(&mut stranger, &request, true).await.expect(404);
            let elsewhere = format!("{}/{request}", LIST.replace("harbor", "quay"));
            stranger.get(&elsewhere).await.expect(404);
            stranger.post(&format!("{elsewhere}/decision"), json!({ "approve": true })).await.expect(404);
            // No program decides.
            let harbor = kit.organization("harbor").await;
            let mut token = kit.token_of(harbor, "people.read,people.manage");
            decide(&mut token, &request, true).await.expect(403);
            // Looked up when they decide: out of the group, out of the decision.
            owner.delete(&membership).await.expect(204);
            decide(&mut lead, &request, true).await.expect(404);
            owner.put(&membership, json!({})).await.expect(204);
            let person = format!("{API}/people/{bea}");
            owner.patch(&person, json!({ "state": "suspended" })).await.expect(200);
            decide(&mut lead, &request, true).await.expect(404);
            owner.patch(&person, json!({ "state": "active" })).await.expect(200);
            decide(&mut lead, &request, true).await.expect(200);
            assert_eq!(state(&mut ann, &request).await, "granted");
            // What is over is over.
            decide(&mut owner, &request, false).await.expect(409);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_role_of_an_admin_needs_two_who_still_may() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let first = kit.member("harbor", "first@harbor.example", Role::Admin).await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Auditor).await;
            let (mut one, mut browser) = (kit.browser_of(first).await, kit.browser_of(ann).await);
            let offered = offer(&mut owner, json!({ "role": "admin" })).await;
            let request = ask(&mut browser, &offered, 7).await;
            decide(&mut one, &request, true).await.expect(200);
            assert_eq!(state(&mut browser, &request).await, "waiting");
            decide(&mut one, &request, true).await.expect(409);
            assert!(was_told(kit, "owner@harbor.example", "second approval").await);
            // The first one loses the right: their approval counts no more.
            let person = format!("{API}/people/{first}");
            owner.patch(&person, json!({ "role": "member" })).await.expect(200);
            decide(&mut owner, &request, true).await.expect(200);
            assert_eq!(state(&mut browser, &request).await, "waiting");
            let seen = browser.get(&format!("{LIST}/{request}")).await.expect(200).json();
            assert_eq!(seen["approvers_missing"], 1, "only the owner can approve: {seen}");
            let page = browser.get(&format!("/o/harbor/access/requests/{request}")).await.expect(200);
            assert!(page.text().contains("Too few people"));
            let mut second = kit.as_role("harbor", Role::Admin).await;
            decide(&mut second, &request, true).await.expect(200);
            assert_eq!(state(&mut browser, &request).await, "granted");
            let me = format!("{API}/people/{ann}");
            assert_eq!(owner.get(&me).await.json()["role"], "admin");
            // At its end the role falls back to what it was.
            kit.advance_settled(DAY * 7, DAY).await;
            assert_eq!(owner.get(&me).await.json()["role"], "auditor");
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_later_decision_stands() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut browser = kit.browser_of(ann).await;
            let offered = offer(&mut owner, json!({ "role": "auditor" })).await;
            let request = ask(&mut browser, &offered, 2).await;
            decide(&mut owner, &request, true).await.expect(200);
            let me = format!("{API}/people/{ann}");
            owner.patch(&me, json!({ "role": "admin" })).await.expect(200);
            kit.advance_settled(DAY * 2, DAY).await;
            assert_eq!(owner.get(&me).await.json()["role"], "admin");
            let seen = owner.get(&format!("{LIST}/{request}")).await.expect(200).json();
            assert_eq!(seen["ended_why"], "expired; a later decision stands");
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_product_is_used_while_the_request_is_granted() {
    testkit::both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut browser = kit.browser_of(ann).await;
            group(&mut owner, "Writers").await;
            let ctx = kit.ctx();
            let at = ctx.clone();
            let made = kit.app.db().write(&ctx, move |tx| {
                let settings = Settings {
                    name: "Wiki".to_owned(),
                    redirect_uris: vec!["https://wiki.example/back".to_owned()],
                    ..Settings::default()
                };
                products::create(&at, tx, &settings).map(|done| done.map(|(product, _)| product))
            });
            let product = made.await.unwrap().value;
            let (at, id) = (ctx.clone(), product.id);
            let rule = products::NewRule {
                slug: "harbor".to_owned(),
                group: "Writers".to_owned(),
                role: "editor".to_owned(),
            };
            kit.app
                .db()
                .write(&ctx, move |tx| products::allow(&at, tx, id, &rule).map(|done| done.map(drop)))
                .await
                .unwrap();
            let standing = async || {
                let product = product.clone();
                kit.app.db().read(move |tx| products::standing(tx, &product, ann)).await.unwrap()
            };
            assert!(!standing().await.allowed);
            let rules = owner.get(&format!("{API}/product-rules")).await.expect(200).json();
            assert_eq!((&rules[0]["product"], &rules[0]["role"]), (&json!("Wiki"), &json!("editor")));
            let offered = offer(&mut owner, json!({ "product_rule": rules[0]["id"] })).await;
            let request = ask(&mut browser, &offered, 3).await;
            decide(&mut owner, &request, true).await.expect(200);
            let now = standing().await;
            assert!(now.allowed);
            assert_eq!(now.roles, ["editor"]);
            assert_eq!(groups_of(&mut owner, ann).await, Vec::<Value>::new(), "not by the group");
            kit.advance_settled(DAY * 3, DAY).await;
            assert!(!standing().await.allowed);
            // Asked for again, and gone with the provider's rule.
            let request = ask(&mut browser, &offered, 3).await;
            decide(&mut owner, &request, true).await.expect(200);
            assert!(standing().await.allowed);
            let (at, id) = (ctx.clone(), product.id);
            kit.app
                .db()
                .write(&ctx, move |tx| {
                    let rule = products::access_rules(tx, id)?[0].id;
                    products::disallow(&at, tx, id, rule)
                })
                .await
                .unwrap();
            assert!(!standing().await.allowed);
            assert_eq!(browser.get(&format!("{API}/access-options")).await.json(), json!([]));
            kit.advance_settled(DAY * 3, DAY).await;
            assert_eq!(state(&mut browser, &request).await, "ended");
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn what_is_given_can_be_given_back_and_taken_back() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut browser = kit.browser_of(ann).await;
            let crew = group(&mut admin, "Crew").await;
            let offered = offer(&mut admin, json!({ "group": crew })).await;
            let withdrawn = ask(&mut browser, &offered, 5).await;
            let own = |id: &str| format!("{LIST}/{id}/withdrawal");
            // Not by somebody else.
            admin.post(&own(&withdrawn), json!({})).await.expect(404);
            browser.post(&own(&withdrawn), json!({})).await.expect(200);
            browser.post(&own(&withdrawn), json!({})).await.expect(409);
            decide(&mut admin, &withdrawn, true).await.expect(409);
            let back = ask(&mut browser, &offered, 5).await;
            decide(&mut admin, &back, true).await.expect(200);
            browser.post(&own(&back), json!({})).await.expect(200);
            assert_eq!(groups_of(&mut admin, ann).await, Vec::<Value>::new());
            let taken = ask(&mut browser, &offered, 5).await;
            admin.post(&format!("{LIST}/{taken}/end"), json!({})).await.expect(409);
            decide(&mut admin, &taken, true).await.expect(200);
            browser.post(&format!("{LIST}/{taken}/end"), json!({})).await.expect(403);
            admin.post(&format!("{LIST}/{taken}/end"), json!({})).await.expect(200);
            assert_eq!(groups_of(&mut admin, ann).await, Vec::<Value>::new());
            assert!(was_told(kit, "ann@harbor.example", "taken back").await);
            // Refused, after a first thought.
            let refused = ask(&mut browser, &offered, 5).await;
            decide(&mut admin, &refused, false).await.expect(200);
            assert_eq!(state(&mut browser, &refused).await, "refused");
            // An offer that ends leaves only the refusal.
            let orphan = ask(&mut browser, &offered, 5).await;
            admin.delete(&format!("{API}/access-offers/{offered}")).await.expect(204);
            decide(&mut admin, &orphan, true).await.expect(409);
            decide(&mut admin, &orphan, false).await.expect(200);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn two_decisions_at_once_are_one() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let crew = group(&mut owner, "Crew").await;
            let offered = offer(&mut owner, json!({ "group": crew })).await;
            let request = ask(&mut ann, &offered, 5).await;
            let (a, b) =
                tokio::join!(decide(&mut owner, &request, true), decide(&mut admin, &request, false));
            let mut statuses = [a.status.as_u16(), b.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_a_request_waits_past_its_target_and_back() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let crew = group(&mut owner, "Crew").await;
            let offered = offer(&mut owner, json!({ "group": crew, "hours_to_decide": 24 })).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let request = ask(&mut ann, &offered, 5).await;
            let waits = judge(kit).await;
            assert_eq!((waits.state, waits.valid_until), (Verdict::Met, Some(kit.now().plus(DAY))));
            kit.advance_settled(HOUR * 12, HOUR).await;
            assert!(was_told(kit, "owner@harbor.example", "still waits").await);
            kit.advance_settled(HOUR * 12, HOUR).await;
            let late = judge(kit).await;
            assert_eq!(late.state, Verdict::NotMet);
            assert_eq!(late.action.unwrap().href, "/o/harbor/access-requests?state=waiting");
            assert!(was_told(kit, "owner@harbor.example", "past its target").await);
            let list = owner.get("/o/harbor/access-requests").await.expect(200).text();
            assert!(list.contains("Past its target"), "{list}");
            decide(&mut owner, &request, true).await.expect(200);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // Its end passes while no job runs: what should be gone is a gap until it is.
            kit.advance(DAY * 5 + HOUR + Duration::from_secs(1));
            let outlived = judge(kit).await;
            assert_eq!(outlived.state, Verdict::NotMet, "{outlived:?}");
            kit.settle().await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn what_nobody_decides_or_waits_for_ends() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let bea = kit.member("harbor", "bea@harbor.example", Role::Member).await;
            let (mut one, mut two) = (kit.browser_of(ann).await, kit.browser_of(bea).await);
            let crew = group(&mut owner, "Crew").await;
            let offered = offer(&mut owner, json!({ "group": crew })).await;
            let lapses = ask(&mut one, &offered, 5).await;
            let leaves = ask(&mut two, &offered, 5).await;
            owner.delete(&format!("{API}/people/{bea}")).await.expect(204);
            decide(&mut owner, &leaves, true).await.expect(409);
            kit.advance_settled(DAY * 4, DAY).await;
            assert_eq!(state(&mut owner, &leaves).await, "lapsed");
            kit.advance_settled(DAY * 27, DAY).await;
            assert_eq!(state(&mut owner, &lapses).await, "lapsed");
            assert!(was_told(kit, "ann@harbor.example", "nobody decided").await);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            assert!(ann.get("/o/harbor/access").await.expect(200).text().contains("Nothing is offered yet"));
            let crew = group(&mut owner, "Crew").await;
            let offered = offer(&mut owner, json!({ "group": crew })).await;
            assert!(ann.get("/o/harbor/access").await.expect(200).text().contains("Crew"));
            let form = format!("/o/harbor/access/ask/{offered}");
            ann.get(&form).await.expect(200);
            ann.submit(&form, &[("reason", ""), ("days", "5")]).await.expect(422);
            ann.submit(&form, &[("reason", "ok"), ("days", "many")]).await.expect(422);
            let asked = ann.submit(&form, &[("reason", "=1+1"), ("days", "5")]).await.expect(303);
            let page = asked.location().split('?').next().unwrap().to_owned();
            assert!(ann.get(&page).await.expect(200).text().contains("Take back"));
            let waiting = owner.get("/o/harbor/access").await.expect(200).text();
            assert!(waiting.contains("Waiting for your decision"), "{waiting}");
            assert!(owner.get(&page).await.expect(200).text().contains("gets this at once"));
            let decision = [("decision", "approve"), ("words", "until Friday")];
            owner.submit(&format!("{page}/decision"), &decision).await.expect(303);
            owner.submit(&format!("{page}/decision"), &decision).await.expect(422);
            assert!(ann.get(&page).await.expect(200).text().contains("until Friday"));
            let csv = owner.get("/o/harbor/access-requests.csv").await.expect(200).text();
            assert!(csv.contains("'=1+1"), "{csv}");
            ann.get("/o/harbor/access-requests").await.expect(403);
            assert!(owner.get(&format!("{page}/end")).await.expect(200).text().contains("loses this"));
            owner.submit(&format!("{page}/end"), &[]).await.expect(303);
            owner.get(&format!("{page}/end")).await.expect(409);
            let again = ann.submit(&form, &[("reason", "again"), ("days", "5")]).await.expect(303);
            let page = again.location().split('?').next().unwrap().to_owned();
            ann.submit(&format!("{page}/withdraw"), &[]).await.expect(303);
            owner.get("/o/harbor/access-requests?state=withdrawn").await.expect(200);
            owner.get("/o/harbor/access-requests?state=nonsense").await.expect(422);
        },
        with_mail,
    )
    .await;
}
