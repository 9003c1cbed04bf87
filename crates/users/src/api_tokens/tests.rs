use platform::access::{Permission, Role};
use platform::ctx::Actor;
use platform::ids::{AccountId, OrganizationId};
use platform::principals::{self, AccountState};
use platform::time::{DAY, MINUTE};
use serde_json::json;
use testkit::Kit;

use super::{Creation, Found, LIFETIME_DEFAULT, NewToken};
use crate::names::Name;
use crate::tokens::ApiToken;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const TOKENS: &str = "/api/v1/organizations/harbor/api-tokens";

async fn create(
    kit: &Kit,
    organization: OrganizationId,
    creator: Option<AccountId>,
    scopes: &[Permission],
) -> Result<ApiToken, &'static str> {
    let ctx = kit.app.ctx(Actor::Operator);
    let new = NewToken {
        name: Name::parse("nightly").unwrap(),
        scopes: scopes.to_vec(),
        lifetime: LIFETIME_DEFAULT,
    };
    let inside = ctx.clone();
    let done = kit
        .app
        .db()
        .write(&ctx, move |tx| super::create(&inside, tx, organization, creator, &new))
        .await
        .unwrap();
    match done.value {
        Creation::Done { secret, .. } => Ok(secret),
        Creation::NoScopes => Err("no scopes"),
        Creation::Beyond(_) => Err("beyond"),
        Creation::Lifetime { .. } => Err("lifetime"),
        Creation::NotAllowed => Err("not allowed"),
        Creation::TooMany => Err("too many"),
    }
}

async fn find(kit: &Kit, token: &ApiToken) -> Option<Found> {
    let (hash, now) = (token.hash(), kit.now());
    kit.app.db().read(move |tx| super::find(tx, hash, now)).await.unwrap()
}

#[tokio::test]
async fn a_token_is_shown_once_and_found_by_its_hash() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let body = json!({"name": "nightly", "scopes": ["people.read", "audit.read"]});
            let answer = admin.post(TOKENS, body).await.expect(201);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let made = answer.json();
            let secret = made["secret"].as_str().unwrap().to_owned();
            assert!(secret.starts_with("bwk_"));
            let found = find(kit, &ApiToken::parse(&secret).unwrap()).await.unwrap();
            assert_eq!(found.scopes, [Permission::PeopleRead, Permission::AuditRead]);
            assert_eq!(found.organization, kit.organization("harbor").await);
            let listed = admin.get(TOKENS).await.expect(200).text();
            let page = admin.get("/o/harbor/api-tokens").await.expect(200).text();
            assert!(!listed.contains(&secret[8..]) && !page.contains(&secret[8..]));
            let one = format!("{TOKENS}/{}", made["id"].as_str().unwrap());
            admin.delete(&one).await.expect(204);
            admin.delete(&one).await.expect(404);
            assert_eq!(find(kit, &ApiToken::parse(&secret).unwrap()).await, None);
            assert_eq!(admin.get(&one).await.expect(200).json()["state"], "revoked");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn nobody_gives_more_than_they_hold() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let refuse = |scopes: &str| json!({"name": "x", "scopes": [scopes]});
            admin.post(TOKENS, refuse("organization.manage")).await.expect(422);
            admin.post(TOKENS, refuse("provider.read")).await.expect(422);
            admin.post(TOKENS, refuse("everything")).await.expect(422);
            admin.post(TOKENS, json!({"name": "x", "scopes": []})).await.expect(422);
            let long = json!({"name": "x", "scopes": ["people.read"], "expires_in_days": 366});
            admin.post(TOKENS, long).await.expect(422);
            auditor.post(TOKENS, refuse("people.read")).await.expect(403);
            auditor.get(TOKENS).await.expect(200);
            kit.owner_of("quay").await.get(TOKENS).await.expect(404);
            // Tokens do not make tokens, whatever their scopes.
            kit.token_of(harbor, "tokens.manage,people.read")
                .post(TOKENS, refuse("people.read"))
                .await
                .expect(403);
            assert_eq!(create(kit, harbor, None, &[Permission::ProviderRead]).await.err(), Some("beyond"));
            let provider = kit.organization("northwind").await;
            assert!(create(kit, provider, None, &[Permission::ProviderRead]).await.is_ok());
            assert!(create(kit, harbor, None, &[Permission::OrganizationManage]).await.is_ok());
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn disabled_means_dead_for_api_tokens() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Admin).await;
            let scopes = [Permission::PeopleRead, Permission::PeopleManage];
            let token = create(kit, harbor, Some(ann), &scopes).await.unwrap();
            let person = format!("/api/v1/organizations/harbor/people/{ann}");
            assert_eq!(find(kit, &token).await.unwrap().scopes, scopes);
            owner.patch(&person, json!({"role": "auditor"})).await.expect(200);
            assert_eq!(find(kit, &token).await.unwrap().scopes, [Permission::PeopleRead]);
            owner.patch(&person, json!({"state": "suspended"})).await.expect(200);
            assert_eq!(find(kit, &token).await, None);
            owner.patch(&person, json!({"state": "active"})).await.expect(200);
            assert!(find(kit, &token).await.is_some());
            set_state(kit, ann, AccountState::Suspended).await;
            assert_eq!(find(kit, &token).await, None);
            set_state(kit, ann, AccountState::Active).await;
            owner.delete(&person).await.expect(204);
            assert_eq!(find(kit, &token).await, None);
        },
        AREAS,
    )
    .await;
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
async fn a_token_ends_at_its_time_and_notes_its_use_once_a_minute() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let token = create(kit, harbor, None, &[Permission::PeopleRead]).await.unwrap();
            let found = find(kit, &token).await.unwrap();
            assert!(found.last_used_due);
            let (id, now) = (found.id, kit.now());
            kit.app.db().housekeeping(move |tx| super::touch(tx, id, now)).await.unwrap();
            assert!(!find(kit, &token).await.unwrap().last_used_due);
            kit.advance(MINUTE);
            assert!(find(kit, &token).await.unwrap().last_used_due);
            let listed = kit.app.db().read(move |tx| super::list(tx, harbor, None, 10)).await.unwrap();
            assert_eq!(listed[0].last_used_at, Some(now));
            kit.advance(LIFETIME_DEFAULT - DAY);
            assert!(find(kit, &token).await.is_some());
            kit.advance(DAY);
            assert_eq!(find(kit, &token).await, None);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_form_shows_the_secret_once_and_complains_in_place() {
    testkit::both(
        async |kit| {
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let path = "/o/harbor/api-tokens/new";
            let form = admin.get(path).await.expect(200).text();
            assert!(form.contains("people.manage") && !form.contains("organization.manage"), "{form}");
            let refused =
                admin.submit(path, &[("name", "ci"), ("expires_in_days", "0"), ("scopes", "people.read")]);
            let refused = refused.await.expect(422).text();
            assert!(
                refused.contains("a token lives 1 to 365 days") && refused.contains("value=\"ci\""),
                "{refused}"
            );
            let made = admin
                .submit(path, &[("name", "ci"), ("expires_in_days", "7"), ("scopes", "people.read")])
                .await
                .expect(201);
            assert_eq!(made.header("cache-control"), Some("no-store"));
            assert!(made.text().contains("bwk_"));
        },
        AREAS,
    )
    .await;
}
