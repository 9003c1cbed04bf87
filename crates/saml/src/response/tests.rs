use crate::response::{Demands, Expected, Flow, verify};
use crate::tests::fixtures::{
    ACS, AUDIENCE, Draft, ISSUER, PROVIDER, Provider, REQUEST, STATUS, at, expected, file, now, refused,
    response_head, try_draft, wrap,
};
use crate::{Kind, Sha1, Time};

fn reason(draft: &Draft, change: impl FnOnce(&mut Expected<'_>)) -> Kind {
    match try_draft(draft, change) {
        Ok(_) => panic!("let in"),
        Err(error) => error.kind,
    }
}

/// A draft with one text for another in any of its parts.
fn with(from: &str, to: &str) -> Draft {
    let mut draft = Draft::default();
    let mut changed = 0;
    let Draft { name_id, confirmation, conditions, statements, .. } = &mut draft;
    for part in [name_id, confirmation, conditions, statements] {
        changed += part.matches(from).count();
        *part = part.replace(from, to);
    }
    assert_ne!(changed, 0, "{from} is in no part");
    draft
}

#[test]
fn every_signed_document_of_signxml_is_let_in() {
    for (xml, sha1) in [
        (file!("signed-rsa-sha256.xml").as_slice(), false),
        (file!("signed-rsa-sha384.xml"), false),
        (file!("signed-rsa-sha512.xml"), false),
        (file!("signed-ecdsa-sha256.xml"), false),
        (file!("signed-ecdsa-sha384.xml"), false),
        (file!("signed-response.xml"), false),
        (file!("signed-both.xml"), false),
        (file!("signed-rsa-sha1.xml"), true),
    ] {
        let exception = if sha1 { Sha1::AllowedUntil(now().plus_seconds(1)) } else { Sha1::Refused };
        let login = verify(xml, &Expected { sha1: exception, ..expected() }).unwrap();
        assert_eq!(login.name_id.value, "mara@acme.example");
        assert_eq!(login.name_id.format.as_deref(), Some(crate::names::EMAIL));
        assert_eq!(login.attributes.one("email"), Ok(Some("mara@acme.example")));
        assert_eq!(login.attributes.all("groups"), ["staff", "R&D <lab>"]);
        assert_eq!(login.session_index.as_deref(), Some("_session1"));
        assert_eq!(login.authenticated, at("2026-03-01T11:59:00Z"));
        assert_eq!(login.remember.assertion, "_assertion1");
        assert_eq!(login.remember.until, at("2026-03-01T12:06:00Z"), "the end and the skew");
        assert_eq!(login.signed_by.sha1, sha1);
        assert_eq!(login.signed_by.certificate_ends, at("2036-01-01T00:00:00Z"));
        assert_eq!(
            login.context.unwrap(),
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
        );
    }
}

/// The exception is for one connection and has an end.
#[test]
fn sha1_is_refused_without_a_dated_exception() {
    let xml = file!("signed-rsa-sha1.xml");
    assert_eq!(refused(xml, &expected()), Kind::Sha1);
    let ended = Expected { sha1: Sha1::AllowedUntil(now()), ..expected() };
    assert_eq!(refused(xml, &ended), Kind::Sha1);
}

#[test]
fn keys_come_from_metadata_alone() {
    // Its KeyInfo holds the certificate that verifies it; nobody asks it.
    let xml = file!("signed-rsa-sha256.xml");
    assert!(xml.windows(15).any(|part| part == b"X509Certificate"));
    assert_eq!(refused(xml, &Expected { certificates: &[], ..expected() }), Kind::Signature);
    let others = Provider::new("other.example").certificates;
    assert_eq!(refused(xml, &Expected { certificates: &others, ..expected() }), Kind::Signature);
}

#[test]
fn weak_keys_are_not_even_metadata() {
    let text = std::str::from_utf8(file!("weak.crt")).unwrap();
    let inner: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let error = crate::Certificate::from_der(&crate::base64::decode(&inner).unwrap()).unwrap_err();
    assert!(matches!(error.kind, Kind::Key(_)));
    assert_eq!(refused(file!("signed-rsa-weak.xml"), &expected()), Kind::Signature);
}

#[test]
fn unsigned_is_refused() {
    assert_eq!(refused(file!("unsigned.xml"), &expected()), Kind::Unsigned);
    assert_eq!(refused(wrap(&Draft::default().xml()).as_bytes(), &PROVIDER.expected()), Kind::Unsigned);
}

#[test]
fn what_a_connection_demands_to_be_signed_must_be() {
    let demands = |signed_response, signed_assertion| Expected {
        demands: Demands { signed_response, signed_assertion },
        ..expected()
    };
    assert_eq!(refused(file!("signed-rsa-sha256.xml"), &demands(true, false)), Kind::ResponseUnsigned);
    assert_eq!(refused(file!("signed-response.xml"), &demands(false, true)), Kind::AssertionUnsigned);
    assert!(verify(file!("signed-both.xml"), &demands(true, true)).is_ok());
    assert_eq!(refused(file!("encrypted-gcm-outer.xml"), &demands(false, true)), Kind::AssertionUnsigned);
    assert!(verify(file!("encrypted-cbc256-both.xml"), &demands(true, true)).is_ok());
}

#[test]
fn audience_must_be_ours() {
    assert_eq!(reason(&with(AUDIENCE, "https://sp.example/saml/other/metadata"), |_| ()), Kind::Audience);
    assert_eq!(reason(&with(AUDIENCE, &format!("{AUDIENCE}/")), |_| ()), Kind::Audience);
    assert_eq!(reason(&with(AUDIENCE, &AUDIENCE.to_uppercase()), |_| ()), Kind::Audience);
    let none =
        with("<saml:AudienceRestriction>", "<!--").conditions.replace("</saml:AudienceRestriction>", "-->");
    assert_eq!(
        reason(&Draft { conditions: none, ..Draft::default() }, |_| ()),
        Kind::Missing("AudienceRestriction")
    );
    // Several in one are any of them, several of them are all of them.
    let other = "<saml:Audience>urn:other</saml:Audience>";
    assert!(try_draft(&with("<saml:Audience>", &format!("{other}<saml:Audience>")), |_| ()).is_ok());
    let both = with(
        "</saml:Conditions>",
        &format!("<saml:AudienceRestriction>{other}</saml:AudienceRestriction></saml:Conditions>"),
    );
    assert_eq!(reason(&both, |_| ()), Kind::Audience);
}

#[test]
fn recipient_must_be_ours() {
    assert_eq!(reason(&with(ACS, "https://sp.example/saml/other/acs"), |_| ()), Kind::Recipient);
    assert_eq!(reason(&with(&format!("Recipient=\"{ACS}\""), ""), |_| ()), Kind::Recipient);
}

#[test]
fn destination_must_be_ours() {
    let draft = Draft::default();
    let moved =
        draft.response().replace(&format!("Destination=\"{ACS}\""), "Destination=\"https://evil.example/\"");
    assert_eq!(refused(moved.as_bytes(), &PROVIDER.expected()), Kind::Destination);
    // An unsigned Response may leave it out, a signed one must not (bindings §3.5.5.2).
    let without = |xml: String| xml.replace(&format!("Destination=\"{ACS}\""), "");
    assert!(verify(without(draft.response()).as_bytes(), &PROVIDER.expected()).is_ok());
    let signed = PROVIDER.sign(&without(wrap(&draft.xml())));
    assert_eq!(refused(signed.as_bytes(), &PROVIDER.expected()), Kind::Destination);
}

#[test]
fn issuer_must_be_the_connection_s() {
    let other = |change: &mut Expected<'_>| change.issuer = "https://idp.other.example/saml";
    assert_eq!(reason(&Draft::default(), other), Kind::Issuer);
    // Only the assertion's issuer is signed here; the Response's is held to the same.
    let mixed = Draft::default().response().replacen(ISSUER, "https://idp.other.example/saml", 1);
    assert_eq!(refused(mixed.as_bytes(), &PROVIDER.expected()), Kind::Issuer);
    let odd = PROVIDER.sign(&Draft::default().xml().replace(ISSUER, &format!("{ISSUER}<!-- -->.evil")));
    assert_eq!(refused(wrap(&odd).as_bytes(), &PROVIDER.expected()), Kind::Issuer);
    let absent = Draft::default().response().replacen(&format!("<saml:Issuer>{ISSUER}</saml:Issuer>"), "", 1);
    assert!(verify(absent.as_bytes(), &PROVIDER.expected()).is_ok(), "the Response's is optional");
}

#[test]
fn not_before_and_not_on_or_after_hold_to_the_second() {
    let at_time = |time: Time| {
        try_draft(&Draft::default(), |e| (e.now, e.skew_seconds) = (time, 0)).map_err(|e| e.kind)
    };
    assert!(at_time(at("2026-03-01T12:00:00Z")).is_ok());
    assert!(at_time(at("2026-03-01T12:04:59.999999Z")).is_ok());
    assert_eq!(at_time(at("2026-03-01T12:05:00Z")), Err(Kind::Expired));
    assert_eq!(at_time(at("2026-03-01T11:58:59Z")), Err(Kind::Early));
    let skewed = |time: Time| {
        try_draft(&Draft::default(), |e| (e.now, e.skew_seconds) = (time, 60)).map_err(|e| e.kind)
    };
    assert!(skewed(at("2026-03-01T12:05:59Z")).is_ok());
    assert_eq!(skewed(at("2026-03-01T12:06:00Z")), Err(Kind::Expired));
    assert!(skewed(at("2026-03-01T11:59:00Z")).is_ok());
    // Each of the ends counts alone.
    let conditions = with(
        "NotBefore=\"2026-03-01T11:59:00Z\" NotOnOrAfter=\"2026-03-01T12:05:00Z\"",
        "NotOnOrAfter=\"2026-03-01T11:00:00Z\"",
    );
    assert_eq!(reason(&conditions, |_| ()), Kind::Expired);
    let early = with("NotBefore=\"2026-03-01T11:59:00Z\"", "NotBefore=\"2026-03-01T13:00:00Z\"");
    assert_eq!(reason(&early, |_| ()), Kind::Early);
    let confirmation = with(
        "InResponseTo=\"_request1\" NotOnOrAfter=\"2026-03-01T12:05:00Z\"",
        "InResponseTo=\"_request1\" NotOnOrAfter=\"2026-03-01T11:00:00Z\"",
    );
    assert_eq!(reason(&confirmation, |_| ()), Kind::Expired);
    let endless = with(" NotOnOrAfter=\"2026-03-01T12:05:00Z\" Recipient", " Recipient");
    assert_eq!(reason(&endless, |_| ()), Kind::Bearer);
    let session = with("SessionIndex=\"_s1\"", "SessionNotOnOrAfter=\"2026-03-01T11:59:00Z\"");
    assert_eq!(reason(&session, |_| ()), Kind::Expired);
    let nonsense = with("NotBefore=\"2026-03-01T11:59:00Z\"", "NotBefore=\"soon\"");
    assert_eq!(reason(&nonsense, |_| ()), Kind::Time("NotBefore"));
}

/// What has to be remembered ends within a day, whatever the provider says.
#[test]
fn an_old_assertion_is_refused_however_long_it_says_it_lasts() {
    let mut draft = with("NotOnOrAfter=\"2026-03-01T12:05:00Z\"", "NotOnOrAfter=\"2099-01-01T00:00:00Z\"");
    let login = try_draft(&draft, |_| ()).unwrap();
    assert_eq!(login.remember.until, at("2026-03-02T12:01:00Z"));
    assert_eq!(reason(&draft, |e| e.now = at("2026-03-02T12:01:00Z")), Kind::Expired);
    draft.id = "_a2";
    assert!(try_draft(&draft, |e| e.now = at("2026-03-02T11:59:00Z")).is_ok());
}

#[test]
fn it_must_answer_the_request_of_this_sign_in() {
    let asked = |id| move |e: &mut Expected<'_>| e.flow = Flow::Requested { id };
    assert_eq!(reason(&Draft::default(), asked("_other")), Kind::InResponseTo);
    assert_eq!(reason(&with(&format!("InResponseTo=\"{REQUEST}\""), ""), |_| ()), Kind::InResponseTo);
    assert_eq!(
        reason(&with(&format!("InResponseTo=\"{REQUEST}\""), "InResponseTo=\"_other\""), |_| ()),
        Kind::InResponseTo
    );
    // The unsigned Response must not say otherwise, a signed one must say it.
    let other = Draft::default().response().replacen(
        &format!("InResponseTo=\"{REQUEST}\""),
        "InResponseTo=\"_other\"",
        1,
    );
    assert_eq!(refused(other.as_bytes(), &PROVIDER.expected()), Kind::InResponseTo);
    let silent = wrap(&Draft::default().xml()).replacen(&format!("InResponseTo=\"{REQUEST}\""), "", 1);
    assert_eq!(refused(PROVIDER.sign(&silent).as_bytes(), &PROVIDER.expected()), Kind::InResponseTo);
}

#[test]
fn identity_provider_initiated_is_its_own_flow() {
    let unsolicited = |e: &mut Expected<'_>| e.flow = Flow::Unsolicited;
    // A stolen answer to somebody's request does not pass for an unsolicited one, nor the other way round.
    assert_eq!(reason(&Draft::default(), unsolicited), Kind::Unsolicited);
    let plain = with(&format!("InResponseTo=\"{REQUEST}\""), "");
    let inner = PROVIDER.sign(&plain.xml());
    let xml = wrap(&inner).replace(&format!(" InResponseTo=\"{REQUEST}\""), "");
    let mut wanted = PROVIDER.expected();
    assert_eq!(refused(xml.as_bytes(), &wanted), Kind::InResponseTo);
    wanted.flow = Flow::Unsolicited;
    assert!(verify(xml.as_bytes(), &wanted).is_ok());
    let inside = wrap(&PROVIDER.sign(&Draft::default().xml())).replacen(
        &format!(" InResponseTo=\"{REQUEST}\""),
        "",
        1,
    );
    assert_eq!(refused(inside.as_bytes(), &wanted), Kind::Unsolicited);
}

#[test]
fn the_subject_is_confirmed_by_bearer() {
    assert_eq!(reason(&with("cm:bearer", "cm:sender-vouches"), |_| ()), Kind::Bearer);
    assert_eq!(reason(&with("cm:bearer", "cm:holder-of-key"), |_| ()), Kind::Bearer);
    assert_eq!(reason(&Draft { confirmation: String::new(), ..Draft::default() }, |_| ()), Kind::Bearer);
    let bare = "<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"/>".to_owned();
    assert_eq!(reason(&Draft { confirmation: bare.clone(), ..Draft::default() }, |_| ()), Kind::Bearer);
    // One of several is enough, but it must hold in all its parts.
    let both = format!("{bare}{}", Draft::default().confirmation);
    assert!(try_draft(&Draft { confirmation: both, ..Draft::default() }, |_| ()).is_ok());
}

/// One use until its end: the caller gets what to remember, and it is the same for the same assertion.
#[test]
fn one_time_use_has_what_it_needs() {
    let first = try_draft(&Draft::default(), |_| ()).unwrap();
    let again = try_draft(&Draft::default(), |e| e.now = e.now.plus_seconds(20)).unwrap();
    assert_eq!(first.remember, again.remember);
    assert_eq!(first.remember.assertion, "_a1");
    assert!(first.remember.until >= at("2026-03-01T12:05:00Z"));
    // After that time it is refused for its age, so that nothing has to be remembered longer.
    assert_eq!(reason(&Draft::default(), |e| e.now = first.remember.until), Kind::Expired);
}

#[test]
fn comments_do_not_split_a_name_id() {
    // CVE-2017-11427 and its kin: the signature is right, the parser must not stop at the comment.
    let signed = std::str::from_utf8(file!("signed-rsa-sha256.xml")).unwrap();
    let commented =
        signed.replace("mara@acme.example</saml:NameID>", "mara@acme.example<!-- x --></saml:NameID>");
    assert_eq!(verify(commented.as_bytes(), &expected()).unwrap().name_id.value, "mara@acme.example");
    let split =
        signed.replace("mara@acme.example</saml:NameID>", "mara@<!-- -->acme.<!---->example</saml:NameID>");
    assert_eq!(verify(split.as_bytes(), &expected()).unwrap().name_id.value, "mara@acme.example");
    // The account that an attacker has at the same provider is never cut down to somebody else's.
    let evil = with("mara@acme.example", "mara@acme.example<!-- -->.evil.example");
    assert_eq!(try_draft(&evil, |_| ()).unwrap().name_id.value, "mara@acme.example.evil.example");
    let cdata = with("mara@acme.example", "mara@acme.example<![CDATA[.evil]]>");
    assert_eq!(try_draft(&cdata, |_| ()).unwrap().name_id.value, "mara@acme.example.evil");
}

#[test]
fn a_name_id_is_one_clean_text() {
    for (name_id, kind) in [
        ("<saml:NameID></saml:NameID>", Kind::NameId),
        ("<saml:NameID>  \n</saml:NameID>", Kind::NameId),
        ("<saml:NameID>a&#xA;b</saml:NameID>", Kind::NameId),
        ("<saml:NameID>a<b/></saml:NameID>", Kind::NoText),
        ("<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>", Kind::Twice("NameID")),
        ("<saml:BaseID/>", Kind::Missing("NameID")),
        ("<saml:EncryptedID/>", Kind::EncryptedId),
    ] {
        assert_eq!(reason(&Draft { name_id: name_id.into(), ..Draft::default() }, |_| ()), kind, "{name_id}");
    }
    let long = format!("<saml:NameID>{}</saml:NameID>", "a".repeat(1025));
    assert_eq!(reason(&Draft { name_id: long, ..Draft::default() }, |_| ()), Kind::NameId);
}

fn attribute(name: &str, value: &str) -> String {
    format!(
        "<saml:Attribute Name=\"{name}\"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>"
    )
}

/// Attribute pollution: the same name twice. Lists are whole, and what must be one is refused when it is two.
#[test]
fn attribute_pollution_does_not_choose_for_us() {
    let both = [attribute("email", "a@acme.example"), attribute("email", "owner@acme.example")];
    for attributes in [
        format!("<saml:AttributeStatement>{}{}</saml:AttributeStatement>", both[0], both[1]),
        both.iter().map(|one| format!("<saml:AttributeStatement>{one}</saml:AttributeStatement>")).collect(),
    ] {
        let login = try_draft(&Draft { attributes, ..Draft::default() }, |_| ()).unwrap();
        assert_eq!(login.attributes.one("email"), Err(Kind::Several));
        assert_eq!(login.attributes.all("email"), ["a@acme.example", "owner@acme.example"]);
        assert_eq!(login.attributes.iter().count(), 1);
    }
    // The friendly name, another case and white space are other names.
    let odd = format!(
        "<saml:AttributeStatement>{}{}<saml:Attribute Name=\"x\" FriendlyName=\"email\"><saml:AttributeValue>c</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>",
        attribute("Email", "a"),
        attribute("email ", "b")
    );
    let login = try_draft(&Draft { attributes: odd, ..Draft::default() }, |_| ()).unwrap();
    assert_eq!(login.attributes.one("email"), Ok(None));
    for wrong in [
        "<saml:AttributeStatement><saml:Attribute/></saml:AttributeStatement>",
        "<saml:AttributeStatement><saml:Attribute Name=\"a\"><x/></saml:Attribute></saml:AttributeStatement>",
        "<saml:AttributeStatement><x/></saml:AttributeStatement>",
        "<saml:AttributeStatement><saml:EncryptedAttribute/></saml:AttributeStatement>",
    ] {
        assert!(
            try_draft(&Draft { attributes: wrong.into(), ..Draft::default() }, |_| ()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn values_without_text_are_left_out() {
    let attributes = "<saml:AttributeStatement><saml:Attribute Name=\"a\"><saml:AttributeValue xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/><saml:AttributeValue><saml:NameID>x</saml:NameID></saml:AttributeValue><saml:AttributeValue>t</saml:AttributeValue><saml:AttributeValue/></saml:Attribute></saml:AttributeStatement>";
    let login = try_draft(&Draft { attributes: attributes.into(), ..Draft::default() }, |_| ()).unwrap();
    assert_eq!(login.attributes.all("a"), ["t", ""]);
}

#[test]
fn a_refusal_of_the_provider_is_told_by_its_code() {
    let head = response_head();
    let status = |inner: &str| {
        format!(
            "{head}<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\">{inner}</samlp:StatusCode></samlp:Status></samlp:Response>"
        )
    };
    let code = |value: &str| format!("<samlp:StatusCode Value=\"{value}\"/>");
    for (xml, words) in [
        (status(""), "Responder"),
        (status(&code("urn:oasis:names:tc:SAML:2.0:status:AuthnFailed")), "AuthnFailed"),
        (status(&code("&lt;script&gt;")), "Responder"),
        (status(&code("urn:oasis:names:tc:SAML:2.0:status:&lt;b&gt;")), "Responder"),
    ] {
        assert_eq!(refused(xml.as_bytes(), &expected()), Kind::Status(words.into()));
    }
    // A success without an assertion is none.
    assert_eq!(refused(wrap("").as_bytes(), &expected()), Kind::Missing("Assertion"));
    let twice = Draft::default().response().replace(STATUS, &format!("{STATUS}{STATUS}"));
    assert_eq!(refused(twice.as_bytes(), &PROVIDER.expected()), Kind::Twice("Status"));
}

#[test]
fn conditions_that_are_not_understood_are_not_held() {
    let custom = with("</saml:Conditions>", "<saml:Condition/></saml:Conditions>");
    assert_eq!(reason(&custom, |_| ()), Kind::Condition);
    assert!(
        try_draft(
            &with(
                "</saml:Conditions>",
                "<saml:OneTimeUse/><saml:ProxyRestriction Count=\"1\"/></saml:Conditions>"
            ),
            |_| ()
        )
        .is_ok()
    );
    assert_eq!(
        reason(&Draft { conditions: String::new(), ..Draft::default() }, |_| ()),
        Kind::Missing("Conditions")
    );
    assert_eq!(
        reason(&Draft { statements: String::new(), ..Draft::default() }, |_| ()),
        Kind::Missing("AuthnStatement")
    );
    assert_eq!(
        reason(&Draft { attributes: "<saml:Advice/>".into(), ..Draft::default() }, |_| ()),
        Kind::Misplaced
    );
}

#[test]
fn a_forced_sign_in_must_be_fresh() {
    let after = |text: &'static str| move |e: &mut Expected<'_>| e.authenticated_after = Some(at(text));
    assert!(try_draft(&Draft::default(), after("2026-03-01T11:59:30Z")).is_ok(), "within the skew");
    assert_eq!(reason(&Draft::default(), after("2026-03-01T12:00:01Z")), Kind::StaleLogin);
    let future = with("AuthnInstant=\"2026-03-01T11:59:00Z\"", "AuthnInstant=\"2026-03-01T12:05:00Z\"");
    assert_eq!(reason(&future, |_| ()), Kind::Early);
}

#[test]
fn versions_ids_and_times_of_messages_are_demanded() {
    for (from, to, kind) in [
        ("ID=\"_r1\" Version=\"2.0\"", "ID=\"_r1\" Version=\"1.1\"", Kind::Version),
        ("ID=\"_r1\" ", "", Kind::InvalidId),
        ("ID=\"_r1\"", "ID=\"a b\"", Kind::InvalidId),
        (
            "IssueInstant=\"2026-03-01T12:00:00Z\" Destination",
            "IssueInstant=\"2026-03-01T13:00:00Z\" Destination",
            Kind::Early,
        ),
        ("IssueInstant=\"2026-03-01T12:00:00Z\" Destination", "Destination", Kind::Attribute("IssueInstant")),
    ] {
        let xml = Draft::default().response().replacen(from, to, 1);
        assert_eq!(refused(xml.as_bytes(), &PROVIDER.expected()), kind, "{to}");
    }
    let old = PROVIDER.sign(&Draft::default().xml().replace("Version=\"2.0\"", "Version=\"1.1\""));
    assert_eq!(refused(wrap(&old).as_bytes(), &PROVIDER.expected()), Kind::Version);
}

#[test]
fn a_refusal_names_the_element_and_no_value() {
    let error = verify(
        &Draft::default().response().replace("Recipient", "recipient").into_bytes(),
        &PROVIDER.expected(),
    )
    .unwrap_err();
    assert_eq!(error.reason(), "digest");
    let error = try_draft(&with(ACS, "https://evil.example/secret"), |_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(
            "it is meant for another recipient: `saml:SubjectConfirmationData` in line 1, column "
        ),
        "{text}"
    );
    assert!(text.ends_with(" of the verified bytes") && !text.contains("evil"), "{text}");
}

/// Of the moment that pysaml2 made it.
fn issued(xml: &[u8]) -> Time {
    let document =
        crate::xml::Document::parse(xml, crate::Part::Message, crate::xml::Limits::MESSAGE).unwrap();
    document.root().time("IssueInstant").unwrap().unwrap()
}

/// Its encryption is triple DES with a key wrapped by PKCS #1 v1.5: neither is taken, whatever signs it.
#[test]
fn encryption_of_another_age_is_refused() {
    let xml = file!("pysaml2-encrypted.xml");
    let error = verify(xml, &Expected { now: issued(xml).plus_seconds(5), ..expected() }).unwrap_err();
    assert_eq!(error.kind, Kind::Algorithm);
    assert!(error.to_string().contains("`ns0:EncryptionMethod` in line 1"), "{error}");
}

/// Signed by xmlsec1 in the hands of pysaml2.
#[test]
fn sign_ins_of_pysaml2_are_let_in() {
    for (name, xml) in
        [("both", file!("pysaml2-response.xml").as_slice()), ("assertion", file!("pysaml2-assertion.xml"))]
    {
        let login = verify(xml, &Expected { now: issued(xml).plus_seconds(5), ..expected() })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(login.name_id.value, "0815-mara");
        assert_eq!(login.name_id.sp_name_qualifier.as_deref(), Some(AUDIENCE));
        assert_eq!(login.attributes.one("urn:oid:0.9.2342.19200300.100.1.3"), Ok(Some("mara@acme.example")));
    }
}
