use platform::access::Role;
use platform::time::{HOUR, MINUTE};
use serde_json::json;
use testkit::{Client, Kit};

use super::*;
use crate::alert_notices::MAILED_MAX;
use crate::guessing::MANY_ACCOUNTS;
use crate::kit::{all, fails, gets_in, mails_about, options, people};

const API: &str = "/api/v1/provider/alerts";

/// Guesses at these from `ip`.
async fn attack(kit: &Kit, ip: &str, emails: &[String]) {
    for email in emails {
        fails(kit, ip, email).await;
    }
    kit.settle().await;
}

async fn show(staff: &mut Client, id: AlertId) -> serde_json::Value {
    staff.get(&format!("{API}/{id}")).await.expect(200).json()
}

#[tokio::test]
async fn an_alert_goes_its_way() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 11).await;
            kit.member("northwind", "nora@northwind.example", Role::Admin).await;
            attack(kit, "203.0.113.7", &emails[..10]).await;
            let id = all(kit).await[0].id;
            let listed = staff.get(API).await.expect(200).json();
            assert_eq!(listed["items"][0]["subject"], "203.0.113.7");
            let detail = show(&mut staff, id).await;
            assert_eq!(detail["sightings"].as_array().unwrap().len(), 10);
            assert!(detail["sightings"].to_string().contains("person-3@harbor.example"), "{detail}");
            assert_eq!(detail["tries"][0]["tries"], 10);
            let one = format!("{API}/{id}");
            let body = json!({ "email": "nora@northwind.example" });
            assert_eq!(
                staff.put(&format!("{one}/assignee"), body).await.expect(200).json()["assigned_to"],
                "Nora"
            );
            assert_eq!(mails_about(kit, "assigned to you").await, 1);
            let ann = json!({ "email": "person-1@harbor.example" });
            staff.put(&format!("{one}/assignee"), ann).await.expect(422);
            let taken = staff.post(&format!("{one}/acknowledge"), json!({})).await.expect(200).json();
            assert_eq!((&taken["state"], &taken["state_by"]), (&json!("acknowledged"), &json!("Owner")));
            staff.post(&format!("{one}/acknowledge"), json!({})).await.expect(200);
            staff.post(&format!("{one}/resolve"), json!({ "verdict": "maybe" })).await.expect(422);
            let body = json!({ "verdict": "true_positive", "note": "A list of leaked passwords" });
            let done = staff.post(&format!("{one}/resolve"), body.clone()).await.expect(200).json();
            assert_eq!((&done["state"], &done["verdict"]), (&json!("resolved"), &json!("true_positive")));
            staff.post(&format!("{one}/resolve"), body).await.expect(409);
            staff.post(&format!("{one}/acknowledge"), json!({})).await.expect(409);
            staff.put(&format!("{one}/assignee"), json!({ "email": null })).await.expect(409);
            // It goes on within a day.
            kit.advance(MINUTE);
            attack(kit, "203.0.113.7", &emails[..1]).await;
            let again = show(&mut staff, id).await;
            assert_eq!((&again["alert"]["state"], &again["alert"]["reopened"]), (&json!("open"), &json!(1)));
            let actions: Vec<&str> = again["history"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["action"].as_str().unwrap())
                .collect();
            let back = ["reopened", "resolved", "acknowledged", "assigned", "raised"];
            assert_eq!(actions, back.map(|word| format!("alert.{word}")));
            // Who: the detector, then the owner of the provider.
            let by = |at: usize| again["history"][at]["by"].as_str().unwrap();
            assert_eq!(
                (by(0), by(4)),
                ("Bailiwick (guessing-many-accounts)", "Bailiwick (guessing-many-accounts)")
            );
            assert_eq!([by(1), by(2), by(3)], ["owner@northwind.example"; 3]);
            // After a day it is another one.
            let body = json!({ "verdict": "true_positive" });
            staff.post(&format!("{one}/resolve"), body).await.expect(200);
            kit.advance_settled(REOPENS_FOR, REOPENS_FOR).await;
            attack(kit, "203.0.113.7", &emails[..10]).await;
            assert_eq!(all(kit).await.len(), 2);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn what_was_no_attack_rings_again_only_when_it_gets_worse() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 11).await;
            for (n, verdict) in ["benign", "false_positive"].into_iter().enumerate() {
                let ip = format!("203.0.113.{n}");
                attack(kit, &ip, &emails[..10]).await;
                let id = all(kit).await[0].id;
                staff.post(&format!("{API}/{id}/resolve"), json!({ "verdict": verdict })).await.expect(200);
                kit.advance(MINUTE);
                attack(kit, &ip, &emails[..10]).await;
                let quiet = show(&mut staff, id).await;
                assert_eq!(
                    (&quiet["alert"]["state"], &quiet["alert"]["tries"]),
                    (&json!("resolved"), &json!(20))
                );
                gets_in(kit, &ip, &emails[10]).await;
                kit.settle().await;
                let worse = show(&mut staff, id).await;
                assert_eq!(
                    (&worse["alert"]["state"], &worse["alert"]["severity"]),
                    (&json!("open"), &json!("critical"))
                );
                assert_eq!(all(kit).await.len(), n + 1);
                kit.advance(HOUR);
            }
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_alerts_is_no_flood_of_mails() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 10).await;
            for n in 0..15 {
                for email in &emails {
                    fails(kit, &format!("198.51.100.{n}"), email).await;
                }
            }
            kit.settle().await;
            let found: Vec<Alert> =
                all(kit).await.into_iter().filter(|alert| alert.kind == MANY_ACCOUNTS.name).collect();
            assert_eq!(found.len(), 15);
            let mailed = usize::try_from(MAILED_MAX).unwrap();
            assert_eq!(mails_about(kit, "Medium alert was raised").await, mailed);
            // The next hour has mails of its own. A page holds so many, the cursor has the rest.
            kit.advance_settled(HOUR, HOUR).await;
            attack(kit, "198.51.100.200", &emails).await;
            assert_eq!(mails_about(kit, "Medium alert was raised").await, mailed + 1);
            let path = format!("{API}?kind={}&limit=10", MANY_ACCOUNTS.name);
            let page = staff.get(&path).await.expect(200).json();
            let next = page["next_cursor"].as_str().unwrap();
            let rest = staff.get(&format!("{path}&cursor={next}")).await.expect(200).json();
            assert_eq!(
                (page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()),
                (10, 6)
            );
            assert_eq!(rest["next_cursor"], json!(null));
            let ids: std::collections::BTreeSet<String> = [&page, &rest]
                .iter()
                .flat_map(|page| page["items"].as_array().unwrap())
                .map(|one| one["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(ids.len(), 16);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn names_are_kept_up_to_a_bound_and_who_got_in_is_among_them() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 1).await;
            let provider = kit.organization("northwind").await;
            let victim = crate::kit::account_id(kit, &emails[0]).await.to_string();
            let at = kit.now();
            let sight = |other: String, outcome| Sight { other, outcome, at };
            let mut sights: Vec<Sight> =
                (0..700).map(|n| sight(format!("{n}@quay.example"), Outcome::Failed)).collect();
            sights.push(sight(victim.clone(), Outcome::Entered));
            let seen = Sighting {
                kind: MANY_ACCOUNTS.name,
                subject: "203.0.113.7".to_owned(),
                severity: Severity::Critical,
                at,
                sights,
                fresh: 700,
                all: 700,
            };
            for _ in 0..2 {
                let (app, ctx, seen) = (kit.app.clone(), kit.ctx(), seen.clone());
                let inside = ctx.clone();
                let kept = platform::feed::beside(kit.app.db(), &ctx, move |tx| {
                    see(&app, &inside, tx, &seen).map(drop)
                });
                kept.await.unwrap();
            }
            let found = all(kit).await;
            assert_eq!((found.len(), found[0].tries, found[0].organization), (1, 1400, provider));
            let alert = found[0].clone();
            let named = kit.app.db().read(move |tx| sightings(tx, &alert)).await.unwrap();
            assert_eq!(u64::try_from(named.len()).unwrap(), SIGHTINGS_MAX);
            assert_eq!(named[0].other, victim);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_console_shows_what_there_is_to_do() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 11).await;
            attack(kit, "203.0.113.7", &emails[..10]).await;
            kit.advance(MINUTE * 6);
            attack(kit, "203.0.113.7", &emails[..10]).await;
            gets_in(kit, "203.0.113.7", &emails[10]).await;
            kit.settle().await;
            let page = staff.get("/provider/alerts").await.expect(200).text();
            assert!(page.contains("203.0.113.7") && page.contains("Critical"), "{page}");
            let none = staff.get("/provider/alerts?severity=low").await.expect(200).text();
            assert!(none.contains("No alert fits"), "{none}");
            let found = staff.get("/provider/alerts?q=113.7").await.expect(200).text();
            assert!(found.contains("203.0.113.7"), "{found}");
            staff.get("/provider/alerts?state=odd").await.expect(422);
            let id = all(kit).await[0].id;
            let one = format!("/provider/alerts/{id}");
            let page = staff.get(&one).await.expect(200).text();
            for words in [
                "person-10@harbor.example",
                "Got in",
                "Take the passwords away",
                "Tries in each five minutes",
            ] {
                assert!(page.contains(words), "{words}: {page}");
            }
            staff.submit(&format!("{one}/acknowledge"), &[]).await.expect(303);
            staff.get(&one).await.expect(200);
            staff
                .submit(&format!("{one}/assignee"), &[("email", "owner@northwind.example")])
                .await
                .expect(303);
            staff.get(&one).await.expect(200);
            let wrong =
                staff.submit(&format!("{one}/resolve"), &[("verdict", ""), ("note", "a")]).await.expect(422);
            assert!(wrong.text().contains("say what it was"));
            let fields = [("verdict", "benign"), ("note", "Our own <b>test</b>")];
            staff.submit(&format!("{one}/resolve"), &fields).await.expect(303);
            let page = staff.get(&one).await.expect(200).text();
            assert!(page.contains("On purpose, and allowed") && page.contains("&#60;b&#62;"), "{page}");
            assert!(!page.contains("name=\"step\""), "a resolved alert offers no steps: {page}");
            // The provider's auditor looks on; nobody else knows of it.
            let mut auditor = kit.as_role("northwind", Role::Auditor).await;
            auditor.get(&one).await.expect(200);
            auditor.post(&format!("{API}/{id}/acknowledge"), json!({})).await.expect(404);
            kit.owner_of("harbor").await.get(&one).await.expect(404);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn whom_an_alert_was_about_is_forgotten_in_time() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 10).await;
            attack(kit, "203.0.113.7", &emails).await;
            attack(kit, "203.0.113.8", &emails).await;
            let [open, id] = all(kit).await.iter().map(|alert| alert.id).collect::<Vec<_>>()[..] else {
                panic!("two alerts");
            };
            let body = json!({ "verdict": "true_positive", "note": "Ann was tried" });
            staff.post(&format!("{API}/{id}/resolve"), body).await.expect(200);
            let days = async |days: u32| {
                let by = platform::time::DAY * days;
                kit.advance_settled(by, by).await;
            };
            days(jobs::DAYS - 1).await;
            assert_eq!(show(&mut staff, id).await["sightings"].as_array().unwrap().len(), 10);
            let mut owner = kit.owner_of("harbor").await;
            let theirs = "/api/v1/organizations/harbor/alerts?state=resolved";
            assert_eq!(owner.get(theirs).await.expect(200).json()["items"].as_array().unwrap().len(), 10);
            days(2).await;
            let after = show(&mut staff, id).await;
            assert_eq!(
                (&after["alert"]["subject"], &after["alert"]["note"], &after["alert"]["verdict"]),
                (&json!(""), &json!(""), &json!("true_positive"))
            );
            assert_eq!((&after["sightings"], &after["tries"]), (&json!([]), &json!([])));
            assert_eq!(owner.get(theirs).await.expect(200).json()["items"], json!([]));
            let page = staff.get(&format!("/provider/alerts/{id}")).await.expect(200).text();
            assert!(page.contains("Forgotten") && !page.contains("harbor.example"), "{page}");
            // What nobody has resolved is kept.
            assert_eq!(show(&mut staff, open).await["sightings"].as_array().unwrap().len(), 10);
            // The provider's audit log may forget sooner, and alerts with it.
            let audit = "/api/v1/organizations/northwind/audit/retention";
            staff.put(audit, json!({ "days": 30 })).await.expect(200);
            staff.post(&format!("{API}/{open}/resolve"), json!({ "verdict": "benign" })).await.expect(200);
            days(31).await;
            assert_eq!(show(&mut staff, open).await["sightings"], json!([]));
        },
        options,
    )
    .await;
}
