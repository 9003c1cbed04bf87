//! JSON side of alerts.

use std::str::FromStr;

use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::events::StoredEvent;
use platform::ids::AccountId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};
use users::accounts::email::EmailAddress;
use users::domains::name::hidden_character;
use users::support::Runner;

use super::{Alert, AlertId, Changed, NOTE_CHARS_MAX, Outcome, Severity, State, Verdict, Wanted};
use crate::detectors;

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/provider/alerts";
    const ONE: &str = "/api/v1/provider/alerts/{alert}";
    const ACKNOWLEDGE: &str = "/api/v1/provider/alerts/{alert}/acknowledge";
    const RESOLVE: &str = "/api/v1/provider/alerts/{alert}/resolve";
    const ASSIGNEE: &str = "/api/v1/provider/alerts/{alert}/assignee";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(
            routes::get(LIST, "alert.list", read, list)
                .summary("Alerts, the newest first")
                .paged()
                .query("state", "open, acknowledged, resolved, or live for all but resolved ones")
                .query("severity", "low, medium, high or critical")
                .query("kind", "the name of a detector")
                .query("q", "part of a network, or the address of an account")
                .gives::<Page<AlertView>>(200),
        )
        .add(
            routes::get(ONE, "alert.show", read, show)
                .summary("One alert with who was tried, when, and what happened to it")
                .gives::<AlertDetail>(200),
        )
        .add(
            routes::post(ACKNOWLEDGE, "alert.acknowledge", manage, acknowledge)
                .summary("Say that somebody looks at it")
                .gives::<AlertView>(200)
                .records("alert."),
        )
        .add(
            routes::post(RESOLVE, "alert.resolve", manage, resolve)
                .summary("Say what it was")
                .takes::<ResolveBody>()
                .gives::<AlertView>(200)
                .records("alert."),
        )
        .add(
            routes::put(ASSIGNEE, "alert.assign", manage, assign)
                .summary("Give an alert to one of the provider's owners and admins, or to nobody")
                .takes::<AssigneeBody>()
                .gives::<AlertView>(200)
                .records("alert."),
        )
}

/// An alert with its subject as people know it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub alert: Alert,
    pub subject: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Alert)]
pub(crate) struct AlertView {
    #[schema(value_type = String)]
    id: AlertId,
    /// The detector that raised it.
    #[schema(example = "guessing-many-accounts")]
    kind: String,
    /// A network, or the address of an account; empty: forgotten, long after it was resolved.
    #[schema(example = "203.0.113.7")]
    subject: String,
    severity: Severity,
    state: State,
    #[schema(value_type = String, format = DateTime)]
    state_since: Timestamp,
    /// Who said so; empty: the detector.
    state_by: String,
    /// What it was; null while it is not resolved.
    verdict: Option<Verdict>,
    note: String,
    #[schema(value_type = String, format = DateTime)]
    raised_at: Timestamp,
    /// How often it went on after it was resolved.
    reopened: u32,
    /// Who works on it; empty: nobody.
    assigned_to: String,
    /// Tries to sign in that belong to it.
    tries: u64,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

impl From<Named> for AlertView {
    fn from(named: Named) -> Self {
        let Named { alert, subject } = named;
        Self {
            id: alert.id,
            kind: alert.kind,
            subject,
            severity: alert.severity,
            state: alert.state,
            state_since: alert.state_at,
            state_by: alert.state_by,
            verdict: alert.verdict,
            note: alert.note,
            raised_at: alert.raised_at,
            reopened: alert.reopened,
            assigned_to: alert.assignee,
            tries: alert.tries,
            first_seen: alert.first_at,
            last_seen: alert.last_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertSighting)]
struct SightingView {
    /// The address of an account that was tried, or a network from which one was.
    other: String,
    /// How far somebody got.
    outcome: Outcome,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertTries)]
struct SlotView {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    tries: u64,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertEvent)]
struct EventView {
    #[schema(example = "alert.raised")]
    action: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it: an address, an API token, or the program.
    #[schema(example = "nora.winter@northwind.example")]
    by: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AlertDetail)]
struct AlertDetail {
    alert: AlertView,
    /// Those first where somebody got farthest; up to 500.
    sightings: Vec<SightingView>,
    /// In each five minutes, oldest first; five minutes without a try are left out.
    tries: Vec<SlotView>,
    /// Newest first.
    history: Vec<EventView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertResolution)]
struct ResolveBody {
    verdict: Verdict,
    /// Up to 2000 characters.
    #[serde(default)]
    #[schema(example = "A list of leaked passwords; nobody was got into.")]
    note: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertAssignee)]
struct AssigneeBody {
    /// The address of an owner or admin of the provider; null: nobody.
    #[schema(example = "nora.winter@northwind.example")]
    email: Option<String>,
}

/// The name of who acts.
pub(crate) fn by(access: &Access) -> Result<String, Problem> {
    let principal = access.principal()?;
    let name = if principal.name.is_empty() { &principal.email } else { &principal.name };
    Ok(name.clone())
}

/// Plain text that hides nothing; may be empty.
pub(crate) fn words(text: &str, field: &'static str, max: usize) -> Result<String, Problem> {
    let text = text.replace("\r\n", "\n").trim().to_owned();
    let refuse = |why: String| Err(Problem::invalid(&why).field(field, why));
    let seen: String = text.chars().filter(|c| !matches!(c, '\n' | '\t')).collect();
    if hidden_character(&seen).is_some() {
        return refuse("the text has a control, hidden or direction-changing character".to_owned());
    }
    match text.chars().count() {
        long if long > max => refuse(format!("up to {max} characters fit; these are {long}")),
        _ => Ok(text),
    }
}

/// A filter says what no alert has.
pub(crate) fn unknown(name: &'static str, text: &str) -> Problem {
    Problem::invalid(format!("`{text}` is no {name} of an alert")).field(name, "not known")
}

/// The id that a list goes on below.
pub(crate) fn before<I: FromStr>(query: &PageQuery) -> Result<Option<I>, Problem> {
    match query.after()?.as_str() {
        "" => Ok(None),
        text => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(Problem::invalid("`cursor` is not one that this list gave")),
        },
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub severity: Option<String>,
    #[serde(default)]
    pub kind: Option<String>,
}

impl ListQuery {
    /// `state` where none is said.
    pub fn wanted(&self, query: &PageQuery, state: &str) -> Result<Wanted, Problem> {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        let wanted = Wanted {
            state: self.state.clone().unwrap_or_else(|| state.to_owned()),
            severity: said(&self.severity),
            kind: said(&self.kind),
            search: query.search()?,
        };
        if !matches!(wanted.state.as_str(), "" | "live") && State::parse(&wanted.state).is_none() {
            return Err(unknown("state", &wanted.state));
        }
        if !wanted.severity.is_empty() && Severity::parse(&wanted.severity).is_none() {
            return Err(unknown("severity", &wanted.severity));
        }
        if !wanted.kind.is_empty() && detectors::find(&wanted.kind).is_none() {
            return Err(unknown("kind", &wanted.kind));
        }
        Ok(wanted)
    }
}

fn named(tx: &mut platform::db::ReadTx, alert: Alert) -> Result<Named, DbError> {
    Ok(Named { subject: super::name_of(tx, &alert.subject)?, alert })
}

pub(crate) async fn page(app: &App, wanted: Wanted, query: &PageQuery) -> Result<Page<Named>, Problem> {
    let (limit, before) = (query.limit()?, before(query)?);
    let found = app.db().read(move |tx| {
        let found = super::list(tx, &wanted, before, limit + 1)?;
        found.into_iter().map(|alert| named(tx, alert)).collect::<Result<Vec<_>, DbError>>()
    });
    Ok(Page::of(found.await?, limit, |named| named.alert.id.to_string()))
}

async fn list(
    AppState(app): AppState<App>,
    Query(query): Query<PageQuery>,
    Query(asked): Query<ListQuery>,
) -> platform::web::Result {
    let found = page(&app, asked.wanted(&query, "")?, &query).await?;
    Ok(Json(found.map(AlertView::from)).into_response())
}

/// Everything that a page shows of an alert.
pub(crate) struct Whole {
    pub named: Named,
    /// With the other end as people know it.
    pub sightings: Vec<super::Seen>,
    pub slots: Vec<(Timestamp, u64)>,
    pub history: Vec<Happened>,
}

/// Something that happened to an alert.
pub(crate) struct Happened {
    pub event: StoredEvent,
    /// Who did it, in words.
    pub by: String,
}

fn history(tx: &mut platform::db::ReadTx, alert: &Alert) -> Result<Vec<Happened>, DbError> {
    let events = super::history(tx, alert)?;
    let lines = users::audit_log::lines(tx, alert.organization, events.clone())?;
    Ok(events.into_iter().zip(lines).map(|(event, line)| Happened { event, by: line.actor }).collect())
}

pub(crate) async fn look(app: &App, id: AlertId) -> Result<Whole, Problem> {
    let found = app.db().read(move |tx| {
        let Some(alert) = super::get(tx, id)? else { return Ok(None) };
        let mut sightings = super::sightings(tx, &alert)?;
        for seen in &mut sightings {
            seen.other = super::name_of(tx, &seen.other)?;
        }
        let (slots, history) = (super::slots(tx, &alert)?, history(tx, &alert)?);
        Ok::<_, DbError>(Some(Whole { named: named(tx, alert)?, sightings, slots, history }))
    });
    found.await?.ok_or_else(|| Problem::not_found("alert"))
}

async fn show(AppState(app): AppState<App>, Path(id): Path<AlertId>) -> platform::web::Result {
    let whole = look(&app, id).await?;
    let sighting = |seen: super::Seen| SightingView {
        other: seen.other,
        outcome: seen.outcome,
        first_seen: seen.first_at,
        last_seen: seen.last_at,
    };
    let detail = AlertDetail {
        alert: whole.named.into(),
        sightings: whole.sightings.into_iter().map(sighting).collect(),
        tries: whole.slots.into_iter().map(|(from, tries)| SlotView { from, tries }).collect(),
        history: whole
            .history
            .into_iter()
            .map(|one| EventView { action: one.event.action, at: one.event.at, by: one.by })
            .collect(),
    };
    Ok(Json(detail).into_response())
}

async fn changed(app: &App, outcome: Changed) -> Result<Named, Problem> {
    match outcome {
        Changed::Done(alert) | Changed::Unchanged(alert) => {
            Ok(app.db().read(move |tx| named(tx, *alert)).await?)
        }
        Changed::NoSuchAlert => Err(Problem::not_found("alert")),
        Changed::Resolved => {
            Err(Problem::conflict("this alert is resolved").cure("it opens by itself if it goes on"))
        }
        Changed::NoSuchStaff => {
            Err(Problem::invalid("only owners and admins of the provider work on alerts")
                .field("email", "not one of them"))
        }
    }
}

pub(crate) async fn take_note(app: &App, access: &Access, id: AlertId) -> Result<Named, Problem> {
    let (by, ctx) = (by(access)?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::acknowledge(&ctx, tx, id, &by)).await?;
    changed(app, done.value).await
}

async fn acknowledge(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
) -> platform::web::Result {
    Ok(Json(AlertView::from(take_note(&app, &access, id).await?)).into_response())
}

pub(crate) async fn judge(
    app: &App,
    access: &Access,
    id: AlertId,
    (verdict, note): (Verdict, &str),
) -> Result<Named, Problem> {
    let (by, ctx, note) = (by(access)?, access.ctx.clone(), words(note, "note", NOTE_CHARS_MAX)?);
    let done = app.db().write(&access.ctx, move |tx| super::resolve(&ctx, tx, id, &by, (verdict, &note)));
    changed(app, done.await?.value).await
}

async fn resolve(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Json(body): Json<ResolveBody>,
) -> platform::web::Result {
    let named = judge(&app, &access, id, (body.verdict, &body.note)).await?;
    Ok(Json(AlertView::from(named)).into_response())
}

pub(crate) async fn staff(app: &App) -> Result<Vec<Runner>, Problem> {
    Ok(app.db().read(users::support::staff).await?)
}

async fn one_of_staff(app: &App, email: &str) -> Result<AccountId, Problem> {
    let refuse = |why: String| Problem::invalid(&why).field("email", why);
    let email = EmailAddress::parse(email).map_err(|error| refuse(error.to_string()))?;
    let found = staff(app).await?.into_iter().find(|one| one.email == email.key());
    found
        .map(|one| one.account)
        .ok_or_else(|| refuse(format!("`{}` is no owner or admin of the provider", email.key())))
}

pub(crate) async fn give_to(
    app: &App,
    access: &Access,
    id: AlertId,
    email: Option<&str>,
) -> Result<Named, Problem> {
    let to = match email.filter(|email| !email.is_empty()) {
        None => None,
        Some(email) => Some(one_of_staff(app, email).await?),
    };
    let (ctx, inside) = (access.ctx.clone(), app.clone());
    let done = app.db().write(&access.ctx, move |tx| super::assign(&inside, &ctx, tx, id, to)).await?;
    changed(app, done.value).await
}

async fn assign(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<AlertId>,
    Json(body): Json<AssigneeBody>,
) -> platform::web::Result {
    let named = give_to(&app, &access, id, body.email.as_deref()).await?;
    Ok(Json(AlertView::from(named)).into_response())
}
