use platform::access::Role;
use platform::evidence::Side;
use platform::principals::OrganizationKind;
use platform::time::{DAY, Timestamp};
use serde_json::json;
use testkit::both_with;

use super::{Kind, offers};
use crate::fixtures::{keep, options, seen, seen_of, set, step};
use crate::rows;

const ACCEPT: &str = "/api/v1/organizations/harbor/acceptances";
const ATTEST: &str = "/api/v1/organizations/harbor/attestations";

fn body(row: &str, until: Timestamp) -> serde_json::Value {
    json!({ "row": row, "reason": "the registrar moves until March", "until": until })
}

#[tokio::test]
async fn an_accepted_risk_shows_a_name_a_reason_and_ends_by_itself() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            set(kit, harbor, "USR-C1", "not_met").await;
            step(kit).await;
            let until = kit.now().plus(DAY * 10);
            let made = owner.post(ACCEPT, body("USR-C1", until)).await.expect(201).json();
            assert!(made["id"].is_string());
            assert_eq!(
                seen(kit, harbor, "USR-C1").await,
                "accepted accepted",
                "at once, not with the next step"
            );
            let row = owner.get("/api/v1/organizations/harbor/matrix/USR-C1").await.expect(200).json();
            let cell = &row["cells"][0];
            assert_eq!(cell["declarations"][0]["by"], "Owner");
            assert_eq!(cell["beneath"], "unmet: it is broken");
            assert_eq!(cell["history"][0]["caused_by"], "responsibility.risk_accepted");
            assert!(kit.actions(harbor).await.contains(&"responsibility.risk_accepted".to_owned()));
            kit.advance_settled(DAY * 10, DAY).await;
            assert_eq!(seen(kit, harbor, "USR-C1").await, "gap unmet");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_declaration_can_be_taken_back_and_replaced() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            set(kit, harbor, "USR-C2", "not_met").await;
            step(kit).await;
            let until = kit.now().plus(DAY * 10);
            owner.post(ACCEPT, body("USR-C2", until)).await.expect(201);
            let second = owner.post(ACCEPT, body("USR-C2", until.plus(DAY))).await.expect(201).json();
            let row = owner.get("/api/v1/organizations/harbor/matrix/USR-C2").await.json();
            assert_eq!(row["cells"][0]["declarations"].as_array().unwrap().len(), 1);
            let path =
                format!("/api/v1/organizations/harbor/declarations/{}", second["id"].as_str().unwrap());
            kit.owner_of("other").await.delete(&path.replace("harbor", "other")).await.expect(404);
            owner.delete(&path).await.expect(204);
            assert_eq!(seen(kit, harbor, "USR-C2").await, "gap unmet");
            owner.delete(&path).await.expect(404);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn what_must_not_be_declared_is_refused_with_the_cure() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let soon = kit.now().plus(DAY);
            let refusals = [
                (ACCEPT, body("POL-C5", soon), "not built"),
                (ATTEST, body("POL-C5", soon), "not built"),
                (ATTEST, body("USR-C1", soon), "cannot be attested"),
                (ACCEPT, body("USR-C1", kit.now().plus(DAY * 367)), "at most 366 days"),
                (ACCEPT, body("USR-C1", kit.now()), "ends before it begins"),
                (ACCEPT, json!({ "row": "USR-C1", "reason": " ", "until": soon }), "give a reason"),
                (
                    ACCEPT,
                    json!({ "row": "USR-C1", "side": "provider", "reason": "x", "until": soon }),
                    "does not bind",
                ),
                (
                    ACCEPT,
                    json!({ "row": "USR-P3", "side": "provider", "reason": "x", "until": soon }),
                    "by the provider",
                ),
                (ACCEPT, json!({ "row": "USR-C1", "side": "ours", "reason": "x", "until": soon }), "`side`"),
            ];
            for (path, body, words) in refusals {
                let answer = owner.post(path, body).await.expect(422);
                assert!(answer.text().contains(words), "{words}: {}", answer.text());
            }
            let mut token = kit.token_of(harbor, "responsibilities.manage");
            token.post(ACCEPT, body("USR-C1", soon)).await.expect(403);
            kit.as_role("harbor", Role::Auditor).await.post(ACCEPT, body("USR-C1", soon)).await.expect(403);
            kit.owner_of("other").await.post(ACCEPT, body("USR-C1", soon)).await.expect(404);
            assert!(!kit.actions(harbor).await.iter().any(|action| action.starts_with("responsibility.")));
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_provider_declares_its_own_halves() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("northwind").await;
            let northwind = kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            set(kit, northwind, "USR-P3", "not_met").await;
            step(kit).await;
            let until = kit.now().plus(DAY);
            let body =
                json!({ "row": "USR-P3", "side": "provider", "reason": "resolver moves", "until": until });
            owner.post("/api/v1/organizations/northwind/acceptances", body).await.expect(201);
            assert_eq!(seen_of(kit, harbor, "USR-P3", Side::Provider).await, "accepted accepted");
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_form_says_first_what_it_would_do() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            set(kit, harbor, "USR-C1", "not_met").await;
            step(kit).await;
            let path = "/o/harbor/rows/USR-C1/declare?kind=acceptance&side=customer";
            let page = owner.get(path).await.expect(200).text();
            keep("declare", &page);
            assert!(page.contains("<h1>Accept a risk</h1><p class=\"sub\">Verify your domain</p>"));
            assert!(
                page.contains("instead of “gap: it is broken”") && page.contains("will not count as held")
            );
            let fields = |reason, until| {
                [("kind", "acceptance"), ("side", "customer"), ("reason", reason), ("until", until)]
            };
            let post = "/o/harbor/rows/USR-C1/declare";
            let wrong = owner.submit(post, &fields("", "2026-04-01")).await.expect(422).text();
            assert!(wrong.contains("give a reason"));
            owner.submit(post, &fields("we know", "soon")).await.expect(422);
            owner.submit(post, &fields("we know", "2036-04-01")).await.expect(422);
            let done = owner.submit(post, &fields("we know", "2026-04-01")).await.expect(303);
            assert_eq!(done.location(), "/o/harbor/rows/USR-C1");
            assert_eq!(seen(kit, harbor, "USR-C1").await, "accepted accepted");
            let page = owner.get("/o/harbor/rows/USR-C1").await.expect(200).text();
            assert!(page.contains("Risk accepted by Owner") && page.contains("we know"));
            let revoke = page.split("action=\"").find_map(|rest| {
                let path = rest.split('"').next()?;
                path.ends_with("/revoke").then(|| path.to_owned())
            });
            owner.submit(&revoke.expect("a way back"), &[]).await.expect(303);
            assert_eq!(seen(kit, harbor, "USR-C1").await, "gap unmet");
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[test]
fn only_rows_that_say_so_can_be_attested() {
    for (row, side, half) in rows::all_cells() {
        let customer = offers(half, side, OrganizationKind::Customer);
        assert!(side == Side::Customer || customer.is_empty(), "{}", row.id);
        assert_eq!(
            customer.contains(&Kind::Attestation),
            half.is_built() && half.attestable && side == Side::Customer
        );
        assert_eq!(offers(half, side, OrganizationKind::Provider).is_empty(), !half.is_built());
    }
}
