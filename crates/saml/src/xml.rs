//! The one parser: every text, as it came, decrypted or canonical, is read through [`Document::parse`] and nothing else.

mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;

use roxmltree::{Node, NodeId, ParsingOptions};

use crate::error::{Error, Kind, Part, Place};

/// What a text may hold at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: usize,
    pub depth: usize,
    pub elements: usize,
    /// Of one element.
    pub attributes: usize,
}

impl Limits {
    /// Real responses have 3 to 60 KiB; groups make them larger.
    pub const MESSAGE: Limits = Limits { bytes: 512 * 1024, depth: 32, elements: 10_000, attributes: 32 };
    /// The metadata of one provider; a federation's whole aggregate is not taken.
    pub const METADATA: Limits =
        Limits { bytes: 4 * 1024 * 1024, depth: 32, elements: 40_000, attributes: 64 };
}

pub struct Document<'a> {
    tree: roxmltree::Document<'a>,
    part: Part,
}

impl<'a> Document<'a> {
    pub fn parse(bytes: &'a [u8], part: Part, limits: Limits) -> Result<Self, Error> {
        if bytes.len() > limits.bytes {
            return Err(Kind::TooLarge(limits.bytes).into());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Kind::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let fault = |kind, line, column| {
            let place = Place { part, element: String::new(), line, column };
            Error { kind, place: Some(Box::new(place)) }
        };
        let counted = scan::scan(text, limits).map_err(|found| {
            let (line, column) = position(text, found.at);
            fault(found.kind, line, column)
        })?;
        // Four nodes an element: itself and text or comments around it.
        let nodes_limit = u32::try_from(limits.elements * 4).unwrap_or(u32::MAX);
        let options = ParsingOptions { allow_dtd: false, nodes_limit, entity_resolver: None };
        let tree = roxmltree::Document::parse_with_options(text, options).map_err(|error| {
            let at = error.pos();
            fault(kind_of(&error), at.row, at.col)
        })?;
        let parsed = tree.descendants().filter(Node::is_element).count();
        // Two readers, one text: where they count differently, nobody knows what it says.
        if parsed != counted || tree.descendants().any(|node| node.is_pi()) {
            return Err(Kind::Malformed.into());
        }
        Ok(Self { tree, part })
    }

    pub fn root(&self) -> Element<'_> {
        Element { node: self.tree.root_element(), part: self.part }
    }

    /// Every `ID`, `Id` and `id` of the document, each once.
    pub fn ids(&self) -> Result<HashSet<String>, Error> {
        let mut seen = HashSet::new();
        for element in self.root().descendants() {
            for attribute in element.node.attributes().filter(|one| one.name().eq_ignore_ascii_case("id")) {
                if !seen.insert(attribute.value().to_owned()) {
                    return Err(element.error(Kind::DuplicateId));
                }
            }
        }
        Ok(seen)
    }
}

fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn kind_of(error: &roxmltree::Error) -> Kind {
    use roxmltree::Error as E;
    match error {
        E::DtdDetected | E::UnknownEntityReference(..) | E::EntityReferenceLoop(..) => Kind::Dtd,
        E::UnknownNamespace(..) => Kind::UnknownPrefix,
        E::DuplicatedAttribute(..) | E::DuplicatedNamespace(..) => Kind::DuplicateAttribute,
        E::NodesLimitReached | E::AttributesLimitReached => Kind::Nodes,
        E::NamespacesLimitReached => Kind::Namespaces,
        _ => Kind::Malformed,
    }
}

/// An element and the text it stands in.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    node: Node<'a, 'a>,
    part: Part,
}

impl<'a> Element<'a> {
    pub fn id(self) -> NodeId {
        self.node.id()
    }

    pub fn node(self) -> Node<'a, 'a> {
        self.node
    }

    pub fn local(self) -> &'a str {
        self.node.tag_name().name()
    }

    pub fn namespace(self) -> &'a str {
        self.node.tag_name().namespace().unwrap_or_default()
    }

    pub fn is(self, namespace: &str, local: &str) -> bool {
        self.local() == local && self.namespace() == namespace
    }

    /// The prefix as it is written; the tree keeps only what it stands for.
    pub fn prefix(self) -> &'a str {
        let tag = self.node.document().input_text().get(self.node.range()).unwrap_or_default();
        let name = tag.trim_start_matches('<');
        let end = name.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(name.len());
        name[..end].split_once(':').map_or("", |(prefix, _)| prefix)
    }

    pub fn error(self, kind: Kind) -> Error {
        let at = self.node.document().text_pos_at(self.node.range().start);
        let prefix = self.prefix();
        let local = self.local();
        let element = if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
        Error {
            kind,
            place: Some(Box::new(Place { part: self.part, element, line: at.row, column: at.col })),
        }
    }

    pub fn children(self) -> impl Iterator<Item = Element<'a>> {
        let part = self.part;
        self.node.children().filter(Node::is_element).map(move |node| Element { node, part })
    }

    /// Itself and everything below it.
    pub fn descendants(self) -> impl Iterator<Item = Element<'a>> {
        let part = self.part;
        self.node.descendants().filter(Node::is_element).map(move |node| Element { node, part })
    }

    pub fn named(self, namespace: &'a str, local: &'a str) -> impl Iterator<Item = Element<'a>> {
        self.children().filter(move |child| child.is(namespace, local))
    }

    /// The child of this name, of which there is one at most.
    pub fn optional(
        self,
        namespace: &'static str,
        local: &'static str,
    ) -> Result<Option<Element<'a>>, Error> {
        let mut found = self.named(namespace, local);
        let first = found.next();
        match found.next() {
            Some(second) => Err(second.error(Kind::Twice(local))),
            None => Ok(first),
        }
    }

    /// The child of this name, of which there is exactly one.
    pub fn only(self, namespace: &'static str, local: &'static str) -> Result<Element<'a>, Error> {
        self.optional(namespace, local)?.ok_or_else(|| self.error(Kind::Missing(local)))
    }

    /// No children but those of these names.
    pub fn allow(self, names: &[(&str, &str)]) -> Result<(), Error> {
        match self.children().find(|child| !names.iter().any(|(space, local)| child.is(space, local))) {
            Some(stranger) => Err(stranger.error(Kind::Misplaced)),
            None => Ok(()),
        }
    }

    /// An attribute without a namespace, which is what SAML's have.
    pub fn attribute(self, name: &str) -> Option<&'a str> {
        self.node
            .attributes()
            .find(|one| one.namespace().is_none() && one.name() == name)
            .map(|one| one.value())
    }

    pub fn required(self, name: &'static str) -> Result<&'a str, Error> {
        self.attribute(name).ok_or_else(|| self.error(Kind::Attribute(name)))
    }

    /// The whole text. Comments do not split it; elements inside are refused.
    pub fn text(self) -> Result<Cow<'a, str>, Error> {
        let mut parts = Vec::new();
        for child in self.node.children() {
            if child.is_element() {
                return Err(self.error(Kind::NoText));
            }
            if child.is_text() {
                parts.push(child.text().unwrap_or_default());
            }
        }
        Ok(match parts.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(one),
            _ => Cow::Owned(parts.concat()),
        })
    }

    /// Base64 with any line breaks.
    pub fn base64(self) -> Result<Vec<u8>, Error> {
        crate::base64::decode_wrapped(&self.text()?).ok_or_else(|| self.error(Kind::Base64))
    }

    /// The time in an attribute, if it has that attribute.
    pub fn time(self, name: &'static str) -> Result<Option<crate::Time>, Error> {
        let Some(text) = self.attribute(name) else { return Ok(None) };
        crate::Time::parse(text.trim()).map(Some).ok_or_else(|| self.error(Kind::Time(name)))
    }
}
