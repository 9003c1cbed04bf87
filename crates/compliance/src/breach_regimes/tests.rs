use platform::access::Role;
use serde_json::json;

use super::Regime;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const PATH: &str = "/api/v1/organizations/harbor/breach-regimes";

#[test]
fn codes_round_trip_and_the_wire_speaks_them() {
    for regime in Regime::ALL {
        assert_eq!(Regime::parse(regime.code()), Some(regime));
        assert_eq!(serde_json::to_value(regime).unwrap(), regime.code());
    }
}

#[tokio::test]
async fn some_rules_or_a_reason_but_not_both_and_not_neither() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let id = kit.organization("harbor").await;
            assert_eq!(owner.get(PATH).await.expect(200).json()["chosen_at"], json!(null));
            for (bad, pointer) in [
                (json!({}), "/regimes"),
                (json!({"regimes": ["gdpr"], "reason": "we are small"}), "/reason"),
                (json!({"reason": "a\u{7}b"}), "/reason"),
                (json!({"reason": "x".repeat(501)}), "/reason"),
            ] {
                let refused = owner.put(PATH, bad).await.expect(422).json();
                assert_eq!(refused["errors"][0]["pointer"], pointer);
            }
            owner.put(PATH, json!({"regimes": ["ccpa"]})).await.expect(422);
            let chosen =
                owner.put(PATH, json!({"regimes": ["nis2", "gdpr", "nis2"]})).await.expect(200).json();
            let codes: Vec<_> =
                chosen["regimes"].as_array().unwrap().iter().map(|r| r["code"].clone()).collect();
            assert_eq!(codes, ["gdpr", "nis2"]);
            // The same again is no event.
            owner.put(PATH, json!({"regimes": ["gdpr", "nis2"]})).await.expect(200);
            owner.put(PATH, json!({"reason": "no data of people, no listed shares"})).await.expect(200);
            let now = owner.get(PATH).await.expect(200).json();
            assert_eq!(now["regimes"], json!([]));
            assert_eq!(now["reason"], "no data of people, no listed shares");
            let actions = kit.actions(id).await;
            assert_eq!(actions.iter().filter(|action| *action == "breach_regimes.chosen").count(), 2);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn strangers_find_nothing_and_members_may_not() {
    testkit::both(
        async |kit| {
            kit.organization("harbor").await;
            let mut stranger = kit.owner_of("quay").await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let body = json!({"regimes": ["gdpr"]});
            stranger.get(PATH).await.expect(404);
            stranger.put(PATH, body.clone()).await.expect(404);
            member.get(PATH).await.expect(403);
            auditor.get(PATH).await.expect(200);
            auditor.put(PATH, body).await.expect(403);
        },
        AREAS,
    )
    .await;
}
