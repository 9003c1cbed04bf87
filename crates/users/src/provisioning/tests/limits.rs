//! What a directory, and who has its token, does not decide: owners, what admins decided, what names may hold.

use platform::Area;
use platform::access::Role;
use platform::principals::{AccountState, MembershipState};
use platform::web::routes::Routes;
use serde_json::{Value, json};

use super::{CORE, Idp, account, group_members, membership, on_both, options, verify};

/// Delivers mail, as the server's own area does.
static MAIL: Area = Area {
    name: "mail",
    routes: Routes::new,
    jobs: platform::mail::JOBS,
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};

fn to(name: &str) -> Value {
    json!([{ "op": "replace", "path": "userName", "value": name }])
}

/// Security: an admin makes a SCIM token, and admins do not touch owners.
#[tokio::test]
async fn a_directory_decides_nothing_about_owners() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        // Managed by the organization and of the directory, before they became an owner; not the only one.
        let record = idp.user("ann@harbor.example", json!({ "displayName": "Ann" })).await;
        let ann = account(kit, "ann@harbor.example").await.unwrap();
        assert_eq!(ann.managed_by, Some(harbor));
        let person = format!("/api/v1/organizations/harbor/people/{}", ann.id);
        let mut owner = kit.owner_of("harbor").await;
        owner.patch(&person, json!({ "role": "owner" })).await.expect(200);
        idp.patch("Users", &record, to("attacker@harbor.example")).await.expect(200);
        idp.set_active(&record, false).await.expect(409);
        idp.delete("Users", &record).await.expect(409);
        let name = json!([{ "op": "replace", "path": "displayName", "value": "Eve" }]);
        idp.patch("Users", &record, name).await.expect(200);
        assert!(account(kit, "attacker@harbor.example").await.is_none(), "the login stays where it is");
        let same = account(kit, "ann@harbor.example").await.unwrap();
        assert_eq!((same.id, same.state, same.name.as_str()), (ann.id, AccountState::Active, "Ann"));
        let member = membership(kit, harbor, ann.id).await.unwrap();
        assert_eq!((member.role, member.state), (Role::Owner, MembershipState::Active));
        let conflicts = owner.get(&idp.api("harbor", "/conflicts")).await.expect(200).json();
        assert_eq!(conflicts["items"][0]["conflict"], "owner", "admins see why");
        // Nor does a record that comes later put an owner out, whether or not there is another.
        let bob = kit.member("harbor", "bob@harbor.example", Role::Owner).await;
        let path = idp.at("/Users");
        let off = json!({ "schemas": [CORE], "userName": "bob@harbor.example", "active": false });
        idp.client.post(&path, off).await.expect(409);
        assert_eq!(membership(kit, harbor, bob).await.unwrap().state, MembershipState::Active);
        // Whom owners suspended the directory does not bring back either.
        owner.patch(&person, json!({ "state": "suspended" })).await.expect(200);
        idp.patch("Users", &record, json!([{ "op": "replace", "path": "title", "value": "x" }]))
            .await
            .expect(200);
        assert_eq!(membership(kit, harbor, ann.id).await.unwrap().state, MembershipState::Suspended);
        // With another role, they are the directory's again.
        owner.patch(&person, json!({ "role": "member", "state": "active" })).await.expect(200);
        idp.patch("Users", &record, to("anna@harbor.example")).await.expect(200);
        assert_eq!(account(kit, "anna@harbor.example").await.unwrap().id, ann.id);
        idp.set_active(&record, false).await.expect(200);
    })
    .await;
}

/// Security: whom a wrong move would lock out hears of it where they still read.
#[tokio::test]
async fn a_moved_login_is_told_to_the_old_address() {
    let with_mail = || {
        let mut options = options();
        options.areas.push(&MAIL);
        options
    };
    testkit::both_with(
        async |kit| {
            kit.organization("northwind").await;
            verify(kit, "harbor", "harbor.example").await;
            let mut idp = Idp::of(kit, "harbor").await;
            let record = idp.user("ann@harbor.example", json!({})).await;
            idp.patch("Users", &record, to("anna@harbor.example")).await.expect(200);
            let mail = kit.mail_to("ann@harbor.example").await.expect("a mail to the old address");
            let mail = mail.replace("=\r\n", "").replace("=\n", "");
            assert!(mail.contains("anna@harbor.example") && mail.contains("Harbor"), "{mail}");
        },
        with_mail,
    )
    .await;
}

/// Security: a directory undoes what it did itself, and not what an admin decided.
#[tokio::test]
async fn a_directory_restores_only_whom_it_put_out() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let mut owner = kit.owner_of("harbor").await;
        let record = idp.user("ann@harbor.example", json!({})).await;
        let ann = account(kit, "ann@harbor.example").await.unwrap().id;
        let person = format!("/api/v1/organizations/harbor/people/{ann}");
        let is = async |state: MembershipState, of_account: AccountState, when: &str| {
            assert_eq!(membership(kit, harbor, ann).await.unwrap().state, state, "{when}");
            assert_eq!(account(kit, "ann@harbor.example").await.unwrap().state, of_account, "{when}");
        };
        let (on, off) = (MembershipState::Active, MembershipState::Suspended);
        let (open, shut) = (AccountState::Active, AccountState::Suspended);
        owner.patch(&person, json!({ "state": "suspended" })).await.expect(200);
        for (active, of_account) in [(false, shut), (true, open)] {
            idp.set_active(&record, active).await.expect(200);
            is(off, of_account, "an admin suspended them").await;
        }
        // Nor by taking the record away and making it anew.
        idp.delete("Users", &record).await.expect(204);
        is(off, shut, "deleted").await;
        let record = idp.user("ann@harbor.example", json!({})).await;
        is(off, open, "made anew").await;
        owner.patch(&person, json!({ "state": "active" })).await.expect(200);
        for (active, state, of_account) in [(false, off, shut), (true, on, open)] {
            idp.set_active(&record, active).await.expect(200);
            is(state, of_account, "the directory did it").await;
        }
        // Put out by the directory, brought back and suspended again by an admin: the last word counts.
        idp.set_active(&record, false).await.expect(200);
        for state in ["active", "suspended"] {
            owner.patch(&person, json!({ "state": state })).await.expect(200);
        }
        idp.set_active(&record, true).await.expect(200);
        is(off, open, "an admin had the last word").await;
        // Somebody made as not active comes to life when the directory says so.
        let late = idp.user("late@harbor.example", json!({ "active": false })).await;
        idp.set_active(&late, true).await.expect(200);
        let late = account(kit, "late@harbor.example").await.unwrap();
        assert_eq!((late.state, membership(kit, harbor, late.id).await.unwrap().state), (open, on));
    })
    .await;
}

/// Security: names that look like others, or are links, come from nowhere; and no name stops a sync.
#[tokio::test]
async fn names_from_a_directory_hold_nothing_that_others_may_not() {
    on_both(async |kit| {
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let odd = "Ann\u{202e}\u{200b} https://evil.example";
        // Linked later, when the domain is verified, and at once: the same name.
        let record = idp.user("ann@harbor.example", json!({ "displayName": odd })).await;
        verify(kit, "harbor", "harbor.example").await;
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().name, "Ann");
        assert_eq!(record["displayName"], odd, "the record is as the directory has it");
        idp.user("bob@harbor.example", json!({ "displayName": odd })).await;
        assert_eq!(account(kit, "bob@harbor.example").await.unwrap().name, "Ann");
        let nothing =
            json!([{ "op": "replace", "path": "displayName", "value": "\u{202e}www.evil.example" }]);
        idp.patch("Users", &record, nothing).await.expect(200);
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().name, "ann@harbor.example");
        let crew = idp.group("Cr\u{200b}ew http://evil.example", &[]).await;
        assert!(group_members(kit, harbor, "Crew").await.is_some());
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "De\u{202e}ck" }]);
        idp.patch("Groups", &crew, rename).await.expect(200);
        assert!(group_members(kit, harbor, "Deck").await.is_some());
    })
    .await;
}

/// Security: of two readers, one takes the first and the other the last.
#[tokio::test]
async fn members_that_stand_twice_are_refused() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann", json!({})).await;
        let twice =
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","userName":"b"}"#;
        let patch = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations":[{"op":"add","path":"title","value":"a","value":"b"}]}"#;
        let bulk = format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations":[{{"method":"POST","path":"/Users","bulkId":"q","data":{twice}}}]}}"#
        );
        let one = format!("/Users/{}", ann["id"].as_str().unwrap());
        for (method, path, body) in [
            (axum::http::Method::POST, "/Users", twice),
            (axum::http::Method::PUT, one.as_str(), twice),
            (axum::http::Method::PATCH, one.as_str(), patch),
            (axum::http::Method::POST, "/Bulk", bulk.as_str()),
        ] {
            let path = idp.at(path);
            let kind = Some("application/scim+json");
            let refused = idp.client.send(method, &path, kind, body.as_bytes().to_vec()).await.expect(400);
            assert_eq!(refused.json()["scimType"], "invalidSyntax");
            assert!(refused.text().contains("stands twice"));
        }
        assert_eq!(idp.get("/Users").await["totalResults"], 1);
    })
    .await;
}
