//! JSON and CSV side of the matrix.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::evidence::{NextAction, Side};
use platform::principals::Organization;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Line, Matrix};
use crate::attestations::{self, Standing};
use crate::engine::facts_reader;
use crate::history;
use crate::history::api::EntryView;
use crate::rows::{self, Control, Row};

pub(crate) const READ: Openness = Openness::Organization(Permission::ResponsibilitiesRead);

pub(crate) fn routes() -> Routes {
    const MATRIX: &str = "/api/v1/organizations/{organization}/matrix";
    const ROW: &str = "/api/v1/organizations/{organization}/matrix/{row}";
    const CSV: &str = "/o/{organization}/matrix.csv";
    Routes::new()
        .add(
            routes::get(MATRIX, "matrix.show", READ, show)
                .summary("The matrix: one object for each half of each row")
                .query("at", "as it stood then (RFC 3339); now when not said")
                .query("known", "by what was known then (RFC 3339); now when not said")
                .gives::<MatrixView>(200),
        )
        .add(
            routes::get(ROW, "matrix.show_row", READ, show_row)
                .summary("One row: both halves, what they say together, declarations and history")
                .gives::<RowView>(200),
        )
        .add(routes::get(CSV, "matrix.export", READ, csv).limit(Limit::Heavy))
}

/// Whose matrix this is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = MatrixOrganization)]
pub struct OrganizationView {
    pub id: String,
    pub slug: String,
    pub name: String,
}

impl OrganizationView {
    fn new(organization: &Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            slug: organization.slug.clone(),
            name: organization.name.clone(),
        }
    }
}

/// One half of one row.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CellView {
    /// The row's id, e.g. `USR-C1`; a threat has two halves with the same id.
    pub id: &'static str,
    pub area: &'static str,
    pub title: &'static str,
    /// `provider` or `customer`.
    pub side: &'static str,
    /// `held`, `gap`, `stale`, `blocked`, `accepted`, `attested`, `not_applicable` or `unknown`.
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// `nobody`, `provider`, `customer` or `both`.
    pub must_act: &'static str,
    /// What the control saw: `name`, `value` (with its kind) and a sentence each.
    #[schema(value_type = Vec<Object>)]
    pub facts: serde_json::Value,
    /// The smallest step that helps: `label`, `href`, `effort_minutes`.
    #[schema(value_type = Option<Object>)]
    pub action: Option<NextAction>,
    pub reason: String,
    /// The ground of the state, e.g. `unmet`, `drill_failed`, `not_built`.
    pub basis: &'static str,
    /// Whether there is a control behind this half in this version.
    pub built: bool,
    /// The row's page.
    pub href: String,
    /// Absent where nothing was ever looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub evaluated_at: Option<Timestamp>,
    /// When this ends by itself unless something happens before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stale_at: Option<Timestamp>,
    /// What the cell would say without its attestation or acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beneath: Option<String>,
}

impl CellView {
    pub(crate) fn new(slug: &str, line: &Line) -> Self {
        let cell = &line.cell;
        Self {
            id: line.row.id,
            area: line.row.area.as_str(),
            title: line.title(),
            side: line.side.as_str(),
            state: cell.state().as_str(),
            since: cell.since,
            must_act: line.must_act().as_str(),
            facts: serde_json::to_value(&cell.facts).unwrap_or_default(),
            action: cell.action.clone(),
            reason: cell.reason.clone(),
            basis: cell.basis.as_str(),
            built: line.half.is_built(),
            href: format!("/o/{slug}/rows/{}", line.row.id),
            evaluated_at: line.evaluated.then_some(cell.evaluated_at),
            stale_at: cell.stale_at.filter(|_| line.evaluated),
            beneath: cell
                .beneath
                .as_ref()
                .map(|beneath| format!("{}: {}", beneath.basis.as_str(), beneath.reason)),
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MatrixView {
    pub organization: OrganizationView,
    /// Counts by state, for rows and for each side, and who owes what since when.
    #[schema(value_type = Object)]
    pub summary: serde_json::Value,
    pub rows: Vec<CellView>,
}

impl MatrixView {
    pub(crate) fn new(matrix: &Matrix) -> Self {
        Self {
            organization: OrganizationView::new(&matrix.organization),
            summary: serde_json::to_value(matrix.summary()).unwrap_or_default(),
            rows: matrix.lines.iter().map(|line| CellView::new(&matrix.organization.slug, line)).collect(),
        }
    }
}

/// The two times of a bitemporal question.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct AsOf {
    at: Option<String>,
    known: Option<String>,
}

impl AsOf {
    /// `None`: the present.
    pub(crate) fn times(&self, now: Timestamp) -> Result<Option<(Timestamp, Timestamp)>, Problem> {
        let read = |name: &str, text: &Option<String>| {
            let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
            Timestamp::parse_rfc3339(text).map(Some).ok_or_else(|| {
                Problem::invalid(format!(
                    "`{name}` is `{}`, not a time",
                    text.chars().take(40).collect::<String>()
                ))
                .field(name, "not an RFC 3339 time")
                .cure("write it as `2026-03-14T00:00:00Z`")
            })
        };
        let (at, known) = (read("at", &self.at)?, read("known", &self.known)?);
        if at.is_none() && known.is_none() {
            return Ok(None);
        }
        let known = known.unwrap_or(now).min(now);
        Ok(Some((at.unwrap_or(known), known)))
    }
}

async fn read(app: &App, access: &Access, asked: &AsOf) -> Result<Matrix, Problem> {
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let (times, facts) = (asked.times(now)?, facts_reader(app));
    app.db()
        .read(move |tx| match times {
            None => super::load(tx, &organization, facts, now),
            Some((at, known)) => super::load_as_of(tx, &organization, at, known),
        })
        .await
        .map_err(Problem::from)
}

async fn show(State(app): State<App>, access: Access, Query(asked): Query<AsOf>) -> platform::web::Result {
    let matrix = read(&app, &access, &asked).await?;
    Ok(Json(MatrixView::new(&matrix)).into_response())
}

/// What somebody declared about a half.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeclarationView {
    pub id: String,
    /// `attestation` or `acceptance`.
    pub kind: &'static str,
    pub by: String,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    pub in_force: bool,
}

impl DeclarationView {
    pub(crate) fn new(standing: &Standing, now: Timestamp) -> Self {
        let declaration = &standing.declaration;
        Self {
            id: standing.id.to_string(),
            kind: standing.kind.as_str(),
            by: declaration.by().to_owned(),
            reason: declaration.reason().to_owned(),
            made_at: declaration.from(),
            until: declaration.until(),
            in_force: declaration.in_force(now),
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HalfView {
    #[serde(flatten)]
    pub cell: CellView,
    /// What the software does so that the duty can be met.
    pub control: &'static str,
    /// Where the control is.
    pub control_href: Option<String>,
    pub met_when: &'static str,
    pub to_see_it_break: &'static str,
    pub applies: &'static str,
    pub declarations: Vec<DeclarationView>,
    pub history: Vec<EntryView>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RowView {
    pub id: &'static str,
    pub area: &'static str,
    pub title: &'static str,
    pub duty: &'static str,
    /// What both halves say together.
    #[schema(value_type = Object)]
    pub joint: serde_json::Value,
    pub cells: Vec<HalfView>,
}

/// The row in the path, or 404.
pub(crate) fn row_of(id: &str) -> Result<&'static Row, Problem> {
    rows::find(id).ok_or_else(|| Problem::not_found("row").cure("the matrix lists the ids of all rows"))
}

async fn show_row(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, String)>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let facts = facts_reader(&app);
    let view = app
        .db()
        .read(move |tx| {
            let matrix = super::load(tx, &organization, facts, now)?;
            let mut cells = Vec::new();
            for line in matrix.lines.iter().filter(|line| line.row.id == row.id) {
                let declared = attestations::standing(tx, organization.id, row, line.side)?;
                let history = history::timeline(tx, &organization, row, line.side, now, 100)?;
                let slug = &organization.slug;
                cells.push(HalfView {
                    cell: CellView::new(slug, line),
                    control: line.half.wording.control,
                    control_href: match line.half.control {
                        Control::Built { page, .. } => Some(page.href(slug)),
                        Control::NotBuilt { .. } => None,
                    },
                    met_when: line.half.wording.met_when,
                    to_see_it_break: line.half.wording.break_hint,
                    applies: line.half.applies.words(),
                    declarations: declared.iter().map(|one| DeclarationView::new(one, now)).collect(),
                    history: history.iter().map(EntryView::new).collect(),
                });
            }
            Ok::<_, Problem>(RowView {
                id: row.id,
                area: row.area.as_str(),
                title: row.title,
                duty: row.duty,
                joint: serde_json::to_value(matrix.joint(row)).unwrap_or_default(),
                cells,
            })
        })
        .await?;
    Ok(Json(view).into_response())
}

/// A value for spreadsheets (RFC 4180): quoted where needed, and never read as a formula.
fn csv_field(text: &str) -> String {
    let text = match text.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0) => format!("'{text}"),
        _ => text.to_owned(),
    };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

pub(crate) fn to_csv(matrix: &Matrix) -> String {
    let mut out = String::from(
        "id,area,side,title,state,since,must_act,reason,facts,action,action_link,evaluated_at\r\n",
    );
    for line in &matrix.lines {
        let view = CellView::new(&matrix.organization.slug, line);
        let facts: Vec<&str> = line.cell.facts.iter().map(|fact| fact.sentence.as_str()).collect();
        let action = view.action.as_ref();
        let fields = [
            view.id.to_owned(),
            view.area.to_owned(),
            view.side.to_owned(),
            view.title.to_owned(),
            view.state.to_owned(),
            view.since.rfc3339(),
            view.must_act.to_owned(),
            view.reason.clone(),
            facts.join("; "),
            action.map(|action| action.label.clone()).unwrap_or_default(),
            action.map(|action| action.href.clone()).unwrap_or_default(),
            view.evaluated_at.map(Timestamp::rfc3339).unwrap_or_default(),
        ];
        out.push_str(&fields.map(|field| csv_field(&field)).join(","));
        out.push_str("\r\n");
    }
    out
}

async fn csv(State(app): State<App>, access: Access, Query(asked): Query<AsOf>) -> platform::web::Result {
    let matrix = read(&app, &access, &asked).await?;
    let name = format!(
        "attachment; filename=\"matrix-{}-{}.csv\"",
        matrix.organization.slug,
        access.ctx.now.rfc3339().get(..10).unwrap_or_default()
    );
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, to_csv(&matrix)).into_response())
}

/// `?side=` of forms and bodies; the customer's when not said.
pub(crate) fn side_of(text: Option<&str>) -> Result<Side, Problem> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(Side::Customer),
        Some(text) => Side::parse(text).ok_or_else(|| {
            Problem::invalid("`side` is `provider` or `customer`").field("side", "not a side")
        }),
    }
}
