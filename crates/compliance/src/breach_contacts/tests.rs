use std::time::Duration;

use platform::access::Role;
use platform::evidence::{Finding, Verdict};
use platform::ids::OrganizationId;
use platform::time::DAY;
use serde_json::{Value, json};
use testkit::{Client, Kit};

use super::{ContactRole, Details};

const AREAS: &[&platform::Area] = &[&crate::AREA];
const ALL: &str = "/api/v1/organizations/harbor/breach-contacts";
const PAGE: &str = "/o/harbor/breach-contacts";
const YEAR: Duration = super::CONFIRMED_FOR;

fn person(name: &str, primary: bool) -> Value {
    json!({"name": name, "email": format!("{name}@harbor.example"), "role": "security", "primary": primary})
}

/// The path of the link in the newest mail to `email`.
async fn link(kit: &Kit, email: &str) -> String {
    let mail = kit.mail_to(email).await.unwrap_or_else(|| panic!("no mail to {email}"));
    let mail = mail.replace("=\r\n", "").replace("=3D", "=");
    let at = mail.find("/contacts/confirm/").expect("a link");
    mail[at..].split_whitespace().next().unwrap().to_owned()
}

async fn press(kit: &Kit, link: &str) -> testkit::Answer {
    let mut contact = kit.nobody();
    contact.get(link).await.expect(200);
    contact.submit(link, &[]).await
}

async fn confirmed(kit: &Kit, owner: &mut Client, name: &str, primary: bool) -> String {
    let made = owner.post(ALL, person(name, primary)).await.expect(201).json();
    let link = link(kit, &format!("{name}@harbor.example")).await;
    press(kit, &link).await.expect(200);
    made["id"].as_str().unwrap().to_owned()
}

async fn finding(kit: &Kit, organization: OrganizationId) -> Finding {
    let source = crate::AREA.evidence.iter().find(|source| source.row == "POL-C4").unwrap();
    let now = kit.now();
    kit.app.db().read(move |tx| (source.evaluate)(tx, organization, now)).await.unwrap()
}

async fn assert_gap(kit: &Kit, organization: OrganizationId, reason: &str) {
    let found = finding(kit, organization).await;
    assert_eq!((found.state, found.reason.as_str()), (Verdict::NotMet, reason));
    assert!(found.action.is_some_and(|action| action.href.starts_with(PAGE)), "{reason}");
}

#[test]
fn details_are_checked_field_by_field() {
    let check = |name: &str, email: &str, phone: &str| {
        Details::check(name, email, phone, ContactRole::Legal, false)
            .map_err(|wrong| wrong.into_iter().map(|(field, _)| field).collect::<Vec<_>>())
            .map(|_| ())
    };
    assert_eq!(check(" Ann Lee ", "ann@harbor.example", ""), Ok(()));
    assert_eq!(check("Desk", "a+b@harbor.example", "+41 (44) 123-45.67"), Ok(()));
    assert_eq!(check("", "ann", "call me"), Err(vec!["name", "email", "phone"]));
    for email in [
        "Ann <ann@harbor.example>",
        "ann@harbor",
        "ann@b@harbor.example",
        "@harbor.example",
        "ann@harbor.example\r\nBcc: x@y.example",
        "ann@b\u{fc}cher.example",
        "a,b@harbor.example",
    ] {
        assert_eq!(check("Ann", email, ""), Err(vec!["email"]), "{email:?}");
    }
    assert_eq!(check("a\u{202e}b", "ann@harbor.example", "1234"), Err(vec!["name", "phone"]));
}

#[tokio::test]
async fn the_row_breaks_and_is_restored() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let unconfirmed = "the primary contact has not confirmed in the last 12 months";
            let alone = "only the primary contact has confirmed, and nobody would be told in their absence";
            assert_gap(kit, harbor, "nobody is named to be told of a breach").await;
            let second = confirmed(kit, &mut owner, "bob", false).await;
            assert_gap(kit, harbor, "no contact is the primary one").await;
            let first = owner.post(ALL, person("ann", true)).await.expect(201).json();
            assert_gap(kit, harbor, unconfirmed).await;
            press(kit, &link(kit, "ann@harbor.example").await).await.expect(200);
            assert_gap(kit, harbor, "nobody has chosen which breach rules apply").await;
            let regimes = "/api/v1/organizations/harbor/breach-regimes";
            owner.put(regimes, json!({"regimes": ["gdpr", "nis2"]})).await.expect(200);

            let met = finding(kit, harbor).await;
            assert_eq!(met.state, Verdict::Met);
            assert_eq!(met.valid_until, Some(kit.now().plus(YEAR)));
            let facts: Vec<_> = met.facts.iter().map(|fact| fact.sentence.as_str()).collect();
            assert_eq!(facts[0], "2 of 2 contacts confirmed in the last 12 months");
            assert_eq!(facts[3], "reports under GDPR, NIS2");

            // Replaced by somebody who has not confirmed.
            let id = first["id"].as_str().unwrap();
            owner.put(&format!("{ALL}/{id}"), person("eve", true)).await.expect(200);
            assert_gap(kit, harbor, unconfirmed).await;
            press(kit, &link(kit, "eve@harbor.example").await).await.expect(200);
            assert_eq!(finding(kit, harbor).await.state, Verdict::Met);
            // The second one goes.
            owner.delete(&format!("{ALL}/{second}")).await.expect(204);
            assert_gap(kit, harbor, alone).await;
            confirmed(kit, &mut owner, "kim", false).await;
            assert_eq!(finding(kit, harbor).await.state, Verdict::Met);
            // Another organization's contacts say nothing about this one, and the other way round.
            assert_eq!(finding(kit, kit.organization("quay").await).await.state, Verdict::NotMet);
            // Time alone breaks it, exactly when it was said to.
            let until = finding(kit, harbor).await.valid_until.unwrap();
            kit.advance(until.since(kit.now()));
            assert_gap(kit, harbor, unconfirmed).await;
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_link_works_once_and_not_forever() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let made = owner.post(ALL, person("ann", true)).await.expect(201).json();
            let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
            let first = link(kit, "ann@harbor.example").await;
            // Opening it, as mail scanners do, uses nothing up.
            kit.nobody().get(&first).await.expect(200);
            assert_eq!(owner.get(&one).await.expect(200).json()["confirmed_at"], json!(null));
            owner.post(&format!("{one}/ask"), json!({})).await.expect(429);
            kit.advance(Duration::from_secs(61));
            owner.post(&format!("{one}/ask"), json!({})).await.expect(200);
            kit.nobody().get(&first).await.expect(404);
            let second = link(kit, "ann@harbor.example").await;
            assert_ne!(first, second);
            let mut contact = kit.nobody();
            contact.get(&second).await.expect(200);
            contact.submit(&second, &[]).await.expect(200);
            contact.submit(&second, &[]).await.expect(404);
            assert_ne!(owner.get(&one).await.expect(200).json()["confirmed_at"], json!(null));

            owner.put(&one, person("bob", true)).await.expect(200);
            assert_eq!(owner.get(&one).await.expect(200).json()["confirmed_at"], json!(null));
            let third = link(kit, "bob@harbor.example").await;
            kit.nobody().get(&third).await.expect(200);
            kit.advance(super::LINK_LIFETIME);
            kit.nobody().get(&third).await.expect(404);
            for bad in
                ["/contacts/confirm/x", "/contacts/confirm/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
            {
                kit.nobody().get(bad).await.expect(404);
            }
            let confirmations = kit.actions(harbor).await;
            assert_eq!(
                confirmations.iter().filter(|action| *action == "breach_contact.confirmed").count(),
                1
            );
        },
        AREAS,
    )
    .await;
}

/// A page of another site cannot press the button, and the store alone does not give the link.
#[tokio::test]
async fn a_confirmation_needs_the_page_and_the_secret() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            owner.post(ALL, person("ann", true)).await.expect(201);
            let link = link(kit, "ann@harbor.example").await;
            kit.nobody().submit(&link, &[]).await.expect(403);
            let hash: Vec<u8> = kit
                .app
                .db()
                .read(move |tx| {
                    let secret = super::Secret::parse(link.rsplit('/').next().unwrap()).unwrap();
                    assert!(super::open(tx, &secret, platform::time::Timestamp::EPOCH)?.is_some());
                    Ok::<_, platform::db::DbError>(secret.hash().to_vec())
                })
                .await
                .unwrap();
            let stored = super::Secret(hash.try_into().unwrap());
            let now = kit.now();
            let found = kit.app.db().read(move |tx| super::open(tx, &stored, now)).await.unwrap();
            assert!(found.is_none(), "what the store keeps opens nothing");
            assert!(!kit.actions(harbor).await.contains(&"breach_contact.confirmed".to_owned()));
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn contacts_are_asked_again_before_their_year_ends() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            confirmed(kit, &mut owner, "ann", true).await;
            let before = link(kit, "ann@harbor.example").await;
            kit.advance_settled(330 * DAY, 30 * DAY).await;
            assert_eq!(link(kit, "ann@harbor.example").await, before);
            kit.advance_settled(10 * DAY, DAY).await;
            let asked = link(kit, "ann@harbor.example").await;
            assert_ne!(asked, before);
            // Once a fortnight, not every day; and the old confirmation still counts.
            kit.advance_settled(5 * DAY, DAY).await;
            assert_eq!(link(kit, "ann@harbor.example").await, asked);
            press(kit, &asked).await.expect(200);
            kit.advance_settled(60 * DAY, 5 * DAY).await;
            let asks =
                kit.actions(harbor).await.iter().filter(|action| *action == "breach_contact.asked").count();
            assert_eq!(asks, 2);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn there_is_one_primary_one_per_address_and_a_bound() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            owner.post(ALL, person("ann", true)).await.expect(201);
            let bob = owner.post(ALL, person("bob", true)).await.expect(201).json();
            let all = owner.get(ALL).await.expect(200).json();
            let primaries: Vec<_> =
                all["items"].as_array().unwrap().iter().filter(|c| c["primary"] == true).collect();
            assert_eq!(primaries.len(), 1);
            assert_eq!(primaries[0]["id"], bob["id"]);
            let mut twin = person("carl", false);
            twin["email"] = json!("ANN@harbor.example");
            owner.post(ALL, twin.clone()).await.expect(409);
            owner.put(&format!("{ALL}/{}", bob["id"].as_str().unwrap()), twin).await.expect(409);
            for n in 2..super::CONTACTS_MAX {
                owner.post(ALL, person(&format!("p{n}"), false)).await.expect(201);
            }
            owner.post(ALL, person("more", false)).await.expect(409);
            let wrong =
                owner.post(ALL, json!({"name": "", "email": "x", "role": "legal"})).await.expect(422).json();
            let pointers: Vec<_> =
                wrong["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
            assert_eq!(pointers, ["/name", "/email"]);
            let etag = owner.get(ALL).await.header("etag").is_some();
            assert!(etag);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn mails_are_bounded_even_when_contacts_come_and_go() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for n in 0..super::ASKED_PER_DAY_MAX {
                let made = owner.post(ALL, person(&format!("p{n}"), false)).await.expect(201).json();
                owner.delete(&format!("{ALL}/{}", made["id"].as_str().unwrap())).await.expect(204);
            }
            owner.post(ALL, person("more", false)).await.expect(429);
            kit.advance(DAY);
            kit.advance(DAY);
            owner.post(ALL, person("more", false)).await.expect(201);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn strangers_find_nothing_and_members_may_not() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let made = owner.post(ALL, person("ann", true)).await.expect(201).json();
            let one = format!("{ALL}/{}", made["id"].as_str().unwrap());
            let mut stranger = kit.owner_of("quay").await;
            let mut member = kit.as_role("harbor", Role::Member).await;
            let mut auditor = kit.as_role("harbor", Role::Auditor).await;
            for (client, read, write) in
                [(&mut stranger, 404, 404), (&mut member, 403, 403), (&mut auditor, 200, 403)]
            {
                client.get(ALL).await.expect(read);
                client.get(&one).await.expect(read);
                client.get(PAGE).await.expect(read);
                client.post(ALL, person("bob", false)).await.expect(write);
                client.put(&one, person("bob", false)).await.expect(write);
                client.post(&format!("{one}/ask"), json!({})).await.expect(write);
                client.delete(&one).await.expect(write);
                client.get(&format!("{PAGE}/new")).await.expect(write);
                client.submit(&format!("{PAGE}/new"), &[("name", "Bob")]).await.expect(write);
            }
            // A contact's id of another organization names nothing in one's own.
            let other = one.replace("harbor", "quay");
            stranger.get(&other).await.expect(404);
            stranger.delete(&other).await.expect(404);
            kit.nobody().get(ALL).await.expect(401);
            owner.get(&one).await.expect(200);
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_pages_do_the_whole_job() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            assert!(owner.get(PAGE).await.expect(200).text().contains("Nobody is named yet"));
            let new = format!("{PAGE}/new");
            assert!(owner.get(&new).await.expect(200).text().contains("checked"));
            let wrong =
                owner.submit(&new, &[("name", "Ann"), ("email", "ann"), ("role", "legal")]).await.expect(422);
            assert!(wrong.text().contains("is no mail address") && wrong.text().contains("value=\"Ann\""));
            let fields = [
                ("name", "Ann <b>Lee</b>"),
                ("email", "ann@harbor.example"),
                ("role", "legal"),
                ("primary", "on"),
            ];
            owner.submit(&new, &fields).await.expect(303);
            let page = owner.get(PAGE).await.expect(200).text();
            assert!(page.contains("Not confirmed") && page.contains("Primary"));
            assert!(!page.contains("<b>Lee</b>"), "names are escaped");
            let link = link(kit, "ann@harbor.example").await;
            let mut contact = kit.nobody();
            let shown = contact.get(&link).await.expect(200).text();
            assert!(shown.contains("Harbor") && shown.contains("legal"));
            assert!(contact.submit(&link, &[]).await.expect(200).text().contains("Confirmed"));
            assert!(owner.get(PAGE).await.expect(200).text().contains(">Confirmed</span>"));

            let refused = owner.submit("/o/harbor/breach-regimes", &[("reason", "")]).await.expect(422);
            assert!(refused.text().contains("choose the rules that apply"));
            owner
                .submit("/o/harbor/breach-regimes", &[("regime", "gdpr"), ("regime", "dora")])
                .await
                .expect(303);
            let page = owner.get(PAGE).await.expect(200).text();
            assert_eq!(page.matches(" checked>").count(), 2);

            let id = owner.get(ALL).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
            let edit = format!("{PAGE}/{id}");
            assert!(owner.get(&edit).await.expect(200).text().contains("POL-C4 is a gap"));
            let fields = [("name", "Ann"), ("email", "ann@harbor.example"), ("role", "legal")];
            owner.submit(&edit, &fields).await.expect(303);
            assert!(owner.get(PAGE).await.expect(200).text().contains("on its way"));
            owner.submit(&format!("{edit}/remove"), &[]).await.expect(303);
            assert!(owner.get(PAGE).await.expect(200).text().contains("Nobody is named yet"));
        },
        AREAS,
    )
    .await;
}
