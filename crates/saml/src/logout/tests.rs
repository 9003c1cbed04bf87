use super::*;
use crate::tests::fixtures::{AUDIENCE, ISSUER, PROVIDER, certificates, file, now};
use crate::{Certificate, Sha1, redirect};

const SLO: &str = "https://sp.example/saml/acme/slo";

fn expected(certificates: &[Certificate], now: Time) -> Expected<'_> {
    Expected {
        issuer: ISSUER,
        destination: SLO,
        trust: Trust { certificates, sha1: Sha1::Refused, now },
        skew_seconds: 60,
    }
}

fn name_id() -> NameId {
    NameId {
        value: "0815-mara".into(),
        format: Some(crate::names::PERSISTENT.into()),
        name_qualifier: None,
        sp_name_qualifier: Some(AUDIENCE.into()),
    }
}

fn request(name_id: &NameId) -> LogoutRequest<'_> {
    LogoutRequest {
        id: "_l1",
        issued: now(),
        destination: SLO,
        issuer: ISSUER,
        name_id,
        session_index: Some("_s1"),
        not_on_or_after: now().plus_seconds(300),
    }
}

fn response() -> LogoutResponse<'static> {
    LogoutResponse {
        id: "_l2",
        issued: now(),
        destination: SLO,
        issuer: ISSUER,
        in_response_to: "_l1",
        outcome: Outcome::Success,
    }
}

fn ask(xml: &str, change: impl FnOnce(&mut Expected<'_>)) -> Result<Asked, Kind> {
    let mut expected = expected(&PROVIDER.certificates, now());
    change(&mut expected);
    read_request(&Message::Post(xml.as_bytes()), &expected).map_err(|error| error.kind)
}

fn redirected(direction: Direction, xml: &str) -> Received {
    let address =
        redirect::address("https://sp.example/slo", direction, xml, Some("s"), &PROVIDER.key).unwrap();
    Received::parse(address.split_once('?').unwrap().1).unwrap()
}

/// Of the moment that pysaml2 made it.
fn issued(xml: &[u8]) -> Time {
    let document = Document::parse(xml, Part::Message, Limits::MESSAGE).unwrap();
    document.root().time("IssueInstant").unwrap().unwrap()
}

#[test]
fn what_pysaml2_asks_by_either_binding_is_read() {
    let keys = certificates();
    let post = file!("pysaml2-logout-request-post.xml");
    let query = std::str::from_utf8(file!("pysaml2-logout-request-redirect.txt")).unwrap();
    let received = Received::parse(query.trim()).unwrap();
    assert_eq!(received.relay_state.as_deref(), Some("state 1"));
    for message in [Message::Post(post), Message::Redirect(&received)] {
        let asked = read_request(&message, &expected(&keys, issued(post).plus_seconds(5))).unwrap();
        assert_eq!(asked.id, "_logout1");
        assert_eq!(asked.name_id, name_id());
        assert_eq!(asked.session_indexes, ["_session1", "_session2"]);
        assert_eq!(asked.until, crate::tests::fixtures::at("2099-01-01T00:01:00Z"));
    }
}

#[test]
fn what_pysaml2_answers_by_either_binding_is_read() {
    let keys = certificates();
    let post = file!("pysaml2-logout-response-post.xml");
    let query = std::str::from_utf8(file!("pysaml2-logout-response-redirect.txt")).unwrap();
    let received = Received::parse(query.trim()).unwrap();
    for message in [Message::Post(post), Message::Redirect(&received)] {
        let expected = expected(&keys, issued(post).plus_seconds(5));
        read_response(&message, "_ours1", &expected).unwrap();
        assert_eq!(read_response(&message, "_other", &expected).unwrap_err().kind, Kind::InResponseTo);
    }
}

#[test]
fn what_this_service_sends_is_read_by_both_bindings() {
    let name_id = name_id();
    let xml = request(&name_id).to_xml();
    let received = redirected(Direction::Request, &xml);
    let signed = PROVIDER.sign(&xml);
    for message in [Message::Redirect(&received), Message::Post(signed.as_bytes())] {
        let asked = read_request(&message, &expected(&PROVIDER.certificates, now())).unwrap();
        assert_eq!((asked.id.as_str(), &asked.name_id), ("_l1", &name_id));
        assert_eq!(asked.session_indexes, ["_s1"]);
    }
    let xml = response().to_xml();
    let received = redirected(Direction::Response, &xml);
    let signed = PROVIDER.sign(&xml);
    for message in [Message::Redirect(&received), Message::Post(signed.as_bytes())] {
        read_response(&message, "_l1", &expected(&PROVIDER.certificates, now())).unwrap();
    }
    let partial = LogoutResponse { outcome: Outcome::Partial, ..response() }.to_xml();
    assert!(partial.contains("status:PartialLogout"));
}

#[test]
fn unsigned_logout_is_refused() {
    let name_id = name_id();
    let xml = request(&name_id).to_xml();
    assert_eq!(ask(&xml, |_| ()), Err(Kind::Unsigned));
    let address = redirect::address("https://x/", Direction::Request, &xml, None, &PROVIDER.key).unwrap();
    let query = address.split_once('?').unwrap().1.split("&SigAlg").next().unwrap();
    let received = Received::parse(query).unwrap();
    let refused = read_request(&Message::Redirect(&received), &expected(&PROVIDER.certificates, now()));
    assert_eq!(refused.unwrap_err().kind, Kind::Unsigned);
    // By redirect the signature stands in the query; one inside is somebody else's idea.
    let inside = redirected(Direction::Request, &PROVIDER.sign(&xml));
    let refused = read_request(&Message::Redirect(&inside), &expected(&PROVIDER.certificates, now()));
    assert_eq!(refused.unwrap_err().kind, Kind::SignatureInside);
}

#[test]
fn logout_is_held_to_issuer_destination_and_time() {
    let name_id = name_id();
    let signed = PROVIDER.sign(&request(&name_id).to_xml());
    assert!(ask(&signed, |_| ()).is_ok());
    assert_eq!(ask(&signed, |e| e.issuer = "https://idp.other.example/"), Err(Kind::Issuer));
    assert_eq!(ask(&signed, |e| e.destination = "https://sp.example/saml/other/slo"), Err(Kind::Destination));
    assert_eq!(ask(&signed, |e| e.trust.now = now().plus_seconds(360)), Err(Kind::Expired));
    assert_eq!(ask(&signed, |e| e.trust.now = now().minus_seconds(61)), Err(Kind::Early));
    let endless =
        PROVIDER.sign(&request(&name_id).to_xml().replace(" NotOnOrAfter=\"2026-03-01T12:05:30.000Z\"", ""));
    assert!(ask(&endless, |e| e.trust.now = now().plus_seconds(600)).is_ok());
    assert_eq!(ask(&endless, |e| e.trust.now = now().plus_seconds(660)), Err(Kind::Expired));
    let old = PROVIDER.sign(&request(&name_id).to_xml().replace("Version=\"2.0\"", "Version=\"1.1\""));
    assert_eq!(ask(&old, |_| ()), Err(Kind::Version));
    let sealed = PROVIDER.sign(&request(&name_id).to_xml().replace("saml:NameID", "saml:EncryptedID"));
    assert_eq!(ask(&sealed, |_| ()), Err(Kind::EncryptedId));
    let indexes = "<samlp:SessionIndex>x</samlp:SessionIndex>".repeat(65);
    let many = PROVIDER.sign(
        &request(&name_id)
            .to_xml()
            .replace("</samlp:LogoutRequest>", &format!("{indexes}</samlp:LogoutRequest>")),
    );
    assert_eq!(ask(&many, |_| ()), Err(Kind::Nodes));
}

/// One kind of message never passes for another: not a response for a request, nor a sign-in for a logout.
#[test]
fn kinds_of_messages_are_not_mixed() {
    let name_id = name_id();
    let answer = PROVIDER.sign(&response().to_xml());
    assert_eq!(ask(&answer, |_| ()), Err(Kind::Root("LogoutRequest")));
    assert_eq!(
        ask(&crate::tests::fixtures::Draft::default().response(), |_| ()),
        Err(Kind::Root("LogoutRequest"))
    );
    let wrong_name = redirected(Direction::Response, &request(&name_id).to_xml());
    let refused = read_request(&Message::Redirect(&wrong_name), &expected(&PROVIDER.certificates, now()));
    assert_eq!(refused.unwrap_err().kind, Kind::Query("SAMLRequest"));
    assert!(crate::response::verify(answer.as_bytes(), &PROVIDER.expected()).is_err());
}

#[test]
fn a_failed_logout_is_told_by_its_code() {
    let failed = PROVIDER.sign(&response().to_xml().replace("status:Success", "status:Responder"));
    let refused =
        read_response(&Message::Post(failed.as_bytes()), "_l1", &expected(&PROVIDER.certificates, now()));
    assert_eq!(refused.unwrap_err().kind, Kind::Status("Responder".into()));
}

/// Wrapping, for logout: a genuine request inside a forged one.
#[test]
fn a_wrapped_logout_request_is_refused() {
    let name_id = name_id();
    let genuine = PROVIDER.sign(&request(&name_id).to_xml());
    let signature = &genuine[genuine.find("<ds:Signature").unwrap()
        ..genuine.find("</ds:Signature>").unwrap() + "</ds:Signature>".len()];
    let bare = genuine.replace(signature, "");
    let forged = bare.replace("0815-mara", "0815-owner").replace("_l1", "_evil");
    let with_object =
        signature.replace("</ds:Signature>", &format!("<ds:Object>{bare}</ds:Object></ds:Signature>"));
    for inner in [signature.to_owned(), with_object, format!("{signature}{bare}")] {
        let xml = forged.replacen("</saml:Issuer>", &format!("</saml:Issuer>{inner}"), 1);
        let refused = ask(&xml, |_| ()).unwrap_err();
        assert!(matches!(refused, Kind::Reference | Kind::Misplaced), "{refused:?}");
    }
}
