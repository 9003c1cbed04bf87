//! What every request passes before its handler: who asks, from where, whether they may, how often.
//!
//! The guard is the only place that decides about access to a route, from the route's own record. A handler cannot be
//! reached without it: it takes [`Access`], which only the guard makes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::ctx::{Actor, Ctx};

use super::access::{Access, Credential, OrganizationAccess, Principal};
use super::routes::{BODY_BYTES_MAX_DEFAULT, Openness, RouteInfo, RouteKind};
use super::{Problem, browser, multipart, ui};

mod answers;
pub mod conditional;
mod decision;
mod error_pages;
pub mod idempotency;
pub mod limits;
mod origin;
mod places;
mod trace;

pub use answers::FormsGoTo;
use answers::{finish, note_refusal, security_headers};
pub use decision::belongs;
use decision::{check_access, check_proof};
use origin::{origin_of, referer_path};
use places::{Places, home_of, places_of};

/// The socket's other end; set by the accept loop.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

#[derive(Clone)]
struct GuardState {
    app: App,
    info: Arc<RouteInfo>,
}

/// All routes of all areas behind their guards.
pub fn router(app: &App) -> Router {
    let mut router = Router::new();
    for area in app.areas() {
        for (info, handler) in (area.routes)().into_parts() {
            let state = GuardState { app: app.clone(), info: info.clone() };
            router = router.route(info.path, handler.layer(middleware::from_fn_with_state(state, guard)));
        }
    }
    router
        .fallback(error_pages::no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(app.clone(), security_headers))
        .with_state(app.clone())
}

async fn no_method(request: Request) -> Response {
    const DETAIL: &str = "the `Allow` header lists those that are";
    // SCIM clients read errors of their own kind alone (RFC 7644 §3.12).
    if request.uri().path().starts_with("/scim/") {
        let document = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "405",
            "detail": format!("this method is not taken here: {DETAIL}"),
        });
        let kind = [(header::CONTENT_TYPE, "application/scim+json")];
        return (StatusCode::METHOD_NOT_ALLOWED, kind, document.to_string()).into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not taken here")
        .detail(DETAIL)
        .into_response()
}

async fn guard(
    State(state): State<GuardState>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let GuardState { app, info } = state;
    let ctx = Ctx::new(Actor::Anonymous, app.clock(), app.random());
    let request_id = ctx.request;
    let organization =
        params.iter().find(|(name, _)| *name == "organization").map(|(_, value)| value.to_owned());
    let mut seen = Seen { trace: trace::trace_id(request.headers()), ..Seen::default() };
    let result = admit(&app, &info, ctx, organization, request, next, &mut seen).await;
    let mut response = match result {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    note_refusal(&info, &response, &seen, &request_id.to_string());
    if info.kind == RouteKind::Page {
        response = error_pages::page_of_problem(&app, &info, response, &seen, &request_id.to_string()).await;
        if let Some(mark) = &seen.new_mark {
            browser::set_browser_mark(&mut response, mark);
        }
        if seen.flash && response.status() == StatusCode::OK {
            browser::clear_flash(&mut response);
        }
    }
    finish(&info, &mut response, &seen, &request_id.to_string(), started);
    response
}

/// What the guard learned on the way, also when the request was refused.
#[derive(Default)]
struct Seen {
    principal: Option<Principal>,
    /// The organization, once it is clear that the caller belongs there.
    here: Option<OrganizationAccess>,
    places: Option<Places>,
    network: String,
    new_mark: Option<String>,
    path: String,
    /// The page that a form was sent from.
    referer: String,
    csrf: String,
    flash: bool,
    limit: Option<limits::Standing>,
    trace: Option<String>,
}

async fn admit(
    app: &App,
    info: &Arc<RouteInfo>,
    ctx: Ctx,
    organization: Option<String>,
    request: Request,
    next: Next,
    seen: &mut Seen,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    seen.path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    seen.referer = referer_path(app, &parts.headers);
    let origin = origin_of(app, &parts);
    let ip = origin.ip;
    seen.network = limits::network(ip);
    let ctx = ctx.from_origin(origin);
    if info.kind == RouteKind::Plain && info.openness == Openness::Public {
        seen.limit = limits::check(app, info, ip, None)?;
        parts.extensions.insert(bare_access(ctx, info, &seen.path));
        // The handler reads it, and answers in its protocol when there is more.
        let body = Body::new(http_body_util::Limited::new(body, body_max(app, info)));
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let principal = app.authenticate().authenticate(app, &parts).await?;
    seen.principal.clone_from(&principal);
    seen.limit = limits::check(app, info, ip, principal.as_ref())?;
    let body = read_body(app, info, &parts, body).await?;

    let (mark, new) = browser::browser_mark(app, &parts.headers);
    let session = principal.as_ref().and_then(|principal| principal.session);
    check_csrf(app, info, &parts, &body, &mark, principal.as_ref())?;
    if new && info.kind == RouteKind::Page {
        seen.new_mark = Some(mark.clone());
    }
    seen.csrf = browser::csrf_token(app, &mark, session);
    let flash = browser::read_flash(&parts);
    seen.flash = flash.is_some();

    let here = check_access(app, info, organization, principal.as_ref(), &ctx, &mut seen.here).await?;
    check_proof(info, principal.as_ref(), ctx.now)?;
    let places = match info.kind {
        RouteKind::Page => places_of(app, principal.as_ref()).await?,
        _ => Places::default(),
    };
    seen.places = Some(places.clone());
    let actor = principal.as_ref().map_or(Actor::Anonymous, |principal| principal.actor.clone());
    let access = Access {
        ctx: ctx.acting_as(actor),
        principal,
        organization: here,
        route: info.clone(),
        csrf: seen.csrf.clone(),
        path: seen.path.clone(),
        flash,
        staff: places.staff,
        places: places.organizations,
        theme: theme_of(&parts.headers),
    };
    let headers = parts.headers.clone();
    parts.extensions.insert(access.clone());
    let run = |body: Bytes| next.run(Request::from_parts(parts, Body::from(body)));
    if info.kind != RouteKind::Api {
        return Ok(run(body).await);
    }
    if info.method == Method::GET {
        return Ok(conditional::answer(&headers, run(body).await).await);
    }
    idempotency::answer(app, &access, &headers, body, run).await
}

fn bare_access(ctx: Ctx, info: &Arc<RouteInfo>, path: &str) -> Access {
    Access {
        ctx,
        principal: None,
        organization: None,
        route: info.clone(),
        csrf: String::new(),
        path: path.to_owned(),
        flash: None,
        staff: false,
        places: Vec::new(),
        theme: ui::Theme::System,
    }
}

fn theme_of(headers: &HeaderMap) -> ui::Theme {
    browser::cookie(headers, browser::THEME_COOKIE).map_or(ui::Theme::System, ui::Theme::from_cookie)
}

/// What a route takes, within what the operator lets any route take.
fn body_max(app: &App, info: &RouteInfo) -> usize {
    let config = app.config();
    let upload = info.body_bytes_max > BODY_BYTES_MAX_DEFAULT;
    info.body_bytes_max.min(if upload { config.upload_bytes_max } else { config.body_bytes_max })
}

fn in_words(bytes: usize) -> String {
    match bytes {
        many if many >= 1024 * 1024 => format!("{} MiB", many / (1024 * 1024)),
        some if some >= 1024 => format!("{} KiB", some / 1024),
        few => format!("{few} bytes"),
    }
}

async fn read_body(app: &App, info: &RouteInfo, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let max = body_max(app, info);
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large")
            .detail(match (info.body_bytes_max, max) {
                // As the form says it: what stands around the file is not the reader's business.
                (multipart::BODY_BYTES_MAX, multipart::BODY_BYTES_MAX) => {
                    format!("a file may have up to {}", in_words(multipart::FILE_BYTES_MAX))
                }
                _ => format!("this takes up to {}", in_words(max)),
            })
            .cure("go back and send less")
    };
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > max) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, max).await.map_err(|_| too_large())
}

fn check_csrf(
    app: &App,
    info: &RouteInfo,
    parts: &Parts,
    body: &[u8],
    mark: &str,
    principal: Option<&Principal>,
) -> Result<(), Problem> {
    let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let by_cookie = principal.is_some_and(|principal| matches!(principal.credential, Credential::Session));
    if safe || !(info.kind == RouteKind::Page || by_cookie) {
        return Ok(());
    }
    browser::check_same_origin(app, &parts.headers)?;
    let session = principal.and_then(|principal| principal.session);
    let token = browser::csrf_field(&parts.headers, body).unwrap_or_default();
    if browser::csrf_holds(app, mark, session, &token) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "csrf", "This form is out of date")
        .detail("its security token does not fit this browser and session")
        .cure("reload the page and send it again"))
}
