use proptest::prelude::*;

use super::*;
use DomainNameError as E;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> DomainNameError {
    DomainName::parse(text).err().unwrap_or_else(|| panic!("`{text}` is accepted"))
}

#[test]
fn one_spelling_however_it_is_typed() {
    for text in
        ["bücher.ch", "BÜCHER.CH", "bu\u{308}cher.ch", "xn--bcher-kva.ch", "XN--BCHER-KVA.ch", " bücher。ch "]
    {
        assert_eq!(name(text).as_str(), "xn--bcher-kva.ch", "{text}");
        assert_eq!(name(text).unicode(), "bücher.ch");
    }
    assert_eq!(name("ｅxample.com").as_str(), "example.com");
    // Non-transitional: `straße` is not `strasse` (IDNA 2008).
    assert_eq!(name("straße.de").as_str(), "xn--strae-oqa.de");
    // A joiner that the script needs stays (RFC 5892 appendix A).
    assert_eq!(name("نامه\u{200c}ای.com").as_str(), "xn--mgba3gch31f060k.com");
}

#[test]
fn what_is_no_host_name_says_what_to_enter() {
    let q = |text: &str| text.to_owned();
    for (text, error) in [
        ("", E::Empty),
        ("   ", E::Empty),
        ("https://example.com/a", E::PageAddress(q("https://example.com/a"))),
        ("example.com:8080", E::PageAddress(q("example.com:8080"))),
        ("ann@example.com", E::EmailAddress(q("ann@example.com"))),
        ("*.example.com", E::Wildcard(q("*.example.com"))),
        ("example.com.", E::TrailingDot(q("example.com."))),
        ("example..com", E::EmptyLabel(q("example..com"))),
        (".example.com", E::EmptyLabel(q(".example.com"))),
        (".", E::EmptyLabel(q("."))),
        ("-a.example.com", E::Hyphen(q("-a"))),
        ("a-.example.com", E::Hyphen(q("a-"))),
        ("ab--cd.com", E::Hyphen(q("ab--cd"))),
        ("_dmarc.example.com", E::Character { label: q("_dmarc"), character: '_' }),
        ("exa mple.com", E::Character { label: q("exa mple"), character: ' ' }),
        ("xn--zzzzzz9999999.com", E::International(q("xn--zzzzzz9999999"))),
        ("xn--bcher-.ch", E::International(q("xn--bcher-"))),
        ("xn--example.com", E::International(q("xn--example"))),
        ("acme", E::SingleLabel(q("acme"))),
    ] {
        assert_eq!(refusal(text), error, "{text}");
    }
}

#[test]
fn hidden_characters_are_named_with_their_position() {
    for (text, code, position) in [
        ("exam\u{200b}ple.com", 0x200b, 5),
        ("example\u{ad}.com", 0xad, 8),
        ("\u{feff}example.com", 0xfeff, 1),
        ("example.com\n", 0x0a, 12),
        ("exa\0mple.com", 0, 4),
        ("a\u{202e}moc.elpmaxe", 0x202e, 2),
    ] {
        assert_eq!(refusal(text), E::Hidden { code, position }, "{text:?}");
    }
    // A joiner where no script asks for one.
    assert!(matches!(refusal("exam\u{200d}ple.com"), E::International(_)));
}

#[test]
fn addresses_in_any_disguise_are_refused() {
    for text in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "１２７.０.０.１",
        "::1",
        "[::1]",
        "[2001:db8::1]",
        "example.1",
        "a.0x7f",
    ] {
        assert!(matches!(refusal(text), E::IpAddress(_)), "{text}: {:?}", refusal(text));
    }
}

#[test]
fn special_use_names_are_refused_and_tests_ask_for_theirs() {
    for text in [
        "localhost",
        "a.localhost",
        "harbor.test",
        "a.example",
        "x.invalid",
        "nas.local",
        "a.onion",
        "10.in-addr.arpa",
        "db.internal",
        "a.b.alt",
        "HARBOR.TEST",
    ] {
        assert!(matches!(refusal(text), E::Reserved(_)), "{text}");
    }
    assert_eq!(DomainName::parse_with("harbor.test", Reserved::Allow).unwrap().as_str(), "harbor.test");
    assert_eq!(
        DomainName::parse_with("a.harbor.example", Reserved::Allow).unwrap().registrable(),
        "harbor.example"
    );
    assert!(DomainName::parse_with("nas.local", Reserved::Allow).is_err());
    assert!(matches!(DomainName::parse_with("test", Reserved::Allow), Err(E::SingleLabel(_))));
}

#[test]
fn public_suffixes_are_refused() {
    for text in [
        "co.uk",
        "com.br",
        "github.io",
        "herokuapp.com",
        "公司.cn",
        "xn--55qx5d.cn",
        "eu-west-1.compute.amazonaws.com",
    ] {
        assert!(matches!(refusal(text), E::PublicSuffix(_)), "{text}: {:?}", refusal(text));
    }
    assert_eq!(name("mail.example.co.uk").registrable(), "example.co.uk");
    assert_eq!(name("a.食狮.公司.cn").registrable(), name("食狮.公司.cn").as_str());
    assert_eq!(name("docs.someone.github.io").registrable(), "someone.github.io");
    // An exception of the list: the council may register although `*.ck` is a suffix.
    assert_eq!(name("www.ck").registrable(), "www.ck");
}

#[test]
fn public_mail_domains_are_refused() {
    for text in ["gmail.com", "GMail.com", "mail.gmail.com", "outlook.de", "yahoo.co.uk", "ｇmail.com"] {
        assert!(matches!(refusal(text), E::PublicMail(_)), "{text}");
    }
    assert!(DomainName::parse("notgmail.com").is_ok());
}

#[test]
fn the_list_of_public_mail_domains_is_sorted_and_canonical() {
    let lines: Vec<&str> =
        include_str!("../public_mail_domains.txt").lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() >= 150, "{}", lines.len());
    assert!(lines.is_sorted_by(|a, b| a < b), "sorted, without repetition");
    for line in lines {
        assert_eq!(canonical(line).as_deref(), Ok(line));
        assert!(registrable_of(line).is_some(), "{line} is a public suffix");
    }
}

#[test]
fn lengths_are_limits_of_the_dns() {
    let label = "a".repeat(63);
    assert!(DomainName::parse(&format!("{label}.com")).is_ok());
    assert_eq!(refusal(&format!("{label}a.com")), E::LongLabel(format!("{label}a")));
    let most = format!("{label}.{label}.{label}.{}.com", "b".repeat(57));
    assert_eq!(most.len(), 253);
    assert!(DomainName::parse(&most).is_ok());
    assert_eq!(refusal(&most.replace(".bb", ".bbb")), E::Long);
    assert_eq!(refusal(&"ü.".repeat(4000)), E::Long);
    assert_eq!(refusal(&"ü".repeat(500)), E::LongLabel(canonical_label(&"ü".repeat(500))));
}

fn canonical_label(text: &str) -> String {
    let all = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore);
    all.unwrap().into_owned()
}

#[test]
fn look_alikes_are_named() {
    let apple = name("аррӏе.com"); // Cyrillic
    assert_eq!(apple.as_str(), "xn--80ak6aa92e.com");
    let warnings = apple.warnings();
    assert!(matches!(&warnings[..], [Warning::LooksLike { ascii, .. }] if ascii == "apple"), "{warnings:?}");
    assert!(matches!(&name("pаypal.com").warnings()[..], [Warning::LooksLike { .. }]));
    assert!(matches!(&name("bücherжук.com").warnings()[..], [Warning::MixedScripts { .. }]));
    for plain in
        ["example.com", "bücher.ch", "почта.рф", "東京タワー.jp", "한국.kr", "ab-cd.com", "münchen-ab.de"]
    {
        assert_eq!(name(plain).warnings(), [], "{plain}");
    }
}

#[test]
fn a_domain_covers_itself_and_no_subdomain() {
    let domain = name("example.org");
    assert!(domain.covers("example.org"));
    for other in ["mail.example.org", "badexample.org", "org", "example.org.evil.com", ""] {
        assert!(!domain.covers(other), "{other}");
    }
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,80}",
        "[a-zA-Z0-9.-]{0,80}",
        "(xn--)?[a-z0-9-]{1,20}(\\.(xn--)?[a-zA-ZüßжI١字。\u{200d}-]{1,20}){0,4}",
    ]
}

proptest! {
    #[test]
    fn parsing_never_panics_and_is_idempotent(text in any_name()) {
        for reserved in [Reserved::Refuse, Reserved::Allow] {
            if let Ok(domain) = DomainName::parse_with(&text, reserved) {
                let ascii = domain.as_str();
                prop_assert!(ascii.len() <= NAME_OCTETS_MAX);
                prop_assert!(ascii.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)));
                prop_assert_eq!(&DomainName::parse_with(ascii, reserved), &Ok(domain.clone()));
                prop_assert_eq!(&DomainName::parse_with(&domain.unicode(), reserved), &Ok(domain.clone()));
                prop_assert!(ascii.ends_with(domain.registrable()) && domain.registrable().contains('.'));
                let _ = domain.warnings();
            }
        }
    }
}
