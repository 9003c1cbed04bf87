//! Names that people give to things: organizations, groups, tokens.

use std::fmt;

/// 1 to 100 characters without control or direction-changing characters, trimmed. Direction marks could make
/// `nimda` read as `admin` in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name is needed")]
    Empty,
    #[error("a name has up to {CHARS_MAX} characters; this one has {0}")]
    Long(usize),
    #[error("a name has no control or direction-changing characters; remove the one at position {0}")]
    Character(usize),
}

pub const CHARS_MAX: usize = 100;

fn hidden(c: char) -> bool {
    let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || direction || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

impl Name {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if let Some(at) = text.chars().position(hidden) {
            return Err(NameError::Character(at + 1));
        }
        match text.chars().count() {
            0 => Err(NameError::Empty),
            long if long > CHARS_MAX => Err(NameError::Long(long)),
            _ => Ok(Self(text.to_owned())),
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

/// A longer text about a thing, up to 500 characters; may be empty, may have line breaks.
pub fn description(text: &str) -> Result<String, NameError> {
    const DESCRIPTION_CHARS_MAX: usize = 500;
    let text = text.trim();
    if let Some(at) = text.chars().position(|c| c != '\n' && c != '\r' && hidden(c)) {
        return Err(NameError::Character(at + 1));
    }
    let long = text.chars().count();
    if long > DESCRIPTION_CHARS_MAX { Err(NameError::Long(long)) } else { Ok(text.to_owned()) }
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
    }
}
