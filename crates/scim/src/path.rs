//! Attribute paths: `name.familyName`, `emails[type eq "work"].value`, `urn:…:User:department` (RFC 7644 §3.5.2,
//! §3.10), resolved against a resource type.

use std::fmt;

use crate::error::{Error, ScimType, quote};
use crate::filter::{Filter, parse as parser};
use crate::limits::PATH_BYTES_MAX;
use crate::schema::{Attribute, ResourceType, Schema};

/// Where a value stands in a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributePath {
    /// The extension that it stands in; `None` for core and common attributes.
    pub extension: Option<&'static Schema>,
    /// `None`: the extension as a whole.
    pub attribute: Option<&'static Attribute>,
    pub sub: Option<&'static Attribute>,
}

impl AttributePath {
    /// Reads `[URN:]attribute[.sub]`. `None` when this resource has no such attribute.
    pub fn resolve(kind: &ResourceType, text: &str) -> Option<Self> {
        let (extension, rest) = match split_urn(kind, text) {
            Some((schema, "")) if kind.extension(schema.urn).is_some() => {
                return Some(Self { extension: Some(schema), attribute: None, sub: None });
            }
            Some((schema, rest)) => (kind.extension(schema.urn), rest),
            None => (None, text),
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let attribute = match extension {
            Some(schema) => schema.attribute(name)?,
            None => kind.core(name)?,
        };
        let sub = match sub {
            Some(sub) => Some(attribute.sub(sub)?),
            None => None,
        };
        Some(Self { extension, attribute: Some(attribute), sub })
    }

    /// A sub-attribute by itself, as it stands inside the brackets of a value filter.
    pub(crate) fn of_sub(attribute: &'static Attribute, text: &str) -> Option<Self> {
        let sub = attribute.sub(text)?;
        Some(Self { extension: None, attribute: Some(sub), sub: None })
    }

    /// The attribute whose values are compared: the sub-attribute, or `value` of a complex one.
    pub fn leaf(&self) -> Option<&'static Attribute> {
        let attribute = self.attribute?;
        match self.sub {
            Some(sub) => Some(sub),
            None if attribute.subs().is_empty() => Some(attribute),
            None => attribute.value_sub(),
        }
    }

    /// Whether this is the attribute `name` of the core schema, with `sub` (`""`: no sub-attribute).
    pub fn is(&self, name: &str, sub: &str) -> bool {
        self.extension.is_none()
            && self.attribute.is_some_and(|attribute| attribute.name == name)
            && self.sub.map_or("", |sub| sub.name) == sub
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.extension, self.attribute) {
            (Some(schema), None) => f.write_str(schema.urn),
            (extension, attribute) => {
                if let Some(schema) = extension {
                    write!(f, "{}:", schema.urn)?;
                }
                f.write_str(attribute.map_or("", |attribute| attribute.name))?;
                self.sub.map_or(Ok(()), |sub| write!(f, ".{}", sub.name))
            }
        }
    }
}

/// The schema whose URN starts the text, and what follows it and its colon.
fn split_urn<'t>(kind: &ResourceType, text: &'t str) -> Option<(&'static Schema, &'t str)> {
    let schemas = kind.extensions.iter().copied().chain([kind.schema]);
    for schema in schemas {
        let Some(start) = text.get(..schema.urn.len()) else { continue };
        if !start.eq_ignore_ascii_case(schema.urn) {
            continue;
        }
        let rest = &text[schema.urn.len()..];
        if rest.is_empty() {
            return Some((schema, ""));
        }
        if let Some(rest) = rest.strip_prefix(':') {
            return Some((schema, rest));
        }
    }
    None
}

/// The target of a patch operation.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPath {
    pub path: AttributePath,
    /// Which of several values.
    pub filter: Option<Filter>,
}

impl PatchPath {
    pub fn parse(kind: &ResourceType, text: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::bad(ScimType::InvalidPath, why);
        if text.len() > PATH_BYTES_MAX {
            return Err(bad(format!("a path has up to {PATH_BYTES_MAX} bytes; this one has {}", text.len())));
        }
        let unknown = |name: &str| bad(format!("`{}` is no attribute of a {}", quote(name), kind.name));
        let Some(open) = text.find('[') else {
            let path = AttributePath::resolve(kind, text).ok_or_else(|| unknown(text))?;
            return Ok(Self { path, filter: None });
        };
        let name = &text[..open];
        let mut path = AttributePath::resolve(kind, name).ok_or_else(|| unknown(name))?;
        let attribute = path.attribute.filter(|attribute| attribute.many && path.sub.is_none());
        let attribute = attribute
            .ok_or_else(|| bad(format!("`{}` has no values to choose from with [ ]", quote(name))))?;
        let (filter, close) = parser::value_filter(attribute, text, open + 1)
            .map_err(|error| Error { scim_type: Some(ScimType::InvalidPath), ..error })?;
        match &text[close..] {
            "" => {}
            rest => {
                let sub = rest.strip_prefix('.').and_then(|sub| attribute.sub(sub));
                path.sub = Some(sub.ok_or_else(|| {
                    bad(format!(
                        "`{}` at position {} is no sub-attribute of `{}`",
                        quote(rest),
                        close + 1,
                        attribute.name
                    ))
                })?);
            }
        }
        Ok(Self { path, filter: Some(filter) })
    }
}
