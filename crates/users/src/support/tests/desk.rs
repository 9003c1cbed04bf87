//! The desk: its queue, whose work it is, its targets and hours.

use super::*;

async fn numbers(staff: &mut Client, asked: &str) -> Vec<u64> {
    let page = staff.get(&format!("{DESK}?{asked}")).await.expect(200).json();
    page["items"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_least_time_left_comes_first() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let admin = kit.member("northwind", "max@northwind.example", Role::Admin).await;
            let mut max = kit.browser_of(admin).await;
            for (subject, severity) in [
                ("First low", "low"),
                ("Second urgent", "urgent"),
                ("Third normal", "normal"),
                ("Fourth high", "high"),
            ] {
                open(&mut owner, subject, severity).await;
            }
            assert_eq!(numbers(&mut staff, "").await, [2, 4, 3, 1]);
            // Page by page, and through filters.
            let page = staff.get(&format!("{DESK}?limit=2")).await.expect(200).json();
            let cursor = page["next_cursor"].as_str().unwrap();
            assert_eq!(numbers(&mut staff, &format!("limit=2&cursor={cursor}")).await, [3, 1]);
            assert_eq!(numbers(&mut staff, "severity=high").await, [4]);
            assert_eq!(numbers(&mut staff, "q=third").await, [3]);
            assert_eq!(numbers(&mut staff, "q=harbor").await.len(), 4);
            assert_eq!(numbers(&mut staff, "q=%25").await.len(), 0);
            assert_eq!(numbers(&mut staff, "assigned=nobody").await.len(), 4);
            for wrong in ["view=lost", "severity=dire", "assigned=owner@harbor.example", "cursor=eA"] {
                staff.get(&format!("{DESK}?{wrong}")).await.expect(422);
            }
            // Whose work it is: given away, taken by an answer, never to somebody who does not run the desk.
            let all = staff.get(DESK).await.expect(200).json();
            let id = |n: usize| all["items"][n]["id"].as_str().unwrap().to_owned();
            let give = |email: Value| json!({ "email": email });
            let path = format!("{DESK}/{}/assignee", id(0));
            staff.put(&path, give(json!("max@northwind.example"))).await.expect(200);
            assert!(was_told(kit, "max@northwind.example", "was assigned to you").await);
            staff.put(&path, give(json!("owner@harbor.example"))).await.expect(422);
            assert_eq!(numbers(&mut max, "assigned=me").await, [2]);
            assert_eq!(numbers(&mut staff, "assigned=max@northwind.example").await, [2]);
            answer(&mut max, &id(1), "answered").await.expect(201);
            assert_eq!(numbers(&mut max, "assigned=me").await, [2, 4]);
            staff.put(&path, give(Value::Null)).await.expect(200);
            assert_eq!(numbers(&mut staff, "assigned=nobody").await, [2, 3, 1]);
            // Others by what changed last.
            kit.advance(MINUTE);
            answer(&mut max, &id(0), "waiting").await.expect(201);
            kit.advance(MINUTE);
            answer(&mut max, &id(2), "waiting").await.expect(201);
            assert_eq!(numbers(&mut staff, "view=waiting").await, [3, 2]);
            staff.get(&format!("{DESK}/0197a1c0-0000-7000-8000-000000000000")).await.expect(404);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn targets_and_hours_are_the_providers_to_set() {
    const SETTINGS: &str = "/api/v1/provider/support";
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let shown = staff.get(SETTINGS).await.expect(200).json();
            assert_eq!((&shown["changed_by"], &shown["settings"]["hours"]), (&json!(""), &Value::Null));
            let before = open(&mut owner, "Before", "low").await;
            let due = ticket(&mut owner, &before).await["due_at"].clone();
            let mut settings = shown["settings"].clone();
            for (member, wrong) in [
                ("urgent", json!({ "first_minutes": 0, "next_minutes": 1 })),
                ("low", json!({ "first_minutes": 1, "next_minutes": 43_201 })),
                ("mail_to", json!("nobody")),
                ("mail_to", json!("A <a@b.example>")),
                ("hours", json!({ "days": [], "from_minute": 0, "to_minute": 600, "offset_minutes": 0 })),
                ("hours", json!({ "days": [1], "from_minute": 600, "to_minute": 600, "offset_minutes": 0 })),
                ("hours", json!({ "days": [1], "from_minute": 0, "to_minute": 600, "offset_minutes": -32768 })),
            ] {
                let mut body = settings.clone();
                body[member] = wrong;
                staff.put(SETTINGS, body).await.expect(422);
            }
            // A Monday, 08:00 UTC, is 9 o'clock at the desk.
            settings["hours"] =
                json!({ "days": [1, 2, 3, 4, 5], "from_minute": 480, "to_minute": 1080, "offset_minutes": 60 });
            settings["normal"] = json!({ "first_minutes": 600, "next_minutes": 60 });
            settings["mail_to"] = json!("desk@northwind.example");
            let changed = staff.put(SETTINGS, settings.clone()).await.expect(200).json();
            assert_eq!(changed["settings"], settings);
            assert_eq!(ticket(&mut owner, &before).await["due_at"], due, "a promise stays");
            let id = open(&mut owner, "After", "normal").await;
            assert_eq!(ticket(&mut owner, &id).await["due_at"], kit.now().plus(DAY).rfc3339());
            assert!(was_told(kit, "desk@northwind.example", "a new normal ticket").await);
            // The night is no time of the desk's.
            kit.advance_settled(HOUR * 23, HOUR).await;
            assert_eq!(judge(kit).await.state, Verdict::Met);
            kit.advance_settled(HOUR, HOUR).await;
            assert_eq!(judge(kit).await.state, Verdict::NotMet);
            let terms = owner.get("/api/v1/organizations/harbor/support").await.expect(200).json();
            assert_eq!(terms["around_the_clock"], false);
            assert!(owner.get("/o/harbor/support").await.expect(200).text().contains("while the desk is open"));
            // The page, with what it does not take.
            let page = "/provider/support";
            let shown = staff.get(page).await.expect(200).text();
            assert!(shown.contains("value=\"08:00\"") && shown.contains("desk@northwind.example"), "{shown}");
            let mut fields = vec![("business", ""), ("mail_to", ""), ("from", "08:00"), ("to", "18:00")];
            for name in ["urgent", "high", "normal", "low"] {
                for (kind, field) in [("first", "first_minutes"), ("next", "next_minutes")] {
                    let minutes = if kind == "first" { "30" } else { "60" };
                    fields.push((format!("{name}.{field}").leak(), minutes));
                }
            }
            staff.submit(page, &fields).await.expect(303);
            let now = staff.get(SETTINGS).await.expect(200).json();
            assert_eq!((&now["settings"]["hours"], &now["settings"]["low"]["first_minutes"]), (&Value::Null, &json!(30)));
            fields.extend([("business", "on"), ("offset", "0")]);
            fields.remove(0);
            staff.submit(page, &fields).await.expect(422);
            fields.push(("days", "1"));
            staff.submit(page, &fields).await.expect(303);
            let provider = kit.organization("northwind").await;
            let actions = kit.actions(provider).await;
            assert_eq!(actions.iter().filter(|one| *one == "support.desk_changed").count(), 3);
            kit.as_role("northwind", Role::Auditor).await.put(SETTINGS, settings).await.expect(404);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}

#[tokio::test]
async fn a_target_that_passed_is_missed_once_whatever_the_severity_becomes() {
    testkit::both_with(
        async |kit| {
            let (mut staff, mut owner) = two_sides(kit).await;
            let id = open(&mut owner, "Slow", "low").await;
            kit.advance_settled(HOUR * 73, HOUR * 73).await;
            assert_eq!(ticket(&mut owner, &id).await["targets_missed"], 1);
            let urgent = json!({ "severity": "urgent", "reason": "It is" });
            staff.put(&format!("{DESK}/{id}/severity"), urgent).await.expect(200);
            kit.advance_settled(HOUR, HOUR).await;
            assert_eq!(ticket(&mut owner, &id).await["targets_missed"], 1);
            answer(&mut staff, &id, "resolved").await.expect(201);
            assert_eq!(ticket(&mut owner, &id).await["targets_missed"], 1);
            kit.settle().await;
        },
        with_mail,
    )
    .await;
}
