//! Refusals, as RFC 7644 §3.12 words them.

use std::fmt;

/// The detail keyword of an error document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    InvalidFilter,
    TooMany,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
    InvalidVers,
    Sensitive,
}

impl ScimType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
        }
    }
}

/// A refusal: the status, its keyword, and a sentence that names the attribute or the position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    pub status: u16,
    pub scim_type: Option<ScimType>,
    pub detail: String,
}

impl Error {
    pub fn new(status: u16, scim_type: Option<ScimType>, detail: impl fmt::Display) -> Self {
        Self { status, scim_type, detail: detail.to_string() }
    }

    /// 400 with a keyword.
    pub fn bad(scim_type: ScimType, detail: impl fmt::Display) -> Self {
        Self::new(400, Some(scim_type), detail)
    }

    pub fn value(detail: impl fmt::Display) -> Self {
        Self::bad(ScimType::InvalidValue, detail)
    }

    pub fn syntax(detail: impl fmt::Display) -> Self {
        Self::bad(ScimType::InvalidSyntax, detail)
    }
}

/// At most 80 characters of what somebody sent, for a message.
pub(crate) fn quote(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}
