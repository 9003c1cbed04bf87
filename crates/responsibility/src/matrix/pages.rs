//! The first screen of an organization: the matrix.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::evidence::{NextAction, Side};
use platform::web::chart::{self, Html, Part};
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{NavItem, Shell, State as Shown};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::api::READ;
use super::{Guide, Line, Matrix};
use crate::engine::facts_reader;
use crate::history;
use crate::rows::{Control, RowArea};
use crate::states::summary::{Moved, Owed, Summary};
use crate::states::{CellState, MustAct};

pub(crate) const MATRIX: &str = "/o/{organization}";
/// Next steps on the first screen; the rest stands in the rows below.
const STEPS: usize = 5;

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(MATRIX, "matrix.show_page", READ, show))
}

/// Names of the parties as this reader reads them.
#[derive(Clone, Debug)]
pub(crate) struct Parties {
    pub provider: String,
    /// `you`, or the organization's name for the provider's staff.
    pub customer: String,
}

impl Parties {
    pub(crate) fn of(app: &App) -> Self {
        Self { provider: app.provider_name(), customer: "you".to_owned() }
    }

    pub(crate) fn words(&self, who: MustAct) -> String {
        match who {
            MustAct::Nobody => "nobody".to_owned(),
            MustAct::Provider => self.provider.clone(),
            MustAct::Customer => self.customer.clone(),
            MustAct::Both => format!("{} and {}", self.customer, self.provider),
        }
    }
}

/// What the reader wants to see.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    side: String,
    #[serde(default)]
    act: String,
}

impl Filter {
    fn only(&self) -> Option<Side> {
        match self.side.as_str() {
            "mine" => Some(Side::Customer),
            "theirs" => Some(Side::Provider),
            _ => None,
        }
    }

    fn acts(&self) -> bool {
        self.act == "1"
    }

    fn href(slug: &str, side: &str, acts: bool) -> String {
        let side = if side.is_empty() { String::new() } else { format!("side={side}") };
        let act = if acts { "act=1" } else { "" };
        let query: Vec<&str> = [side.as_str(), act].into_iter().filter(|part| !part.is_empty()).collect();
        if query.is_empty() { format!("/o/{slug}") } else { format!("/o/{slug}?{}", query.join("&")) }
    }

    fn links(&self, slug: &str, provider: &str) -> Vec<NavItem> {
        let side = match self.only() {
            Some(Side::Customer) => "mine",
            Some(Side::Provider) => "theirs",
            None => "",
        };
        let mut links: Vec<NavItem> =
            [("", "Both sides".to_owned()), ("mine", "Yours".to_owned()), ("theirs", provider.to_owned())]
                .into_iter()
                .map(|(key, label)| {
                    NavItem::new(label, Self::href(slug, key, self.acts())).current(key == side)
                })
                .collect();
        let only = NavItem::new("Only what needs action", Self::href(slug, side, !self.acts()));
        links.push(only.current(self.acts()));
        links
    }
}

/// One half as a line of a column.
struct RowLine {
    state: Shown,
    id: &'static str,
    /// A threat stands in both columns: its anchor names the side.
    anchor: String,
    title: &'static str,
    href: String,
    fact: String,
    note: String,
}

impl RowLine {
    fn new(slug: &str, line: &Line, parties: &Parties) -> Self {
        let cell = &line.cell;
        let since = format!("since {}", cell.since.day_words());
        let (fact, note) = match cell.state() {
            CellState::Held => {
                let shown = cell.facts.first().map_or(cell.reason.as_str(), |fact| fact.sentence.as_str());
                (String::new(), shown.to_owned())
            }
            CellState::NotApplicable | CellState::Attested | CellState::Accepted => {
                (String::new(), cell.reason.clone())
            }
            _ => match line.must_act() {
                MustAct::Nobody => (cell.reason.clone(), since),
                who => (cell.reason.clone(), format!("{since} · waits for {}", parties.words(who))),
            },
        };
        Self {
            state: cell.state().into(),
            id: line.row.id,
            anchor: format!("{}-{}", line.row.id, line.side),
            title: line.title(),
            href: format!("/o/{slug}/rows/{}", line.row.id),
            fact,
            note,
        }
    }
}

/// Halves without a control in this version, told in one line.
struct NotBuilt {
    id: &'static str,
    title: &'static str,
    planned: &'static str,
    href: String,
}

struct Column {
    heading: String,
    rows: Vec<RowLine>,
    not_built: Vec<NotBuilt>,
    hidden: usize,
}

struct AreaView {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    figures: String,
    columns: Vec<Column>,
}

struct StepView {
    state: Shown,
    title: String,
    note: String,
    effort: String,
    action: String,
    href: String,
    /// One primary button per page.
    kind: &'static str,
}

#[derive(Template)]
#[template(path = "matrix/show.html")]
pub(crate) struct MatrixPage {
    shell: Shell,
    slug: String,
    sub: String,
    rows: usize,
    halves: usize,
    bar: Html,
    legend: Html,
    looked_at: String,
    yours: Owed,
    theirs: Owed,
    provider: String,
    /// Who must act, for a reader who may not: an auditor is not told to.
    organization: String,
    /// Changes of this week, as many as their page lists.
    changes: String,
    moved: String,
    guide: Option<Guide>,
    may_manage: bool,
    steps: Vec<StepView>,
    steps_of: usize,
    filters: Vec<NavItem>,
    jumps: Vec<NavItem>,
    areas: Vec<AreaView>,
    /// Areas of which this version has no control at all, told together.
    dark: Vec<AreaView>,
}

fn owed_words(owed: Owed, nobody: &str) -> String {
    owed.oldest_since.map_or_else(|| nobody.to_owned(), |at| format!("oldest since {}", at.day_words()))
}

impl MatrixPage {
    fn duties(&self, count: usize) -> String {
        if count == 1 { "1 duty".to_owned() } else { format!("{count} duties") }
    }

    fn dark_rows(&self) -> String {
        let halves = self.dark.iter().flat_map(|area| &area.columns).map(|column| column.not_built.len());
        self.duties(halves.sum())
    }

    fn owed(&self, owed: &Owed) -> String {
        owed_words(*owed, "nothing waits")
    }

    pub(crate) fn new(
        shell: Shell,
        matrix: &Matrix,
        (moved, changes): (Moved, usize),
        parties: &Parties,
        filter: &Filter,
    ) -> Self {
        let slug = matrix.organization.slug.clone();
        let summary = matrix.summary();
        let side = Side::Customer;
        let waiting = matrix.waiting_for(side);
        let parts = bar_parts(matrix);
        let built = matrix.lines.iter().filter(|line| line.half.is_built()).count();
        let (areas, dark): (Vec<AreaView>, Vec<AreaView>) = RowArea::ALL
            .into_iter()
            .filter_map(|area| area_view(matrix, area, parties, filter, &summary))
            .partition(|area| area.columns.iter().any(|column| !column.rows.is_empty() || column.hidden > 0));
        let jumps = areas
            .iter()
            .map(|area| {
                let owes = waiting.iter().filter(|line| line.row.area.as_str() == area.id).count();
                NavItem::new(area.title, format!("#{}", area.id))
                    .count(u32::try_from(owes).unwrap_or(u32::MAX))
            })
            .collect();
        Self {
            sub: format!(
                "Who answers for what between {} and {}, and whether it holds right now. Every state is computed \
                 from the controls themselves.",
                parties.provider, matrix.organization.name
            ),
            rows: crate::rows::all().count(),
            halves: matrix.lines.len(),
            bar: chart::stacked_bar("Halves of all rows by state", &parts),
            legend: chart::legend(&parts),
            looked_at: format!("{built} of {} halves have a control in this version", matrix.lines.len()),
            yours: summary.must_act(Side::Customer),
            theirs: summary.must_act(Side::Provider),
            provider: parties.provider.clone(),
            organization: matrix.organization.name.clone(),
            changes: match changes {
                0 => "nothing".to_owned(),
                // As many as one page of them takes.
                full if u32::try_from(full).is_ok_and(|full| full >= history::pages::LIMIT) => {
                    format!("{full}+")
                }
                some => some.to_string(),
            },
            moved: format!("held: +{} −{} · see what and why", moved.gained, moved.lost),
            steps: waiting
                .iter()
                .take(STEPS)
                .enumerate()
                .map(|(at, line)| step(&slug, line, at == 0))
                .collect(),
            steps_of: waiting.len(),
            guide: None,
            may_manage: false,
            filters: filter.links(&slug, &parties.provider),
            jumps,
            areas,
            dark,
            shell,
            slug,
        }
    }
}

/// Bars count halves, so that a threat's two halves are both seen; what is not built is told apart from doubt.
fn bar_parts(matrix: &Matrix) -> Vec<Part> {
    let count = |wanted: &dyn Fn(&Line) -> bool| {
        u32::try_from(matrix.lines.iter().filter(|line| wanted(line)).count()).unwrap_or(u32::MAX)
    };
    let mut parts: Vec<Part> = Shown::ALL
        .into_iter()
        .map(|state| {
            Part::state(state, count(&|line| line.half.is_built() && Shown::from(line.state()) == state))
        })
        .collect();
    // Also where a row would not apply: the bar adds up to what the sentence beside it says.
    let dark = count(&|line| !line.half.is_built());
    parts.push(Part::new("Not built yet", f64::from(dark), "s-not_applicable"));
    parts
}

fn step(slug: &str, line: &Line, first: bool) -> StepView {
    let cell = &line.cell;
    let row = format!("/o/{slug}/rows/{}", line.row.id);
    let (action, href, effort) = match &cell.action {
        Some(NextAction { label, href, effort_minutes }) => {
            (label.clone(), href.clone(), format!("{effort_minutes} min"))
        }
        None => ("See what is missing".to_owned(), row, String::new()),
    };
    let mut title = cell.reason.clone();
    if let Some(first) = title.get(..1) {
        title = format!("{}{}", first.to_uppercase(), &title[1..]);
    }
    StepView {
        state: cell.state().into(),
        title,
        // A state lasts longer than the reason beside it, which may be another one every day.
        note: format!(
            "{} {} · {} since {}",
            line.row.id,
            line.title(),
            Shown::from(cell.state()).label().to_lowercase(),
            cell.since.day_words()
        ),
        effort,
        action,
        href,
        kind: if first { "primary" } else { "" },
    }
}

fn area_view(
    matrix: &Matrix,
    area: RowArea,
    parties: &Parties,
    filter: &Filter,
    summary: &Summary,
) -> Option<AreaView> {
    let threats = area == RowArea::Threats;
    let columns: Vec<Column> = Side::BOTH
        .into_iter()
        .filter(|side| filter.only().is_none_or(|only| only == *side))
        .map(|side| {
            let heading = match (side, threats) {
                (Side::Provider, false) => format!("What {} does", parties.provider),
                (Side::Provider, true) => format!("{}’s half", parties.provider),
                (Side::Customer, false) => "Your role".to_owned(),
                (Side::Customer, true) => "Your half".to_owned(),
            };
            column(matrix, area, side, heading, parties, filter)
        })
        .collect();
    if filter.acts() && columns.iter().all(|column| column.rows.is_empty()) {
        return None;
    }
    let rows = summary.areas.iter().find(|one| one.area == area).map(|one| one.rows).unwrap_or_default();
    let lines = || matrix.lines.iter().filter(|line| line.row.area == area);
    let live = lines().filter(|line| !line.not_built() && line.state() != CellState::NotApplicable).count();
    let held = lines().filter(|line| line.state() == CellState::Held).count();
    let figures = match live {
        0 => format!("{} rows", rows.total()),
        _ => format!("{held} of {live} held"),
    };
    Some(AreaView { id: area.as_str(), title: area.title(), about: area.about(), figures, columns })
}

fn column(
    matrix: &Matrix,
    area: RowArea,
    side: Side,
    heading: String,
    parties: &Parties,
    filter: &Filter,
) -> Column {
    let slug = &matrix.organization.slug;
    let (missing, built): (Vec<&Line>, Vec<&Line>) =
        matrix.lines_of(area, side).partition(|line| line.not_built());
    let shown: Vec<&Line> =
        built.iter().copied().filter(|line| !filter.acts() || line.must_act() != MustAct::Nobody).collect();
    let hidden = built.len() - shown.len();
    let not_built = if filter.acts() { Vec::new() } else { missing };
    Column {
        heading,
        rows: shown.into_iter().map(|line| RowLine::new(slug, line, parties)).collect(),
        not_built: not_built
            .into_iter()
            .map(|line| NotBuilt {
                id: line.row.id,
                title: line.title(),
                planned: match line.half.control {
                    Control::NotBuilt { planned } => planned,
                    Control::Built { .. } => "",
                },
                href: format!("/o/{slug}/rows/{}", line.row.id),
            })
            .collect(),
        hidden,
    }
}

async fn show(State(app): State<App>, access: Access, Query(filter): Query<Filter>) -> platform::web::Result {
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let facts = facts_reader(&app);
    let (matrix, week, guide) = app
        .db()
        .read(move |tx| {
            let matrix = super::load(tx, &organization, facts, now)?;
            let week = matrix.this_week(tx, now)?;
            Ok::<_, Problem>((matrix, week, super::guide(tx, organization.id)?))
        })
        .await?;
    let mut shell = navigation::shell(&app, &access, NavConsole::Organization, "Responsibilities", MATRIX);
    let owed = matrix.summary().must_act(Side::Customer).rows;
    let here = format!("/o/{}", matrix.organization.slug);
    for item in shell.nav.iter_mut().flat_map(|group| &mut group.items).filter(|item| item.href == here) {
        item.count = (owed > 0).then_some(owed);
    }
    let mut page = MatrixPage::new(shell, &matrix, week, &Parties::of(&app), &filter);
    let may_manage = access.may(Permission::ResponsibilitiesManage);
    if !may_manage {
        page.steps.iter_mut().for_each(|step| step.kind = "");
    }
    platform::web::html(&MatrixPage { guide, may_manage, ..page })
}
