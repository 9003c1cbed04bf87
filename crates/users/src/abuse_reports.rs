//! Reports of misuse: somebody says that an account, a sign-in or data is used without right, and two parties hear it.
//!
//! A report opens on both sides at once: the organization's admins and the provider's staff get a mail, each side sees it on
//! its page, says how it stands, and writes what it did; both read both. Whoever reported hears of each answer.
//!
//! - Any member reports in the console or over the API. Anybody else may, where the organization has opened a public page:
//!   its address is a token that the organization gives away, so that no address tells who is a customer here.
//! - What strangers write is bounded by the hour, and no mail is sent to the address they leave: nobody has proved it.
//! - Mails carry what a report is about and never its text, so that nobody writes to admins through them.
//! - **The channel is tested** by a report that is marked as a test and goes the whole way; it counts once the provider's side
//!   has answered it.

use std::time::Duration;

use platform::db::{Commit, DbError, ReadTx, Row, Tx};
use platform::events::Event;
use platform::evidence::Side;
use platform::ids::{AccountId, Id, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use crate::tokens::LinkToken;
use crate::{abuse_report_notices, organizations};

pub(crate) mod api;
pub(crate) mod evidence;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
pub(crate) mod tests;

platform::id! {
    /// A report of misuse.
    ReportId,
    /// What somebody wrote on a report.
    NoteId
}

/// How long an answered test of the channel counts.
pub const TEST_LASTS: Duration = Duration::from_secs(365 * DAY.as_secs());
pub const ABOUT_CHARS_MAX: usize = 200;
pub const BODY_CHARS_MAX: usize = 5000;
pub const NOTE_CHARS_MAX: usize = 2000;
/// Reports that one person opens in a day.
pub const OF_ONE_MAX: u64 = 20;
/// Reports that strangers open at one organization in an hour.
pub const OF_STRANGERS_MAX: u64 = 30;

/// What is misused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AbuseReportKind)]
pub enum Kind {
    /// An account is used by somebody it does not belong to.
    Account,
    /// A sign-in, a code or a mail that nobody asked for.
    SignIn,
    /// Data is read, changed or passed on without right.
    Data,
    /// Somebody poses as the organization or its people.
    Impostor,
    Other,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Self::Account, Self::SignIn, Self::Data, Self::Impostor, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::SignIn => "sign_in",
            Self::Data => "data",
            Self::Impostor => "impostor",
            Self::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Account => "An account is used by somebody else",
            Self::SignIn => "A sign-in or code that nobody asked for",
            Self::Data => "Data is read or changed without right",
            Self::Impostor => "Somebody poses as us or our people",
            Self::Other => "Something else",
        }
    }
}

/// How a report stands on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AbuseReportState)]
pub enum State {
    /// Nobody of this side has answered.
    New,
    Working,
    Resolved,
    /// There was no misuse.
    Dismissed,
}

impl State {
    pub const ALL: [State; 4] = [Self::New, Self::Working, Self::Resolved, Self::Dismissed];
    pub const ANSWERS: [State; 3] = [Self::Working, Self::Resolved, Self::Dismissed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Working => "working",
            Self::Resolved => "resolved",
            Self::Dismissed => "dismissed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::New => "Not answered",
            Self::Working => "Being worked on",
            Self::Resolved => "Resolved",
            Self::Dismissed => "No misuse found",
        }
    }
}

/// How a report stands on one side, and who said so when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    /// The name of who answered last; empty while nobody has.
    pub by: String,
    pub at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub organization: OrganizationId,
    pub id: ReportId,
    pub kind: Kind,
    pub test: bool,
    pub from_public_page: bool,
    pub reporter: Option<AccountId>,
    /// Proved where a member reported; else as somebody typed it, and may be empty.
    pub contact: String,
    pub about: String,
    pub body: String,
    pub opened_at: Timestamp,
    pub customer: Standing,
    pub provider: Standing,
}

impl Report {
    pub fn side(&self, side: Side) -> &Standing {
        match side {
            Side::Customer => &self.customer,
            Side::Provider => &self.provider,
        }
    }
}

fn read_report(row: &Row) -> Result<Report, DbError> {
    let standing = |at: usize| -> Result<Standing, DbError> {
        Ok(Standing { state: row.parse(at, State::parse)?, by: row.get(at + 1)?, at: row.get(at + 2)? })
    };
    Ok(Report {
        organization: row.get(0)?,
        id: row.get(1)?,
        kind: row.parse(2, Kind::parse)?,
        test: row.get(3)?,
        from_public_page: row.get::<String>(4)? == "public",
        reporter: row.get(5)?,
        contact: row.get(6)?,
        about: row.get(7)?,
        body: row.get(8)?,
        opened_at: row.get(9)?,
        customer: standing(10)?,
        provider: standing(13)?,
    })
}

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reporter {
    Member { account: Option<AccountId>, email: String },
    Stranger { contact: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    pub kind: Kind,
    pub about: String,
    pub body: String,
    pub test: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Done(Box<Report>),
    /// The reporter, or strangers together, opened as many as are taken for now.
    TooMany,
}

/// Opens a report on both sides, and tells both.
pub fn open(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    from: &Reporter,
    new: &NewReport,
) -> Result<Commit<Opened>, DbError> {
    organizations::lock(tx, organization)?;
    let (source, reporter, contact) = match from {
        Reporter::Member { account, email } => ("member", *account, email.clone()),
        Reporter::Stranger { contact } => ("public", None, contact.clone()),
    };
    let (known, max): (u64, u64) = match reporter {
        Some(account) => {
            let since = ctx.now.minus(DAY);
            (tx.scalar(&sql::COUNT_OF, params![organization, account, since])?.unwrap_or(0), OF_ONE_MAX)
        }
        None => {
            let since = ctx.now.minus(HOUR);
            let known = tx.scalar(&sql::COUNT_FROM, params![organization, source, since])?.unwrap_or(0);
            (known, OF_STRANGERS_MAX)
        }
    };
    if known >= max {
        return Ok(Commit::unchanged(Opened::TooMany));
    }
    let nobody = Standing { state: State::New, by: String::new(), at: None };
    let report = Report {
        organization,
        id: ctx.id(),
        kind: new.kind,
        test: new.test,
        from_public_page: source == "public",
        reporter,
        contact,
        about: new.about.clone(),
        body: new.body.clone(),
        opened_at: ctx.now,
        customer: nobody.clone(),
        provider: nobody,
    };
    let row = params![
        organization,
        report.id,
        report.kind.as_str(),
        report.test,
        source,
        reporter,
        report.contact.as_str(),
        report.about.as_str(),
        report.body.as_str(),
        ctx.now
    ];
    tx.execute(&sql::INSERT, row)?;
    abuse_report_notices::opened(app, ctx, tx, &report)?;
    let event = Event::new(organization, "abuse_report.opened")
        .target("abuse_report", report.id)
        .with("kind", report.kind.as_str())
        .with("source", source)
        .with("test", report.test)
        .personal("contact", &report.contact);
    let recorded = tx.record(event);
    if let Some(provider) = principals::provider(tx)?.filter(|provider| provider.id != organization) {
        let twin = Event::new(provider.id, "abuse_report.received").target("abuse_report", report.id);
        let _recorded = tx.record(twin.with("organization", organization).with("test", report.test));
    }
    Ok(Commit::changed(Opened::Done(Box::new(report)), recorded))
}

pub fn get(tx: &mut ReadTx, organization: OrganizationId, id: ReportId) -> Result<Option<Report>, DbError> {
    tx.first(&sql::GET, params![organization, id])?.as_ref().map(read_report).transpose()
}

/// Whether a list leaves out what this side has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Open,
    All,
}

/// Reports of an organization, the newest first; `before` is the id to go on below.
pub fn list(
    tx: &mut ReadTx,
    organization: OrganizationId,
    shown: Shown,
    before: Option<ReportId>,
    limit: u32,
) -> Result<Vec<Report>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    let all = i64::from(shown == Shown::All);
    tx.list(&sql::LIST, params![organization, before, all, limit], read_report)
}

/// The reports that somebody opened here, the newest first.
pub fn own(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    limit: u32,
) -> Result<Vec<Report>, DbError> {
    tx.list(&sql::OWN, params![organization, account, limit], read_report)
}

/// As the provider's staff see them: with the organization's name and slug.
pub fn list_all(
    tx: &mut ReadTx,
    shown: Shown,
    before: Option<ReportId>,
    limit: u32,
) -> Result<Vec<(Report, String, String)>, DbError> {
    let before = before.map_or_else(|| vec![0xff; 16], |id| id.bytes().to_vec());
    let read = |row: &Row| Ok((read_report(row)?, row.get(16)?, row.get(17)?));
    match shown {
        Shown::All => tx.list(&sql::EVERYBODYS, params![before, limit], read),
        Shown::Open => tx.list(&sql::EVERYBODYS_OPEN, params![before, limit], read),
    }
}

/// What somebody wrote on a report, with what their side said by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub side: Side,
    pub author: String,
    pub state: State,
    pub body: String,
    pub written_at: Timestamp,
}

pub fn notes(tx: &mut ReadTx, organization: OrganizationId, id: ReportId) -> Result<Vec<Note>, DbError> {
    tx.list(&sql::NOTES, params![organization, id], |row| {
        Ok(Note {
            side: row.parse(0, Side::parse)?,
            author: row.get(1)?,
            state: row.parse(2, State::parse)?,
            body: row.get(3)?,
            written_at: row.get(4)?,
        })
    })
}

/// What a side says about a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub side: Side,
    pub by: String,
    pub state: State,
    /// May be empty.
    pub note: String,
}

/// Says how a report stands on one side; whoever reported as a member hears it. `None`: there is no such report.
pub fn answer(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ReportId,
    answer: &Answer,
) -> Result<Commit<Option<Report>>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(before) = get(tx, organization, id)? else { return Ok(Commit::unchanged(None)) };
    let state = answer.state.as_str();
    let statement = match answer.side {
        Side::Customer => &sql::ANSWER_CUSTOMER,
        Side::Provider => &sql::ANSWER_PROVIDER,
    };
    tx.execute(statement, params![organization, id, state, answer.by.as_str(), ctx.now])?;
    let note: NoteId = ctx.id();
    let row = params![
        organization,
        id,
        note,
        answer.side.as_str(),
        answer.by.as_str(),
        state,
        answer.note.as_str(),
        ctx.now
    ];
    tx.execute(&sql::INSERT_NOTE, row)?;
    abuse_report_notices::answered(app, ctx, tx, &before, answer)?;
    let event = Event::new(organization, "abuse_report.answered")
        .target("abuse_report", id)
        .with("side", answer.side)
        .with("from", before.side(answer.side).state.as_str())
        .with("state", state)
        .with("test", before.test);
    let recorded = tx.record(event);
    if answer.side == Side::Provider
        && let Some(provider) = principals::provider(tx)?.filter(|provider| provider.id != organization)
    {
        let twin = Event::new(provider.id, "abuse_report.answered").target("abuse_report", id);
        let _recorded = tx.record(twin.with("organization", organization).with("state", state));
    }
    Ok(get(tx, organization, id)?
        .map_or_else(|| Commit::unchanged(None), |after| Commit::changed(Some(after), recorded)))
}

/// How the channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// When the provider answered the last test.
    pub tested_at: Option<Timestamp>,
    /// A later test that the provider has not answered yet.
    pub waiting_since: Option<Timestamp>,
}

impl Channel {
    /// Until when the last test counts, if it does.
    pub fn counts_until(self, now: Timestamp) -> Option<Timestamp> {
        self.tested_at.map(|at| at.plus(TEST_LASTS)).filter(|end| *end > now)
    }
}

pub fn channel(tx: &mut ReadTx, organization: OrganizationId) -> Result<Channel, DbError> {
    let tested_at: Option<Option<Timestamp>> = tx.scalar(&sql::TESTED_AT, params![organization])?;
    let waiting: Option<Option<Timestamp>> = tx.scalar(&sql::TEST_WAITS, params![organization])?;
    Ok(Channel { tested_at: tested_at.flatten(), waiting_since: waiting.flatten() })
}

/// The token in the address of the organization's public page, while it has one.
pub fn page_token(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<String>, DbError> {
    tx.scalar(&sql::PAGE, params![organization])
}

/// Whose public page this is: an active organization's.
pub fn of_page(tx: &mut ReadTx, token: &str) -> Result<Option<OrganizationId>, DbError> {
    tx.scalar(&sql::OF_PAGE, params![token])
}

/// Opens the public page at a new address, or closes it; `None`: it was closed already.
pub fn set_page(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    open: bool,
) -> Result<Commit<Option<String>>, DbError> {
    organizations::lock(tx, organization)?;
    let before = tx.execute(&sql::CLOSE_PAGE, params![organization])?;
    if !open {
        if before == 0 {
            return Ok(Commit::unchanged(None));
        }
        let recorded = tx.record(Event::new(organization, "abuse_report.page_closed"));
        return Ok(Commit::changed(None, recorded));
    }
    let token = LinkToken::generate(&mut |bytes| ctx.fill(bytes)).text();
    tx.execute(&sql::OPEN_PAGE, params![organization, token.as_str(), ctx.now])?;
    let recorded = tx.record(Event::new(organization, "abuse_report.page_opened"));
    Ok(Commit::changed(Some(token), recorded))
}
