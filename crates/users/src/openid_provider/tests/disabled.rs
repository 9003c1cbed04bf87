//! Disabled means dead on every path: {account, membership, group, access rule, product, session, grant, key} × {sign-in,
//! code, refresh, introspection, userinfo}, made as a table so that no pair is left out.

use platform::access::Role;
use platform::ids::AccountId;
use platform::principals::{self, AccountState};
use serde_json::json;
use testkit::{Client, Kit};

use super::{MARA, Rp, Tokens, follow, force, landed, register, settings, userinfo};
use crate::openid_provider::keys;
use crate::people::{self, Authority, Change};
use crate::products::{self, NewRule, Settings};
use crate::{kit, sessions};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    Account,
    Membership,
    Removed,
    Group,
    Rule,
    Product,
    Session,
    Grant,
    Keys,
}

const ALL: [Off; 9] = [
    Off::Account,
    Off::Membership,
    Off::Removed,
    Off::Group,
    Off::Rule,
    Off::Product,
    Off::Session,
    Off::Grant,
    Off::Keys,
];

/// Whether it comes back to life when what was taken away is given back.
const FOR_GOOD: [Off; 6] = [Off::Membership, Off::Removed, Off::Rule, Off::Product, Off::Grant, Off::Keys];

async fn account(kit: &Kit) -> AccountId {
    let found = kit.app.db().read(|tx| principals::account_by_email(tx, MARA)).await.unwrap();
    found.expect("Mara").id
}

/// Mara is in the group that may use the product.
async fn admitted(kit: &Kit, browser: &mut Client) -> Rp {
    let rp = register(kit, Settings { everyone: false, ..settings() }).await;
    assert_eq!(
        landed(browser, &rp.request(&[])).await["error"],
        "access_denied",
        "before anybody let her in"
    );
    kit.member("harbor", MARA, Role::Member).await;
    let (organization, account) = (kit.organization("harbor").await, account(kit).await);
    let ctx = kit.ctx();
    force(kit, move |tx| {
        let group = principals::Group {
            id: ctx.id(),
            name: "Crew".to_owned(),
            description: String::new(),
            members: 0,
            created_at: ctx.now,
        };
        principals::insert_group(tx, organization, &group)?;
        principals::insert_group_member(tx, organization, group.id, account, ctx.now)?;
        Ok(())
    })
    .await;
    let (ctx, id) = (kit.ctx(), rp.id);
    let rule = NewRule { slug: "harbor".to_owned(), group: "Crew".to_owned(), role: "editor".to_owned() };
    let at = ctx.clone();
    let made = kit.app.db().write(&ctx, move |tx| products::allow(&at, tx, id, &rule)).await.unwrap();
    assert!(matches!(made.value, products::Allowed::Done(_)));
    rp
}

async fn change(kit: &Kit, change: Change) {
    let (organization, account, ctx) = (kit.organization("harbor").await, account(kit).await, kit.ctx());
    let at = ctx.clone();
    let done = kit
        .app
        .db()
        .write(&ctx, move |tx| people::change(&at, tx, organization, Authority::OPERATOR, account, change));
    assert_eq!(done.await.unwrap().value, people::Outcome::Done);
}

async fn set_product(kit: &Kit, rp: &Rp, active: bool) {
    let (ctx, id) = (kit.ctx(), rp.id);
    let at = ctx.clone();
    kit.app.db().write(&ctx, move |tx| products::set_active(&at, tx, id, active)).await.unwrap();
}

async fn take(kit: &Kit, rp: &Rp, tokens: &Tokens, off: Off) {
    let (who, organization) = (account(kit).await, kit.organization("harbor").await);
    match off {
        Off::Account => {
            force(kit, move |tx| principals::set_account_state(tx, who, AccountState::Suspended).map(drop))
                .await;
        }
        Off::Membership => change(kit, Change::Suspend).await,
        Off::Removed => change(kit, Change::Remove).await,
        Off::Group => {
            force(kit, move |tx| {
                let crew = principals::group_by_name(tx, organization, "Crew")?.expect("the group");
                principals::delete_group_member(tx, organization, crew.id, who).map(drop)
            })
            .await;
        }
        Off::Rule => {
            let (ctx, id) = (kit.ctx(), rp.id);
            let at = ctx.clone();
            let done = kit.app.db().write(&ctx, move |tx| {
                let rule = products::access_rules(tx, id)?.remove(0);
                products::disallow(&at, tx, id, rule.id)
            });
            assert!(done.await.unwrap().value);
        }
        Off::Product => set_product(kit, rp, false).await,
        Off::Session => {
            let ctx = kit.ctx();
            let at = ctx.clone();
            let done = kit
                .app
                .db()
                .write(&ctx, move |tx| sessions::revoke_all(&at, tx, who, None, sessions::SIGNED_OUT));
            assert!(done.await.unwrap().value >= 1);
        }
        Off::Grant => {
            let fields = [("token", tokens.get("refresh_token"))];
            rp.post(kit, "/oauth/revoke", &fields).await.expect(200);
        }
        Off::Keys => assert!(keys::replace_all(&kit.app, &kit.ctx()).await.unwrap() > 0),
    }
}

async fn give_back(kit: &Kit, rp: &Rp, off: Off) {
    match off {
        Off::Membership => change(kit, Change::Restore).await,
        Off::Product => set_product(kit, rp, true).await,
        Off::Removed => {
            kit.member("harbor", MARA, Role::Member).await;
        }
        Off::Rule => {
            let (ctx, id) = (kit.ctx(), rp.id);
            let rule = NewRule { slug: "harbor".to_owned(), group: String::new(), role: String::new() };
            let at = ctx.clone();
            kit.app.db().write(&ctx, move |tx| products::allow(&at, tx, id, &rule)).await.unwrap();
        }
        _ => {}
    }
}

/// Whether somebody gets through to a code now, without being asked anything.
async fn signs_in(browser: &mut Client, rp: &Rp) -> bool {
    let path = rp.request(&[("prompt", "none")]);
    matches!(follow(browser, &path).await, Ok(parameters) if parameters.contains_key("code"))
}

#[tokio::test]
async fn disabled_means_dead_on_every_path() {
    testkit::both_with(
        async |kit: &Kit| {
            for off in ALL {
                let mut browser = kit.nobody();
                if off == ALL[0] {
                    kit.organization("northwind").await;
                    browser = kit::sign_up(kit, MARA).await;
                } else {
                    force(kit, |tx| {
                        let mara = principals::account_by_email(tx, MARA)?.expect("Mara");
                        principals::set_account_state(tx, mara.id, AccountState::Active).map(drop)
                    })
                    .await;
                    kit::try_password(&mut browser, MARA, kit::PASSWORD).await.expect(303);
                }
                one(kit, browser, off).await;
                clean(kit).await;
            }
        },
        kit::real_sign_in,
    )
    .await;
}

async fn one(kit: &Kit, mut browser: Client, off: Off) {
    let rp = admitted(kit, &mut browser).await;
    // Offline use outlives only the session.
    let scope = if off == Off::Session { "openid roles" } else { "openid roles offline_access" };
    let tokens = rp.sign_in(kit, &mut browser, &[("scope", scope)]).await;
    let waiting = landed(&mut browser, &rp.request(&[])).await["code"].clone();
    let (access, refresh) = (tokens.get("access_token").to_owned(), tokens.get("refresh_token").to_owned());
    let alive = rp.introspect(kit, &access).await;
    assert_eq!((&alive["active"], &alive["roles"]), (&json!(true), &json!(["editor"])), "{off:?}");
    userinfo(kit, &access).await.expect(200);

    take(kit, &rp, &tokens, off).await;

    if !matches!(off, Off::Grant | Off::Keys) {
        assert!(!signs_in(&mut browser, &rp).await, "{off:?}: sign-in");
        assert_ne!(rp.redeem(kit, &waiting).await.status, 200, "{off:?}: a code that waited");
    }
    let answer = rp.post(kit, "/oauth/introspect", &[("token", &access)]).await;
    let dead = answer.status == 401 || answer.json() == json!({ "active": false });
    assert!(dead, "{off:?}: introspection says {}", answer.text());
    userinfo(kit, &access).await.expect(401);
    // A refresh token is no signature: a leaked key does not end it, and it gives tokens of the new one.
    if off == Off::Keys {
        return;
    }
    assert_ne!(rp.refresh(kit, &refresh).await.status, 200, "{off:?}: refresh");
    give_back(kit, &rp, off).await;
    if FOR_GOOD.contains(&off) {
        assert_ne!(rp.refresh(kit, &refresh).await.status, 200, "{off:?}: it came back");
        userinfo(kit, &access).await.expect(401);
    }
}

/// Nobody is a member and no group is left, for the next round.
async fn clean(kit: &Kit) {
    let (organization, who) = (kit.organization("harbor").await, account(kit).await);
    force(kit, move |tx| {
        principals::delete_membership(tx, organization, who)?;
        if let Some(crew) = principals::group_by_name(tx, organization, "Crew")? {
            principals::delete_group(tx, organization, crew.id)?;
        }
        Ok(())
    })
    .await;
}

/// Recovery and a new password say that somebody else may have had the account: offline grants end too.
#[tokio::test]
async fn a_new_password_ends_grants_for_offline_use() {
    super::world(async |kit, rp, mut browser| {
        let tokens = rp.sign_in(kit, &mut browser, &[("scope", "openid offline_access")]).await;
        let (who, ctx) = (account(kit).await, kit.ctx());
        let at = ctx.clone();
        let signed_out = kit
            .app
            .db()
            .write(&ctx, move |tx| sessions::revoke_all(&at, tx, who, None, sessions::SIGNED_OUT));
        signed_out.await.unwrap();
        let next = rp.refresh(kit, tokens.get("refresh_token")).await.expect(200).json();
        let mut again = kit.nobody();
        kit::try_password(&mut again, MARA, kit::PASSWORD).await.expect(303);
        let at = ctx.clone();
        let changed =
            kit.app.db().write(&ctx, move |tx| sessions::revoke_all(&at, tx, who, None, "password_changed"));
        changed.await.unwrap();
        rp.refresh(kit, next["refresh_token"].as_str().unwrap()).await.expect(400);
        let actions = kit.actions(kit.organization("northwind").await).await;
        assert!(actions.contains(&"product.grants_ended".to_owned()), "{actions:?}");
    })
    .await;
}
