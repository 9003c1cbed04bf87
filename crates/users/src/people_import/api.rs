//! `POST …/people/imports`: a file of people as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Json;
use platform::web::multipart;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::csv::PersonRow;
use super::{Order, Outcome, Remark, Remarks, Report};
use crate::people::api::authority;

pub(crate) fn routes() -> Routes {
    const PATH: &str = "/api/v1/organizations/{organization}/people/imports";
    Routes::new().add(
        routes::post(PATH, "people.import", Openness::Organization(Permission::PeopleManage), post)
            .summary("Import a file of people, all or nothing; `dry_run` only counts")
            .limit(Limit::Heavy)
            .body_bytes_max(multipart::BODY_BYTES_MAX)
            .records("member.")
            .takes::<NewImport>()
            .gives::<ImportView>(200),
    )
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewImport {
    /// The columns `email` and `name`, and if wanted `role` and `groups` (separated by `;`).
    csv: String,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
    /// Mail everybody who still has to sign up.
    #[serde(default = "yes")]
    send_mail: bool,
}

fn yes() -> bool {
    true
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ImportView {
    dry_run: bool,
    people: u64,
    new_accounts: u64,
    /// Had an account and become members.
    joining: u64,
    already_members: u64,
    groups_created: u64,
    group_memberships: u64,
    mails: u64,
    /// People who stay as they are, the first 100 of them.
    conflicts: Vec<RemarkView>,
    more_conflicts: usize,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RemarkView {
    line: Option<u64>,
    column: Option<&'static str>,
    detail: String,
}

impl From<Remark> for RemarkView {
    fn from(remark: Remark) -> Self {
        Self { line: remark.line, column: remark.column.map(|column| column.as_str()), detail: remark.text }
    }
}

fn view(report: Report, dry_run: bool) -> ImportView {
    ImportView {
        dry_run,
        people: report.people,
        new_accounts: report.new_accounts,
        joining: report.joining,
        already_members: report.already_members,
        groups_created: report.groups_created,
        group_memberships: report.group_memberships,
        mails: report.mails,
        more_conflicts: report.conflicts.more,
        conflicts: report.conflicts.listed.into_iter().map(RemarkView::from).collect(),
    }
}

/// Reads the file and tries or does it; the page does the same.
pub(super) async fn run(
    app: &App,
    access: &Access,
    csv: Vec<u8>,
    dry_run: bool,
    send_mail: bool,
) -> Result<Outcome, Problem> {
    let order = Order { authority: authority(access), send_mail };
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    // A file of 10,000 people is milliseconds of reading, but not on the thread that serves others.
    let read =
        tokio::task::spawn_blocking(move || super::read(&csv)).await.map_err(|_| Problem::internal())?;
    let rows: Arc<Vec<PersonRow>> = match read {
        Ok(rows) => Arc::new(rows),
        Err(refused) => return Ok(Outcome::Refused(refused)),
    };
    if dry_run {
        let now = ctx.now;
        return Ok(app.db().read(move |tx| super::dry_run(tx, id, order, &rows, now)).await?);
    }
    let written =
        app.db().write(&access.ctx, move |tx| super::import(&inner, &ctx, tx, id, order, &rows)).await?;
    Ok(written.value)
}

fn refusal(remarks: &Remarks) -> Problem {
    let title = format!("nothing was imported: {} faults are to be put right", remarks.count());
    let problem =
        Problem::invalid(title).cure("put right what `errors` names by line and column, and send it again");
    remarks.listed.iter().fold(problem, |problem, remark| problem.field("/csv", remark))
}

async fn post(State(app): State<App>, access: Access, Json(new): Json<NewImport>) -> web::Result {
    match run(&app, &access, new.csv.into_bytes(), new.dry_run, new.send_mail).await? {
        Outcome::Done(report) => Ok(Json(view(report, new.dry_run)).into_response()),
        Outcome::Refused(remarks) => Err(refusal(&remarks)),
    }
}
