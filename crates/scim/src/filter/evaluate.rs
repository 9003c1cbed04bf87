//! Whether a resource fits a filter. `ne` is the opposite of `eq`: it fits when no value is equal, and when there is
//! none (RFC 7644 leaves several values open).

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{Filter, Literal, Op};
use crate::path::AttributePath;
use crate::time;

impl Filter {
    /// Whether the attributes of a resource (or, inside brackets, of one value) fit.
    pub fn fits(&self, attributes: &Map<String, Value>) -> bool {
        match self {
            Self::And(left, right) => left.fits(attributes) && right.fits(attributes),
            Self::Or(left, right) => left.fits(attributes) || right.fits(attributes),
            Self::Not(inner) => !inner.fits(attributes),
            Self::Present(path) => values_at(attributes, path).into_iter().any(is_present),
            Self::Compare { path, op, literal } => compare(attributes, path, *op, literal),
            Self::Has(path, inner) => values_at(attributes, path)
                .into_iter()
                .filter_map(Value::as_object)
                .any(|value| inner.fits(value)),
        }
    }

    /// Whether one value of a multi-valued attribute fits.
    pub fn fits_value(&self, value: &Value) -> bool {
        match value {
            Value::Object(attributes) => self.fits(attributes),
            _ => false,
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        _ => true,
    }
}

/// Every value at the path, of every element on the way.
pub(crate) fn values_at<'a>(attributes: &'a Map<String, Value>, path: &AttributePath) -> Vec<&'a Value> {
    let holder = match path.extension {
        Some(schema) => attributes.get(schema.urn).and_then(Value::as_object),
        None => Some(attributes),
    };
    let Some(attribute) = path.attribute else {
        return path.extension.and_then(|schema| attributes.get(schema.urn)).into_iter().collect();
    };
    let Some(found) = holder.and_then(|holder| holder.get(attribute.name)) else { return Vec::new() };
    let values: Vec<&Value> = match found {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    match path.sub {
        Some(sub) => values.into_iter().filter_map(|value| value.get(sub.name)).collect(),
        None => values,
    }
}

fn compare(attributes: &Map<String, Value>, path: &AttributePath, op: Op, literal: &Literal) -> bool {
    // A complex attribute stands for its `value`.
    let mut path = *path;
    if path.sub.is_none() {
        path.sub =
            path.attribute.filter(|found| !found.subs().is_empty()).and_then(|found| found.value_sub());
    }
    let values = values_at(attributes, &path);
    if *literal == Literal::Null {
        let present = values.into_iter().any(is_present);
        return if op == Op::Eq { !present } else { present };
    }
    let exact = path.leaf().is_some_and(|leaf| leaf.case_exact);
    if op == Op::Ne {
        return !values.into_iter().any(|value| holds(value, Op::Eq, literal, exact));
    }
    values.into_iter().any(|value| holds(value, op, literal, exact))
}

fn holds(value: &Value, op: Op, literal: &Literal, exact: bool) -> bool {
    match (value, literal) {
        (Value::Bool(value), Literal::Boolean(wanted)) => value == wanted,
        (Value::String(text), Literal::Time(wanted)) => {
            time::parse(text).is_some_and(|time| in_order(time.cmp(wanted), op))
        }
        (Value::String(text), Literal::Text(wanted)) if exact => text_holds(text, op, wanted),
        (Value::String(text), Literal::Text(wanted)) => {
            text_holds(&text.to_lowercase(), op, &wanted.to_lowercase())
        }
        _ => false,
    }
}

fn text_holds(text: &str, op: Op, wanted: &str) -> bool {
    match op {
        Op::Co => text.contains(wanted),
        Op::Sw => text.starts_with(wanted),
        Op::Ew => text.ends_with(wanted),
        _ => in_order(text.cmp(wanted), op),
    }
}

fn in_order(order: Ordering, op: Op) -> bool {
    match op {
        Op::Eq => order == Ordering::Equal,
        Op::Gt => order == Ordering::Greater,
        Op::Ge => order != Ordering::Less,
        Op::Lt => order == Ordering::Less,
        Op::Le => order != Ordering::Greater,
        Op::Ne | Op::Co | Op::Sw | Op::Ew => false,
    }
}
