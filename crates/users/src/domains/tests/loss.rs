//! What happens when a proof goes missing: slowly, with notices, never by silence, and to the end.

use super::*;

#[tokio::test]
async fn servfail_is_not_removed() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = verified(kit, &mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Silent);
        pass(kit, 40 * DAY).await;
        let found = show(&mut owner, "harbor", &domain).await;
        assert_eq!((&found["state"], &found["misses"]), (&json!("verified"), &json!(0)));
        assert!(found["unanswered_since"].is_string());
        // At risk, it does not get worse either.
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 2 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "at_risk");
        script(kit).set("harbor.example", Scene::Silent);
        pass(kit, 30 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "at_risk");
        let organization = kit.organization("harbor").await;
        assert!(!kit.actions(organization).await.contains(&"domain.lost".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_missing_proof_costs_the_domain_only_slowly_and_with_notices() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = verified(kit, &mut owner, "harbor", "harbor.example").await;
        let record = value(&domain);
        script(kit).set("harbor.example", Scene::Nothing);
        // Pressing the button makes nothing worse.
        for _ in 0..3 {
            assert_eq!(check(&mut owner, "harbor", &domain).await["reason"], "absent");
        }
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        pass(kit, DAY).await;
        let once = show(&mut owner, "harbor", &domain).await;
        assert_eq!((&once["state"], &once["misses"]), (&json!("verified"), &json!(1)));
        pass(kit, 6 * HOUR).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "at_risk");
        let mail = kit.mail_to("owner@harbor.example").await.expect("a notice");
        assert!(mail.contains("The proof of harbor.example is gone"), "{mail}");
        script(kit).set("harbor.example", Scene::Record(record));
        pass(kit, 6 * HOUR).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, DAY + 6 * HOUR).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "at_risk");
        pass(kit, 7 * DAY - 6 * HOUR).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "at_risk");
        pass(kit, 6 * HOUR).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "suspended");
        pass(kit, 7 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "lost");
        let organization = kit.organization("harbor").await;
        let states: Vec<String> = kit
            .actions(organization)
            .await
            .into_iter()
            .filter(|action| action.starts_with("domain.") && action != "domain.checked")
            .collect();
        assert_eq!(
            states,
            [
                "domain.added",
                "domain.verified",
                "domain.at_risk",
                "domain.recovered",
                "domain.at_risk",
                "domain.suspended",
                "domain.lost",
            ]
        );
        let mail = kit.mail_to("owner@harbor.example").await.expect("a notice");
        assert!(mail.contains("harbor.example is lost"), "{mail}");
    })
    .await;
}

#[tokio::test]
async fn mass_loss_breaker() {
    on_both(async |kit| {
        kit.member("northwind", "ops@northwind.example", Role::Owner).await;
        let mut owner = kit.owner_of("harbor").await;
        let mut domains = Vec::new();
        for n in 0..10 {
            domains.push(verified(kit, &mut owner, "harbor", &format!("harbor{n}.example")).await);
        }
        for n in 0..6 {
            script(kit).set(&format!("harbor{n}.example"), Scene::Nothing);
        }
        pass(kit, 20 * DAY).await;
        for domain in &domains {
            assert_eq!(state(&mut owner, "harbor", domain).await, "verified");
        }
        let provider = kit.organization("northwind").await;
        assert!(kit.actions(provider).await.contains(&"domain.recheck_halted".to_owned()));
        let mail = kit.mail_to("ops@northwind.example").await.expect("a notice");
        assert!(mail.contains("The check of domains was halted"), "{mail}");
        let halted = read_evidence(kit, provider, evidence::RECHECKED.evaluate).await;
        assert_eq!(halted.state, Verdict::NotMet);
        let mut staff = kit.as_role("northwind", Role::Owner).await;
        let page = staff.get("/provider/domains").await.expect(200).text();
        assert!(page.contains("The last check was halted") && page.contains("harbor0.example"));
        // Somebody has looked: the losses are real.
        staff.submit("/provider/domains/recheck", &[("accept_losses", "on")]).await.expect(303);
        kit.settle().await;
        for (n, domain) in domains.iter().enumerate() {
            let expected = if n < 6 { "at_risk" } else { "verified" };
            assert_eq!(state(&mut owner, "harbor", domain).await, expected, "{n}");
        }
        owner.get("/provider/domains").await.expect(404);
    })
    .await;
}

#[tokio::test]
async fn a_few_losses_are_believed() {
    on_both(async |kit| {
        kit.organization("northwind").await;
        let mut owner = kit.owner_of("harbor").await;
        for n in 0..4 {
            verified(kit, &mut owner, "harbor", &format!("harbor{n}.example")).await;
            script(kit).set(&format!("harbor{n}.example"), Scene::Nothing);
        }
        pass(kit, 2 * DAY).await;
        let all = owner.get(&path("harbor")).await.json();
        assert!(all["items"].as_array().unwrap().iter().all(|domain| domain["state"] == "at_risk"), "{all}");
    })
    .await;
}

#[tokio::test]
async fn a_proved_rival_has_the_holder_looked_at_and_gets_the_name_when_it_is_free() {
    on_both(async |kit| {
        let (mut harbor, mut quay) = (kit.owner_of("harbor").await, kit.owner_of("quay").await);
        let ours = verified(kit, &mut harbor, "harbor", "harbor.example").await;
        let theirs = add(&mut quay, "quay", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Record(value(&theirs)));
        kit.settle().await;
        assert_eq!(check(&mut quay, "quay", &theirs).await["reason"], "held_elsewhere");
        pass(kit, HOUR).await;
        assert_eq!(show(&mut harbor, "harbor", &ours).await["misses"], 1, "looked at before its time");
        pass(kit, 16 * DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "lost");
        let id = theirs["id"].as_str().unwrap();
        let renewed = quay.post(&format!("{}/{id}/renew", path("quay")), json!({})).await.expect(200).json();
        script(kit).set("harbor.example", Scene::Record(value(&renewed)));
        assert_eq!(check(&mut quay, "quay", &theirs).await["proved"], true);
    })
    .await;
}

#[tokio::test]
async fn giving_up_a_domain_in_doubt_counts_as_losing_it() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = verified(kit, &mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 2 * DAY).await;
        let ann = kit.account("ann@harbor.example").await;
        owner.delete(&format!("{}/{}", path("harbor"), domain["id"].as_str().unwrap())).await.expect(204);
        assert_eq!(state(&mut owner, "harbor", &domain).await, State::Lost.as_str());
        let frozen = async |kit: &Kit| {
            let read = move |tx: &mut platform::db::ReadTx| {
                let account = principals::account(tx, ann)?.expect("an account");
                crate::domains::is_frozen(tx, &account)
            };
            kit.app.db().read(read).await.unwrap()
        };
        assert!(frozen(kit).await);
        // The loser proves it anew: everything is as before.
        verified(kit, &mut owner, "harbor", "harbor.example").await;
        assert!(!frozen(kit).await);
        assert_eq!(owner.get(&path("harbor")).await.json()["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

/// Both sign-up and recovery through real mail, with the domain's fate changed in between.
#[tokio::test]
async fn a_lost_domain_opens_nothing_by_mail() {
    let options = || {
        let mut options = crate::kit::real_sign_in();
        let with_pool = options.services;
        options.configure = Box::new(|config| config.test_clock = true);
        options.services = Box::new(move |builder| {
            let script = Arc::new(Script::default());
            with_pool(builder).service(ProverService(script.clone())).service(script)
        });
        options
    };
    let test = async |kit: &Kit| {
        kit.organization("northwind").await;
        let mut ann = crate::kit::sign_up(kit, "ann@harbor.example").await;
        let harbor = kit.organization("harbor").await;
        kit.member("harbor", "ann@harbor.example", Role::Owner).await;
        // The page holds the token that fits the session.
        ann.get("/account").await.expect(200);
        let domain = verified(kit, &mut ann, "harbor", "harbor.example").await;
        // Claimed from now on: somebody who signs up is managed at once.
        let one = format!("{}/{}", path("harbor"), domain["id"].as_str().unwrap());
        ann.patch(&one, json!({ "claim_new": true })).await.expect(200);
        crate::kit::sign_up(kit, "bob@harbor.example").await;
        kit.settle().await;
        let managed = async |kit: &Kit, email: &'static str| {
            let read = move |tx: &mut platform::db::ReadTx| principals::account_by_email(tx, email);
            kit.app.db().read(read).await.unwrap().and_then(|account| account.managed_by)
        };
        assert_eq!(managed(kit, "bob@harbor.example").await, Some(harbor));
        let mut browser = kit.nobody();
        let recover = async |browser: &mut Client| {
            browser.get("/recover").await.expect(200);
            browser.submit("/recover", &[("email", "bob@harbor.example")]).await.expect(200);
        };
        recover(&mut browser).await;
        let link = crate::kit::mailed_link(kit, "bob@harbor.example").await;
        assert!(link.starts_with("/recover/"), "{link}");
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 17 * DAY).await;
        let before = kit.mails().await.len();
        recover(&mut browser).await;
        assert_eq!(kit.mails().await.len(), before, "no mail to a mailbox that may be somebody else's");
        // The person still has what proves them, not the mailbox.
        let signed_in =
            crate::kit::try_password(&mut browser, "bob@harbor.example", crate::kit::PASSWORD).await;
        signed_in.expect(303);
    };
    testkit::both_with(test, options).await;
}
