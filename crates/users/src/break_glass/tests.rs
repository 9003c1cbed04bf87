//! Break-glass: two owners with sealed codes get past a closed door, everybody is alarmed, and it ends by itself.

use platform::access::Role;
use platform::time::{HOUR, MINUTE};
use serde_json::{Value, json};
use testkit::{Client, Kit, both_with};

use super::SealedCode;
use crate::kit::{PASSWORD, believed, real_sign_in, sign_up, try_password};
use crate::policies::Rules;
use crate::policies::networks::Networks;

const PATH: &str = "/api/v1/organizations/harbor/break-glass";
const POLICY: &str = "/api/v1/organizations/harbor/policy";
const MARA: &str = "mara@harbor-logistics.dev";
const NILS: &str = "nils@harbor-logistics.dev";
const ELSEWHERE: &str = "198.51.100.9";

async fn code(owner: &mut Client) -> String {
    let made = owner.post(&format!("{PATH}/code"), json!({})).await.expect(201);
    made.json()["code"].as_str().unwrap().to_owned()
}

fn knock(email: &str, code: &str) -> Value {
    json!({"organization": "harbor", "email": email, "code": code, "reason": "the office line is down", "hours": 2})
}

async fn try_code(kit: &Kit, email: &str, code: &str) -> testkit::Answer {
    kit.nobody().from_ip(ELSEWHERE).post("/api/v1/break-glass", knock(email, code)).await
}

/// Two owners with sessions, locked into one network.
async fn scene(kit: &Kit) -> (Client, Client) {
    kit.organization("northwind").await;
    kit.member("northwind", "chief@northwind.example", Role::Owner).await;
    let mut mara = sign_up(kit, MARA).await;
    mara.post("/api/v1/organizations", json!({"name": "Harbor", "slug": "harbor"})).await.expect(201);
    let nils = sign_up(kit, NILS).await;
    kit.member("harbor", NILS, Role::Owner).await;
    let networks = Some(Networks::parse_list("203.0.113.0/24").unwrap());
    let rules = Rules { networks, ..Rules::RECOMMENDED };
    mara.put(POLICY, serde_json::to_value(rules).unwrap()).await.expect(200);
    (mara, nils)
}

#[tokio::test]
async fn two_owners_open_it_for_themselves_and_time_closes_it() {
    both_with(
        async |kit| {
            let (mut mara, mut nils) = scene(kit).await;
            let (first, second) = (code(&mut mara).await, code(&mut nils).await);
            let mut away = kit.nobody().from_ip(ELSEWHERE);
            try_password(&mut away, MARA, PASSWORD).await.expect(403);
            let asked = try_code(kit, MARA, &first.to_lowercase()).await.expect(200).json();
            assert_eq!(asked["state"], "asked");
            try_password(&mut away, MARA, PASSWORD).await.expect(403);
            let opened = try_code(kit, NILS, &second).await.expect(200).json();
            assert_eq!(opened["state"], "open");
            // Both still need their passwords.
            try_password(&mut away, MARA, "not her password at all").await.expect(422);
            try_password(&mut away, MARA, PASSWORD).await.expect(303);
            away.get(POLICY).await.expect(200);
            // For nobody else.
            sign_up(kit, "olga@harbor-logistics.dev").await;
            kit.member("harbor", "olga@harbor-logistics.dev", Role::Owner).await;
            try_password(&mut kit.nobody().from_ip(ELSEWHERE), "olga@harbor-logistics.dev", PASSWORD)
                .await
                .expect(403);
            for to in [MARA, NILS, "chief@northwind.example"] {
                // Mails of one instant have no order.
                let mails = kit.mails().await;
                let told = mails
                    .iter()
                    .any(|mail| mail.contains(&format!("To: {to}")) && mail.contains("is OPEN until"));
                assert!(told, "{to}: {mails:?}");
            }
            kit.advance(HOUR * 2 - MINUTE);
            away.get(POLICY).await.expect(200);
            // The policies do not wait for the job.
            kit.advance(MINUTE);
            away.get(POLICY).await.expect(403);
            kit.settle().await;
            away.get("/account").await.expect(303);
            let shown = mara.get(PATH).await;
            let shown = if shown.status == 401 { again(kit).await } else { shown }.expect(200).json();
            assert_eq!(shown["openings"][0]["state"], "closed");
            // Codes work once.
            try_code(kit, MARA, &first).await.expect(422);
            try_code(kit, NILS, &second).await.expect(422);
            let actions = kit.actions(kit.organization("harbor").await).await;
            for action in
                ["break_glass.code_made", "break_glass.asked", "break_glass.opened", "break_glass.closed"]
            {
                assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
            }
        },
        real_sign_in,
    )
    .await;
}

async fn again(kit: &Kit) -> testkit::Answer {
    let mut mara = kit.nobody();
    try_password(&mut mara, MARA, PASSWORD).await.expect(303);
    mara.get(PATH).await
}

#[tokio::test]
async fn one_owner_alone_opens_nothing_and_a_request_lapses() {
    both_with(
        async |kit| {
            let (mut mara, mut nils) = scene(kit).await;
            let (first, second) = (code(&mut mara).await, code(&mut nils).await);
            try_code(kit, MARA, &first).await.expect(200);
            // Not with a second code of the same owner.
            let again = code(&mut mara).await;
            try_code(kit, MARA, &again).await.expect(409);
            kit.advance(HOUR);
            kit.settle().await;
            let asked = try_code(kit, NILS, &second).await.expect(200).json();
            assert_eq!(asked["state"], "asked", "the first request has lapsed");
            // An owner who does not know of it ends it.
            mara.get("/account").await.expect(200);
            mara.post(&format!("{PATH}/end"), json!({})).await.expect(204);
            mara.post(&format!("{PATH}/end"), json!({})).await.expect(404);
            let shown = mara.get(PATH).await.expect(200).json();
            let states: Vec<_> =
                shown["openings"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
            assert_eq!(states, ["lapsed", "lapsed"]);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn a_wrong_code_tells_nothing_and_stands_in_the_ledger() {
    both_with(
        async |kit| {
            let (mut mara, mut nils) = scene(kit).await;
            let (first, second) = (code(&mut mara).await, code(&mut nils).await);
            let ask = async |body: Value| {
                let answer = kit.nobody().post("/api/v1/break-glass", body).await;
                (answer.status.as_u16(), answer.json())
            };
            let wrong = ask(knock(MARA, &"0".repeat(26))).await;
            assert_eq!(wrong.0, 422);
            let mut elsewhere = knock(MARA, &first);
            elsewhere["organization"] = json!("quay");
            for other in [knock(MARA, &second), knock("zoe@nowhere.dev", &first), knock(MARA, "x"), elsewhere]
            {
                assert_eq!(ask(other).await, wrong);
            }
            // A code that was replaced, or taken out of use.
            let newer = code(&mut mara).await;
            assert_eq!(ask(knock(MARA, &first)).await, wrong);
            mara.delete(&format!("{PATH}/code")).await.expect(204);
            assert_eq!(ask(knock(MARA, &newer)).await, wrong);
            let northwind = kit.organization("northwind").await;
            let refused =
                kit.actions(northwind).await.iter().filter(|one| *one == "break_glass.refused").count();
            assert_eq!(refused, 7);
            // Somebody who is no owner any more.
            kit.advance(MINUTE);
        },
        real_sign_in,
    )
    .await;
}

#[tokio::test]
async fn only_owners_seal_codes_and_the_page_shows_a_code_once() {
    both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            kit.organization("northwind").await;
            let mut admin = kit.as_role("harbor", Role::Admin).await;
            admin.post(&format!("{PATH}/code"), json!({})).await.expect(403);
            admin.get("/o/harbor/break-glass").await.expect(200);
            let page = owner.submit("/o/harbor/break-glass/code", &[]).await.expect(200);
            assert_eq!(page.header("cache-control"), Some("no-store"));
            let text = page.text();
            let at = text.find("<code>").expect("a code") + 6;
            let shown = &text[at..at + 32];
            assert!(SealedCode::parse(shown).is_some(), "{shown}");
            assert!(!owner.get("/o/harbor/break-glass").await.expect(200).text().contains(shown));
            owner.submit("/o/harbor/break-glass/unseal", &[]).await.expect(303);
            let door = kit.nobody().get("/break-glass").await.expect(200).text();
            assert!(door.contains("sealed code"), "{door}");
        },
        believed,
    )
    .await;
}

#[test]
fn a_code_is_read_as_people_write_it() {
    let mut seed = 0_u8;
    let code = SealedCode::generate(&mut |bytes| {
        for byte in bytes {
            seed = seed.wrapping_add(29);
            *byte = seed;
        }
    });
    let text = code.text();
    assert_eq!(text.len(), 26 + 6);
    let typed = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    assert_eq!(SealedCode::parse(&typed).unwrap().hash(), code.hash());
    for wrong in [&text[1..], &format!("{text}0"), "", "ü", &text.replace('-', "_")] {
        assert!(SealedCode::parse(wrong).is_none(), "{wrong}");
    }
}
