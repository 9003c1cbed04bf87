//! What every request passes before its handler: who asks, from where, whether they may, how often.
//!
//! The guard is the only place that decides about access to a route, from the route's own record. A handler cannot be
//! reached without it: it takes [`Access`], which only the guard makes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::access::{Permission, Role};
use crate::app::App;
use crate::ctx::{Actor, Ctx, Origin};
use crate::principals::{self, OrganizationState};
use crate::time::Timestamp;

use super::access::{Access, Credential, OrganizationAccess, Principal, Visit, may};
use super::routes::{BODY_BYTES_MAX_DEFAULT, Openness, RouteInfo, RouteKind};
use super::{Problem, browser, multipart, ui};

pub mod conditional;
mod error_pages;
pub mod idempotency;
pub mod limits;
mod trace;

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

/// Decides whether the caller may use this route, and finds the organization it is about.
async fn check_access(
    app: &App,
    info: &RouteInfo,
    slug: Option<String>,
    principal: Option<&Principal>,
    ctx: &Ctx,
    seen: &mut Option<OrganizationAccess>,
) -> Result<Option<OrganizationAccess>, Problem> {
    let permission = match info.openness {
        Openness::Public => return Ok(None),
        Openness::SignedIn => {
            let principal = principal.ok_or_else(Problem::sign_in)?;
            let operator = matches!(principal.credential, Credential::Operator);
            if principal.account.is_none() && !operator {
                return Err(Problem::forbidden("a signed-in person"));
            }
            return admitted(app, info, principal, ctx).await.map(|()| None);
        }
        Openness::Organization(permission) | Openness::Provider(permission) => Some(permission),
        Openness::Member => None,
    };
    let principal = principal.ok_or_else(Problem::sign_in)?;
    let hidden = || Problem::not_found("organization");
    let of_provider = matches!(info.openness, Openness::Provider(_));
    let found = look_up(app, slug, of_provider, visit_of(info, principal, ctx)).await?;
    let (organization, membership, refusal) = found.ok_or_else(hidden)?;
    if organization.state == OrganizationState::Closed {
        return Err(hidden());
    }
    let role = membership
        .filter(|membership| membership.state == principals::MembershipState::Active)
        .map(|membership| membership.role);
    let of_token = matches!(&principal.credential,
        Credential::ApiToken { organization: own, .. } if *own == organization.id);
    let of_operator = matches!(principal.credential, Credential::Operator);
    if role.is_none() && !of_token && !of_operator {
        return Err(hidden());
    }
    // After it is clear that the caller belongs here: a stranger learns nothing of an organization's networks.
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    if let Some(permission) = permission
        && !may(role, Some(principal), &organization, permission)
    {
        // The provider's console is nobody's business who does not run it.
        if of_provider {
            return Err(Problem::not_found("page"));
        }
        *seen = Some(OrganizationAccess { organization, role });
        let detail = format!("this needs `{}`: the right to {}", permission.as_str(), permission.words());
        return Err(Problem::forbidden(permission.as_str()).detail(detail));
    }
    let here = OrganizationAccess { organization, role };
    *seen = Some(here.clone());
    Ok(Some(here))
}

/// A session whose proof falls short of a policy only enrols; one whose proof is old confirms before it changes
/// credentials and policies.
fn check_proof(info: &RouteInfo, principal: Option<&Principal>, now: Timestamp) -> Result<(), Problem> {
    let Some(principal) = principal.filter(|one| matches!(one.credential, Credential::Session)) else {
        return Ok(());
    };
    if info.openness == Openness::Public {
        return Ok(());
    }
    if principal.proof.restricted && !info.while_restricted {
        return Err(Problem::enrolment());
    }
    if info.recent && now >= principal.proof.recent_until {
        return Err(Problem::step_up());
    }
    Ok(())
}

/// The path of the page a request comes from, when it is one of ours.
fn referer_path(app: &App, headers: &HeaderMap) -> String {
    let origin = app.config().public_origin();
    headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix(origin.as_str()))
        .filter(|path| path.starts_with('/'))
        .unwrap_or("/")
        .to_owned()
}

type Found = (principals::Organization, Option<principals::Membership>, Option<Problem>);

/// The organization that a request is about, what the caller is in it, and whether it takes them from where they are.
async fn look_up(
    app: &App,
    slug: Option<String>,
    of_provider: bool,
    mut visit: Visit,
) -> Result<Option<Found>, Problem> {
    let authenticate = app.authenticate().clone();
    app.db()
        .read(move |tx| {
            let organization = match (&slug, of_provider) {
                (_, true) => principals::provider(tx)?,
                (Some(slug), false) => principals::organization_by_slug(tx, slug)?,
                (None, false) => None,
            };
            let Some(organization) = organization else { return Ok(None) };
            let membership = match visit.principal.account {
                Some(account) => principals::membership(tx, organization.id, account)?,
                None => None,
            };
            visit.organization = Some(organization.id);
            let refusal = authenticate.admits(tx, &visit)?;
            Ok::<_, Problem>(Some((organization, membership, refusal)))
        })
        .await
}

fn visit_of(info: &RouteInfo, principal: &Principal, ctx: &Ctx) -> Visit {
    Visit {
        principal: principal.clone(),
        organization: None,
        ip: ctx.origin.ip,
        now: ctx.now,
        action: info.action,
    }
}

/// Asks about a page of one's own account.
async fn admitted(app: &App, info: &RouteInfo, principal: &Principal, ctx: &Ctx) -> Result<(), Problem> {
    let (visit, authenticate) = (visit_of(info, principal, ctx), app.authenticate().clone());
    match app.db().read(move |tx| authenticate.admits(tx, &visit)).await? {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Where else somebody can go: their organizations, and the provider's console.
#[derive(Clone, Default)]
struct Places {
    staff: bool,
    organizations: Vec<ui::NavItem>,
}

/// The first page that a role has in an organization.
fn home_of(role: Option<Role>, slug: &str) -> String {
    match role {
        Some(Role::Member) => format!("/o/{slug}/access"),
        _ => format!("/o/{slug}"),
    }
}

async fn places_of(app: &App, principal: Option<&Principal>) -> Result<Places, Problem> {
    let Some(account) = principal.and_then(|principal| principal.account) else {
        return Ok(Places::default());
    };
    let found = app.db().read(move |tx| principals::places(tx, account)).await?;
    let runs = |place: &principals::Place| {
        place.kind == principals::OrganizationKind::Provider && place.role.may(Permission::ProviderRead)
    };
    Ok(Places {
        staff: found.iter().any(runs),
        organizations: found
            .iter()
            .map(|place| ui::NavItem::new(&place.name, home_of(Some(place.role), &place.slug)))
            .collect(),
    })
}

fn origin_of(app: &App, parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let by_proxy = peer.is_some_and(|peer| app.config().trusts_proxy(peer));
    let forwarded = by_proxy.then(|| last_forwarded(&parts.headers)).flatten();
    Origin {
        // Words of a proxy that cannot be read name nobody. The proxy's own address would be one that lists allow.
        ip: forwarded.unwrap_or(peer),
        user_agent: parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.chars().take(300).collect()),
    }
}

/// The address that the nearest proxy saw: the last one of the last such line, since earlier ones are the client's own
/// words, in whatever bytes. Some proxies extend the client's line, others write one of their own below it. `None`: there
/// is no such line; `Some(None)`: its last element is no address.
fn last_forwarded(headers: &HeaderMap) -> Option<Option<IpAddr>> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = line.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
    Some(std::str::from_utf8(last).ok().and_then(forwarded_address))
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(bare);
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

// ---- answers --------------------------------------------------------------------------------------------------

fn finish(info: &RouteInfo, response: &mut Response, seen: &Seen, request_id: &str, started: Instant) {
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
    if let Some(standing) = &seen.limit {
        standing.write(headers);
    }
    if info.kind != RouteKind::Plain && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let elapsed = started.elapsed().as_secs_f64();
    metrics::histogram!("bailiwick_http_seconds", "action" => info.action).record(elapsed);
    metrics::counter!("bailiwick_http_requests_total", "action" => info.action,
        "status" => status_class(status))
    .increment(1);
    // Where anybody asks it would take the network's noise away from whoever measures what is secret.
    if info.openness != Openness::Public
        && let Ok(timing) = HeaderValue::from_str(&format!("app;dur={:.2}", elapsed * 1000.0))
    {
        headers.insert("server-timing", timing);
    }
    tracing::info!(
        action = info.action,
        status = status.as_u16(),
        request = request_id,
        trace = seen.trace.as_deref(),
        seconds = elapsed,
        "request"
    );
}

/// Who was refused what, from where, and why: what somebody who looks for attacks reads first.
fn note_refusal(info: &RouteInfo, response: &Response, seen: &Seen, request_id: &str) {
    let Some(problem) = response.extensions().get::<Problem>() else { return };
    let actor = seen.principal.as_ref().map_or_else(
        || "nobody".to_owned(),
        |principal| format!("{}:{}", principal.actor.kind(), principal.actor.id()),
    );
    tracing::info!(
        action = info.action,
        status = problem.status.as_u16(),
        why = problem.kind,
        actor,
        network = seen.network,
        request = request_id,
        "refused"
    );
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The strict headers of every answer. Pages load only what this installation serves; nothing inline.
async fn security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    const CSP: &str = "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'";
    let fixed: [(&'static str, &'static str); 7] = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.config().public_url.scheme() == "https" {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        );
    }
    response
}
