//! Drills: probes that attack a control with a canary and must fail to get through.
//!
//! Areas register what can be run ([`DrillSource`]); a run records `drill.passed` or `drill.failed` in the provider's
//! ledger, and the matrix learns the result from that event alone. So a result counts whoever started the run, and
//! stands in the ledger for ever.

use platform::App;
use platform::db::{DbError, ReadTx, Tx};
use platform::events::StoredEvent;
use platform::evidence::DrillSource;
use platform::params;
use serde::Serialize;

use crate::rows::{self, Row};
use crate::states::DrillRun;

pub(crate) mod api;
pub mod jobs;
pub(crate) mod pages;
mod sql;

#[cfg(test)]
mod tests;

/// How one drill ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Outcome {
    pub row: String,
    pub drill: String,
    /// The attack did not get through.
    pub passed: bool,
    pub detail: String,
}

/// Which rows to drill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "`{0}` is not a row of the matrix: `GET /api/v1/organizations/{{organization}}/matrix` lists them"
    )]
    NoSuchRow(String),
    #[error("no drill is built for `{0}`: leave it out")]
    NoDrill(String),
}

/// The drills of `rows`, or all there are when none is named.
pub fn select(app: &App, rows: &[String]) -> Result<Vec<&'static DrillSource>, Refusal> {
    let mut chosen: Vec<&'static DrillSource> = Vec::new();
    for wanted in rows {
        let row = rows::find(wanted).ok_or_else(|| Refusal::NoSuchRow(wanted.clone()))?;
        let mut found = app.drills().filter(|drill| drill.row == row.id).peekable();
        if found.peek().is_none() {
            return Err(Refusal::NoDrill(wanted.clone()));
        }
        chosen.extend(
            found
                .filter(|drill| !chosen.iter().any(|other| other.row == drill.row && other.id == drill.id))
                .collect::<Vec<_>>(),
        );
    }
    if rows.is_empty() {
        chosen.extend(app.drills());
    }
    Ok(chosen)
}

/// Runs drills one after the other. A run that breaks off proves nothing, so it counts as failed in the answer; it
/// records nothing, so the matrix keeps the last real result until that is too old.
pub async fn run(app: &App, drills: &[&'static DrillSource]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(drills.len());
    for drill in drills {
        let (passed, detail) = match (drill.run)(app.clone()).await {
            Ok(report) => (report.passed, report.detail),
            Err(error) => {
                tracing::error!(%error, row = drill.row, drill = drill.id, "a drill broke off");
                (false, format!("the drill broke off: {error}"))
            }
        };
        outcomes.push(Outcome { row: drill.row.to_owned(), drill: drill.id.to_owned(), passed, detail });
    }
    outcomes
}

/// The last finished run of a row's drill.
pub fn last(tx: &mut ReadTx, row: &Row) -> Result<Option<DrillRun>, DbError> {
    let found = tx.first(&sql::LAST, params![row.id])?;
    found
        .map(|row| Ok(DrillRun { ran_at: row.get(0)?, passed: row.get(1)?, detail: row.get(2)? }))
        .transpose()
}

/// The row whose drill this event reports, and whether it passed; the caller has checked whose ledger it is.
pub(crate) fn reported(event: &StoredEvent) -> Option<(&'static Row, bool)> {
    let passed = match event.action.as_str() {
        "drill.passed" => true,
        "drill.failed" => false,
        _ => return None,
    };
    let named = event.public.get("row").map(String::as_str);
    let id = named.or_else(|| (event.target_kind == "row").then_some(event.target_id.as_str()))?;
    rows::find(id).map(|row| (row, passed))
}

/// Keeps the result that an event of the provider's ledger reports.
pub(crate) fn keep(tx: &mut Tx, event: &StoredEvent) -> Result<Option<&'static Row>, DbError> {
    let Some((row, passed)) = reported(event) else { return Ok(None) };
    let text = |name: &str| event.public.get(name).cloned().unwrap_or_default();
    tx.execute(&sql::SAVE, params![row.id, text("drill"), event.at, passed, text("detail")])?;
    Ok(Some(row))
}
