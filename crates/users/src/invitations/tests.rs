use std::time::Duration;

use platform::Area;
use platform::access::Role;
use platform::ids::AccountId;
use platform::principals::{self, AccountState};
use platform::time::{DAY, HOUR, MINUTE};
use platform::web::routes::Routes;
use serde_json::json;
use testkit::{Client, Kit};

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
const AREAS: &[&Area] = &[&crate::AREA, &MAIL];
const LIST: &str = "/api/v1/organizations/harbor/invitations";

/// The path of the link in the newest mail to `email`.
async fn link_to(kit: &Kit, email: &str) -> String {
    let mail = kit.mail_to(email).await.expect("a mail");
    let mail = mail.replace("=\r\n", "").replace("=\n", "");
    let at = mail.find("/invitations/").expect("a link");
    mail[at..].chars().take_while(|c| !c.is_whitespace()).collect()
}

fn token_of(link: &str) -> String {
    link.trim_start_matches("/invitations/").to_owned()
}

async fn invite(client: &mut Client, email: &str, role: &str) -> String {
    let made = client.post(LIST, json!({"email": email, "role": role})).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

async fn accept(client: &mut Client, link: &str) -> testkit::Answer {
    client.post("/api/v1/invitations/accept", json!({"token": token_of(link)})).await
}

async fn set_state(kit: &Kit, account: AccountId, state: AccountState) {
    let provider = kit.organization("northwind").await;
    let ctx = kit.ctx();
    kit.app
        .db()
        .write(&ctx, move |tx| {
            principals::set_account_state(tx, account, state)?;
            let recorded = tx.record(platform::events::Event::new(provider, "account.changed"));
            Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), recorded))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn an_invited_person_joins_with_role_and_groups() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let harbor = kit.organization("harbor").await;
            let group = admin
                .post("/api/v1/organizations/harbor/groups", json!({"name": "Crew"}))
                .await
                .expect(201)
                .json();
            let group = group["id"].as_str().unwrap().to_owned();
            let body = json!({"email": "Ann@Else.example", "role": "auditor", "groups": [group]});
            let made = admin.post(LIST, body).await.expect(201).json();
            assert_eq!((&made["email"], &made["state"]), (&json!("ann@else.example"), &json!("pending")));
            let link = link_to(kit, "ann@else.example").await;
            let outside = kit.nobody().get(&link).await.expect(200).text();
            assert!(
                outside.contains("/sign-up?email=ann%40else.example&#38;next=%2Finvitations%2F"),
                "{outside}"
            );
            let ann = kit.account("ann@else.example").await;
            let mut browser = kit.browser_of(ann).await;
            assert!(browser.get(&link).await.expect(200).text().contains("Accept"));
            browser.submit(&link, &[]).await.expect(303);
            let people = browser.get("/api/v1/organizations/harbor/people?q=ann").await.expect(200).json();
            let me = &people["items"][0];
            assert_eq!((&me["role"], &me["source"]), (&json!("auditor"), &json!("invitation")));
            let detail = format!("/api/v1/organizations/harbor/people/{ann}");
            assert_eq!(browser.get(&detail).await.expect(200).json()["groups"][0]["name"], "Crew");
            let actions = kit.actions(harbor).await;
            let tail: Vec<_> = actions.iter().rev().take(3).rev().collect();
            assert_eq!(tail, ["invitation.accepted", "member.added", "group.member_added"]);
            let listed = admin.get(LIST).await.expect(200).json();
            assert_eq!(listed["items"][0]["state"], "accepted");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn invitations_are_bound_to_their_address() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            invite(&mut owner, "ann@else.example", "admin").await;
            let link = link_to(kit, "ann@else.example").await;
            let mut eve = kit.browser_of(kit.account("eve@else.example").await).await;
            let page = eve.get(&link).await.expect(200).text();
            assert!(!page.contains("ann@else.example"), "the invited address is not told");
            eve.submit(&link, &[]).await.expect(403);
            accept(&mut eve, &link).await.expect(403);
            eve.get("/api/v1/organizations/harbor").await.expect(404);
            // The refused tries did not use it up.
            let mut ann = kit.browser_of(kit.account("ann@else.example").await).await;
            accept(&mut ann, &link).await.expect(200);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn invitations_work_once_and_not_after_their_time() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut ann = kit.browser_of(kit.account("ann@else.example").await).await;
            let ann_id = kit.account("ann@else.example").await;
            let id = invite(&mut owner, "ann@else.example", "member").await;
            let link = link_to(kit, "ann@else.example").await;
            kit.advance(super::LIFETIME);
            accept(&mut ann, &link).await.expect(404);
            ann.get(&link).await.expect(404);
            assert_eq!(owner.get(&format!("{LIST}/{id}")).await.expect(200).json()["state"], "expired");
            // Sending again gives a new link; the old one stays dead.
            owner.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(200);
            let second = link_to(kit, "ann@else.example").await;
            assert_ne!(link, second);
            accept(&mut ann, &link).await.expect(404);
            accept(&mut ann, &second).await.expect(200);
            accept(&mut ann, &second).await.expect(404);
            // Not after leaving either.
            owner.delete(&format!("/api/v1/organizations/harbor/people/{ann_id}")).await.expect(204);
            accept(&mut ann, &second).await.expect(404);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_link_used_twice_at_once_works_once() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.account("ann@else.example").await;
            invite(&mut owner, "ann@else.example", "member").await;
            let link = link_to(kit, "ann@else.example").await;
            let (mut one, mut two) = (kit.browser_of(ann).await, kit.browser_of(ann).await);
            let (a, b) = tokio::join!(accept(&mut one, &link), accept(&mut two, &link));
            let mut statuses = [a.status.as_u16(), b.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 404]);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn only_active_accounts_accept_and_nobody_is_restored_by_an_invitation() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.account("ann@else.example").await;
            invite(&mut owner, "ann@else.example", "member").await;
            let link = link_to(kit, "ann@else.example").await;
            let token = crate::tokens::LinkToken::parse(&token_of(&link)).unwrap();
            set_state(kit, ann, AccountState::Suspended).await;
            let ctx = kit.app.ctx(platform::ctx::Actor::Account(ann));
            let inside = ctx.clone();
            let refused = kit
                .app
                .db()
                .write(&ctx, move |tx| super::accept(&inside, tx, &token, ann))
                .await
                .unwrap()
                .value;
            assert_eq!(refused, super::Accepted::NotActive);
            set_state(kit, ann, AccountState::Active).await;
            // Somebody imported her meanwhile, and she was suspended.
            kit.member("harbor", "ann@else.example", Role::Member).await;
            let person = format!("/api/v1/organizations/harbor/people/{ann}");
            owner.patch(&person, json!({"state": "suspended"})).await.expect(200);
            let mut browser = kit.browser_of(ann).await;
            accept(&mut browser, &link).await.expect(409);
            assert_eq!(owner.get(&person).await.expect(200).json()["state"], "suspended");
            let again = json!({"email": "ann@else.example"});
            assert!(owner.post(LIST, again).await.expect(409).text().contains("member already"));
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn an_invitation_gives_nothing_in_another_organization() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let mut other = kit.owner_of("quay").await;
            let id = invite(&mut owner, "ann@else.example", "owner").await;
            let elsewhere = format!("/api/v1/organizations/quay/invitations/{id}");
            other.get(&elsewhere).await.expect(404);
            other.delete(&elsewhere).await.expect(404);
            other.post(&format!("{elsewhere}/resend"), json!({})).await.expect(404);
            let link = link_to(kit, "ann@else.example").await;
            let mut ann = kit.browser_of(kit.account("ann@else.example").await).await;
            assert_eq!(accept(&mut ann, &link).await.expect(200).json()["slug"], "harbor");
            ann.get("/api/v1/organizations/quay").await.expect(404);
            // A group of another organization cannot be given.
            let group =
                other.post("/api/v1/organizations/quay/groups", json!({"name": "Q"})).await.expect(201);
            let body = json!({"email": "bob@else.example", "groups": [group.json()["id"]]});
            owner.post(LIST, body).await.expect(422);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn strangers_cannot_tell_links_apart() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let id = invite(&mut owner, "ann@else.example", "member").await;
            let link = link_to(kit, "ann@else.example").await;
            owner.delete(&format!("{LIST}/{id}")).await.expect(204);
            owner.delete(&format!("{LIST}/{id}")).await.expect(404);
            let dead = kit.nobody().get(&link).await.expect(404).text();
            let unknown =
                kit.nobody().get(&format!("/invitations/{}", "A".repeat(43))).await.expect(404).text();
            let nonsense = kit.nobody().get("/invitations/x").await.expect(404).text();
            let words = "it was used, taken back or has run out";
            assert!(dead.contains(words) && unknown.contains(words) && nonsense.contains(words));
            kit.nobody().submit(&link, &[]).await.expect(403);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn who_may_invite_whom() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let mut stranger = kit.owner_of("quay").await;
            let body = json!({"email": "ann@else.example"});
            auditor.post(LIST, body.clone()).await.expect(403);
            stranger.post(LIST, body.clone()).await.expect(404);
            stranger.get(LIST).await.expect(404);
            admin.post(LIST, json!({"email": "ann@else.example", "role": "owner"})).await.expect(403);
            admin.post(LIST, json!({"email": "no address"})).await.expect(422);
            admin.post(LIST, json!({"email": "a@b\r\nBcc: eve@else.example"})).await.expect(422);
            let id = invite(&mut admin, "ann@else.example", "member").await;
            admin.post(LIST, body).await.expect(409);
            admin.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(429);
            kit.advance(MINUTE);
            admin.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(200);
            let page = admin.get("/o/harbor/invitations").await.expect(200).text();
            assert!(page.contains("1 waits, since 2 Mar 2026."), "{page}");
            let refused =
                admin.submit("/o/harbor/invitations/new", &[("email", "x"), ("role", "member")]).await;
            refused.expect(422);
            let fields = [("email", "bob@else.example"), ("role", "member")];
            admin.submit("/o/harbor/invitations/new", &fields).await.expect(303);
            // An invitation that ran out makes room for another.
            kit.advance(super::LIFETIME + HOUR);
            invite(&mut admin, "ann@else.example", "member").await;
            kit.settle().await;
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_an_invitation_waits_too_long() {
    use platform::evidence::Verdict;
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let judge = async || {
                let now = kit.now();
                let evaluate = crate::access_requests::evidence::APPROVED.evaluate;
                kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
            };
            assert_eq!(judge().await.state, Verdict::Met);
            let id = invite(&mut owner, "ann@else.example", "member").await;
            let waits = judge().await;
            assert_eq!(waits.state, Verdict::Met);
            assert_eq!(waits.valid_until, Some(kit.now().plus(super::TARGET)));
            for _ in 0..3 {
                kit.advance(Duration::from_secs(5 * DAY.as_secs()));
                owner.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(200);
            }
            let late = judge().await;
            assert_eq!(late.state, Verdict::NotMet);
            assert_eq!(late.action.unwrap().href, "/o/harbor/invitations");
            owner.delete(&format!("{LIST}/{id}")).await.expect(204);
            assert_eq!(judge().await.state, Verdict::Met);
            kit.settle().await;
        },
        AREAS,
    )
    .await;
}

/// Security: who lost the right to invite leaves no way in behind.
#[tokio::test]
async fn an_invitation_does_not_outlive_the_right_of_its_inviter() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let adm = kit.member("harbor", "adm@else.example", Role::Admin).await;
            let person = format!("/api/v1/organizations/harbor/people/{adm}");
            let mut admin = kit.browser_of(adm).await;
            let id = invite(&mut admin, "backdoor@else.example", "admin").await;
            let link = link_to(kit, "backdoor@else.example").await;
            let mut backdoor = kit.browser_of(kit.account("backdoor@else.example").await).await;
            for (lost, back) in [
                (json!({"state": "suspended"}), json!({"state": "active"})),
                (json!({"role": "auditor"}), json!({"role": "admin"})),
            ] {
                owner.patch(&person, lost).await.expect(200);
                accept(&mut backdoor, &link).await.expect(404);
                backdoor.get(&link).await.expect(404);
                owner.patch(&person, back).await.expect(200);
            }
            backdoor.get(&link).await.expect(200);
            owner.delete(&person).await.expect(204);
            accept(&mut backdoor, &link).await.expect(404);
            backdoor.get("/api/v1/organizations/harbor").await.expect(404);
            // Somebody who may takes it over by sending it again.
            kit.advance(MINUTE);
            let again = owner.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(200).json();
            assert_ne!(again["invited_by"], json!(adm.to_string()));
            let link = link_to(kit, "backdoor@else.example").await;
            accept(&mut backdoor, &link).await.expect(200);
        },
        AREAS,
    )
    .await;
}

/// Security: who finds an API token of the one scope does not become an admin by it.
#[tokio::test]
async fn an_api_token_gives_only_roles_whose_rights_it_holds() {
    use platform::access::Permission;
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let ann = kit.member("harbor", "ann@else.example", Role::Member).await;
            let person = format!("/api/v1/organizations/harbor/people/{ann}");
            let mut owner = kit.owner_of("harbor").await;
            let id = invite(&mut owner, "waits@else.example", "admin").await;
            kit.advance(MINUTE);
            let mut token = kit.token_of(harbor, "people.manage,people.read");
            for role in ["auditor", "admin", "owner"] {
                let body = json!({"email": format!("{role}@else.example"), "role": role});
                token.post(LIST, body).await.expect(403);
                token.patch(&person, json!({"role": role})).await.expect(403);
                let csv = format!("email,name,role\n{role}@else.example,X,{role}\n");
                let imported =
                    token.post("/api/v1/organizations/harbor/people/imports", json!({"csv": csv})).await;
                assert!(imported.status.is_client_error(), "{}", imported.text());
            }
            token.post(&format!("{LIST}/{id}/resend"), json!({})).await.expect(403);
            assert_eq!(owner.get(&person).await.expect(200).json()["role"], "member");
            invite(&mut token, "plain@else.example", "member").await;
            // One with all rights of the role may, and one with those of readers makes readers.
            let scopes = |role: Role| {
                let all = Permission::ALL.iter().filter(|one| role.may(**one)).map(|one| one.as_str());
                all.collect::<Vec<_>>().join(",")
            };
            let readers = format!("people.manage,{}", scopes(Role::Auditor));
            let mut reader = kit.token_of(harbor, &readers);
            reader.patch(&person, json!({"role": "auditor"})).await.expect(200);
            reader.patch(&person, json!({"role": "admin"})).await.expect(403);
            let mut all = kit.token_of(harbor, &scopes(Role::Admin));
            all.patch(&person, json!({"role": "admin"})).await.expect(200);
            all.patch(&person, json!({"role": "owner"})).await.expect(403);
        },
        AREAS,
    )
    .await;
}
