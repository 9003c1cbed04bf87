//! Canaries: what drills attack instead of customers.
//!
//! A canary organization has a verified domain and people, all made by the rules that make real ones, and lives inside a
//! transaction that is rolled back. So nobody else ever sees it, it owns no credential that could be stolen, a crash in the
//! middle leaves nothing behind, and no list, count or export has to leave it out. What remains of a drill is its result in
//! the provider's ledger. What a canary cannot try is what happens before a transaction; each drill says what that is.

use platform::access::Role;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::{self, Event};
use platform::evidence::{DrillReport, Fact, Finding};
use platform::ids::{OrganizationId, Slug};
use platform::principals::{self, Account, AccountState, Membership, MembershipSource, MembershipState};
use platform::{App, Ctx};

use crate::domains;
use crate::names::Name;
use crate::organizations::{self, Founding};

/// Why a drill cannot go on.
pub enum Stop {
    /// The store failed: the drill broke off and proves nothing.
    Db(DbError),
    /// A rule did not do for the canary what it does for everybody: that is a failed drill, too.
    Broken(String),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

pub fn broken<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Broken(what.into()))
}

/// Separates the two kinds of [`Stop`].
pub fn settle<T>(result: Result<T, Stop>) -> Result<Result<T, String>, DbError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Broken(what)) => Ok(Err(what)),
        Err(Stop::Db(error)) => Err(error),
    }
}

pub struct Canary {
    pub organization: OrganizationId,
    /// Verified.
    pub domain: String,
}

impl Canary {
    /// Founds the organization, and proves its domain.
    pub fn found(app: &App, ctx: &Ctx, tx: &mut Tx) -> Result<Self, Stop> {
        let mut bytes = [0; 8];
        ctx.fill(&mut bytes);
        let (Ok(name), Ok(slug)) =
            (Name::parse("Canary"), Slug::parse(&format!("drill-{}", hex::encode(bytes))))
        else {
            return broken("the canary has no name");
        };
        let made = organizations::create(ctx, tx, None, &name, &slug)?;
        let Founding::Done(organization) = made.value() else {
            return broken("no canary organization could be made");
        };
        let Some(domain) = domains::drill::canary_domain(app, ctx, tx, organization.id)? else {
            return broken("the domain of the canary could not be verified");
        };
        Ok(Self { organization: organization.id, domain })
    }

    pub fn address(&self, local: &str) -> String {
        format!("{local}@{}", self.domain)
    }

    /// An active account that the organization manages, and its membership.
    pub fn person(&self, ctx: &Ctx, tx: &mut Tx, local: &str) -> Result<Account, Stop> {
        let account = Account {
            id: ctx.id(),
            email: self.address(local),
            email_domain: self.domain.clone(),
            name: "Canary".to_owned(),
            state: AccountState::Active,
            managed_by: Some(self.organization),
            managed_since: Some(ctx.now),
            created_at: ctx.now,
        };
        let member = Membership {
            organization: self.organization,
            account: account.id,
            role: Role::Admin,
            state: MembershipState::Active,
            source: MembershipSource::Operator,
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: ctx.now,
        };
        if !principals::insert_account(tx, &account)? || !principals::insert_membership(tx, &member)? {
            return broken("a canary account could not be made");
        }
        Ok(account)
    }
}

/// Runs `attack` in a transaction that is rolled back whatever it gives.
pub async fn rolled_back<T, F>(app: &App, ctx: &Ctx, attack: F) -> Result<Result<T, String>, DbError>
where
    T: Send + 'static,
    F: Fn(&App, &Ctx, &mut Tx) -> Result<T, Stop> + Send + Sync + 'static,
{
    let (inside, at) = (app.clone(), ctx.clone());
    let tried = app.db().write(ctx, move |tx| {
        let given = settle(attack(&inside, &at, tx))?;
        Ok::<_, DbError>(Commit::unchanged(given))
    });
    Ok(tried.await?.value)
}

/// Records how a drill ended, with how each of its parts did.
pub async fn record(
    app: &App,
    ctx: &Ctx,
    provider: OrganizationId,
    (row, drill): (&'static str, &'static str),
    report: &DrillReport,
    parts: &[(&'static str, &'static str)],
) -> Result<(), DbError> {
    let (report, parts) = (report.clone(), parts.to_vec());
    let written = app.db().write(ctx, move |tx| {
        let action = if report.passed { "drill.passed" } else { "drill.failed" };
        let event = Event::new(provider, action)
            .target("row", row)
            .with("row", row)
            .with("drill", drill)
            .with("detail", &report.detail);
        let event = parts.iter().fold(event, |event, (name, value)| event.with(name, value));
        let recorded = tx.record(event);
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    written.await.map(drop)
}

/// A part of a drill: its field in the event that reports it, what it is about, and how it must end.
pub struct Part {
    pub field: &'static str,
    pub about: &'static str,
    pub right: &'static str,
}

/// Other events about a row that may have come since its drill.
const LOOKED_AT: u32 = 50;

/// What the last drill of a row of the provider's says, with each of its parts as a fact.
pub fn last_run(
    tx: &mut ReadTx,
    row: &'static str,
    met: &'static str,
    parts: impl Iterator<Item = Part>,
) -> Result<Finding, DbError> {
    const PAGE: &str = "/provider/drills";
    let Some(provider) = principals::provider(tx)? else {
        return Ok(Finding::unknown("this installation is not set up"));
    };
    let about = events::about(tx, provider.id, "row", row, LOOKED_AT)?;
    let Some(last) = about.into_iter().find(|event| event.action.starts_with("drill.")) else {
        return Ok(Finding::unknown("the drill has not run yet").with_action("Run the drill", PAGE, 1));
    };
    let mut finding = if last.action == "drill.passed" {
        Finding::met(met)
    } else {
        let detail = last.public.get("detail").cloned().unwrap_or_default();
        Finding::not_met(detail).with_action("Look at the drill", PAGE, 10)
    };
    for part in parts {
        let Some(told) = last.public.get(part.field) else { continue };
        let sentence = format!("{}: {}", part.about, told.replace('_', " "));
        finding = finding.with_fact(Fact::flag(part.field, told == part.right, sentence));
    }
    let at = format!("drilled on {}", last.at.minute_words());
    Ok(finding.with_fact(Fact::time("drilled_at", last.at, at)))
}
