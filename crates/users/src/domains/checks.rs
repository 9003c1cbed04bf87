//! From what a check saw to a state: the first proof, the check on demand and the scheduled one share these rules.

use std::time::Duration;

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::mail::{self, Message};
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::name::{DomainName, Reserved};
use super::proof::{self, Gone, Proof, Report, Seen, Verdict};
use super::{
    AT_RISK_FOR, DOUBT_EVERY, Domain, DomainId, MISSES_MAX, ProverService, SUSPENDED_FOR, State, find,
    holder, silence, sql,
};
use crate::accounts::join;

/// How a check on demand ended.
#[derive(Debug, Clone)]
pub enum Checked {
    /// The first proof: the domain is the organization's now.
    Verified(Domain),
    /// The proof is back.
    Recovered(Domain),
    /// Held, and the proof is there.
    Held(Domain),
    /// The proof of a held domain was not seen. Only the scheduled check draws consequences, at its own pace.
    Missing(Domain, Refused),
    Refused(Domain, Refused),
    /// Lost or removed: nothing to check.
    WrongState(Domain),
    NoSuchDomain,
}

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    TokenExpired,
    NotThere(Gone),
    Undecided(String),
    /// The proof is right, but another organization holds the domain; its own proof is looked at next.
    HeldElsewhere,
    /// The token was renewed while the check ran.
    Changed,
}

impl Refused {
    /// For the audit log and programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::NotThere(gone) => gone.name(),
            Self::Undecided(_) => "undecided",
            Self::HeldElsewhere => "held_elsewhere",
            Self::Changed => "changed_meanwhile",
        }
    }

    /// What is wrong and what to do, in one or two sentences.
    pub fn words(&self, domain: &Domain) -> String {
        match self {
            Self::TokenExpired => "The token has expired. Get a new one and publish that.".to_owned(),
            Self::NotThere(Gone::Absent) => format!(
                "Neither the record nor the file is there yet. Check that the name is exactly `{}`; new records can \
                 take some minutes, rarely hours, to be seen everywhere.",
                domain.record_name()
            ),
            Self::NotThere(Gone::Different) => {
                "Something else stands there. Copy the value again, without quotes or spaces around it."
                    .to_owned()
            }
            Self::NotThere(Gone::Wildcard) => format!(
                "The record is a wildcard: it answers for every name, which proves nothing. Publish it at exactly `{}`.",
                domain.record_name()
            ),
            Self::Undecided(reason) => {
                format!("This could not be decided: {reason}. Try again in a few minutes.")
            }
            Self::HeldElsewhere => format!(
                "Your proof is right, but another organization holds `{}`. Its proof is being looked at now; if it is \
                 gone, the domain becomes free in about two weeks.",
                domain.name
            ),
            Self::Changed => "The token changed while this check ran. Check again.".to_owned(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("this program was started without a way to look at domains")]
    NoProver,
}

/// Stored names were parsed before; those of tests and the demo may be reserved ones.
pub(super) fn stored_name(name: &str) -> Option<DomainName> {
    DomainName::parse_with(name, Reserved::Allow).ok()
}

/// Checks one domain now. The network is asked before the transaction, never inside.
pub async fn check(
    app: &App,
    ctx: &Ctx,
    organization: OrganizationId,
    id: DomainId,
) -> Result<Checked, Error> {
    let found = app.db().read(move |tx| find(tx, organization, id)).await?;
    let Some(domain) = found else { return Ok(Checked::NoSuchDomain) };
    if !domain.state.is_held() && domain.state != State::Pending {
        return Ok(Checked::WrongState(domain));
    }
    let prover = app.find_service::<ProverService>().ok_or(Error::NoProver)?;
    let Some(name) = stored_name(&domain.name) else { return Ok(Checked::WrongState(domain)) };
    let seen = prover.look(&name).await;
    let (app_in, at, token) = (app.clone(), ctx.clone(), domain.token.clone());
    let written =
        app.db().write(ctx, move |tx| apply(&app_in, &at, tx, organization, id, &token, &seen)).await;
    match written {
        Ok(done) => Ok(done.value),
        // Two organizations proved it in the same moment; the index let one through.
        Err(DbError::Unique(_)) => Ok(Checked::Refused(domain, Refused::HeldElsewhere)),
        Err(error) => Err(error.into()),
    }
}

/// Decides about what was seen while the domain's token was `token`.
pub fn apply(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
    token: &str,
    seen: &Seen,
) -> Result<Commit<Checked>, DbError> {
    let Some(domain) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Checked::NoSuchDomain));
    };
    if domain.token != token {
        return Ok(Commit::unchanged(Checked::Refused(domain, Refused::Changed)));
    }
    match domain.state {
        State::Pending => first_proof(app, ctx, tx, domain, seen),
        State::Lost | State::Removed => Ok(Commit::unchanged(Checked::WrongState(domain))),
        _ => held_on_demand(app, ctx, tx, domain, seen),
    }
}

fn report_json(report: &Report) -> Result<String, DbError> {
    serde_json::to_string(report)
        .map_err(|error| DbError::Other { statement: "domains::checks", message: error.to_string() })
}

fn reread(tx: &mut Tx, domain: Domain) -> Result<Domain, DbError> {
    Ok(find(tx, domain.organization, domain.id)?.unwrap_or(domain))
}

fn first_proof(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    domain: Domain,
    seen: &Seen,
) -> Result<Commit<Checked>, DbError> {
    let (organization, id) = (domain.organization, domain.id);
    let (verdict, report) = proof::judge(&domain.token, seen, None);
    let json = report_json(&report)?;
    let refused = match verdict {
        _ if domain.token_expired(ctx.now) => Refused::TokenExpired,
        Verdict::Gone(gone) => Refused::NotThere(gone),
        Verdict::Undecided(reason) => Refused::Undecided(reason),
        Verdict::Proved(proof) => match holder(tx, &domain.name)? {
            Some(_) => {
                tx.execute(&sql::BRING_FORWARD, params![domain.name.as_str(), ctx.now])?;
                Refused::HeldElsewhere
            }
            None => {
                let due = ctx.now.plus(app.config().domain_check_every);
                let resolvers = proof.resolvers.join(" ");
                let method = proof.method.as_str();
                let set = params![
                    organization,
                    id,
                    ctx.now,
                    method,
                    proof.hash,
                    resolvers,
                    json,
                    due,
                    domain.token.as_str()
                ];
                tx.execute(&sql::SET_VERIFIED, set)?;
                tx.execute(&sql::RESOLVE_LOSSES, params![organization, domain.name.as_str(), ctx.now])?;
                let event = Event::new(organization, "domain.verified").target("domain", id);
                let recorded = tx.record(event.with("name", &domain.name).with("method", method));
                crate::provisioning::domain_verified(ctx, tx, organization, &domain.name)?;
                let domain = reread(tx, domain)?;
                return Ok(Commit::changed(Checked::Verified(domain), recorded));
            }
        },
    };
    tx.execute(&sql::SET_REPORT, params![organization, id, ctx.now, json])?;
    let event = Event::new(organization, "domain.proof_refused").target("domain", id);
    let recorded = tx.record(event.with("name", &domain.name).with("reason", refused.name()));
    let domain = reread(tx, domain)?;
    Ok(Commit::changed(Checked::Refused(domain, refused), recorded))
}

/// On demand nothing gets worse: somebody who presses a button twice must not lose a domain by it.
fn held_on_demand(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    domain: Domain,
    seen: &Seen,
) -> Result<Commit<Checked>, DbError> {
    let (verdict, report) = proof::judge(&domain.token, seen, domain.proof_method);
    let json = report_json(&report)?;
    let checked = |tx: &mut Tx, outcome: &'static str| {
        tx.execute(&sql::SET_REPORT, params![domain.organization, domain.id, ctx.now, json.as_str()])?;
        let event = Event::new(domain.organization, "domain.checked").target("domain", domain.id);
        Ok::<_, DbError>(tx.record(event.with("name", &domain.name).with("outcome", outcome)))
    };
    let refused = match verdict {
        Verdict::Proved(proof) if domain.state == State::Verified => {
            keep(tx, ctx.now, &domain, &Step::Found(proof), &report, app.config().domain_check_every)?;
            let recorded = checked(tx, "found")?;
            return Ok(Commit::changed(Checked::Held(reread(tx, domain.clone())?), recorded));
        }
        Verdict::Proved(proof) => {
            return Ok(recover(app, ctx, tx, &domain, &proof, &report)?.map(Checked::Recovered));
        }
        Verdict::Gone(gone) => Refused::NotThere(gone),
        Verdict::Undecided(reason) => Refused::Undecided(reason),
    };
    let recorded = checked(tx, refused.name())?;
    Ok(Commit::changed(Checked::Missing(reread(tx, domain.clone())?, refused), recorded))
}

/// What the scheduled check does with a held domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is well, and was.
    Found(Proof),
    /// The proof is back.
    Recover(Proof),
    /// Gone, but not long enough for a consequence; so many times in a row.
    Missed(u32),
    Turn(State),
    /// No answer: changes nothing, for however long; the one exception is [`super::silence`].
    Unanswered,
}

/// The whole hysteresis.
pub fn next_step(domain: &Domain, verdict: Verdict, now: Timestamp) -> Step {
    let lasted = |limit: Duration| now.since(domain.state_since) >= limit;
    match (verdict, domain.state) {
        (Verdict::Undecided(_), _) => Step::Unanswered,
        (Verdict::Proved(proof), State::Verified) => Step::Found(proof),
        (Verdict::Proved(proof), _) => Step::Recover(proof),
        (Verdict::Gone(_), State::Verified) if domain.misses + 1 >= MISSES_MAX => Step::Turn(State::AtRisk),
        (Verdict::Gone(_), State::AtRisk) if lasted(AT_RISK_FOR) => Step::Turn(State::Suspended),
        (Verdict::Gone(_), State::Suspended) if lasted(SUSPENDED_FOR) => Step::Turn(State::Lost),
        (Verdict::Gone(_), _) => Step::Missed(domain.misses.saturating_add(1)),
    }
}

/// Writes what is no change of state in the audited sense.
pub(super) fn keep(
    tx: &mut Tx,
    now: Timestamp,
    domain: &Domain,
    step: &Step,
    report: &Report,
    every: Duration,
) -> Result<(), DbError> {
    let (organization, id) = (domain.organization, domain.id);
    let json = report_json(report)?;
    let soon = now.plus(DOUBT_EVERY.min(every));
    match step {
        Step::Found(proof) => {
            let (method, resolvers) = (proof.method.as_str(), proof.resolvers.join(" "));
            let due = now.plus(every);
            let set = params![organization, id, method, proof.hash.as_slice(), resolvers, now, json, due];
            tx.execute(&sql::KEEP_FOUND, set)?;
        }
        Step::Missed(misses) => {
            tx.execute(&sql::KEEP_MISSED, params![organization, id, now, json, *misses, soon])?;
        }
        Step::Unanswered => {
            tx.execute(&sql::KEEP_UNANSWERED, params![organization, id, now, json, soon])?;
        }
        Step::Recover(_) | Step::Turn(_) => {}
    }
    Ok(())
}

/// The proof is back before the end.
pub(super) fn recover(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    domain: &Domain,
    proof: &Proof,
    report: &Report,
) -> Result<Commit<Domain>, DbError> {
    let due = ctx.now.plus(app.config().domain_check_every);
    let (method, resolvers, json) = (proof.method.as_str(), proof.resolvers.join(" "), report_json(report)?);
    let set =
        params![domain.organization, domain.id, ctx.now, method, proof.hash.as_slice(), resolvers, json, due];
    if tx.execute(&sql::SET_RECOVERED, set)? != 1 {
        return Ok(Commit::unchanged(domain.clone()));
    }
    let event = Event::new(domain.organization, "domain.recovered").target("domain", domain.id);
    let recorded = tx.record(event.with("name", &domain.name).with("from", domain.state.as_str()));
    let domain = reread(tx, domain.clone())?;
    notify(app, ctx, tx, &domain)?;
    Ok(Commit::changed(domain, recorded))
}

/// One step down, for a proof that is gone or a server that is silent. Does nothing when the domain changed since it
/// was read.
pub(super) fn turn(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    domain: &Domain,
    to: State,
    report: &Report,
    silent: bool,
) -> Result<Commit<bool>, DbError> {
    let (organization, id) = (domain.organization, domain.id);
    let json = report_json(report)?;
    let soon = ctx.now.plus(DOUBT_EVERY.min(app.config().domain_check_every));
    let (rows, action) = match to {
        State::Lost => {
            let rows = tx.execute(&sql::SET_LOST, params![organization, id, ctx.now])?;
            tx.execute(&sql::SET_REPORT, params![organization, id, ctx.now, json])?;
            (rows, "domain.lost")
        }
        _ => {
            let misses = domain.misses.saturating_add(u32::from(!silent));
            let unanswered = domain.unanswered_since.filter(|_| silent);
            let from = domain.state.as_str();
            let set = params![organization, id, to.as_str(), ctx.now, json, misses, soon, from, unanswered];
            let action = if to == State::AtRisk { "domain.at_risk" } else { "domain.suspended" };
            (tx.execute(&sql::SET_STATE, set)?, action)
        }
    };
    if rows != 1 {
        return Ok(Commit::unchanged(false));
    }
    let mut event = Event::new(organization, action).target("domain", id);
    if silent {
        event = event.with("reason", "silent_server");
    }
    let recorded = tx.record(event.with("name", &domain.name).with("from", domain.state.as_str()));
    let domain = reread(tx, domain.clone())?;
    notify(app, ctx, tx, &domain)?;
    Ok(Commit::changed(true, recorded))
}

/// Tells the owners and admins what became of the domain, and what they can do.
fn notify(app: &App, ctx: &Ctx, tx: &mut Tx, domain: &Domain) -> Result<(), DbError> {
    let Some(organization) = principals::organization(tx, domain.organization)? else { return Ok(()) };
    let name = &domain.name;
    let page = join(&app.config().public_url, &format!("/o/{}/domains/{}", organization.slug, domain.id));
    let (subject, first) = match domain.state {
        State::AtRisk => (
            format!("The proof of {name} is gone"),
            format!(
                "Two checks in a row did not find the proof that {name} belongs to {}.",
                organization.name
            ),
        ),
        State::Suspended => (
            format!("{name} is suspended"),
            format!(
                "The proof of {name} has been missing for a week. New accounts are not claimed any more."
            ),
        ),
        State::Lost => (
            format!("{name} is lost"),
            format!(
                "The proof of {name} has been missing for two weeks, so {} does not hold it any more. Accounts at this \
                 domain cannot be recovered by mail, since their mailboxes may belong to somebody else now.",
                organization.name
            ),
        ),
        _ => (format!("{name} is verified again"), format!("The proof of {name} is back. Nothing was lost.")),
    };
    let (subject, first) = silence::notice(domain, ctx.now).unwrap_or((subject, first));
    let text = format!("{first}\n\n{}\n\n{page}\n", domain.what_next(ctx.now));
    let admins: Vec<String> = super::admins(tx, domain.organization)?;
    for admin in admins {
        let message = Message::text(&admin, &subject, &text);
        mail::enqueue(app.keyring(), ctx, tx, Some(domain.organization), &message)?;
    }
    Ok(())
}
