use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::principals;
use platform::time::MINUTE;
use serde_json::json;
use testkit::Kit;

use crate::alerts::{Outcome, Severity, Sight, Sighting, see};
use crate::guessing::MANY_ACCOUNTS;
use crate::kit::{account_id, all, fails, gets_in, options, people};

const API: &str = "/api/v1/organizations/harbor/alerts";
const PAGE: &str = "/o/harbor/alerts";

/// `harbor` manages the account from now on.
async fn manage(kit: &Kit, email: &str) {
    let (organization, account) = (kit.organization("harbor").await, account_id(kit, email).await);
    let ctx = kit.ctx();
    let at = ctx.now;
    let written = kit.app.db().write(&ctx, move |tx| {
        assert!(principals::manage_account(tx, account, organization, at)?);
        let recorded = tx.record(Event::new(organization, "test.managed").target("account", account));
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    written.await.unwrap();
}

#[tokio::test]
async fn an_organization_sees_its_own_people_and_where_the_provider_stands() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 6).await;
            for n in 0..6 {
                kit.member("quay", &format!("other-{n}@quay.example"), Role::Member).await;
            }
            for (n, email) in emails[..5].iter().enumerate() {
                fails(kit, "203.0.113.7", email).await;
                fails(kit, "203.0.113.7", &format!("other-{n}@quay.example")).await;
            }
            fails(kit, "203.0.113.7", "nobody@harbor.example").await;
            gets_in(kit, "203.0.113.7", &emails[5]).await;
            kit.settle().await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            let seen = admin.get(API).await.expect(200).json();
            let mut accounts: Vec<&str> = seen["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["account"].as_str().unwrap())
                .collect();
            accounts.sort_unstable();
            assert_eq!(accounts, emails.iter().map(String::as_str).collect::<Vec<_>>());
            let entered = admin.get(&format!("{API}?outcome=entered")).await.expect(200).json();
            let one = &entered["items"][0];
            assert_eq!(entered["items"].as_array().unwrap().len(), 1);
            assert_eq!((&one["account"], &one["state"]), (&json!(emails[5]), &json!("open")));
            // Nobody manages the account: from where it was tried is not the organization's to know.
            assert_eq!((&one["network"], &one["networks"]), (&json!(null), &json!(1)));
            let page = admin.get(PAGE).await.expect(200).text();
            assert!(
                page.contains(&emails[5]) && page.contains("Got in") && page.contains("one network"),
                "{page}"
            );
            assert!(!page.contains("quay.example") && !page.contains("203.0.113.7"), "{page}");
            let none = admin.get(&format!("{PAGE}?outcome=known")).await.expect(200).text();
            assert!(none.contains("No alert fits"), "{none}");
            for wrong in ["state=odd", "outcome=odd", "cursor=odd"] {
                admin.get(&format!("{API}?{wrong}")).await.expect(422);
            }
            // Page by page, each once.
            let first = admin.get(&format!("{API}?limit=4")).await.expect(200).json();
            let next = first["next_cursor"].as_str().unwrap();
            let rest = admin.get(&format!("{API}?limit=4&cursor={next}")).await.expect(200).json();
            assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &json!(null)));
            // What the provider decides is seen here.
            let id = all(kit).await[0].id;
            let body = json!({ "verdict": "true_positive" });
            staff.post(&format!("/api/v1/provider/alerts/{id}/resolve"), body).await.expect(200);
            let live = admin.get(&format!("{API}?state=live")).await.expect(200).json();
            assert_eq!(live["items"], json!([]));
            let page = admin.get(PAGE).await.expect(200).text();
            assert!(page.contains("No alert about your people"), "{page}");
            let page = admin.get(&format!("{PAGE}?state=resolved")).await.expect(200).text();
            assert!(page.contains("It was an attack"), "{page}");
            // Somebody who left is still told of, without a way to a page that is gone.
            let gone = account_id(kit, &emails[5]).await;
            let link = format!("/o/harbor/people/{gone}");
            assert!(page.contains(&link), "{page}");
            let mut harbor = kit.owner_of("harbor").await;
            let person = format!("/api/v1/organizations/harbor/people/{gone}");
            harbor.delete(&person).await.expect(204);
            let page = admin.get(&format!("{PAGE}?state=resolved")).await.expect(200).text();
            assert!(page.contains(&emails[5]) && !page.contains(&link), "{page}");
            // Members and strangers know nothing of it; auditors look on.
            kit.as_role("harbor", Role::Member).await.get(API).await.expect(403);
            kit.owner_of("quay").await.get(API).await.expect(404);
            kit.as_role("harbor", Role::Auditor).await.get(PAGE).await.expect(200);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn who_manages_an_account_sees_from_where_and_nobody_else_sees_it() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 2).await;
            kit.member("quay", &emails[0], Role::Member).await;
            manage(kit, &emails[0]).await;
            for n in 0..10 {
                let other = format!("{n}@nowhere.example");
                fails(kit, "203.0.113.7", &other).await;
            }
            fails(kit, "203.0.113.7", &emails[0]).await;
            kit.settle().await;
            let mut owner = kit.owner_of("harbor").await;
            let seen = owner.get(API).await.expect(200).json();
            assert_eq!(
                (&seen["items"][0]["network"], &seen["items"][0]["outcome"]),
                (&json!("203.0.113.7"), &json!("failed"))
            );
            let mut quay = kit.owner_of("quay").await;
            let theirs = quay.get("/api/v1/organizations/quay/alerts").await.expect(200).json();
            assert_eq!(theirs["items"], json!([]));
            // It gets worse: the farthest stays, and the last time grows.
            kit.advance(MINUTE);
            gets_in(kit, "203.0.113.7", &emails[0]).await;
            fails(kit, "203.0.113.7", &emails[0]).await;
            kit.settle().await;
            let again = owner.get(API).await.expect(200).json();
            let one = &again["items"][0];
            assert_eq!((again["items"].as_array().unwrap().len(), &one["outcome"]), (1, &json!("entered")));
            assert!(one["last_seen"].as_str() > one["first_seen"].as_str(), "{one}");
            // One account from many networks: how many is told, not which.
            for n in 0..5 {
                fails(kit, &format!("198.51.100.{n}"), &emails[0]).await;
            }
            kit.settle().await;
            let both = owner.get(API).await.expect(200).json();
            let one = &both["items"][0];
            assert_eq!((&one["kind"], &one["network"]), (&json!("guessing-one-account"), &json!(null)));
            assert!(one["networks"].as_u64() >= Some(5), "{one}");
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn who_is_seen_a_little_late_is_told_too() {
    testkit::both_with(
        async |kit| {
            let (_, emails) = people(kit, 2).await;
            let [first, late] = [account_id(kit, &emails[0]).await, account_id(kit, &emails[1]).await];
            let at = kit.now();
            for (account, at) in [(first, at), (late, at.minus(MINUTE / 2))] {
                let sight = Sight { other: account.to_string(), outcome: Outcome::Failed, at };
                let seen = Sighting {
                    kind: MANY_ACCOUNTS.name,
                    subject: "203.0.113.7".to_owned(),
                    severity: Severity::Medium,
                    at,
                    sights: vec![sight],
                    fresh: 1,
                    all: 10,
                };
                let (app, ctx) = (kit.app.clone(), kit.ctx());
                let inside = ctx.clone();
                let kept = platform::feed::beside(kit.app.db(), &ctx, move |tx| {
                    see(&app, &inside, tx, &seen).map(drop)
                });
                kept.await.unwrap();
            }
            let seen = kit.owner_of("harbor").await.get(API).await.expect(200).json();
            assert_eq!(seen["items"].as_array().unwrap().len(), 2, "{seen}");
        },
        options,
    )
    .await;
}
