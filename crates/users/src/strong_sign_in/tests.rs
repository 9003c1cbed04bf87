use std::collections::BTreeSet;

use platform::access::Role;
use platform::evidence::{FactValue, Finding, Verdict};
use platform::ids::{AccountId, OrganizationId};
use serde_json::json;
use testkit::{Client, Kit, both_with};

use super::{Gap, Level, Rules, Standing};
use crate::factors::tests::{account_of, enrol_app, manage};
use crate::kit::{real_sign_in, sign_up};
use crate::policies::{self, AppliesTo, Content, Decided, PolicyId, Target};

const API: &str = "/api/v1/organizations/harbor/strong-sign-in";

async fn judged(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = super::evidence::STRONG.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

async fn standing(kit: &Kit) -> Standing {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    kit.app.db().read(move |tx| super::standing(tx, harbor, now)).await.unwrap()
}

/// Addresses and gaps of those who are not strong, in pages of `limit`.
async fn open(kit: &Kit, limit: usize) -> Vec<(String, &'static str)> {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let (mut all, mut at) = (Vec::new(), String::new());
    loop {
        let from = at.clone();
        let (found, next) =
            kit.app.db().read(move |tx| super::open(tx, harbor, &from, now, limit)).await.unwrap();
        all.extend(found.into_iter().map(|one| (one.email, one.gap.as_str())));
        match next {
            Some(next) => at = next,
            None => return all,
        }
    }
}

/// Decides as the operator, whom no rule locks out.
async fn decide(kit: &Kit, target: Target, content: Content) -> PolicyId {
    let (harbor, ctx) = (kit.organization("harbor").await, kit.ctx());
    let at = ctx.clone();
    let done = kit
        .app
        .db()
        .write(&ctx, move |tx| policies::decide_policy(&at, tx, harbor, "Ada", target, None, &content));
    match done.await.unwrap().value {
        Decided::Done(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn default(kit: &Kit, rules: Rules) {
    let harbor = kit.organization("harbor").await;
    let target = Target::Existing(policies::default_id(harbor));
    decide(kit, target, Content::of("Default", rules)).await;
}

fn asking(factor: Level) -> Rules {
    Rules { factor, ..Rules::RECOMMENDED }
}

/// A managed account of `harbor`, and the browser in which it is signed in.
async fn managed(kit: &Kit, harbor: OrganizationId, email: &str) -> (AccountId, Client) {
    let mut browser = sign_up(kit, email).await;
    let id = account_of(&mut browser).await;
    kit.member("harbor", email, Role::Member).await;
    manage(kit, harbor, id).await;
    (id, browser)
}

#[tokio::test]
async fn one_exempted_account_turns_the_cell_and_the_policy_turns_it_back() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            assert_eq!(judged(kit).await.state, Verdict::NotApplicable);
            let (ann, mut ann_browser) = managed(kit, harbor, "ann@harbor-logistics.dev").await;
            let (_, mut ben) = managed(kit, harbor, "ben@harbor-logistics.dev").await;
            // Nobody asks anybody for anything.
            let nothing = judged(kit).await;
            assert_eq!(nothing.state, Verdict::NotMet);
            assert!(nothing.reason.starts_with("2 managed accounts are bound to neither"), "{nothing:?}");
            enrol_app(kit, &mut ann_browser).await;
            default(kit, asking(Level::Mfa)).await;
            let half = judged(kit).await;
            assert!(half.reason.contains("one managed account has yet to enrol"), "{half:?}");
            assert_eq!(open(kit, 1).await, [("ben@harbor-logistics.dev".to_owned(), "no_factor")]);
            enrol_app(kit, &mut ben).await;
            let held = judged(kit).await;
            assert_eq!((held.state, held.action.clone()), (Verdict::Met, None), "{held:?}");
            assert_eq!(held.facts[0].value, FactValue::Share { part: 2, whole: 2 });
            // Break it: one account gets a policy of its own that asks for nothing.
            let mut content = Content::of("Without", asking(Level::Any));
            content.accounts = BTreeSet::from([ann]);
            let exempting = decide(kit, Target::New(AppliesTo::Named), content.clone()).await;
            let broken = judged(kit).await;
            assert_eq!(broken.state, Verdict::NotMet);
            assert!(broken.reason.starts_with("one managed account is bound to neither"), "{broken:?}");
            let action = broken.action.unwrap();
            assert_eq!(action.href, "/o/harbor/strong-sign-in");
            assert_eq!(open(kit, 10).await, [("ann@harbor-logistics.dev".to_owned(), "exempt")]);
            // Restore it.
            content.deleted = true;
            decide(kit, Target::Existing(exempting), content).await;
            assert_eq!(judged(kit).await.state, Verdict::Met);
            // A rung that an app does not reach.
            default(kit, asking(Level::Passkey)).await;
            assert_eq!(standing(kit).await, Standing { managed: 2, not_enrolled: 2, ..Standing::default() });
            kit.settle().await;
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn counting_and_looking_at_each_agree_whatever_names_people() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut accounts = Vec::new();
            for name in ["ann", "ben", "cem", "dan"] {
                accounts.push(managed(kit, harbor, &format!("{name}@harbor-logistics.dev")).await);
            }
            // Neither somebody's own account nor one that another organization manages counts.
            kit.member("harbor", "guest@quay.example", Role::Member).await;
            let quay = kit.organization("quay").await;
            manage(kit, quay, kit.member("harbor", "eve@quay.example", Role::Member).await).await;
            enrol_app(kit, &mut accounts[0].1).await;
            enrol_app(kit, &mut accounts[1].1).await;
            default(kit, asking(Level::Mfa)).await;
            let expected = Standing { managed: 4, by_factor: 2, not_enrolled: 2, ..Standing::default() };
            assert_eq!(standing(kit).await, expected);
            let mut content = Content::of("Without", asking(Level::Any));
            content.accounts = BTreeSet::from([accounts[0].0, accounts[2].0]);
            decide(kit, Target::New(AppliesTo::Named), content).await;
            let expected =
                Standing { managed: 4, by_factor: 1, exempt: 2, not_enrolled: 1, ..Standing::default() };
            assert_eq!(standing(kit).await, expected);
            let listed = open(kit, 2).await;
            let gaps: Vec<&str> = listed.iter().map(|(_, gap)| *gap).collect();
            assert_eq!(gaps, ["exempt", "exempt", "no_factor"]);
            assert_eq!(listed[2].0, "dan@harbor-logistics.dev");
            kit.settle().await;
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn the_list_says_why_and_where_it_is_mended() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut owner = sign_up(kit, "ada@harbor-logistics.dev").await;
            kit.member("harbor", "ada@harbor-logistics.dev", Role::Owner).await;
            let page = owner.get("/o/harbor/strong-sign-in").await.expect(200).text();
            assert!(page.contains("You manage no account yet"), "{page}");
            let (ann, mut ann_browser) = managed(kit, harbor, "ann@harbor-logistics.dev").await;
            let shown = owner.get(API).await.expect(200).json();
            assert_eq!((&shown["managed"], &shown["exempt"]), (&json!(1), &json!(1)));
            let listed = owner.get(&format!("{API}/open")).await.expect(200).json();
            assert_eq!(listed["items"][0]["id"], ann.to_string());
            assert_eq!(
                (&listed["items"][0]["gap"], &listed["next_cursor"]),
                (&json!("exempt"), &json!(null))
            );
            let page = owner.get("/o/harbor/strong-sign-in").await.expect(200).text();
            assert!(page.contains("policies/explain?account=ann%40harbor-logistics.dev"), "{page}");
            owner.get("/o/harbor/policies/explain?account=ann%40harbor-logistics.dev").await.expect(200);
            // Who may look.
            ann_browser.get(API).await.expect(403);
            sign_up(kit, "eve@quay.example").await.get(API).await.expect(404);
            kit.settle().await;
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn enforced_single_sign_on_counts_for_whoever_came_through_it() {
    use crate::single_sign_on::tests::{on_both, person};
    on_both(async |world| {
        let kit = world.kit;
        world.signed_in(&person("mara@harbor.example")).await;
        let enforced = Rules { single_sign_on: true, ..Rules::RECOMMENDED };
        default(kit, enforced.clone()).await;
        let standing_now = standing(kit).await;
        assert_eq!(
            standing_now,
            Standing { managed: 1, by_single_sign_on: 1, ..Standing::default() },
            "made at the first sign-in, and so managed"
        );
        assert_eq!(judged(kit).await.state, Verdict::Met);
        // Somebody who was claimed and has not come yet.
        let harbor = kit.organization("harbor").await;
        let ben = kit.member("harbor", "ben@harbor.example", Role::Member).await;
        manage(kit, harbor, ben).await;
        assert_eq!(open(kit, 10).await, [("ben@harbor.example".to_owned(), Gap::NotLinked.as_str())]);
        world.signed_in(&person("ben@harbor.example")).await;
        assert_eq!(judged(kit).await.state, Verdict::Met);
        // Another address than one at a verified domain is bound by no connection.
        let eve = kit.member("harbor", "eve@elsewhere.example", Role::Member).await;
        manage(kit, harbor, eve).await;
        assert_eq!(open(kit, 10).await, [("eve@elsewhere.example".to_owned(), "exempt")]);
        assert_eq!(standing(kit).await.by_single_sign_on, 2);
        kit.settle().await;
    })
    .await;
}
