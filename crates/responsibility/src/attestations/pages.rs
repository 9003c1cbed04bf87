//! The page on which somebody declares: first what it would do, then the form.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::principals::Organization;
use platform::time::{DAY, Timestamp};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{DryRun, FieldErrors, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{MANAGE, perform, take_back};
use super::{DeclarationId, Kind, NewDeclaration, Outcome, Refusal, offers};
use crate::engine::facts_reader;
use crate::matrix;
use crate::matrix::api::{row_of, side_of};
use crate::matrix::pages::MATRIX;
use crate::rows::Row;
use crate::states::{CellState, DECLARATION_DAYS_MAX, DeclarationError};

const DECLARE: &str = "/o/{organization}/rows/{row}/declare";
/// What the form proposes.
const DAYS_PROPOSED: u32 = 90;

pub(crate) fn routes() -> Routes {
    const REVOKE: &str = "/o/{organization}/rows/{row}/declarations/{declaration}/revoke";
    Routes::new()
        .add(routes::get(DECLARE, "declaration.create_page", MANAGE, show))
        .add(routes::post(DECLARE, "declaration.create_form", MANAGE, create).records("responsibility."))
        .add(routes::post(REVOKE, "declaration.revoke_form", MANAGE, revoke).records("responsibility."))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    side: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    until: String,
}

#[derive(Template)]
#[template(path = "attestations/declare.html")]
struct DeclarePage {
    shell: Shell,
    slug: String,
    id: &'static str,
    duty: &'static str,
    heading: &'static str,
    kind: &'static str,
    side: &'static str,
    button: &'static str,
    dry: DryRun,
    reason: String,
    until: String,
    latest: String,
    errors: FieldErrors,
}

fn day_of(time: Timestamp) -> String {
    time.rfc3339().get(..10).unwrap_or_default().to_owned()
}

fn kind_of(text: &str) -> Result<Kind, Problem> {
    Kind::parse(text).ok_or_else(|| Problem::not_found("kind of declaration"))
}

/// What declaring would do to the cell, in words.
fn dry_run(kind: Kind, state: CellState, reason: &str) -> DryRun {
    let verb = match kind {
        Kind::Attestation => "attested, in your name",
        Kind::Acceptance => "risk accepted, in your name",
    };
    let changes = match state {
        CellState::Held => "The duty is held now, so nothing changes until that ends.".to_owned(),
        CellState::NotApplicable => {
            "The duty does not apply now, so nothing changes until it does.".to_owned()
        }
        _ => format!("The cell will say “{verb}” instead of “{state}: {reason}”."),
    };
    DryRun {
        tone: Tone::Warn,
        summary: changes,
        sample: vec![
            "It will not count as held".to_owned(),
            "Nobody will be asked to act on it until it ends".to_owned(),
            "Your name and reason stand in the audit log and on the row’s page".to_owned(),
            "It ends by itself on the day you choose, and can be taken back before".to_owned(),
        ],
        all_href: String::new(),
    }
}

async fn page(
    app: &App,
    access: &Access,
    row: &'static Row,
    asked: Asked,
    errors: FieldErrors,
) -> Result<DeclarePage, Problem> {
    let (kind, side) = (kind_of(&asked.kind)?, side_of(Some(&asked.side))?);
    let organization: Organization = access.organization()?.clone();
    let half = row.half(side).ok_or_else(|| Problem::not_found("half of this row"))?;
    if !offers(half, side, organization.kind).contains(&kind) {
        return Err(Problem::invalid("this half takes no such declaration")
            .cure("the row’s page shows what may be declared"));
    }
    let now = access.ctx.now;
    let slug = organization.slug.clone();
    let facts = facts_reader(app);
    let matrix = app.db().read(move |tx| matrix::load(tx, &organization, facts, now)).await?;
    let line = matrix.lines.iter().find(|line| line.row.id == row.id && line.side == side);
    let line = line.ok_or_else(|| Problem::not_found("half of this row"))?;
    let until = if asked.until.is_empty() { day_of(now.plus(DAY * DAYS_PROPOSED)) } else { asked.until };
    Ok(DeclarePage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Declare", MATRIX),
        slug,
        id: row.id,
        duty: line.title(),
        heading: match kind {
            Kind::Attestation => "Attest a duty",
            Kind::Acceptance => "Accept a risk",
        },
        kind: kind.as_str(),
        side: side.as_str(),
        button: match kind {
            Kind::Attestation => "Attest in my name",
            Kind::Acceptance => "Accept the risk in my name",
        },
        dry: dry_run(kind, line.state(), &line.cell.reason),
        reason: asked.reason,
        until,
        latest: day_of(now.plus(DAY * DECLARATION_DAYS_MAX)),
        errors,
    })
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    platform::web::html(&page(&app, &access, row, asked, FieldErrors::default()).await?)
}

async fn create(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, String)>,
    Form(asked): Form<Asked>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let (kind, side) = (kind_of(&asked.kind)?, side_of(Some(&asked.side))?);
    let slug = access.organization()?.slug.clone();
    let Some(until) = Timestamp::parse_rfc3339(&format!("{}T00:00:00Z", asked.until)) else {
        let errors = FieldErrors::default().with("until", "choose a day, such as 2027-03-01");
        return complain(&app, &access, row, asked, errors).await;
    };
    let new = NewDeclaration { kind, row, side, reason: asked.reason.clone(), until };
    match perform(&app, &access, new).await? {
        Outcome::Done(_) => {
            let done = match kind {
                Kind::Attestation => "Attested. The cell says so until then.",
                Kind::Acceptance => "Risk accepted. The cell says so until then.",
            };
            browser::see_other_with(&format!("/o/{slug}/rows/{}", row.id), Tone::Good, done)
        }
        Outcome::Refused(refusal) => {
            let field = match &refusal {
                Refusal::Declaration(DeclarationError::NoReason) => "reason",
                Refusal::Declaration(DeclarationError::EndsFirst | DeclarationError::TooLong) => "until",
                _ => "",
            };
            complain(&app, &access, row, asked, FieldErrors::default().with(field, refusal.to_string())).await
        }
    }
}

/// The form again, with what is wrong.
async fn complain(
    app: &App,
    access: &Access,
    row: &'static Row,
    asked: Asked,
    errors: FieldErrors,
) -> platform::web::Result {
    let page = page(app, access, row, asked, errors).await?;
    platform::web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

async fn revoke(
    State(app): State<App>,
    access: Access,
    Path((_, id, declaration)): Path<(String, String, DeclarationId)>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let slug = access.organization()?.slug.clone();
    take_back(&app, &access, declaration).await?;
    browser::see_other_with(
        &format!("/o/{slug}/rows/{}", row.id),
        Tone::Good,
        "Taken back. The cell says again what the facts say.",
    )
}
