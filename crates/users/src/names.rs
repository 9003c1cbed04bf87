//! Names that people give to things: organizations, groups, tokens.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::domains::name::is_hidden;

/// 1 to 100 characters without hidden ones, trimmed, in normalization form C. Direction marks could make `nimda` read as
/// `admin` in a list, and two names that look alike to the last pixel would be two things. A name holds no link: it
/// stands in mails to people who do not know its giver, and must not be what they click on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name is needed")]
    Empty,
    #[error("a name has up to {CHARS_MAX} characters; this one has {0}")]
    Long(usize),
    #[error("a name has no control, hidden or direction-changing characters; remove the one at position {0}")]
    Character(usize),
    #[error("a name has no link in it; leave the address out")]
    Link,
}

pub const CHARS_MAX: usize = 100;

/// Variation selectors belong to emoji.
fn hidden(c: char) -> bool {
    is_hidden(c) && !is_selector(c)
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// Joiners, selectors and the blank of Braille show nothing by themselves.
fn shows_nothing(c: char) -> bool {
    c.is_whitespace() || is_selector(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{2800}')
}

fn has_link(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains("://")
        || lower.split(|c: char| !c.is_alphanumeric() && c != '.').any(|w| w.starts_with("www."))
}

impl Name {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if let Some(at) = text.chars().position(hidden) {
            return Err(NameError::Character(at + 1));
        }
        match text.chars().count() {
            long if long > CHARS_MAX => Err(NameError::Long(long)),
            _ if text.chars().all(shows_nothing) => Err(NameError::Empty),
            _ if has_link(text) => Err(NameError::Link),
            _ => Ok(Self(text.nfc().collect())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text without characters that nobody sees.
pub fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c.is_whitespace() { ' ' } else { c };
    text.chars().map(shown).filter(|c| !hidden(*c)).collect()
}

/// What stands for a name that another program keeps, such as an identity provider: refusing it would stop that one, and
/// nobody here can mend it. What a [`Name`] must not have is left out, and the rest is cut to `chars_max`; `None` where
/// nothing is left to read.
pub fn cleaned(text: &str, chars_max: usize) -> Option<String> {
    let mut text: String = visible(text).nfc().collect();
    if has_link(&text) {
        let words: Vec<&str> = text.split_whitespace().filter(|word| !has_link(word)).collect();
        text = words.join(" ");
    }
    let text: String = text.trim().chars().take(chars_max).collect();
    (!text.chars().all(shows_nothing)).then(|| text.trim_end().to_owned())
}

const TEXT_CHARS_MAX: usize = 500;

/// What is wrong with a longer text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("write a few words here")]
    Empty,
    #[error("this takes up to {TEXT_CHARS_MAX} characters; there are {0}")]
    Long(usize),
    #[error("this takes no control, hidden or direction-changing characters; remove the one at position {0}")]
    Character(usize),
    #[error("this takes no link; leave the address out")]
    Link,
}

/// A longer text about a thing, up to 500 characters; may be empty, may have line breaks.
pub fn description(text: &str) -> Result<String, TextError> {
    let text = text.trim();
    if let Some(at) = text.chars().position(|c| c != '\n' && c != '\r' && hidden(c)) {
        return Err(TextError::Character(at + 1));
    }
    let long = text.chars().count();
    if long > TEXT_CHARS_MAX { Err(TextError::Long(long)) } else { Ok(text.to_owned()) }
}

/// Words of one person to others, such as a reason: a [`description`] that says something and has no link, since it
/// stands in mails.
pub fn sentence(text: &str) -> Result<String, TextError> {
    let text = description(text)?;
    match text.chars().all(shows_nothing) {
        true => Err(TextError::Empty),
        false if has_link(&text) => Err(TextError::Link),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(Name::parse("  Harbor  ").unwrap().as_str(), "Harbor");
        assert_eq!(Name::parse(" \n "), Err(NameError::Empty));
        assert_eq!(Name::parse(&"ä".repeat(100)).unwrap().as_str().chars().count(), 100);
        assert_eq!(Name::parse(&"a".repeat(101)), Err(NameError::Long(101)));
        assert_eq!(Name::parse("a\u{202e}b"), Err(NameError::Character(2)));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Character(2)));
        assert_eq!(description("a\nb").unwrap(), "a\nb");
        assert_eq!(sentence(" \n "), Err(TextError::Empty));
        assert_eq!(sentence(&"a".repeat(501)), Err(TextError::Long(501)));
    }

    /// Security: names that look like others, or like nothing.
    #[test]
    fn a_name_shows_what_it_is() {
        for hidden in ["Ad\u{200b}min", "Ad\u{ad}min", "\u{3164}", "a\u{2060}b", "x\u{e0041}"] {
            assert!(matches!(Name::parse(hidden), Err(NameError::Character(_))), "{hidden:?}");
        }
        for blank in ["\u{2800}", "\u{200d}\u{200d}", "\u{a0}\u{2003}", "\u{fe0f}"] {
            assert_eq!(Name::parse(blank), Err(NameError::Empty), "{blank:?}");
        }
        assert_eq!(Name::parse("Cafe\u{301}").unwrap(), Name::parse("Caf\u{e9}").unwrap());
        for good in
            ["⚓\u{fe0f} Hafen", "👩\u{200d}🚀 Crew", "نامه\u{200c}ای", "AC/DC", "Booking.com", "Wwwald"]
        {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
    }

    /// Security: a name from an identity provider has nothing that no other name may have, and is never refused.
    #[test]
    fn a_cleaned_name_is_a_name() {
        for (text, wanted) in [
            ("  Ann Lind ", Some("Ann Lind")),
            ("Ad\u{200b}min\u{202e}", Some("Admin")),
            ("Ann\tLind\u{0}", Some("Ann Lind")),
            ("=HYPERLINK(\"http://evil\")\u{202e}\u{200b} https://evil.example Ann", Some("Ann")),
            ("ht\u{200b}tps://evil.example w\u{ad}ww.evil.example", None),
            ("\u{202e}\u{2800}", None),
            ("", None),
            ("👩\u{200d}🚀 Crew", Some("👩\u{200d}🚀 Crew")),
        ] {
            let name = cleaned(text, CHARS_MAX);
            assert_eq!(name.as_deref(), wanted, "{text:?}");
            assert!(name.is_none_or(|name| Name::parse(&name).is_ok_and(|parsed| parsed.as_str() == name)));
        }
        assert_eq!(cleaned(&"ä".repeat(300), CHARS_MAX), Some("ä".repeat(100)));
    }

    /// Security: a stranger's name stands in the subject of an invitation.
    #[test]
    fn a_name_is_no_link() {
        for link in ["Your account is locked: https://evil.example", "see WWW.evil.example now", "ftp://x"] {
            assert_eq!(Name::parse(link), Err(NameError::Link), "{link}");
        }
    }
}
