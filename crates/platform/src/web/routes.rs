//! Routes as a record: method, path, action, openness, limits and documents stand beside the handler.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::MethodRouter;
use utoipa::openapi::{RefOr, Schema};

use crate::access::Permission;
use crate::app::App;

use super::pagination::LIMIT_MAX;

pub use axum::http::Method;

/// Largest body of a route that does not ask for more: what takes more is an upload.
pub const BODY_BYTES_MAX_DEFAULT: usize = 256 * 1024;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Anybody.
    Public,
    /// Any person with an active account and a session.
    SignedIn,
    /// A caller with this right in the organization named by `{organization}` in the path. Strangers get 404.
    Organization(Permission),
    /// Any active member of the organization in the path.
    Member,
    /// A caller with this right in the provider's organization. Others get 404.
    Provider(Permission),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// JSON under `/api/`: problem documents, Idempotency-Key, ETag, in the OpenAPI file.
    Api,
    /// HTML: error pages, redirect to sign-in, CSRF token in forms.
    Page,
    /// Neither: health, metrics, assets, well-known files.
    Plain,
}

/// How often one caller may ask; see `guard::limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Reads and pages.
    Read,
    /// Changes.
    Write,
    /// Anything that tries a secret: sign-in, recovery, links.
    Credential,
    /// Work that is heavy for the server: imports, exports.
    Heavy,
    None,
}

pub struct RouteInfo {
    pub method: Method,
    /// axum's form: `/api/v1/organizations/{organization}/domains`.
    pub path: &'static str,
    /// `domain.list`: the name in metrics, docs and the audit-coverage test.
    pub action: &'static str,
    pub openness: Openness,
    pub kind: RouteKind,
    pub limit: Limit,
    pub body_bytes_max: usize,
    pub summary: &'static str,
    /// Prefix of the events this route records; a changing route without one must say why it records none.
    pub events: Events,
    pub request: Option<Document>,
    pub responses: Vec<(u16, Option<Document>)>,
    pub query: Vec<QueryParameter>,
    /// Needs a proof of who one is that is recent: see [`Route::recent`].
    pub recent: bool,
    /// See [`Route::while_restricted`].
    pub while_restricted: bool,
}

impl RouteInfo {
    /// Stands for the route when an error page is shown.
    pub(super) fn for_problem() -> Self {
        Self {
            method: Method::GET,
            path: "",
            action: "problem.show",
            openness: Openness::Public,
            kind: RouteKind::Page,
            limit: Limit::None,
            body_bytes_max: 0,
            summary: "",
            events: Events::Read,
            request: None,
            responses: Vec::new(),
            query: Vec::new(),
            recent: false,
            while_restricted: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// Reads record nothing.
    Read,
    /// Changes record events of which at least one starts with this.
    Records(&'static str),
    /// Changes nothing in the audited sense; the reason is printed by the coverage test.
    None(&'static str),
}

/// A JSON schema by name, with those it refers to.
#[derive(Clone)]
pub struct Document {
    pub name: String,
    pub schema: RefOr<Schema>,
    pub others: Vec<(String, RefOr<Schema>)>,
}

#[derive(Clone, Debug)]
pub struct QueryParameter {
    pub name: &'static str,
    pub description: &'static str,
    pub values: Values,
    pub required: bool,
}

/// What a query parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    Text,
    Id,
    Integer { min: u64, max: u64 },
}

/// The largest integer that every JSON reader keeps exact (RFC 8259 §6).
const INTEGER_MAX: u64 = (1 << 53) - 1;

fn document<T: utoipa::ToSchema + utoipa::PartialSchema>() -> Document {
    let mut others = Vec::new();
    T::schemas(&mut others);
    Document { name: schema_name(&T::name(), std::any::type_name::<T>()), schema: T::schema(), others }
}

/// `Vec_GroupView` for `Vec<GroupView>`: unless a generic type names itself, its name is the same for all that it is
/// made of.
fn schema_name(own: &str, full: &str) -> String {
    let Some((outer, inner)) = full.split_once('<') else { return own.to_owned() };
    if !outer.ends_with(own) {
        return own.to_owned();
    }
    let parts = inner.split(['<', '>', ',', ' ']).filter(|part| !part.is_empty());
    let last = |part: &str| part.rsplit("::").next().unwrap_or(part).to_owned();
    std::iter::once(own.to_owned()).chain(parts.map(last)).collect::<Vec<_>>().join("_")
}

/// One route being declared.
pub struct Route {
    info: RouteInfo,
    router: MethodRouter<App>,
}

/// Declares `METHOD path` as `action`; defaults follow from the method and the path.
pub fn route<H, T>(
    method: Method,
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let filter =
        axum::routing::MethodFilter::try_from(method.clone()).unwrap_or(axum::routing::MethodFilter::GET);
    let reads = method == Method::GET || method == Method::HEAD;
    let kind = if path.starts_with("/api/") { RouteKind::Api } else { RouteKind::Page };
    Route {
        info: RouteInfo {
            method,
            path,
            action,
            openness,
            kind,
            limit: if reads { Limit::Read } else { Limit::Write },
            body_bytes_max: BODY_BYTES_MAX_DEFAULT,
            summary: "",
            events: if reads { Events::Read } else { Events::Records("") },
            request: None,
            responses: Vec::new(),
            query: Vec::new(),
            recent: false,
            while_restricted: false,
        },
        router: axum::routing::on(filter, handler),
    }
}

pub fn get<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route {
    route(Method::GET, path, action, openness, handler)
}

pub fn post<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route {
    route(Method::POST, path, action, openness, handler)
}

pub fn put<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route {
    route(Method::PUT, path, action, openness, handler)
}

pub fn patch<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route {
    route(Method::PATCH, path, action, openness, handler)
}

pub fn delete<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    action: &'static str,
    openness: Openness,
    handler: H,
) -> Route {
    route(Method::DELETE, path, action, openness, handler)
}

impl Route {
    /// One line for the OpenAPI file and the API reference.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.info.summary = summary;
        self
    }

    /// Changes credentials or policies: a session must have proved within its step-up window who it is. Pages lead to
    /// the proof and back, the API answers `step-up-required`.
    #[must_use]
    pub fn recent(mut self) -> Self {
        self.info.recent = true;
        self
    }

    /// Open to a session that has yet to enrol what a policy asks for: enrolling itself, and leaving.
    #[must_use]
    pub fn while_restricted(mut self) -> Self {
        self.info.while_restricted = true;
        self
    }

    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.info.limit = limit;
        self
    }

    #[must_use]
    pub fn plain(mut self) -> Self {
        self.info.kind = RouteKind::Plain;
        self
    }

    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.info.body_bytes_max = bytes;
        self
    }

    /// The prefix of the events a changing route records, e.g. `domain.`.
    #[must_use]
    pub fn records(mut self, prefix: &'static str) -> Self {
        self.info.events = Events::Records(prefix);
        self
    }

    /// A changing method that changes no audited state, with the reason.
    #[must_use]
    pub fn records_nothing(mut self, reason: &'static str) -> Self {
        self.info.events = Events::None(reason);
        self
    }

    #[must_use]
    pub fn takes<T: utoipa::ToSchema + utoipa::PartialSchema>(mut self) -> Self {
        self.info.request = Some(document::<T>());
        self
    }

    #[must_use]
    pub fn gives<T: utoipa::ToSchema + utoipa::PartialSchema>(mut self, status: u16) -> Self {
        self.info.responses.push((status, Some(document::<T>())));
        self
    }

    #[must_use]
    pub fn gives_nothing(mut self, status: u16) -> Self {
        self.info.responses.push((status, None));
        self
    }

    #[must_use]
    pub fn query(self, name: &'static str, description: &'static str) -> Self {
        self.parameter(name, description, Values::Text)
    }

    #[must_use]
    pub fn query_id(self, name: &'static str, description: &'static str) -> Self {
        self.parameter(name, description, Values::Id)
    }

    #[must_use]
    pub fn query_integer(self, name: &'static str, description: &'static str) -> Self {
        self.parameter(name, description, Values::Integer { min: 0, max: INTEGER_MAX })
    }

    fn parameter(mut self, name: &'static str, description: &'static str, values: Values) -> Self {
        self.info.query.push(QueryParameter { name, description, values, required: false });
        self
    }

    /// The query parameter declared last must be there.
    #[must_use]
    pub fn required(mut self) -> Self {
        if let Some(last) = self.info.query.last_mut() {
            last.required = true;
        }
        self
    }

    /// `cursor` and `limit`, as every list takes them.
    #[must_use]
    pub fn paged(self) -> Self {
        let limit = Values::Integer { min: 1, max: LIMIT_MAX.into() };
        self.query("cursor", "where to go on: `next_cursor` of the page before").parameter(
            "limit",
            "how many, 1 to 200; 50 when not said",
            limit,
        )
    }
}

/// The routes of an area.
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
}

impl Routes {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as what it does: add a route")]
    pub fn add(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    #[must_use]
    pub fn merge(mut self, other: Routes) -> Self {
        self.routes.extend(other.routes);
        self
    }

    pub(crate) fn into_parts(self) -> Vec<(Arc<RouteInfo>, MethodRouter<App>)> {
        self.routes.into_iter().map(|route| (Arc::new(route.info), route.router)).collect()
    }

    pub fn infos(self) -> Vec<Arc<RouteInfo>> {
        self.into_parts().into_iter().map(|(info, _)| info).collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn schemas_of_generic_types_have_names_of_their_own() {
        let name = |own, full| super::schema_name(own, full);
        assert_eq!(name("GroupView", "users::groups::api::GroupView"), "GroupView");
        assert_eq!(name("Page_GroupView", "web::Page<users::groups::api::GroupView>"), "Page_GroupView");
        assert_eq!(name("Vec", "alloc::vec::Vec<a::Page<b::C>>"), "Vec_Page_C");
    }
}
