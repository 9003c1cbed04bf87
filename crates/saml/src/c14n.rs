//! Exclusive XML canonicalization 1.0 without comments (W3C xml-exc-c14n), of one element.

use roxmltree::{Attribute, Node, NodeId};

use crate::error::{Error, Kind};
use crate::names::XML;
use crate::xml::Element;

/// Canonical text is longer than its source where namespaces are written again; this much longer is an attack.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The canonical bytes of `apex` without the element `omitted`. `inclusive` is the `PrefixList`.
pub fn exclusive(apex: Element<'_>, omitted: Option<NodeId>, inclusive: &[&str]) -> Result<Vec<u8>, Error> {
    let mut writer = Writer { out: Vec::new(), omitted, inclusive, rendered: Vec::new() };
    writer.element(apex.node()).map_err(|kind| apex.error(kind))?;
    Ok(writer.out)
}

struct Writer<'a, 'p> {
    out: Vec<u8>,
    omitted: Option<NodeId>,
    inclusive: &'p [&'p str],
    /// What the written ancestors have declared: prefix and namespace, innermost last.
    rendered: Vec<(&'a str, &'a str)>,
}

impl<'a> Writer<'a, '_> {
    fn element(&mut self, node: Node<'a, 'a>) -> Result<(), Kind> {
        let scope = self.rendered.len();
        let name = tag_name(node);
        self.write("<", name)?;
        let mut attributes: Vec<(&str, Attribute<'a, 'a>)> =
            node.attributes().map(|one| (attribute_name(node, &one), one)).collect();
        self.namespaces(node, name, &attributes)?;
        attributes.sort_by_key(|(_, one)| (one.namespace().unwrap_or_default(), one.name()));
        for (name, one) in &attributes {
            self.write(" ", name)?;
            self.out.extend_from_slice(b"=\"");
            self.escaped(one.value(), attribute_escape)?;
            self.out.push(b'"');
        }
        self.out.push(b'>');
        for child in node.children() {
            if child.is_element() && Some(child.id()) != self.omitted {
                self.element(child)?;
            } else if child.is_text() {
                self.escaped(child.text().unwrap_or_default(), text_escape)?;
            }
        }
        self.write("</", name)?;
        self.out.push(b'>');
        self.rendered.truncate(scope);
        Ok(())
    }

    /// Declares what this element visibly uses, and what the caller lists, unless an ancestor that is written did so.
    fn namespaces(
        &mut self,
        node: Node<'a, 'a>,
        name: &'a str,
        attributes: &[(&'a str, Attribute<'a, 'a>)],
    ) -> Result<(), Kind> {
        let mut used: Vec<&'a str> = vec![prefix_of(name)];
        used.extend(attributes.iter().map(|(name, _)| prefix_of(name)).filter(|prefix| !prefix.is_empty()));
        for namespace in node.namespaces() {
            let prefix = namespace.name().unwrap_or_default();
            let listed = if prefix.is_empty() { "#default" } else { prefix };
            if self.inclusive.contains(&listed) {
                used.push(prefix);
            }
        }
        used.sort_unstable();
        used.dedup();
        for prefix in used {
            let uri = bound(node, prefix);
            let above = self.rendered.iter().rev().find(|(known, _)| *known == prefix).map(|(_, uri)| *uri);
            if prefix == "xml" || above.unwrap_or_default() == uri {
                continue;
            }
            if prefix.is_empty() {
                self.write(" ", "xmlns")?;
            } else {
                self.write(" xmlns:", prefix)?;
            }
            self.out.extend_from_slice(b"=\"");
            self.escaped(uri, attribute_escape)?;
            self.out.push(b'"');
            self.rendered.push((prefix, uri));
        }
        Ok(())
    }

    fn write(&mut self, before: &str, text: &str) -> Result<(), Kind> {
        if self.out.len() + text.len() > BYTES_MAX {
            return Err(Kind::TooLarge(BYTES_MAX));
        }
        self.out.extend_from_slice(before.as_bytes());
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn escaped(&mut self, text: &str, escape: fn(u8) -> Option<&'static str>) -> Result<(), Kind> {
        for byte in text.bytes() {
            match escape(byte) {
                Some(words) => self.out.extend_from_slice(words.as_bytes()),
                None => self.out.push(byte),
            }
        }
        if self.out.len() > BYTES_MAX { Err(Kind::TooLarge(BYTES_MAX)) } else { Ok(()) }
    }
}

fn text_escape(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

fn attribute_escape(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    }
}

fn bound<'a>(node: Node<'a, 'a>, prefix: &str) -> &'a str {
    match prefix {
        "xml" => XML,
        "" => node.lookup_namespace_uri(None).unwrap_or_default(),
        prefix => node.lookup_namespace_uri(Some(prefix)).unwrap_or_default(),
    }
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// As it is written, with its prefix.
fn tag_name<'a>(node: Node<'a, 'a>) -> &'a str {
    let tag = node.document().input_text().get(node.range()).unwrap_or_default().trim_start_matches('<');
    let end = tag.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(tag.len());
    &tag[..end]
}

fn attribute_name<'a>(node: Node<'a, 'a>, attribute: &Attribute<'a, 'a>) -> &'a str {
    node.document().input_text().get(attribute.range_qname()).unwrap_or_default()
}
