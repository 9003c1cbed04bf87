use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::kit::with_mail;

const LIST: &str = "/api/v1/organizations/harbor/approved-domains";
const OPENINGS: &str = "/api/v1/account/openings";

async fn approve(client: &mut Client, domain: &str, mode: &str) -> testkit::Answer {
    client.post(LIST, json!({ "domain": domain, "mode": mode })).await
}

async fn join(client: &mut Client) -> testkit::Answer {
    client.post(&format!("{OPENINGS}/join"), json!({ "organization": "harbor" })).await
}

async fn ask(client: &mut Client) -> testkit::Answer {
    let body = json!({ "organization": "harbor", "reason": "I audit the books", "days": 10 });
    client.post(&format!("{OPENINGS}/ask"), body).await
}

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = crate::access_requests::evidence::APPROVED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

#[tokio::test]
async fn people_of_an_approved_domain_join_and_others_find_nothing() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let ann = kit.account("ann@partner.example").await;
            let mut browser = kit.browser_of(ann).await;
            assert_eq!(browser.get(OPENINGS).await.expect(200).json(), json!([]));
            join(&mut browser).await.expect(404);
            ask(&mut browser).await.expect(404);
            approve(&mut admin, "Partner.example", "join").await.expect(200);
            let open = browser.get(OPENINGS).await.expect(200).json();
            assert_eq!(open, json!([{ "slug": "harbor", "name": "Harbor", "mode": "join", "asked": false }]));
            for other in ["eve@else.example", "eve@sub.partner.example", "eve@notpartner.example"] {
                let mut eve = kit.browser_of(kit.account(other).await).await;
                assert_eq!(eve.get(OPENINGS).await.expect(200).json(), json!([]), "{other}");
                join(&mut eve).await.expect(404);
                ask(&mut eve).await.expect(404);
            }
            join(&mut browser).await.expect(200);
            join(&mut browser).await.expect(409);
            let me = format!("/api/v1/organizations/harbor/people/{ann}");
            assert_eq!(admin.get(&me).await.expect(200).json()["role"], "member");
            let actions = kit.actions(kit.organization("harbor").await).await;
            assert!(actions.ends_with(&["member.added".to_owned(), "approved_domain.used".to_owned()]));
            // A closed domain lets nobody in; who joined stays.
            admin.delete(&format!("{LIST}/partner.example")).await.expect(204);
            admin.delete(&format!("{LIST}/partner.example")).await.expect(404);
            let mut bea = kit.browser_of(kit.account("bea@partner.example").await).await;
            join(&mut bea).await.expect(404);
            admin.get(&me).await.expect(200);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn whoever_was_removed_asks() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            approve(&mut admin, "partner.example", "join").await.expect(200);
            let ann = kit.account("ann@partner.example").await;
            let mut browser = kit.browser_of(ann).await;
            join(&mut browser).await.expect(200);
            let me = format!("/api/v1/organizations/harbor/people/{ann}");
            // Suspended is no way around either.
            admin.patch(&me, json!({ "state": "suspended" })).await.expect(200);
            join(&mut browser).await.expect(409);
            admin.delete(&me).await.expect(204);
            let open = browser.get(OPENINGS).await.expect(200).json();
            assert_eq!(open[0]["mode"], "ask");
            let refused = join(&mut browser).await.expect(409);
            assert!(refused.text().contains("wants to be asked"));
            let asked = ask(&mut browser).await.expect(201).json();
            assert_eq!((&asked["kind"], &asked["state"]), (&json!("membership"), &json!("waiting")));
            ask(&mut browser).await.expect(409);
            let decision = format!(
                "/api/v1/organizations/harbor/access-requests/{}/decision",
                asked["id"].as_str().unwrap()
            );
            browser.post(&decision, json!({ "approve": true })).await.expect(404);
            admin.post(&decision, json!({ "approve": true })).await.expect(200);
            admin.get(&me).await.expect(200);
            // Given back by leaving alone, which knows who may not.
            let back = decision.replace("decision", "withdrawal");
            browser.post(&back, json!({})).await.expect(409);
            // And ends with its time.
            kit.advance_settled(platform::time::DAY * 10, platform::time::DAY).await;
            admin.get(&me).await.expect(404);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_request_to_join_dies_with_the_approval_of_its_domain() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            approve(&mut admin, "partner.example", "ask").await.expect(200);
            let mut ann = kit.browser_of(kit.account("ann@partner.example").await).await;
            join(&mut ann).await.expect(409);
            let asked = ask(&mut ann).await.expect(201).json();
            let decision = format!(
                "/api/v1/organizations/harbor/access-requests/{}/decision",
                asked["id"].as_str().unwrap()
            );
            admin.delete(&format!("{LIST}/partner.example")).await.expect(204);
            admin.post(&decision, json!({ "approve": true })).await.expect(409);
            approve(&mut admin, "partner.example", "ask").await.expect(200);
            let back = json!({ "organization": "harbor" });
            ann.post(&format!("{OPENINGS}/withdraw"), back.clone()).await.expect(200);
            ann.post(&format!("{OPENINGS}/withdraw"), back).await.expect(404);
            admin.post(&decision, json!({ "approve": true })).await.expect(409);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_a_public_mail_domain_is_opened_and_back() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            approve(&mut owner, "partner.example", "join").await.expect(200);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let refused = approve(&mut owner, "gmail.com", "join").await.expect(409);
            assert!(refused.text().contains("public-mail-domain"), "{}", refused.text());
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // Broken on purpose.
            let meant = json!({ "domain": "GMail.com", "mode": "join", "accept_public": true });
            assert_eq!(owner.post(LIST, meant).await.expect(200).json()["public"], true);
            let open = judge(kit).await;
            assert_eq!(open.state, Verdict::NotMet);
            assert_eq!(open.action.unwrap().href, "/o/harbor/approved-domains");
            let page = owner.get("/o/harbor/approved-domains").await.expect(200).text();
            assert!(page.contains("Anybody gets a mailbox there"), "{page}");
            // Where people only ask, somebody decides.
            let ask = json!({ "domain": "gmail.com", "mode": "ask", "accept_public": true });
            owner.post(LIST, ask).await.expect(200);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let meant = json!({ "domain": "gmail.com", "mode": "join", "accept_public": true });
            owner.post(LIST, meant).await.expect(200);
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            owner.delete(&format!("{LIST}/gmail.com")).await.expect(204);
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn who_may_approve_what() {
    testkit::both_with(
        async |kit| {
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut stranger = kit.owner_of("quay").await;
            let mut owner = kit.owner_of("harbor").await;
            approve(&mut auditor, "partner.example", "join").await.expect(403);
            approve(&mut member, "partner.example", "join").await.expect(403);
            approve(&mut stranger, "partner.example", "join").await.expect(404);
            for wrong in
                ["com", "co.uk", "partner", "ann@partner.example", "*.partner.example", "10.0.0.1", ""]
            {
                approve(&mut owner, wrong, "join").await.expect(422);
            }
            approve(&mut owner, "partner.example", "everybody").await.expect(422);
            // A program is nobody who joins.
            let harbor = kit.organization("harbor").await;
            kit.token_of(harbor, "people.manage").get(OPENINGS).await.expect(403);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_show_first_and_do_then() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let page = "/o/harbor/approved-domains";
            owner.get(&format!("{page}/new")).await.expect(200);
            let new = format!("{page}/new");
            let shown =
                owner.submit(&new, &[("domain", "partner.example"), ("mode", "join")]).await.expect(200);
            assert!(shown.text().contains("You have not verified partner.example"), "{}", shown.text());
            assert_eq!(owner.get(LIST).await.json(), json!([]));
            let fields = [("domain", "partner.example"), ("mode", "join"), ("seen", "partner.example join")];
            owner.submit(&new, &fields).await.expect(303);
            // For everybody only when it is typed.
            let mut fields = vec![("domain", "gmail.com"), ("mode", "join"), ("seen", "gmail.com join")];
            let shown = owner.submit(&new, &fields[..2]).await.expect(200).text();
            assert!(shown.contains("Anybody in the world"), "{shown}");
            owner.submit(&new, &fields).await.expect(422);
            fields.push(("confirm", "gmail.com"));
            owner.submit(&new, &fields).await.expect(303);
            let listed: Value = owner.get(LIST).await.expect(200).json();
            assert_eq!(listed.as_array().unwrap().len(), 2);
            owner.submit(&format!("{page}/gmail.com/close"), &[]).await.expect(303);
            let mut ann = kit.browser_of(kit.account("ann@partner.example").await).await;
            assert!(ann.get("/account/access").await.expect(200).text().contains("Join Harbor"));
            ann.submit("/account/access/join", &[("organization", "harbor")]).await.expect(303);
            ann.submit("/account/access/join", &[("organization", "quay")]).await.expect(303);
            let joined = ann.get("/account/access").await.expect(200).text();
            assert!(joined.contains("/o/harbor/access"), "{joined}");
            approve(&mut owner, "partner.example", "ask").await.expect(200);
            let mut bea = kit.browser_of(kit.account("bea@partner.example").await).await;
            bea.get("/account/access").await.expect(200);
            let fields = [("organization", "harbor"), ("reason", "to help"), ("days", "")];
            bea.submit("/account/access/ask", &fields).await.expect(303);
            assert!(bea.get("/account/access").await.expect(200).text().contains("You asked to join"));
            bea.submit("/account/access/withdraw", &[("organization", "harbor")]).await.expect(303);
        },
        with_mail,
    )
    .await;
}
