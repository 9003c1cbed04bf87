//! The first screen of an organization, the matrix, and the page of one row.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::evidence::{NextAction, Side};
use platform::principals::OrganizationKind;
use platform::time::Timestamp;
use platform::web::chart::{self, Html, Part};
use platform::web::extract::{Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{NavItem, Shell, State as Shown};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::api::{READ, row_of};
use super::{Line, Matrix};
use crate::attestations::{self, Kind, Standing};
use crate::drills;
use crate::engine::facts_reader;
use crate::history::{self, Entry};
use crate::rows::{Control, RowArea};
use crate::states::summary::{Moved, Owed, Summary};
use crate::states::{Basis, CellState, DrillRun, MustAct};

pub(crate) const MATRIX: &str = "/o/{organization}";
const ROW: &str = "/o/{organization}/rows/{row}";
/// Next steps on the first screen; the rest stands in the rows below.
const STEPS: usize = 5;

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(MATRIX, "matrix.show_page", READ, show)).add(routes::get(
        ROW,
        "matrix.show_row_page",
        READ,
        show_row,
    ))
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
    moved: String,
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
        moved: Moved,
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
            moved: match (moved.gained, moved.lost) {
                (0, 0) => "nothing".to_owned(),
                (gained, lost) => format!("+{gained} −{lost}"),
            },
            steps: waiting
                .iter()
                .take(STEPS)
                .enumerate()
                .map(|(at, line)| step(&slug, line, at == 0))
                .collect(),
            steps_of: waiting.len(),
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
            Part::state(state, count(&|line| !line.not_built() && Shown::from(line.state()) == state))
        })
        .collect();
    parts.push(Part::new("Not built yet", f64::from(count(&|line| line.not_built())), "s-not_applicable"));
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
        note: format!("{} {} · since {}", line.row.id, line.title(), cell.since.day_words()),
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
    let (matrix, moved) = app
        .db()
        .read(move |tx| {
            let matrix = super::load(tx, &organization, facts, now)?;
            let moved = matrix.moved_this_week(tx, now)?;
            Ok::<_, Problem>((matrix, moved))
        })
        .await?;
    let mut shell = navigation::shell(&app, &access, NavConsole::Organization, "Responsibilities", MATRIX);
    let owed = matrix.summary().must_act(Side::Customer).rows;
    let here = format!("/o/{}", matrix.organization.slug);
    for item in shell.nav.iter_mut().flat_map(|group| &mut group.items).filter(|item| item.href == here) {
        item.count = (owed > 0).then_some(owed);
    }
    platform::web::html(&MatrixPage::new(shell, &matrix, moved, &Parties::of(&app), &filter))
}

/// One half on the row's page.
struct HalfCard {
    heading: String,
    title: &'static str,
    state: Shown,
    words: &'static str,
    reason: String,
    since: Timestamp,
    must_act: String,
    action: Option<NextAction>,
    facts: Vec<String>,
    beneath: Option<String>,
    evaluated_at: Option<Timestamp>,
    stale_at: Option<Timestamp>,
    control: &'static str,
    control_href: Option<String>,
    not_built: Option<&'static str>,
    not_yet: Option<&'static str>,
    met_when: &'static str,
    break_hint: &'static str,
    applies: Option<&'static str>,
    waits_for: Option<&'static str>,
    drill: Option<DrillCard>,
    declared: Vec<DeclaredCard>,
    offers: Vec<OfferCard>,
    history: Vec<EntryLine>,
}

struct DrillCard {
    id: &'static str,
    attack: &'static str,
    last: Option<DrillRun>,
}

struct DeclaredCard {
    words: String,
    reason: String,
    until: Timestamp,
    in_force: bool,
    revoke: String,
}

struct OfferCard {
    label: &'static str,
    href: String,
}

pub(crate) struct EntryLine {
    pub state: Shown,
    pub from: Timestamp,
    pub to: Option<Timestamp>,
    pub reason: String,
    pub cause: String,
    /// The event, where the reader may open it.
    pub cause_href: String,
}

impl EntryLine {
    pub(crate) fn new(slug: &str, own: platform::ids::OrganizationId, entry: &Entry) -> Self {
        let cause = entry.cause.as_ref();
        let href = cause.filter(|cause| cause.organization == own).and_then(|cause| cause.sequence);
        Self {
            state: entry.cell.state().into(),
            from: entry.from,
            to: entry.to,
            reason: entry.cell.reason.clone(),
            cause: cause.map(|cause| cause.action.clone()).unwrap_or_default(),
            cause_href: href.map(|sequence| format!("/o/{slug}/audit-log/{sequence}")).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "matrix/row.html")]
pub(crate) struct RowPage {
    shell: Shell,
    slug: String,
    id: &'static str,
    title: &'static str,
    duty: &'static str,
    state: Shown,
    joint: String,
    since: Option<Timestamp>,
    both: bool,
    may_manage: bool,
    halves: Vec<HalfCard>,
}

/// What a reader may do on a row's page.
struct Reader<'a> {
    slug: &'a str,
    organization: platform::ids::OrganizationId,
    kind: OrganizationKind,
    now: Timestamp,
    parties: &'a Parties,
}

fn half_card(
    reader: &Reader<'_>,
    line: &Line,
    standing: &[Standing],
    drill: Option<DrillRun>,
    history: &[Entry],
) -> HalfCard {
    let (cell, half, slug) = (&line.cell, line.half, reader.slug);
    let (control_href, not_yet, not_built) = match half.control {
        Control::Built { page, not_yet } => (Some(page.href(slug)), not_yet, None),
        Control::NotBuilt { planned } => (None, None, Some(planned)),
    };
    HalfCard {
        heading: match line.side {
            Side::Provider => format!("What {} does", reader.parties.provider),
            Side::Customer => "Your role".to_owned(),
        },
        title: line.title(),
        state: cell.state().into(),
        words: cell.state().words(),
        reason: cell.reason.clone(),
        since: cell.since,
        must_act: reader.parties.words(line.must_act()),
        action: cell.action.clone(),
        facts: cell.facts.iter().map(|fact| fact.sentence.clone()).collect(),
        beneath: cell.beneath.as_ref().map(|beneath| beneath.reason.clone()),
        evaluated_at: line.evaluated.then_some(cell.evaluated_at),
        stale_at: cell.stale_at.filter(|_| line.evaluated && cell.basis != Basis::NotBuilt),
        control: half.wording.control,
        control_href,
        not_built,
        not_yet,
        met_when: half.wording.met_when,
        break_hint: half.wording.break_hint,
        applies: (half.applies != crate::rows::Applies::Always).then(|| half.applies.words()),
        waits_for: half.waits_for,
        drill: half.drill.map(|spec| DrillCard { id: spec.id, attack: spec.attack, last: drill }),
        declared: standing.iter().map(|one| declared_card(reader, line, one)).collect(),
        offers: attestations::offers(half, line.side, reader.kind)
            .into_iter()
            .map(|kind| OfferCard {
                label: match kind {
                    Kind::Attestation => "Attest this duty…",
                    Kind::Acceptance => "Accept the risk…",
                },
                href: format!(
                    "/o/{slug}/rows/{}/declare?kind={}&side={}",
                    line.row.id,
                    kind.as_str(),
                    line.side
                ),
            })
            .collect(),
        history: history.iter().map(|entry| EntryLine::new(slug, reader.organization, entry)).collect(),
    }
}

fn declared_card(reader: &Reader<'_>, line: &Line, standing: &Standing) -> DeclaredCard {
    let declaration = &standing.declaration;
    DeclaredCard {
        words: match standing.kind {
            Kind::Attestation => format!("Attested by {}", declaration.by()),
            Kind::Acceptance => format!("Risk accepted by {}", declaration.by()),
        },
        reason: declaration.reason().to_owned(),
        until: declaration.until(),
        in_force: declaration.in_force(reader.now),
        revoke: format!("/o/{}/rows/{}/declarations/{}/revoke", reader.slug, line.row.id, standing.id),
    }
}

async fn show_row(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, String)>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let facts = facts_reader(&app);
    let parties = Parties::of(&app);
    let own = organization.clone();
    let (halves, joint) = app
        .db()
        .read(move |tx| {
            let matrix = super::load(tx, &organization, facts, now)?;
            let slug = organization.slug.clone();
            let mut cards = Vec::new();
            for line in matrix.lines.iter().filter(|line| line.row.id == row.id) {
                let home = history::home_of(tx, &organization, row, line.side)?.unwrap_or(organization.id);
                let standing = attestations::standing(tx, home, row, line.side)?;
                let drill = match line.half.drill {
                    Some(_) => drills::last(tx, row)?,
                    None => None,
                };
                let entries = history::timeline(tx, &organization, row, line.side, now, 50)?;
                let reader = Reader {
                    slug: &slug,
                    organization: organization.id,
                    kind: organization.kind,
                    now,
                    parties: &parties,
                };
                cards.push(half_card(&reader, line, &standing, drill, &entries));
            }
            Ok::<_, Problem>((cards, matrix.joint(row)))
        })
        .await?;
    let parties = Parties::of(&app);
    let page = RowPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, row.title, MATRIX),
        slug: own.slug,
        id: row.id,
        title: row.title,
        duty: row.duty,
        state: joint.state.into(),
        joint: match joint.must_act {
            MustAct::Nobody => "Nobody has to act.".to_owned(),
            who => format!("Waits for {}.", parties.words(who)),
        },
        since: joint.since.filter(|_| joint.must_act != MustAct::Nobody),
        both: halves.len() > 1,
        may_manage: access.may(Permission::ResponsibilitiesManage),
        halves,
    };
    platform::web::html(&page)
}
