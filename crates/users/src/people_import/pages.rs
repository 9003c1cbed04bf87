//! `/o/{organization}/people/import`: choose a file, see what it would do, do it.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::web::multipart::{self, Multipart};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{DryRun, Shell, Tone};
use platform::web::{self, Access, browser};

use super::csv::{FILE_BYTES_MAX, ROWS_MAX};
use super::{Outcome, Remarks, Report, api};
use crate::people;

const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const PATH: &str = "/o/{organization}/people/import";
    Routes::new().add(routes::get(PATH, "people.import_page", MANAGE, show)).add(
        routes::post(PATH, "people.import_form", MANAGE, submit)
            .limit(Limit::Heavy)
            .body_bytes_max(multipart::BODY_BYTES_MAX)
            .records("member."),
    )
}

#[derive(Template)]
#[template(path = "people_import/import.html")]
struct ImportPage {
    shell: Shell,
    slug: String,
    rows_max: usize,
    mib_max: usize,
    csv: String,
    send_mail: bool,
    /// Set once the file was tried without faults.
    tried: Option<Tried>,
    faults: Remarks,
}

struct Tried {
    run: DryRun,
    conflicts: Remarks,
    changes: bool,
}

fn page(app: &App, access: &Access, csv: String, send_mail: bool) -> Result<ImportPage, web::Problem> {
    Ok(ImportPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Import people", people::pages::LIST),
        slug: access.organization()?.slug.clone(),
        rows_max: ROWS_MAX,
        mib_max: FILE_BYTES_MAX / (1024 * 1024),
        csv,
        send_mail,
        tried: None,
        faults: Remarks::default(),
    })
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    web::html(&page(&app, &access, String::new(), true)?)
}

fn tried(report: Report) -> Tried {
    let changes = report.new_accounts + report.joining + report.group_memberships > 0;
    let conflicts = report.conflicts.count();
    let mut sample = vec![
        format!("{} new accounts, which wait until their owners sign up", report.new_accounts),
        format!("{} people with an account become members", report.joining),
        format!("{} are members already", report.already_members),
        format!(
            "{} groups are created, {} people put into groups",
            report.groups_created, report.group_memberships
        ),
        format!("{} mails with a link to sign up", report.mails),
    ];
    if conflicts > 0 {
        sample.push(format!("{conflicts} stay as they are, see below"));
    }
    let summary = format!(
        "{} people are in the file. Nothing was changed yet; this is what would happen:",
        report.people
    );
    let tone = if conflicts > 0 { Tone::Warn } else { Tone::Info };
    let run = DryRun { tone, summary, sample, all_href: String::new() };
    Tried { run, conflicts: report.conflicts, changes }
}

/// The chosen file, else the text.
fn content(form: &Multipart) -> Vec<u8> {
    let file = form.part("file").filter(|part| !part.content.is_empty());
    file.or_else(|| form.part("csv")).map(|part| part.content.clone()).unwrap_or_default()
}

async fn submit(State(app): State<App>, access: Access, form: Multipart) -> web::Result {
    let csv = content(&form);
    let (confirmed, send_mail) = (form.part("confirmed").is_some(), form.part("send_mail").is_some());
    let outcome = api::run(&app, &access, csv.clone(), !confirmed, send_mail).await?;
    let text = String::from_utf8_lossy(&csv).into_owned();
    let mut page = page(&app, &access, text, send_mail)?;
    match outcome {
        Outcome::Refused(faults) => {
            page.faults = faults;
            web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Outcome::Done(report) if !confirmed => {
            page.tried = Some(tried(report));
            web::html(&page)
        }
        Outcome::Done(report) => {
            let words = format!(
                "Imported: {} new accounts, {} with an account, {} mails on their way.",
                report.new_accounts, report.joining, report.mails
            );
            browser::see_other_with(&format!("/o/{}/people", page.slug), Tone::Good, &words)
        }
    }
}
