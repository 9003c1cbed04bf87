//! The security checklist, section SCIM, line by line.

use platform::access::{Permission, Role};
use platform::principals::{AccountState, MembershipState};
use serde_json::{Value, json};
use testkit::Kit;

use super::{CORE, GROUP, Idp, account, group_members, membership, on_both, verify};
use crate::sessions::{self, Method};

#[tokio::test]
async fn an_external_id_is_data_and_never_an_id() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann", json!({})).await;
        let id = ann["id"].as_str().unwrap().to_owned();
        // The id of somebody else as one's own external id gives nothing of them.
        let eve = idp.user("eve", json!({ "externalId": id, "id": id })).await;
        assert_ne!(eve["id"], ann["id"]);
        assert_eq!(idp.get(&format!("/Users/{id}")).await["userName"], "ann");
        let found = idp.find("Users", &format!("externalId eq \"{id}\"")).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["userName"], "eve");
        let bob = idp.user("bob", json!({ "externalId": "B-1" })).await;
        let missing = idp.at("/Users/B-1");
        idp.client.get(&missing).await.expect(404);
        idp.client.delete(&missing).await.expect(404);
        assert_eq!(idp.get(&format!("/Users/{}", bob["id"].as_str().unwrap())).await["externalId"], "B-1");
        // Two people may have the same one: it identifies nobody.
        idp.user("cem", json!({ "externalId": "B-1" })).await;
        assert_eq!(idp.find("Users", "externalId eq \"B-1\"").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn every_query_carries_the_directory_and_a_wrong_one_is_not_found() {
    on_both(async |kit| {
        let mut here = Idp::named(kit, "harbor", "One").await;
        let mut there = Idp::named(kit, "harbor", "Two").await;
        let mut foreign = Idp::of(kit, "quay").await;
        let ann = here.user("ann", json!({ "externalId": "A" })).await;
        let crew = here.group("Crew", &[&ann]).await;
        for other in [&mut there, &mut foreign] {
            for (kind, record) in [("Users", &ann), ("Groups", &crew)] {
                let path = other.at(&format!("/{kind}/{}", record["id"].as_str().unwrap()));
                other.client.get(&path).await.expect(404);
                let body = json!({ "schemas": [CORE, GROUP], "userName": "x", "displayName": "x" });
                other.client.put(&path, body).await.expect(404);
                let operations = json!([{ "op": "replace", "path": "externalId", "value": "x" }]);
                other.patch(kind, record, operations).await.expect(404);
                other.delete(kind, record).await.expect(404);
            }
            assert!(other.find("Users", "userName eq \"ann\"").await.is_empty());
            assert!(other.find("Users", "externalId eq \"A\"").await.is_empty());
            assert!(other.find("Groups", "displayName eq \"Crew\"").await.is_empty());
            let id = ann["id"].as_str().unwrap();
            assert!(other.find("Groups", &format!("members eq \"{id}\"")).await.is_empty());
            // Nor does its id get anybody into a group of theirs.
            let group = other.group("Theirs", &[&ann]).await;
            assert_eq!(group["members"], Value::Null);
            // Here with there's path: the directory does not exist for this token.
            let theirs = other.at("/Users");
            here.client.get(&theirs).await.expect(404);
        }
        assert_eq!(here.get("/Users").await["totalResults"], 1);
        assert_eq!(here.find("Groups", "displayName eq \"Crew\"").await[0]["members"][0]["value"], ann["id"]);
    })
    .await;
}

#[tokio::test]
async fn a_delete_detaches_or_deactivates_and_never_deletes_a_person_shared_with_others() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let quay = kit.organization("quay").await;
        let mut idp = Idp::of(kit, "harbor").await;
        // Shared: had an account and belongs to another organization.
        let ann = kit.member("quay", "ann@harbor.example", Role::Member).await;
        let record = idp.user("ann@harbor.example", json!({})).await;
        assert!(membership(kit, harbor, ann).await.is_some());
        idp.delete("Users", &record).await.expect(204);
        idp.delete("Users", &record).await.expect(404);
        let left = account(kit, "ann@harbor.example").await.unwrap();
        assert_eq!((left.id, left.state), (ann, AccountState::Active), "detached, not deleted");
        assert!(membership(kit, harbor, ann).await.is_none());
        assert!(
            membership(kit, quay, ann).await.is_some_and(|member| member.state == MembershipState::Active)
        );
        // Nowhere else: deactivated, and still there.
        let record = idp.user("bob@harbor.example", json!({})).await;
        let bob = account(kit, "bob@harbor.example").await.unwrap();
        assert_eq!((bob.state, bob.managed_by), (AccountState::Active, Some(harbor)));
        idp.delete("Users", &record).await.expect(204);
        let gone = account(kit, "bob@harbor.example").await.unwrap();
        assert_eq!((gone.id, gone.state), (bob.id, AccountState::Suspended));
        let out = kit.app.db().read(move |tx| super::super::stays_out(tx, harbor, bob.id)).await.unwrap();
        assert!(out, "nothing but the directory brings them back");
        // The directory does.
        idp.user("bob@harbor.example", json!({})).await;
        let back = account(kit, "bob@harbor.example").await.unwrap();
        assert_eq!((back.id, back.state), (bob.id, AccountState::Active));
    })
    .await;
}

#[tokio::test]
async fn nothing_correlates_a_person_across_organizations() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let quay = kit.organization("quay").await;
        let (mut harbor, mut theirs) = (Idp::of(kit, "harbor").await, Idp::of(kit, "quay").await);
        let one = harbor.user("ann@harbor.example", json!({ "externalId": "A" })).await;
        let other = theirs.user("ann@harbor.example", json!({ "externalId": "A" })).await;
        let ann = account(kit, "ann@harbor.example").await.unwrap();
        let id = ann.id.to_string();
        assert_ne!(one["id"], other["id"]);
        assert!(!one.to_string().contains(&id) && !other.to_string().contains(&id), "no id of the account");
        // The one that did not prove the domain gets a record and nobody's account.
        assert!(membership(kit, quay, ann.id).await.is_none());
        let unknown = theirs.user("nobody@harbor.example", json!({})).await;
        let strip = |record: &Value| {
            let mut record = record.clone();
            for name in ["id", "meta", "userName", "externalId"] {
                record.as_object_mut().unwrap().remove(name);
            }
            record
        };
        assert_eq!(strip(&other), strip(&unknown), "an account that exists looks like one that does not");
        let mut owner = kit.owner_of("quay").await;
        let conflicts = owner.get(&theirs.api("quay", "/conflicts")).await.expect(200).json();
        let kinds: Vec<&Value> =
            conflicts["items"].as_array().unwrap().iter().map(|one| &one["conflict"]).collect();
        assert_eq!(kinds, [&json!("unverified_domain"), &json!("unverified_domain")]);
    })
    .await;
}

#[tokio::test]
async fn an_address_set_by_scim_must_be_on_a_domain_the_organization_has_verified() {
    on_both(async |kit| {
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let record = idp.user("ann@harbor.example", json!({})).await;
        assert!(account(kit, "ann@harbor.example").await.is_none(), "a record, and no login");
        let off = idp.user("off@harbor.example", json!({ "active": false })).await;
        assert_eq!(off["active"], false);
        let crew = idp.group("Crew", &[&record]).await;
        assert_eq!(crew["members"][0]["value"], record["id"]);
        assert_eq!(group_members(kit, harbor, "Crew").await, Some(Vec::new()));
        // Once the domain is verified, it settles itself.
        verify(kit, "harbor", "harbor.example").await;
        let ann = account(kit, "ann@harbor.example").await.expect("an account");
        assert_eq!((ann.managed_by, ann.state), (Some(harbor), AccountState::Active));
        assert_eq!(group_members(kit, harbor, "Crew").await, Some(vec!["ann@harbor.example".to_owned()]));
        let off = account(kit, "off@harbor.example").await.expect("an account");
        assert_eq!(off.state, AccountState::Suspended, "who is not active gets no way in");
        let mut owner = kit.owner_of("harbor").await;
        let conflicts = owner.get(&idp.api("harbor", "/conflicts")).await.expect(200).json();
        assert_eq!(conflicts["items"], json!([]));
        // A patch to an address elsewhere keeps the login where it is.
        let operations = json!([{ "op": "replace", "path": "userName", "value": "ann@elsewhere.example" }]);
        let changed = idp.patch("Users", &record, operations).await.expect(200).json();
        assert_eq!(changed["userName"], "ann@elsewhere.example");
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().id, ann.id);
        assert!(account(kit, "ann@elsewhere.example").await.is_none());
        // One at the verified domain moves it.
        let operations = json!([{ "op": "replace", "path": "userName", "value": "anna@harbor.example" }]);
        idp.patch("Users", &record, operations).await.expect(200);
        assert_eq!(account(kit, "anna@harbor.example").await.unwrap().id, ann.id);
        assert!(account(kit, "ann@harbor.example").await.is_none());
    })
    .await;
}

#[tokio::test]
async fn changing_an_address_never_moves_a_login_of_another_organization() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let mut owner = kit.owner_of("harbor").await;
        // Managed here, and a member of another organization, too.
        let record = idp.user("ann@harbor.example", json!({})).await;
        let ann = kit.member("quay", "ann@harbor.example", Role::Member).await;
        let to = |name: &str| json!([{ "op": "replace", "path": "userName", "value": name }]);
        idp.patch("Users", &record, to("anna@harbor.example")).await.expect(200);
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().id, ann, "not moved");
        assert!(account(kit, "anna@harbor.example").await.is_none());
        // Somebody's own account, which harbor does not manage.
        let bob = kit.account("bob@harbor.example").await;
        let record = idp.user("bob@harbor.example", json!({})).await;
        idp.patch("Users", &record, to("bobby@harbor.example")).await.expect(200);
        assert_eq!(account(kit, "bob@harbor.example").await.unwrap().id, bob);
        // Nor is an address taken that another account has.
        let record = idp.user("cem@harbor.example", json!({})).await;
        let cem = account(kit, "cem@harbor.example").await.unwrap().id;
        idp.patch("Users", &record, to("ann@harbor.example")).await.expect(200);
        assert_eq!(account(kit, "cem@harbor.example").await.unwrap().id, cem);
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().id, ann);
        let conflicts = owner.get(&idp.api("harbor", "/conflicts")).await.expect(200).json();
        let mut kinds: Vec<&str> = conflicts["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["conflict"].as_str())
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["address_taken", "shared_login", "shared_login"]);
    })
    .await;
}

#[tokio::test]
async fn a_patch_with_many_operations_is_atomic_and_a_malformed_remove_changes_nothing() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann", json!({ "title": "Mate" })).await;
        let (bob, cem) = (idp.user("bob", json!({})).await, idp.user("cem", json!({})).await);
        let crew = idp.group("Crew", &[&ann, &bob, &cem]).await;
        let path = format!("/Users/{}", ann["id"].as_str().unwrap());
        let before = idp.get(&path).await;
        for operations in [
            json!([{ "op": "replace", "path": "title", "value": "Cook" }, { "op": "remove", "path": "userName" }]),
            json!([{ "op": "add", "path": "nickName", "value": "A" }, { "op": "add", "path": "nothing", "value": 1 }]),
            json!([{ "op": "replace", "path": "title", "value": "Cook" }, { "op": "remove", "path": "emails", "value": [7] }]),
            json!([{ "op": "Replace", "path": "title", "value": "x" }, { "op": "replace", "path": "userName", "value": "BOB" }]),
        ] {
            let refused = idp.patch("Users", &ann, operations.clone()).await;
            assert!([400, 409].contains(&refused.status.as_u16()), "{operations}: {}", refused.text());
            assert_eq!(idp.get(&path).await, before, "{operations}");
        }
        let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
        let of = format!("/Groups/{}", id(&crew));
        let before = idp.get(&of).await;
        for operations in [
            json!([{ "op": "remove", "path": "members[value eq" }]),
            json!([{ "op": "remove", "path": "members", "value": [] }]),
            json!([{ "op": "remove", "path": "members", "value": [{ "display": "Ann" }] }]),
            json!([{ "op": "remove", "path": "members", "value": 5 }]),
            json!([{ "op": "remove" }]),
            json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", id(&ann)) },
                { "op": "replace", "path": "displayName", "value": "" }]),
        ] {
            idp.patch("Groups", &crew, operations.clone()).await.expect(400);
            assert_eq!(idp.get(&of).await, before, "{operations}");
        }
        // A remove of one member removes one member, in each spelling; and op in any case.
        let operations = json!([{ "op": "Remove", "path": format!("members[value eq \"{}\"]", id(&ann)) }]);
        let left = idp.patch("Groups", &crew, operations).await.expect(200).json();
        assert_eq!(left["members"].as_array().unwrap().len(), 2);
        let operations = json!([{ "op": "remove", "path": "members", "value": [{ "value": id(&bob) }] }]);
        let left = idp.patch("Groups", &crew, operations).await.expect(200).json();
        assert_eq!(left["members"].as_array().unwrap().len(), 1);
        assert_eq!(left["members"][0]["value"], cem["id"]);
        // Entra's "False", and an object without a path.
        let off = json!([{ "op": "Replace", "value": { "active": "False" } }]);
        assert_eq!(idp.patch("Users", &ann, off).await.expect(200).json()["active"], false);
    })
    .await;
}

/// Whether a session of the account would be recognised.
async fn session_of(kit: &Kit, email: &str) -> crate::tokens::LinkToken {
    let person = account(kit, email).await.expect("an account");
    let provider = kit.organization("northwind").await;
    let ctx = kit.ctx();
    let at = ctx.clone();
    let started =
        kit.app.db().write(&ctx, move |tx| sessions::start(&at, tx, provider, &person, Method::Link));
    started.await.unwrap().value
}

async fn is_live(kit: &Kit, token: &crate::tokens::LinkToken) -> bool {
    let (token, now) = (token.clone(), kit.now());
    kit.app.db().read(move |tx| sessions::find_live(tx, &token, now)).await.unwrap().is_some()
}

#[tokio::test]
async fn who_is_deactivated_by_scim_stays_out_and_sessions_and_tokens_die() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let harbor = kit.organization("harbor").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let record = idp.user("ann@harbor.example", json!({})).await;
        let ann = account(kit, "ann@harbor.example").await.unwrap().id;
        let mut owner = kit.owner_of("harbor").await;
        let person = format!("/api/v1/organizations/harbor/people/{ann}");
        owner.patch(&person, json!({ "role": "admin" })).await.expect(200);
        let session = session_of(kit, "ann@harbor.example").await;
        assert!(is_live(kit, &session).await);
        let api_token = make_api_token(kit, harbor, ann).await;
        assert!(finds_api_token(kit, &api_token).await);
        idp.set_active(&record, false).await.expect(200);
        assert!(!is_live(kit, &session).await, "the session died with the answer");
        assert!(!finds_api_token(kit, &api_token).await);
        let out = account(kit, "ann@harbor.example").await.unwrap();
        assert_eq!(out.state, AccountState::Suspended);
        assert_eq!(membership(kit, harbor, ann).await.unwrap().state, MembershipState::Suspended);
        assert!(kit.app.db().read(move |tx| super::super::stays_out(tx, harbor, ann)).await.unwrap());
        // Other changes, also a replace that says nothing about it, do not bring anybody back.
        let operations = json!([{ "op": "replace", "path": "title", "value": "Cook" }, { "op": "remove", "path": "active" }]);
        idp.patch("Users", &record, operations).await.expect(200);
        let path = idp.at(&format!("/Users/{}", record["id"].as_str().unwrap()));
        let body = json!({ "schemas": [CORE], "userName": "ann@harbor.example" });
        idp.client.put(&path, body).await.expect(200);
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().state, AccountState::Suspended);
        idp.set_active(&record, true).await.expect(200);
        assert_eq!(account(kit, "ann@harbor.example").await.unwrap().state, AccountState::Active);
        assert_eq!(membership(kit, harbor, ann).await.unwrap().state, MembershipState::Active);
        assert!(!is_live(kit, &session).await && !finds_api_token(kit, &api_token).await, "dead is dead");
        let actions = kit.actions(harbor).await;
        for action in ["directory_user.created", "directory_user.deactivated", "directory_user.reactivated"] {
            assert!(actions.iter().any(|one| one == action), "{action} in {actions:?}");
        }
    })
    .await;
}

async fn make_api_token(
    kit: &Kit,
    harbor: platform::ids::OrganizationId,
    ann: platform::ids::AccountId,
) -> crate::tokens::ApiToken {
    let new = crate::api_tokens::NewToken {
        name: crate::names::Name::parse("nightly").unwrap(),
        scopes: vec![Permission::PeopleRead],
        lifetime: crate::api_tokens::LIFETIME_DEFAULT,
    };
    let ctx = kit.ctx();
    let at = ctx.clone();
    let made =
        kit.app.db().write(&ctx, move |tx| crate::api_tokens::create(&at, tx, harbor, Some(ann), &new));
    match made.await.unwrap().value {
        crate::api_tokens::Creation::Done { secret, .. } => secret,
        _ => panic!("no API token"),
    }
}

async fn finds_api_token(kit: &Kit, token: &crate::tokens::ApiToken) -> bool {
    let (hash, now) = (token.hash(), kit.now());
    kit.app.db().read(move |tx| crate::api_tokens::find(tx, hash, now)).await.unwrap().is_some()
}

#[tokio::test]
async fn a_page_is_capped_and_odd_numbers_are_read_as_the_standard_says() {
    on_both(async |kit| {
        let mut idp = Idp::of(kit, "harbor").await;
        for name in ["ann", "bob", "cem"] {
            idp.user(name, json!({})).await;
        }
        let page = idp.get("/Users?count=0").await;
        assert_eq!((&page["totalResults"], &page["Resources"]), (&json!(3), &json!([])));
        let page = idp.get("/Users?startIndex=0&count=2").await;
        assert_eq!((&page["startIndex"], &page["itemsPerPage"]), (&json!(1), &json!(2)));
        let page = idp.get("/Users?startIndex=-7&count=-1").await;
        assert_eq!((&page["startIndex"], &page["itemsPerPage"]), (&json!(1), &json!(0)));
        let page = idp.get("/Users?startIndex=3&count=1000000").await;
        assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(3), &json!(1)));
        assert_eq!(idp.get("/Users?startIndex=99999999999").await["itemsPerPage"], 0);
        let wrong = idp.at("/Users?count=many");
        let refused = idp.client.get(&wrong).await.expect(400).json();
        assert_eq!(refused["scimType"], "invalidValue");
    })
    .await;
}

#[tokio::test]
async fn staff_and_owners_are_out_of_a_directorys_reach() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let mut idp = Idp::of(kit, "harbor").await;
        kit.member("northwind", "sam@harbor.example", Role::Owner).await;
        idp.user("sam@harbor.example", json!({ "active": false })).await;
        let sam = account(kit, "sam@harbor.example").await.unwrap();
        assert_eq!(
            sam.state,
            AccountState::Active,
            "the provider's staff cannot be provisioned by a customer"
        );
        // An owner who had an account before is linked, and nothing else.
        let record = idp.user("owner@harbor.example", json!({})).await;
        idp.set_active(&record, false).await.expect(409);
        idp.delete("Users", &record).await.expect(409);
        assert_eq!(account(kit, "owner@harbor.example").await.unwrap().state, AccountState::Active);
        // An address that nobody proved loses what was prepared for it.
        let path = idp.at("/Users");
        let twice = json!({ "schemas": [CORE], "userName": "OWNER@harbor.example" });
        assert_eq!(idp.client.post(&path, twice).await.expect(409).json()["scimType"], "uniqueness");
    })
    .await;
}
