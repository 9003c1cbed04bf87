use std::time::Instant;

use platform::access::Role;
use platform::ids::OrganizationId;
use platform::principals::{self, AccountState, MembershipSource, MembershipState};
use platform::time::SECOND;
use serde_json::{Value, json};
use testkit::Kit;

use crate::facts::tests::verified_domain;
use crate::kit::{PASSWORD, believed, mailed_link};

const PATH: &str = "/api/v1/organizations/harbor/people/imports";
const PAGE: &str = "/o/harbor/people/import";

async fn people(kit: &Kit, organization: OrganizationId) -> u64 {
    kit.app.db().read(move |tx| principals::count_members(tx, organization)).await.unwrap()
}

async fn account(kit: &Kit, email: &'static str) -> Option<principals::Account> {
    kit.app.db().read(move |tx| principals::account_by_email(tx, email)).await.unwrap()
}

async fn membership(
    kit: &Kit,
    organization: OrganizationId,
    email: &'static str,
) -> Option<principals::Membership> {
    let id = account(kit, email).await?.id;
    kit.app.db().read(move |tx| principals::membership(tx, organization, id)).await.unwrap()
}

async fn groups_of(kit: &Kit, organization: OrganizationId, email: &'static str) -> Vec<String> {
    let id = account(kit, email).await.expect("an account").id;
    let groups = kit.app.db().read(move |tx| principals::groups_of(tx, organization, id)).await.unwrap();
    groups.into_iter().map(|group| group.name).collect()
}

fn numbers(view: &Value) -> [u64; 7] {
    ["people", "new_accounts", "joining", "already_members", "groups_created", "group_memberships", "mails"]
        .map(|name| view[name].as_u64().unwrap_or_else(|| panic!("{name} in {view}")))
}

#[tokio::test]
async fn what_the_dry_run_says_is_what_happens() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            verified_domain(kit, harbor, "harbor.example").await;
            kit.account("has@harbor.example").await;
            kit.account("guest@quay.example").await;
            kit.member("harbor", "aud@harbor.example", Role::Auditor).await;
            let csv = "email,name,role,groups\n\
                       ann@harbor.example,Ann,,Crew;Night shift\n\
                       BOB@Harbor.example,Bob,admin,crew\n\
                       has@harbor.example,Other Name,auditor,\n\
                       guest@quay.example,Guest,,\n\
                       aud@harbor.example,Aud,admin,crew\n";
            let before = kit.actions(harbor).await.len();
            let tried = owner.post(PATH, json!({"csv": csv, "dry_run": true})).await.expect(200).json();
            assert_eq!(numbers(&tried), [5, 2, 1, 1, 2, 4, 2]);
            let conflicts: Vec<_> = tried["conflicts"].as_array().unwrap().clone();
            assert_eq!(conflicts.len(), 2);
            assert_eq!((&conflicts[0]["line"], &conflicts[0]["column"]), (&json!(5), &json!("email")));
            assert_eq!((&conflicts[1]["line"], &conflicts[1]["column"]), (&json!(6), &json!("role")));
            assert!(conflicts[0]["detail"].as_str().unwrap().contains("invite them instead"));
            assert_eq!(kit.actions(harbor).await.len(), before, "trying changes nothing");
            assert_eq!(people(kit, harbor).await, 2);
            assert_eq!(kit.mails().await.len(), 0);

            let mut done = owner.post(PATH, json!({"csv": csv})).await.expect(200).json();
            done["dry_run"] = json!(true);
            assert_eq!(done, tried);
            assert_eq!(people(kit, harbor).await, 5);
            let ann = account(kit, "ann@harbor.example").await.unwrap();
            assert_eq!((ann.state, ann.name.as_str()), (AccountState::Unverified, "Ann"));
            let bob = membership(kit, harbor, "bob@harbor.example").await.unwrap();
            assert_eq!(
                (bob.role, bob.source, bob.state),
                (Role::Admin, MembershipSource::Import, MembershipState::Active)
            );
            assert_eq!(account(kit, "has@harbor.example").await.unwrap().state, AccountState::Active);
            assert_eq!(membership(kit, harbor, "has@harbor.example").await.unwrap().role, Role::Auditor);
            assert_ne!(membership(kit, harbor, "has@harbor.example").await.unwrap().name, "Other Name");
            assert_eq!(membership(kit, harbor, "guest@quay.example").await, None);
            assert_eq!(membership(kit, harbor, "aud@harbor.example").await.unwrap().role, Role::Auditor);
            assert_eq!(groups_of(kit, harbor, "ann@harbor.example").await, ["Crew", "Night shift"]);
            assert_eq!(groups_of(kit, harbor, "aud@harbor.example").await, ["Crew"]);
            let actions = kit.actions(harbor).await;
            let count = |wanted: &str| actions.iter().filter(|action| *action == wanted).count();
            assert_eq!(count("member.imported"), 3);
            assert_eq!(
                (count("group.created"), count("group.member_added"), count("people.imported")),
                (2, 1, 1)
            );
            assert_eq!(kit.mails().await.len(), 2);

            // The same file again has nothing to do, and says so.
            let again = owner.post(PATH, json!({"csv": csv})).await.expect(200).json();
            assert_eq!(numbers(&again), [5, 0, 0, 4, 0, 0, 0]);
            assert_eq!(kit.actions(harbor).await.len(), actions.len());
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn a_bad_row_is_named_by_line_and_column_and_nobody_is_imported() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let mut csv = "email,name,role\n".to_owned();
            for n in 2..17 {
                csv.push_str(&format!("p{n}@harbor.example,P{n},member\n"));
            }
            csv.push_str("p17@harbor.example,P17,king\nnobody,P18,member\n");
            for dry_run in [true, false] {
                let refused =
                    owner.post(PATH, json!({"csv": csv, "dry_run": dry_run})).await.expect(422).json();
                let errors: Vec<_> = refused["errors"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|e| e["detail"].as_str().unwrap())
                    .collect();
                assert_eq!(errors.len(), 2, "{errors:?}");
                assert!(
                    errors[0].starts_with("line 17, column `role`: `king` is no role: use"),
                    "{}",
                    errors[0]
                );
                assert!(errors[1].starts_with("line 18, column `email`: "), "{}", errors[1]);
            }
            assert_eq!(people(kit, harbor).await, 1);
            assert!(account(kit, "p2@harbor.example").await.is_none());
            let many: String = (0..201).map(|n| format!("g{n}@harbor.example,G,g{n}\n")).collect();
            let body = json!({"csv": format!("email,name,groups\n{many}")});
            let refused = owner.post(PATH, body).await.expect(422).text();
            assert!(refused.contains("201 new groups"), "{refused}");
            assert_eq!(people(kit, harbor).await, 1);
            assert_eq!(kit.mails().await.len(), 0);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn only_owners_import_owners_and_strangers_find_nothing() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let mut owner = kit.owner_of("harbor").await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let body = json!({"csv": "email,name,role\nann@harbor.example,Ann,owner\n"});
            let refused = admin.post(PATH, body.clone()).await.expect(422).json();
            assert!(
                refused["errors"][0]["detail"]
                    .as_str()
                    .unwrap()
                    .starts_with("line 2, column `role`: only an owner")
            );
            assert!(account(kit, "ann@harbor.example").await.is_none());
            for role in [Role::Member, Role::Auditor] {
                let mut other = kit.as_role("harbor", role).await;
                other.post(PATH, body.clone()).await.expect(403);
                other.get(PAGE).await.expect(403);
                other.upload(PAGE, &[], ("file", "p.csv", b"email,name\n")).await.expect(403);
            }
            let mut stranger = kit.owner_of("quay").await;
            stranger.post(PATH, body.clone()).await.expect(404);
            stranger.get(PAGE).await.expect(404);
            stranger.upload(PAGE, &[], ("file", "p.csv", b"email,name\n")).await.expect(404);
            kit.nobody().post(PATH, body.clone()).await.expect(401);
            owner.post(PATH, body).await.expect(200);
            assert_eq!(membership(kit, harbor, "ann@harbor.example").await.unwrap().role, Role::Owner);
        },
        believed,
    )
    .await;
}

/// Somebody who never asked for an account: the organization's words alone give nobody a way in.
#[tokio::test]
async fn an_imported_person_proves_the_address_first() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            owner
                .post(PATH, json!({"csv": "email,name,role\nann+x@harbor.example,Ann,admin\n"}))
                .await
                .expect(200);
            let link = mailed_link(kit, "ann+x@harbor.example").await;
            assert_eq!(link, "/sign-up?email=ann%2Bx%40harbor.example");
            let page = kit.nobody().get(&link).await.expect(200).text();
            assert!(page.contains("value=\"ann+x@harbor.example\""));
            assert_eq!(account(kit, "ann+x@harbor.example").await.unwrap().state, AccountState::Unverified);
            // The mail is only an invitation to prove the address: the link that does is another one.
            kit.advance(SECOND);
            let mut ann = kit.nobody();
            ann.get(&link).await.expect(200);
            ann.submit("/sign-up", &[("email", "ann+x@harbor.example")]).await.expect(200);
            let proof = mailed_link(kit, "ann+x@harbor.example").await;
            ann.get(&proof).await.expect(200);
            ann.submit(&proof, &[("name", "Ann Lee"), ("password", PASSWORD)]).await.expect(303);
            assert_eq!(account(kit, "ann+x@harbor.example").await.unwrap().state, AccountState::Active);
            assert_eq!(membership(kit, harbor, "ann+x@harbor.example").await.unwrap().role, Role::Admin);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn the_page_tries_and_then_imports_a_file() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let mut owner = kit.owner_of("harbor").await;
            assert!(
                owner.get("/o/harbor/people").await.expect(200).text().contains("/o/harbor/people/import")
            );
            assert!(owner.get(PAGE).await.expect(200).text().contains("multipart/form-data"));
            let bad = b"email,name\r\nann@harbor.example,\r\n";
            let refused = owner.upload(PAGE, &[("csv", "")], ("file", "p.csv", bad)).await.expect(422).text();
            assert!(refused.contains("line 2, column `name`"), "{refused}");
            let good = "\u{feff}email,name\r\n\"ann@harbor.example\",\"Ann <i>Lee</i>\"\r\n";
            let tried = owner
                .upload(PAGE, &[("csv", "")], ("file", "p.csv", good.as_bytes()))
                .await
                .expect(200)
                .text();
            assert!(tried.contains("1 new accounts") && tried.contains("0 mails"));
            assert!(!tried.contains("<i>Lee</i>"), "what a file says is escaped");
            assert_eq!(people(kit, harbor).await, 1);
            let fields = [("csv", good), ("confirmed", "yes"), ("send_mail", "on")];
            owner.upload(PAGE, &fields, ("file", "", &b""[..])).await.expect(303);
            assert_eq!(people(kit, harbor).await, 2);
            assert!(kit.mail_to("ann@harbor.example").await.is_some());
            let not_utf8 =
                owner.upload(PAGE, &[], ("file", "p.csv", b"email,name\na@b.example,\xff\n")).await;
            assert!(not_utf8.expect(422).text().contains("UTF-8"));
            owner.submit(PAGE, &[("csv", "email,name\n")]).await.expect(400);
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn ten_thousand_people_are_imported_at_once() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let mut owner = kit.owner_of("harbor").await;
            let mut csv = "email,name,role,groups\n".to_owned();
            for n in 0..super::csv::ROWS_MAX {
                csv.push_str(&format!(
                    "person{n}@harbor.example,Person {n},member,Team {};Everybody\n",
                    n % 40
                ));
            }
            let body = json!({"csv": csv, "dry_run": true});
            let started = Instant::now();
            let tried = owner.post(PATH, body).await.expect(200).json();
            println!("10,000 people tried in {:?} on {:?}", started.elapsed(), kit.kind);
            assert_eq!(numbers(&tried), [10_000, 10_000, 0, 0, 41, 20_000, 10_000]);
            let started = Instant::now();
            let done = owner.post(PATH, json!({"csv": csv})).await.expect(200).json();
            println!("10,000 people imported in {:?} on {:?}", started.elapsed(), kit.kind);
            assert_eq!(numbers(&done), numbers(&tried));
            assert_eq!(people(kit, harbor).await, 10_001);
            assert_eq!(groups_of(kit, harbor, "person9999@harbor.example").await, ["Everybody", "Team 39"]);
            let waiting = kit
                .app
                .db()
                .read(|tx| platform::mail::list(tx, platform::mail::MailState::Waiting, 20_000))
                .await
                .unwrap();
            assert_eq!(waiting.len(), 10_000);
        },
        believed,
    )
    .await;
}

/// What one organization may cause in a day is bounded, however many files it sends.
#[tokio::test]
async fn a_day_has_a_bound() {
    testkit::sqlite_only(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for part in 0..3 {
                let rows: String =
                    (0..super::csv::ROWS_MAX).map(|n| format!("p{part}-{n}@harbor.example,P\n")).collect();
                let body = json!({"csv": format!("email,name\n{rows}"), "send_mail": false});
                let answer = owner.post(PATH, body).await;
                if part < 2 {
                    answer.expect(200);
                } else {
                    assert!(answer.expect(422).text().contains("import the rest tomorrow"));
                }
            }
        },
        believed(),
    )
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_told_in_the_words_of_the_form() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let form = owner.get(PAGE).await.expect(200).text();
            assert!(form.contains("5 MiB"), "{form}");
            let large = vec![b'a'; 7 * 1024 * 1024];
            let told = owner.upload(PAGE, &[], ("file", "people.csv", &large[..])).await.expect(413).text();
            assert!(told.contains("A file may have up to 5 MiB") && !told.contains("bytes"), "{told}");
        },
        believed,
    )
    .await;
}

#[tokio::test]
async fn a_trial_does_not_tell_an_account_from_one_that_was_deleted() {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.account("here@quay.example").await;
            let gone = kit.account("gone@quay.example").await;
            let ctx = kit.ctx();
            let delete = move |tx: &mut platform::db::Tx| {
                principals::set_account_state(tx, gone, AccountState::Deleted)?;
                let recorded = tx.record(platform::events::Event::new(harbor, "account.deleted"));
                Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), recorded))
            };
            kit.app.db().write(&ctx, delete).await.unwrap();
            let csv = "email,name\nhere@quay.example,A\ngone@quay.example,B\n";
            let told = owner.post(PATH, json!({"csv": csv, "dry_run": true})).await.expect(200).json();
            let words =
                |n: usize, email: &str| told["conflicts"][n]["detail"].as_str().unwrap().replace(email, "");
            assert_eq!(words(0, "here@quay.example"), words(1, "gone@quay.example"));
        },
        believed,
    )
    .await;
}
