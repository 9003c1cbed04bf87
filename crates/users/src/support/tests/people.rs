//! Who of an organization sees and does what.

use super::*;

#[tokio::test]
async fn each_sees_what_is_theirs() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let mut bob =
                kit.browser_of(kit.member("harbor", "bob@harbor.example", Role::Member).await).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            let new = json!({ "subject": "A question", "severity": "low", "body": "How?" });
            // Members open tickets only where an admin lets them.
            ann.post(API, new.clone()).await.expect(403);
            const SUPPORT: &str = "/api/v1/organizations/harbor/support";
            ann.put(SUPPORT, json!({ "members_may_open": true })).await.expect(403);
            auditor.put(SUPPORT, json!({ "members_may_open": true })).await.expect(403);
            owner.put(SUPPORT, json!({ "members_may_open": true })).await.expect(204);
            let shown = ann.get(SUPPORT).await.expect(200).json();
            assert_eq!(
                (&shown["you_may_open"], &shown["targets"][0]["first_minutes"]),
                (&json!(true), &json!(60))
            );
            let own = open(&mut ann, "A question of Ann's", "low").await;
            let theirs = open(&mut owner, "The owner's", "normal").await;
            let subjects = async |client: &mut Client| {
                let page = client.get(API).await.expect(200).json();
                page["items"].as_array().unwrap().len()
            };
            assert_eq!(subjects(&mut owner).await, 2);
            assert_eq!(subjects(&mut auditor).await, 2);
            assert_eq!((subjects(&mut ann).await, subjects(&mut bob).await), (1, 0));
            ann.get(&format!("{API}/{own}")).await.expect(200);
            ann.get(&format!("{API}/{theirs}")).await.expect(404);
            bob.get(&format!("{API}/{own}")).await.expect(404);
            reply(&mut bob, &own).await.expect(404);
            reply(&mut ann, &own).await.expect(201);
            bob.post(&format!("{API}/{own}/close"), json!({})).await.expect(404);
            // An auditor reads and writes on none.
            auditor.get(&format!("{API}/{own}")).await.expect(200);
            reply(&mut auditor, &own).await.expect(403);
            auditor.post(&format!("{API}/{own}/close"), json!({})).await.expect(403);
            reply(&mut owner, &own).await.expect(201);
            // Another organization's people, and its id in this one's address.
            let mut stranger = kit.owner_of("quay").await;
            stranger.get(&format!("{API}/{own}")).await.expect(404);
            stranger.get(&format!("/api/v1/organizations/quay/tickets/{own}")).await.expect(404);
            let elsewhere = format!("/api/v1/organizations/quay/tickets/{own}/messages");
            stranger.post(&elsewhere, json!({ "body": "x" })).await.expect(404);
            let elsewhere = format!("/api/v1/organizations/quay/tickets/{own}/close");
            stranger.post(&elsewhere, json!({})).await.expect(404);
            // Tokens by their scopes; the desk is closed to all of them.
            let harbor = kit.organization("harbor").await;
            let mut token = kit.token_of(harbor, "support.read");
            token.get(&format!("{API}/{own}")).await.expect(200);
            token.post(API, new.clone()).await.expect(403);
            reply(&mut token, &own).await.expect(403);
            kit.token_of(harbor, "people.read").get(API).await.expect(403);
            let mut token = kit.token_of(harbor, "support.read,support.manage");
            token.post(API, new.clone()).await.expect(201);
            for path in ["", &format!("/{own}")] {
                owner.get(&format!("{DESK}{path}")).await.expect(404);
            }
            answer(&mut owner, &own, "resolved").await.expect(404);
            owner.get("/provider/tickets").await.expect(404);
            // Of the provider, auditors look on.
            let mut looker = kit.as_role("northwind", Role::Auditor).await;
            looker.get(&format!("{DESK}/{own}")).await.expect(200);
            answer(&mut looker, &own, "resolved").await.expect(404);
            answer(&mut staff, &own, "resolved").await.expect(201);
            // When it is taken back, they keep what they have.
            owner.put(SUPPORT, json!({ "members_may_open": false })).await.expect(204);
            ann.post(API, new).await.expect(403);
            reply(&mut ann, &own).await.expect(201);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn what_the_desk_notes_reaches_no_organization() {
    const SECRET: &str = "wolverine";
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let id = open(&mut owner, "Nobody gets in", "normal").await;
            let noted = json!({ "body": format!("They always do that: {SECRET}") });
            staff.post(&format!("{DESK}/{id}/notes"), noted).await.expect(204);
            let fields = [("note", "The other wolverine")];
            staff.submit(&format!("/provider/tickets/{id}/notes"), &fields).await.expect(303);
            staff.put(&format!("{DESK}/{id}/assignee"), json!({ "email": "owner@northwind.example" })).await;
            answer(&mut staff, &id, "answered").await.expect(201);
            for path in [format!("{DESK}/{id}"), format!("/provider/tickets/{id}")] {
                assert!(staff.get(&path).await.expect(200).text().contains(SECRET), "{path}");
            }
            // Whatever an organization can ask for.
            let here = "/api/v1/organizations/harbor";
            for path in [
                format!("{API}/{id}"),
                format!("{API}?q={SECRET}"),
                API.to_owned(),
                format!("{here}/support"),
                format!("{here}/audit/events?limit=200"),
                format!("{here}/audit/export"),
                format!("/o/harbor/support/{id}"),
                "/o/harbor/support".to_owned(),
                "/o/harbor/audit-log".to_owned(),
            ] {
                let shown = owner.get(&path).await.expect(200);
                assert!(!shown.text().contains(SECRET), "{path}: {}", shown.text());
            }
            let found = owner.get(&format!("{API}?q={SECRET}")).await.expect(200).json();
            assert_eq!(found["items"], json!([]));
            let harbor = kit.organization("harbor").await;
            let actions = kit.actions(harbor).await;
            assert!(actions.iter().any(|action| action == "ticket.answered"));
            assert!(
                !actions.iter().any(|one| one == "ticket.noted" || one == "ticket.assigned"),
                "{actions:?}"
            );
            let provider = kit.organization("northwind").await;
            assert!(kit.actions(provider).await.iter().any(|action| action == "ticket.noted"));
            assert!(!kit.mails().await.iter().any(|mail| mail.contains(SECRET)));
            // Not even through the desk's doors with an organization's keys.
            owner.get(&format!("{DESK}/{id}")).await.expect(404);
            kit.token_of(harbor, "support.read,provider.read").get(&format!("{DESK}/{id}")).await.expect(404);
        },
        with_mail,
    )
    .await;
    // And no statement of an organization's side names the table.
    let named: Vec<&str> = platform::db::statement::all()
        .into_iter()
        .filter(|statement| statement.postgres().contains("ticket_notes"))
        .map(|statement| statement.name.rsplit("::").next().unwrap())
        .collect();
    assert_eq!(named, ["COUNT_NOTES", "INSERT_NOTE", "NOTES"]);
}

#[tokio::test]
async fn what_is_asked_is_checked_bounded_and_not_asked_twice() {
    testkit::both_with(
        async |kit| {
            let (_, mut owner) = two_sides(kit).await;
            let good = json!({ "subject": "Help", "severity": "low", "body": "How?", "about": "USR-C5" });
            for (member, value) in [
                ("subject", json!("")),
                ("subject", json!("a".repeat(151))),
                ("subject", json!("see https://evil.example")),
                ("subject", json!("a\nb")),
                ("severity", json!("dire")),
                ("body", json!("  \n ")),
                ("body", json!("a\u{202e}b")),
                ("body", json!("a".repeat(10_001))),
                ("about", json!("javascript:alert(1)")),
                ("about", json!("/o/quay/policies")),
                ("about", json!("/o/harborside")),
                ("about", json!("//evil.example")),
                ("about", json!("/o/harbor/\"onload=")),
            ] {
                let mut body = good.clone();
                body[member] = value.clone();
                owner.post(API, body).await.expect(422);
            }
            let mut body = good.clone();
            body["about"] = json!("/o/harbor/policies?q=a#top");
            owner.post(API, body).await.expect(201);
            // The same key, the same ticket.
            let mut again = owner.clone().with_header("idempotency-key", "once-only-0001");
            let one = again.post(API, good.clone()).await.expect(201).json();
            let two = again.post(API, good.clone()).await.expect(201).json();
            assert_eq!(one["id"], two["id"]);
            // A member has ten at most that are not closed.
            let support = "/api/v1/organizations/harbor/support";
            owner.put(support, json!({ "members_may_open": true })).await.expect(204);
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let mut last = String::new();
            for n in 0..10 {
                last = open(&mut ann, &format!("Question {n}"), "low").await;
            }
            ann.post(API, good.clone()).await.expect(409);
            ann.post(&format!("{API}/{last}/close"), json!({})).await.expect(200);
            ann.post(API, good).await.expect(201);
            // Pages go on where they ended, and a search takes signs for what they are.
            let page = owner.get(&format!("{API}?limit=5")).await.expect(200).json();
            let cursor = page["next_cursor"].as_str().unwrap();
            let rest = owner.get(&format!("{API}?limit=200&cursor={cursor}")).await.expect(200).json();
            assert_eq!(
                (page["items"][4]["number"].clone(), rest["items"][0]["number"].clone()),
                (json!(9), json!(8))
            );
            for (q, count) in [("question%203", 1), ("%25", 0), ("_", 0), ("ann", 11), ("%233", 1)] {
                let found = owner.get(&format!("{API}?q={q}&limit=200")).await.expect(200).json();
                assert_eq!(found["items"].as_array().unwrap().len(), count, "{q}");
            }
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_what_the_api_does() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            let list = "/o/harbor/support";
            assert!(ann.get(list).await.expect(200).text().contains("Your admins open tickets"));
            ann.get("/o/harbor/support/new").await.expect(403);
            let empty = owner.get(list).await.expect(200).text();
            assert!(empty.contains("No ticket yet") && empty.contains("1 h"), "{empty}");
            owner.get("/o/harbor/support/new?about=USR-C1").await.expect(200);
            let mut fields = vec![("subject", ""), ("severity", "normal"), ("body", "One.\r\n\r\nTwo <b>.")];
            fields.push(("about", "USR-C1"));
            owner.submit("/o/harbor/support/new", &fields).await.expect(422);
            fields[0].1 = "It stops";
            let made = owner.submit("/o/harbor/support/new", &fields).await.expect(303);
            let page = made.location().split('?').next().unwrap().to_owned();
            let id = page.rsplit('/').next().unwrap().to_owned();
            let shown = owner.get(&page).await.expect(200).text();
            assert!(shown.contains("<p>One.</p><p>Two &#60;b&#62;.</p>"), "{shown}");
            assert!(shown.contains("/o/harbor/rows/USR-C1"), "{shown}");
            // The desk: the queue with its bar, the ticket, what is refused.
            let queue = staff.get("/provider/tickets").await.expect(200).text();
            assert!(queue.contains("It stops") && queue.contains("<progress value=\"100\""), "{queue}");
            let case = format!("/provider/tickets/{id}");
            assert!(staff.get(&case).await.expect(200).text().contains("For us alone"));
            staff.submit(&format!("{case}/answers"), &[("body", ""), ("then", "waiting")]).await.expect(422);
            let fields = [("body", "Which browser?"), ("then", "waiting")];
            staff.submit(&format!("{case}/answers"), &fields).await.expect(303);
            staff.submit(&format!("{case}/notes"), &[("note", "")]).await.expect(422);
            staff.submit(&format!("{case}/assignee"), &[("email", "")]).await.expect(303);
            let fields = [("severity", "high"), ("reason", "More than one")];
            staff.submit(&format!("{case}/severity"), &fields).await.expect(303);
            for view in ["waiting", "resolved", "closed", "owed"] {
                let found = staff.get(&format!("/provider/tickets?view={view}")).await.expect(200).text();
                assert_eq!(found.contains("It stops"), view == "waiting", "{view}");
            }
            // Back at the organization.
            let shown = owner.get(&page).await.expect(200).text();
            assert!(shown.contains("Waits for you") && shown.contains("set the severity to high"), "{shown}");
            owner.submit(&format!("{page}/messages"), &[("body", " ")]).await.expect(422);
            owner.submit(&format!("{page}/messages"), &[("body", "All of them.")]).await.expect(303);
            owner.submit(&format!("{page}/close"), &[]).await.expect(303);
            owner.submit(&format!("{list}/members"), &[("members_may_open", "on")]).await.expect(303);
            assert!(ann.get(list).await.expect(200).text().contains("Open the first one"));
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_full_ticket_can_still_be_settled() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let id = open(&mut owner, "A flood", "normal").await;
            let mut written = 1;
            while reply(&mut owner, &id).await.status == 201 {
                written += 1;
            }
            assert!(written < super::super::MESSAGES_MAX, "room is left for the desk");
            reply(&mut owner, &id).await.expect(409);
            answer(&mut staff, &id, "answered").await.expect(201);
            written += 1;
            while answer(&mut staff, &id, "answered").await.status == 201 {
                written += 1;
            }
            answer(&mut staff, &id, "resolved").await.expect(201);
            assert_eq!(written + 1, super::super::MESSAGES_MAX);
            let shown = ticket(&mut owner, &id).await;
            assert_eq!((&shown["state"], &shown["due_at"]), (&json!("resolved"), &Value::Null));
            reply(&mut owner, &id).await.expect(409);
            owner.post(&format!("{API}/{id}/close"), json!({})).await.expect(200);
            assert_eq!(ticket(&mut owner, &id).await["state"], "closed");
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn the_desk_is_not_flooded_by_one_person() {
    testkit::both_with(
        async |kit| {
            let (_, mut owner) = two_sides(kit).await;
            let mut ann =
                kit.browser_of(kit.member("harbor", "ann@harbor.example", Role::Member).await).await;
            owner
                .put("/api/v1/organizations/harbor/support", json!({ "members_may_open": true }))
                .await
                .expect(204);
            let new = json!({ "subject": "A question", "severity": "low", "body": "How?" });
            // Closing what was opened makes no room for more on the same day.
            for _ in 0..20 {
                let id = open(&mut ann, "A question", "low").await;
                ann.post(&format!("{API}/{id}/close"), json!({})).await.expect(200);
            }
            let refused = ann.post(API, new.clone()).await.expect(429);
            assert!(refused.headers.contains_key("retry-after"), "{}", refused.text());
            let id = open(&mut owner, "Of somebody else", "low").await;
            kit.settle().await;
            // What is written in one go is one matter: it is kept, and mailed a few times.
            let before = kit.mails().await.len();
            for _ in 0..20 {
                reply(&mut owner, &id).await.expect(201);
            }
            assert!(kit.mails().await.len() - before <= 10);
            assert_eq!(ticket(&mut owner, &id).await["messages"].as_array().unwrap().len(), 21);
            kit.advance_settled(DAY, DAY).await;
            ann.post(API, new).await.expect(201);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}
