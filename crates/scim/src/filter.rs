//! Filters (RFC 7644 §3.4.2.2): the whole grammar, bounded in length, depth and nodes.

use crate::path::AttributePath;

mod evaluate;
pub(crate) mod parse;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::values_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Op {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        const WORDS: [(&str, Op); 9] = [
            ("eq", Op::Eq),
            ("ne", Op::Ne),
            ("co", Op::Co),
            ("sw", Op::Sw),
            ("ew", Op::Ew),
            ("gt", Op::Gt),
            ("ge", Op::Ge),
            ("lt", Op::Lt),
            ("le", Op::Le),
        ];
        WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, op)| *op)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// What a value is compared with, already of the attribute's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Boolean(bool),
    /// Microseconds since 1970.
    Time(i64),
    Null,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare {
        path: AttributePath,
        op: Op,
        literal: Literal,
    },
    Present(AttributePath),
    /// Some value of the attribute fits: `emails[type eq "work"]`.
    Has(AttributePath, Box<Filter>),
}

impl Filter {
    /// The conditions that all must hold, left to right.
    pub fn conjuncts(&self) -> Vec<&Filter> {
        match self {
            Self::And(left, right) => {
                let mut all = left.conjuncts();
                all.extend(right.conjuncts());
                all
            }
            other => vec![other],
        }
    }

    /// The text that attribute `name` (with `sub`) must equal, if this is that comparison.
    pub fn equals(&self, name: &str, sub: &str) -> Option<&str> {
        match self {
            Self::Compare { path, op: Op::Eq, literal: Literal::Text(text) } if path.is(name, sub) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// As [`equals`](Self::equals) for a multi-valued complex attribute in each of its spellings: `members eq "x"`,
    /// `members.value eq "x"`, `members[value eq "x"]`.
    pub fn holds_value(&self, name: &str) -> Option<&str> {
        if let Some(text) = self.equals(name, "value").or_else(|| self.equals(name, "")) {
            return Some(text);
        }
        match self {
            Self::Has(path, inner) if path.is(name, "") => inner.equals("value", ""),
            _ => None,
        }
    }

    /// Whether it asks about this attribute of the core schema anywhere.
    pub fn mentions(&self, name: &str) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.mentions(name) || right.mentions(name),
            Self::Not(inner) => inner.mentions(name),
            Self::Compare { path, .. } | Self::Present(path) | Self::Has(path, _) => {
                path.extension.is_none() && path.attribute.is_some_and(|attribute| attribute.name == name)
            }
        }
    }

    /// Its shape without what it compares with, for a log: `userName eq … and active eq …`.
    pub fn shape(&self) -> String {
        match self {
            Self::And(left, right) => format!("{} and {}", left.shape(), right.shape()),
            Self::Or(left, right) => format!("({} or {})", left.shape(), right.shape()),
            Self::Not(inner) => format!("not ({})", inner.shape()),
            Self::Compare { path, op, .. } => format!("{path} {} …", op.as_str()),
            Self::Present(path) => format!("{path} pr"),
            Self::Has(path, inner) => format!("{path}[{}]", inner.shape()),
        }
    }
}
