use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::evidence::{Evaluate, Finding, Verdict};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::{DAY, HOUR};
use serde_json::{Value, json};
use testkit::{Client, Kit, KitOptions};

use super::name::DomainName;
use super::proof::{Answer, DnsEvidence, HttpsEvidence, ResolverAnswer};
use super::{DomainId, Prover, ProverService, State, drill, evidence, sql};

platform::statements! {
    FORCE_VERIFIED: Platform = "update domains set state = 'verified' where id = $1";
    COUNT_ALL_ROWS: Platform = "select count(*) from domains";
}

/// What the outside world answers about one domain.
#[derive(Clone)]
pub(crate) enum Scene {
    Record(String),
    Wildcard(String),
    File(String),
    Silent,
    Nothing,
}

/// A [`Prover`] that plays scenes; a domain without one has nothing to show.
#[derive(Default)]
pub(crate) struct Script(Mutex<HashMap<String, Scene>>);

impl Script {
    pub(crate) fn set(&self, name: &str, scene: Scene) {
        self.0.lock().unwrap().insert(name.to_owned(), scene);
    }

    fn scene(&self, name: &DomainName) -> Scene {
        self.0.lock().unwrap().get(name.as_str()).cloned().unwrap_or(Scene::Nothing)
    }
}

impl Prover for Script {
    fn dns<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, DnsEvidence> {
        let texts = |value: String| Answer::Records { texts: vec![value], aliases: Vec::new() };
        let (answer, sibling) = match self.scene(name) {
            Scene::Record(value) => (texts(value), Answer::Absent),
            Scene::Wildcard(value) => (texts(value.clone()), texts(value)),
            Scene::Silent => {
                let silent = Answer::Unanswered("SERVFAIL".to_owned());
                (silent.clone(), silent)
            }
            Scene::File(_) | Scene::Nothing => (Answer::Absent, Answer::Absent),
        };
        let answers = ["192.0.2.1:53", "198.51.100.1:53"].map(|resolver| ResolverAnswer {
            resolver: resolver.to_owned(),
            answer: answer.clone(),
            sibling: sibling.clone(),
        });
        Box::pin(async move { DnsEvidence { answers: answers.to_vec() } })
    }

    fn https<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, HttpsEvidence> {
        let seen = match self.scene(name) {
            Scene::File(body) => HttpsEvidence::Answered {
                status: 200,
                body: body.into(),
                address: "192.0.2.80:443".to_owned(),
            },
            Scene::Silent => HttpsEvidence::Unanswered("connection refused".to_owned()),
            _ => HttpsEvidence::Absent("the name has no address".to_owned()),
        };
        Box::pin(async move { seen })
    }
}

/// A program with scripted domains; names under `.example` are taken.
pub(crate) fn scripted() -> KitOptions {
    let mut options = KitOptions::new(&[&crate::AREA]);
    options.configure = Box::new(|config| config.test_clock = true);
    options.services = Box::new(|builder| {
        let script = Arc::new(Script::default());
        builder.service(ProverService(script.clone())).service(script)
    });
    options
}

pub(crate) fn script(kit: &Kit) -> Arc<Script> {
    (*kit.app.service::<Arc<Script>>()).clone()
}

async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(test, scripted).await;
}

fn path(slug: &str) -> String {
    format!("/api/v1/organizations/{slug}/domains")
}

pub(crate) async fn add(client: &mut Client, slug: &str, name: &str) -> Value {
    client.post(&path(slug), json!({ "name": name })).await.expect(201).json()
}

pub(crate) async fn check(client: &mut Client, slug: &str, domain: &Value) -> Value {
    let id = domain["id"].as_str().unwrap();
    client.post(&format!("{}/{id}/check", path(slug)), json!({})).await.expect(200).json()
}

pub(crate) fn value(domain: &Value) -> String {
    domain["record"]["value"].as_str().unwrap().to_owned()
}

async fn show(client: &mut Client, slug: &str, domain: &Value) -> Value {
    let id = domain["id"].as_str().unwrap();
    client.get(&format!("{}/{id}", path(slug))).await.expect(200).json()
}

async fn state(client: &mut Client, slug: &str, domain: &Value) -> String {
    show(client, slug, domain).await["state"].as_str().unwrap().to_owned()
}

/// Adds `name` and proves it by its record.
pub(crate) async fn verified(kit: &Kit, client: &mut Client, slug: &str, name: &str) -> Value {
    let domain = add(client, slug, name).await;
    script(kit).set(name, Scene::Record(value(&domain)));
    let checked = check(client, slug, &domain).await;
    assert_eq!(checked["proved"], true, "{checked}");
    checked["domain"].clone()
}

/// Lets time pass as a running program does.
pub(crate) async fn pass(kit: &Kit, time: Duration) {
    kit.advance_settled(time, 6 * HOUR).await;
}

async fn read_evidence(kit: &Kit, organization: OrganizationId, evaluate: Evaluate) -> Finding {
    let now = kit.now();
    kit.app.db().read(move |tx| evaluate(tx, organization, now)).await.unwrap()
}

#[tokio::test]
async fn a_domain_is_proved_by_its_record_and_the_proof_is_stored() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "Harbor.Example").await;
        assert_eq!(domain["name"], "harbor.example");
        assert_eq!(domain["record"]["name"], "_bailiwick-challenge.harbor.example");
        assert!(
            value(&domain).len() >= "bailiwick-domain-verification=".len() + 32,
            "128 random bits or more"
        );
        let early = check(&mut owner, "harbor", &domain).await;
        assert_eq!((&early["proved"], &early["reason"]), (&json!(false), &json!("absent")));
        script(kit).set("harbor.example", Scene::Record(value(&domain)));
        let checked = check(&mut owner, "harbor", &domain).await;
        assert_eq!(checked["domain"]["state"], "verified");
        let proof = &checked["domain"]["proof"];
        assert_eq!(proof["method"], "dns_txt");
        assert_eq!(proof["seen_by"], "192.0.2.1:53 198.51.100.1:53");
        let organization = kit.organization("harbor").await;
        let actions = kit.actions(organization).await;
        for action in ["domain.added", "domain.proof_refused", "domain.verified"] {
            assert!(actions.iter().any(|found| found == action), "{action} in {actions:?}");
        }
        let again = owner.post(&path("harbor"), json!({ "name": "harbor.example" })).await;
        again.expect(409);
    })
    .await;
}

#[tokio::test]
async fn a_domain_is_proved_by_a_file() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "harbor.example").await;
        let token = domain["record"]["file_content"].as_str().unwrap().to_owned();
        script(kit).set("harbor.example", Scene::File(format!("{token}\n")));
        let checked = check(&mut owner, "harbor", &domain).await;
        assert_eq!(checked["domain"]["proof"]["method"], "https_file");
        // The scheduled check looks for the file as well as for the record.
        pass(kit, 3 * DAY).await;
        assert_eq!(state(&mut owner, "harbor", &domain).await, "verified");
        script(kit).set("harbor.example", Scene::Record(value(&domain)));
        pass(kit, 2 * DAY).await;
        assert_eq!(show(&mut owner, "harbor", &domain).await["proof"]["method"], "dns_txt");
    })
    .await;
}

#[tokio::test]
async fn public_suffix_refused_and_public_mail_and_what_is_no_name() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        for bad in [
            "co.uk",
            "com",
            "github.io",
            "gmail.com",
            "mail.gmail.com",
            "",
            "harbor",
            "192.0.2.1",
            "*.harbor.example",
            "harbor..example",
            "https://harbor.example/",
            "ann@harbor.example",
            "localhost",
            "harbor.internal",
        ] {
            let answer = owner.post(&path("harbor"), json!({ "name": bad })).await.expect(422).json();
            assert_eq!(answer["errors"][0]["pointer"], "name", "{bad}: {answer}");
        }
        let page = owner.submit("/o/harbor/domains/new", &[("name", "co.uk")]).await.expect(422).text();
        assert!(page.contains("public suffix") && page.contains("value=\"co.uk\""), "{page}");
        assert!(owner.get(&path("harbor")).await.json()["items"].as_array().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_new_one_works() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Record(value(&domain)));
        kit.advance(14 * DAY);
        let checked = check(&mut owner, "harbor", &domain).await;
        assert_eq!(checked["reason"], "token_expired");
        let id = domain["id"].as_str().unwrap();
        let renewed =
            owner.post(&format!("{}/{id}/renew", path("harbor")), json!({})).await.expect(200).json();
        assert_ne!(value(&renewed), value(&domain));
        // The old record is worth nothing now.
        assert_eq!(check(&mut owner, "harbor", &domain).await["reason"], "different");
        script(kit).set("harbor.example", Scene::Record(value(&renewed)));
        assert_eq!(check(&mut owner, "harbor", &domain).await["proved"], true);
        owner.post(&format!("{}/{id}/renew", path("harbor")), json!({})).await.expect(409);
        kit.settle().await;
    })
    .await;
}

#[tokio::test]
async fn a_forged_token_is_refused() {
    on_both(async |kit| {
        let (mut harbor, mut quay) = (kit.owner_of("harbor").await, kit.owner_of("quay").await);
        let ours = add(&mut harbor, "harbor", "harbor.example").await;
        let theirs = add(&mut quay, "quay", "harbor.example").await;
        let other = add(&mut harbor, "harbor", "pier.example").await;
        for forged in
            [value(&theirs), value(&other), value(&ours).to_uppercase(), format!("{}0", value(&ours))]
        {
            script(kit).set("harbor.example", Scene::Record(forged));
            assert_eq!(check(&mut harbor, "harbor", &ours).await["reason"], "different");
        }
        assert_eq!(state(&mut harbor, "harbor", &ours).await, "pending");
    })
    .await;
}

#[tokio::test]
async fn wildcard_record_is_refused() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Wildcard(value(&domain)));
        let checked = check(&mut owner, "harbor", &domain).await;
        assert_eq!(checked["reason"], "wildcard");
        assert!(checked["detail"].as_str().unwrap().contains("_bailiwick-challenge.harbor.example"));
    })
    .await;
}

#[tokio::test]
async fn uniqueness_by_database() {
    on_both(async |kit| {
        let (mut harbor, mut quay) = (kit.owner_of("harbor").await, kit.owner_of("quay").await);
        verified(kit, &mut harbor, "harbor", "harbor.example").await;
        let theirs = add(&mut quay, "quay", "harbor.example").await;
        script(kit).set("harbor.example", Scene::Record(value(&theirs)));
        let checked = check(&mut quay, "quay", &theirs).await;
        assert_eq!(checked["reason"], "held_elsewhere");
        assert!(!checked.to_string().to_lowercase().contains("harbor organization"));
        // Without the rule the index refuses just the same; and without a proof, a rule of the table.
        let id: DomainId = theirs["id"].as_str().unwrap().parse().unwrap();
        let token = value(&theirs).split_once('=').unwrap().1.to_owned();
        let organization = kit.organization("quay").await;
        let ctx = kit.ctx();
        let at = ctx.clone();
        let around_the_rule = kit
            .app
            .db()
            .write(&ctx, move |tx| {
                let hash = vec![0_u8; 32];
                let set = params![
                    organization,
                    id,
                    at.now,
                    "dns_txt",
                    hash,
                    "192.0.2.1:53",
                    "{}",
                    at.now,
                    token.as_str()
                ];
                tx.execute(&sql::SET_VERIFIED, set)?;
                let recorded = tx.record(Event::new(organization, "domain.verified"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await;
        assert!(matches!(around_the_rule, Err(DbError::Unique(_))), "{around_the_rule:?}");
        let without_proof = kit
            .app
            .db()
            .write(&ctx, move |tx| {
                tx.execute(&FORCE_VERIFIED, params![id])?;
                let recorded = tx.record(Event::new(organization, "domain.verified"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await;
        assert!(matches!(without_proof, Err(DbError::Check(_) | DbError::Unique(_))), "{without_proof:?}");
        assert_eq!(state(&mut quay, "quay", &theirs).await, "pending");
    })
    .await;
}

#[tokio::test]
async fn verified_only_with_a_stored_proof() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "harbor.example").await;
        let id: DomainId = domain["id"].as_str().unwrap().parse().unwrap();
        let organization = kit.organization("harbor").await;
        let forced = kit
            .app
            .db()
            .write(&kit.ctx(), move |tx| {
                tx.execute(&FORCE_VERIFIED, params![id])?;
                let recorded = tx.record(Event::new(organization, "domain.verified"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await;
        assert!(matches!(forced, Err(DbError::Check(_))), "{forced:?}");
    })
    .await;
}

#[tokio::test]
async fn pending_proofs_are_capped() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let mut first = Value::Null;
        for n in 0..super::PENDING_MAX {
            first = add(&mut owner, "harbor", &format!("harbor{n}.example")).await;
        }
        owner.post(&path("harbor"), json!({ "name": "one-more.example" })).await.expect(409);
        owner.delete(&format!("{}/{}", path("harbor"), first["id"].as_str().unwrap())).await.expect(204);
        add(&mut owner, "harbor", "one-more.example").await;
        let all = owner.get(&format!("{}?limit=7", path("harbor"))).await.expect(200).json();
        assert_eq!(all["items"].as_array().unwrap().len(), 7);
        let cursor = all["next_cursor"].as_str().unwrap();
        let rest = owner.get(&format!("{}?cursor={cursor}", path("harbor"))).await.expect(200).json();
        assert_eq!(rest["items"].as_array().unwrap().len(), 13);
    })
    .await;
}

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

#[tokio::test]
async fn pages_lead_from_the_record_to_the_proof() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let empty = owner.get("/o/harbor/domains").await.expect(200).text();
        assert!(empty.contains("No domains yet"));
        let to = owner.submit("/o/harbor/domains/new", &[("name", "harbor.example")]).await.expect(303);
        let page = to.location().to_owned();
        let text = owner.get(&page).await.expect(200).text();
        assert!(
            text.contains("_bailiwick-challenge.harbor.example")
                && text.contains("bailiwick-domain-verification=")
        );
        owner.submit(&format!("{page}/check"), &[]).await.expect(303);
        let text = owner.get(&page).await.expect(200).text();
        assert!(
            text.contains("Neither the record nor the file is there yet") && text.contains("198.51.100.1:53")
        );
        let all = owner.get(&path("harbor")).await.json();
        script(kit).set("harbor.example", Scene::Record(value(&all["items"][0])));
        owner.submit(&format!("{page}/check"), &[]).await.expect(303);
        let text = owner.get(&page).await.expect(200).text();
        assert!(text.contains("harbor.example is verified") && text.contains("Claim accounts"));
        assert!(owner.get("/o/harbor/domains").await.expect(200).text().contains("Verified"));
        owner.submit(&format!("{page}/claim-new"), &[("on", "on")]).await.expect(303);
        assert!(owner.get(&page).await.expect(200).text().contains("Stop that"));
        owner.get(&format!("{page}/remove")).await.expect(200);
        owner.submit(&format!("{page}/remove"), &[("confirm", "other.example")]).await.expect(422);
        owner.submit(&format!("{page}/remove"), &[("confirm", "harbor.example")]).await.expect(303);
        assert!(owner.get("/o/harbor/domains").await.expect(200).text().contains("No domains yet"));
        kit.settle().await;
    })
    .await;
}

#[tokio::test]
async fn strangers_find_nothing_and_auditors_change_nothing() {
    on_both(async |kit| {
        let mut owner = kit.owner_of("harbor").await;
        let domain = add(&mut owner, "harbor", "harbor.example").await;
        let one = format!("{}/{}", path("harbor"), domain["id"].as_str().unwrap());
        let mut stranger = kit.owner_of("quay").await;
        stranger.get(&one).await.expect(404);
        stranger.post(&format!("{one}/check"), json!({})).await.expect(404);
        // The domain of another organization is not found under one's own name either.
        let borrowed = one.replace("/harbor/", "/quay/");
        stranger.get(&borrowed).await.expect(404);
        stranger.post(&format!("{borrowed}/check"), json!({})).await.expect(404);
        stranger.delete(&borrowed).await.expect(404);
        let mut auditor = kit.as_role("harbor", Role::Auditor).await;
        auditor.get(&one).await.expect(200);
        auditor.post(&format!("{one}/check"), json!({})).await.expect(403);
        auditor.delete(&one).await.expect(403);
        let harbor = kit.organization("harbor").await;
        kit.token_of(harbor, "domains.read")
            .post(&path("harbor"), json!({ "name": "x.example" }))
            .await
            .expect(403);
        kit.token_of(harbor, "domains.manage")
            .post(&path("harbor"), json!({ "name": "x.example" }))
            .await
            .expect(201);
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
                super::is_frozen(tx, &account)
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
