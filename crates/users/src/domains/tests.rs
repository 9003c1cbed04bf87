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

mod cells;
mod loss;
mod silent;

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
    /// The web server is switched off; DNS answers, with this record or with none.
    Down(Option<String>),
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
            Scene::Record(value) | Scene::Down(Some(value)) => (texts(value), Answer::Absent),
            Scene::Wildcard(value) => (texts(value.clone()), texts(value)),
            Scene::Silent => {
                let silent = Answer::Unanswered("SERVFAIL".to_owned());
                (silent.clone(), silent)
            }
            Scene::File(_) | Scene::Down(None) | Scene::Nothing => (Answer::Absent, Answer::Absent),
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
            Scene::Silent | Scene::Down(_) => HttpsEvidence::Unanswered("connection refused".to_owned()),
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
/// Everything scheduled runs once in each step; a long time goes by in days, or these tests were most of the minutes.
pub(crate) async fn pass(kit: &Kit, time: Duration) {
    kit.advance_settled(time, if time > 20 * DAY { DAY } else { 6 * HOUR }).await;
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
