//! A domain proved by its file alone whose web server is switched off: suspended after a long time, lost only to
//! somebody who proves the name by DNS.

use super::*;

/// Adds `name` and proves it by its file.
async fn by_file(kit: &Kit, client: &mut Client, slug: &str, name: &str) -> Value {
    let domain = add(client, slug, name).await;
    script(kit).set(name, file_of(&domain));
    let checked = check(client, slug, &domain).await;
    assert_eq!(checked["domain"]["proof"]["method"], "https_file", "{checked}");
    checked["domain"].clone()
}

fn file_of(domain: &Value) -> Scene {
    Scene::File(format!("{}\n", domain["record"]["file_content"].as_str().unwrap()))
}

async fn states(kit: &Kit, slug: &str) -> Vec<String> {
    let organization = kit.organization(slug).await;
    let quiet = ["domain.checked", "domain.added", "domain.verified"];
    let actions = kit.actions(organization).await.into_iter();
    actions.filter(|one| one.starts_with("domain.") && !quiet.contains(&one.as_str())).collect()
}

#[tokio::test]
async fn a_silent_server_suspends_after_sixty_days_and_never_costs_the_name_by_itself() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = by_file(kit, &mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Down(None));
        pass(kit, 60 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        pass(kit, 2 * DAY).await;
        let doubtful = show(&mut owner, "harbor", &domain).await;
        assert_eq!((&doubtful["state"], &doubtful["misses"]), (&json!("at_risk"), &json!(0)));
        assert!(doubtful["unanswered_since"].is_string(), "{doubtful}");
        let mail = kit.mail_to("owner@harbor.example").await.expect("a notice");
        assert!(mail.contains("The web server of harbor.example is silent"), "{mail}");
        assert!(mail.contains("has not answered since"), "{mail}");
        pass(kit, 7 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "suspended");
        // Nobody else wants the name: it stays, for however long.
        pass(kit, 120 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "suspended");
        script(kit).set("harbor.example", file_of(&domain));
        pass(kit, DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        assert_eq!(states(kit, "harbor").await, ["domain.at_risk", "domain.suspended", "domain.recovered"]);
    })
    .await;
}

#[tokio::test]
async fn a_rival_gets_the_name_only_by_dns_and_only_after_everything_else() {
    on_both(async |kit| {
        let (mut harbor, mut quay) = (kit.owner_of("harbor").await, kit.owner_of("quay").await);
        let ours = by_file(kit, &mut harbor, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Down(None));
        pass(kit, 90 * DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "suspended");
        // Waiting for the name is not enough.
        let theirs = add(&mut quay, "quay", "harbor.example").await;
        pass(kit, 3 * DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "suspended");
        // An old token proves nothing.
        pass(kit, 15 * DAY).await;
        script(kit).set("harbor.example", Scene::Down(Some(value(&theirs))));
        pass(kit, DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "suspended");
        let id = theirs["id"].as_str().unwrap();
        let renewed = quay.post(&format!("{}/{id}/renew", path("quay")), json!({})).await.expect(200).json();
        script(kit).set("harbor.example", Scene::Down(Some(value(&renewed))));
        pass(kit, DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "lost");
        let mail = kit.mail_to("owner@harbor.example").await.expect("a notice");
        assert!(mail.contains("another organization proves the name"), "{mail}");
        assert_eq!(check(&mut quay, "quay", &theirs).await["proved"], true);
    })
    .await;
}

#[tokio::test]
async fn a_rival_cannot_hurry_it() {
    on_both(async |kit| {
        let (mut harbor, mut quay) = (kit.owner_of("harbor").await, kit.owner_of("quay").await);
        let ours = by_file(kit, &mut harbor, "harbor", "harbor.example").await;
        let theirs = add(&mut quay, "quay", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Down(Some(value(&theirs))));
        assert_eq!(check(&mut quay, "quay", &theirs).await["reason"], "held_elsewhere");
        pass(kit, 59 * DAY).await;
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "verified");
    })
    .await;
}

#[tokio::test]
async fn dns_that_fails_is_no_silent_server() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = by_file(kit, &mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Silent);
        pass(kit, 100 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
    })
    .await;
}

#[tokio::test]
async fn one_answer_begins_the_count_anew() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = by_file(kit, &mut owner, "harbor", "harbor.example").await;
        for _ in 0..3 {
            script(kit).set("harbor.example", Scene::Down(None));
            pass(kit, 50 * DAY).await;
            script(kit).set("harbor.example", file_of(&domain));
            pass(kit, DAY).await;
        }
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        assert!(states(kit, "harbor").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn many_silent_servers_at_once_halt_the_run_and_keep_their_time() {
    on_both(async |kit| {
        kit.member("northwind", "ops@northwind.example", Role::Owner).await;
        let mut owner = kit.owner_of("harbor").await;
        let mut domains = Vec::new();
        for n in 0..6 {
            let name = format!("harbor{n}.example");
            domains.push(by_file(kit, &mut owner, "harbor", &name).await);
            script(kit).set(&name, Scene::Down(None));
        }
        pass(kit, 70 * DAY).await;
        for domain in &domains {
            assert_eq!(state(&mut owner, "harbor", domain).await, "verified");
        }
        let mut staff = kit.as_role("northwind", Role::Owner).await;
        staff.get("/provider/domains").await.expect(200);
        staff.submit("/provider/domains/recheck", &[("accept_losses", "on")]).await.expect(303);
        kit.settle().await;
        for domain in &domains {
            assert_eq!(state(&mut owner, "harbor", domain).await, "at_risk");
        }
    })
    .await;
}
