//! JSON side of insights, and the files that its pages offer, too.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::export::{self, Format, date};
use super::{Day, Figures, Growth, History, KEPT_DAYS, Mover, Picture, ProductDay, ProductUse, Total};
use crate::domains::Used;
use crate::products::ProductId;

pub(super) const READ: Openness = Openness::Organization(Permission::PeopleRead);
pub(super) const PROVIDER_READ: Openness = Openness::Provider(Permission::ProviderRead);
const DAYS_DEFAULT: u32 = 90;

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/insights";
    const HISTORY: &str = "/api/v1/organizations/{organization}/insights/history";
    const EXPORT: &str = "/api/v1/organizations/{organization}/insights/export";
    const PROVIDER: &str = "/api/v1/provider/insights";
    const PROVIDER_EXPORT: &str = "/api/v1/provider/insights/export";
    const DAYS: &str = "how many days back, 1 to 400; 90 when not said";
    const FORMAT: &str = "`csv` or `json`";
    Routes::new()
        .add(
            routes::get(ONE, "insights.show", READ, show)
                .summary("How an organization's people use the platform, counted now")
                .gives::<InsightsView>(200),
        )
        .add(
            routes::get(HISTORY, "insights.history", READ, past)
                .summary("The same figures day by day, oldest first")
                .query_integer("days", DAYS)
                .gives::<HistoryView>(200),
        )
        .add(
            routes::get(EXPORT, "insights.export", READ, download)
                .summary("The same days as a file")
                .limit(Limit::Heavy)
                .query_integer("days", DAYS)
                .query("format", FORMAT)
                .gives_nothing(200),
        )
        .add(
            routes::get(PROVIDER, "insights.provider", PROVIDER_READ, provider)
                .summary("Growth over all customers, day by day, and who grew most")
                .query_integer("days", DAYS)
                .gives::<GrowthView>(200),
        )
        .add(
            routes::get(PROVIDER_EXPORT, "insights.provider_export", PROVIDER_READ, provider_download)
                .summary("Growth over all customers as a file")
                .limit(Limit::Heavy)
                .query_integer("days", DAYS)
                .query("format", FORMAT)
                .gives_nothing(200),
        )
}

/// Which days, and for files in which form.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct PeriodQuery {
    #[serde(default)]
    days: Option<u32>,
    #[serde(default)]
    format: Option<String>,
}

impl PeriodQuery {
    pub fn days(&self) -> Result<u32, Problem> {
        match self.days {
            None => Ok(DAYS_DEFAULT),
            Some(days @ 1..=KEPT_DAYS) => Ok(days),
            Some(other) => Err(Problem::invalid(format!("`days` is {other}: use 1 to {KEPT_DAYS}"))
                .field("days", "out of range")),
        }
    }

    fn format(&self) -> Result<Format, Problem> {
        Format::parse(self.format.as_deref().unwrap_or("csv"))
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Insights)]
pub struct InsightsView {
    #[schema(value_type = String, format = DateTime)]
    pub counted_at: Timestamp,
    /// Counted for this answer. Of very large organizations the last count of the job is given instead.
    pub live: bool,
    #[serde(flatten)]
    pub figures: Figures,
    pub products: Vec<ProductView>,
    /// Mail domains of your people that you have not verified, the most used first.
    pub unverified_domains: Vec<DomainView>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = InsightProduct)]
pub struct ProductView {
    #[schema(value_type = String)]
    pub product: ProductId,
    pub name: String,
    /// People who signed in to it in the 7 days before the count.
    pub active_week: u64,
    /// In the 30 days before.
    pub active_month: u64,
}

impl From<ProductUse> for ProductView {
    fn from(one: ProductUse) -> Self {
        let ProductUse { product, title, active_week, active_month } = one;
        Self { product, name: title, active_week, active_month }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = InsightDomain)]
pub struct DomainView {
    #[schema(example = "harbor.example")]
    pub domain: String,
    pub people: u64,
    /// Anybody gets an address there: nobody can verify it.
    pub public_mail: bool,
    /// `pending`, `at_risk` or `suspended`; null: it was not added.
    pub state: Option<&'static str>,
}

impl From<Used> for DomainView {
    fn from(one: Used) -> Self {
        let state = one.state.map(|state| state.as_str());
        Self { domain: one.domain, people: one.people, public_mail: one.public_mail, state }
    }
}

impl From<Picture> for InsightsView {
    fn from(picture: Picture) -> Self {
        Self {
            counted_at: picture.counted.at,
            live: picture.live,
            figures: picture.counted.figures,
            products: picture.counted.products.into_iter().map(ProductView::from).collect(),
            unverified_domains: picture.unverified.into_iter().map(DomainView::from).collect(),
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = InsightHistory)]
pub struct HistoryView {
    /// Days that were counted. A day on which the program did not run is not among them.
    pub days: Vec<DayView>,
    pub products: Vec<ProductDayView>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = InsightDay)]
pub struct DayView {
    /// UTC.
    #[schema(example = "2026-11-26")]
    pub day: String,
    /// The last count of that day.
    #[schema(value_type = String, format = DateTime)]
    pub counted_at: Timestamp,
    #[serde(flatten)]
    pub figures: Figures,
}

impl From<Day> for DayView {
    fn from(one: Day) -> Self {
        Self { day: date(one.day), counted_at: one.counted_at, figures: one.figures }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = InsightProductDay)]
pub struct ProductDayView {
    #[schema(example = "2026-11-26")]
    pub day: String,
    #[serde(flatten)]
    pub product: ProductView,
}

impl From<ProductDay> for ProductDayView {
    fn from(one: ProductDay) -> Self {
        Self { day: date(one.day), product: one.product.into() }
    }
}

impl From<History> for HistoryView {
    fn from(history: History) -> Self {
        Self {
            days: history.days.into_iter().map(DayView::from).collect(),
            products: history.products.into_iter().map(ProductDayView::from).collect(),
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Growth)]
pub struct GrowthView {
    pub days: Vec<TotalView>,
    /// The day that people are compared with below.
    #[schema(example = "2026-08-28")]
    pub compared_with: Option<String>,
    /// Up to ten customers, those who grew most first.
    pub grew: Vec<MoverView>,
    pub shrank: Vec<MoverView>,
}

/// A day over all customers. Somebody in two organizations is counted in both.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = GrowthDay)]
pub struct TotalView {
    #[schema(example = "2026-11-26")]
    pub day: String,
    #[schema(value_type = String, format = DateTime)]
    pub counted_at: Timestamp,
    pub organizations: u64,
    pub people: u64,
    pub active_day: u64,
    pub active_week: u64,
    pub active_month: u64,
    pub sign_ins: u64,
    pub second_factor: u64,
    pub single_sign_on: u64,
}

impl From<Total> for TotalView {
    fn from(one: Total) -> Self {
        Self {
            day: date(one.day),
            counted_at: one.counted_at,
            organizations: one.organizations,
            people: one.people,
            active_day: one.active_day,
            active_week: one.active_week,
            active_month: one.active_month,
            sign_ins: one.sign_ins,
            second_factor: one.second_factor,
            single_sign_on: one.single_sign_on,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = GrowthOfCustomer)]
pub struct MoverView {
    pub slug: String,
    pub name: String,
    pub people: u64,
    pub people_before: u64,
    pub active_month: u64,
}

impl From<Mover> for MoverView {
    fn from(one: Mover) -> Self {
        let Mover { slug, title, people, people_before, active_month } = one;
        Self { slug, name: title, people, people_before, active_month }
    }
}

impl From<Growth> for GrowthView {
    fn from(growth: Growth) -> Self {
        Self {
            days: growth.days.into_iter().map(TotalView::from).collect(),
            compared_with: growth.compared_with.map(date),
            grew: growth.grew.into_iter().map(MoverView::from).collect(),
            shrank: growth.shrank.into_iter().map(MoverView::from).collect(),
        }
    }
}

pub(super) async fn look(app: &App, access: &Access) -> Result<Picture, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    Ok(app.db().read(move |tx| super::picture(tx, organization, now)).await?)
}

pub(super) async fn look_back(app: &App, access: &Access, days: u32) -> Result<History, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    Ok(app.db().read(move |tx| super::history(tx, organization, days, now)).await?)
}

pub(super) async fn grown(app: &App, access: &Access, days: u32) -> Result<Growth, Problem> {
    let now = access.ctx.now;
    Ok(app.db().read(move |tx| super::growth(tx, days, now)).await?)
}

async fn show(State(app): State<App>, access: Access) -> platform::web::Result {
    Ok(Json(InsightsView::from(look(&app, &access).await?)).into_response())
}

async fn past(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> platform::web::Result {
    Ok(Json(HistoryView::from(look_back(&app, &access, query.days()?).await?)).into_response())
}

async fn provider(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> platform::web::Result {
    Ok(Json(GrowthView::from(grown(&app, &access, query.days()?).await?)).into_response())
}

/// `insights-SLUG.csv`
pub(super) async fn download(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> Result<Response, Problem> {
    let (days, format) = (query.days()?, query.format()?);
    let history = look_back(&app, &access, days).await?;
    let bytes = match format {
        Format::Csv => export::history_csv(&history)?,
        Format::Json => export::json(&HistoryView::from(history))?,
    };
    Ok(export::file(&format!("insights-{}", access.organization()?.slug), format, bytes))
}

/// `growth.csv`
pub(super) async fn provider_download(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> Result<Response, Problem> {
    let (days, format) = (query.days()?, query.format()?);
    let growth = grown(&app, &access, days).await?;
    let bytes = match format {
        Format::Csv => export::growth_csv(&growth)?,
        Format::Json => export::json(&GrowthView::from(growth))?,
    };
    Ok(export::file("growth", format, bytes))
}
