use proptest::prelude::*;

use super::*;
use crate::{base64, c14n};

fn refused(text: &str) -> Kind {
    match Document::parse(text.as_bytes(), Part::Message, Limits::MESSAGE) {
        Ok(_) => panic!("read {text}"),
        Err(error) => error.kind,
    }
}

#[test]
fn document_types_and_entities_are_refused_before_parsing() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE a SYSTEM 'http://169.254.169.254/'><a/>",
        "<a><!ENTITY b 'c'></a>",
        "<a/><!doctype a>",
        "<a>&lol;</a>",
        "<a b='&lol;'/>",
    ] {
        assert_eq!(refused(text), Kind::Dtd, "{text}");
    }
    // Before anything else: not even the rest of the text must be well-formed.
    assert_eq!(refused("<!DOCTYPE a [ <"), Kind::Dtd);
}

#[test]
fn processing_instructions_are_refused() {
    for text in [
        "<?pi x?><a/>",
        "<a><?pi?></a>",
        "<a/><?x y?>",
        "<?xml\tversion='1.0'?><a/>",
        " <?xml version='1.0'?><a/>",
    ] {
        assert_eq!(refused(text), Kind::ProcessingInstruction, "{text}");
    }
}

#[test]
fn only_utf_8_is_read() {
    for text in [
        "<?xml version='1.0' encoding='UTF-16'?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml encoding='UTF-8'?><a/>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        "<?xml version='1.0' version2='x'?><a/>",
    ] {
        assert_eq!(refused(text), Kind::Encoding, "{text}");
    }
    assert!(Document::parse(b"<a>\xff</a>", Part::Message, Limits::MESSAGE).is_err());
    assert!(
        Document::parse(
            "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(),
            Part::Message,
            Limits::MESSAGE
        )
        .is_err()
    );
    for text in [
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"no\"?><a/>",
        "\u{feff}<?xml version='1.0'?><a/>",
    ] {
        assert!(Document::parse(text.as_bytes(), Part::Message, Limits::MESSAGE).is_ok(), "{text}");
    }
}

#[test]
fn size_depth_elements_and_attributes_are_bounded() {
    assert!(matches!(refused(&format!("<a>{}</a>", " ".repeat(600_000))), Kind::TooLarge(_)));
    assert_eq!(refused(&format!("{}{}", "<a>".repeat(33), "</a>".repeat(33))), Kind::Depth);
    assert_eq!(refused(&format!("<a>{}</a>", "<b/>".repeat(10_000))), Kind::Nodes);
    let many: String = (0..33).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(refused(&format!("<a{many}/>")), Kind::Attributes);
    assert_eq!(refused(&format!("<a {}=''/>", "b".repeat(300))), Kind::Attributes);
    let declared: String = (0..30).map(|n| format!(" xmlns:n{n}='urn:n'")).collect();
    let nested = format!("<a{declared}><a{declared}><a{declared}></a></a></a>");
    assert_eq!(refused(&nested), Kind::Namespaces);
    assert_eq!(refused(&format!("<a xmlns='{}'/>", "u".repeat(2000))), Kind::Namespaces);
    // Open elements alone, with nothing closed, and comments alone.
    assert_eq!(refused(&"<a>".repeat(100_000)), Kind::Depth);
    let comments = format!("<a>{}</a>", "<!---->".repeat(45_000));
    assert_eq!(refused(&comments), Kind::Nodes);
}

/// What libraries are known to read in different ways is read in none.
#[test]
fn namespace_confusion_is_refused() {
    for text in [
        // `roxmltree` takes this for a default namespace, others for an attribute.
        "<a xmlns:p='urn:p' p:xmlns='urn:evil'/>",
        "<p:a xmlns:p=''/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:xmlns='urn:x'/>",
        "<a xmlns='urn&#58;x'/>",
        "<a xmlns=' urn:x'/>",
        "<a xmlns:b='urn:x\n'/>",
    ] {
        assert_eq!(refused(text), Kind::NamespaceTrick, "{text}");
    }
    for text in [
        "<a xmlns='urn:a' xmlns='urn:b'/>",
        "<a b='1' b='2'/>",
        "<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='1' q:b='2'/>",
    ] {
        assert_eq!(refused(text), Kind::DuplicateAttribute, "{text}");
    }
    for text in ["<p:a/>", "<a p:b='1'/>"] {
        assert_eq!(refused(text), Kind::UnknownPrefix, "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in [
        "",
        "a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>b",
        "<a b/>",
        "<a b=c/>",
        "<a b='<'/>",
        "<a:b:c/>",
        "<:a/>",
        "<a:/>",
        "<a><!-- </a>",
        "<a><![CDATA[ </a>",
        "<a b='1'c='2'/>",
        "<a>\u{1}</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&</a>",
        "<a b='&#x1;'/>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#x110000;</a>",
        "<a>&#xFFFE;</a>",
        "<a>&#+65;</a>",
        "<a>&#99999999999;</a>",
        "<a><![CDATA[\u{1}]]></a>",
    ] {
        let kind = refused(text);
        assert!(matches!(kind, Kind::Malformed | Kind::UnknownPrefix), "{text}: {kind:?}");
    }
}

#[test]
fn a_refusal_says_where() {
    let error =
        Document::parse(b"<a>\n  <b c='1' c='2'/>\n</a>", Part::Message, Limits::MESSAGE).err().unwrap();
    assert_eq!(error.to_string(), "an attribute stands twice: in line 2, column 12 of the message");
    let text = b"<a xmlns:p='urn:p'>\n  <p:b id='1'/>\n  <p:c Id='1'/></a>";
    let document = Document::parse(text, Part::Message, Limits::MESSAGE).unwrap();
    let error = document.ids().unwrap_err();
    assert_eq!(error.to_string(), "an ID stands twice: `p:c` in line 3, column 3 of the message");
    assert_eq!(error.reason(), "duplicate_id");
}

#[test]
fn comments_and_cdata_do_not_split_text() {
    let text = b"<a>us<!-- x -->er@acme<![CDATA[.exa]]>mple<!---->.com</a>";
    let document = Document::parse(text, Part::Message, Limits::MESSAGE).unwrap();
    assert_eq!(document.root().text().unwrap(), "user@acme.example.com");
    let document = Document::parse(b"<a>x<b/>y</a>", Part::Message, Limits::MESSAGE).unwrap();
    assert_eq!(document.root().text().unwrap_err().kind, Kind::NoText);
}

/// Four hundred random documents, canonicalized by libxml2.
#[test]
fn canonical_bytes_are_those_of_libxml2() {
    let mut lines = 0;
    for line in include_str!("../../fixtures/c14n.txt").lines() {
        let [text, at, prefixes, wanted] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (text, wanted) = (base64::decode(text).unwrap(), base64::decode(wanted).unwrap());
        let document = Document::parse(&text, Part::Message, Limits::MESSAGE)
            .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&text)));
        let apex = document.root().descendants().nth(at.parse().unwrap()).unwrap();
        let prefixes: Vec<&str> = prefixes.split(',').filter(|prefix| !prefix.is_empty()).collect();
        let made = c14n::exclusive(apex, None, &prefixes).unwrap();
        let shown = (String::from_utf8_lossy(&made), String::from_utf8_lossy(&wanted));
        assert_eq!(shown.0, shown.1, "{}\n{at} {prefixes:?}", String::from_utf8_lossy(&text));
        lines += 1;
    }
    assert_eq!(lines, 400);
}

/// Canonical text is its own canonical form: what is parsed again is what was hashed.
#[test]
fn canonical_bytes_stay_as_they_are() {
    for line in include_str!("../../fixtures/c14n.txt").lines() {
        let wanted = base64::decode(line.split('\t').nth(3).unwrap()).unwrap();
        let prefixes: Vec<&str> = line.split('\t').nth(2).unwrap().split(',').collect();
        let document = Document::parse(&wanted, Part::Verified, Limits::MESSAGE).unwrap();
        let again = c14n::exclusive(document.root(), None, &prefixes).unwrap();
        assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&wanted));
    }
}

/// A long namespace that ten thousand siblings write again.
#[test]
fn canonical_bytes_are_bounded() {
    let text = format!("<a xmlns:p='{}'>{}</a>", "u".repeat(1024), "<p:b/>".repeat(9_000));
    let document = Document::parse(text.as_bytes(), Part::Message, Limits::MESSAGE).unwrap();
    let error = c14n::exclusive(document.root(), None, &[]).unwrap_err();
    assert!(matches!(error.kind, Kind::TooLarge(_)));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[<>/a:=\"' !\\-\\[\\]?&;#x\n]{0,60}") {
        if let Ok(document) = Document::parse(text.as_bytes(), Part::Message, Limits::MESSAGE) {
            let made = c14n::exclusive(document.root(), None, &["a", "#default"]).unwrap();
            let again = Document::parse(&made, Part::Verified, Limits::MESSAGE).unwrap();
            prop_assert_eq!(c14n::exclusive(again.root(), None, &["a", "#default"]).unwrap(), made);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Document::parse(&bytes, Part::Message, Limits::MESSAGE);
    }
}
