//! `/scim/v2/{directory}/…`: who asks, what for, and the answer as SCIM says it.
//!
//! These routes are for identity providers, who know neither our sessions nor our problem documents: the guard lets
//! them through, and [`admit`] is the one door behind it. A token opens its own directory; any other is not found.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::Ctx;
use platform::ctx::Actor;
use platform::db::DbError;
use platform::ids::Id;
use platform::web::routes::{self, Openness, Route, Routes};
use platform::web::{Access, Problem};
use scim::message::{self, ListQuery};
use scim::schema::{RESOURCE_TYPES, SCHEMAS};
use scim::{Error, ResourceType};
use serde_json::Value;

use super::request_log::{self, Entry};
use super::{Scope, bulk, etag};
use crate::directories::{self, DirectoryId, Found};
use crate::tokens::ScimToken;

mod records;

pub(crate) use records::{Ask, perform};

/// Bytes of a request: a group with twenty thousand members fits.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONTENT_TYPE: &str = "application/scim+json";
const ROOT: &str = "/scim/v2/";

/// `https://…/scim/v2/{directory}`
pub(crate) fn base(app: &App, directory: DirectoryId) -> String {
    crate::accounts::join(&app.config().public_url, &format!("{ROOT}{directory}"))
}

fn add(routes: Routes, route: Route) -> Routes {
    routes.add(route.plain().limit(routes::Limit::None).body_bytes_max(BODY_BYTES_MAX))
}

pub(crate) fn routes() -> Routes {
    const P: Openness = Openness::Public;
    let read = [
        ("/scim/v2/{directory}/ServiceProviderConfig", "scim.config"),
        ("/scim/v2/{directory}/Schemas", "scim.schemas"),
        ("/scim/v2/{directory}/Schemas/{schema}", "scim.schema"),
        ("/scim/v2/{directory}/ResourceTypes", "scim.resource_types"),
        ("/scim/v2/{directory}/ResourceTypes/{type}", "scim.resource_type"),
        ("/scim/v2/{directory}/Users", "scim.user_list"),
        ("/scim/v2/{directory}/Users/{user}", "scim.user_show"),
        ("/scim/v2/{directory}/Groups", "scim.group_list"),
        ("/scim/v2/{directory}/Groups/{group}", "scim.group_show"),
        ("/scim/v2/{directory}/Me", "scim.me"),
        ("/scim/v2/{directory}/{*rest}", "scim.nothing"),
    ];
    let mut all = Routes::new();
    for (path, action) in read {
        all = add(all, routes::get(path, action, P, serve));
    }
    const READS: &str = "a search: it changes nothing";
    for (path, action) in [
        ("/scim/v2/{directory}/.search", "scim.search"),
        ("/scim/v2/{directory}/Users/.search", "scim.user_search"),
        ("/scim/v2/{directory}/Groups/.search", "scim.group_search"),
    ] {
        all = add(all, routes::post(path, action, P, serve).records_nothing(READS));
    }
    const USER: &str = "/scim/v2/{directory}/Users/{user}";
    const GROUP: &str = "/scim/v2/{directory}/Groups/{group}";
    let (people, groups) = ("directory_user.", "directory_group.");
    for (route, events) in [
        (routes::post("/scim/v2/{directory}/Users", "scim.user_create", P, serve), people),
        (routes::put(USER, "scim.user_replace", P, serve), people),
        (routes::patch(USER, "scim.user_patch", P, serve), people),
        (routes::delete(USER, "scim.user_delete", P, serve), people),
        (routes::post("/scim/v2/{directory}/Groups", "scim.group_create", P, serve), groups),
        (routes::put(GROUP, "scim.group_replace", P, serve), groups),
        (routes::patch(GROUP, "scim.group_patch", P, serve), groups),
        (routes::delete(GROUP, "scim.group_delete", P, serve), groups),
        (routes::post("/scim/v2/{directory}/Bulk", "scim.bulk", P, serve), "directory_"),
    ] {
        all = add(all, route.records(events));
    }
    all
}

/// Why there is no answer.
pub(crate) enum Failure {
    Refused(Error),
    Store(DbError),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            // Somebody was faster with the same name: what the look before would have said.
            Self::Store(DbError::Unique(_)) => super::uniqueness("resource with this name"),
            Self::Store(error) => {
                let problem = Problem::from(error);
                Error::new(problem.status.as_u16(), None, problem.detail)
            }
        }
    }
}

/// What a request gives.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Option<Value>,
    pub version: Option<u64>,
    pub location: Option<String>,
    /// For the log: what was asked, without values, and what is worth knowing about the answer.
    pub shape: String,
    pub note: String,
}

impl Answer {
    pub(crate) fn of(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            version: None,
            location: None,
            shape: String::new(),
            note: String::new(),
        }
    }
}

async fn serve(State(app): State<App>, access: Access, request: Request) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let found = match admit(&app, &access.ctx, &parts.headers, &path).await {
        Ok(found) => found,
        Err(error) => return error_response(&error),
    };
    let ctx =
        access.ctx.acting_as(Actor::ApiToken { token: found.id.uuid(), organization: found.organization });
    let scope = Scope {
        organization: found.organization,
        directory: found.directory,
        base: base(&app, found.directory),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = answer(&app, &ctx, &scope, &parts.method, &path, &query, &parts.headers, body).await;
    let (response, mut entry) = match asked {
        Ok(answer) => {
            let entry = entry(&ctx, &parts.method, &path, answer.status);
            let entry = Entry { shape: answer.shape.clone(), detail: answer.note.clone(), ..entry };
            (response(answer), entry)
        }
        Err(failure) => {
            let error = failure.into_error();
            let detail = match error.scim_type {
                Some(scim_type) => format!("{}: {}", scim_type.as_str(), error.detail),
                None => error.detail.clone(),
            };
            let entry = Entry { detail, ..entry(&ctx, &parts.method, &path, error.status) };
            (error_response(&error), entry)
        }
    };
    entry.micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    request_log::note(&app, scope.organization, scope.directory, entry);
    response
}

fn entry(ctx: &Ctx, method: &Method, path: &str, status: u16) -> Entry {
    // Behind the directory there are names of endpoints and ids; what is neither is not worth keeping.
    let inner = path.strip_prefix(ROOT).and_then(|rest| rest.split_once('/')).map_or("", |(_, inner)| inner);
    let known = |part: &str| {
        let word = part.chars().all(|c| c.is_ascii_alphabetic() || c == '.');
        (word && part.len() <= 24) || part.parse::<super::RecordId>().is_ok()
    };
    let path: Vec<&str> = inner.split('/').take(4).map(|part| if known(part) { part } else { "…" }).collect();
    Entry {
        id: ctx.id(),
        at: ctx.now,
        method: method.to_string(),
        path: format!("/{}", path.join("/")),
        shape: String::new(),
        status,
        detail: String::new(),
        micros: 0,
    }
}

/// The directory of the path, if the token opens it.
async fn admit(app: &App, ctx: &Ctx, headers: &HeaderMap, path: &str) -> Result<Found, Error> {
    let refuse = || {
        Error::new(
            401,
            None,
            "the token is missing, unknown, expired or revoked: send `Authorization: Bearer bws_…`",
        )
    };
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = text.and_then(|(_, text)| ScimToken::parse(text.trim()).ok()).ok_or_else(refuse)?;
    let now = ctx.now;
    let found = app.db().look_up(move |tx| directories::find_token(tx, token.hash(), now)).await;
    let found = found.map_err(|error| Failure::Store(error).into_error())?.ok_or_else(refuse)?;
    let asked = path.strip_prefix(ROOT).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if asked.parse::<DirectoryId>().ok() != Some(found.directory) {
        return Err(Error::new(404, None, "there is no such directory"));
    }
    if found.last_used_due {
        let noted =
            app.db().housekeeping(move |tx| directories::touch(tx, found.id, found.organization, now)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note the use of a SCIM token");
        }
    }
    Ok(found)
}

fn kind_of(endpoint: &str) -> Option<&'static ResourceType> {
    RESOURCE_TYPES.into_iter().find(|kind| kind.endpoint == endpoint)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request, taken apart once")]
async fn answer(
    app: &App,
    ctx: &Ctx,
    scope: &Scope,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Failure> {
    let inner = path.strip_prefix(ROOT).and_then(|rest| rest.split_once('/')).map_or("", |(_, inner)| inner);
    let segments: Vec<&str> = inner.trim_end_matches('/').split('/').collect();
    let missing = || Failure::Refused(Error::new(404, None, "there is no such endpoint"));
    if *method == Method::GET
        && let Some(found) = discovery(app, scope, &segments)?
    {
        return Ok(found);
    }
    let text =
        |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match (method.as_str(), segments.as_slice()) {
        (_, ["Me"]) => Err(Error::new(501, None, "a directory's token is nobody: there is no `Me`").into()),
        ("POST", [".search"]) => {
            let query = ListQuery::from_search(&bytes(headers, body).await?)?;
            records::list_all(app, scope, &RESOURCE_TYPES, query).await
        }
        ("POST", ["Bulk"]) => bulk::run(app, ctx, scope, &bytes(headers, body).await?).await,
        ("POST", [endpoint, ".search"]) => {
            let kind = kind_of(endpoint).ok_or_else(missing)?;
            let query = ListQuery::from_search(&bytes(headers, body).await?)?;
            records::list_all(app, scope, &[kind], query).await
        }
        ("GET", [endpoint]) => {
            let kind = kind_of(endpoint).ok_or_else(missing)?;
            let query = parse_query(query)?;
            records::list_all(app, scope, &[kind], query).await
        }
        (method, [endpoint, rest @ ..]) if rest.len() <= 1 => {
            let body =
                if method == "GET" || method == "DELETE" { Vec::new() } else { bytes(headers, body).await? };
            let ask = Ask {
                method: method.to_owned(),
                kind: kind_of(endpoint).ok_or_else(missing)?,
                id: rest.first().map(|id| (*id).to_owned()),
                body,
                projection: parse_query(query)?.projection,
                if_match: text(header::IF_MATCH),
                if_none_match: text(header::IF_NONE_MATCH),
            };
            perform(app, ctx, scope, ask).await
        }
        _ => Err(missing()),
    }
}

fn parse_query(query: &str) -> Result<ListQuery, Error> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    ListQuery::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

async fn bytes(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != CONTENT_TYPE && kind != "application/json" {
        return Err(Error::new(415, None, format!("this takes `Content-Type: {CONTENT_TYPE}`")));
    }
    let read = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    let read = read.map_err(|_| Error::new(413, None, format!("this takes up to {BODY_BYTES_MAX} bytes")))?;
    Ok(read.to_vec())
}

/// What the service says of itself.
fn discovery(app: &App, scope: &Scope, segments: &[&str]) -> Result<Option<Answer>, Error> {
    let base = &scope.base;
    let whole = |all: Vec<Value>| {
        let total = u64::try_from(all.len()).unwrap_or(0);
        Answer::of(200, message::list(all, total, 1))
    };
    let one = |found: Option<Value>, what| {
        found.map(|body| Answer::of(200, body)).ok_or_else(|| super::not_found(what))
    };
    Ok(Some(match segments {
        ["ServiceProviderConfig"] => {
            let documentation = crate::accounts::join(&app.config().public_url, "/openapi.json");
            let body =
                message::service_provider_config(base, &documentation, BODY_BYTES_MAX, message::PAGE_MAX);
            Answer::of(200, body)
        }
        ["Schemas"] => whole(SCHEMAS.iter().map(|schema| schema.describe(base)).collect()),
        ["Schemas", urn] => {
            let found = SCHEMAS.iter().find(|schema| schema.urn.eq_ignore_ascii_case(urn));
            one(found.map(|schema| schema.describe(base)), "schema")?
        }
        ["ResourceTypes"] => whole(RESOURCE_TYPES.iter().map(|kind| kind.describe(base)).collect()),
        ["ResourceTypes", name] => {
            let found = RESOURCE_TYPES.iter().find(|kind| kind.name == *name);
            one(found.map(|kind| kind.describe(base)), "resource type")?
        }
        _ => return Ok(None),
    }))
}

fn response(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match answer.body {
        Some(body) => (status, body.to_string()).into_response(),
        None => status.into_response(),
    };
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let texts = [(header::ETAG, answer.version.map(etag)), (header::LOCATION, answer.location)];
    for (name, value) in texts {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn error_response(error: &Error) -> Response {
    let mut response = response(Answer::of(error.status, error.document()));
    if error.status == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
