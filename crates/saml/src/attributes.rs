//! What an assertion says beyond the name: attributes, by their `Name` alone. `FriendlyName` is for people and decides nothing.

use std::borrow::Cow;

use crate::error::{Error, Kind};
use crate::names::{SAML, XSI};
use crate::xml::Element;

const VALUES_MAX: usize = 4_000;
const VALUE_BYTES_MAX: usize = 8 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    /// In the order of the assertion, from every element with this name.
    pub values: Vec<String>,
}

/// All attributes, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    pub(crate) fn read(assertion: Element<'_>) -> Result<Self, Error> {
        let mut all = Self::default();
        let mut count = 0;
        for statement in assertion.named(SAML, "AttributeStatement") {
            for element in statement.children() {
                if element.is(SAML, "EncryptedAttribute") {
                    return Err(element.error(Kind::EncryptedId));
                }
                if !element.is(SAML, "Attribute") {
                    return Err(element.error(Kind::Misplaced));
                }
                let name = element.required("Name")?;
                element.allow(&[(SAML, "AttributeValue")])?;
                let values = all.entry(name);
                for value in element.named(SAML, "AttributeValue") {
                    count += 1;
                    if count > VALUES_MAX {
                        return Err(value.error(Kind::Nodes));
                    }
                    values.extend(text_of(value)?.map(Cow::into_owned));
                }
            }
        }
        Ok(all)
    }

    fn entry(&mut self, name: &str) -> &mut Vec<String> {
        let at = self.0.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.0.push(Attribute { name: name.to_owned(), values: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at].values
    }

    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter()
    }

    /// Every value of an attribute; none when it is not there.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.iter().find(|one| one.name == name).map_or(&[], |one| &one.values)
    }

    /// The value of an attribute that has one. Several different values are refused: which of them counts must not depend
    /// on who reads.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Kind> {
        let values = self.all(name);
        match values.first() {
            Some(first) if values.iter().any(|value| value != first) => Err(Kind::Several),
            first => Ok(first.map(String::as_str)),
        }
    }
}

/// The text of a value. A value that is nothing (`xsi:nil`) or made of elements (an eduPersonTargetedID) has none.
fn text_of(value: Element<'_>) -> Result<Option<Cow<'_, str>>, Error> {
    let mut attributes = value.node().attributes();
    let nil = attributes.any(|one| {
        one.namespace() == Some(XSI) && one.name() == "nil" && matches!(one.value().trim(), "true" | "1")
    });
    if nil || value.children().next().is_some() {
        return Ok(None);
    }
    let text = value.text()?;
    if text.len() > VALUE_BYTES_MAX {
        Err(value.error(Kind::TooLarge(VALUE_BYTES_MAX)))
    } else {
        Ok(Some(text))
    }
}
