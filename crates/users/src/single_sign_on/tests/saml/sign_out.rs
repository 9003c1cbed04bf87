//! Sign-out with a SAML provider, both ways.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saml::logout::{LogoutResponse, Outcome};
use saml::redirect::{self, Direction, Received};
use saml::xml::{Document, Limits};
use saml::{NameId, SigningKey, Time, names};
use serde_json::json;
use testkit::{Answer, Client};
use url::Url;

use super::super::{api, leads_to};
use super::{ENTITY, MARA, Said, World, encoded, on_both};

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[tokio::test]
async fn a_sign_out_at_the_saml_provider_ends_the_session_here() {
    on_both(async |world| {
        let mut browser = world.signed_in().await;
        let now = Time(world.kit.now().micros());
        let name_id = NameId {
            value: MARA.into(),
            format: Some(names::EMAIL.into()),
            name_qualifier: None,
            sp_name_qualifier: None,
        };
        let request = saml::logout::LogoutRequest {
            id: "_out1",
            issued: now,
            destination: world.view["saml"]["slo_url"].as_str().unwrap(),
            issuer: ENTITY,
            name_id: &name_id,
            session_index: Some("_session1"),
            not_on_or_after: now.plus_seconds(60),
        };
        let address = saml::redirect::address(
            "https://x/",
            Direction::Request,
            &request.to_xml(),
            Some("r"),
            &world.idp.key,
        )
        .unwrap();
        let query = address.split_once('?').unwrap().1;
        let unsigned = query.split("&SigAlg").next().unwrap();
        let path = format!("/saml/{}/slo", world.connection);
        browser.get(&format!("{path}?{unsigned}")).await.expect(403);
        browser.get("/account").await.expect(200);
        // Straight back: a page of ours would not be shown in the frame that many providers open.
        let answer = browser.get(&format!("{path}?{query}")).await.expect(303);
        let back = Url::parse(answer.location()).unwrap();
        assert!(back.as_str().starts_with("https://idp.harbor.example/slo?SAMLResponse="), "{back}");
        assert!(back.query_pairs().any(|(name, value)| name == "RelayState" && value == "r"));
        browser.get("/account").await.expect(303);
        browser.get(&format!("{path}?{query}")).await.expect(403);
        // As a form, signed in itself.
        let mut again = world.kit.nobody();
        let asked = world.begin(&mut again).await;
        let said = Said { id: "_a2", ..world.said(&asked) };
        world.answer(&mut again, &asked, &said).await.expect(303);
        let request = saml::logout::LogoutRequest { id: "_out2", ..request };
        let bare = STANDARD.encode(request.to_xml());
        for (field, status, still) in [(bare, 403, 200), (world.sign(&request.to_xml()), 303, 303)] {
            let form = encoded(&[("SAMLRequest", field.as_str())]);
            again.send(Method::POST, &path, FORM, form.into_bytes()).await.expect(status);
            again.get("/account").await.expect(still);
        }
        let logged_out = world.actions().await.into_iter().filter(|one| one == "single_sign_on.logged_out");
        assert_eq!(logged_out.count(), 2);
    })
    .await;
}

impl World<'_> {
    fn slo(&self) -> String {
        format!("/saml/{}/slo", self.connection)
    }

    /// Signs out here; where that leads at the provider.
    async fn signs_out(&self, browser: &mut Client) -> Url {
        browser.get("/account").await.expect(200);
        let answer = browser.submit("/sign-out", &[]).await.expect(200);
        browser.get("/account").await.expect(303);
        leads_to(&answer)
    }

    /// What the provider answers to the request in this address.
    fn answer_to(&self, asked: &Url) -> String {
        let received = Received::parse(asked.query().unwrap()).unwrap();
        let document = Document::parse(&received.xml, saml::Part::Message, Limits::MESSAGE).unwrap();
        let answer = LogoutResponse {
            id: "_answer1",
            issued: Time(self.kit.now().micros()),
            destination: self.view["saml"]["slo_url"].as_str().unwrap(),
            issuer: ENTITY,
            in_response_to: document.root().attribute("ID").unwrap(),
            outcome: Outcome::Success,
        };
        answer.to_xml()
    }

    /// The browser brings an answer by redirect.
    async fn returns(&self, browser: &mut Client, xml: &str, state: &str, key: &SigningKey) -> Answer {
        let address = redirect::address("https://x/", Direction::Response, xml, Some(state), key).unwrap();
        browser.get(&format!("{}?{}", self.slo(), address.split_once('?').unwrap().1)).await
    }
}

fn state_of(asked: &Url) -> String {
    asked.query_pairs().find(|(name, _)| name == "RelayState").unwrap().1.into_owned()
}

#[tokio::test]
async fn signing_out_here_leads_on_to_the_saml_provider() {
    on_both(async |mut world| {
        let mut browser = world.signed_in().await;
        let asked = world.signs_out(&mut browser).await;
        assert!(asked.as_str().starts_with("https://idp.harbor.example/slo?SAMLRequest="), "{asked}");
        // It names the person in the words in which the provider did, and the session there.
        let received = Received::parse(asked.query().unwrap()).unwrap();
        let text = String::from_utf8(received.xml).unwrap();
        let name = format!("<saml:NameID Format=\"{}\">{MARA}</saml:NameID>", names::EMAIL);
        assert!(text.contains(&name), "{text}");
        assert!(text.contains("<samlp:SessionIndex>_session1</samlp:SessionIndex>"), "{text}");
        assert!(asked.query_pairs().any(|(name, _)| name == "Signature"), "requests are signed");
        let xml = world.answer_to(&asked);
        let back = world.returns(&mut browser, &xml, &state_of(&asked), &world.idp.key).await.expect(303);
        assert_eq!(back.location(), "/sign-in");
        // Without the address, or where it is not wanted, signing out stays here.
        world
            .owner
            .patch(&format!("{}/{}", api("harbor"), world.connection), json!({ "sign_out_upstream": false }))
            .await
            .expect(200);
        let mut other = world.kit.nobody();
        let asked = world.begin(&mut other).await;
        let said = Said { id: "_a2", ..world.said(&asked) };
        world.answer(&mut other, &asked, &said).await.expect(303);
        other.get("/account").await.expect(200);
        assert_eq!(other.submit("/sign-out", &[]).await.expect(303).location(), "/sign-in");
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_a_sign_out_must_be_the_providers_and_to_our_request() {
    on_both(async |world| {
        let mut browser = world.signed_in().await;
        let asked = world.signs_out(&mut browser).await;
        let slo = world.slo();
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        let stranger = SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap();
        let (xml, state) = (world.answer_to(&asked), state_of(&asked));
        world.returns(&mut browser, &xml, &state, &stranger).await.expect(502);
        let unsigned =
            redirect::address("https://x/", Direction::Response, &xml, Some(&state), &stranger).unwrap();
        let unsigned = unsigned.split_once('?').unwrap().1.split("&SigAlg").next().unwrap();
        browser.get(&format!("{slo}?{unsigned}")).await.expect(502);
        // The answer to another request is none to this one.
        let key = &world.idp.key;
        world
            .returns(&mut browser, &xml.replace("InResponseTo=\"_", "InResponseTo=\"_x"), &state, key)
            .await
            .expect(502);
        world.returns(&mut browser, &xml, "no state of ours", key).await.expect(502);
        world.returns(&mut browser, &xml, &state, key).await.expect(303);
        // As a form, signed in itself.
        let field = world.sign(&xml);
        for (pairs, status) in [
            (vec![("SAMLResponse", field.as_str()), ("RelayState", state.as_str())], 303),
            (vec![("SAMLResponse", field.as_str())], 502),
            (vec![("SAMLResponse", field.as_str()), ("SAMLResponse", field.as_str())], 400),
        ] {
            browser.send(Method::POST, &slo, FORM, encoded(&pairs).into_bytes()).await.expect(status);
        }
        // Nothing of this is an act: it changes nothing and fills no ledger.
        assert!(!world.actions().await.iter().any(|one| one == "single_sign_on.logged_out"));
    })
    .await;
}
