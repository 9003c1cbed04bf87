//! The evaluation of a patch on a resource.

use serde_json::{Map, Value};

use super::{Act, Operation, Patch, numbered};
use crate::error::{Error, ScimType};
use crate::filter::{Filter, Literal, Op};
use crate::limits::VALUES_MAX;
use crate::resource::Resource;
use crate::schema::Attribute;
use crate::value;

impl Patch {
    /// The resource with every operation done in order; the one given stays as it is.
    pub fn apply(&self, resource: &Resource) -> Result<Resource, Error> {
        let mut changed = resource.clone();
        for operation in &self.operations {
            one(&mut changed, operation).map_err(|error| numbered(operation.number, &error))?;
        }
        changed.check()?;
        Ok(changed)
    }
}

fn one(resource: &mut Resource, operation: &Operation) -> Result<(), Error> {
    let path = &operation.target.path;
    let Some(attribute) = path.attribute else {
        return whole_extension(resource, operation);
    };
    let Some(schema) = path.extension else {
        return within(&mut resource.attributes, attribute, operation);
    };
    let holder = resource.attributes.entry(schema.urn).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(holder) = holder else {
        return Err(Error::value(format!("`{}` is damaged", schema.urn)));
    };
    let done = within(holder, attribute, operation);
    if holder.is_empty() {
        resource.attributes.remove(schema.urn);
    }
    done
}

fn whole_extension(resource: &mut Resource, operation: &Operation) -> Result<(), Error> {
    let Some(schema) = operation.target.path.extension else { return Ok(()) };
    match (&operation.value, operation.act) {
        (_, Act::Remove) | (None, _) => {
            resource.attributes.remove(schema.urn);
            Ok(())
        }
        (Some(value), _) => {
            let before = match resource.attributes.remove(schema.urn) {
                Some(Value::Object(before)) => before,
                _ => Map::new(),
            };
            resource.set_extension(schema, value.clone())?;
            let now = resource.attributes.entry(schema.urn).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(now) = now {
                for (name, value) in before {
                    now.entry(name).or_insert(value);
                }
            }
            Ok(())
        }
    }
}

/// One operation on an attribute of `holder`.
fn within(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    operation: &Operation,
) -> Result<(), Error> {
    if let Some(filter) = &operation.target.filter {
        return selected(holder, attribute, filter, operation);
    }
    match operation.target.path.sub {
        None => whole(holder, attribute, operation),
        Some(sub) if attribute.many => part_of_each(holder, attribute, sub, operation),
        Some(sub) => {
            let inner = holder.entry(attribute.name).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                return Err(Error::value(format!("`{}` is damaged", attribute.name)));
            };
            set(inner, sub, operation)?;
            if inner.is_empty() {
                holder.remove(attribute.name);
            }
            Ok(())
        }
    }
}

/// Sets or removes something that has one value.
fn set(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    operation: &Operation,
) -> Result<(), Error> {
    let value = match (&operation.value, operation.act) {
        (Some(value), Act::Add | Act::Replace) => value::fit(attribute, value.clone())?,
        _ => None,
    };
    match value {
        Some(value) => {
            holder.insert(attribute.name.to_owned(), value);
        }
        None if attribute.required => {
            let why = format!("`{}` is required and cannot be removed", attribute.name);
            return Err(Error::bad(ScimType::Mutability, why));
        }
        None => {
            holder.remove(attribute.name);
        }
    }
    Ok(())
}

/// An operation on an attribute as a whole.
fn whole(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    operation: &Operation,
) -> Result<(), Error> {
    match (operation.act, &operation.value) {
        (Act::Remove, Some(listed)) if attribute.many => remove_listed(holder, attribute, listed),
        (Act::Add, Some(more)) if attribute.many => {
            let Some(Value::Array(more)) = value::fit(attribute, more.clone())? else { return Ok(()) };
            add_values(holder, attribute, more)
        }
        (Act::Add | Act::Replace, Some(given)) if !attribute.many && !attribute.subs().is_empty() => {
            // RFC 7644 §3.5.2.3: of a complex attribute, what is named is replaced and the rest stays.
            let Some(Value::Object(given)) = value::fit(attribute, given.clone())? else {
                holder.remove(attribute.name);
                return Ok(());
            };
            let inner = holder.entry(attribute.name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                inner.extend(given);
            }
            Ok(())
        }
        _ => set(holder, attribute, operation),
    }
}

fn values<'a>(holder: &'a mut Map<String, Value>, attribute: &Attribute) -> Option<&'a mut Vec<Value>> {
    holder.get_mut(attribute.name).and_then(Value::as_array_mut)
}

fn add_values(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    more: Vec<Value>,
) -> Result<(), Error> {
    let have = holder.entry(attribute.name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(have) = have else {
        return Err(Error::value(format!("`{}` is damaged", attribute.name)));
    };
    let before = have.len();
    for value in more {
        if !have.contains(&value) {
            have.push(value);
        }
    }
    if have.len() > VALUES_MAX {
        return Err(Error::value(format!("`{}` takes up to {VALUES_MAX} values", attribute.name)));
    }
    let touched: Vec<usize> = (before..have.len()).collect();
    keep_one_primary(have, &touched);
    Ok(())
}

/// Of several primary values the one just written stays (RFC 7644 §3.5.2).
fn keep_one_primary(values: &mut [Value], touched: &[usize]) {
    let primary = |value: &Value| value["primary"] == Value::Bool(true);
    let Some(&winner) = touched.iter().find(|index| values.get(**index).is_some_and(primary)) else { return };
    for (index, value) in values.iter_mut().enumerate() {
        if index != winner && primary(value) {
            value["primary"] = Value::Bool(false);
        }
    }
}

/// A remove that lists the values to go, as Entra sends it.
fn remove_listed(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    listed: &Value,
) -> Result<(), Error> {
    let wanted = listed_values(attribute, listed)?;
    let Some(have) = values(holder, attribute) else { return Ok(()) };
    have.retain(|value| !wanted.iter().any(|wanted| covers(wanted, value)));
    if have.is_empty() {
        holder.remove(attribute.name);
    }
    Ok(())
}

/// What a remove names; anything unreadable refuses it, so that it never removes more than was meant.
pub(super) fn listed_values(attribute: &'static Attribute, listed: &Value) -> Result<Vec<Value>, Error> {
    let items = match listed {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let unclear = || Error::value(format!("a remove of `{}` must name the values to remove", attribute.name));
    let mut wanted = Vec::with_capacity(items.len());
    for item in items {
        wanted.push(value::fit_one(attribute, item)?.ok_or_else(unclear)?);
    }
    if wanted.is_empty() { Err(unclear()) } else { Ok(wanted) }
}

/// Whether `value` is what `wanted` names: the same `value`, else equal in every sub-attribute that is named.
fn covers(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Object(wanted), Value::Object(value)) => match wanted.get("value") {
            Some(id) => value.get("value") == Some(id),
            None => wanted.iter().all(|(name, part)| value.get(name) == Some(part)),
        },
        (wanted, value) => wanted == value,
    }
}

/// `emails.display` without a filter: in every value.
fn part_of_each(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    sub: &'static Attribute,
    operation: &Operation,
) -> Result<(), Error> {
    if operation.act != Act::Remove && values(holder, attribute).is_none() {
        let mut first = Map::new();
        set(&mut first, sub, operation)?;
        return add_values(holder, attribute, vec![Value::Object(first)]);
    }
    let count = values(holder, attribute).map_or(0, |have| have.len());
    change(holder, attribute, &(0..count).collect::<Vec<_>>(), Some(sub), operation)
}

/// An operation on the values that a filter chooses.
fn selected(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    filter: &Filter,
    operation: &Operation,
) -> Result<(), Error> {
    let chosen: Vec<usize> = values(holder, attribute)
        .map(|have| {
            let fitting = have.iter().enumerate().filter(|(_, value)| filter.fits_value(value));
            fitting.map(|(index, _)| index).collect()
        })
        .unwrap_or_default();
    let sub = operation.target.path.sub;
    if !chosen.is_empty() {
        return change(holder, attribute, &chosen, sub, operation);
    }
    match operation.act {
        // Gone already: what was asked for is so.
        Act::Remove => Ok(()),
        Act::Replace => {
            Err(Error::bad(ScimType::NoTarget, format!("no value of `{}` fits the filter", attribute.name)))
        }
        // Entra adds `emails[type eq "work"].value` to somebody without such an address.
        Act::Add => {
            let mut new = described(filter).ok_or_else(|| {
                let why = format!(
                    "no value of `{}` fits, and the filter does not describe a new one",
                    attribute.name
                );
                Error::bad(ScimType::NoTarget, why)
            })?;
            match (sub, &operation.value) {
                (Some(sub), _) => set(&mut new, sub, operation)?,
                (None, Some(given)) => {
                    if let Some(Value::Object(given)) = value::fit_one(attribute, given.clone())? {
                        new.extend(given);
                    }
                }
                (None, None) => {}
            }
            add_values(holder, attribute, vec![Value::Object(new)])
        }
    }
}

/// The value that a filter of nothing but `a eq x and b eq y` describes.
fn described(filter: &Filter) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for part in filter.conjuncts() {
        let Filter::Compare { path, op: Op::Eq, literal } = part else { return None };
        let value = match literal {
            Literal::Text(text) => Value::String(text.clone()),
            Literal::Boolean(value) => Value::Bool(*value),
            Literal::Time(_) | Literal::Null => return None,
        };
        out.insert(path.attribute?.name.to_owned(), value);
    }
    Some(out)
}

/// Changes the values at `chosen`.
fn change(
    holder: &mut Map<String, Value>,
    attribute: &'static Attribute,
    chosen: &[usize],
    sub: Option<&'static Attribute>,
    operation: &Operation,
) -> Result<(), Error> {
    let given = match (sub, operation.act, &operation.value) {
        (None, Act::Add | Act::Replace, Some(value)) => value::fit_one(attribute, value.clone())?,
        _ => None,
    };
    let Some(have) = values(holder, attribute) else { return Ok(()) };
    for index in chosen {
        let Some(value) = have.get_mut(*index) else { continue };
        match (sub, value) {
            (Some(sub), Value::Object(members)) => set(members, sub, operation)?,
            (Some(_), _) => {}
            (None, value) => match (&given, operation.act, value) {
                (Some(Value::Object(given)), Act::Add, Value::Object(members)) => {
                    members.extend(given.clone())
                }
                (Some(given), _, value) => *value = given.clone(),
                (None, _, value) => *value = Value::Null,
            },
        }
    }
    keep_one_primary(have, chosen);
    have.retain(|value| !value.is_null() && value.as_object().is_none_or(|members| !members.is_empty()));
    if have.is_empty() {
        holder.remove(attribute.name);
    }
    Ok(())
}
