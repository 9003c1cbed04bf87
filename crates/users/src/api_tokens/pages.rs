//! Pages of API tokens: the list, making one (its secret is shown once), revoking one.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use platform::App;
use platform::access::Permission;
use platform::principals;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{FieldErrors, Pager, Shell, Tone, sentence};
use platform::web::{Access, Problem, browser};

use super::api::{self, DAYS_DEFAULT};
use super::{ApiTokenId, Token};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/o/{organization}/api-tokens";
const READ: Openness = Openness::Organization(Permission::TokensRead);
const MANAGE: Openness = Openness::Organization(Permission::TokensManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/api-tokens/new";
    const REVOKE: &str = "/o/{organization}/api-tokens/{token}/revoke";
    Routes::new()
        .add(routes::get(LIST, "api_token.list_page", READ, list))
        .add(routes::get(NEW, "api_token.create_page", MANAGE, new_page).recent())
        .add(routes::post(NEW, "api_token.create_form", MANAGE, create).recent().records("api_token."))
        .add(routes::post(REVOKE, "api_token.revoke_form", MANAGE, revoke).records("api_token."))
}

struct Line {
    id: ApiTokenId,
    name: String,
    scopes: String,
    state: &'static str,
    tone: Tone,
    live: bool,
    maker: String,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl Line {
    fn new(token: Token, maker: String, now: Timestamp) -> Self {
        let live = token.is_live(now);
        let (state, tone) = match token.revoked_at {
            Some(_) => ("Revoked", Tone::Warn),
            None if live => ("Live", Tone::Good),
            None => ("Ran out", Tone::Warn),
        };
        let scopes = token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
        Self {
            id: token.id,
            name: token.name,
            scopes,
            state,
            tone,
            live,
            maker,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

#[derive(Template)]
#[template(path = "api_tokens/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    lines: Vec<Line>,
    pager: Pager,
    may_manage: bool,
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let (before, limit) = (api::before(&query)?, query.limit()?);
    let found = app
        .db()
        .read(move |tx| {
            let tokens = super::list(tx, organization, before, limit + 1)?;
            let mut out = Vec::with_capacity(tokens.len());
            for token in tokens {
                let maker = match token.created_by {
                    None => "the operator".to_owned(),
                    Some(id) => principals::account(tx, id)?.map(|person| person.email).unwrap_or_default(),
                };
                out.push((token, maker));
            }
            Ok::<_, Problem>(out)
        })
        .await?;
    let page = Page::of(found, limit, |(token, _)| token.id.to_string());
    let slug = access.organization()?.slug.clone();
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "API tokens", LIST),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("/o/{slug}/api-tokens")),
        lines: page.items.into_iter().map(|(token, maker)| Line::new(token, maker, now)).collect(),
        may_manage: access.may(Permission::TokensManage),
        slug,
    })
}

struct Scope {
    name: &'static str,
    words: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "api_tokens/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    /// Not `name`: the macros of forms have a parameter of that name, which would hide it.
    typed: String,
    days: String,
    scopes: Vec<Scope>,
}

/// The form's fields; `scopes` comes once for each chosen right.
#[derive(Default)]
struct Asked {
    name: String,
    days: String,
    scopes: Vec<String>,
}

fn form_page(app: &App, access: &Access, asked: Asked, refused: Option<&Problem>) -> platform::web::Result {
    let page = NewPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "New API token", LIST),
        slug: access.organization()?.slug.clone(),
        errors: refused.map(complaints).unwrap_or_default(),
        scopes: Permission::ALL
            .iter()
            .filter(|permission| access.may(**permission))
            .map(|permission| (permission.as_str(), sentence(permission.words())))
            .map(|(name, words)| {
                let chosen = asked.scopes.iter().any(|chosen| chosen == name);
                Scope { name, words, chosen }
            })
            .collect(),
        typed: asked.name,
        days: asked.days,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    form_page(&app, &access, Asked { days: DAYS_DEFAULT.to_string(), ..Asked::default() }, None)
}

#[derive(Template)]
#[template(path = "api_tokens/created.html")]
struct CreatedPage {
    shell: Shell,
    slug: String,
    token: Token,
    secret: String,
}

async fn create(
    State(app): State<App>,
    access: Access,
    Form(fields): Form<Vec<(String, String)>>,
) -> platform::web::Result {
    let mut asked = Asked::default();
    for (name, value) in fields {
        match name.as_str() {
            "name" => asked.name = value,
            "expires_in_days" => asked.days = value,
            "scopes" => asked.scopes.push(value),
            _ => {}
        }
    }
    // What is no number is no lifetime either: the rule refuses 0 with the same words.
    let days = asked.days.trim().parse().unwrap_or(0);
    match api::make(&app, &access, &asked.name, &asked.scopes, days).await {
        Ok((token, secret)) => {
            let page = CreatedPage {
                shell: navigation::shell(&app, &access, NavConsole::Organization, "New API token", LIST),
                slug: access.organization()?.slug.clone(),
                token,
                secret: secret.text().to_string(),
            };
            let mut response = platform::web::html_with(StatusCode::CREATED, &page)?;
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, asked, Some(&problem)),
        Err(problem) => Err(problem),
    }
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, ApiTokenId)>,
) -> platform::web::Result {
    api::end(&app, &access, id).await?;
    browser::see_other_with(
        &format!("/o/{slug}/api-tokens"),
        Tone::Good,
        "The token is revoked: it is dead at once.",
    )
}
