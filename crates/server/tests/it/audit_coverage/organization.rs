//! What an organization's owner and the provider's staff do in their consoles and over the API.

use bailiwick::demo::prover::Script;
use platform::access::Role;
use platform::ids::AccountId;
use serde_json::{Value, json};
use testkit::authenticator::app_shows;
use testkit::{Answer, Client, Kit};

use super::Story;

const API: &str = "/api/v1/organizations/harbor";
const PAGES: &str = "/o/harbor";

fn id(view: &Answer) -> String {
    let view: Value = view.json();
    view["id"].as_str().unwrap_or_else(|| panic!("no id: {view}")).to_owned()
}

/// The id at the end of where a form led.
fn led_to(answer: &Answer) -> String {
    let path = answer.location().split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>, dns: &Script) {
    let kit = story.kit;
    kit.organization("northwind").await;
    let mut owner = kit.owner_of("harbor").await;
    let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
    let mut staff = kit.owner_of("northwind").await;
    story.aside().await;
    people(story, &mut owner, ann).await;
    groups(story, &mut owner, ann).await;
    invitations(story, &mut owner).await;
    super::access::tell(story, &mut owner).await;
    super::reviews::tell(story, &mut owner).await;
    super::awareness::tell(story, &mut owner).await;
    super::streams::tell(story, &mut owner).await;
    super::support::tell(story, &mut owner, &mut staff).await;
    super::abuse_reports::tell(story, &mut owner, &mut staff).await;
    super::threats::tell(story, &mut staff).await;
    tokens(story, &mut owner).await;
    policies(story, &mut owner).await;
    domains(story, &mut owner, dns).await;
    claims(story, &mut owner, dns).await;
    factor_resets(story, &mut owner, &mut staff).await;
    super::directories::tell(story, &mut owner).await;
    super::connections::tell(story, &mut owner).await;
    contacts(story, &mut owner).await;
    responsibility(story, &mut owner).await;
    audit_log(story, &mut owner).await;
    provider(story, &mut staff).await;
    super::operators::tell(story, &mut staff).await;
    super::products::staff(story, &mut staff).await;
}

async fn people(story: &mut Story<'_>, owner: &mut Client, ann: AccountId) {
    let (person, page) = (format!("{API}/people/{ann}"), format!("{PAGES}/people/{ann}"));
    owner.get(&page).await.expect(200);
    let done = owner.patch(&person, json!({ "role": "auditor" })).await;
    story.did("people.update", done).await;
    let done = owner.submit(&format!("{page}/role"), &[("role", "member")]).await;
    story.did("people.role_form", done).await;
    let done = owner.submit(&format!("{page}/suspend"), &[]).await;
    story.did("people.suspend_form", done).await;
    let done = owner.submit(&format!("{page}/restore"), &[]).await;
    story.did("people.restore_form", done).await;
    let bob = story.kit.member("harbor", "bob@harbor.example", Role::Member).await;
    story.aside().await;
    let done = owner.delete(&format!("{API}/people/{bob}")).await;
    story.did("people.remove", done).await;
    let cem = story.kit.member("harbor", "cem@harbor.example", Role::Member).await;
    story.aside().await;
    let done =
        owner.submit(&format!("{PAGES}/people/{cem}/remove"), &[("confirm", "cem@harbor.example")]).await;
    story.did("people.remove_form", done).await;
    let csv = "email,name\ndia@harbor.example,Dia\n";
    let done = owner.post(&format!("{API}/people/imports"), json!({ "csv": csv, "dry_run": false })).await;
    story.did("people.import", done).await;
    let page = format!("{PAGES}/people/import");
    owner.get(&page).await.expect(200);
    let fields = [("csv", "email,name\neli@harbor.example,Eli\n"), ("confirmed", "yes")];
    let done = owner.upload(&page, &fields, ("file", "", b"")).await;
    story.did("people.import_form", done).await;
}

async fn groups(story: &mut Story<'_>, owner: &mut Client, ann: AccountId) {
    let made = owner.post(&format!("{API}/groups"), json!({ "name": "Crew" })).await;
    let crew = id(&story.did("group.create", made).await);
    let one = format!("{API}/groups/{crew}");
    let done = owner.patch(&one, json!({ "name": "Deck crew" })).await;
    story.did("group.update", done).await;
    let done = owner.put(&format!("{one}/members/{ann}"), json!({})).await;
    story.did("group.member_add", done).await;
    let done = owner.delete(&format!("{one}/members/{ann}")).await;
    story.did("group.member_remove", done).await;
    let done = owner.delete(&one).await;
    story.did("group.delete", done).await;

    owner.get(&format!("{PAGES}/groups/new")).await.expect(200);
    let made = owner.submit(&format!("{PAGES}/groups/new"), &[("name", "Shore"), ("description", "")]).await;
    let shore = led_to(&story.did("group.create_form", made).await);
    let page = format!("{PAGES}/groups/{shore}");
    let done = owner.submit(&format!("{page}/members"), &[("email", "ann@harbor.example")]).await;
    story.did("group.member_add_form", done).await;
    let done = owner.submit(&format!("{page}/members/{ann}/remove"), &[]).await;
    story.did("group.member_remove_form", done).await;
    let done = owner.submit(&format!("{page}/edit"), &[("name", "Office"), ("description", "on land")]).await;
    story.did("group.update_form", done).await;
    let done = owner.submit(&format!("{page}/delete"), &[("confirm", "Office")]).await;
    story.did("group.delete_form", done).await;
}

async fn invitations(story: &mut Story<'_>, owner: &mut Client) {
    let all = format!("{API}/invitations");
    let made = owner.post(&all, json!({ "email": "fay@outside.example", "role": "member" })).await;
    let fay = id(&story.did("invitation.create", made).await);
    story.kit.advance(platform::time::HOUR);
    let done = owner.post(&format!("{all}/{fay}/resend"), json!({})).await;
    story.did("invitation.resend", done).await;
    story.kit.advance(platform::time::HOUR);
    let done = owner.submit(&format!("{PAGES}/invitations/{fay}/resend"), &[]).await;
    story.did("invitation.resend_form", done).await;
    let link = story.mailed_link("fay@outside.example", "/invitations/").await;
    let guest = story.kit.account("fay@outside.example").await;
    let mut guest = story.kit.browser_of(guest).await;
    story.aside().await;
    let token = link.rsplit('/').next().expect("a token").to_owned();
    let done = guest.post("/api/v1/invitations/accept", json!({ "token": token })).await;
    story.did("invitation.accept", done).await;

    owner.get(&format!("{PAGES}/invitations/new")).await.expect(200);
    let fields = [("email", "gus@outside.example"), ("role", "member")];
    let made = owner.submit(&format!("{PAGES}/invitations/new"), &fields).await;
    story.did("invitation.create_form", made).await;
    let link = story.mailed_link("gus@outside.example", "/invitations/").await;
    let guest = story.kit.account("gus@outside.example").await;
    let mut guest = story.kit.browser_of(guest).await;
    story.aside().await;
    guest.get(&link).await.expect(200);
    let done = guest.submit(&link, &[]).await;
    story.did("invitation.accept_form", done).await;

    let made =
        owner.post(&all, json!({ "email": "hal@outside.example", "role": "member" })).await.expect(201);
    story.aside().await;
    let done = owner.delete(&format!("{all}/{}", id(&made))).await;
    story.did("invitation.revoke", done).await;
    let made =
        owner.post(&all, json!({ "email": "ida@outside.example", "role": "member" })).await.expect(201);
    story.aside().await;
    let done = owner.submit(&format!("{PAGES}/invitations/{}/revoke", id(&made)), &[]).await;
    story.did("invitation.revoke_form", done).await;
}

async fn tokens(story: &mut Story<'_>, owner: &mut Client) {
    let all = format!("{API}/api-tokens");
    let body = json!({ "name": "ci", "scopes": ["people.read"], "expires_in_days": 7 });
    let made = owner.post(&all, body.clone()).await;
    let one = id(&story.did("api_token.create", made).await);
    let done = owner.delete(&format!("{all}/{one}")).await;
    story.did("api_token.revoke", done).await;
    let two = id(&owner.post(&all, body).await.expect(201));
    story.aside().await;
    let done = owner.submit(&format!("{PAGES}/api-tokens/{two}/revoke"), &[]).await;
    story.did("api_token.revoke_form", done).await;
    let fields = [("name", "ci"), ("expires_in_days", "7"), ("scopes", "people.read")];
    let made = owner.submit(&format!("{PAGES}/api-tokens/new"), &fields).await;
    story.did("api_token.create_form", made).await;
}

async fn policies(story: &mut Story<'_>, owner: &mut Client) {
    let path = format!("{API}/policy");
    for length in [14, 16] {
        let mut rules = owner.get(&path).await.expect(200).json()["rules"].clone();
        rules["password_min_length"] = json!(length);
        let done = owner.put(&path, rules).await;
        story.did("policy.decide", done).await;
    }
    let done = owner.post(&format!("{path}/undo"), json!({})).await;
    story.did("policy.undo", done).await;
    let rules = owner.get(&path).await.expect(200).json()["rules"].clone();

    let all = format!("{API}/policies");
    let made = owner.post(&all, json!({ "name": "Crew", "rules": rules })).await;
    let crew = format!("{all}/{}", id(&story.did("policy.create", made).await));
    let done = owner.put(&crew, json!({ "name": "Deck crew", "rules": rules })).await;
    story.did("policy.change", done).await;
    let done = owner.post(&format!("{crew}/undo"), json!({})).await;
    story.did("policy.undo_one", done).await;
    for cancelled_by in ["policy.rollout_cancel", "policy.rollout_cancel_form"] {
        let at = story.kit.now().plus(platform::time::DAY).rfc3339();
        let body = json!({ "rules": rules, "stages": [{ "at": at, "percent": 100 }] });
        let planned = owner.post(&format!("{crew}/rollouts"), body).await;
        let rollout = id(&story.did("policy.roll_out", planned).await);
        story.kit.settle().await;
        story.aside().await;
        let done = if cancelled_by == "policy.rollout_cancel" {
            owner.post(&format!("{API}/policy-rollouts/{rollout}/cancel"), json!({})).await
        } else {
            owner.get(&format!("{PAGES}/policies")).await.expect(200);
            owner.submit(&format!("{PAGES}/policy-rollouts/{rollout}/cancel"), &[]).await
        };
        story.did(cancelled_by, done).await;
    }
    let done = owner.delete(&crew).await;
    story.did("policy.delete", done).await;
    policy_pages(story, owner, &rules).await;
    break_glass(story, owner).await;
}

/// What a policy's form calls the dry run that its button decides on.
async fn tried(owner: &mut Client, page: &str, fields: &[(&str, &str)]) -> String {
    let shown = owner.submit(page, fields).await.expect(200);
    shown.value_of("confirmed").expect("a button that decides")
}

async fn policy_pages(story: &mut Story<'_>, owner: &mut Client, rules: &Value) {
    let texts = [
        "password_min_length",
        "password_min_score",
        "password_reuse_history",
        "session_idle_minutes",
        "session_absolute_hours",
        "step_up_minutes",
        "api_token_max_days",
    ];
    let mut fields: Vec<(&str, String)> = texts.iter().map(|name| (*name, rules[name].to_string())).collect();
    fields.push(("name", "Shore".to_owned()));
    fields.push(("api_tokens", "on".to_owned()));
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let new = format!("{PAGES}/policies/new");
    owner.get(&new).await.expect(200);
    let digest = tried(owner, &new, &fields).await;
    fields.push(("confirmed", &digest));
    let done = owner.submit(&new, &fields).await;
    story.did("policy.create_form", done).await;
    let all = owner.get(&format!("{API}/policies")).await.expect(200).json();
    let all = all["items"].as_array().expect("policies");
    let shore = all.iter().find(|one| one["name"] == "Shore").expect("the policy of the form");
    let page = format!("{PAGES}/policies/{}", shore["id"].as_str().expect("an id"));
    fields.pop();
    let digest = tried(owner, &page, &fields).await;
    fields.push(("confirmed", &digest));
    let done = owner.submit(&page, &fields).await;
    story.did("policy.decide_page", done).await;
    let done = owner.submit(&format!("{page}/undo"), &[]).await;
    story.did("policy.undo_page", done).await;
    let done = owner.submit(&format!("{page}/delete"), &[("confirm", "Shore")]).await;
    story.did("policy.delete_form", done).await;
}

async fn break_glass(story: &mut Story<'_>, owner: &mut Client) {
    let base = format!("{API}/break-glass");
    let mut code = String::new();
    for _ in 0..2 {
        let made = owner.post(&format!("{base}/code"), json!({})).await;
        let made = story.did("break_glass.seal", made).await.json();
        code = made["code"].as_str().expect("a code").to_owned();
    }
    let knock = json!({
        "organization": "harbor",
        "email": "owner@harbor.example",
        "code": code,
        "reason": "nobody gets in any more",
    });
    let mut locked_out = story.kit.nobody();
    let asked = locked_out.post("/api/v1/break-glass", knock).await;
    story.did("break_glass.knock", asked).await;
    let done = owner.post(&format!("{base}/end"), json!({})).await;
    story.did("break_glass.end", done).await;
    let made = owner.post(&format!("{base}/code"), json!({})).await.expect(201).json();
    story.aside().await;
    let fields = [
        ("organization", "harbor"),
        ("email", "owner@harbor.example"),
        ("code", made["code"].as_str().expect("a code")),
        ("reason", "nobody gets in any more"),
        ("hours", "2"),
    ];
    locked_out.get("/break-glass").await.expect(200);
    let asked = locked_out.submit("/break-glass", &fields).await;
    story.did("break_glass.knock_form", asked).await;
    let page = format!("{PAGES}/break-glass");
    owner.get(&page).await.expect(200);
    let done = owner.submit(&format!("{page}/end"), &[]).await;
    story.did("break_glass.end_form", done).await;
    let made = owner.submit(&format!("{page}/code"), &[]).await;
    story.did("break_glass.seal_form", made).await;
    let done = owner.submit(&format!("{page}/unseal"), &[]).await;
    story.did("break_glass.unseal_form", done).await;
    owner.post(&format!("{base}/code"), json!({})).await.expect(201);
    story.aside().await;
    let done = owner.delete(&format!("{base}/code")).await;
    story.did("break_glass.unseal", done).await;
    story.kit.settle().await;
    story.aside().await;
}

/// Publishes the record that a domain asks for.
async fn publish(owner: &mut Client, dns: &Script, domain: &str) -> String {
    let view = owner.get(&format!("{API}/domains/{domain}")).await.expect(200).json();
    let name = view["name"].as_str().expect("a name").to_owned();
    dns.publish(&name, view["record"]["value"].as_str().expect("what to publish"));
    name
}

async fn domains(story: &mut Story<'_>, owner: &mut Client, dns: &Script) {
    let all = format!("{API}/domains");
    let made = owner.post(&all, json!({ "name": "quay.example" })).await;
    let one = id(&story.did("domain.create", made).await);
    let renewed = owner.post(&format!("{all}/{one}/renew"), json!({})).await;
    story.did("domain.renew", renewed).await;
    owner.get(&format!("{PAGES}/domains/{one}")).await.expect(200);
    let renewed = owner.submit(&format!("{PAGES}/domains/{one}/renew"), &[]).await;
    story.did("domain.renew_form", renewed).await;
    publish(owner, dns, &one).await;
    let checked = owner.post(&format!("{all}/{one}/check"), json!({})).await;
    story.did("domain.check", checked).await;
    let done = owner.patch(&format!("{all}/{one}"), json!({ "claim_new": true })).await;
    story.did("domain.update", done).await;
    let done = owner.submit(&format!("{PAGES}/domains/{one}/claim-new"), &[("on", "")]).await;
    story.did("domain.update_form", done).await;
    let done = owner.delete(&format!("{all}/{one}")).await;
    story.did("domain.remove", done).await;

    owner.get(&format!("{PAGES}/domains/new")).await.expect(200);
    let made = owner.submit(&format!("{PAGES}/domains/new"), &[("name", "pier.example")]).await;
    let two = led_to(&story.did("domain.create_form", made).await);
    publish(owner, dns, &two).await;
    let checked = owner.submit(&format!("{PAGES}/domains/{two}/check"), &[]).await;
    story.did("domain.check_form", checked).await;
    let done = owner.submit(&format!("{PAGES}/domains/{two}/remove"), &[("confirm", "pier.example")]).await;
    story.did("domain.remove_form", done).await;
}

async fn claims(story: &mut Story<'_>, owner: &mut Client, dns: &Script) {
    for person in ["kim", "lou", "max"] {
        story.kit.account(&format!("{person}@fleet.example")).await;
    }
    let made = owner.post(&format!("{API}/domains"), json!({ "name": "fleet.example" })).await.expect(201);
    let fleet = id(&made);
    publish(owner, dns, &fleet).await;
    owner.post(&format!("{API}/domains/{fleet}/check"), json!({})).await.expect(200);
    story.aside().await;
    let page = format!("{PAGES}/domains/{fleet}/claim");
    owner.get(&page).await.expect(200);
    let body = json!({ "mode": "chosen", "addresses": ["kim@fleet.example"] });
    let made = owner.post(&format!("{API}/domains/{fleet}/claims"), body).await;
    let first = id(&story.did("claim.create", made).await);
    story.kit.settle().await;
    story.aside().await;
    let done = owner.post(&format!("{API}/claims/{first}/undo"), json!({})).await;
    story.did("claim.undo", done).await;
    story.kit.settle().await;
    story.aside().await;
    let made = owner.submit(&format!("{page}/chosen"), &[("addresses", "lou@fleet.example")]).await;
    let second = led_to(&story.did("claim.chosen_form", made).await);
    story.kit.settle().await;
    story.aside().await;
    let done = owner.submit(&format!("{PAGES}/claims/{second}/undo"), &[]).await;
    story.did("claim.undo_form", done).await;
    story.kit.settle().await;
    story.aside().await;
    let made = owner.submit(&page, &[("confirm", "fleet.example")]).await;
    story.did("claim.create_form", made).await;
    story.kit.settle().await;
    story.aside().await;
}

/// Kim's account is managed since the claim; each reset takes what Kim enrolled before it.
async fn factor_resets(story: &mut Story<'_>, owner: &mut Client, staff: &mut Client) {
    let kim = story.kit.account("kim@fleet.example").await;
    // By the rules themselves: over HTTP only a session that was signed in for enrols a factor.
    let enrol = async |kit: &Kit| {
        let ctx = kit.ctx();
        let (at, app) = (ctx.clone(), kit.app.clone());
        let made = kit.app.db().write(&ctx, move |tx| {
            let kim = platform::principals::account(tx, kim)?.expect("Kim");
            assert!(users::totp::begin(&at, tx, app.keyring(), kim.id, None)?);
            let begun = users::totp::find(tx, app.keyring(), kim.id)?.expect("an app");
            let shown = begun.enrolment(None, "Northwind", &kim.email).expect("its secret");
            let code = app_shows(&shown.secret, at.now);
            users::factors::confirm_totp(&app, &at, tx, &kim, None, &code)
        });
        assert!(made.await.expect("stored").value.is_some(), "the code is right");
    };
    enrol(story.kit).await;
    story.aside().await;
    let done = owner.post(&format!("{API}/people/{kim}/factor-reset"), json!({})).await;
    story.did("people.reset_factors", done).await;
    enrol(story.kit).await;
    story.aside().await;
    let page = format!("{PAGES}/people/{kim}/reset-factors");
    owner.get(&page).await.expect(200);
    let done = owner.submit(&page, &[]).await;
    story.did("people.reset_factors_form", done).await;
    enrol(story.kit).await;
    story.aside().await;
    let done = staff.post("/api/v1/provider/factor-resets", json!({ "email": "kim@fleet.example" })).await;
    story.did("account.reset_factors", done).await;
}

async fn contacts(story: &mut Story<'_>, owner: &mut Client) {
    let all = format!("{API}/breach-contacts");
    let person = |name: &str, email: &str| json!({ "name": name, "email": email, "role": "security" });
    let made = owner.post(&all, person("Ann Lee", "ann.lee@harbor.example")).await;
    let one = id(&story.did("breach_contact.add", made).await);
    let link = story.mailed_link("ann.lee@harbor.example", "/contacts/confirm/").await;
    let mut contact = story.kit.nobody();
    contact.get(&link).await.expect(200);
    let done = contact.submit(&link, &[]).await;
    story.did("breach_contact.confirm_form", done).await;
    let done = owner.put(&format!("{all}/{one}"), person("Ann Leeds", "ann.lee@harbor.example")).await;
    story.did("breach_contact.change", done).await;
    story.kit.advance(platform::time::HOUR);
    let done = owner.post(&format!("{all}/{one}/ask"), json!({})).await;
    story.did("breach_contact.ask", done).await;
    let done = owner.delete(&format!("{all}/{one}")).await;
    story.did("breach_contact.remove", done).await;

    let page = format!("{PAGES}/breach-contacts");
    owner.get(&format!("{page}/new")).await.expect(200);
    let fields = [("name", "Bea"), ("email", "bea@harbor.example"), ("role", "legal")];
    let made = owner.submit(&format!("{page}/new"), &fields).await;
    story.did("breach_contact.add_form", made).await;
    let two = owner.get(&all).await.expect(200).json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let fields = [("name", "Bea Moor"), ("email", "bea@harbor.example"), ("role", "legal")];
    let done = owner.submit(&format!("{page}/{two}"), &fields).await;
    story.did("breach_contact.change_form", done).await;
    story.kit.advance(platform::time::HOUR);
    let done = owner.submit(&format!("{page}/{two}/ask"), &[]).await;
    story.did("breach_contact.ask_form", done).await;
    let done = owner.submit(&format!("{page}/{two}/remove"), &[]).await;
    story.did("breach_contact.remove_form", done).await;

    let done = owner.put(&format!("{API}/breach-regimes"), json!({ "regimes": ["gdpr"] })).await;
    story.did("breach_regimes.choose", done).await;
    let done = owner.submit(&format!("{PAGES}/breach-regimes"), &[("regime", "dora")]).await;
    story.did("breach_regimes.choose_form", done).await;
}

/// Declares until a row takes it: which rows take which declaration is the table's business.
async fn declare(owner: &mut Client, what: &str, until: &str) -> Option<Answer> {
    let matrix = owner.get(&format!("{API}/matrix")).await.expect(200).json();
    let rows = matrix["rows"].as_array().expect("rows").clone();
    for row in rows.iter().filter(|row| row["side"] == "customer") {
        let body = json!({ "row": row["id"], "reason": "the registrar changes until March", "until": until });
        let answer = owner.post(&format!("{API}/{what}"), body).await;
        if answer.status.is_success() {
            return Some(answer);
        }
    }
    None
}

async fn responsibility(story: &mut Story<'_>, owner: &mut Client) {
    let until = story.kit.now().plus(platform::time::DAY * 60).rfc3339();
    let made = declare(owner, "acceptances", &until).await.expect("a row whose risk can be accepted");
    let accepted = id(&story.did("acceptance.create", made).await);
    let done = owner.delete(&format!("{API}/declarations/{accepted}")).await;
    story.did("declaration.revoke", done).await;
    if let Some(made) = declare(owner, "attestations", &until).await {
        story.did("attestation.create", made).await;
    }

    let row = format!("{PAGES}/rows/USR-C1");
    owner.get(&format!("{row}/declare?kind=acceptance&side=customer")).await.expect(200);
    let fields = [
        ("kind", "acceptance"),
        ("side", "customer"),
        ("reason", "the registrar changes until March"),
        ("until", &until[..10]),
    ];
    let made = owner.submit(&format!("{row}/declare"), &fields).await;
    story.did("declaration.create_form", made).await;
    let page = owner.get(&row).await.expect(200).text();
    let at = page.find("/declarations/").expect("a way to take it back") + "/declarations/".len();
    let declared = page[at..].split('/').next().expect("an id").to_owned();
    let done = owner.submit(&format!("{row}/declarations/{declared}/revoke"), &[]).await;
    story.did("declaration.revoke_form", done).await;
}

/// An event of the ledger with a personal field that is still there: its sequence and the field.
async fn personal_event(owner: &mut Client) -> (u64, String) {
    let list = owner.get(&format!("{API}/audit/events?limit=200")).await.expect(200).json();
    for event in list["items"].as_array().expect("events") {
        for (field, value) in event["personal"].as_object().expect("fields") {
            if !value.is_null() {
                return (event["sequence"].as_u64().expect("a number"), field.clone());
            }
        }
    }
    panic!("no event holds personal data");
}

async fn audit_log(story: &mut Story<'_>, owner: &mut Client) {
    let (sequence, field) = personal_event(owner).await;
    let done = owner.post(&format!("{API}/audit/events/{sequence}/redact"), json!({ "field": field })).await;
    story.did("audit.redact", done).await;
    let (sequence, field) = personal_event(owner).await;
    let page = format!("{PAGES}/audit-log/{sequence}/redact");
    owner.get(&page).await.expect(200);
    let done = owner.submit(&page, &[("field", &field), ("confirm", &sequence.to_string())]).await;
    story.did("audit.redact_form", done).await;
    let done = owner.put(&format!("{API}/audit/retention"), json!({ "days": 365 })).await;
    story.did("audit_retention.decide", done).await;
    let page = format!("{PAGES}/audit-log/retention");
    let form = [("keep", "for_good"), ("days", "365"), ("seen", "for_good 365")];
    let done = owner.submit(&page, &form).await;
    story.did("audit_retention.decide_form", done).await;
}

async fn provider(story: &mut Story<'_>, staff: &mut Client) {
    let made =
        staff.post("/api/v1/provider/accounts", json!({ "email": "zoe@pier.example", "name": "Zoe" })).await;
    story.did("account.create", made).await;
    let done = staff.post("/api/v1/provider/domains/recheck", json!({ "accept_losses": false })).await;
    story.did("domain.recheck", done).await;
    story.kit.settle().await;
    story.aside().await;
    staff.get("/provider/domains").await.expect(200);
    let done = staff.submit("/provider/domains/recheck", &[]).await;
    story.did("domain.recheck_form", done).await;
    story.kit.settle().await;
    story.aside().await;
    let done = staff.submit("/provider/domains/drill", &[]).await;
    story.did("domain.drill_form", done).await;
    let done = staff.post("/api/v1/provider/drills", json!({ "rows": [] })).await;
    story.did("drill.run", done).await;
    let done = staff.submit("/provider/rows/USR-P3/drill", &[]).await;
    story.did("drill.run_form", done).await;
    staff.get("/provider/drills").await.expect(200);
    let done = staff.submit("/provider/drills", &[]).await;
    story.did("drill.run_all_form", done).await;
}
