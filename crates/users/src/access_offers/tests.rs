use platform::access::Role;
use serde_json::json;
use testkit::Client;

use crate::kit::with_mail;

const LIST: &str = "/api/v1/organizations/harbor/access-offers";

async fn group(client: &mut Client, name: &str) -> String {
    let made = client.post("/api/v1/organizations/harbor/groups", json!({ "name": name })).await.expect(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_offered_and_on_which_terms() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let crew = group(&mut admin, "Crew").await;
            let leads = group(&mut admin, "Leads").await;
            let made =
                admin.post(LIST, json!({ "group": crew, "approvers": leads })).await.expect(201).json();
            assert_eq!((&made["kind"], &made["name"]), (&json!("group"), &json!("Crew")));
            assert_eq!((&made["approvers_name"], &made["days_max"]), (&json!("Leads"), &json!(90)));
            admin.post(LIST, json!({ "group": crew })).await.expect(409);
            let one = format!("{LIST}/{}", made["id"].as_str().unwrap());
            let terms = json!({ "approvals": 2, "days_max": 10, "hours_to_decide": 24 });
            let changed = admin.patch(&one, terms).await.expect(200).json();
            assert_eq!((&changed["approvals"], &changed["approvers"]), (&json!(2), &json!(null)));
            for wrong in [
                json!({ "approvals": 3, "days_max": 10, "hours_to_decide": 24 }),
                json!({ "approvals": 1, "days_max": 366, "hours_to_decide": 24 }),
                json!({ "approvals": 1, "days_max": 0, "hours_to_decide": 24 }),
                json!({ "approvals": 1, "days_max": 10, "hours_to_decide": 721 }),
            ] {
                admin.patch(&one, wrong).await.expect(422);
            }
            admin.delete(&one).await.expect(204);
            admin.delete(&one).await.expect(404);
            assert_eq!(admin.get(LIST).await.expect(200).json()["items"], json!([]));
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn nobody_offers_more_than_there_is() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let mut other = kit.owner_of("quay").await;
            let crew = group(&mut admin, "Crew").await;
            let foreign =
                other.post("/api/v1/organizations/quay/groups", json!({ "name": "Q" })).await.expect(201);
            let foreign = foreign.json()["id"].clone();
            admin.post(LIST, json!({ "group": foreign })).await.expect(422);
            admin.post(LIST, json!({ "group": crew, "approvers": foreign })).await.expect(422);
            admin.post(LIST, json!({ "group": crew, "role": "auditor" })).await.expect(422);
            admin.post(LIST, json!({})).await.expect(422);
            admin.post(LIST, json!({ "role": "owner" })).await.expect(422);
            admin.post(LIST, json!({ "role": "member" })).await.expect(422);
            // Nobody gives more than they hold: a group of members does not decide about roles.
            admin.post(LIST, json!({ "role": "auditor", "approvers": crew })).await.expect(422);
            admin.post(LIST, json!({ "role": "admin", "approvals": 1 })).await.expect(422);
            let made = admin.post(LIST, json!({ "role": "admin" })).await.expect(201).json();
            assert_eq!(made["approvals"], 2);
            // Nor do others.
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            auditor.get(LIST).await.expect(200);
            auditor.post(LIST, json!({ "role": "auditor" })).await.expect(403);
            member.get(LIST).await.expect(403);
            other.get(LIST).await.expect(404);
            let elsewhere = LIST.replace("harbor", "quay");
            let one = format!("{elsewhere}/{}", made["id"].as_str().unwrap());
            other.get(&one).await.expect(404);
            other.delete(&one).await.expect(404);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let crew = group(&mut admin, "Crew").await;
            let page = "/o/harbor/access-offers";
            assert!(admin.get(page).await.expect(200).text().contains("Nothing is offered"));
            let form = admin.get(&format!("{page}/new")).await.expect(200).text();
            assert!(form.contains("Group: Crew"), "{form}");
            let fields = [("wanted", ""), ("approvals", "1"), ("days_max", "5"), ("hours_to_decide", "8")];
            admin.submit(&format!("{page}/new"), &fields).await.expect(422);
            let wanted = format!("group:{crew}");
            let fields = [
                ("wanted", wanted.as_str()),
                ("approvals", "1"),
                ("days_max", "5"),
                ("hours_to_decide", "8"),
            ];
            admin.submit(&format!("{page}/new"), &fields).await.expect(303);
            let listed = admin.get(LIST).await.expect(200).json();
            let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
            admin.get(&format!("{page}/{id}/edit")).await.expect(200);
            let fields = [("approvals", "2"), ("days_max", "6"), ("hours_to_decide", "9")];
            admin.submit(&format!("{page}/{id}/edit"), &fields).await.expect(303);
            assert_eq!(admin.get(LIST).await.json()["items"][0]["days_max"], 6);
            assert!(admin.get(&format!("{page}/{id}/end")).await.expect(200).text().contains("Crew"));
            admin.submit(&format!("{page}/{id}/end"), &[]).await.expect(303);
            assert_eq!(admin.get(LIST).await.json()["items"], json!([]));
        },
        with_mail,
    )
    .await;
}
