use platform::access::Role;
use serde_json::{Value, json};
use testkit::Kit;

use super::{Authentication, GrantType, Settings};

const AREAS: &[&platform::Area] = &[&crate::AREA];
const LIST: &str = "/api/v1/provider/products";

fn good() -> Value {
    json!({ "name": "Notebooks", "redirect_uris": ["https://notebooks.example/callback"] })
}

#[tokio::test]
async fn a_product_is_registered_changed_disabled_and_every_step_recorded() {
    testkit::both(
        async |kit: &Kit| {
            let mut staff = kit.owner_of("northwind").await;
            let answer = staff.post(LIST, good()).await.expect(201);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let made = answer.json();
            let secret = made["client_secret"].as_str().unwrap();
            assert!(secret.starts_with("bwc_") && secret.len() == 47);
            assert_eq!(made["client_id"], made["id"]);
            let one = format!("{LIST}/{}", made["id"].as_str().unwrap());
            let shown = staff.get(&one).await.expect(200).text();
            assert!(!shown.contains(&secret[4..]), "shown once");
            assert_eq!(staff.get(LIST).await.expect(200).json()["items"].as_array().unwrap().len(), 1);
            let changed =
                staff.patch(&one, json!({ "name": "Harbor notebooks", "everyone": true })).await.expect(200);
            assert_eq!(
                (&changed.json()["name"], &changed.json()["everyone"]),
                (&json!("Harbor notebooks"), &json!(true))
            );
            assert_eq!(changed.json()["redirect_uris"], good()["redirect_uris"], "what is not said stays");
            kit.organization("harbor").await;
            let rule = json!({ "organization": "harbor", "role": "editor" });
            let with = staff.post(&format!("{one}/access"), rule).await.expect(201).json();
            let rule = with["access"][0]["id"].as_str().unwrap();
            staff.post(&format!("{one}/access"), json!({ "organization": "nowhere" })).await.expect(422);
            staff
                .post(&format!("{one}/access"), json!({ "organization": "harbor", "group": "No" }))
                .await
                .expect(422);
            staff.delete(&format!("{one}/access/{rule}")).await.expect(204);
            staff.delete(&format!("{one}/access/{rule}")).await.expect(404);
            let rotated =
                staff.post(&format!("{one}/secrets"), json!({ "overlap_hours": 1 })).await.expect(201).json();
            assert_ne!(rotated["client_secret"].as_str(), Some(secret));
            staff.post(&format!("{one}/secrets"), json!({ "overlap_hours": 721 })).await.expect(422);
            staff.patch(&one, json!({ "state": "disabled" })).await.expect(200);
            assert_eq!(staff.get(&one).await.expect(200).json()["state"], "disabled");
            staff.patch(&one, json!({ "state": "gone" })).await.expect(422);
            let actions = kit.actions(kit.organization("northwind").await).await;
            for action in [
                "product.created",
                "product.changed",
                "product.access_allowed",
                "product.access_ended",
                "product.secret_rotated",
                "product.disabled",
            ] {
                assert!(actions.contains(&action.to_owned()), "{action}: {actions:?}");
            }
            let harbor = kit.actions(kit.organization("harbor").await).await;
            assert!(
                harbor.contains(&"product.access_allowed".to_owned()),
                "the customer sees it too: {harbor:?}"
            );
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_console_registers_shows_and_changes_a_product() {
    testkit::both(
        async |kit: &Kit| {
            let mut staff = kit.owner_of("northwind").await;
            staff.get("/provider/products").await.expect(200);
            staff.get("/provider/products/new").await.expect(200);
            let fields = [
                ("name", "Notebooks"),
                ("authentication", "secret"),
                ("redirect_uris", "https://a.example/cb\r\nhttps://b.example/cb"),
                ("scopes", "openid\r\nemail"),
                ("id_token_algorithm", "ES256"),
                ("code", "on"),
            ];
            let wrong =
                [&fields[..2], &[("redirect_uris", "http://a.example/cb"), ("code", "on")], &fields[3..5]]
                    .concat();
            let refused = staff.submit("/provider/products/new", &wrong).await.expect(422);
            assert!(refused.text().contains("https://"), "{}", refused.text());
            let made = staff.submit("/provider/products/new", &fields).await.expect(201);
            assert!(made.text().contains("bwc_"));
            let id = staff.get(LIST).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
            let page = format!("/provider/products/{id}");
            let shown = staff.get(&page).await.expect(200).text();
            assert!(shown.contains("https://a.example/cb") && !shown.contains("bwc_"));
            let renamed = [&[("name", "Deck notes")], &fields[1..]].concat();
            staff.submit(&page, &renamed).await.expect(303);
            kit.organization("harbor").await;
            staff.submit(&format!("{page}/access"), &[("organization", "harbor")]).await.expect(303);
            let secret =
                staff.submit(&format!("{page}/secrets"), &[("overlap_hours", "0")]).await.expect(201);
            assert!(secret.text().contains("bwc_"));
            staff.submit(&format!("{page}/state"), &[("state", "disabled")]).await.expect(303);
            let detail = staff.get(&format!("{LIST}/{id}")).await.expect(200).json();
            assert_eq!((&detail["name"], &detail["state"]), (&json!("Deck notes"), &json!("disabled")));
            assert_eq!(detail["access"][0]["organization"], "harbor");
            assert_eq!(detail["secrets"].as_array().unwrap().len(), 1, "the old one ended at once");
            // Somebody who may only look sees no forms.
            let mut auditor = kit.as_role("northwind", Role::Auditor).await;
            let seen = auditor.get(&page).await.expect(200).text();
            assert!(!seen.contains("New secret"));
        },
        AREAS,
    )
    .await;
}

fn wrong(change: impl FnOnce(&mut Settings)) -> Vec<&'static str> {
    let mut settings = Settings {
        name: "Notebooks".to_owned(),
        redirect_uris: vec!["https://notebooks.example/callback".to_owned()],
        ..Settings::default()
    };
    assert_eq!(settings.check(), Vec::new());
    change(&mut settings);
    settings.check().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn addresses_are_whole_safe_and_exact() {
    for uri in [
        "http://notebooks.example/callback",
        "https://notebooks.example/callback#x",
        "https://*.example/callback",
        "https://mara:secret@notebooks.example/",
        "https://notebooks.example/call back",
        "/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "com.example.app:/callback",
        "",
    ] {
        assert_eq!(
            wrong(|settings| settings.redirect_uris = vec![uri.to_owned()]),
            ["redirect_uris"],
            "{uri}"
        );
    }
    for uri in
        ["http://127.0.0.1:8123/cb", "http://localhost/cb", "http://[::1]/cb", "https://x.example/?a=b"]
    {
        assert!(wrong(|settings| settings.redirect_uris = vec![uri.to_owned()]).is_empty(), "{uri}");
    }
    let app = wrong(|settings| {
        settings.authentication = Authentication::None;
        settings.redirect_uris = vec!["com.example.app:/callback".to_owned()];
    });
    assert!(app.is_empty());
}

#[test]
fn what_cannot_work_is_refused_with_the_field_it_is_about() {
    assert_eq!(wrong(|settings| settings.name = " ".to_owned()), ["name"]);
    assert_eq!(wrong(|settings| settings.redirect_uris.clear()), ["redirect_uris"]);
    assert_eq!(wrong(|settings| settings.grant_types.clear()), ["grant_types"]);
    assert_eq!(wrong(|settings| settings.scopes = vec!["a b".to_owned()]), ["scopes"]);
    assert_eq!(wrong(|settings| settings.audiences = vec!["api".to_owned()]), ["audiences"]);
    assert_eq!(wrong(|settings| settings.authentication = Authentication::PrivateKeyJwt), ["jwks"]);
    let own = wrong(|settings| {
        settings.authentication = Authentication::None;
        settings.grant_types = vec![GrantType::ClientCredentials];
    });
    assert_eq!(own, ["grant_types"]);
}
