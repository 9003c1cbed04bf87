//! Text to [`Filter`]: recursive descent with a budget.

use super::{Filter, Literal, Op};
use crate::error::{Error, ScimType, quote};
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX};
use crate::path::AttributePath;
use crate::schema::{Attribute, Kind, ResourceType};
use crate::{time, value};

impl Filter {
    /// Reads a filter over resources of `kind`. Positions in errors count bytes from 1.
    pub fn parse(kind: &ResourceType, text: &str) -> Result<Self, Error> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(Error::bad(
                ScimType::InvalidFilter,
                format!("a filter has up to {FILTER_BYTES_MAX} bytes; this one has {}", text.len()),
            ));
        }
        let mut parser = Parser { text, at: 0, nodes: 0, names: Names::Of(kind) };
        let filter = parser.or(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.wrong("expected `and`, `or` or the end"));
        }
        Ok(filter)
    }
}

/// Reads what stands between the brackets of a value filter from `at` on; gives where it goes on behind `]`.
pub(crate) fn value_filter(
    attribute: &'static Attribute,
    text: &str,
    at: usize,
) -> Result<(Filter, usize), Error> {
    let mut parser = Parser { text, at, nodes: 0, names: Names::Within(attribute) };
    let filter = parser.or(0)?;
    parser.space();
    if !parser.take(']') {
        return Err(parser.wrong("expected `]`"));
    }
    Ok((filter, parser.at))
}

/// What attribute names mean here.
#[derive(Clone, Copy)]
enum Names<'a> {
    Of(&'a ResourceType),
    Within(&'static Attribute),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nodes: usize,
    names: Names<'a>,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &str) -> Error {
        self.wrong_at(self.at, what)
    }

    fn wrong_at(&self, at: usize, what: &str) -> Error {
        Error::bad(ScimType::InvalidFilter, format!("{what} at position {}", at + 1))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.rest().starts_with(wanted);
        if taken {
            self.at += wanted.len_utf8();
        }
        taken
    }

    fn node(&mut self) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > FILTER_NODES_MAX {
            return Err(self.wrong(&format!("more than {FILTER_NODES_MAX} conditions")));
        }
        Ok(())
    }

    /// The characters of names, paths, key words and numbers.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_$:.-+".contains(c))).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes `word` if it comes next as a whole word.
    fn keyword(&mut self, wanted: &str) -> bool {
        let before = self.at;
        self.space();
        if self.word().eq_ignore_ascii_case(wanted) {
            return true;
        }
        self.at = before;
        false
    }

    fn or(&mut self, depth: usize) -> Result<Filter, Error> {
        if depth > FILTER_DEPTH_MAX {
            return Err(self.wrong(&format!("nested more than {FILTER_DEPTH_MAX} deep")));
        }
        let mut left = self.and(depth)?;
        while self.keyword("or") {
            self.node()?;
            left = Filter::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Filter, Error> {
        let mut left = self.unary(depth)?;
        while self.keyword("and") {
            self.node()?;
            left = Filter::And(Box::new(left), Box::new(self.unary(depth)?));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Filter, Error> {
        self.node()?;
        self.space();
        if self.take('(') {
            return self.group(depth);
        }
        let before = self.at;
        if self.keyword("not") {
            self.space();
            if self.take('(') {
                return Ok(Filter::Not(Box::new(self.group(depth)?)));
            }
            // An attribute could be called so.
            self.at = before;
        }
        self.comparison(depth)
    }

    fn group(&mut self, depth: usize) -> Result<Filter, Error> {
        let inner = self.or(depth + 1)?;
        self.space();
        if self.take(')') { Ok(inner) } else { Err(self.wrong("expected `)`")) }
    }

    fn comparison(&mut self, depth: usize) -> Result<Filter, Error> {
        let start = self.at;
        let name = self.word();
        if name.is_empty() {
            return Err(self.wrong("expected an attribute"));
        }
        let path = match self.names {
            Names::Of(kind) => AttributePath::resolve(kind, name),
            Names::Within(attribute) => AttributePath::of_sub(attribute, name),
        };
        let path = path
            .filter(|path| path.attribute.is_some())
            .ok_or_else(|| self.wrong_at(start, &format!("`{}` is no attribute here", quote(name))))?;
        if self.take('[') {
            return self.has(path, start, depth);
        }
        self.space();
        let at = self.at;
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let op = Op::parse(word)
            .ok_or_else(|| self.wrong_at(at, "expected one of eq, ne, co, sw, ew, gt, ge, lt, le, pr"))?;
        self.space();
        let at = self.at;
        let literal = self.literal()?;
        let literal = self.typed(&path, op, literal, at)?;
        Ok(Filter::Compare { path, op, literal })
    }

    fn has(&mut self, path: AttributePath, start: usize, depth: usize) -> Result<Filter, Error> {
        let Names::Of(_) = self.names else {
            return Err(self.wrong_at(start, "a value filter inside a value filter"));
        };
        let attribute = path.attribute.filter(|found| !found.subs().is_empty() && path.sub.is_none());
        let Some(attribute) = attribute else {
            return Err(self.wrong_at(start, "[ ] needs an attribute with sub-attributes"));
        };
        let outer = std::mem::replace(&mut self.names, Names::Within(attribute));
        let inner = self.or(depth + 1)?;
        self.names = outer;
        self.space();
        if !self.take(']') {
            return Err(self.wrong("expected `]`"));
        }
        Ok(Filter::Has(path, Box::new(inner)))
    }

    fn literal(&mut self) -> Result<Raw<'a>, Error> {
        if self.rest().starts_with('"') {
            return self.string().map(Raw::Text);
        }
        let start = self.at;
        match self.word() {
            "" => Err(self.wrong("expected a value: a text in quotes, true, false, null or a number")),
            word if word.eq_ignore_ascii_case("true") => Ok(Raw::Boolean(true)),
            word if word.eq_ignore_ascii_case("false") => Ok(Raw::Boolean(false)),
            word if word.eq_ignore_ascii_case("null") => Ok(Raw::Null),
            word if word.parse::<f64>().is_ok() => Ok(Raw::Number(word)),
            _ => Err(self.wrong_at(start, "a text needs quotes")),
        }
    }

    /// A JSON string.
    fn string(&mut self) -> Result<String, Error> {
        let rest = self.rest();
        let mut escaped = false;
        for (index, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'"' if !escaped => {
                    let text = serde_json::from_str(&rest[..=index])
                        .map_err(|_| self.wrong("a text with a wrong escape"))?;
                    self.at += index + 1;
                    return Ok(text);
                }
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        Err(self.wrong("a text without its closing quote"))
    }

    /// The literal in the type of the attribute it is compared with.
    fn typed(&self, path: &AttributePath, op: Op, raw: Raw<'_>, at: usize) -> Result<Literal, Error> {
        let leaf = path
            .leaf()
            .ok_or_else(|| self.wrong_at(at, &format!("`{path}` has no value of its own to compare")))?;
        if matches!(raw, Raw::Null) {
            return match op {
                Op::Eq | Op::Ne => Ok(Literal::Null),
                _ => Err(self.wrong_at(at, "null is compared with eq or ne alone")),
            };
        }
        match leaf.kind {
            Kind::Boolean => match (&raw, op) {
                (Raw::Boolean(value), Op::Eq | Op::Ne) => Ok(Literal::Boolean(*value)),
                (Raw::Text(text), Op::Eq | Op::Ne) => value::boolean(text)
                    .map(Literal::Boolean)
                    .ok_or_else(|| self.wrong_at(at, &format!("`{path}` is true or false"))),
                _ => Err(self.wrong_at(at, &format!("`{path}` is compared with eq or ne, true or false"))),
            },
            Kind::Time => match (&raw, op) {
                (Raw::Text(text), Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le) => time::parse(text)
                    .map(Literal::Time)
                    .ok_or_else(|| self.wrong_at(at, "a time is written like \"2026-03-02T08:00:00Z\"")),
                _ => Err(self
                    .wrong_at(at, &format!("`{path}` is a time: compare it with eq, ne, gt, ge, lt or le"))),
            },
            _ => match raw {
                Raw::Text(text) => Ok(Literal::Text(text)),
                // Some clients leave the quotes off numbers that are texts here, such as an employee number.
                Raw::Number(text) => Ok(Literal::Text(text.to_owned())),
                _ => Err(self.wrong_at(at, &format!("`{path}` is compared with a text in quotes"))),
            },
        }
    }
}

enum Raw<'a> {
    Text(String),
    Number(&'a str),
    Boolean(bool),
    Null,
}
