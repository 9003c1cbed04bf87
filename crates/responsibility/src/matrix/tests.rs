use platform::access::Role;
use platform::evidence::Side;
use platform::time::{DAY, HOUR};
use testkit::both_with;

use super::api::to_csv;
use crate::fixtures::{keep, options, set, set_until};
use crate::states::CellState;

const PATH: &str = "/api/v1/organizations/harbor/matrix";

#[tokio::test]
async fn every_half_of_every_row_stands_in_the_matrix() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            set(kit, harbor, "USR-C1", "not_met").await;
            kit.settle().await;
            let matrix = owner.get(PATH).await.expect(200).json();
            assert_eq!(matrix["organization"]["slug"], "harbor");
            let rows = matrix["rows"].as_array().unwrap();
            assert_eq!(rows.len(), 53);
            for row in rows {
                for member in
                    ["id", "side", "state", "since", "must_act", "facts", "action", "title", "reason", "href"]
                {
                    assert!(row.get(member).is_some(), "{member} of {row}");
                }
                if row["basis"] == "not_built" {
                    assert_eq!(
                        (&row["state"], &row["must_act"]),
                        (&"unknown".into(), &"nobody".into()),
                        "{row}"
                    );
                }
            }
            let gap = rows.iter().find(|row| row["id"] == "USR-C1").unwrap();
            assert_eq!((&gap["state"], &gap["must_act"]), (&"gap".into(), &"customer".into()));
            assert_eq!(gap["action"]["href"], "/mend/USR-C1");
            assert_eq!(matrix["summary"]["customer_must_act"]["rows"], 1);
            let shared = rows.iter().find(|row| row["id"] == "USR-P3").unwrap();
            assert_eq!(shared["state"], "held", "the drill ran with the first schedules");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn strangers_see_no_organization_and_members_no_matrix() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            for path in [
                PATH,
                "/api/v1/organizations/harbor/matrix/USR-C1",
                "/o/harbor",
                "/o/harbor/rows/USR-C1",
                "/o/harbor/matrix.csv",
            ] {
                let nobody = kit.nobody().get(path).await;
                assert!([401, 303].contains(&nobody.status.as_u16()), "{path}: {}", nobody.status);
                kit.owner_of("other").await.get(path).await.expect(404);
                kit.owner_of("northwind").await.get(path).await.expect(404);
                kit.as_role("harbor", Role::Member).await.get(path).await.expect(403);
                kit.as_role("harbor", Role::Auditor).await.get(path).await.expect(200);
            }
            kit.token_of(harbor, "responsibilities.read").get(PATH).await.expect(200);
            kit.token_of(harbor, "people.read").get(PATH).await.expect(403);
            kit.owner_of("harbor").await.get("/api/v1/organizations/harbor/matrix/USR-X1").await.expect(404);
            kit.settle().await;
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_first_screen_says_who_must_act_and_what_is_not_built() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let northwind = kit.organization("northwind").await;
            kit.settle().await;
            let calm = owner.get("/o/harbor").await.expect(200).text();
            keep("matrix-calm", &calm);
            assert!(calm.contains("Nothing waits for you.") && calm.contains("unknown: not built"));
            kit.advance_settled(DAY * 2, HOUR * 12).await;
            set(kit, harbor, "USR-C1", "not_met").await;
            set_until(kit, harbor, "USR-C2", "met", HOUR).await;
            kit.settle().await;
            kit.advance_settled(HOUR * 2, HOUR).await;
            set(kit, northwind, "USR-P3", "unknown").await;
            kit.settle().await;
            let page = owner.get("/o/harbor").await.expect(200).text();
            keep("matrix", &page);
            assert!(page.contains("Smallest next steps for you") && page.contains("/mend/USR-C1"));
            let acting = owner.get("/o/harbor?side=mine&act=1").await.expect(200).text();
            keep("matrix-acting", &acting);
            assert!(acting.contains("id=\"USR-C1-customer\"") && !acting.contains("id=\"USR-P3-provider\""));
            assert!(!acting.contains("unknown: not built"));
            for row in ["USR-C1", "USR-P3", "THR-1", "USR-C3"] {
                let page = owner.get(&format!("/o/harbor/rows/{row}")).await.expect(200).text();
                keep(&format!("row-{row}"), &page);
            }
            owner.get("/o/harbor/rows/USR-X1").await.expect(404);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_export_is_a_table_that_no_spreadsheet_computes() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            kit.settle().await;
            let answer = owner.get("/o/harbor/matrix.csv").await.expect(200);
            assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
            let text = answer.text();
            assert_eq!(text.matches("\r\n").count(), 54, "a head and every half");
            let now = kit.now();
            let mut matrix = kit
                .app
                .db()
                .read(move |tx| {
                    let organization = platform::principals::organization(tx, harbor)?.unwrap();
                    super::load(tx, &organization, None, now)
                })
                .await
                .unwrap();
            matrix.lines.truncate(1);
            matrix.lines[0].cell.reason = "=cmd|' /C calc'!A0, \"x\"".to_owned();
            let csv = to_csv(&matrix);
            assert!(csv.contains(",\"'=cmd|' /C calc'!A0, \"\"x\"\"\","), "{csv}");
            assert_eq!(matrix.lines[0].side, Side::Provider);
            assert_eq!(matrix.lines[0].state(), CellState::Unknown);
        },
        options,
    )
    .await;
}
