//! The drill, and the cells of USR-P3 and USR-C1: held by what works, turned by what stops.

use super::*;

#[tokio::test]
async fn the_drill_passes_and_leaves_no_trace() {
    on_both(async |kit| {
        let provider = kit.organization("northwind").await;
        let outcome = drill::run(&kit.app, &kit.ctx()).await.unwrap();
        assert!(outcome.passed, "{}", outcome.detail);
        let rows: Option<u64> = kit.app.db().read(|tx| tx.scalar(&COUNT_ALL_ROWS, &[])).await.unwrap();
        assert_eq!(rows, Some(0));
        let actions = kit.actions(provider).await;
        assert_eq!(actions.iter().filter(|action| action.starts_with("d")).count(), 1, "{actions:?}");
        assert!(actions.contains(&"drill.passed".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn the_provider_holds_usr_p3_while_domains_are_checked() {
    on_both(async |kit| {
        let harbor = kit.organization("harbor").await;
        kit.organization("northwind").await;
        let look = async |kit: &Kit| read_evidence(kit, harbor, evidence::RECHECKED.evaluate).await;
        assert_eq!(look(kit).await.state, Verdict::NotMet, "never ran");
        kit.settle().await;
        let held = look(kit).await;
        assert_eq!(held.state, Verdict::Met, "{held:?}");
        assert_eq!(held.valid_until, Some(kit.now().plus(DAY)));
        assert!(held.facts.iter().any(|fact| fact.name == "forged_proof_refused"));
        kit.advance(DAY);
        assert_eq!(look(kit).await.state, Verdict::NotMet, "the job stopped");
        kit.settle().await;
        assert_eq!(look(kit).await.state, Verdict::Met);
    })
    .await;
}

#[tokio::test]
async fn the_customer_holds_usr_c1_once_its_company_domains_are_verified() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let harbor = kit.organization("harbor").await;
        let look = async |kit: &Kit| read_evidence(kit, harbor, evidence::VERIFIED.evaluate).await;
        for n in 0..4 {
            kit.member("harbor", &format!("ann{n}@gmail.com"), Role::Member).await;
        }
        assert_eq!(look(kit).await.state, Verdict::NotApplicable, "public mail is nobody's domain");
        for n in 0..2 {
            kit.member("harbor", &format!("ann{n}@harbor.example"), Role::Member).await;
        }
        let open = look(kit).await;
        assert_eq!(open.state, Verdict::NotMet);
        assert_eq!(open.action.expect("an action").href, "/o/harbor/domains");
        let domain = verified(kit, &mut owner, "harbor", "harbor.example").await;
        assert_eq!(look(kit).await.state, Verdict::Met);
        script(kit).set("harbor.example", Scene::Nothing);
        pass(kit, 2 * DAY).await;
        let gone = look(kit).await;
        assert_eq!(
            (gone.state, gone.reason.as_str()),
            (Verdict::NotMet, "the proof of `harbor.example` is gone")
        );
        script(kit).set("harbor.example", Scene::Record(value(&domain)));
        pass(kit, 6 * HOUR).await;
        assert_eq!(look(kit).await.state, Verdict::Met);
        for n in 0..3 {
            kit.member("harbor", &format!("bob{n}@pier.example"), Role::Member).await;
        }
        assert_eq!(look(kit).await.state, Verdict::NotMet, "people of an unverified company domain");
    })
    .await;
}
