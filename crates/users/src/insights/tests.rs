use platform::access::Role;
use platform::db::DbError;
use platform::evidence::{Finding, Verdict};
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::{DAY, HOUR, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit, both, both_with};

use super::{Total, day_of, growth, history};
use crate::kit::with_mail;
use crate::sessions::{self, Method};

mod recount;

const AREAS: &[&platform::Area] = &[&crate::AREA];
const ONE: &str = "/api/v1/organizations/harbor/insights";
const PAGE: &str = "/o/harbor/insights";

platform::statements! {
    DROP_ROWS: Housekeeping = "delete from insight_days where organization_id = $1";
}

async fn judge(kit: &Kit) -> Finding {
    let (provider, now) = (kit.organization("northwind").await, kit.now());
    let evaluate = super::evidence::FRESH.evaluate;
    kit.app.db().read(move |tx| evaluate(tx, provider, now)).await.unwrap()
}

async fn sign_in(kit: &Kit, account: AccountId) {
    let provider = kit.organization("northwind").await;
    let ctx = kit.ctx();
    let at = ctx.clone();
    let started = kit.app.db().write(&ctx, move |tx| {
        let person = principals::account(tx, account)?.expect("an account");
        sessions::start(&at, tx, provider, &person, Method::Password)
    });
    started.await.expect("a session");
}

async fn totals(kit: &Kit, days: u32) -> Vec<Total> {
    let now = kit.now();
    kit.app.db().read(move |tx| growth(tx, days, now)).await.unwrap().days
}

async fn sign_ins(kit: &Kit, organization: OrganizationId, days: u32) -> Vec<u64> {
    let now = kit.now();
    let found = kit.app.db().read(move |tx| history(tx, organization, days, now)).await.unwrap();
    found.days.iter().map(|one| one.figures.sign_ins).collect()
}

/// The figures of the API without what changes with the clock.
async fn shown(client: &mut Client) -> Value {
    client.get(ONE).await.expect(200).json()
}

#[tokio::test]
async fn a_page_counts_now_and_the_history_keeps_each_day() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            let none = shown(&mut owner).await;
            assert_eq!(
                (&none["people"], &none["active_month"], &none["live"]),
                (&json!(2), &json!(0), &json!(true))
            );
            assert_eq!(none["counted_at"], json!(kit.now()));
            assert_eq!(owner.get(&format!("{ONE}/history")).await.expect(200).json()["days"], json!([]));
            sign_in(kit, ann).await;
            let now = shown(&mut owner).await;
            assert_eq!((&now["active_day"], &now["sign_ins"]), (&json!(1), &json!(1)));
            // The test begins at 8:00. The last count of the day is at 23:30, and somebody comes after it.
            kit.settle().await;
            kit.advance_settled(HOUR * 15 + MINUTE * 30, MINUTE * 30).await;
            kit.advance(MINUTE * 20);
            sign_in(kit, ann).await;
            assert_eq!(sign_ins(kit, harbor, 1).await, [1]);
            // The first count of the next day ends the day before.
            kit.advance(MINUTE * 30);
            kit.settle().await;
            assert_eq!(sign_ins(kit, harbor, 2).await, [2, 0]);
            let days = totals(kit, 2).await;
            assert_eq!(days.iter().map(|day| day.sign_ins).collect::<Vec<_>>(), [2, 0]);
            assert_eq!((days[1].organizations, days[1].people, days[1].active_day), (1, 2, 1));
            // A day on which nothing ran is left out; a week later nobody is active in a week.
            kit.advance(DAY * 8);
            kit.settle().await;
            let days = owner.get(&format!("{ONE}/history?days=30")).await.expect(200).json();
            let days = days["days"].as_array().unwrap().clone();
            let names: Vec<&str> = days.iter().map(|day| day["day"].as_str().unwrap()).collect();
            assert_eq!(names, ["2026-03-02", "2026-03-03", "2026-03-11"]);
            assert_eq!((&days[2]["active_week"], &days[2]["active_month"]), (&json!(0), &json!(1)));
            // What is too old is forgotten.
            kit.advance(DAY * 401);
            kit.settle().await;
            assert_eq!(sign_ins(kit, harbor, 400).await, [0]);
            assert_eq!(totals(kit, 400).await.len(), 1);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn counting_twice_changes_nothing() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let now = kit.now();
            let count = async |kit: &Kit| {
                let write = kit.app.db().housekeeping(move |tx| {
                    let counted = super::count(tx, harbor, now)?;
                    super::keep(tx, harbor, &counted)?;
                    super::finish(tx, now)
                });
                write.await.unwrap();
                kit.app.db().read(move |tx| history(tx, harbor, 400, now)).await.unwrap()
            };
            let first = count(kit).await;
            assert_eq!((first.days.len(), first.days[0].day), (1, day_of(now)));
            assert_eq!(count(kit).await, first);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_cell_turns_when_the_job_stops_and_back() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            kit.owner_of("harbor").await;
            let never = judge(kit).await;
            assert_eq!(
                (never.state, never.action.unwrap().href),
                (Verdict::NotMet, "/provider/jobs".to_owned())
            );
            kit.settle().await;
            let held = judge(kit).await;
            assert_eq!((held.state, held.valid_until), (Verdict::Met, Some(kit.now().plus(HOUR))));
            // One run is missed: still good.
            kit.advance(MINUTE * 45);
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // The job has stopped.
            kit.advance(MINUTE * 15);
            let stopped = judge(kit).await;
            assert_eq!(stopped.state, Verdict::NotMet);
            assert!(stopped.reason.contains("60 minutes old"), "{stopped:?}");
            // It runs again.
            kit.settle().await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            // An organization that is left out is seen; one founded since the last count is not expected yet.
            kit.organization("quay").await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            let harbor = kit.organization("harbor").await;
            kit.app.db().housekeeping(move |tx| tx.execute(&DROP_ROWS, params![harbor])).await.unwrap();
            let left_out = judge(kit).await;
            assert_eq!(left_out.state, Verdict::NotMet);
            assert!(left_out.reason.contains("one organization"), "{left_out:?}");
            kit.advance(MINUTE * 30);
            kit.settle().await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn who_may_look_and_how_far_back() {
    both(
        async |kit| {
            kit.organization("northwind").await;
            let harbor = kit.organization("harbor").await;
            let mut staff = kit.owner_of("northwind").await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let mut stranger = kit.owner_of("quay").await;
            let mut token = kit.token_of(harbor, "people.read");
            for path in [ONE.to_owned(), format!("{ONE}/history"), format!("{ONE}/export")] {
                auditor.get(&path).await.expect(200);
                token.get(&path).await.expect(200);
                member.get(&path).await.expect(403);
                stranger.get(&path).await.expect(404);
                staff.get(&path).await.expect(404);
            }
            for path in
                ["/api/v1/provider/insights", "/api/v1/provider/insights/export", "/provider/insights"]
            {
                staff.get(path).await.expect(200);
                auditor.get(path).await.expect(404);
            }
            for days in ["0", "401", "x", "-1"] {
                let status = auditor.get(&format!("{ONE}/history?days={days}")).await.status.as_u16();
                assert!(status == 422 || status == 400, "{days}: {status}");
            }
            auditor.get(&format!("{ONE}/export?format=xml")).await.expect(422);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_page_shows_figures_charts_and_domains_to_verify() {
    both_with(
        async |kit| {
            kit.organization("northwind").await;
            let mut owner = kit.owner_of("harbor").await;
            for who in ["ann@quay.example", "ben@quay.example", "cem@gmail.com"] {
                let account = kit.member("harbor", who, Role::Member).await;
                sign_in(kit, account).await;
            }
            let first = owner.get(PAGE).await.expect(200).text();
            assert!(
                first.contains("No history yet") && first.contains("Counted for you just now"),
                "{first}"
            );
            assert!(first.contains("2 Mar 2026, 08:00 UTC"), "the page says when: {first}");
            kit.settle().await;
            kit.advance_settled(DAY * 3, DAY).await;
            let page = owner.get(&format!("{PAGE}?days=30")).await.expect(200).text();
            for words in ["<svg viewBox", "Show as a table", "4 Mar", "Sign-ins per day", "quay.example"] {
                assert!(page.contains(words), "no {words} in {page}");
            }
            assert!(page.contains("/o/harbor/domains/new?name=quay.example"), "{page}");
            assert!(page.contains("Public mail") && !page.contains("new?name=gmail.com"), "{page}");
            let year = owner.get(&format!("{PAGE}?days=365")).await.expect(200).text();
            assert!(year.contains("Sign-ins per week"), "{year}");
            // The link leads to a form that knows the name.
            let form = owner.get("/o/harbor/domains/new?name=quay.example").await.expect(200).text();
            assert!(form.contains("value=\"quay.example\""), "{form}");
            let told = shown(&mut owner).await;
            assert_eq!(
                told["unverified_domains"][0],
                json!({ "domain": "quay.example", "people": 2, "public_mail": false, "state": null })
            );
            owner.submit("/o/harbor/domains/new", &[("name", "quay.example")]).await.expect(303);
            assert_eq!(shown(&mut owner).await["unverified_domains"][0]["state"], "pending");
            assert!(owner.get(PAGE).await.expect(200).text().contains("Waits for its record"));
            // The same days as files.
            let csv = owner.get(&format!("{PAGE}/export?days=30&format=csv")).await.expect(200);
            assert!(
                csv.header("content-disposition").is_some_and(|text| text.contains("insights-harbor.csv"))
            );
            let csv = csv.text();
            assert!(csv.starts_with("day,counted_at,people,active_day,"), "{csv}");
            assert_eq!(csv.lines().count(), 5, "a head and four days: {csv}");
            let file = owner.get(&format!("{PAGE}/export?days=30&format=json")).await.expect(200).json();
            let api = owner.get(&format!("{ONE}/history?days=30")).await.expect(200).json();
            assert_eq!(file, api);
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_provider_sees_growth_and_no_names() {
    both(
        async |kit| {
            let mut staff = kit.owner_of("northwind").await;
            let empty = staff.get("/provider/insights").await.expect(200).text();
            assert!(empty.contains("No figures yet"), "{empty}");
            kit.owner_of("harbor").await;
            kit.owner_of("quay").await;
            let ben = kit.member("quay", "ben@quay.example", Role::Member).await;
            kit.settle().await;
            kit.advance_settled(DAY, HOUR * 12).await;
            for who in ["ann", "cem", "dana"] {
                kit.member("harbor", &format!("{who}@secret.example"), Role::Member).await;
            }
            kit.owner_of("kestrel").await;
            let quay = kit.organization("quay").await;
            let ctx = kit.ctx();
            let gone = kit.app.db().write(&ctx, move |tx| {
                principals::delete_membership(tx, quay, ben)?;
                let recorded = tx.record(platform::events::Event::new(quay, "member.removed"));
                Ok::<_, DbError>(platform::db::Commit::changed((), recorded))
            });
            gone.await.unwrap();
            kit.advance_settled(DAY, HOUR * 12).await;
            let told = staff.get("/api/v1/provider/insights?days=30").await.expect(200).json();
            assert_eq!(told["days"].as_array().unwrap().len(), 3);
            assert_eq!(
                (&told["days"][2]["organizations"], &told["days"][2]["people"]),
                (&json!(3), &json!(6))
            );
            assert_eq!(told["compared_with"], "2026-03-02");
            let movers = |list: &Value| -> Vec<(String, i64, i64)> {
                let all = list.as_array().unwrap().iter();
                all.map(|one| {
                    let number = |name: &str| one[name].as_i64().unwrap();
                    (one["slug"].as_str().unwrap().to_owned(), number("people_before"), number("people"))
                })
                .collect()
            };
            assert_eq!(movers(&told["grew"]), [("harbor".to_owned(), 1, 4), ("kestrel".to_owned(), 0, 1)]);
            assert_eq!(movers(&told["shrank"]), [("quay".to_owned(), 2, 1)]);
            let page = staff.get("/provider/insights?days=30").await.expect(200).text();
            let csv = staff.get("/provider/insights/export?days=30").await.expect(200).text();
            assert!(page.contains("+3") && page.contains("−1") && page.contains("Show as a table"), "{page}");
            assert_eq!(csv.lines().count(), 4, "{csv}");
            for text in [page, csv, told.to_string()] {
                assert!(!text.contains("secret.example") && !text.contains("Dana"), "no names: {text}");
            }
        },
        AREAS,
    )
    .await;
}
