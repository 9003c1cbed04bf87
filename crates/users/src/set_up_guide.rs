//! Guided set-up: what an organization does first, in order, each step judged by what is really there.
//!
//! Nobody ticks a step off. A step is done when its control says so (a verified domain, a decided policy, a directory
//! whose token was used), or skipped with a reason that stands in the audit log. How far an organization is, is kept in a
//! derived table, so that the provider can list thousands: it follows the feed, and a daily job looks at every
//! organization that has not finished. Who once finished has: the matrix watches from there on.

use platform::App;
use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::evidence::{EvidenceSource, Side, Verdict};
use platform::ids::{Id, OrganizationId};
use platform::params;
use platform::principals::{self, OrganizationKind, OrganizationState};
use platform::time::Timestamp;

use crate::{directories, enrolment, organizations};

pub(crate) mod api;
pub(crate) mod jobs;
pub(crate) mod pages;
pub(crate) mod provider_pages;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use jobs::consumer_step;

/// In the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Domain,
    Claim,
    Policy,
    SecondFactor,
    IdentityProvider,
    Provisioning,
    Awareness,
    Contacts,
    Review,
}

impl Step {
    pub const ALL: [Step; 9] = [
        Self::Domain,
        Self::Claim,
        Self::Policy,
        Self::SecondFactor,
        Self::IdentityProvider,
        Self::Provisioning,
        Self::Awareness,
        Self::Contacts,
        Self::Review,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Claim => "claim",
            Self::Policy => "policy",
            Self::SecondFactor => "second_factor",
            Self::IdentityProvider => "identity_provider",
            Self::Provisioning => "provisioning",
            Self::Awareness => "awareness",
            Self::Contacts => "contacts",
            Self::Review => "review",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Domain => "Verify your domain",
            Self::Claim => "Claim the accounts on it",
            Self::Policy => "Decide how your people sign in",
            Self::SecondFactor => "Roll out a second factor",
            Self::IdentityProvider => "Connect your identity provider",
            Self::Provisioning => "Let your directory provision people",
            Self::Awareness => "Tell people about passwords",
            Self::Contacts => "Name who is told of a breach",
            Self::Review => "Review who has access",
        }
    }

    /// Why it matters, in a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::Domain => "Only a proved domain makes the accounts on it yours to manage.",
            Self::Claim => "A claimed account follows your policies, and leaves with the person.",
            Self::Policy => "A default that nobody chose fits nobody.",
            Self::SecondFactor => "A stolen password alone then opens nothing.",
            Self::IdentityProvider => "People sign in where you already look after them.",
            Self::Provisioning => "Who leaves your company is out here within minutes.",
            Self::Awareness => "Most break-ins begin with a password that was given away.",
            Self::Contacts => "In the first hours of a breach somebody of yours has to be reached.",
            Self::Review => "Access that nobody needs any more is found by looking.",
        }
    }

    /// The row of the matrix that it serves.
    pub fn row(self) -> &'static str {
        match self {
            Self::Domain | Self::Claim => "USR-C1",
            Self::Policy => "USR-C4",
            Self::SecondFactor | Self::IdentityProvider => "USR-C5",
            Self::Provisioning => "USR-P4",
            Self::Awareness => "USR-C8",
            Self::Contacts => "POL-C4",
            Self::Review => "USR-C3",
        }
    }

    /// The page that does it.
    fn page(self) -> &'static str {
        match self {
            Self::Domain | Self::Claim => crate::domains::pages::LIST,
            Self::Policy => crate::policies::pages::PATH,
            Self::SecondFactor => crate::enrolment::pages::PATH,
            Self::IdentityProvider => crate::single_sign_on::pages::LIST,
            Self::Provisioning => crate::directories::pages::LIST,
            Self::Awareness => crate::awareness::pages::PATH,
            Self::Contacts => "/o/{organization}/breach-contacts",
            Self::Review => crate::access_reviews::pages::LIST,
        }
    }

    /// Whether the evidence of its row judges it.
    fn by_evidence(self) -> bool {
        matches!(self, Self::Policy | Self::Awareness | Self::Contacts | Self::Review)
    }
}

/// What this program can see: the evidence that judges steps. A step whose control is not in the program is no step.
#[derive(Clone)]
pub struct Sources(Vec<(Step, Option<&'static EvidenceSource>)>);

impl Sources {
    pub fn of(app: &App) -> Self {
        let found = |step: Step| {
            let evidence =
                app.evidence().find(|source| source.row == step.row() && source.side == Side::Customer);
            match step.by_evidence() {
                true => evidence.map(|source| (step, Some(source))),
                false => Some((step, None)),
            }
        };
        Self(Step::ALL.into_iter().filter_map(found).collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Done,
    Open,
    Skipped { reason: String, by: String, at: Timestamp },
}

/// One step as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    pub step: Step,
    pub standing: Standing,
    /// What was seen, one clause.
    pub seen: String,
    pub href: String,
}

/// The steps of an organization, judged now.
pub fn look(
    tx: &mut ReadTx,
    sources: &Sources,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Vec<Stand>, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let skips = tx.list(&sql::SKIPS, params![organization], |row| {
        let step: String = row.get(0)?;
        Ok((step, Standing::Skipped { reason: row.get(1)?, by: row.get(2)?, at: row.get(3)? }))
    })?;
    // Both steps about managed accounts ask for it, and it looks at each of them.
    let mut managed = None;
    let mut stands = Vec::new();
    for (step, source) in &sources.0 {
        let page = step.page().replace("{organization}", &slug);
        let (done, seen, href) = match source {
            Some(source) => {
                let finding = (source.evaluate)(tx, organization, now)?;
                let done = matches!(finding.state, Verdict::Met);
                let href = finding.action.map_or(page, |action| action.href);
                (done, finding.reason, href)
            }
            None => {
                let (done, seen) = see(tx, *step, organization, &mut managed)?;
                (done, seen, page)
            }
        };
        let skip = skips.iter().find(|(name, _)| name == step.as_str()).map(|(_, skip)| skip.clone());
        let standing = match (done, skip) {
            (true, _) => Standing::Done,
            (false, Some(skip)) => skip,
            (false, None) => Standing::Open,
        };
        stands.push(Stand { step: *step, standing, seen, href });
    }
    Ok(stands)
}

fn count(
    tx: &mut ReadTx,
    statement: &'static platform::db::Statement,
    of: OrganizationId,
) -> Result<u64, DbError> {
    Ok(tx.scalar(statement, params![of])?.unwrap_or(0))
}

fn how_many(count: u64, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {one} yet"),
        1 => format!("one {one}"),
        count => format!("{count} {many}"),
    }
}

/// What is there of a step that no evidence of a row judges.
fn see(
    tx: &mut ReadTx,
    step: Step,
    organization: OrganizationId,
    managed: &mut Option<enrolment::Standing>,
) -> Result<(bool, String), DbError> {
    let mut of_managed = |tx: &mut ReadTx| match *managed {
        Some(standing) => Ok(standing),
        None => enrolment::standing(tx, organization).map(|standing| *managed.insert(standing)),
    };
    Ok(match step {
        Step::Domain => {
            let verified = count(tx, &sql::VERIFIED, organization)?;
            (verified > 0, how_many(verified, "verified domain", "verified domains"))
        }
        Step::Claim => {
            let managed = of_managed(tx)?.managed;
            (managed > 0, how_many(managed, "managed account", "managed accounts"))
        }
        Step::SecondFactor => {
            let all = of_managed(tx)?;
            let enough = all.managed > 0 && all.enrolled * 100 >= all.managed * 95;
            (enough, format!("{} of {} managed accounts have a second factor", all.enrolled, all.managed))
        }
        Step::IdentityProvider => {
            let connected = count(tx, &sql::CONNECTED, organization)?;
            (connected > 0, how_many(connected, "connection in use", "connections in use"))
        }
        Step::Provisioning => {
            let used = count(tx, &sql::PROVISIONED, organization)?;
            let seen =
                match (used, directories::list(tx, organization)?.iter().any(|one| one.kind == "linked")) {
                    (0, true) => "a directory is linked, and has sent nothing yet".to_owned(),
                    (0, false) => "no directory is linked".to_owned(),
                    (used, _) => how_many(used, "directory provisions", "directories provision"),
                };
            (used > 0, seen)
        }
        // Judged by the evidence of their rows.
        Step::Policy | Step::Awareness | Step::Contacts | Step::Review => (false, String::new()),
    })
}

/// How far an organization is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: u32,
    pub skipped: u32,
    pub steps: u32,
    pub next: Option<Step>,
    pub finished_at: Option<Timestamp>,
    /// Not shown on the first screen any more.
    pub hidden: bool,
}

fn read_progress(row: &Row) -> Result<Progress, DbError> {
    let next: String = row.get(3)?;
    Ok(Progress {
        done: row.get(0)?,
        skipped: row.get(1)?,
        steps: row.get(2)?,
        next: Step::parse(&next),
        finished_at: row.get(4)?,
        hidden: row.get(5)?,
    })
}

/// What is kept of the progress; `None`: nobody looked yet.
pub fn progress(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<Progress>, DbError> {
    tx.first(&sql::PROGRESS, params![organization])?.as_ref().map(read_progress).transpose()
}

/// How far an organization was found to be.
pub(crate) struct Found {
    done: usize,
    skipped: usize,
    steps: usize,
    next: Option<Step>,
}

/// Looks at a customer's steps; `None`: it is none, or is no longer active.
pub(crate) fn find(
    tx: &mut ReadTx,
    sources: &Sources,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<Found>, DbError> {
    let whose = principals::organization(tx, organization)?;
    let customer = whose.is_some_and(|whose| {
        whose.kind == OrganizationKind::Customer && whose.state == OrganizationState::Active
    });
    if !customer {
        return Ok(None);
    }
    let stands = look(tx, sources, organization, now)?;
    let how_many =
        |wanted: &dyn Fn(&Standing) -> bool| stands.iter().filter(|stand| wanted(&stand.standing)).count();
    Ok(Some(Found {
        done: how_many(&|standing| *standing == Standing::Done),
        skipped: how_many(&|standing| matches!(standing, Standing::Skipped { .. })),
        steps: stands.len(),
        next: stands.iter().find(|stand| stand.standing == Standing::Open).map(|stand| stand.step),
    }))
}

/// Keeps how far it is.
pub(crate) fn keep(
    tx: &mut Tx,
    organization: OrganizationId,
    found: &Found,
    now: Timestamp,
) -> Result<(), DbError> {
    let finished = found.next.is_none();
    tx.execute(
        &sql::KEEP,
        params![
            organization,
            found.done,
            found.skipped,
            found.steps,
            found.next.map_or("", Step::as_str),
            found.next.map_or("", Step::label),
            finished,
            finished.then_some(now),
            now
        ],
    )?;
    Ok(())
}

/// Looks at a customer's steps and keeps how far it is.
pub fn refresh(
    tx: &mut Tx,
    sources: &Sources,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<(), DbError> {
    match find(tx, sources, organization, now)? {
        Some(found) => keep(tx, organization, &found, now),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipping {
    Done,
    /// Nothing is left to leave out.
    DoneAlready,
    NotSkipped,
    /// This program has no such step.
    NoSuchStep,
}

/// Leaves a step out, with a reason.
pub fn skip(
    ctx: &Ctx,
    tx: &mut Tx,
    (sources, organization): (&Sources, OrganizationId),
    by: &str,
    (step, reason): (Step, &str),
) -> Result<Commit<Skipping>, DbError> {
    organizations::lock(tx, organization)?;
    let stands = look(tx, sources, organization, ctx.now)?;
    let Some(stand) = stands.iter().find(|stand| stand.step == step) else {
        return Ok(Commit::unchanged(Skipping::NoSuchStep));
    };
    if stand.standing == Standing::Done {
        return Ok(Commit::unchanged(Skipping::DoneAlready));
    }
    tx.execute(&sql::SKIP, params![organization, step.as_str(), reason, by, ctx.now])?;
    refresh(tx, sources, organization, ctx.now)?;
    let event = Event::new(organization, "set_up_guide.step_skipped").target("step", step.as_str());
    let recorded = tx.record(event.personal("reason", reason));
    Ok(Commit::changed(Skipping::Done, recorded))
}

/// Takes a step up again.
pub fn take_up(
    ctx: &Ctx,
    tx: &mut Tx,
    (sources, organization): (&Sources, OrganizationId),
    step: Step,
) -> Result<Commit<Skipping>, DbError> {
    organizations::lock(tx, organization)?;
    if tx.execute(&sql::TAKE_UP, params![organization, step.as_str()])? == 0 {
        return Ok(Commit::unchanged(Skipping::NotSkipped));
    }
    refresh(tx, sources, organization, ctx.now)?;
    let event = Event::new(organization, "set_up_guide.step_taken_up").target("step", step.as_str());
    let recorded = tx.record(event);
    Ok(Commit::changed(Skipping::Done, recorded))
}

/// Shows the guide on the first screen, or no longer.
pub fn set_hidden(
    ctx: &Ctx,
    tx: &mut Tx,
    (sources, organization): (&Sources, OrganizationId),
    hidden: bool,
) -> Result<Commit<()>, DbError> {
    organizations::lock(tx, organization)?;
    refresh(tx, sources, organization, ctx.now)?;
    tx.execute(&sql::SET_HIDDEN, params![organization, hidden])?;
    let action = if hidden { "set_up_guide.hidden" } else { "set_up_guide.shown" };
    let recorded = tx.record(Event::new(organization, action));
    Ok(Commit::changed((), recorded))
}

// ---- the provider's view

/// How many organizations finished, and how many have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub finished: u64,
    pub under_way: u64,
}

impl Tally {
    pub fn all(self) -> u64 {
        self.finished + self.under_way
    }
}

pub fn tally(tx: &mut ReadTx) -> Result<Tally, DbError> {
    let mut tally = Tally::default();
    for row in tx.query(&sql::TALLY, &[])? {
        match row.get::<u32>(0)? {
            0 => tally.under_way = row.get(1)?,
            _ => tally.finished = row.get(1)?,
        }
    }
    Ok(tally)
}

/// One organization in the provider's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: OrganizationId,
    pub slug: String,
    pub name: String,
    pub progress: Progress,
}

fn read_listed(row: &Row) -> Result<Listed, DbError> {
    Ok(Listed { progress: read_progress(row)?, id: row.get(6)?, slug: row.get(7)?, name: row.get(8)? })
}

/// Organizations that finished or have not, those first that did the least; `after` is the last one of the page before.
pub fn by_progress(
    tx: &mut ReadTx,
    finished: bool,
    after: Option<(u32, OrganizationId)>,
    limit: u32,
) -> Result<Vec<Listed>, DbError> {
    let (done, id) = after.map_or((-1, vec![0; 16]), |(done, id)| (i64::from(done), id.bytes().to_vec()));
    tx.list(&sql::BY_PROGRESS, params![finished, done, id, limit], read_listed)
}

/// Organizations whose slug begins with `search`, by slug after `after`.
pub fn by_slug(tx: &mut ReadTx, search: &str, after: &str, limit: u32) -> Result<Vec<Listed>, DbError> {
    let until = format!("{search}\u{10ffff}");
    tx.list(&sql::BY_SLUG, params![after, search, until, limit], read_listed)
}
