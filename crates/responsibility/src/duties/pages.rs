//! The page of one row.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::evidence::{NextAction, Side};
use platform::ids::OrganizationId;
use platform::principals::OrganizationKind;
use platform::time::Timestamp;
use platform::web::extract::Path;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{Shell, State as Shown};
use platform::web::{Access, Problem};

use crate::attestations::{self, Kind, Standing};
use crate::drills;
use crate::engine::facts_reader;
use crate::history::{self, Entry};
use crate::matrix::api::{READ, row_of};
use crate::matrix::pages::{MATRIX, Parties};
use crate::matrix::{self, Line};
use crate::rows::Control;
use crate::states::{Basis, DrillRun, MustAct};

const ROW: &str = "/o/{organization}/rows/{row}";

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(ROW, "matrix.show_row_page", READ, show_row))
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
    pub(crate) fn new(slug: &str, own: OrganizationId, entry: &Entry) -> Self {
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
#[template(path = "duties/row.html")]
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
    organization: OrganizationId,
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
            let matrix = matrix::load(tx, &organization, facts, now)?;
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
