//! Cursor pagination: `?limit=50&cursor=…`, answered as `{"items": […], "next_cursor": "…"}`.
//!
//! A cursor is the sort key of the last item, base64url: opaque to clients, stable while rows come and go.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Problem;

pub const LIMIT_DEFAULT: u32 = 50;
pub const LIMIT_MAX: u32 = 200;

/// Query parameters of every list.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageQuery {
    #[serde(default)]
    pub cursor: Option<String>,
    #[serde(default)]
    pub limit: Option<u32>,
    /// Prefix to search for, where the list is searchable.
    #[serde(default)]
    pub q: Option<String>,
}

impl PageQuery {
    pub fn limit(&self) -> Result<u32, Problem> {
        match self.limit {
            None => Ok(LIMIT_DEFAULT),
            Some(limit @ 1..=LIMIT_MAX) => Ok(limit),
            Some(other) => Err(Problem::invalid(format!("`limit` is {other}: use 1 to {LIMIT_MAX}"))
                .field("limit", "out of range")),
        }
    }

    /// The sort key to go on after; empty at the start.
    pub fn after(&self) -> Result<String, Problem> {
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else {
            return Ok(String::new());
        };
        let refuse = || {
            Problem::invalid("`cursor` is not one that a list gave")
                .field("cursor", "not readable")
                .cure("take `next_cursor` of the page before, unchanged")
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refuse())?;
        let text = String::from_utf8(bytes).map_err(|_| refuse())?;
        if text.contains('\0') { Err(refuse()) } else { Ok(text) }
    }

    pub fn search(&self) -> Result<String, Problem> {
        let text = self.q.as_deref().unwrap_or_default().trim().to_lowercase();
        if text.contains('\0') || text.len() > 200 {
            return Err(Problem::invalid("`q` is not searchable: use up to 200 characters")
                .field("q", "not searchable"));
        }
        Ok(text)
    }
}

pub fn cursor(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// One page of a list.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where to go on; null on the last page.
    pub next_cursor: Option<String>,
}

// By hand: a derived one is called `Page` whatever it holds, so that all lists would be described as the last one is.
impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let next = SchemaType::from_iter([Type::String, Type::Null]);
        let next = ObjectBuilder::new()
            .schema_type(next)
            .description(Some("Where to go on; null on the last page."));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .required("items")
            .property("next_cursor", next)
            .required("next_cursor")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("Page_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T> Page<T> {
    /// Makes a page of up to `limit` items out of `limit + 1` fetched ones.
    pub fn of(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(|item| cursor(&key(item))) } else { None };
        Self { items, next_cursor }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}
