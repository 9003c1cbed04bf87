use platform::access::Role;
use platform::evidence::{FactValue, Finding, Verdict};
use serde_json::json;
use testkit::Kit;

use crate::abuse_reports::tests::answered_test;
use crate::policies::Rules;
use crate::single_sign_on::tests::social::{GUEST, installed, through};
use crate::single_sign_on::tests::{on_both, person};

const API: &str = "/api/v1/organizations/harbor/social-login";
const POLICY: &str = "/api/v1/organizations/harbor/policy";

async fn judge(kit: &Kit) -> Finding {
    let (harbor, now) = (kit.organization("harbor").await, kit.now());
    let evaluate = crate::abuse_reports::evidence::REPORTED.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, harbor, now)).await.unwrap()
}

fn deciding(social: &str) -> serde_json::Value {
    let mut rules = serde_json::to_value(Rules::RECOMMENDED).unwrap();
    rules["social_login"] = json!({ "mailboxes": social });
    rules
}

#[tokio::test]
async fn one_user_of_an_undecided_social_login_turns_the_cell_and_a_decision_turns_it_back() {
    on_both(async |mut world| {
        let kit = world.kit;
        answered_test(kit).await;
        let held = judge(kit).await;
        assert_eq!(held.state, Verdict::Met, "nothing is installed: {held:?}");
        let page = world.owner.get("/o/harbor/social-login").await.expect(200).text();
        assert!(page.contains("No social login is installed"), "{page}");
        let (upstream, id) = installed(&mut world).await;
        let northwind = kit.organization("northwind").await;
        assert!(kit.actions(northwind).await.iter().any(|one| one == "platform.social_login_changed"));
        world.owner.put(POLICY, deciding("allowed")).await.expect(200);
        assert_eq!(judge(kit).await.state, Verdict::Met);
        let (_, answer) = through(&world, &upstream, &id, &person(GUEST)).await;
        answer.expect(303);
        kit.member("harbor", GUEST, Role::Member).await;
        assert_eq!(judge(kit).await.state, Verdict::Met, "allowed by a decision");
        // Break it: the decision is taken back while somebody uses it.
        let undecided = serde_json::to_value(Rules::RECOMMENDED).unwrap();
        world.owner.put(POLICY, undecided).await.expect(200);
        let broken = judge(kit).await;
        assert_eq!(broken.state, Verdict::NotMet);
        assert_eq!(
            broken.reason,
            "one person uses social login that nobody decided on: mailboxes in Default"
        );
        assert_eq!(broken.action.unwrap().href, "/o/harbor/social-login");
        let users = broken.facts.iter().find(|fact| fact.name == "social_users").unwrap();
        assert_eq!(users.value, FactValue::Count(1));
        // The list of its users, and what each policy says.
        let shown = world.owner.get(API).await.expect(200).json();
        assert_eq!(shown["providers"][0]["users"], 1);
        assert_eq!(shown["providers"][0]["policies"][0]["social_login"], "undecided");
        let listed = world.owner.get(&format!("{API}/users")).await.expect(200).json();
        assert_eq!(
            (&listed["items"][0]["email"], &listed["items"][0]["provider"]),
            (&json!(GUEST), &json!("mailboxes"))
        );
        let page = world.owner.get("/o/harbor/social-login").await.expect(200).text();
        assert!(page.contains(GUEST) && page.contains("Undecided"), "{page}");
        // Restore it.
        world.owner.put(POLICY, deciding("blocked")).await.expect(200);
        assert_eq!(judge(kit).await.state, Verdict::Met);
        // Another organization sees its own people alone.
        let mut quay = kit.owner_of("quay").await;
        let listed = quay.get("/api/v1/organizations/quay/social-login/users").await.expect(200).json();
        assert_eq!(listed["items"], json!([]));
        quay.get(API).await.expect(404);
        kit.settle().await;
    })
    .await;
}
