//! JSON values made to fit their attribute: types checked, names in their spelling, read-only and unknown parts left
//! out, the habits of real clients understood.

use serde_json::{Map, Value};

use crate::error::{Error, quote};
use crate::limits::{MEMBERS_MAX, TEXT_BYTES_MAX, VALUES_MAX};
use crate::schema::{Attribute, Kind, Mutability};

/// `"True"` and `"False"`, as Entra writes them.
pub fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The value of an attribute; `None` when it says that there is none (`null`, `[]`, RFC 7643 §2.5).
pub(crate) fn fit(attribute: &'static Attribute, value: Value) -> Result<Option<Value>, Error> {
    if !attribute.many {
        return match value {
            // One value in a list of its own is how some clients send what can have only one.
            Value::Array(mut items) if items.len() <= 1 => match items.pop() {
                Some(only) => fit_one(attribute, only),
                None => Ok(None),
            },
            value => fit_one(attribute, value),
        };
    }
    let items = match value {
        Value::Null => return Ok(None),
        Value::Array(items) => items,
        one => vec![one],
    };
    let max = if attribute.name == "members" { MEMBERS_MAX } else { VALUES_MAX };
    if items.len() > max {
        return Err(Error::value(format!("`{}` takes up to {max} values", attribute.name)));
    }
    let mut out: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if let Some(value) = fit_one(attribute, item)? {
            out.push(value);
        }
    }
    one_primary(attribute, &out)?;
    Ok(if out.is_empty() { None } else { Some(Value::Array(out)) })
}

/// RFC 7643 §2.4: `primary` is true at most once.
fn one_primary(attribute: &Attribute, values: &[Value]) -> Result<(), Error> {
    let count = values.iter().filter(|value| value["primary"] == Value::Bool(true)).count();
    if count > 1 {
        return Err(Error::value(format!("more than one of `{}` is primary", attribute.name)));
    }
    Ok(())
}

/// One value of an attribute.
pub(crate) fn fit_one(attribute: &'static Attribute, value: Value) -> Result<Option<Value>, Error> {
    let wrong = |what: &str| Err(Error::value(format!("`{}` must be {what}", attribute.name)));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Boolean, Value::Bool(value)) => Ok(Some(Value::Bool(value))),
        (Kind::Boolean, Value::String(text)) => match boolean(&text) {
            Some(value) => Ok(Some(Value::Bool(value))),
            None => wrong("true or false"),
        },
        (Kind::Boolean, _) => wrong("true or false"),
        (Kind::Complex(_), Value::Object(members)) => fit_complex(attribute, members),
        // Entra sends a manager as the bare id.
        (Kind::Complex(_), Value::String(text)) => match attribute.value_sub() {
            Some(sub) => {
                let value = fit_one(sub, Value::String(text))?;
                let member = |value| Value::Object(Map::from_iter([(sub.name.to_owned(), value)]));
                Ok(value.map(member))
            }
            None => wrong("an object"),
        },
        (Kind::Complex(_), _) => wrong("an object"),
        (_, Value::String(text)) if text.len() > TEXT_BYTES_MAX => {
            wrong(&format!("at most {TEXT_BYTES_MAX} bytes long"))
        }
        (_, Value::String(text)) if text.contains('\0') => wrong("a text without zero characters"),
        (Kind::Time, Value::String(text)) => match crate::time::parse(&text) {
            Some(_) => Ok(Some(Value::String(text))),
            None => wrong("a time like 2026-03-02T08:00:00Z"),
        },
        (_, Value::String(text)) => Ok(Some(Value::String(text))),
        // An employee number without its quotes.
        (Kind::Text, Value::Number(number)) => Ok(Some(Value::String(number.to_string()))),
        _ => wrong("a text"),
    }
}

fn fit_complex(attribute: &'static Attribute, members: Map<String, Value>) -> Result<Option<Value>, Error> {
    let mut out = Map::new();
    for (name, value) in members {
        let Some(sub) = attribute.sub(&name) else { continue };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = fit(sub, value)?
            && out.insert(sub.name.to_owned(), value).is_some()
        {
            return Err(Error::syntax(format!("`{}` stands twice in `{}`", quote(&name), attribute.name)));
        }
    }
    Ok(if out.is_empty() { None } else { Some(Value::Object(out)) })
}
