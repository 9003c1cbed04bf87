//! `attributes` and `excludedAttributes` (RFC 7644 §3.9): what an answer shows.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::limits::PROJECTED_MAX;
use crate::path::AttributePath;
use crate::schema::{ResourceType, Returned};

/// Names as they were asked for; what a resource does not have is no mistake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    only: Vec<String>,
    without: Vec<String>,
}

fn names(text: &str) -> Result<Vec<String>, Error> {
    let all: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if all.len() > PROJECTED_MAX {
        return Err(Error::value(format!("at most {PROJECTED_MAX} attributes can be named")));
    }
    Ok(all)
}

impl Projection {
    /// From the two query parameters; empty means not given. They exclude each other.
    pub fn parse(attributes: &str, excluded: &str) -> Result<Self, Error> {
        let (only, without) = (names(attributes)?, names(excluded)?);
        if !only.is_empty() && !without.is_empty() {
            return Err(Error::value("give `attributes` or `excludedAttributes`, not both"));
        }
        Ok(Self { only, without })
    }

    /// Whether the answer will show anything of this attribute, so that what is costly need not be read.
    pub fn shows(&self, kind: &ResourceType, name: &str) -> bool {
        let named = |list: &[String], whole: bool| {
            list.iter().filter_map(|text| AttributePath::resolve(kind, text)).any(|path| {
                path.extension.is_none()
                    && path.attribute.is_some_and(|attribute| attribute.name == name)
                    && (!whole || path.sub.is_none())
            })
        };
        if self.only.is_empty() { !named(&self.without, true) } else { named(&self.only, false) }
    }

    /// Takes away what is not to be shown.
    pub fn apply(&self, kind: &ResourceType, document: &mut Map<String, Value>) {
        if !self.only.is_empty() {
            let mut kept = Map::new();
            for name in ["schemas", "id"] {
                if let Some(value) = document.get(name) {
                    kept.insert(name.to_owned(), value.clone());
                }
            }
            for path in self.only.iter().filter_map(|text| AttributePath::resolve(kind, text)) {
                copy(document, &mut kept, &path);
            }
            *document = kept;
            return;
        }
        for path in self.without.iter().filter_map(|text| AttributePath::resolve(kind, text)) {
            if path.attribute.is_none_or(|attribute| attribute.returned != Returned::Always) {
                remove(document, &path);
            }
        }
    }
}

fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, path: &AttributePath) {
    let Some(attribute) = path.attribute else {
        let urn = path.extension.map_or("", |schema| schema.urn);
        if let Some(value) = from.get(urn) {
            to.insert(urn.to_owned(), value.clone());
        }
        return;
    };
    let (from, to) = match path.extension {
        None => (from, to),
        Some(schema) => {
            let Some(Value::Object(from)) = from.get(schema.urn) else { return };
            let into = to.entry(schema.urn).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(into) = into else { return };
            (from, into)
        }
    };
    let Some(value) = from.get(attribute.name) else { return };
    let Some(sub) = path.sub else {
        to.insert(attribute.name.to_owned(), value.clone());
        return;
    };
    match value {
        Value::Array(items) => {
            let into = to
                .entry(attribute.name)
                .or_insert_with(|| Value::Array(vec![Value::Object(Map::new()); items.len()]));
            let Value::Array(into) = into else { return };
            for (item, into) in items.iter().zip(into) {
                copy_sub(item, into, sub.name);
            }
        }
        item => {
            let into = to.entry(attribute.name).or_insert_with(|| Value::Object(Map::new()));
            copy_sub(item, into, sub.name);
        }
    }
}

fn copy_sub(from: &Value, to: &mut Value, name: &str) {
    if let (Some(value), Value::Object(to)) = (from.get(name), to) {
        to.insert(name.to_owned(), value.clone());
    }
}

fn remove(document: &mut Map<String, Value>, path: &AttributePath) {
    let Some(attribute) = path.attribute else {
        document.remove(path.extension.map_or("", |schema| schema.urn));
        return;
    };
    let holder = match path.extension {
        None => Some(document),
        Some(schema) => document.get_mut(schema.urn).and_then(Value::as_object_mut),
    };
    let Some(holder) = holder else { return };
    let Some(sub) = path.sub else {
        holder.remove(attribute.name);
        return;
    };
    let without = |value: &mut Value| {
        if let Value::Object(members) = value {
            members.remove(sub.name);
        }
    };
    match holder.get_mut(attribute.name) {
        Some(Value::Array(items)) => items.iter_mut().for_each(without),
        Some(value) => without(value),
        None => {}
    }
}
