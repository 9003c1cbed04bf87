//! Pages of audit streams: the list, adding one (its secret is shown once), one stream with its test, deleting it.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use platform::App;
use platform::access::Permission;
use platform::web::extract::{Form, Path};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, NewStreamBody, StreamView};
use super::{FORMATS, Kind, StreamId};
use crate::audit_log::formats::Format;
use crate::organizations::pages::{complaints, mendable};

pub(crate) const LIST: &str = "/o/{organization}/audit-streams";
const READ: Openness = Openness::Organization(Permission::AuditRead);
const MANAGE: Openness = Openness::Organization(Permission::AuditManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/audit-streams/new";
    const ONE: &str = "/o/{organization}/audit-streams/{stream}";
    const TEST: &str = "/o/{organization}/audit-streams/{stream}/test";
    const PAUSE: &str = "/o/{organization}/audit-streams/{stream}/pause";
    const RESUME: &str = "/o/{organization}/audit-streams/{stream}/resume";
    const SECRET: &str = "/o/{organization}/audit-streams/{stream}/secret";
    const DELETE: &str = "/o/{organization}/audit-streams/{stream}/delete";
    const RECORDS: &str = "audit_stream.";
    Routes::new()
        .add(routes::get(LIST, "audit_stream.list_page", READ, list))
        .add(routes::get(NEW, "audit_stream.create_page", MANAGE, new_page).recent())
        .add(routes::post(NEW, "audit_stream.create_form", MANAGE, create).recent().records(RECORDS))
        .add(routes::get(ONE, "audit_stream.show_page", READ, show))
        .add(routes::post(TEST, "audit_stream.test_form", MANAGE, test).limit(Limit::Heavy).records(RECORDS))
        .add(routes::post(PAUSE, "audit_stream.pause_form", MANAGE, pause).records(RECORDS))
        .add(routes::post(RESUME, "audit_stream.resume_form", MANAGE, resume).records(RECORDS))
        .add(routes::post(SECRET, "audit_stream.rotate_form", MANAGE, rotate).recent().records(RECORDS))
        .add(routes::get(DELETE, "audit_stream.delete_page", MANAGE, delete_page))
        .add(routes::post(DELETE, "audit_stream.delete_form", MANAGE, delete).records(RECORDS))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, LIST)
}

/// A stream as the pages show it.
struct Line {
    view: StreamView,
    badge: &'static str,
    tone: Tone,
}

impl Line {
    fn new(view: StreamView) -> Self {
        let (badge, tone) = match view.state {
            super::State::Paused => ("Paused", Tone::Warn),
            super::State::Halted => ("Halted", Tone::Bad),
            super::State::Active if view.failures > 0 => ("Fails", Tone::Bad),
            super::State::Active if view.live => ("Live", Tone::Good),
            super::State::Active => ("Waits for its first acknowledgement", Tone::Info),
        };
        Self { view, badge, tone }
    }

    fn format(&self) -> &'static str {
        Format::parse(self.view.format).map_or(self.view.format, Format::label)
    }
}

#[derive(Template)]
#[template(path = "audit_streams/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    lines: Vec<Line>,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let lines = api::all(&app, &access).await?.into_iter().map(Line::new).collect();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "Audit streams"),
        slug: access.organization()?.slug.clone(),
        may_manage: access.may(Permission::AuditManage),
        lines,
    })
}

#[derive(Template)]
#[template(path = "audit_streams/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    kinds: Vec<Choice>,
    formats: Vec<Choice>,
    form: NewForm,
    paused: bool,
}

#[derive(Default, Deserialize)]
struct NewForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    authorities: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    paused: String,
}

fn form_page(app: &App, access: &Access, form: NewForm, errors: FieldErrors) -> platform::web::Result {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let kind = |kind: &Kind| {
        let hint = match kind {
            Kind::Webhook => "Batches of lines to a URL, signed with HMAC-SHA-256 (Standard Webhooks)",
            Kind::Syslog => "RFC 5424 messages over TLS (RFC 5425), to host:port",
        };
        Choice::new(kind.as_str(), kind.label(), &form.kind).hint(hint)
    };
    let page = NewPage {
        shell: shell(app, access, "New audit stream"),
        slug: access.organization()?.slug.clone(),
        kinds: Kind::ALL.iter().map(kind).collect(),
        formats: FORMATS.iter().map(|one| Choice::new(one.as_str(), one.label(), &form.format)).collect(),
        paused: !form.paused.is_empty(),
        errors,
        form,
    };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    let form = NewForm {
        kind: Kind::Webhook.as_str().to_owned(),
        format: Format::Jsonl.as_str().to_owned(),
        from: "now".to_owned(),
        ..NewForm::default()
    };
    form_page(&app, &access, form, FieldErrors::default())
}

#[derive(Template)]
#[template(path = "audit_streams/secret.html")]
struct SecretPage {
    shell: Shell,
    slug: String,
    id: StreamId,
    title: String,
    secret: String,
    /// A secret before it still signs.
    rotated: bool,
}

fn secret_page(
    app: &App,
    access: &Access,
    (id, title, secret): (StreamId, String, String),
    rotated: bool,
) -> platform::web::Result {
    let slug = access.organization()?.slug.clone();
    let page = SecretPage { shell: shell(app, access, &title), slug, id, title, secret, rotated };
    let mut response = platform::web::html_with(StatusCode::CREATED, &page)?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn create(State(app): State<App>, access: Access, Form(form): Form<NewForm>) -> platform::web::Result {
    let body = NewStreamBody {
        name: form.name.clone(),
        kind: form.kind.clone(),
        target: form.target.clone(),
        authorities: form.authorities.clone(),
        format: form.format.clone(),
        from: form.from.clone(),
        paused: !form.paused.is_empty(),
    };
    match api::make(&app, &access, &body).await {
        Ok((stream, Some(secret))) => secret_page(&app, &access, (stream.id, stream.name, secret), false),
        Ok((stream, None)) => {
            let to = format!("/o/{}/audit-streams/{}", access.organization()?.slug, stream.id);
            browser::see_other_with(&to, Tone::Good, "The stream is added. Test it now.")
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, form, complaints(&problem)),
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "audit_streams/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    line: Line,
    may_manage: bool,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let line = Line::new(api::view_of(&app, &access, id).await?);
    platform::web::html(&ShowPage {
        shell: shell(&app, &access, &line.view.name),
        may_manage: access.may(Permission::AuditManage),
        line,
        slug,
    })
}

/// Back to the stream, with what came of the act.
fn back(slug: &str, id: StreamId, tone: Tone, words: &str) -> platform::web::Result {
    browser::see_other_with(&format!("/o/{slug}/audit-streams/{id}"), tone, words)
}

fn told(slug: &str, id: StreamId, done: Result<(), Problem>, words: &str) -> platform::web::Result {
    match done {
        Ok(()) => back(slug, id, Tone::Good, words),
        Err(problem) if mendable(&problem) => back(slug, id, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

async fn test(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let tried = api::try_out(&app, &access, id).await?;
    if tried.worked {
        let words = format!("It works: {}. The newest event was sent.", tried.words);
        back(&slug, id, Tone::Good, &words)
    } else {
        back(&slug, id, Tone::Bad, &format!("It does not work: {}.", tried.words))
    }
}

async fn pause(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let done = api::run(&app, &access, id, false).await;
    told(&slug, id, done, "Paused. Nothing is lost: it goes on where it stopped.")
}

async fn resume(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let done = api::run(&app, &access, id, true).await;
    told(&slug, id, done, "Resumed. What waited is on its way.")
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    let title = api::view_of(&app, &access, id).await?.name;
    match api::renew(&app, &access, id).await {
        Ok(secret) => secret_page(&app, &access, (id, title, secret), true),
        Err(problem) => told(&slug, id, Err(problem), ""),
    }
}

#[derive(Template)]
#[template(path = "audit_streams/delete.html")]
struct DeletePage {
    shell: Shell,
    slug: String,
    id: StreamId,
    title: String,
    run: DryRun,
    errors: FieldErrors,
}

async fn delete_form(app: &App, access: &Access, id: StreamId, errors: FieldErrors) -> platform::web::Result {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = api::view_of(app, access, id).await?;
    let summary = match view.waiting {
        0 => "Nothing waits to be sent.".to_owned(),
        waiting => format!(
            "{waiting} events were not acknowledged yet. A new stream that begins with event {} sends them.",
            view.next_sequence
        ),
    };
    let page = DeletePage {
        shell: shell(app, access, "Delete a stream"),
        slug: access.organization()?.slug.clone(),
        run: DryRun {
            tone: if view.waiting == 0 { Tone::Info } else { Tone::Warn },
            summary,
            sample: Vec::new(),
            all_href: String::new(),
        },
        title: view.name,
        id,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn delete_page(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, StreamId)>,
) -> platform::web::Result {
    delete_form(&app, &access, id, FieldErrors::default()).await
}

#[derive(Deserialize)]
struct ConfirmForm {
    #[serde(default)]
    confirm: String,
}

async fn delete(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, StreamId)>,
    Form(form): Form<ConfirmForm>,
) -> platform::web::Result {
    if form.confirm.trim() != api::view_of(&app, &access, id).await?.name {
        let errors = FieldErrors::default().with("confirm", "this is not the stream's name");
        return delete_form(&app, &access, id, errors).await;
    }
    api::end(&app, &access, id).await?;
    browser::see_other_with(&format!("/o/{slug}/audit-streams"), Tone::Good, "The stream is deleted.")
}
