//! Factors: what somebody proves themselves with, and how much a proof is worth.
//!
//! Proofs form a **ladder** ([`Level`]). A policy names the rung it asks for; a session remembers the rung it reached.

use serde::{Deserialize, Serialize};

/// A rung of the ladder; a higher one includes the lower ones.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Whatever signs in: a password alone, too.
    #[default]
    Any,
    /// Two factors: a password and a one-time code, or a passkey.
    Mfa,
    /// A passkey, which no imitated page can ask for.
    Passkey,
    /// A passkey whose authenticator proved its make, and the make is on the installation's list.
    AttestedPasskey,
}

impl Level {
    pub const ALL: [Level; 4] = [Self::Any, Self::Mfa, Self::Passkey, Self::AttestedPasskey];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Mfa => "mfa",
            Self::Passkey => "passkey",
            Self::AttestedPasskey => "attested_passkey",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// For sentences and choices on pages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "a password alone",
            Self::Mfa => "two factors",
            Self::Passkey => "a passkey",
            Self::AttestedPasskey => "a passkey of a listed make",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn the_ladder_is_ordered_and_has_one_spelling() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(Level::parse(level.as_str()), Some(level));
            assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{}\"", level.as_str()));
        }
        assert_eq!(Level::parse("Mfa"), None);
    }
}
