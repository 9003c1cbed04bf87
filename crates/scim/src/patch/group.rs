//! A patch of a group as changes of sets, so that one member is added to a group of a hundred thousand without reading
//! the others.

use serde_json::Value;

use super::apply::listed_values;
use super::{Act, Operation, Patch, numbered};
use crate::error::{Error, ScimType};
use crate::filter::{Filter, Op};
use crate::resource::member_ids;
use crate::schema::Attribute;
use crate::value;

/// One step of a change of a group, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupChange {
    Name(Option<String>),
    ExternalId(Option<String>),
    Add(Vec<String>),
    Remove(Vec<String>),
    /// Every member that fits, which only those who know the members can tell.
    RemoveWhere(Filter),
    /// These and no others.
    Set(Vec<String>),
}

impl Patch {
    /// What the patch of a group does.
    pub fn group_changes(&self) -> Result<Vec<GroupChange>, Error> {
        let mut out = Vec::with_capacity(self.operations.len());
        for operation in &self.operations {
            if let Some(change) = one(operation).map_err(|error| numbered(operation.number, &error))? {
                out.push(change);
            }
        }
        Ok(out)
    }
}

fn one(operation: &Operation) -> Result<Option<GroupChange>, Error> {
    let Some(attribute) = operation.target.path.attribute else { return Ok(None) };
    if attribute.name == "members" {
        return members(attribute, operation);
    }
    let value = match (operation.act, &operation.value) {
        (Act::Add | Act::Replace, Some(value)) => value::fit(attribute, value.clone())?,
        _ => None,
    };
    let text = value.as_ref().and_then(Value::as_str).map(str::to_owned);
    match (attribute.name, text) {
        ("displayName", name) => Ok(Some(GroupChange::Name(name))),
        ("externalId", text) => Ok(Some(GroupChange::ExternalId(text))),
        _ => Ok(None),
    }
}

fn members(attribute: &'static Attribute, operation: &Operation) -> Result<Option<GroupChange>, Error> {
    let path = &operation.target.path;
    if let Some(filter) = &operation.target.filter {
        if operation.act != Act::Remove || path.sub.is_some() {
            let why = "a member does not change: remove it and add another";
            return Err(Error::bad(ScimType::Mutability, why));
        }
        return Ok(Some(match ids(filter) {
            Some(ids) => GroupChange::Remove(ids),
            None => GroupChange::RemoveWhere(filter.clone()),
        }));
    }
    if path.sub.is_some_and(|sub| sub.name != "value") {
        return Err(Error::bad(ScimType::Mutability, "a member does not change: remove it and add another"));
    }
    match (operation.act, &operation.value) {
        (Act::Remove, None) => Ok(Some(GroupChange::Set(Vec::new()))),
        (Act::Remove, Some(listed)) => {
            let wanted = listed_values(attribute, listed)?;
            let ids: Option<Vec<String>> =
                wanted.iter().map(|member| member["value"].as_str().map(str::to_owned)).collect();
            let ids =
                ids.ok_or_else(|| Error::value("a remove of `members` must give the `value` of each"))?;
            Ok(Some(GroupChange::Remove(ids)))
        }
        (act, given) => {
            let given = match given {
                Some(given) => value::fit(attribute, given.clone())?,
                None => None,
            };
            let named = match &given {
                Some(Value::Array(all)) => all.iter().all(|member| member["value"].is_string()),
                _ => true,
            };
            if !named {
                return Err(Error::value("each of `members` needs a `value`"));
            }
            let ids = member_ids(given.as_ref());
            Ok(match act {
                Act::Replace => Some(GroupChange::Set(ids)),
                _ if ids.is_empty() => None,
                _ => Some(GroupChange::Add(ids)),
            })
        }
    }
}

/// The ids that a filter of nothing but `value eq … or value eq …` names.
fn ids(filter: &Filter) -> Option<Vec<String>> {
    match filter {
        Filter::Compare { op: Op::Eq, .. } => filter.equals("value", "").map(|id| vec![id.to_owned()]),
        Filter::Or(left, right) => {
            let mut all = ids(left)?;
            all.extend(ids(right)?);
            Some(all)
        }
        _ => None,
    }
}
