use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::AccountId;
use platform::principals::{self, Account, AccountState};
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::domains::tests::{Scene, add, check, pass, script, scripted, value, verified};
use crate::passwords::store;

async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(test, scripted).await;
}

fn id_of(view: &Value) -> String {
    view["id"].as_str().unwrap().to_owned()
}

async fn claim(client: &mut Client, slug: &str, domain: &Value, body: Value) -> testkit::Answer {
    client.post(&format!("/api/v1/organizations/{slug}/domains/{}/claims", id_of(domain)), body).await
}

async fn show(client: &mut Client, slug: &str, claim: &Value) -> Value {
    client.get(&format!("/api/v1/organizations/{slug}/claims/{}", id_of(claim))).await.expect(200).json()
}

async fn account(kit: &Kit, id: AccountId) -> Account {
    kit.app.db().read(move |tx| principals::account(tx, id)).await.unwrap().expect("an account")
}

/// Gives the account a password and says whether it has one.
async fn give_password(kit: &Kit, id: AccountId) {
    let (provider, ctx) = (kit.organization("northwind").await, kit.ctx());
    let at = ctx.clone();
    kit.app
        .db()
        .write(&ctx, move |tx| {
            store::set(&at, tx, id, "$argon2id$not-a-real-hash")?;
            let recorded = tx.record(Event::new(provider, "password.changed").target("account", id));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
}

async fn has_password(kit: &Kit, id: AccountId) -> bool {
    kit.app.db().read(move |tx| store::find(tx, id)).await.unwrap().is_some()
}

async fn set_state(kit: &Kit, id: AccountId, state: AccountState) {
    let (provider, ctx) = (kit.organization("northwind").await, kit.ctx());
    kit.app
        .db()
        .write(&ctx, move |tx| {
            principals::set_account_state(tx, id, state)?;
            let recorded = tx.record(Event::new(provider, "account.state_set").target("account", id));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
}

/// What sign-up does in its transaction.
async fn appears(kit: &Kit, email: &str) -> AccountId {
    let id = kit.account(email).await;
    let found = account(kit, id).await;
    let provider = kit.organization("northwind").await;
    let ctx = kit.ctx();
    let at = ctx.clone();
    kit.app
        .db()
        .write(&ctx, move |tx| {
            super::account_appeared(&at, tx, &found)?;
            let recorded = tx.record(Event::new(provider, "account.activated").target("account", id));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn claim_notifies_and_is_reversible() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let quay = kit.organization("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let member = kit.member("quay", "mara@harbor.example", Role::Admin).await;
        let outside = kit.account("ann@harbor.example").await;
        let elsewhere = kit.account("ann@pier.example").await;
        let below = kit.account("ann@mail.harbor.example").await;
        let dry =
            claim(&mut owner, "quay", &domain, json!({ "mode": "all", "dry_run": true })).await.expect(200);
        assert_eq!(dry.json(), json!({ "accounts": 2, "members": 1, "unverified": 0, "retired": 0 }));
        assert_eq!(account(kit, outside).await.managed_by, None, "a dry run changes nothing");
        let started = claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202).json();
        kit.settle().await;
        let done = show(&mut owner, "quay", &started).await;
        assert_eq!((&done["state"], &done["accounts"]["claimed"]), (&json!("done"), &json!(2)));
        for id in [member, outside] {
            assert_eq!(account(kit, id).await.managed_by, Some(quay));
        }
        for id in [elsewhere, below] {
            assert_eq!(account(kit, id).await.managed_by, None, "only addresses at exactly this domain");
        }
        let mail = kit.mail_to("ann@harbor.example").await.expect("a notice").replace("=\r\n", "");
        assert!(
            mail.contains("Quay now manages your account") && mail.contains("They see nothing of your other")
        );
        let actions = kit.actions(quay).await;
        assert_eq!(actions.iter().filter(|action| *action == "account.claimed").count(), 2);
        assert!(
            kit.browser_of(outside)
                .await
                .get("/account")
                .await
                .expect(200)
                .text()
                .contains("Quay manages this account")
        );

        let undo = format!("/api/v1/organizations/quay/claims/{}/undo", id_of(&started));
        owner.post(&undo, json!({})).await.expect(202);
        owner.post(&undo, json!({})).await.expect(409);
        kit.settle().await;
        let undone = show(&mut owner, "quay", &started).await;
        assert_eq!((&undone["state"], &undone["accounts"]["undone"]), (&json!("undone"), &json!(2)));
        for id in [member, outside] {
            assert_eq!(account(kit, id).await.managed_by, None);
        }
        let memberships = kit.app.db().read(move |tx| {
            Ok::<_, DbError>((
                principals::membership(tx, quay, outside)?.is_some(),
                principals::membership(tx, quay, member)?.map(|member| member.role),
            ))
        });
        assert_eq!(memberships.await.unwrap(), (false, Some(Role::Admin)), "only what the claim made ends");
        assert!(kit.mail_to("ann@harbor.example").await.expect("a notice").contains("no longer manages"));
    })
    .await;
}

#[tokio::test]
async fn a_claim_is_taken_back_within_seven_days_only() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        kit.account("ann@harbor.example").await;
        let started = claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202).json();
        let undo = format!("/api/v1/organizations/quay/claims/{}/undo", id_of(&started));
        owner.post(&undo, json!({})).await.expect(409);
        kit.settle().await;
        kit.advance(7 * DAY);
        owner.post(&undo, json!({})).await.expect(409);
        kit.settle().await;
        let page = owner.get(&format!("/o/quay/claims/{}", id_of(&started))).await.expect(200).text();
        assert!(page.contains("Managed now") && !page.contains("Take back"));
    })
    .await;
}

#[tokio::test]
async fn nobody_claims_without_a_proof() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        kit.account("ann@harbor.example").await;
        let domain = add(&mut owner, "quay", "harbor.example").await;
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(409);
        claim(&mut owner, "quay", &domain, json!({ "mode": "all", "dry_run": true })).await.expect(409);
        let base = format!("/api/v1/organizations/quay/domains/{}", id_of(&domain));
        owner.get(&format!("{base}/claimable-accounts")).await.expect(409);
        owner.get(&format!("{base}/claim-preview")).await.expect(409);
        // Suspended: no new claims.
        let domain = verified(kit, &mut owner, "quay", "pier.example").await;
        kit.account("ann@pier.example").await;
        script(kit).set("pier.example", Scene::Nothing);
        pass(kit, 9 * DAY).await;
        let page = format!("/api/v1/organizations/quay/domains/{}", id_of(&domain));
        assert_eq!(owner.get(&page).await.json()["state"], "suspended");
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(409);
    })
    .await;
}

#[tokio::test]
async fn an_account_without_a_proved_address_loses_its_credentials() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let (prepared, proved) =
            (kit.account("ann@harbor.example").await, kit.account("bob@harbor.example").await);
        for id in [prepared, proved] {
            give_password(kit, id).await;
        }
        set_state(kit, prepared, AccountState::Unverified).await;
        let dry = claim(&mut owner, "quay", &domain, json!({ "mode": "all", "dry_run": true })).await.json();
        assert_eq!(dry["unverified"], 1);
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        assert!(!has_password(kit, prepared).await && has_password(kit, proved).await);
    })
    .await;
}

#[tokio::test]
async fn claim_shows_nothing_of_other_organizations() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        kit.member("secret-club", "ann@harbor.example", Role::Owner).await;
        let pier = kit.organization("pier").await;
        let taken = kit.account("bob@harbor.example").await;
        let ctx = kit.ctx();
        let at = ctx.clone();
        kit.app
            .db()
            .write(&ctx, move |tx| {
                assert!(principals::manage_account(tx, taken, pier, at.now)?);
                let recorded = tx.record(Event::new(pier, "account.claimed").target("account", taken));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await
            .unwrap();
        let base = format!("/api/v1/organizations/quay/domains/{}", id_of(&domain));
        let list = owner.get(&format!("{base}/claimable-accounts")).await.expect(200);
        assert_eq!(list.json()["items"].as_array().unwrap().len(), 1);
        let fields: Vec<String> = list.json()["items"][0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["email", "id", "member", "retired", "unverified"]);
        // Managed elsewhere and not existing look the same.
        let why = async |owner: &mut Client, email: &str| {
            let body = json!({ "mode": "chosen", "addresses": [email] });
            claim(owner, "quay", &domain, body).await.expect(422).text().replace(email, "X")
        };
        let (managed, missing) =
            (why(&mut owner, "bob@harbor.example").await, why(&mut owner, "nobody@harbor.example").await);
        let id = |text: &str| text.split("\"request").next().unwrap_or_default().to_owned();
        assert_eq!(id(&managed), id(&missing));
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        assert_eq!(account(kit, taken).await.managed_by, Some(pier), "never taken from another organization");
        let quay = kit.organization("quay").await;
        let events = kit.app.db().read(move |tx| platform::events::range(tx, quay, 0, 1000)).await.unwrap();
        assert!(!serde_json::to_string(&events).unwrap().contains("secret-club"));
        assert!(!kit.mails().await.iter().any(|mail| mail.contains("secret-club")));
    })
    .await;
}

#[tokio::test]
async fn staff_of_the_provider_cannot_be_claimed_by_a_customer() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let staff = kit.member("northwind", "ops@harbor.example", Role::Admin).await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(409);
        let chosen = json!({ "mode": "chosen", "addresses": ["ops@harbor.example"] });
        claim(&mut owner, "quay", &domain, chosen).await.expect(422);
        assert_eq!(account(kit, staff).await.managed_by, None);
    })
    .await;
}

#[tokio::test]
async fn chosen_accounts_by_api_and_by_pasted_csv() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let quay = kit.organization("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let mut ids = Vec::new();
        for name in ["ann", "bob", "cleo"] {
            ids.push(kit.account(&format!("{name}@harbor.example")).await);
        }
        let bad = json!({ "mode": "chosen", "addresses": ["ann@harbor.example", "not an address"] });
        let answer = claim(&mut owner, "quay", &domain, bad).await.expect(422).json();
        assert_eq!(answer["errors"][0]["pointer"], "addresses/1");
        claim(&mut owner, "quay", &domain, json!({ "mode": "some" })).await.expect(422);
        let chosen = json!({ "mode": "chosen", "addresses": ["ANN@harbor.example"] });
        claim(&mut owner, "quay", &domain, chosen).await.expect(202);
        kit.settle().await;
        let base = format!("/o/quay/domains/{}/claim", id_of(&domain));
        let form = owner.get(&base).await.expect(200).text();
        assert!(form.contains("2 accounts would be managed by you") && form.contains("bob@harbor.example"));
        assert!(
            owner.get(&format!("{base}/accounts")).await.expect(200).text().contains("cleo@harbor.example")
        );
        let wrong = "email\nbob@harbor.example\nzoe@elsewhere.example\n";
        let refused =
            owner.submit(&format!("{base}/review"), &[("addresses", wrong)]).await.expect(422).text();
        assert!(refused.contains("line 3: `zoe@elsewhere.example` is not at harbor.example"), "{refused}");
        let pasted = "name,email\nBob,bob@harbor.example\n";
        let review =
            owner.submit(&format!("{base}/review"), &[("addresses", pasted)]).await.expect(200).text();
        assert!(review.contains("1 accounts would be managed"), "{review}");
        let to =
            owner.submit(&format!("{base}/chosen"), &[("addresses", "bob@harbor.example")]).await.expect(303);
        kit.settle().await;
        let page = owner.get(to.location()).await.expect(200).text();
        assert!(page.contains("Claim of chosen accounts") && page.contains("Take back"));
        let managed: Vec<bool> = [
            account(kit, ids[0]).await.managed_by == Some(quay),
            account(kit, ids[1]).await.managed_by == Some(quay),
            account(kit, ids[2]).await.managed_by == Some(quay),
        ]
        .into();
        assert_eq!(managed, [true, true, false]);
        owner.submit(&base, &[("confirm", "wrong.example")]).await.expect(422);
        let undo = format!("{}/undo", to.location());
        owner.get(&undo).await.expect(200);
        owner.submit(&undo, &[]).await.expect(303);
        kit.settle().await;
        assert_eq!(account(kit, ids[1]).await.managed_by, None);
    })
    .await;
}

#[tokio::test]
async fn accounts_that_appear_later_are_claimed_where_the_organization_said_so() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let quay = kit.organization("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let before = appears(kit, "ann@harbor.example").await;
        kit.settle().await;
        assert_eq!(account(kit, before).await.managed_by, None);
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        kit.advance(HOUR);
        let later = appears(kit, "bob@harbor.example").await;
        kit.settle().await;
        assert_eq!(account(kit, later).await.managed_by, Some(quay));
        // Taken back, it stays with its person although others keep appearing.
        let claims = owner.get("/api/v1/organizations/quay/claims").await.expect(200).json();
        assert_eq!(claims["items"][0]["mode"], "new");
        let undo = format!("/api/v1/organizations/quay/claims/{}/undo", id_of(&claims["items"][0]));
        owner.post(&undo, json!({})).await.expect(202);
        kit.settle().await;
        let third = appears(kit, "cleo@harbor.example").await;
        kit.settle().await;
        assert_eq!(account(kit, third).await.managed_by, Some(quay));
        assert_eq!(account(kit, later).await.managed_by, None);
        let one = format!("/api/v1/organizations/quay/domains/{}", id_of(&domain));
        owner.patch(&one, json!({ "claim_new": false })).await.expect(200);
        let fourth = appears(kit, "dora@harbor.example").await;
        kit.settle().await;
        assert_eq!(account(kit, fourth).await.managed_by, None);
    })
    .await;
}

#[tokio::test]
async fn giving_a_domain_up_releases_its_accounts() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let ann = kit.account("ann@harbor.example").await;
        claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        owner.delete(&format!("/api/v1/organizations/quay/domains/{}", id_of(&domain))).await.expect(204);
        kit.settle().await;
        assert_eq!(account(kit, ann).await.managed_by, None);
        assert!(kit.mail_to("ann@harbor.example").await.expect("a notice").contains("no longer manages"));
    })
    .await;
}

#[tokio::test]
async fn lost_then_new_owner_inherits_nothing() {
    on_both(async |kit| {
        let (mut quay, mut pier) = (kit.owner_of("quay").await, kit.owner_of("pier").await);
        let (old, new) = (kit.organization("quay").await, kit.organization("pier").await);
        let domain = verified(kit, &mut quay, "quay", "harbor.example").await;
        let ann = kit.account("ann@harbor.example").await;
        give_password(kit, ann).await;
        kit.member("third", "ann@harbor.example", Role::Owner).await;
        claim(&mut quay, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 17 * DAY).await;
        let frozen = async |kit: &Kit, id: AccountId| {
            let found = account(kit, id).await;
            kit.app.db().read(move |tx| crate::domains::is_frozen(tx, &found)).await.unwrap()
        };
        assert!(frozen(kit, ann).await, "no recovery by a mailbox that may be somebody else's");
        claim(&mut quay, "quay", &domain, json!({ "mode": "all" })).await.expect(409);

        // Mara has the mailbox from the new owner of the name, and was admitted by that organization.
        let mara = kit.member("pier", "mara@harbor.example", Role::Member).await;
        assert!(!frozen(kit, mara).await, "made after the loss");
        let again = verified(kit, &mut pier, "pier", "harbor.example").await;
        assert!(frozen(kit, ann).await, "a new holder changes nothing for old accounts");
        let dry = claim(&mut pier, "pier", &again, json!({ "mode": "all", "dry_run": true }))
            .await
            .expect(200)
            .json();
        assert_eq!(dry, json!({ "accounts": 2, "members": 1, "unverified": 0, "retired": 1 }));
        let started = claim(&mut pier, "pier", &again, json!({ "mode": "all" })).await.expect(202).json();
        kit.settle().await;
        let done = show(&mut pier, "pier", &started).await;
        assert_eq!((&done["accounts"]["claimed"], &done["accounts"]["retired"]), (&json!(1), &json!(1)));
        let closed = account(kit, ann).await;
        assert_eq!((closed.state, closed.managed_by), (AccountState::Deleted, None));
        assert!(closed.email.ends_with(".retired.invalid") && !has_password(kit, ann).await);
        assert_eq!(account(kit, mara).await.managed_by, Some(new));
        let inherits = kit.app.db().read(move |tx| principals::membership(tx, new, ann)).await.unwrap();
        assert_eq!(inherits, None);
        // The address is free: a new person, with nothing of the old one.
        let fresh = appears(kit, "ann@harbor.example").await;
        kit.settle().await;
        assert_ne!(fresh, ann);
        let belongs = kit.app.db().read(move |tx| principals::memberships_of(tx, fresh)).await.unwrap();
        let organizations: Vec<_> = belongs.iter().map(|(organization, _)| organization.id).collect();
        assert_eq!(organizations, [new]);
        assert!(!frozen(kit, fresh).await && !organizations.contains(&old));
    })
    .await;
}

#[tokio::test]
async fn a_member_of_the_new_holder_is_claimed_not_closed() {
    on_both(async |kit| {
        let (mut quay, mut pier) = (kit.owner_of("quay").await, kit.owner_of("pier").await);
        let new = kit.organization("pier").await;
        let domain = verified(kit, &mut quay, "quay", "harbor.example").await;
        let ann = kit.member("pier", "ann@harbor.example", Role::Admin).await;
        claim(&mut quay, "quay", &domain, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 17 * DAY).await;
        let again = verified(kit, &mut pier, "pier", "harbor.example").await;
        claim(&mut pier, "pier", &again, json!({ "mode": "all" })).await.expect(202);
        kit.settle().await;
        let found = account(kit, ann).await;
        assert_eq!((found.state, found.managed_by), (AccountState::Active, Some(new)));
        let thawed = kit.app.db().read(move |tx| crate::domains::is_frozen(tx, &found)).await.unwrap();
        assert!(!thawed, "the organization that holds the domain now answers for the mailbox");
    })
    .await;
}

#[tokio::test]
async fn a_domain_lost_during_a_claim_claims_nobody_more() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let ann = kit.account("ann@harbor.example").await;
        let started = claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202).json();
        owner.delete(&format!("/api/v1/organizations/quay/domains/{}", id_of(&domain))).await.expect(204);
        kit.settle().await;
        assert_eq!(account(kit, ann).await.managed_by, None);
        assert_eq!(show(&mut owner, "quay", &started).await["accounts"]["skipped"], 1);
    })
    .await;
}

#[tokio::test]
async fn many_accounts_are_claimed_in_chunks() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let quay = kit.organization("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let (provider, ctx) = (kit.organization("northwind").await, kit.ctx());
        let at = ctx.clone();
        const PEOPLE: u64 = 1200;
        kit.app
            .db()
            .write(&ctx, move |tx| {
                for n in 0..PEOPLE {
                    let account = Account {
                        id: at.id(),
                        email: format!("p{n}@harbor.example"),
                        email_domain: "harbor.example".to_owned(),
                        name: String::new(),
                        state: AccountState::Active,
                        managed_by: None,
                        managed_since: None,
                        created_at: at.now,
                    };
                    assert!(principals::insert_account(tx, &account)?);
                }
                let recorded = tx.record(Event::new(provider, "account.many_created"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await
            .unwrap();
        let started = claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202).json();
        kit.settle().await;
        let done = show(&mut owner, "quay", &started).await;
        assert_eq!((&done["state"], &done["accounts"]["claimed"]), (&json!("done"), &json!(PEOPLE)));
        let members = kit.app.db().read(move |tx| principals::count_members(tx, quay)).await.unwrap();
        assert_eq!(members, PEOPLE + 1);
        let base = format!("/api/v1/organizations/quay/domains/{}/claimable-accounts", id_of(&domain));
        assert!(owner.get(&base).await.expect(200).json()["items"].as_array().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn strangers_see_no_claims() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        kit.account("ann@harbor.example").await;
        let started = claim(&mut owner, "quay", &domain, json!({ "mode": "all" })).await.expect(202).json();
        kit.settle().await;
        let one = format!("/api/v1/organizations/quay/claims/{}", id_of(&started));
        let mut stranger = kit.owner_of("pier").await;
        stranger.get(&one).await.expect(404);
        stranger.get(&one.replace("/quay/", "/pier/")).await.expect(404);
        stranger.post(&format!("{}/undo", one.replace("/quay/", "/pier/")), json!({})).await.expect(404);
        let mut auditor = kit.as_role("quay", Role::Auditor).await;
        auditor.get(&one).await.expect(200);
        auditor.post(&format!("{one}/undo"), json!({})).await.expect(403);
        let checked = check(&mut owner, "quay", &domain).await;
        assert_eq!(value(&checked["domain"]), value(&domain));
    })
    .await;
}

/// Security: two admins press at the same moment. Each account is claimed once, each claim is taken back once.
#[tokio::test]
async fn claims_and_undoings_at_once_count_once() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("quay").await;
        let quay = kit.organization("quay").await;
        let domain = verified(kit, &mut owner, "quay", "harbor.example").await;
        let ann = kit.account("ann@harbor.example").await;
        let (mut one, mut two) = (owner.clone(), owner.clone());
        let all = || json!({ "mode": "all" });
        let started =
            tokio::join!(claim(&mut one, "quay", &domain, all()), claim(&mut two, "quay", &domain, all()));
        let started = [started.0.expect(202).json(), started.1.expect(202).json()];
        kit.settle().await;
        assert_eq!(account(kit, ann).await.managed_by, Some(quay));
        let actions = kit.actions(quay).await;
        assert_eq!(actions.iter().filter(|action| *action == "account.claimed").count(), 1);
        let mut claimed = Vec::new();
        for one in &started {
            if show(&mut owner, "quay", one).await["accounts"]["claimed"] == json!(1) {
                claimed.push(id_of(one));
            }
        }
        assert_eq!(claimed.len(), 1, "one of the two has it");
        let undo = format!("/api/v1/organizations/quay/claims/{}/undo", claimed[0]);
        let again = tokio::join!(
            one.post(&undo, json!({})),
            two.post(&undo, json!({})),
            claim(&mut owner, "quay", &domain, all())
        );
        let mut statuses = [again.0.status.as_u16(), again.1.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409]);
        assert!(again.2.status.is_success() || again.2.status.is_client_error(), "{}", again.2.status);
        kit.settle().await;
        let actions = kit.actions(quay).await;
        let count = |name: &str| actions.iter().filter(|action| *action == name).count();
        assert_eq!(count("claim.undo_started"), 1);
        // Whoever came last, the account and its ledger agree.
        let managed = account(kit, ann).await.managed_by.is_some();
        assert_eq!(count("account.claimed") - count("account.released"), usize::from(managed), "{actions:?}");
    })
    .await;
}
