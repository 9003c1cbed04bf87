//! Works claims off in chunks, each a transaction of its own: claiming, taking back, claiming what appears later, and
//! releasing what a given-up domain held. Every run may be repeated; it goes on where the last one ended.

use std::time::{Duration, Instant};

use platform::access::Role;
use platform::db::{Commit, DbError, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::jobs::{JobError, JobFuture, JobKind, NewJob, Run};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, AccountState, Membership, MembershipSource, MembershipState, Organization};
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::{Claim, ClaimId, ClaimState, Mode, NewAccounts, Release, Work, find, retire, sql, touched_one};
use crate::accounts::join;
use crate::domains;
use crate::passwords::store;
use crate::sessions;

pub const RUN: &str = "claims.run";
pub const UNDO: &str = "claims.undo";
pub const NEW: &str = "claims.new";
pub const RELEASE: &str = "claims.release";

pub(crate) const KINDS: &[JobKind] = &[
    JobKind { name: RUN, attempts_max: 10, run: run_claim },
    JobKind { name: UNDO, attempts_max: 10, run: run_undo },
    JobKind { name: NEW, attempts_max: 10, run: run_new },
    JobKind { name: RELEASE, attempts_max: 10, run: run_release },
];

/// Accounts per transaction.
const CHUNK: u32 = 500;
/// Real time after which a run leaves the rest to a next one: well below the lease of a job.
const BUDGET: Duration = Duration::from_secs(45);

/// Repeats `step` until it says that nothing is left, or hands over to a job of the same kind and payload.
async fn in_chunks<F, Fut>(app: &App, run: &Run, kind: &'static str, step: F) -> Result<(), JobError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<bool, DbError>>,
{
    let started = Instant::now();
    while step().await? {
        if started.elapsed() > BUDGET {
            let (ctx, organization, payload) = (run.ctx.clone(), run.organization, run.payload.clone());
            app.db()
                .housekeeping(move |tx| {
                    let job = NewJob { kind, organization, unique_key: None, run_at: ctx.now };
                    platform::jobs::enqueue(&ctx, tx, &job, &payload)
                })
                .await?;
            return Ok(());
        }
    }
    Ok(())
}

fn of_organization(run: &Run) -> Result<OrganizationId, JobError> {
    run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))
}

fn run_claim(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<Work>()?);
        in_chunks(&app, &run, RUN, || async {
            let (app_in, ctx) = (app.clone(), run.ctx.clone());
            let done = app
                .db()
                .write(&run.ctx, move |tx| claim_chunk(&app_in, &ctx, tx, organization, work.claim))
                .await?;
            Ok(done.value)
        })
        .await
    })
}

/// `true` while there may be more.
fn claim_chunk(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ClaimId,
) -> Result<Commit<bool>, DbError> {
    let Some(claim) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    let Some(owner) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(false));
    };
    if claim.state != ClaimState::Running {
        return Ok(Commit::unchanged(false));
    }
    let held = domains::find(tx, organization, claim.domain)?.is_some_and(|domain| domain.state.may_claim());
    if !held {
        // Lost while the claim ran: what is not claimed yet stays its people's own.
        tx.execute(&sql::SKIP_WAITING, params![organization, id])?;
        return finish(ctx, tx, organization, &claim, ClaimState::Done)
            .map(|recorded| Commit::changed(false, recorded));
    }
    let waiting = in_state(tx, organization, id, "waiting")?;
    if waiting.is_empty() {
        return finish(ctx, tx, organization, &claim, ClaimState::Done)
            .map(|recorded| Commit::changed(false, recorded));
    }
    let work = Claiming { app, ctx, claim: &claim, owner: &owner };
    let (mut skipped, mut recorded) = (0_u64, None);
    for (account, _) in waiting {
        let (state, made) = match work.one(tx, account)? {
            Some((state, made, event)) => {
                recorded = Some(event);
                (state, made)
            }
            None => {
                skipped += 1;
                ("skipped", false)
            }
        };
        tx.execute(&sql::SET_ACCOUNT, params![organization, id, account, state, made])?;
    }
    if skipped > 0 {
        let event = Event::new(organization, "claim.skipped").target("claim", id).with("accounts", skipped);
        recorded = Some(tx.record(event));
    }
    match recorded {
        Some(recorded) => Ok(Commit::changed(true, recorded)),
        None => Ok(Commit::unchanged(false)),
    }
}

fn in_state(
    tx: &mut Tx,
    organization: OrganizationId,
    id: ClaimId,
    state: &str,
) -> Result<Vec<(AccountId, bool)>, DbError> {
    tx.list(&sql::IN_STATE, params![organization, id, state, CHUNK], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    claim: &Claim,
    to: ClaimState,
) -> Result<Recorded, DbError> {
    let at: Option<Timestamp> = Some(ctx.now);
    tx.execute(&sql::SET_STATE, params![organization, claim.id, claim.state.as_str(), to.as_str(), at])?;
    let tally = super::tally(tx, organization, claim.id)?;
    let action = if to == ClaimState::Done { "claim.finished" } else { "claim.undone" };
    let event = Event::new(organization, action)
        .target("claim", claim.id)
        .with("domain", &claim.domain_name)
        .with("claimed", tally.claimed)
        .with("retired", tally.retired)
        .with("skipped", tally.skipped)
        .with("undone", tally.undone);
    Ok(tx.record(event))
}

struct Claiming<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    claim: &'a Claim,
    owner: &'a Organization,
}

impl Claiming<'_> {
    /// Claims or retires one account; `None` when it is not to be claimed any more.
    fn one(&self, tx: &mut Tx, id: AccountId) -> Result<Option<(&'static str, bool, Recorded)>, DbError> {
        let organization = self.owner.id;
        // Locked before it is judged: another claim may take it at this moment.
        let Some(account) = principals::account_for_update(tx, id)? else { return Ok(None) };
        let Some(touched) = touched_one(tx, organization, &self.claim.domain_name, id)? else {
            return Ok(None);
        };
        if touched.retire {
            retire(self.ctx, tx, &account)?;
            let event = Event::new(organization, "account.left_behind_closed").target("account", id);
            let event = event.with("claim", self.claim.id).personal("email", &account.email);
            return Ok(Some(("retired", false, tx.record(event))));
        }
        if let Some(former) = account.managed_by {
            principals::release_account(tx, id, former)?;
        }
        if !principals::manage_account(tx, id, organization, self.ctx.now)? {
            return Ok(None);
        }
        if account.state == AccountState::Unverified {
            store::remove(tx, id)?;
            let _revoked = sessions::revoke_all(self.ctx, tx, id, None, "claimed")?;
        }
        let member = Membership {
            organization,
            account: id,
            role: Role::Member,
            state: MembershipState::Active,
            source: MembershipSource::Claim,
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: self.ctx.now,
        };
        let made = principals::insert_membership(tx, &member)?;
        if made {
            let _recorded = tx.record(crate::people::added(&member));
        }
        let event = Event::new(organization, "account.claimed")
            .target("account", id)
            .with("claim", self.claim.id)
            .with("domain", &self.claim.domain_name)
            .personal("email", &account.email);
        let recorded = tx.record(event);
        let message = self.notice(&account.email);
        mail::enqueue(self.app.keyring(), self.ctx, tx, Some(organization), &message)?;
        Ok(Some(("claimed", made, recorded)))
    }

    fn notice(&self, email: &str) -> Message {
        let (config, owner) = (self.app.config(), &self.owner.name);
        let text = format!(
            "{owner} has proved that {domain} is its domain and now manages your account {email} at {provider}.\n\n\
             What that means: its admins decide how you sign in and can suspend you. You cannot move the account to \
             another address or delete it yourself. They see nothing of your other organizations.\n\n\
             Your account: {page}\n\nIf you did not expect this, ask the admins of {owner}: they can take it back until {until}.\n",
            domain = self.claim.domain_name,
            provider = self.app.provider_name(),
            page = join(&config.public_url, "/account"),
            until = self.claim.undo_until.day_words(),
        );
        Message::text(email, &format!("{owner} now manages your account"), &text)
    }
}

fn run_undo(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<Work>()?);
        in_chunks(&app, &run, UNDO, || async {
            let (app_in, ctx) = (app.clone(), run.ctx.clone());
            let done = app
                .db()
                .write(&run.ctx, move |tx| undo_chunk(&app_in, &ctx, tx, organization, work.claim))
                .await?;
            Ok(done.value)
        })
        .await
    })
}

fn undo_chunk(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ClaimId,
) -> Result<Commit<bool>, DbError> {
    let Some(claim) = find(tx, organization, id)? else { return Ok(Commit::unchanged(false)) };
    let Some(owner) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(false));
    };
    if claim.state != ClaimState::Undoing {
        return Ok(Commit::unchanged(false));
    }
    let claimed = in_state(tx, organization, id, "claimed")?;
    if claimed.is_empty() {
        return finish(ctx, tx, organization, &claim, ClaimState::Undone)
            .map(|recorded| Commit::changed(false, recorded));
    }
    let mut last = None;
    for (account, made) in claimed {
        last = Some(release(app, ctx, tx, &owner, account, "claim_undone")?);
        if made {
            leave(tx, organization, account)?;
        }
        tx.execute(&sql::SET_ACCOUNT, params![organization, id, account, "undone", made])?;
    }
    match last {
        Some(recorded) => Ok(Commit::changed(true, recorded)),
        None => Ok(Commit::unchanged(false)),
    }
}

/// Ends a membership that a claim made, unless somebody has given it more than the claim did.
fn leave(tx: &mut Tx, organization: OrganizationId, account: AccountId) -> Result<(), DbError> {
    let Some(member) = principals::membership(tx, organization, account)? else { return Ok(()) };
    if member.source != MembershipSource::Claim || member.role != Role::Member {
        return Ok(());
    }
    principals::delete_membership(tx, organization, account)?;
    let event = Event::new(organization, "member.removed").target("account", account);
    let _recorded = tx.record(event.with("reason", "claim_undone").personal("email", &member.email));
    Ok(())
}

fn release(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    owner: &Organization,
    id: AccountId,
    reason: &'static str,
) -> Result<Recorded, DbError> {
    let mut event = Event::new(owner.id, "account.released").target("account", id).with("reason", reason);
    let released = principals::release_account(tx, id, owner.id)?;
    if let Some(account) = principals::account(tx, id)?.filter(|_| released) {
        event = event.personal("email", &account.email);
        let config = app.config();
        let text = format!(
            "{} does not manage your account {} at {} any more. It is your own again.\n\nYour account: {}\n",
            owner.name,
            account.email,
            app.provider_name(),
            join(&config.public_url, "/account")
        );
        let subject = format!("{} no longer manages your account", owner.name);
        let message = Message::text(&account.email, &subject, &text);
        mail::enqueue(app.keyring(), ctx, tx, Some(owner.id), &message)?;
    }
    Ok(tx.record(event))
}

fn run_new(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<NewAccounts>()?);
        let ctx = run.ctx.clone();
        app.db()
            .write(&run.ctx, move |tx| {
                let Some(domain) = domains::find(tx, organization, work.domain)? else {
                    return Ok(Commit::unchanged(()));
                };
                if !domain.claim_new || !domain.state.may_claim() {
                    return Ok(Commit::unchanged(()));
                }
                let provider = sessions::provider_id(tx)?;
                let id = super::insert(&ctx, tx, organization, domain.id, Mode::New)?;
                let since = domain.claim_new_since;
                let choose = params![organization, id, domain.name.as_str(), provider, since];
                let count = tx.execute(&sql::CHOOSE_NEW, choose)?;
                if count == 0 {
                    return Ok(Commit::unchanged(()));
                }
                super::enqueue(&ctx, tx, organization, RUN, &Work { claim: id })?;
                let event = Event::new(organization, "claim.started").target("claim", id);
                let event = event.with("domain", &domain.name).with("mode", "new").with("accounts", count);
                let recorded = tx.record(event);
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}

fn run_release(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<Release>()?);
        in_chunks(&app, &run, RELEASE, || async {
            let (app_in, ctx, name) = (app.clone(), run.ctx.clone(), work.name.clone());
            let done = app
                .db()
                .write(&run.ctx, move |tx| release_chunk(&app_in, &ctx, tx, organization, &name))
                .await?;
            Ok(done.value)
        })
        .await
    })
}

fn release_chunk(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    name: &str,
) -> Result<Commit<bool>, DbError> {
    // Proved again meanwhile: the accounts stay managed.
    if domains::holder(tx, name)?.is_some_and(|domain| domain.organization == organization) {
        return Ok(Commit::unchanged(false));
    }
    let Some(owner) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(false));
    };
    let managed: Vec<AccountId> =
        tx.list(&sql::MANAGED, params![organization, name, CHUNK], |row| row.get(0))?;
    let mut last = None;
    for account in managed {
        last = Some(release(app, ctx, tx, &owner, account, "domain_removed")?);
    }
    match last {
        Some(recorded) => Ok(Commit::changed(true, recorded)),
        None => Ok(Commit::unchanged(false)),
    }
}
