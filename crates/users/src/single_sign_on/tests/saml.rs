//! Sign-in through a SAML provider of the tests' own, over HTTP as a browser does it.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::time::{DAY, MINUTE, Timestamp};
use saml::redirect::{Direction, Received};
use saml::xml::{Document, Limits};
use saml::{SigningKey, Time, names};
use serde_json::{Value, json};
use testkit::{Answer, Client, Kit};
use url::Url;

use super::{api, leads_to, options};
use crate::domains::tests::verified;

mod by_form;
mod naming;
mod own_key;
mod sign_out;

const ENTITY: &str = "https://idp.harbor.example/saml";
const MARA: &str = "mara@harbor.example";

/// A SAML identity provider: signs what a test wants.
struct Idp {
    key: SigningKey,
    certificate: Vec<u8>,
}

impl Idp {
    fn new() -> Self {
        Self::made(|_| ())
    }

    fn ending(end: Timestamp) -> Self {
        let day = end.rfc3339();
        let number = |from: usize, to: usize| day[from..to].parse::<i32>().unwrap();
        let date = rcgen::date_time_ymd(number(0, 4), number(5, 7) as u8, number(8, 10) as u8);
        Self::made(|parameters| parameters.not_after = date)
    }

    fn made(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        let signer = rcgen::KeyPair::try_from(pkcs8.as_ref()).unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["idp.harbor.example".to_owned()]).unwrap();
        change(&mut parameters);
        let certificate = parameters.self_signed(&signer).unwrap().der().to_vec();
        Self { key: SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap(), certificate }
    }

    fn key_descriptor(&self) -> String {
        format!(
            "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
             <ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
            STANDARD.encode(&self.certificate)
        )
    }
}

fn metadata(entity: &str, idps: &[&Idp]) -> String {
    let keys: String = idps.iter().map(|idp| idp.key_descriptor()).collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity}\">\
         <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}\
         <md:SingleLogoutService Binding=\"{redirect}\" Location=\"https://idp.harbor.example/slo\"/>\
         <md:SingleSignOnService Binding=\"{redirect}\" Location=\"https://idp.harbor.example/sso\"/>\
         </md:IDPSSODescriptor></md:EntityDescriptor>",
        redirect = names::REDIRECT
    )
}

struct World<'k> {
    kit: &'k Kit,
    idp: Idp,
    owner: Client,
    connection: String,
    view: Value,
}

async fn on_both<F: AsyncFn(World<'_>)>(test: F) {
    testkit::both_with(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            verified(kit, &mut owner, "harbor", "harbor.example").await;
            let idp = Idp::new();
            let body = json!({ "name": "Harbor SAML", "kind": "saml", "saml": { "metadata": metadata(ENTITY, &[&idp]) } });
            let view = owner.post(&api("harbor"), body).await.expect(201).json();
            let connection = view["id"].as_str().unwrap().to_owned();
            owner.post(&format!("{}/{connection}/enable", api("harbor")), json!({})).await.expect(200);
            test(World { kit, idp, owner, connection, view }).await;
        },
        options,
    )
    .await;
}

/// What a Response says; tests change it.
struct Said {
    name_id: String,
    issuer: String,
    in_response_to: Option<String>,
    attributes: Vec<(&'static str, Vec<&'static str>)>,
    id: &'static str,
}

impl World<'_> {
    async fn begin(&self, browser: &mut Client) -> Url {
        leads_to(&browser.get(&format!("/sign-in/sso/{}", self.connection)).await.expect(200))
    }

    fn said(&self, asked: &Url) -> Said {
        let received = Received::parse(asked.query().unwrap()).unwrap();
        assert_eq!(received.direction, Direction::Request);
        let document = Document::parse(&received.xml, saml::Part::Message, Limits::MESSAGE).unwrap();
        Said {
            name_id: MARA.into(),
            issuer: ENTITY.into(),
            in_response_to: document.root().attribute("ID").map(str::to_owned),
            attributes: vec![("name", vec!["Mara Lind"])],
            id: "_assertion1",
        }
    }

    fn response(&self, said: &Said) -> String {
        let now = Time(self.kit.now().micros());
        let (acs, audience) =
            (self.view["redirect_uri"].as_str().unwrap(), self.view["saml"]["entity_id"].as_str().unwrap());
        let reply =
            said.in_response_to.as_ref().map(|id| format!(" InResponseTo=\"{id}\"")).unwrap_or_default();
        let (issued, end) = (now.to_text(), now.plus_seconds(300).to_text());
        let attributes: String = said
            .attributes
            .iter()
            .map(|(name, values)| {
                let values: String = values
                    .iter()
                    .map(|value| format!("<saml:AttributeValue>{value}</saml:AttributeValue>"))
                    .collect();
                format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
            })
            .collect();
        format!(
            "<samlp:Response xmlns:samlp=\"{}\" xmlns:saml=\"{}\" ID=\"_response1\" Version=\"2.0\" IssueInstant=\"{issued}\" Destination=\"{acs}\"{reply}>\
             <saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"{}\"/></samlp:Status>\
             <saml:Assertion ID=\"{}\" Version=\"2.0\" IssueInstant=\"{issued}\"><saml:Issuer>{issuer}</saml:Issuer>\
             <saml:Subject><saml:NameID Format=\"{}\">{}</saml:NameID><saml:SubjectConfirmation Method=\"{}\">\
             <saml:SubjectConfirmationData{reply} NotOnOrAfter=\"{end}\" Recipient=\"{acs}\"/></saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotOnOrAfter=\"{end}\"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{issued}\" SessionIndex=\"_session1\"/>\
             <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>",
            names::SAMLP,
            names::SAML,
            names::SUCCESS,
            said.id,
            names::EMAIL,
            said.name_id,
            names::BEARER,
            issuer = said.issuer,
        )
    }

    async fn post(&self, browser: &mut Client, asked: Option<&Url>, field: &str) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLResponse", field);
        if let Some((_, state)) =
            asked.and_then(|asked| asked.query_pairs().find(|(name, _)| name == "RelayState"))
        {
            form.append_pair("RelayState", &state);
        }
        let kind = Some("application/x-www-form-urlencoded");
        browser
            .send(Method::POST, &format!("/saml/{}/acs", self.connection), kind, form.finish().into_bytes())
            .await
    }

    fn sign(&self, xml: &str) -> String {
        saml::post::encode(xml, &self.idp.key, &self.idp.certificate).unwrap()
    }

    /// The whole way; the provider says `said`.
    async fn answer(&self, browser: &mut Client, asked: &Url, said: &Said) -> Answer {
        self.bring(browser, asked, &self.sign(&self.response(said))).await
    }

    /// The browser brings this field, and goes where it is sent.
    async fn bring(&self, browser: &mut Client, asked: &Url, field: &str) -> Answer {
        let came = self.post(browser, Some(asked), field).await;
        if came.status != 303 {
            return came;
        }
        browser.get(came.location()).await
    }

    async fn signed_in(&self) -> Client {
        let mut browser = self.kit.nobody();
        let asked = self.begin(&mut browser).await;
        self.answer(&mut browser, &asked, &self.said(&asked)).await.expect(303);
        browser.get("/account").await.expect(200);
        browser
    }

    async fn change(&mut self, change: Value) -> Answer {
        let path = format!("{}/{}", api("harbor"), self.connection);
        self.owner.patch(&path, json!({ "saml": change })).await
    }

    async fn actions(&self) -> Vec<String> {
        let harbor = self.kit.organization("harbor").await;
        self.kit.actions(harbor).await
    }
}

#[tokio::test]
async fn a_saml_provider_signs_people_in_and_makes_their_accounts() {
    on_both(async |world| {
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        assert!(asked.as_str().starts_with("https://idp.harbor.example/sso?SAMLRequest="), "{asked}");
        assert!(asked.query_pairs().any(|(name, _)| name == "Signature"), "requests are signed");
        world.answer(&mut browser, &asked, &world.said(&asked)).await.expect(303);
        assert!(browser.get("/account").await.expect(200).text().contains(MARA));
        // The same person again, by another assertion.
        let mut again = world.kit.nobody();
        let asked = world.begin(&mut again).await;
        world.answer(&mut again, &asked, &Said { id: "_a2", ..world.said(&asked) }).await.expect(303);
        let actions = world.actions().await;
        assert_eq!(actions.iter().filter(|one| *one == "account.created").count(), 1, "{actions:?}");
        assert_eq!(actions.iter().filter(|one| *one == "single_sign_on.linked").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_assertion_counts_once_and_for_its_request() {
    on_both(async |world| {
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let field = world.sign(&world.response(&world.said(&asked)));
        let to = world.post(&mut browser, Some(&asked), &field).await.expect(303).location().to_owned();
        browser.get(&to).await.expect(303);
        browser.get(&to).await.expect(410);
        world.post(&mut browser, Some(&asked), &field).await.expect(410);
        // The same assertion under another request, and without one.
        let other = world.begin(&mut browser).await;
        world.bring(&mut browser, &other, &field).await.expect(502);
        world.post(&mut browser, None, &field).await.expect(403);
        assert!(world.actions().await.iter().any(|one| one == "single_sign_on.failed"));
        // The same ID in a new Response is the same assertion.
        let other = world.begin(&mut browser).await;
        let told = world.answer(&mut browser, &other, &world.said(&other)).await.expect(502).text();
        assert!(told.contains("used before"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_taken_up_by_the_browser_that_asked() {
    on_both(async |world| {
        let (mut mine, mut theirs) = (world.kit.nobody(), world.kit.nobody());
        let asked = world.begin(&mut mine).await;
        world.begin(&mut theirs).await;
        let field = world.sign(&world.response(&world.said(&asked)));
        let to = world.post(&mut theirs, Some(&asked), &field).await.expect(303).location().to_owned();
        theirs.get(&to).await.expect(410);
        mine.get(&to).await.expect(303);
        // Kept for two minutes and no longer.
        let asked = world.begin(&mut mine).await;
        let said = Said { id: "_assertion2", ..world.said(&asked) };
        let to = world
            .post(&mut mine, Some(&asked), &world.sign(&world.response(&said)))
            .await
            .expect(303)
            .location()
            .to_owned();
        world.kit.advance(MINUTE * 3);
        mine.get(&to).await.expect(410);
    })
    .await;
}

#[tokio::test]
async fn unsigned_and_foreign_answers_are_refused() {
    on_both(async |world| {
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let unsigned = STANDARD.encode(world.response(&world.said(&asked)));
        let told = world.bring(&mut browser, &asked, &unsigned).await.expect(502).text();
        assert!(told.contains("signed"), "{told}");
        let asked = world.begin(&mut browser).await;
        let stranger = Idp::new();
        let xml = world.response(&world.said(&asked));
        let field = saml::post::encode(&xml, &stranger.key, &stranger.certificate).unwrap();
        world.bring(&mut browser, &asked, &field).await.expect(502);
        let asked = world.begin(&mut browser).await;
        let other = Said { issuer: "https://idp.other.example/".into(), ..world.said(&asked) };
        world.answer(&mut browser, &asked, &other).await.expect(502);
        let failed = world.actions().await.into_iter().filter(|one| one == "single_sign_on.failed").count();
        assert_eq!(failed, 3);
        browser.get("/account").await.expect(303);
    })
    .await;
}

/// The provider of one organization never speaks for another's domain.
#[tokio::test]
async fn a_saml_provider_speaks_for_the_domains_of_its_organization_alone() {
    on_both(async |world| {
        for (id, address) in
            [("_a1", "mara@northwind.example"), ("_a2", "mara@gmail.com"), ("_a3", "no address")]
        {
            let mut browser = world.kit.nobody();
            let asked = world.begin(&mut browser).await;
            let said = Said { name_id: address.into(), id, ..world.said(&asked) };
            let answer = world.answer(&mut browser, &asked, &said).await;
            assert_eq!(answer.status, 403, "{address}");
        }
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let several = Said { attributes: vec![("name", vec!["a", "b"])], id: "_a9", ..world.said(&asked) };
        world.answer(&mut browser, &asked, &several).await.expect(502);
    })
    .await;
}

#[tokio::test]
async fn sign_ins_that_begin_at_the_provider_need_the_opt_in() {
    on_both(async |mut world| {
        let asked = world.begin(&mut world.kit.nobody()).await;
        let said = Said { in_response_to: None, ..world.said(&asked) };
        let field = world.sign(&world.response(&said));
        let mut browser = world.kit.nobody();
        world.post(&mut browser, None, &field).await.expect(403);
        world.change(json!({ "unsolicited": true })).await.expect(200);
        let to = world.post(&mut browser, None, &field).await.expect(303).location().to_owned();
        browser.get(&to).await.expect(303);
        browser.get("/account").await.expect(200);
        // An answer to somebody's request does not pass for one that nobody asked for.
        let stolen = world.sign(&world.response(&Said { id: "_a2", ..world.said(&asked) }));
        world.post(&mut world.kit.nobody(), None, &stolen).await.expect(403);
    })
    .await;
}

#[tokio::test]
async fn keys_roll_over_without_anybody_standing_outside() {
    on_both(async |mut world| {
        let next = Idp::new();
        let both = metadata(ENTITY, &[&world.idp, &next]);
        let changed = world.change(json!({ "metadata": both })).await.expect(200).json();
        assert_eq!(changed["saml"]["certificates"].as_array().unwrap().len(), 2);
        drop(world.signed_in().await);
        world.idp = next;
        let mut browser = world.kit.nobody();
        let asked = world.begin(&mut browser).await;
        let said = Said { id: "_a2", ..world.said(&asked) };
        world.answer(&mut browser, &asked, &said).await.expect(303);
        // Metadata of another provider is not taken for this one.
        let other = metadata("https://idp.other.example/", &[&world.idp]);
        world.change(json!({ "metadata": other })).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn an_exception_for_sha1_has_an_end() {
    on_both(async |mut world| {
        let day = |days: u32| world.kit.now().plus(DAY * days).rfc3339();
        let (soon, late, past) = (day(30), day(200), world.kit.now().rfc3339());
        for wrong in [late, past, "soon".to_owned()] {
            world.change(json!({ "sha1_until": wrong })).await.expect(422);
        }
        let changed = world.change(json!({ "sha1_until": soon })).await.expect(200).json();
        assert_eq!(changed["saml"]["sha1_until"], soon);
        let changed = world.change(json!({ "sha1_until": "" })).await.expect(200).json();
        assert_eq!(changed["saml"]["sha1_until"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn our_metadata_says_where_answers_go_and_holds_no_secret() {
    on_both(async |world| {
        let answer =
            world.kit.nobody().get(&format!("/saml/{}/metadata", world.connection)).await.expect(200);
        let text = answer.text();
        for part in [
            world.view["redirect_uri"].as_str().unwrap(),
            world.view["saml"]["slo_url"].as_str().unwrap(),
            "WantAssertionsSigned=\"true\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("PRIVATE"));
        world
            .kit
            .nobody()
            .get(&format!("/saml/{}/metadata", world.kit.ctx().id::<crate::single_sign_on::ConnectionId>()))
            .await
            .expect(404);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_metadata_makes_no_connection() {
    on_both(async |mut world| {
        let by_soap = metadata(ENTITY, &[&world.idp])
            .replace(names::REDIRECT, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP");
        let doctype = format!("<!DOCTYPE x>{}", metadata(ENTITY, &[&world.idp]));
        for wrong in [
            json!({}),
            json!({ "metadata": "<a/>" }),
            json!({ "metadata": metadata(ENTITY, &[]) }),
            json!({ "metadata": by_soap }),
            json!({ "metadata": doctype }),
            json!({ "metadata_url": "http://169.254.169.254/metadata" }),
        ] {
            let body = json!({ "name": "Another", "kind": "saml", "saml": wrong });
            world.owner.post(&api("harbor"), body).await.expect(422);
        }
        let disabled =
            world.owner.post(&format!("{}/{}/disable", api("harbor"), world.connection), json!({})).await;
        disabled.expect(200);
        world.kit.nobody().get(&format!("/sign-in/sso/{}", world.connection)).await.expect(403);
    })
    .await;
}

#[tokio::test]
async fn admins_hear_before_the_last_certificate_ends() {
    on_both(async |world| {
        // The provider's certificate ends in the year 4096; one that ends soon takes its place in the store by new metadata.
        let mut world = world;
        let now = world.kit.now();
        let soon = Idp::ending(now.plus(DAY * 20));
        world.change(json!({ "metadata": metadata(ENTITY, &[&soon]) })).await.expect(200);
        world.kit.advance_settled(DAY * 2, DAY).await;
        let owner = world
            .kit
            .mails()
            .await
            .into_iter()
            .filter(|mail| mail.contains("certificate of Harbor SAML"))
            .count();
        assert_eq!(owner, 1, "once for each step");
        assert!(world.actions().await.iter().any(|one| one == "connection.certificate_ending"));
    })
    .await;
}

#[tokio::test]
async fn the_console_connects_a_saml_provider() {
    on_both(async |mut world| {
        let page = world.owner.get("/o/harbor/connections/new-saml").await.expect(200).text();
        assert!(page.contains("Metadata of the provider"));
        let other = Idp::new();
        let xml = metadata("https://idp.second.example/", &[&other]);
        let fields = [
            ("name", "Second"),
            ("metadata", xml.as_str()),
            ("email_claim", "NameID"),
            ("name_claim", "name"),
            ("groups_claim", "groups"),
            ("creates_accounts", "on"),
            ("vouches_for_addresses", "on"),
            ("proof", "told"),
        ];
        let made = world
            .owner
            .submit("/o/harbor/connections/new-saml", &fields)
            .await
            .expect(303)
            .location()
            .to_owned();
        let shown = world.owner.get(&made).await.expect(200).text();
        for part in
            ["Assertion consumer service", "https://idp.second.example/", "Certificate ends", "Single logout"]
        {
            assert!(shown.contains(part), "{part}");
        }
        let wrong = world
            .owner
            .submit(
                "/o/harbor/connections/new-saml",
                &[
                    ("name", "Third"),
                    ("metadata", "<a/>"),
                    ("email_claim", "NameID"),
                    ("name_claim", "n"),
                    ("groups_claim", "g"),
                ],
            )
            .await
            .expect(422)
            .text();
        assert!(wrong.contains("EntityDescriptor"), "{wrong}");
    })
    .await;
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
