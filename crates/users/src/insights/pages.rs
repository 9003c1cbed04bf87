//! Pages of insights: an organization's figures with their history, and the growth over all customers.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::time::{DAY, Timestamp};
use platform::web::Access;
use platform::web::chart::{Bars, Html, Lines, Part, Series, number};
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Routes};
use platform::web::ui::{NavItem, Shell, Tone};

use super::api::{self, PROVIDER_READ, PeriodQuery, READ};
use super::{Day, Figures, History, Mover, ProductUse, Total};
use crate::domains::{State as DomainState, Used};
use crate::products::ProductId;

pub(crate) const PATH: &str = "/o/{organization}/insights";
pub(crate) const PROVIDER: &str = "/provider/insights";

/// Colours of a chart's lines; so many products have a line of their own.
const CLASSES: [&str; 6] = ["c1", "c2", "c6", "c3", "c4", "c5"];
/// The periods that the pages offer, in days.
const PERIODS: [u32; 3] = [30, 90, 365];
/// Longer periods are drawn by weeks: a point for each day would be a table nobody reads.
const DAILY_MAX: u32 = 120;
const WEEK: usize = 7;

pub(crate) fn routes() -> Routes {
    const FILE: &str = "/o/{organization}/insights/export";
    const PROVIDER_FILE: &str = "/provider/insights/export";
    Routes::new()
        .add(routes::get(PATH, "insights.page", READ, show))
        .add(routes::get(FILE, "insights.export_page", READ, api::download).limit(Limit::Heavy))
        .add(routes::get(PROVIDER, "insights.provider_page", PROVIDER_READ, provider))
        .add(
            routes::get(
                PROVIDER_FILE,
                "insights.provider_export_page",
                PROVIDER_READ,
                api::provider_download,
            )
            .limit(Limit::Heavy),
        )
}

fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// In percent; nobody of nobody is none.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part) * 100.0 / real(whole) }
}

fn share_words(part: u64, whole: u64) -> String {
    format!("{} % of people", number(share(part, whole).round()))
}

fn periods(path: &str, chosen: u32) -> Vec<NavItem> {
    PERIODS
        .into_iter()
        .map(|days| {
            let label = if days == 365 { "1 year".to_owned() } else { format!("{days} days") };
            NavItem::new(label, format!("{path}?days={days}")).current(days == chosen)
        })
        .collect()
}

/// How the days of a period are drawn: each, or the last of each week.
struct Steps<'a, T> {
    weekly: bool,
    /// Oldest first; never empty.
    steps: Vec<&'a [T]>,
}

impl<'a, T> Steps<'a, T> {
    fn new(days: &'a [T], period: u32) -> Self {
        let weekly = period > DAILY_MAX;
        let mut steps: Vec<&[T]> = days.rchunks(if weekly { WEEK } else { 1 }).collect();
        steps.reverse();
        Self { weekly, steps }
    }

    /// The day that stands for its step.
    fn last(&self) -> impl Iterator<Item = &'a T> + '_ {
        self.steps.iter().filter_map(|step| step.last())
    }

    fn series(&self, label: &str, class: &'static str, value: impl Fn(&T) -> f64) -> Series {
        Series { label: label.to_owned(), values: self.last().map(value).collect(), class }
    }

    /// What happened in a step, all of its days together.
    fn sums(&self, label: &str, class: &'static str, value: impl Fn(&T) -> u64) -> Series {
        let sum = |step: &&[T]| real(step.iter().map(&value).sum());
        Series { label: label.to_owned(), values: self.steps.iter().map(sum).collect(), class }
    }

    fn labels(&self, day: impl Fn(&T) -> Timestamp) -> Vec<String> {
        let label = |one: &T| {
            let words = day(one).day_words();
            // The year is said where it can differ.
            if self.weekly {
                words
            } else {
                words.rsplit_once(' ').map_or(words.clone(), |(day, _)| day.to_owned())
            }
        };
        self.last().map(label).collect()
    }

    fn unit(&self) -> &'static str {
        if self.weekly { "per week" } else { "per day" }
    }
}

/// Days between the first and the last that nobody counted, in words.
fn left_out(days: &[Timestamp]) -> String {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return String::new() };
    let span = last.since(*first).as_secs() / DAY.as_secs() + 1;
    match span.saturating_sub(u64::try_from(days.len()).unwrap_or(u64::MAX)) {
        0 => String::new(),
        1 => "One day is left out: the program did not run.".to_owned(),
        missing => format!("{missing} days are left out: the program did not run."),
    }
}

fn charts(history: &History, period: u32) -> Vec<Html> {
    let steps = Steps::new(&history.days, period);
    let labels = steps.labels(|one| one.day);
    let of = |get: fn(&Figures) -> u64| move |one: &Day| real(get(&one.figures));
    let percent = |get: fn(&Figures) -> u64| move |one: &Day| share(get(&one.figures), one.figures.people);
    let chart = |title: String, series: Vec<Series>| Lines { title, labels: labels.clone(), series }.figure();
    let mut all = vec![
        chart(
            "People".to_owned(),
            vec![
                steps.series("With access", "c1", of(|f| f.people)),
                steps.series("Active in 30 days", "c2", of(|f| f.active_month)),
                steps.series("Active in 7 days", "c6", of(|f| f.active_week)),
            ],
        ),
        chart(
            "How people prove themselves, % of people".to_owned(),
            vec![
                steps.series("Second factor", "c1", percent(|f| f.second_factor)),
                steps.series("Passkey", "c2", percent(|f| f.passkey)),
                steps.series("Single sign-on", "c6", percent(|f| f.single_sign_on)),
            ],
        ),
        chart(
            format!("Sign-ins {}", steps.unit()),
            vec![steps.sums("Sign-ins", "c1", |one| one.figures.sign_ins)],
        ),
    ];
    let products = product_lines(history, &steps);
    if !products.is_empty() {
        all.push(chart("People of 30 days at each product".to_owned(), products));
    }
    all
}

/// A line for each of the products that most people used last.
fn product_lines(history: &History, steps: &Steps<'_, Day>) -> Vec<Series> {
    let mut used: BTreeMap<ProductId, (String, BTreeMap<Timestamp, u64>)> = BTreeMap::new();
    for one in &history.products {
        let found = used.entry(one.product.product).or_default();
        found.0.clone_from(&one.product.title);
        found.1.insert(one.day, one.product.active_month);
    }
    let mut used: Vec<_> = used.into_values().collect();
    used.sort_by_key(|(_, days)| std::cmp::Reverse(days.values().next_back().copied()));
    used.iter()
        .zip(CLASSES)
        .map(|((title, days), class)| {
            steps.series(title, class, |one| real(days.get(&one.day).copied().unwrap_or(0)))
        })
        .collect()
}

/// A mail domain as the table shows it.
struct DomainLine {
    domain: String,
    people: u64,
    badge: (&'static str, Tone),
    /// What to do about it, and where; nothing about public mail.
    act: Option<(&'static str, String)>,
}

impl DomainLine {
    fn new(one: Used, slug: &str, may_manage: bool) -> Self {
        let badge = match one.state {
            _ if one.public_mail => ("Public mail", Tone::Info),
            Some(DomainState::Pending) => ("Waits for its record", Tone::Warn),
            Some(_) => ("Proof is gone", Tone::Bad),
            None => ("Not verified", Tone::Warn),
        };
        let act = match one.id {
            _ if one.public_mail => None,
            Some(id) => Some(("Finish", format!("/o/{slug}/domains/{id}"))),
            None if may_manage => Some(("Verify…", format!("/o/{slug}/domains/new?name={}", one.domain))),
            None => None,
        };
        Self { domain: one.domain, people: one.people, badge, act }
    }
}

fn product_bars(products: &[ProductUse]) -> Option<Html> {
    let rows: Vec<Part> =
        products.iter().map(|one| Part::new(&one.title, real(one.active_month), "c1")).collect();
    (!rows.is_empty()).then(|| Bars { title: "People who signed in in 30 days".to_owned(), rows }.figure())
}

#[derive(Template)]
#[template(path = "insights/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    may_policies: bool,
    counted_at: Timestamp,
    live: bool,
    figures: Figures,
    active_words: String,
    factor_words: String,
    sso_words: String,
    passkeys: String,
    tabs: Vec<NavItem>,
    period: u32,
    /// Of the newest row.
    history_at: Option<Timestamp>,
    history_days: usize,
    left_out: String,
    charts: Vec<Html>,
    bars: Option<Html>,
    domains: Vec<DomainLine>,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> platform::web::Result {
    let period = query.days()?;
    let picture = api::look(&app, &access).await?;
    let history = api::look_back(&app, &access, period).await?;
    let slug = access.organization()?.slug.clone();
    let figures = picture.counted.figures;
    let may_manage = access.may(Permission::DomainsManage);
    let counted: Vec<Timestamp> = history.days.iter().map(|one| one.day).collect();
    platform::web::html(&ShowPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Insights", PATH),
        may_policies: access.may(Permission::PoliciesRead),
        counted_at: picture.counted.at,
        live: picture.live,
        active_words: share_words(figures.active_month, figures.people),
        factor_words: share_words(figures.second_factor, figures.people),
        sso_words: format!("for {} a policy enforces it", number(real(figures.enforced))),
        passkeys: share_words(figures.passkey, figures.people),
        figures,
        tabs: periods(&format!("/o/{slug}/insights"), period),
        period,
        history_at: history.days.last().map(|one| one.counted_at),
        history_days: history.days.len(),
        left_out: left_out(&counted),
        charts: charts(&history, period),
        bars: product_bars(&picture.counted.products),
        domains: picture.unverified.into_iter().map(|one| DomainLine::new(one, &slug, may_manage)).collect(),
        slug,
    })
}

/// A customer as the provider sees it: how many, never who.
struct MoverLine {
    organization: String,
    slug: String,
    change: String,
    people: u64,
    active_month: u64,
}

impl From<Mover> for MoverLine {
    fn from(one: Mover) -> Self {
        let change = real(one.people) - real(one.people_before);
        let sign = if change > 0.0 { "+" } else { "" };
        Self {
            change: format!("{sign}{}", number(change)),
            organization: one.title,
            slug: one.slug,
            people: one.people,
            active_month: one.active_month,
        }
    }
}

#[derive(Template)]
#[template(path = "insights/provider.html")]
struct ProviderPage {
    shell: Shell,
    tabs: Vec<NavItem>,
    period: u32,
    latest: Option<Total>,
    active_words: String,
    factor_words: String,
    sso_words: String,
    days: usize,
    left_out: String,
    charts: Vec<Html>,
    compared_with: Option<Timestamp>,
    grew: Vec<MoverLine>,
    shrank: Vec<MoverLine>,
}

fn provider_charts(days: &[Total], period: u32) -> Vec<Html> {
    let steps = Steps::new(days, period);
    let labels = steps.labels(|one| one.day);
    let chart = |title: String, series: Vec<Series>| Lines { title, labels: labels.clone(), series }.figure();
    vec![
        chart(
            "Organizations".to_owned(),
            vec![steps.series("Organizations", "c1", |one| real(one.organizations))],
        ),
        chart(
            "People".to_owned(),
            vec![
                steps.series("With access", "c1", |one| real(one.people)),
                steps.series("Active in 30 days", "c2", |one| real(one.active_month)),
                steps.series("Active in 7 days", "c6", |one| real(one.active_week)),
            ],
        ),
        chart(
            "How people prove themselves, % of people".to_owned(),
            vec![
                steps.series("Second factor", "c1", |one| share(one.second_factor, one.people)),
                steps.series("Single sign-on", "c6", |one| share(one.single_sign_on, one.people)),
            ],
        ),
        chart(format!("Sign-ins {}", steps.unit()), vec![steps.sums("Sign-ins", "c1", |one| one.sign_ins)]),
    ]
}

async fn provider(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PeriodQuery>,
) -> platform::web::Result {
    let period = query.days()?;
    let growth = api::grown(&app, &access, period).await?;
    let latest = growth.days.last().copied();
    let words =
        |get: fn(&Total) -> u64| latest.map_or(String::new(), |one| share_words(get(&one), one.people));
    let counted: Vec<Timestamp> = growth.days.iter().map(|one| one.day).collect();
    platform::web::html(&ProviderPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Growth", PROVIDER),
        tabs: periods(PROVIDER, period),
        period,
        active_words: words(|one| one.active_month),
        factor_words: words(|one| one.second_factor),
        sso_words: words(|one| one.single_sign_on),
        latest,
        days: growth.days.len(),
        left_out: left_out(&counted),
        charts: provider_charts(&growth.days, period),
        compared_with: growth.compared_with,
        grew: growth.grew.into_iter().map(MoverLine::from).collect(),
        shrank: growth.shrank.into_iter().map(MoverLine::from).collect(),
    })
}
