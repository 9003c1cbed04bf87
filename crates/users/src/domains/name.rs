//! The name of a domain that an organization may prove and then claim.
//!
//! Promises: one canonical spelling (lower-case A-labels) however it was typed, by UTS #46 non-transitional processing
//! with STD3, hyphen, bidi and joiner checks (RFC 5891, RFC 5893); letters, digits and hyphens only; at most 253 octets
//! with labels of 63 (RFC 1035). Refused besides what is no name at all: IP addresses, single labels, special-use names
//! (RFC 6761), public suffixes with the list's private section, and domains where anybody can get a mailbox.
//! Look-alikes are no error, since whole scripts look alike; [`DomainName::warnings`] names them (UTS #39).

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_security::RestrictionLevelDetection;
use unicode_security::confusable_detection::skeleton;
use unicode_security::restriction_level::RestrictionLevel;

/// Longest name in octets, as text without the root's dot.
pub const NAME_OCTETS_MAX: usize = 253;
pub const LABEL_OCTETS_MAX: usize = 63;
/// What is read at all; a name of 253 octets in A-labels can be longer as typed.
const INPUT_BYTES_MAX: usize = 1024;

/// Why a text is not a domain that can be proved, with what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    #[error("no domain is given: enter one such as `example.com`")]
    Empty,
    #[error("the domain is longer than {NAME_OCTETS_MAX} characters: enter only the host name")]
    Long,
    #[error("the label `{0}` is longer than {LABEL_OCTETS_MAX} characters: shorten it")]
    LongLabel(String),
    #[error(
        "there is a hidden character (U+{code:04X}) at position {position}: delete it or type the name by hand"
    )]
    Hidden { code: u32, position: usize },
    #[error("`{0}` is the address of a page: enter only its host name, such as `example.com`")]
    PageAddress(String),
    #[error("`{0}` is an e-mail address: enter only what follows the @")]
    EmailAddress(String),
    #[error("`{0}` has a wildcard: enter the domain itself and add each further domain on its own")]
    Wildcard(String),
    #[error("`{0}` is an IP address or ends in a number: enter a domain name, such as `example.com`")]
    IpAddress(String),
    #[error("`{0}` ends with a dot: leave the last dot out")]
    TrailingDot(String),
    #[error("`{0}` has a dot too many: there must be a name between dots")]
    EmptyLabel(String),
    #[error(
        "the label `{0}` begins or ends with a hyphen, or has two as its third and fourth character: check its spelling"
    )]
    Hyphen(String),
    #[error("the label `{label}` has the character `{character}`: use letters, digits and inner hyphens")]
    Character { label: String, character: char },
    #[error("the label `{0}` is no valid international name (IDNA): check its spelling")]
    International(String),
    #[error("`{0}` has only one part: enter the whole domain, such as `{0}.com`")]
    SingleLabel(String),
    #[error("`.{0}` is reserved and not part of the public DNS: enter a domain that you have registered")]
    Reserved(String),
    #[error(
        "`{0}` is a public suffix, under which anybody can register: enter your own domain, such as `example.{0}`"
    )]
    PublicSuffix(String),
    #[error(
        "anybody can get a mailbox at `{0}`, so nobody can claim it: enter a domain of your own organization"
    )]
    PublicMail(String),
}

/// Whether names under `.test` and `.example` are taken: only by tests and the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    Refuse,
    Allow,
}

/// Something that may mislead a reader of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Letters of several scripts in one label, in a mix that no language writes.
    MixedScripts { label: String },
    /// The label can be taken for an ASCII one.
    LooksLike { label: String, ascii: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MixedScripts { label } => {
                write!(
                    f,
                    "`{label}` mixes letters of different scripts: make sure that it is the name you mean"
                )
            }
            Self::LooksLike { label, ascii } => {
                write!(
                    f,
                    "`{label}` looks like `{ascii}` but is another name: make sure that it is the one you mean"
                )
            }
        }
    }
}

/// A domain that may be proved: canonical, registrable or below a registrable name, and not open to the public.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName {
    ascii: String,
}

impl DomainName {
    pub fn parse(text: &str) -> Result<Self, DomainNameError> {
        Self::parse_with(text, Reserved::Refuse)
    }

    pub fn parse_with(text: &str, reserved: Reserved) -> Result<Self, DomainNameError> {
        let ascii = canonical(text)?;
        let top = ascii.rsplit('.').next().unwrap_or_default();
        let allowed = reserved == Reserved::Allow && matches!(top, "test" | "example");
        if RESERVED.contains(&top) && !allowed {
            return Err(DomainNameError::Reserved(top.to_owned()));
        }
        if !ascii.contains('.') {
            return Err(DomainNameError::SingleLabel(ascii));
        }
        if registrable_of(&ascii).is_none() {
            return Err(DomainNameError::PublicSuffix(ascii));
        }
        if is_public_mail(&ascii) {
            return Err(DomainNameError::PublicMail(ascii));
        }
        Ok(Self { ascii })
    }

    /// The canonical spelling, as stored and looked up: lower-case A-labels without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.ascii
    }

    /// For people to read: U-labels.
    pub fn unicode(&self) -> String {
        Uts46::new().to_unicode(self.ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check).0.into_owned()
    }

    /// The part that was registered: `example.co.uk` of `mail.example.co.uk`.
    pub fn registrable(&self) -> &str {
        registrable_of(&self.ascii).unwrap_or(&self.ascii)
    }

    /// Whether proving this domain covers addresses at `email_domain` (canonical, from an `EmailAddress`). Exactly the
    /// domain: subdomains can be delegated to somebody else, so each is proved on its own.
    pub fn covers(&self, email_domain: &str) -> bool {
        self.ascii == email_domain
    }

    /// What may mislead a reader; show it wherever a domain is added or claimed.
    pub fn warnings(&self) -> Vec<Warning> {
        self.unicode().split('.').filter(|label| !label.is_ascii()).filter_map(warning_of).collect()
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ascii)
    }
}

fn warning_of(label: &str) -> Option<Warning> {
    let ascii: String = skeleton(label).collect();
    if ascii.is_ascii() {
        return Some(Warning::LooksLike { label: label.to_owned(), ascii });
    }
    (label.detect_restriction_level() > RestrictionLevel::HighlyRestrictive)
        .then(|| Warning::MixedScripts { label: label.to_owned() })
}

/// Special-use top-level names (RFC 6761 and its registry) and `.internal` (ICANN, 2024).
const RESERVED: [&str; 9] =
    ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion", "test"];

static PUBLIC_MAIL: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("public_mail_domains.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// Whether this domain, or one above it, gives mailboxes to anybody.
pub fn is_public_mail(ascii: &str) -> bool {
    let mut rest = Some(ascii);
    while let Some(name) = rest {
        if PUBLIC_MAIL.contains(name) {
            return true;
        }
        rest = name.split_once('.').map(|(_, parent)| parent);
    }
    false
}

fn registrable_of(ascii: &str) -> Option<&str> {
    psl::domain_str(ascii)
}

/// The first character that shows nothing but changes the text: control, format and filler characters. Joiners are
/// left to the IDNA rules, which know where some languages need them.
pub fn hidden_character(text: &str) -> Option<(usize, char)> {
    text.chars().enumerate().find(|(_, c)| is_hidden(*c))
}

pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The canonical spelling of a host name in the DNS, without asking whether it can be proved.
pub(crate) fn canonical(text: &str) -> Result<String, DomainNameError> {
    let text = text.trim_matches(' ');
    if text.is_empty() {
        return Err(DomainNameError::Empty);
    }
    if text.len() > INPUT_BYTES_MAX {
        return Err(DomainNameError::Long);
    }
    check_shape(text)?;
    let ascii = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
        .map_err(|_| why_not(text))?
        .into_owned();
    // Checked again: mapping turns full-width digits and dots of other scripts into plain ones.
    check_shape(&ascii)?;
    if let Some(label) = ascii.split('.').find(|label| label.len() > LABEL_OCTETS_MAX) {
        return Err(DomainNameError::LongLabel(label.to_owned()));
    }
    if ascii.len() > NAME_OCTETS_MAX {
        return Err(DomainNameError::Long);
    }
    Ok(ascii)
}

/// The mistakes that a person is likely to make, told apart.
fn check_shape(text: &str) -> Result<(), DomainNameError> {
    if let Some((index, c)) = hidden_character(text) {
        return Err(DomainNameError::Hidden { code: u32::from(c), position: index + 1 });
    }
    let quoted = || text.chars().take(64).collect::<String>();
    let bare = text.trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_ok() {
        return Err(DomainNameError::IpAddress(quoted()));
    }
    if text.contains(['/', ':', '?']) {
        return Err(DomainNameError::PageAddress(quoted()));
    }
    if text.contains('@') {
        return Err(DomainNameError::EmailAddress(quoted()));
    }
    if text.contains('*') {
        return Err(DomainNameError::Wildcard(quoted()));
    }
    if text.len() > 1 && text.ends_with('.') && !text.ends_with("..") {
        return Err(DomainNameError::TrailingDot(quoted()));
    }
    if text.split('.').any(str::is_empty) {
        return Err(DomainNameError::EmptyLabel(quoted()));
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DomainNameError::IpAddress(quoted()));
    }
    Ok(())
}

/// Finds the label that made the whole name fail.
fn why_not(text: &str) -> DomainNameError {
    let alone = |label: &&str| {
        Uts46::new()
            .to_ascii(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
            .is_err()
    };
    // None fails alone when only the mix of directions in the whole name is wrong (RFC 5893).
    let bad = text.split('.').find(alone).unwrap_or(text);
    let label: String = bad.chars().take(64).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii();
    if let Some(character) = bad.chars().find(|c| !plain(*c) && *c != '.') {
        return DomainNameError::Character { label, character };
    }
    let prefixed = bad.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    if bad.is_ascii() && !prefixed {
        DomainNameError::Hyphen(label)
    } else {
        DomainNameError::International(label)
    }
}

#[cfg(test)]
mod tests;
