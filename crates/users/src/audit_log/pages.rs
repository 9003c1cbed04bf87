//! Pages of the audit log: the list, one event with its proof, redaction.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::events::proofs;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{PageQuery, cursor};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api;
use super::filters::FilterQuery;
use super::formats::Format;
use super::{Line, SignedHead};
use crate::organizations::pages::complaints;
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/o/{organization}/audit-log";
const READ: Openness = Openness::Organization(Permission::AuditRead);
const MANAGE: Openness = Openness::Organization(Permission::OrganizationManage);

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/o/{organization}/audit-log/{sequence}";
    const REDACT: &str = "/o/{organization}/audit-log/{sequence}/redact";
    Routes::new()
        .add(routes::get(LIST, "audit.list_page", READ, list))
        .add(
            routes::get("/o/{organization}/audit-log.jsonl", "audit.export_page", READ, api::ledger)
                .limit(Limit::Heavy),
        )
        .add(routes::get("/o/{organization}/audit-log/export", "audit.formats_page", READ, export_page))
        .add(
            routes::get(
                "/o/{organization}/audit-log/download",
                "audit.download_page",
                READ,
                api::events_file,
            )
            .limit(Limit::Heavy),
        )
        .add(routes::get(ONE, "audit.show_page", READ, show))
        .add(routes::get(REDACT, "audit.redact_page", MANAGE, redact_page))
        .add(routes::post(REDACT, "audit.redact_form", MANAGE, redact).records("event."))
}

#[derive(Template)]
#[template(path = "audit_log/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    asked: FilterQuery,
    /// What is asked, as the query of a link.
    query: String,
    lines: Vec<Line>,
    pager: Pager,
    errors: FieldErrors,
    size: u64,
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<FilterQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let read = match asked.read() {
        Ok(read) => Ok(read),
        // Typed into the form above the list: said there, beside what was typed.
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => Err(complaints(&problem)),
        Err(problem) => return Err(problem),
    };
    let page = (api::before(&query)?, query.limit()?);
    let filter = read.clone().ok();
    let (lines, next, size) = app
        .db()
        .read(move |tx| {
            let (size, _) = proofs::head(tx, organization)?;
            let Some(filter) = filter else { return Ok((Vec::new(), None, size)) };
            let found = api::find(tx, organization, filter, page)?;
            Ok::<_, Problem>((super::lines(tx, organization, found.events)?, found.next, size))
        })
        .await?;
    let slug = access.organization()?.slug.clone();
    let next = next.map(|next| cursor(&next.to_string()));
    let errors = read.err().unwrap_or_default();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let query = asked.query();
    let mut here = format!("/o/{slug}/audit-log");
    if !query.is_empty() {
        here.push('?');
        here.push_str(&query);
    }
    let page = ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Audit log", LIST),
        pager: pager(lines.len(), next.as_deref(), &here),
        lines,
        query,
        asked,
        errors,
        size,
        slug,
    };
    platform::web::html_with(status, &page)
}

#[derive(Template)]
#[template(path = "audit_log/export.html")]
struct ExportPage {
    shell: Shell,
    slug: String,
    asked: FilterQuery,
    query: String,
    formats: Vec<Choice>,
}

async fn export_page(
    State(app): State<App>,
    access: Access,
    Query(asked): Query<FilterQuery>,
) -> platform::web::Result {
    asked.read()?;
    let hint = |format| match format {
        Format::Jsonl => "One event in a line, as the API shows it",
        Format::Csv => "For spreadsheets; no cell runs as a formula",
        Format::Ocsf => "Open Cybersecurity Schema Framework: API Activity, Account Change, Authentication",
        Format::Cef => "Common Event Format",
    };
    let formats = Format::ALL.into_iter().map(|format| {
        Choice::new(format.as_str(), format.label(), Format::Jsonl.as_str()).hint(hint(format))
    });
    platform::web::html(&ExportPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Export", LIST),
        slug: access.organization()?.slug.clone(),
        formats: formats.collect(),
        query: asked.query(),
        asked,
    })
}

#[derive(Template)]
#[template(path = "audit_log/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    line: Line,
    leaf: String,
    path: Vec<String>,
    head: SignedHead,
    may_redact: bool,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((slug, sequence)): Path<(String, u64)>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let inside = app.clone();
    let (line, leaf, path, head) = app
        .db()
        .read(move |tx| {
            let event = super::get(tx, organization, sequence)?.ok_or_else(|| Problem::not_found("event"))?;
            let head = super::sign_head(&inside, tx, organization)?;
            let path = proofs::inclusion(tx, organization, sequence, head.size)?;
            let leaf = hex::encode(event.leaf());
            let line = super::lines(tx, organization, vec![event])?.pop();
            let line = line.ok_or_else(|| Problem::not_found("event"))?;
            Ok::<_, Problem>((line, leaf, path, head))
        })
        .await?;
    let has_personal = line.details.iter().any(|detail| detail.personal && detail.value.is_some());
    platform::web::html(&ShowPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, &format!("Event {sequence}"), LIST),
        may_redact: has_personal && access.may(Permission::OrganizationManage),
        path: path.iter().map(hex::encode).collect(),
        slug,
        line,
        leaf,
        head,
    })
}

#[derive(Template)]
#[template(path = "audit_log/redact.html")]
struct RedactPage {
    shell: Shell,
    slug: String,
    sequence: u64,
    fields: Vec<Choice>,
    errors: FieldErrors,
}

async fn redact_page(
    State(app): State<App>,
    access: Access,
    Path((slug, sequence)): Path<(String, u64)>,
) -> platform::web::Result {
    show_redaction(&app, &access, slug, sequence, StatusCode::OK, FieldErrors::default()).await
}

async fn show_redaction(
    app: &App,
    access: &Access,
    slug: String,
    sequence: u64,
    status: StatusCode,
    errors: FieldErrors,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let event = app.db().read(move |tx| super::get(tx, organization, sequence)).await?;
    let event = event.ok_or_else(|| Problem::not_found("event"))?;
    let fields = event
        .personal
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)))
        .map(|(name, value)| Choice::new(name, name, "").hint(value.as_str()))
        .collect();
    let page = RedactPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Redact", LIST),
        slug,
        sequence,
        fields,
        errors,
    };
    platform::web::html_with(status, &page)
}

#[derive(Deserialize)]
struct RedactForm {
    #[serde(default)]
    field: String,
    #[serde(default)]
    confirm: String,
}

async fn redact(
    State(app): State<App>,
    access: Access,
    Path((slug, sequence)): Path<(String, u64)>,
    Form(form): Form<RedactForm>,
) -> platform::web::Result {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    if form.confirm.trim() != sequence.to_string() {
        let errors = FieldErrors::default().with("confirm", "this is not the event's number");
        return show_redaction(&app, &access, slug, sequence, refused, errors).await;
    }
    match api::erase(&app, &access, sequence, form.field).await {
        Ok(()) => {
            let to = format!("/o/{slug}/audit-log/{sequence}");
            browser::see_other_with(&to, Tone::Good, "Redacted for good. The event's proof is unchanged.")
        }
        Err(problem) if problem.status == refused => {
            let errors = FieldErrors::default().with("field", "choose one of these");
            show_redaction(&app, &access, slug, sequence, refused, errors).await
        }
        Err(problem) => Err(problem),
    }
}
