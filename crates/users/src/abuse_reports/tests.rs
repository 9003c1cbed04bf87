use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::kit::{was_told, with_mail};

const ALL: &str = "/api/v1/organizations/harbor/abuse-reports";
const CHANNEL: &str = "/api/v1/organizations/harbor/abuse-report-channel";
const DESK: &str = "/api/v1/provider/abuse-reports";

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::evidence::REPORTED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

fn report() -> Value {
    json!({ "kind": "account", "about": "ann@harbor.example", "body": "She got a code.\nShe asked for none." })
}

async fn send(client: &mut Client) -> String {
    let made = client.post(ALL, report()).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// The channel of `harbor` is tested, and the provider answers.
pub(crate) async fn answered_test(kit: &Kit) {
    let mut owner = kit.owner_of("harbor").await;
    let mut staff = kit.owner_of("northwind").await;
    let made = owner.post(&format!("{CHANNEL}/tests"), json!({})).await.expect(201).json();
    let path = format!("{DESK}/harbor/{}/answers", made["id"].as_str().unwrap());
    staff.post(&path, json!({ "state": "resolved" })).await.expect(200);
}

#[tokio::test]
async fn a_report_opens_on_both_sides_and_each_answers_for_itself() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut staff = kit.owner_of("northwind").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut ann = kit.browser_of(ann).await;
            let id = send(&mut ann).await;
            kit.settle().await;
            // Both sides hear it, and no mail carries what was written.
            for to in ["owner@harbor.example", "owner@northwind.example"] {
                assert!(was_told(kit, to, "An account is used by somebody else").await, "{to}");
            }
            assert!(!was_told(kit, "owner@harbor.example", "She got a code").await);
            for (client, path) in [(&mut owner, ALL.to_owned()), (&mut staff, DESK.to_owned())] {
                let listed = client.get(&path).await.expect(200).json();
                assert!(listed.to_string().contains(&id), "{listed}");
            }
            let answered = json!({ "state": "working", "note": "Her sessions were ended." });
            owner.post(&format!("{ALL}/{id}/answers"), answered).await.expect(200);
            let seen = staff.get(&format!("{DESK}/harbor/{id}")).await.expect(200).json();
            assert_eq!(seen["report"]["organization"]["state"], "working");
            assert_eq!(seen["report"]["organization"]["by"], "Owner");
            assert_eq!(seen["report"]["provider"]["state"], "new", "each side answers for itself");
            assert_eq!(seen["notes"][0]["body"], "Her sessions were ended.");
            kit.settle().await;
            assert!(was_told(kit, "ann@harbor.example", "Her sessions were ended.").await);
            staff
                .post(&format!("{DESK}/harbor/{id}/answers"), json!({ "state": "resolved" }))
                .await
                .expect(200);
            // Finished for the provider, open for the organization.
            assert_eq!(staff.get(DESK).await.expect(200).json()["items"], json!([]));
            let all = staff.get(&format!("{DESK}?state=all")).await.expect(200).json();
            assert_eq!(
                (&all["items"][0]["slug"], all["items"].as_array().unwrap().len()),
                (&json!("harbor"), 1)
            );
            assert_eq!(owner.get(ALL).await.expect(200).json()["items"][0]["provider"]["state"], "resolved");
            let (harbor, northwind) = (kit.organization("harbor").await, kit.organization("northwind").await);
            let told = |actions: Vec<String>| {
                actions.into_iter().filter(|one| one.starts_with("abuse_report.")).collect::<Vec<_>>()
            };
            let opened = ["abuse_report.opened", "abuse_report.answered", "abuse_report.answered"];
            assert_eq!(told(kit.actions(harbor).await), opened);
            assert_eq!(
                told(kit.actions(northwind).await),
                ["abuse_report.received", "abuse_report.answered"]
            );
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn who_may_report_and_who_may_read() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            kit.owner_of("northwind").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let mut ann = kit.browser_of(ann).await;
            let id = send(&mut ann).await;
            let one = format!("{ALL}/{id}");
            // A member reads only their own, on their page.
            ann.get(ALL).await.expect(403);
            ann.get(&one).await.expect(403);
            ann.post(&format!("{one}/answers"), json!({ "state": "resolved" })).await.expect(403);
            assert!(
                ann.get("/o/harbor/abuse-reports/new")
                    .await
                    .expect(200)
                    .text()
                    .contains("ann@harbor.example")
            );
            // A stranger finds nothing; another organization neither, by an id that it knows.
            let mut quay = kit.owner_of("quay").await;
            quay.post(ALL, report()).await.expect(404);
            quay.get(&one).await.expect(404);
            quay.get(&format!("/api/v1/organizations/quay/abuse-reports/{id}")).await.expect(404);
            quay.get(DESK).await.expect(404);
            owner.get(&format!("{DESK}/harbor/{id}")).await.expect(404);
            kit.as_role("harbor", Role::Auditor)
                .await
                .post(&format!("{one}/answers"), json!({ "state": "working" }))
                .await
                .expect(403);
            for wrong in [
                json!({ "kind": "account", "about": " ", "body": "x" }),
                json!({ "kind": "account", "about": "x", "body": "" }),
                json!({ "kind": "account", "about": "x", "body": "a\u{202e}b" }),
                json!({ "kind": "account", "about": "x", "body": "a".repeat(5001) }),
                json!({ "kind": "nothing", "about": "x", "body": "y" }),
            ] {
                ann.post(ALL, wrong).await.expect(422);
            }
            owner.post(&format!("{one}/answers"), json!({ "state": "new" })).await.expect(422);
            owner.get(&format!("{ALL}?state=some")).await.expect(422);
            // One person's zeal is bounded.
            for _ in 1..super::OF_ONE_MAX {
                send(&mut ann).await;
            }
            let refused = ann.post(ALL, report()).await.expect(429);
            assert_eq!(refused.header("retry-after"), Some("3600"));
            send(&mut owner).await;
            kit.advance(DAY);
            send(&mut ann).await;
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn strangers_report_on_a_page_whose_address_they_were_given() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            kit.owner_of("northwind").await;
            let opened = owner.put(&format!("{CHANNEL}/page"), json!({})).await.expect(200).json();
            let address = opened["public_page"].as_str().unwrap().to_owned();
            let path = address[kit.app.config().public_origin().len()..].to_owned();
            let mut stranger = kit.nobody();
            assert!(stranger.get(&path).await.expect(200).text().contains("the admins of Harbor"));
            let fields = [
                ("kind", "impostor"),
                ("about", "harbor.example.evil"),
                ("body", "It asks <b>for</b> passwords."),
                ("contact", "not an address"),
            ];
            let told = stranger.submit(&path, &fields).await.expect(422).text();
            assert!(told.contains("no e-mail address") && told.contains("harbor.example.evil"), "{told}");
            let fields = [fields[0], fields[1], fields[2], ("contact", "eve@elsewhere.example")];
            assert!(stranger.submit(&path, &fields).await.expect(200).text().contains("Thank you"));
            kit.settle().await;
            assert!(!was_told(kit, "eve@elsewhere.example", "report").await, "an address nobody proved");
            let listed = owner.get(ALL).await.expect(200).json();
            assert_eq!(listed["items"][0]["from_public_page"], true);
            let one = format!("/o/harbor/abuse-reports/{}", listed["items"][0]["id"].as_str().unwrap());
            let page = owner.get(&one).await.expect(200).text();
            assert!(page.contains("nobody has proved") && page.contains("&#60;b&#62;"), "{page}");
            for _ in 1..super::OF_STRANGERS_MAX {
                stranger.get(&path).await.expect(200);
                stranger.submit(&path, &fields).await.expect(200);
            }
            stranger.submit(&path, &fields).await.expect(422).text();
            kit.advance(HOUR);
            stranger.submit(&path, &fields).await.expect(200);
            // Another address, and then none: what was given away before is dead.
            owner.submit("/o/harbor/abuse-reports/page", &[("open", "on")]).await.expect(303);
            stranger.get(&path).await.expect(404);
            owner.delete(&format!("{CHANNEL}/page")).await.expect(204);
            assert_eq!(owner.get(CHANNEL).await.expect(200).json()["public_page"], json!(null));
            stranger.get("/report/nobody-was-given-this").await.expect(404);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_with_the_test_of_the_channel_and_back() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut staff = kit.owner_of("northwind").await;
            let never = judge(kit).await;
            assert_eq!(
                (never.state, never.reason.as_str()),
                (Verdict::NotMet, "the report channel was never tested")
            );
            assert_eq!(never.action.unwrap().href, "/o/harbor/abuse-reports");
            // A real report is no test of the channel.
            let real = send(&mut owner).await;
            staff
                .submit(&format!("/provider/abuse-reports/harbor/{real}/answer"), &[("state", "resolved")])
                .await
                .expect(303);
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            owner.get("/o/harbor/abuse-reports").await.expect(200);
            owner.submit("/o/harbor/abuse-reports/test", &[]).await.expect(303);
            let waits = judge(kit).await;
            assert!(
                waits.state == Verdict::NotMet && waits.reason.contains("waits for the provider"),
                "{waits:?}"
            );
            let desk = staff.get("/provider/abuse-reports").await.expect(200).text();
            assert!(desk.contains("Test") && desk.contains("Harbor"), "{desk}");
            let listed = staff.get(DESK).await.expect(200).json();
            let test = listed["items"][0]["report"]["id"].as_str().unwrap().to_owned();
            // The organization's own answer does not prove that it arrived.
            owner.post(&format!("{ALL}/{test}/answers"), json!({ "state": "resolved" })).await.expect(200);
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            kit.advance(HOUR);
            let path = format!("/provider/abuse-reports/harbor/{test}/answer");
            staff.submit(&path, &[("state", "nothing")]).await.expect(422);
            staff.submit(&path, &[("state", "resolved"), ("note", "It arrived.")]).await.expect(303);
            let held = judge(kit).await;
            assert_eq!(
                (held.state, held.valid_until),
                (Verdict::Met, Some(kit.now().plus(super::TEST_LASTS)))
            );
            // After 12 months it counts no more.
            kit.advance(super::TEST_LASTS);
            let old = judge(kit).await;
            assert!(old.state == Verdict::NotMet && old.reason.contains("more than 12 months"), "{old:?}");
            answered_test(kit).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_token_reports_only_with_the_right_to() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            kit.token_of(harbor, "audit.read").post(ALL, report()).await.expect(403);
            kit.token_of(harbor, "people.read").post(ALL, report()).await.expect(403);
            assert_eq!(kit.mails().await.len(), 0);
            kit.token_of(harbor, "people.read,people.manage").post(ALL, report()).await.expect(201);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn an_address_with_a_zero_in_it_names_nothing() {
    testkit::both_with(
        async |kit| {
            let mut staff = kit.owner_of("northwind").await;
            kit.nobody().get("/report/%00").await.expect(404);
            kit.nobody().get("/report/a%00b").await.expect(404);
            staff.get("/o/%00/abuse-reports").await.expect(404);
            staff.get("/api/v1/organizations/%00/abuse-reports").await.expect(404);
            staff.get(&format!("{DESK}/%00/0197a1c0-0000-7000-8000-000000000000")).await.expect(404);
        },
        with_mail,
    )
    .await;
}
