//! The provider's console: organizations × rows, and one row across organizations.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::evidence::Side;
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;
use platform::web::chart::{self, HeatMap, HeatRow, Html, Part};
use platform::web::extract::{Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{PageQuery, cursor};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, NavItem, Pager, Shell, State as Shown, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::READ;
use super::{Across, Elsewhere, Figures, Standing};
use crate::cells::{self, CellKey};
use crate::drills;
use crate::matrix::api::row_of;
use crate::rows::{self, Control, Row, RowArea};
use crate::states::{Cell, CellState, DrillRun, MustAct};

pub(crate) const OVERVIEW: &str = "/provider";
pub(crate) const ROWS: &str = "/provider/rows";
const ROW: &str = "/provider/rows/{row}";
const MANAGE: Openness = Openness::Provider(Permission::ProviderManage);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(OVERVIEW, "overview.show_page", READ, show))
        .add(routes::get(ROWS, "overview.rows_page", READ, show_rows))
        .add(routes::get(ROW, "overview.row_page", READ, show_row))
        .add(
            routes::post("/provider/rows/{row}/drill", "drill.run_form", MANAGE, run_drill).records("drill."),
        )
}

/// A half of ours as a line.
struct OwnLine {
    state: Shown,
    id: &'static str,
    title: &'static str,
    href: String,
    fact: String,
    note: String,
    owes: bool,
}

fn own_line(row: &'static Row, cell: Option<&Cell>) -> OwnLine {
    let href = format!("/provider/rows/{}", row.id);
    let Some(cell) = cell else {
        return OwnLine {
            state: Shown::Unknown,
            id: row.id,
            title: row.title_of(Side::Provider),
            href,
            fact: String::new(),
            note: "not checked yet".to_owned(),
            owes: true,
        };
    };
    let owes = cell.must_act(Side::Provider).includes(Side::Provider);
    let since = format!("since {}", cell.since.day_words());
    let good = cell.facts.first().map_or(cell.reason.as_str(), |fact| fact.sentence.as_str());
    OwnLine {
        state: cell.state().into(),
        id: row.id,
        title: row.title_of(Side::Provider),
        href,
        fact: if owes { cell.reason.clone() } else { String::new() },
        note: if owes { since } else { good.to_owned() },
        owes,
    }
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    columns: String,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "overview/show.html")]
struct OverviewPage {
    shell: Shell,
    figures: Figures,
    cells_owed: u32,
    ours: Vec<OwnLine>,
    we_owe: usize,
    not_built: usize,
    q: String,
    sorts: Vec<Choice>,
    columns: Vec<Choice>,
    heat: Html,
    lines: Vec<OrganizationLine>,
    pager: Pager,
}

struct OrganizationLine {
    name: String,
    slug: String,
    provider: bool,
    owes: u64,
    waits: u64,
    held: u64,
    since: Option<Timestamp>,
    evaluated: bool,
}

fn organization_line(standing: &Standing) -> OrganizationLine {
    OrganizationLine {
        name: standing.name.clone(),
        slug: standing.slug.clone(),
        provider: standing.kind == principals::OrganizationKind::Provider,
        owes: standing.owes,
        waits: standing.waits,
        held: standing.held,
        since: standing.oldest_since,
        evaluated: standing.evaluated,
    }
}

/// Where a page sorted by what is owed goes on: `7 0197…`.
fn owes_after(text: &str) -> Result<Option<(u64, OrganizationId)>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong =
        || Problem::invalid("`cursor` is not one that this list gave").field("cursor", "not readable");
    let (owes, id) = text.split_once(' ').ok_or_else(wrong)?;
    Ok(Some((owes.parse().map_err(|_| wrong())?, id.parse().map_err(|_| wrong())?)))
}

/// The heat map of one page: own cells of each organization; halves without a control only when asked for.
fn heat_map(page: &[(Standing, Vec<(&'static Row, CellState)>)], all: bool) -> Html {
    let columns: Vec<&'static Row> = rows::all_cells()
        .filter(|(_, side, half)| *side == Side::Customer && (all || half.is_built()))
        .map(|(row, _, _)| row)
        .collect();
    let rows = page
        .iter()
        .map(|(standing, states)| HeatRow {
            label: standing.name.clone(),
            href: String::new(),
            cells: columns
                .iter()
                .map(|row| {
                    let found = states.iter().find(|(one, _)| one.id == row.id);
                    found.map_or(Shown::Unknown, |(_, state)| Shown::from(*state))
                })
                .collect(),
        })
        .collect();
    let columns = columns.iter().map(|row| row.id.to_owned()).collect();
    HeatMap { title: "Organizations and their duties".to_owned(), columns, rows }.figure()
}

type Loaded = (Figures, Vec<(Standing, Vec<(&'static Row, CellState)>)>, Vec<Across>, Vec<cells::Placed>);

async fn show(State(app): State<App>, access: Access, Query(asked): Query<Asked>) -> platform::web::Result {
    let query = PageQuery { cursor: asked.cursor.clone(), limit: None, q: Some(asked.q.clone()) };
    let (after, search, now) = (query.after()?, query.search()?, access.ctx.now);
    // A search reads the names' index, so its hits come by name.
    let by_owes = search.is_empty() && asked.sort != "name";
    let place = if by_owes { owes_after(&after)? } else { None };
    let limit = query.limit()?;
    let (figures, mut page, across, ours): Loaded = app
        .db()
        .read(move |tx| {
            let standings = if by_owes {
                super::by_owes(tx, place, limit + 1)?
            } else {
                super::by_name(tx, &search, &after, limit + 1)?
            };
            let mut page = Vec::with_capacity(standings.len());
            for standing in standings {
                let states = super::states_of(tx, standing.id, now)?;
                page.push((standing, states));
            }
            let ours = match principals::provider(tx)? {
                Some(provider) => cells::of_organization(tx, provider.id)?,
                None => Vec::new(),
            };
            Ok::<_, Problem>((super::figures(tx)?, page, super::across(tx)?, ours))
        })
        .await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = page.len() > wanted;
    page.truncate(wanted);
    let base = format!(
        "/provider?q={}&sort={}&columns={}",
        encode(&asked.q),
        encode(&asked.sort),
        encode(&asked.columns)
    );
    let next = page.last().filter(|_| more).map(|(last, _)| {
        let key = if by_owes { format!("{} {}", last.owes, last.id) } else { last.slug.clone() };
        format!("{base}&cursor={}", cursor(&key))
    });
    let provider = |placed: &&cells::Placed| placed.side == Side::Provider;
    let built = rows::all_cells().filter(|(_, side, half)| *side == Side::Provider && half.is_built());
    let mut own: Vec<OwnLine> = built
        .map(|(row, _, _)| {
            let placed = ours.iter().filter(provider).find(|placed| placed.row.id == row.id);
            let cell =
                placed.map(|placed| cells::lapsed(&placed.cell, now).unwrap_or_else(|| placed.cell.clone()));
            own_line(row, cell.as_ref())
        })
        .collect();
    own.sort_by_key(|line| !line.owes);
    let cells_owed = across.iter().map(|half| half.customers_act).fold(0, u32::saturating_add);
    let shown = match (page.len(), asked.cursor.is_some() || next.is_some()) {
        (1, false) => "1 organization".to_owned(),
        (count, false) => format!("{count} organizations"),
        (count, true) => format!("{count} organizations on this page"),
    };
    platform::web::html(&OverviewPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Overview", OVERVIEW),
        figures,
        cells_owed,
        we_owe: own.iter().filter(|line| line.owes).count(),
        ours: own,
        not_built: rows::all_cells()
            .filter(|(_, side, half)| *side == Side::Provider && !half.is_built())
            .count(),
        sorts: vec![
            Choice::new("owes", "Most to do first", &asked.sort),
            Choice::new("name", "By short name", if by_owes { "" } else { "name" }),
        ],
        columns: vec![
            Choice::new("", "Duties with a control", &asked.columns),
            Choice::new("all", "All duties", &asked.columns),
        ],
        heat: heat_map(&page, asked.columns == "all"),
        lines: page.iter().map(|(standing, _)| organization_line(standing)).collect(),
        pager: Pager { shown, previous: asked.cursor.map(|_| base), next },
        q: asked.q,
    })
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

struct AcrossLine {
    id: &'static str,
    title: &'static str,
    href: String,
    bar: Html,
    words: String,
    acts: u32,
}

struct AreaLines {
    title: &'static str,
    about: &'static str,
    provider: Vec<AcrossLine>,
    customer: Vec<AcrossLine>,
    not_built: Vec<(&'static str, &'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "overview/rows.html")]
struct RowsPage {
    shell: Shell,
    areas: Vec<AreaLines>,
    built: usize,
    all: usize,
}

fn across_line(half: &Across) -> AcrossLine {
    let parts: Vec<Part> = Shown::ALL
        .into_iter()
        .map(|shown| {
            let count = CellState::ALL.into_iter().filter(|state| Shown::from(*state) == shown);
            Part::state(shown, count.map(|state| half.states.of(state)).sum())
        })
        .collect();
    let words: Vec<String> = parts
        .iter()
        .filter(|part| part.value > 0.0)
        .map(|part| format!("{} {}", chart::number(part.value), part.label.to_lowercase()))
        .collect();
    AcrossLine {
        id: half.row.id,
        title: half.row.title_of(half.side),
        href: format!("/provider/rows/{}", half.row.id),
        bar: chart::stacked_bar(half.row.id, &parts),
        words: if words.is_empty() { "not looked at yet".to_owned() } else { words.join(" · ") },
        acts: match half.side {
            Side::Provider => half.provider_acts,
            Side::Customer => half.customers_act,
        },
    }
}

async fn show_rows(State(app): State<App>, access: Access) -> platform::web::Result {
    let across = app.db().read(|tx| super::across(tx).map_err(Problem::from)).await?;
    let area = |area: RowArea| {
        let of = |side: Side| {
            across
                .iter()
                .filter(move |half| half.row.area == area && half.side == side && half.half.is_built())
        };
        AreaLines {
            title: area.title(),
            about: area.about(),
            provider: of(Side::Provider).map(across_line).collect(),
            customer: of(Side::Customer).map(across_line).collect(),
            not_built: across
                .iter()
                .filter(|half| half.row.area == area)
                .filter_map(|half| match half.half.control {
                    Control::NotBuilt { planned } => {
                        Some((half.row.id, half.row.title_of(half.side), planned))
                    }
                    Control::Built { .. } => None,
                })
                .collect(),
        }
    };
    platform::web::html(&RowsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Rows", ROWS),
        areas: RowArea::ALL.map(area).into_iter().collect(),
        built: across.iter().filter(|half| half.half.is_built()).count(),
        all: across.len(),
    })
}

#[derive(Debug, Default, Deserialize)]
struct AcrossAsked {
    #[serde(default)]
    state: String,
    cursor: Option<String>,
}

struct OwnHalf {
    state: Shown,
    words: &'static str,
    reason: String,
    since: Option<Timestamp>,
    facts: Vec<String>,
    control: &'static str,
    control_href: Option<String>,
    planned: Option<&'static str>,
    met_when: &'static str,
    drill: Option<(&'static str, &'static str, Option<DrillRun>)>,
    runs: bool,
    own_href: String,
}

struct ElsewhereLine {
    name: String,
    slug: String,
    state: Shown,
    waits_for: &'static str,
    since: Timestamp,
}

#[derive(Template)]
#[template(path = "overview/row.html")]
struct AcrossPage {
    shell: Shell,
    id: &'static str,
    title: &'static str,
    duty: &'static str,
    own: Option<OwnHalf>,
    may_manage: bool,
    customer: bool,
    planned: Option<&'static str>,
    tabs: Vec<NavItem>,
    lines: Vec<ElsewhereLine>,
    pager: Pager,
}

fn own_half(
    app: &App,
    slug: &str,
    row: &'static Row,
    cell: Option<Cell>,
    drill: Option<DrillRun>,
) -> Option<OwnHalf> {
    let half = row.half(Side::Provider)?;
    let state = cell.as_ref().map_or(CellState::Unknown, Cell::state);
    let (control_href, planned) = match half.control {
        Control::Built { page, .. } => (Some(page.href(slug)), None),
        Control::NotBuilt { planned } => (None, Some(planned)),
    };
    Some(OwnHalf {
        state: state.into(),
        words: state.words(),
        reason: match (&cell, planned) {
            (Some(cell), _) => cell.reason.clone(),
            (None, Some(planned)) => format!("not built; planned: {planned}"),
            (None, None) => "not checked yet".to_owned(),
        },
        since: cell.as_ref().map(|cell| cell.since),
        facts: cell.iter().flat_map(|cell| &cell.facts).map(|fact| fact.sentence.clone()).collect(),
        control: half.wording.control,
        control_href,
        planned,
        met_when: half.wording.met_when,
        drill: half.drill.map(|spec| (spec.id, spec.attack, drill)),
        runs: app.drills().any(|drill| drill.row == row.id),
        own_href: format!("/o/{slug}/rows/{}", row.id),
    })
}

fn elsewhere_line(one: &Elsewhere) -> ElsewhereLine {
    ElsewhereLine {
        name: one.name.clone(),
        slug: one.slug.clone(),
        state: one.state.into(),
        waits_for: match one.must_act {
            MustAct::Nobody => "",
            MustAct::Provider => "us",
            MustAct::Customer => "them",
            MustAct::Both => "them and us",
        },
        since: one.since,
    }
}

async fn show_row(
    State(app): State<App>,
    access: Access,
    Path(id): Path<String>,
    Query(asked): Query<AcrossAsked>,
) -> platform::web::Result {
    let row = row_of(&id)?;
    let query = PageQuery { cursor: asked.cursor.clone(), limit: None, q: None };
    let (after, limit, now) = (query.after()?, query.limit()?, access.ctx.now);
    let after = match after.as_str() {
        "" => None,
        text => Some(text.parse::<OrganizationId>().map_err(|_| {
            Problem::invalid("`cursor` is not one that this list gave").field("cursor", "not readable")
        })?),
    };
    let state = CellState::parse(&asked.state);
    let (cell, drill, slug, half, mut found) = app
        .db()
        .read(move |tx| {
            let provider = principals::provider(tx)?;
            let cell = match &provider {
                Some(provider) => {
                    cells::one(tx, &CellKey { organization: provider.id, row, side: Side::Provider })?
                }
                None => None,
            };
            let cell = cell.map(|cell| cells::lapsed(&cell, now).unwrap_or(cell));
            let found = super::elsewhere(tx, row, Side::Customer, state, after, limit + 1, now)?;
            let half = super::across(tx)?
                .into_iter()
                .find(|half| half.row.id == row.id && half.side == Side::Customer);
            let slug = provider.map(|provider| provider.slug).unwrap_or_default();
            Ok::<_, Problem>((cell, drills::last(tx, row)?, slug, half, found))
        })
        .await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    let base = format!("/provider/rows/{}?state={}", row.id, state.map_or("", CellState::as_str));
    let next =
        found.last().filter(|_| more).map(|last| format!("{base}&cursor={}", cursor(&last.id.to_string())));
    let tally = half.map(|half| half.states).unwrap_or_default();
    let mut tabs = vec![
        NavItem::new("All", format!("/provider/rows/{}", row.id))
            .current(state.is_none())
            .count(tally.total()),
    ];
    tabs.extend(CellState::ALL.into_iter().filter(|one| tally.of(*one) > 0 || state == Some(*one)).map(
        |one| {
            NavItem::new(Shown::from(one).label(), format!("/provider/rows/{}?state={one}", row.id))
                .current(state == Some(one))
                .count(tally.of(one))
        },
    ));
    let customer = row.half(Side::Customer);
    platform::web::html(&AcrossPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, row.title, ROWS),
        id: row.id,
        title: row.title,
        duty: row.duty,
        own: own_half(&app, &slug, row, cell, drill),
        may_manage: access.may(Permission::ProviderManage),
        customer: customer.is_some(),
        planned: customer.and_then(|half| match half.control {
            Control::NotBuilt { planned } => Some(planned),
            Control::Built { .. } => None,
        }),
        tabs,
        lines: found.iter().map(elsewhere_line).collect(),
        pager: Pager {
            shown: format!("{} organizations on this page", found.len()),
            previous: asked.cursor.map(|_| base),
            next,
        },
    })
}

/// Runs the row's drill now and shows how it ended.
async fn run_drill(State(app): State<App>, _access: Access, Path(id): Path<String>) -> platform::web::Result {
    let row = row_of(&id)?;
    let drills = drills::select(&app, &[row.id.to_owned()])
        .map_err(|refusal| Problem::invalid(refusal).cure("the rows with a drill show when it last ran"))?;
    let outcomes = drills::run(&app, &drills).await;
    crate::engine::jobs::catch_up(&app).await?;
    let to = format!("/provider/rows/{}", row.id);
    match outcomes.iter().find(|outcome| !outcome.passed) {
        Some(failed) => {
            browser::see_other_with(&to, Tone::Bad, &format!("The drill failed: {}", failed.detail))
        }
        None => browser::see_other_with(&to, Tone::Good, "The drill passed: nothing got through."),
    }
}
