//! JSON side of audit retention.

use axum::extract::State;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Query};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{DAYS_MAX, DAYS_MIN, Decided, Outlook, Retention};

pub(super) const READ: Openness = Openness::Organization(Permission::AuditRead);
/// As redaction of a single event: it cannot be undone.
pub(super) const MANAGE: Openness = Openness::Organization(Permission::OrganizationManage);

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/audit/retention";
    const OUTLOOK: &str = "/api/v1/organizations/{organization}/audit/retention/outlook";
    Routes::new()
        .add(
            routes::get(ONE, "audit_retention.show", READ, show)
                .summary("For how long events say whom they were about")
                .gives::<RetentionView>(200),
        )
        .add(
            routes::get(OUTLOOK, "audit_retention.outlook", READ, look)
                .summary("What keeping for so many days would erase at once; changes nothing")
                .query_integer("days", "30 to 3650")
                .required()
                .gives::<OutlookView>(200),
        )
        .add(
            routes::put(ONE, "audit_retention.decide", MANAGE, put)
                .recent()
                .summary("Decide for how long events say whom they were about; what is erased stays erased")
                .takes::<RetentionBody>()
                .gives::<RetentionView>(200)
                .records("audit_retention."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditRetention)]
pub struct RetentionView {
    /// Days for which personal fields are kept; null: for good.
    pub days: Option<u32>,
    pub decided_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Every event before this sequence has been looked at.
    pub next_sequence: Option<u64>,
}

impl From<Option<Retention>> for RetentionView {
    fn from(found: Option<Retention>) -> Self {
        match found {
            Some(found) => Self {
                days: Some(found.days),
                decided_by: Some(found.decided_by),
                decided_at: Some(found.decided_at),
                next_sequence: Some(found.next_sequence),
            },
            None => Self { days: None, decided_by: None, decided_at: None, next_sequence: None },
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AuditRetentionOutlook)]
pub struct OutlookView {
    pub days: u32,
    /// Personal fields of events before this time would go.
    #[schema(value_type = String, format = DateTime)]
    pub before: Timestamp,
    /// Events from before that time that were not looked at yet; not all of them hold personal fields.
    pub events: u64,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecideAuditRetention)]
pub struct RetentionBody {
    /// 30 to 3650; null: for good.
    #[schema(example = 365)]
    pub days: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct OutlookQuery {
    days: u32,
}

async fn show(State(app): State<App>, access: Access) -> platform::web::Result {
    Ok(Json(RetentionView::from(now_in_force(&app, &access).await?)).into_response())
}

pub(super) async fn now_in_force(app: &App, access: &Access) -> Result<Option<Retention>, Problem> {
    let organization = access.organization_id()?;
    Ok(app.db().read(move |tx| super::get(tx, organization)).await?)
}

async fn look(
    State(app): State<App>,
    access: Access,
    Query(query): Query<OutlookQuery>,
) -> platform::web::Result {
    let Outlook { before, events } = outlook(&app, &access, query.days).await?;
    Ok(Json(OutlookView { days: query.days, before, events }).into_response())
}

pub(super) async fn outlook(app: &App, access: &Access, days: u32) -> Result<Outlook, Problem> {
    if !(DAYS_MIN..=DAYS_MAX).contains(&days) {
        return Err(wrong_days());
    }
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    Ok(app.db().read(move |tx| super::outlook(tx, organization, days, now)).await?)
}

pub(super) fn wrong_days() -> Problem {
    let why = format!("use {DAYS_MIN} to {DAYS_MAX} days");
    Problem::invalid(&why).field("days", why)
}

pub(super) async fn decide(app: &App, access: &Access, days: Option<u32>) -> Result<(), Problem> {
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::decide(&ctx, tx, organization, &by, days)).await?;
    match done.value {
        Decided::Done | Decided::Same => Ok(()),
        Decided::Days => Err(wrong_days()),
    }
}

async fn put(
    State(app): State<App>,
    access: Access,
    Json(body): Json<RetentionBody>,
) -> platform::web::Result {
    decide(&app, &access, body.days).await?;
    show(State(app), access).await
}
