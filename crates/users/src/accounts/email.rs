//! An e-mail address, in one canonical spelling.
//!
//! Promises: the practical part of RFC 5321: an ASCII dot-atom of at most 64 octets, one @, a domain of the DNS
//! (internationalised ones as A-labels), at most 254 octets together. No quoted local parts, comments, address literals
//! or non-ASCII local parts (RFC 6531): they exist mostly in attacks. Two spellings that differ in case are one address,
//! as every mail provider of note treats them; no other folding (dots, `+tags`), because providers differ there.

use std::fmt;

use crate::domains::name::{self, DomainNameError};

pub const ADDRESS_OCTETS_MAX: usize = 254;
pub const LOCAL_OCTETS_MAX: usize = 64;

/// Why a text is no address, with what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("no e-mail address is given: enter one such as `ann@example.com`")]
    Empty,
    #[error("the address is longer than {ADDRESS_OCTETS_MAX} characters: use a shorter one")]
    Long,
    #[error(
        "there is a hidden character (U+{code:04X}) at position {position}: delete it or type the address by hand"
    )]
    Hidden { code: u32, position: usize },
    #[error("`{0}` has a space: enter one address without spaces")]
    Space(String),
    #[error("`{0}` has a name around the address: enter only what stands between < and >")]
    DisplayName(String),
    #[error("`{0}` has no @: enter the whole address, such as `ann@example.com`")]
    NoAt(String),
    #[error("`{0}` has more than one @: enter one address")]
    ManyAts(String),
    #[error("`{0}` has nothing before the @: enter the whole address")]
    NoLocalPart(String),
    #[error("the part before the @ is longer than {LOCAL_OCTETS_MAX} characters: use a shorter address")]
    LongLocalPart,
    #[error("`{0}` has a dot at the start, at the end or twice in a row before the @: check its spelling")]
    Dots(String),
    #[error("`{0}` has quotes: addresses with quotes are not supported, use another one")]
    Quotes(String),
    #[error("the character `{0}` cannot stand before the @: use letters, digits and . _ + -")]
    Character(char),
    #[error("what follows the @ is no mail domain: {0}")]
    Domain(#[from] DomainNameError),
}

/// A canonical address. Equal addresses reach the same mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    key: String,
    at: usize,
}

impl EmailAddress {
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > 4 * ADDRESS_OCTETS_MAX {
            return Err(EmailError::Long);
        }
        let (local, domain) = split(text)?;
        check_local(local, text)?;
        let domain = name::canonical(domain)?;
        if !domain.contains('.') {
            return Err(DomainNameError::SingleLabel(domain).into());
        }
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        if key.len() > ADDRESS_OCTETS_MAX {
            return Err(EmailError::Long);
        }
        Ok(Self { at: local.len(), key })
    }

    /// The canonical spelling: stored, looked up, compared and mailed to.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands before the @, in lower case.
    pub fn local(&self) -> &str {
        &self.key[..self.at]
    }

    /// The canonical domain: lower-case A-labels.
    pub fn domain(&self) -> &str {
        &self.key[self.at + 1..]
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

fn quote(text: &str) -> String {
    text.chars().take(64).collect()
}

fn split(text: &str) -> Result<(&str, &str), EmailError> {
    if let Some((index, c)) = name::hidden_character(text) {
        return Err(EmailError::Hidden { code: u32::from(c), position: index + 1 });
    }
    if text.contains(['<', '>']) {
        return Err(EmailError::DisplayName(quote(text)));
    }
    if text.contains('"') {
        return Err(EmailError::Quotes(quote(text)));
    }
    if text.contains(char::is_whitespace) {
        return Err(EmailError::Space(quote(text)));
    }
    let (local, domain) = text.split_once('@').ok_or_else(|| EmailError::NoAt(quote(text)))?;
    if domain.contains('@') { Err(EmailError::ManyAts(quote(text))) } else { Ok((local, domain)) }
}

fn check_local(local: &str, whole: &str) -> Result<(), EmailError> {
    if local.is_empty() {
        return Err(EmailError::NoLocalPart(quote(whole)));
    }
    if local.len() > LOCAL_OCTETS_MAX {
        return Err(EmailError::LongLocalPart);
    }
    // atext of RFC 5322 §3.2.3
    let atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if let Some(character) = local.chars().find(|c| *c != '.' && !atext(*c)) {
        return Err(EmailError::Character(character));
    }
    if local.split('.').any(str::is_empty) {
        return Err(EmailError::Dots(quote(whole)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use EmailError as E;

    #[test]
    fn spellings_of_one_mailbox_have_one_key() {
        for text in ["ann.lee@example.com", " Ann.Lee@EXAMPLE.com ", "ANN.LEE@ｅxample.com"] {
            assert_eq!(EmailAddress::parse(text).unwrap().key(), "ann.lee@example.com", "{text}");
        }
        let address = EmailAddress::parse("Jörg@bücher.ch");
        assert_eq!(address, Err(E::Character('ö')));
        let address = EmailAddress::parse("joerg+x@BÜCHER.ch").unwrap();
        assert_eq!((address.local(), address.domain()), ("joerg+x", "xn--bcher-kva.ch"));
        // Different mailboxes at some providers, so different addresses here.
        assert_ne!(EmailAddress::parse("ann.lee@gmail.com"), EmailAddress::parse("annlee@gmail.com"));
    }

    #[test]
    fn odd_but_real_addresses_are_taken() {
        for text in [
            "o'neil@example.ie",
            "a@b.co",
            "x_y-z+tag=1@mail.example.co.uk",
            "1@2.example",
            "a/b@x.test",
            "me@co.uk",
        ] {
            assert_eq!(EmailAddress::parse(text).unwrap().key(), text);
        }
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let q = |text: &str| text.to_owned();
        for (text, error) in [
            ("", E::Empty),
            ("  ", E::Empty),
            ("ann", E::NoAt(q("ann"))),
            ("ann＠example.com", E::NoAt(q("ann＠example.com"))),
            ("ann@b@example.com", E::ManyAts(q("ann@b@example.com"))),
            ("@example.com", E::NoLocalPart(q("@example.com"))),
            (".ann@example.com", E::Dots(q(".ann@example.com"))),
            ("ann.@example.com", E::Dots(q("ann.@example.com"))),
            ("a..b@example.com", E::Dots(q("a..b@example.com"))),
            ("\"a b\"@example.com", E::Quotes(q("\"a b\"@example.com"))),
            ("ann lee@example.com", E::Space(q("ann lee@example.com"))),
            ("ann@\u{3000}example.com", E::Space(q("ann@\u{3000}example.com"))),
            ("Ann <ann@example.com>", E::DisplayName(q("Ann <ann@example.com>"))),
            ("a,b@example.com", E::Character(',')),
            ("mıke@example.org", E::Character('ı')),
            ("ann(x)@example.com", E::Character('(')),
            ("ann@example.com\r\nBcc: x@y.com", E::Hidden { code: 0x0d, position: 16 }),
            ("an\u{200b}n@example.com", E::Hidden { code: 0x200b, position: 3 }),
            ("ann@exam\u{ad}ple.com", E::Hidden { code: 0xad, position: 9 }),
            ("ann@", E::Domain(DomainNameError::Empty)),
            ("ann@localhost", E::Domain(DomainNameError::SingleLabel(q("localhost")))),
            ("ann@[127.0.0.1]", E::Domain(DomainNameError::IpAddress(q("[127.0.0.1]")))),
            ("ann@10.0.0.1", E::Domain(DomainNameError::IpAddress(q("10.0.0.1")))),
            ("ann@example.com.", E::Domain(DomainNameError::TrailingDot(q("example.com.")))),
            ("ann@_a.com", E::Domain(DomainNameError::Character { label: q("_a"), character: '_' })),
        ] {
            assert_eq!(EmailAddress::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_standard() {
        let local = "a".repeat(64);
        assert!(EmailAddress::parse(&format!("{local}@example.com")).is_ok());
        assert_eq!(EmailAddress::parse(&format!("{local}a@example.com")), Err(E::LongLocalPart));
        let domain = format!("{0}.{0}.{1}.com", "d".repeat(63), "e".repeat(57));
        assert_eq!(local.len() + 1 + domain.len(), 254);
        assert!(EmailAddress::parse(&format!("{local}@{domain}")).is_ok());
        assert_eq!(EmailAddress::parse(&format!("{local}@{}", domain.replace(".ee", ".eee"))), Err(E::Long));
        assert_eq!(EmailAddress::parse(&"a@".repeat(100_000)), Err(E::Long));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(
            text in prop_oneof!["\\PC{0,60}", "[ a-zA-Z0-9.+'_-]{0,20}@[a-zA-Zü0-9.-]{0,30}", ".{0,30}@[a-z]{1,8}\\.(com|рф)"]
        ) {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(&EmailAddress::parse(address.key()), &Ok(address.clone()));
                prop_assert!(address.key().is_ascii() && address.key().len() <= ADDRESS_OCTETS_MAX);
                prop_assert_eq!(address.key().to_ascii_lowercase(), address.key());
                prop_assert_eq!(format!("{}@{}", address.local(), address.domain()), address.key());
                prop_assert_eq!(EmailAddress::parse(&text.to_ascii_uppercase()), Ok(address));
            }
        }
    }
}
