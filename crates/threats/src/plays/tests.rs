use serde_json::{Value, json};
use testkit::{Client, Kit};

use crate::alerts::AlertId;
use crate::kit::{account_id, all, fails, gets_in, mails_about, options, people};

async fn play(staff: &mut Client, id: AlertId) -> Value {
    staff.get(&format!("/api/v1/provider/alerts/{id}/play")).await.expect(200).json()["steps"].clone()
}

async fn take(staff: &mut Client, id: AlertId, step: &str) -> testkit::Answer {
    staff.post(&format!("/api/v1/provider/alerts/{id}/play"), json!({ "step": step })).await
}

async fn sessions_of(kit: &Kit, email: &str) -> usize {
    let (account, now) = (account_id(kit, email).await, kit.now());
    kit.app.db().read(move |tx| users::sessions::list(tx, account, now)).await.unwrap().len()
}

#[tokio::test]
async fn a_play_says_what_it_would_do_and_does_that() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 12).await;
            kit.owner_of("harbor").await;
            for email in &emails[..10] {
                fails(kit, "203.0.113.7", email).await;
            }
            kit.settle().await;
            let id = all(kit).await[0].id;
            // Nobody was got into: nothing that the program can do would change anything.
            for step in ["end_sessions", "take_passwords", "tell_admins"] {
                take(&mut staff, id, step).await.expect(409);
            }
            // One is, and another one signs in elsewhere meanwhile.
            let victim = &emails[10];
            assert!(gets_in(kit, "203.0.113.7", victim).await);
            assert!(gets_in(kit, "198.51.100.1", &emails[11]).await);
            kit.settle().await;
            let steps = play(&mut staff, id).await;
            assert_eq!(steps[0]["would"], json!([format!("{victim}: 1 session")]));
            assert_eq!(steps[1]["would"], json!([victim]));
            assert_eq!(steps[2]["would"], json!([format!("Harbor: one mail about {victim} (got in)")]));
            assert!(steps.as_array().unwrap().iter().skip(3).all(|step| step["step"].is_null()));
            assert_eq!(sessions_of(kit, victim).await, 1, "a dry run changes nothing");
            assert_eq!(take(&mut staff, id, "end_sessions").await.expect(200).json()["count"], 1);
            assert_eq!((sessions_of(kit, victim).await, sessions_of(kit, &emails[11]).await), (0, 1));
            take(&mut staff, id, "end_sessions").await.expect(409);
            assert_eq!(take(&mut staff, id, "take_passwords").await.expect(200).json()["count"], 1);
            take(&mut staff, id, "take_passwords").await.expect(409);
            assert_eq!(mails_about(kit, "Set a new password").await, 1);
            take(&mut staff, id, "tell_admins").await.expect(200);
            assert_eq!(mails_about(kit, "Somebody guessed passwords of your people").await, 1);
            let harbor = kit.organization("harbor").await;
            assert!(kit.actions(harbor).await.contains(&"alert.organization_told".to_owned()));
            let northwind = kit.organization("northwind").await;
            let actions = kit.actions(northwind).await;
            let taken = actions.iter().filter(|one| *one == "alert.step_taken").count();
            assert_eq!(taken, 3);
            for action in ["session.all_revoked", "password.withdrawn"] {
                assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
            }
            take(&mut staff, id, "burn_it").await.expect(422);
            staff
                .post(&format!("/api/v1/provider/alerts/{id}/resolve"), json!({ "verdict": "true_positive" }))
                .await
                .expect(200);
            take(&mut staff, id, "tell_admins").await.expect(409);
        },
        options,
    )
    .await;
}

#[tokio::test]
async fn the_console_takes_a_step() {
    testkit::both_with(
        async |kit| {
            let (mut staff, emails) = people(kit, 1).await;
            for n in 0..5 {
                fails(kit, &format!("203.0.113.{n}"), &emails[0]).await;
            }
            assert!(gets_in(kit, "203.0.113.2", &emails[0]).await);
            for n in 5..7 {
                fails(kit, &format!("203.0.113.{n}"), &emails[0]).await;
            }
            kit.settle().await;
            let raised = all(kit).await;
            assert_eq!((raised.len(), raised[0].severity), (1, crate::alerts::Severity::Critical));
            let one = format!("/provider/alerts/{}", raised[0].id);
            let page = staff.get(&one).await.expect(200).text();
            assert!(page.contains("person-0@harbor.example: 1 session"), "{page}");
            staff.submit(&format!("{one}/play"), &[("step", "end_sessions")]).await.expect(303);
            assert_eq!(sessions_of(kit, &emails[0]).await, 0);
            staff.get(&one).await.expect(200);
            staff.submit(&format!("{one}/play"), &[("step", "end_sessions")]).await.expect(422);
            staff.submit(&format!("{one}/play"), &[("step", "nothing")]).await.expect(422);
        },
        options,
    )
    .await;
}
