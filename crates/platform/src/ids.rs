//! Identifiers: one type per table, UUIDv7 (RFC 9562), stored as 16 bytes, written as lower-case hyphenated text.
//!
//! New ids are made by [`Ctx::id`](crate::ctx::Ctx::id) from the context's clock and randomness, so that a seeded
//! test or the demo makes the same ones every time.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// What every id type can do; implemented by [`id!`](crate::id).
pub trait Id: Copy + Eq {
    fn from_uuid(uuid: Uuid) -> Self;
    fn uuid(self) -> Uuid;
    fn bytes(self) -> [u8; 16] {
        *self.uuid().as_bytes()
    }
}

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected a UUID such as `0197a1c0-0000-7000-8000-000000000000`")]
pub struct IdError(pub String);

pub fn parse_uuid(text: &str) -> Result<Uuid, IdError> {
    match Uuid::from_str(text) {
        Ok(uuid) if text.len() == 36 => Ok(uuid),
        _ => Err(IdError(text.chars().take(64).collect())),
    }
}

/// Declares id types: `id! { /// A session. SessionId }`.
#[macro_export]
macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::uuid::Uuid);

        impl $crate::ids::Id for $name {
            fn from_uuid(uuid: $crate::uuid::Uuid) -> Self { Self(uuid) }
            fn uuid(self) -> $crate::uuid::Uuid { self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::ids::IdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> { $crate::ids::parse_uuid(text).map(Self) }
        }
        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }
        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as $crate::serde::Deserialize>::deserialize(d)?;
                text.parse().map_err($crate::serde::de::Error::custom)
            }
        }
        impl From<$name> for $crate::db::Value {
            fn from(id: $name) -> Self { Self::Blob($crate::ids::Id::bytes(id).to_vec()) }
        }
        impl $crate::db::FromValue for $name {
            fn from_value(value: &$crate::db::Value) -> Option<Self> {
                match value {
                    $crate::db::Value::Blob(bytes) => {
                        $crate::uuid::Uuid::from_slice(bytes).ok().map(Self)
                    }
                    _ => None,
                }
            }
        }
    )+};
}

id! {
    /// The provider or one of its customers.
    OrganizationId,
    /// A person; may belong to several organizations.
    AccountId,
    /// A set of members of one organization.
    GroupId,
    /// One HTTP request or one run of a job, as it stands in logs and problem documents.
    RequestId,
    /// One unit of background work.
    JobId,
}

/// A short name in URLs: 2–40 characters of `a-z`, `0-9` and inner hyphens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Slug(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a slug: use 2 to 40 of a-z, 0-9 and single hyphens inside")]
pub struct SlugError(pub String);

impl Slug {
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        let good = (2..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if good { Ok(Self(text.to_owned())) } else { Err(SlugError(text.chars().take(64).collect())) }
    }

    /// A slug made of a display name: `Harbor Logistics` → `harbor-logistics`; `None` when nothing usable is left.
    pub fn suggest(name: &str) -> Option<Self> {
        let mut out = String::new();
        for c in name.chars() {
            if c.is_ascii_alphanumeric() {
                out.push(c.to_ascii_lowercase());
            } else if !out.is_empty() && !out.ends_with('-') {
                out.push('-');
            }
            if out.len() == 40 {
                break;
            }
        }
        Self::parse(out.trim_end_matches('-')).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_strict_and_suggested() {
        assert_eq!(Slug::suggest("Harbor Logistics, Inc.").unwrap().as_str(), "harbor-logistics-inc");
        for bad in ["", "a", "-ab", "ab-", "a--b", "Ab", "a b", "ä-b"] {
            assert!(Slug::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_refuse_other_spellings() {
        assert!("{0197a1c0-0000-7000-8000-000000000000}".parse::<AccountId>().is_err());
        assert!("0197a1c0000070008000000000000000".parse::<AccountId>().is_err());
        assert!("0197a1c0-0000-7000-8000-000000000000".parse::<AccountId>().is_ok());
    }
}
