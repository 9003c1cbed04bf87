//! What a person at a browser gets instead of a problem document: the sign-in page, or a page that says what is wrong and
//! what to do, inside the console that they are in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::{Places, Seen, bare_access, places_of};
use crate::app::App;
use crate::ctx::{Actor, Ctx};
use crate::web::routes::{Openness, RouteInfo};
use crate::web::ui::NavItem;
use crate::web::{Problem, browser, navigation, ui};

/// There is no such address.
pub(super) async fn no_route(State(app): State<App>, request: Request) -> Response {
    let problem = Problem::not_found("page").cure("check the address, or go back to the start page");
    let path = request.uri().path();
    if path.starts_with("/api/") {
        return problem.into_response();
    }
    let mut seen = Seen { path: path.to_owned(), ..Seen::default() };
    let (parts, _) = request.into_parts();
    seen.referer = super::referer_path(&app, &parts.headers);
    // Whoever cannot be recognised gets the page that everybody gets.
    seen.principal = app.authenticate().authenticate(&app, &parts).await.unwrap_or_default();
    let (mark, _) = browser::browser_mark(&app, &parts.headers);
    let session = seen.principal.as_ref().and_then(|principal| principal.session);
    seen.csrf = browser::csrf_token(&app, &mark, session);
    problem_page(&app, &problem, &RouteInfo::for_problem(), &seen, "").await
}

/// Turns a problem document into what a person expects.
pub(super) async fn page_of_problem(
    app: &App,
    info: &RouteInfo,
    response: Response,
    seen: &Seen,
    request_id: &str,
) -> Response {
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED && info.method == Method::GET {
        let next: String = url::form_urlencoded::byte_serialize(seen.path.as_bytes()).collect();
        return Redirect::to(&format!("/sign-in?next={next}")).into_response();
    }
    if problem.kind == "step-up-required" {
        // What was typed is lost, so pages with forms ask before they are filled in.
        let back = if info.method == Method::GET { &seen.path } else { &seen.referer };
        let next: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
        return Redirect::to(&format!("/confirm?next={next}")).into_response();
    }
    if problem.kind == "enrolment-required" {
        return Redirect::to("/account/factors").into_response();
    }
    let mut page = problem_page(app, &problem, info, seen, request_id).await;
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            page.headers_mut().append(name, value.clone());
        }
    }
    page
}

async fn problem_page(
    app: &App,
    problem: &Problem,
    info: &RouteInfo,
    seen: &Seen,
    request_id: &str,
) -> Response {
    let ctx = Ctx::new(Actor::Anonymous, app.clock(), app.random());
    let mut access = bare_access(ctx, &Arc::new(RouteInfo::for_problem()), "");
    access.principal.clone_from(&seen.principal);
    access.csrf.clone_from(&seen.csrf);
    let person = seen.principal.as_ref().is_some_and(|principal| principal.account.is_some());
    if person {
        access.organization.clone_from(&seen.here);
        let places = match &seen.places {
            Some(places) => places.clone(),
            // The store may be what is broken.
            None => places_of(app, seen.principal.as_ref()).await.unwrap_or_else(|_| Places::default()),
        };
        access.staff = places.staff;
        access.places = places.organizations;
    }
    let page = ui::ErrorPage {
        links: links(problem, info, seen, person),
        shell: navigation::public_shell(app, &access, &problem.title),
        title: problem.title.clone(),
        wrong: ui::sentence(&problem.detail),
        mend: ui::sentence(problem.cure.as_deref().unwrap_or_default()),
        request_id: request_id.to_owned(),
        status: problem.status.as_u16(),
    };
    if !person {
        return crate::web::html_with(problem.status, &page).unwrap_or_else(IntoResponse::into_response);
    }
    let console = match (info.openness, &seen.here) {
        (Openness::Provider(_), Some(_)) => navigation::NavConsole::Provider,
        (_, Some(_)) => navigation::NavConsole::Organization,
        _ => navigation::NavConsole::Account,
    };
    let shell = navigation::shell(app, &access, console, &problem.title, "");
    let page = ui::ConsoleErrorPage::new(ui::ErrorPage { shell, ..page });
    crate::web::html_with(problem.status, &page).unwrap_or_else(IntoResponse::into_response)
}

/// Where to go from here, the likeliest first.
fn links(problem: &Problem, info: &RouteInfo, seen: &Seen, person: bool) -> Vec<NavItem> {
    let mut links = Vec::new();
    let here = seen.path.split('?').next().unwrap_or_default();
    let from = seen.referer.split('?').next().unwrap_or_default();
    if person {
        // A form's own page, or where the link that was followed stands.
        if from != "/" && (from != here || info.method != Method::GET) {
            links.push(NavItem::new("Back", &seen.referer));
        }
        match &seen.here {
            Some(here) => {
                let home = super::home_of(here.role, &here.organization.slug);
                links.push(NavItem::new(&here.organization.name, home));
            }
            None => links.push(NavItem::new("Your account", "/account")),
        }
        return links;
    }
    let link_is_dead = matches!(problem.status, StatusCode::GONE | StatusCode::NOT_FOUND);
    if link_is_dead && info.openness == Openness::Public {
        links.push(NavItem::new("Sign in", "/sign-in"));
        links.push(NavItem::new("Recover your account", "/recover"));
    }
    links
}
