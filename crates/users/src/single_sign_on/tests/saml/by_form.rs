//! A provider that takes requests by a form alone (bindings §3.5).

use saml::xml::{Document, Limits};
use saml::{Part, names};
use serde_json::json;

use super::super::api;
use super::{ENTITY, MARA, Said, metadata, on_both};

/// What stands in an attribute of the page, letters as they are meant.
fn value<'a>(page: &'a str, before: &str) -> &'a str {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("`{before}` in {page}")).1;
    rest.split_once('"').unwrap().0
}

#[tokio::test]
async fn people_are_sent_there_by_a_signed_form_that_goes_nowhere_else() {
    on_both(async |mut world| {
        let both = metadata(ENTITY, &[&world.idp]);
        let post = both.replace(names::REDIRECT, names::POST);
        let connection = format!("{}/{}", api("harbor"), world.connection);
        world.owner.patch(&connection, json!({ "saml": { "metadata": post } })).await.expect(200);
        let mut browser = world.kit.nobody();
        let begun = browser.get(&format!("/sign-in/sso/{}", world.connection)).await.expect(200);
        let policy = begun.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action https:;") && policy.contains("script-src 'self';"), "{policy}");
        assert_eq!(begun.headers["cache-control"], "no-store");
        let page = begun.text();
        assert_eq!(value(&page, "<form method=\"post\" action=\""), "https://idp.harbor.example/sso");
        assert!(!page.contains("http-equiv"), "{page}");
        let message =
            value(&page, "name=\"SAMLRequest\" value=\"").replace("&#43;", "+").replace("&#61;", "=");
        let xml = saml::post::decode(&message).unwrap();
        let document = Document::parse(&xml, Part::Message, Limits::MESSAGE).unwrap();
        let root = document.root();
        assert_eq!(root.attribute("Destination"), Some("https://idp.harbor.example/sso"));
        assert!(root.children().any(|child| child.local() == "Signature"));

        // Other forms stay here.
        let other = browser.get("/sign-in").await.expect(200);
        let policy = other.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self';"), "{policy}");

        let said = Said {
            name_id: MARA.into(),
            issuer: ENTITY.into(),
            in_response_to: root.attribute("ID").map(str::to_owned),
            attributes: vec![("name", vec!["Mara Lind"])],
            id: "_assertion1",
        };
        let state = value(&page, "name=\"RelayState\" value=\"");
        let mut asked: url::Url = "https://idp.harbor.example/sso".parse().unwrap();
        asked.query_pairs_mut().append_pair("RelayState", state);
        world.answer(&mut browser, &asked, &said).await.expect(303);

        // Where both are offered, people go by redirect.
        let one = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"";
        let place =
            one.replace(names::REDIRECT, names::POST) + " Location=\"https://idp.harbor.example/post\"/>";
        let offered = both.replace(one, &format!("{place}{one}"));
        assert_ne!(offered, both);
        world.owner.patch(&connection, json!({ "saml": { "metadata": offered } })).await.expect(200);
        world.begin(&mut world.kit.nobody()).await;
    })
    .await;
}
