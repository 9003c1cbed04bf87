//! PATCH (RFC 7644 §3.5.2): what is to change, applied as a whole or not at all.
//!
//! A patch without a path is taken apart into one operation for each attribute, whose name may be a path itself
//! (`"name.givenName": …`), as Entra and Okta send it; read-only attributes in such an object are left out (Okta
//! repeats the `id`), while a path to one is refused.

use serde_json::{Map, Value};

use crate::error::{Error, ScimType, quote};
use crate::limits::OPERATIONS_MAX;
use crate::message::member;
use crate::path::{AttributePath, PatchPath};
use crate::schema::{Mutability, ResourceType};

mod apply;
mod group;
#[cfg(test)]
mod tests;

pub use group::GroupChange;

pub const URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Add,
    Replace,
    Remove,
}

/// One operation on one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// As the client counts, from 1; for messages.
    pub number: usize,
    pub act: Act,
    pub target: PatchPath,
    /// `None`: not given, or `null`.
    pub value: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    pub kind: &'static ResourceType,
    pub operations: Vec<Operation>,
}

impl Patch {
    pub fn parse(kind: &'static ResourceType, bytes: &[u8]) -> Result<Self, Error> {
        Self::from_value(kind, crate::json::read(bytes)?)
    }

    pub fn from_value(kind: &'static ResourceType, value: Value) -> Result<Self, Error> {
        let Value::Object(mut body) = value else {
            return Err(Error::syntax("the body must be a JSON object"));
        };
        let named = member(&mut body, "schemas");
        let names_it = |schemas: &Value| {
            let mut names = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
            names.any(|name| name.eq_ignore_ascii_case(URN))
        };
        if !named.as_ref().is_some_and(names_it) {
            return Err(Error::syntax(format!("`schemas` must name `{URN}`")));
        }
        let Some(Value::Array(asked)) = member(&mut body, "Operations") else {
            return Err(Error::syntax("`Operations` must be a list"));
        };
        if asked.is_empty() || asked.len() > OPERATIONS_MAX {
            return Err(Error::syntax(format!("a patch has 1 to {OPERATIONS_MAX} operations")));
        }
        let mut operations = Vec::with_capacity(asked.len());
        for (index, one) in asked.into_iter().enumerate() {
            read(kind, index + 1, one, &mut operations).map_err(|error| numbered(index + 1, &error))?;
        }
        Ok(Self { kind, operations })
    }

    /// Which attributes it names, without values: for a log.
    pub fn shape(&self) -> String {
        let one = |operation: &Operation| {
            let act = match operation.act {
                Act::Add => "add",
                Act::Replace => "replace",
                Act::Remove => "remove",
            };
            format!("{act} {}", operation.target.path)
        };
        let mut all: Vec<String> = Vec::new();
        for operation in &self.operations {
            let words = one(operation);
            if !all.contains(&words) && all.len() < 20 {
                all.push(words);
            }
        }
        all.join(", ")
    }
}

/// Says in which operation it went wrong.
pub(crate) fn numbered(number: usize, error: &Error) -> Error {
    Error { detail: format!("operation {number}: {}", error.detail), ..error.clone() }
}

fn read(
    kind: &'static ResourceType,
    number: usize,
    one: Value,
    out: &mut Vec<Operation>,
) -> Result<(), Error> {
    let Value::Object(mut one) = one else { return Err(Error::syntax("it must be an object")) };
    let act = match member(&mut one, "op") {
        Some(Value::String(word)) if word.eq_ignore_ascii_case("add") => Act::Add,
        Some(Value::String(word)) if word.eq_ignore_ascii_case("replace") => Act::Replace,
        Some(Value::String(word)) if word.eq_ignore_ascii_case("remove") => Act::Remove,
        _ => return Err(Error::syntax("`op` must be add, replace or remove")),
    };
    let value = member(&mut one, "value").filter(|value| !value.is_null());
    match member(&mut one, "path") {
        Some(Value::String(path)) if !path.trim().is_empty() => {
            let target = PatchPath::parse(kind, path.trim())?;
            writable(&target.path)?;
            if value.is_none() && act == Act::Add {
                return Err(Error::value("`value` is missing"));
            }
            out.push(Operation { number, act, target, value });
        }
        None | Some(Value::Null | Value::String(_)) => match (act, value) {
            (Act::Remove, _) => return Err(Error::bad(ScimType::NoTarget, "a remove needs a `path`")),
            (_, Some(Value::Object(members))) => spread(kind, number, act, members, out)?,
            _ => return Err(Error::value("without a `path`, `value` must be an object")),
        },
        Some(_) => return Err(Error::bad(ScimType::InvalidPath, "`path` must be a text")),
    }
    Ok(())
}

/// One operation for each member of an object without a path.
fn spread(
    kind: &'static ResourceType,
    number: usize,
    act: Act,
    members: Map<String, Value>,
    out: &mut Vec<Operation>,
) -> Result<(), Error> {
    for (name, value) in members {
        // An attribute that we do not know is left out, as when a resource is created with it.
        let plain = name.split_once('[').map_or(name.as_str(), |(plain, _)| plain);
        let Some(known) = AttributePath::resolve(kind, plain) else { continue };
        if writable(&known).is_err() {
            continue;
        }
        let target = PatchPath::parse(kind, &name)?;
        if writable(&target.path).is_err() {
            continue;
        }
        let value = Some(value).filter(|value| !value.is_null());
        let act = if value.is_none() { Act::Replace } else { act };
        if out.len() >= OPERATIONS_MAX {
            return Err(Error::syntax(format!("a patch changes up to {OPERATIONS_MAX} attributes")));
        }
        out.push(Operation { number, act, target, value });
    }
    Ok(())
}

fn writable(path: &AttributePath) -> Result<(), Error> {
    let fixed = |mutability| mutability == Mutability::ReadOnly;
    let read_only = path.attribute.is_some_and(|attribute| fixed(attribute.mutability))
        || path.sub.is_some_and(|sub| fixed(sub.mutability));
    if read_only {
        return Err(Error::bad(ScimType::Mutability, format!("`{}` is read-only", quote(&path.to_string()))));
    }
    Ok(())
}
