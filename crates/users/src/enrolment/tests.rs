//! Enrolment: who counts, who is listed.

use platform::access::Role;
use serde_json::json;
use testkit::both_with;

use crate::factors::tests::{account_of, enrol_app, manage};
use crate::kit::{real_sign_in, sign_up};

const MARA: &str = "mara@harbor-logistics.dev";
const API: &str = "/api/v1/organizations/harbor/enrolment";

#[tokio::test]
async fn managed_accounts_count_and_those_without_a_factor_are_listed() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut owner = sign_up(kit, "ada@harbor-logistics.dev").await;
            kit.member("harbor", "ada@harbor-logistics.dev", Role::Owner).await;
            let none = json!({ "managed": 0, "enrolled": 0, "missing": 0 });
            assert_eq!(owner.get(API).await.expect(200).json(), none);
            let page = owner.get("/o/harbor/enrolment").await.expect(200).text();
            assert!(page.contains("You manage no account yet"), "{page}");
            let mut mara = sign_up(kit, MARA).await;
            let id = account_of(&mut mara).await;
            kit.member("harbor", MARA, Role::Member).await;
            let ben = kit.member("harbor", "ben@harbor-logistics.dev", Role::Member).await;
            // Somebody's own account is not asked about, nor one that another organization manages.
            kit.member("harbor", "guest@quay.example", Role::Member).await;
            let quay = kit.organization("quay").await;
            let cem = kit.member("harbor", "cem@quay.example", Role::Member).await;
            manage(kit, quay, cem).await;
            manage(kit, harbor, id).await;
            manage(kit, harbor, ben).await;
            let missing = async |owner: &mut testkit::Client| -> Vec<String> {
                let page = owner.get(&format!("{API}/missing?limit=1")).await.expect(200).json();
                let mut found: Vec<String> =
                    vec![page["items"][0]["email"].as_str().unwrap_or_default().to_owned()];
                if let Some(next) = page["next_cursor"].as_str() {
                    let more = owner.get(&format!("{API}/missing?cursor={next}")).await.expect(200).json();
                    found.extend(
                        more["items"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|one| one["email"].as_str().unwrap().to_owned()),
                    );
                }
                found
            };
            assert_eq!(missing(&mut owner).await, ["ben@harbor-logistics.dev", MARA]);
            enrol_app(kit, &mut mara).await;
            let two = json!({ "managed": 2, "enrolled": 1, "missing": 1 });
            assert_eq!(owner.get(API).await.expect(200).json(), two);
            assert_eq!(missing(&mut owner).await, ["ben@harbor-logistics.dev"]);
            let page = owner.get("/o/harbor/enrolment").await.expect(200).text();
            assert!(page.contains("ben@harbor-logistics.dev") && !page.contains(MARA), "{page}");
            mara.delete("/api/v1/account/totp").await.expect(204);
            assert_eq!(missing(&mut owner).await, ["ben@harbor-logistics.dev", MARA]);
            let told = kit.actions(harbor).await;
            let told: Vec<_> = told.iter().filter(|action| action.starts_with("factor.")).collect();
            assert_eq!(told, ["factor.enrolled", "factor.removed"]);
        },
        real_sign_in,
    )
    .await;
}
