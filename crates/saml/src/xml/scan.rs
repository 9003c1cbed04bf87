//! One pass over the raw text before it is parsed. It refuses what a parser should never see (document types, entities,
//! processing instructions), what costs more than it is worth (depth, attributes, namespaces), and what parsers are known to
//! read differently (`p:xmlns`, a namespace declared twice or undeclared by prefix).

use super::Limits;
use crate::Kind;

/// What is wrong, and at which byte.
pub(super) struct Fault {
    pub kind: Kind,
    pub at: usize,
}

type Result<T> = std::result::Result<T, Fault>;

const NAME_BYTES_MAX: usize = 256;
const NAMESPACE_BYTES_MAX: usize = 1024;
/// Declarations that are in force at one place.
const NAMESPACES_MAX: usize = 64;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    /// Of every open element, how many namespaces it declares.
    open: Vec<usize>,
    in_scope: usize,
    elements: usize,
}

/// How many elements the text has.
pub(super) fn scan(text: &str, limits: Limits) -> Result<usize> {
    let mut scanner = Scanner { text, at: 0, limits, open: Vec::new(), in_scope: 0, elements: 0 };
    if text.starts_with("<?xml ") {
        scanner.declaration()?;
    }
    references(text)?;
    while let Some(found) = scanner.rest().find('<') {
        scanner.at += found;
        scanner.markup()?;
    }
    Ok(scanner.elements)
}

/// Every `&#…;` is a character that XML has. The parser would put U+FFFD for one that is not.
fn references(text: &str) -> Result<()> {
    for (at, _) in text.match_indices("&#") {
        let rest = &text[at + 2..];
        let body = rest.split_once(';').map_or("", |(body, _)| body);
        let (digits, radix) = body.strip_prefix('x').map_or((body, 10), |hex| (hex, 16));
        let sound = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let letter = u32::from_str_radix(digits, radix).ok().filter(|_| sound).and_then(char::from_u32);
        if !letter.is_some_and(crate::writer::is_allowed) {
            return Err(Fault { kind: Kind::Malformed, at });
        }
    }
    Ok(())
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault<T>(&self, kind: Kind) -> Result<T> {
        Err(Fault { kind, at: self.at })
    }

    /// Moves behind the next `end`, and gives what was before it.
    fn until(&mut self, end: &str) -> Result<&'a str> {
        let rest = self.rest();
        let Some(found) = rest.find(end) else { return self.fault(Kind::Malformed) };
        self.at += found + end.len();
        Ok(&rest[..found])
    }

    /// `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`, each part in this one order.
    fn declaration(&mut self) -> Result<()> {
        let text = self.until("?>")?;
        let mut version = false;
        for part in text.trim_start_matches("<?xml").split_ascii_whitespace() {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_matches(['"', '\'']);
            match name {
                "version" if value == "1.0" => version = true,
                "encoding" if value.eq_ignore_ascii_case("utf-8") => {}
                "standalone" if value == "yes" || value == "no" => {}
                _ => return Err(Fault { kind: Kind::Encoding, at: 0 }),
            }
        }
        if version { Ok(()) } else { Err(Fault { kind: Kind::Encoding, at: 0 }) }
    }

    fn markup(&mut self) -> Result<()> {
        let rest = self.rest();
        if rest.starts_with("<!--") {
            self.at += 4;
            return self.until("-->").map(drop);
        }
        if rest.starts_with("<![CDATA[") {
            return self.until("]]>").map(drop);
        }
        if rest.starts_with("<!") {
            return self.fault(Kind::Dtd);
        }
        if rest.starts_with("<?") {
            return self.fault(Kind::ProcessingInstruction);
        }
        if rest.starts_with("</") {
            self.until(">")?;
            let Some(declared) = self.open.pop() else { return self.fault(Kind::Malformed) };
            self.in_scope -= declared;
            return Ok(());
        }
        self.start_tag()
    }

    fn start_tag(&mut self) -> Result<()> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return self.fault(Kind::Nodes);
        }
        self.at += 1;
        self.name()?;
        let mut names: Vec<&str> = Vec::new();
        let mut declared = 0;
        loop {
            self.space();
            match self.rest().as_bytes() {
                [b'>', ..] => {
                    self.at += 1;
                    self.open.push(declared);
                    if self.open.len() > self.limits.depth {
                        return self.fault(Kind::Depth);
                    }
                    return Ok(());
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    self.in_scope -= declared;
                    return Ok(());
                }
                _ => {}
            }
            let start = self.at;
            let (name, value) = self.attribute()?;
            if names.contains(&name) {
                return Err(Fault { kind: Kind::DuplicateAttribute, at: start });
            }
            names.push(name);
            if names.len() > self.limits.attributes {
                return Err(Fault { kind: Kind::Attributes, at: start });
            }
            if declares(name, value).map_err(|kind| Fault { kind, at: start })? {
                declared += 1;
                self.in_scope += 1;
            }
            if self.in_scope > NAMESPACES_MAX {
                return Err(Fault { kind: Kind::Namespaces, at: start });
            }
        }
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// A name with at most one prefix; which letters it may have is the parser's to judge.
    fn name(&mut self) -> Result<&'a str> {
        let rest = self.rest();
        let end =
            rest.find([' ', '\t', '\r', '\n', '=', '/', '>', '<', '"', '\'', '&']).unwrap_or(rest.len());
        let name = &rest[..end];
        if end > NAME_BYTES_MAX {
            return self.fault(Kind::Attributes);
        }
        let colons = name.matches(':').count();
        if name.is_empty() || colons > 1 || name.starts_with(':') || name.ends_with(':') {
            return self.fault(Kind::Malformed);
        }
        self.at += end;
        Ok(name)
    }

    fn attribute(&mut self) -> Result<(&'a str, &'a str)> {
        let name = self.name()?;
        self.space();
        if !self.rest().starts_with('=') {
            return self.fault(Kind::Malformed);
        }
        self.at += 1;
        self.space();
        let quote = match self.rest().as_bytes() {
            [b'"', ..] => "\"",
            [b'\'', ..] => "'",
            _ => return self.fault(Kind::Malformed),
        };
        self.at += 1;
        let value = self.until(quote)?;
        if value.contains('<') { self.fault(Kind::Malformed) } else { Ok((name, value)) }
    }
}

/// Whether an attribute declares a namespace, in the only ways that every parser reads alike.
fn declares(name: &str, value: &str) -> std::result::Result<bool, Kind> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    if local == "xmlns" && !prefix.is_empty() {
        return Err(Kind::NamespaceTrick);
    }
    let declares = prefix == "xmlns" || local == "xmlns";
    if !declares {
        return Ok(false);
    }
    // XML 1.0 cannot take a prefix back, and `xml` needs no declaration.
    let odd = prefix == "xmlns" && (value.is_empty() || local == "xml");
    if odd || value.contains(['&', '\t', '\r', '\n']) || value.trim() != value {
        return Err(Kind::NamespaceTrick);
    }
    if value.len() > NAMESPACE_BYTES_MAX { Err(Kind::Namespaces) } else { Ok(true) }
}
