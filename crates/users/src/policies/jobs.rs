//! Begins the stages of roll-outs when their time has come, and tells people beforehand what will be asked of them.

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::jobs::{JobError, JobFuture, JobKind, Run};
use platform::mail::{self, Message};
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use platform::{App, Ctx};

use super::dry_run::{DryRun, Effect, step};
use super::rollout::{ADVANCE, NOTICE, RolloutState, Work, advance, find, when_done};
use super::{RolloutId, sql};

pub(crate) const KINDS: [JobKind; 2] = [
    JobKind { name: ADVANCE, attempts_max: 20, run: run_advance },
    JobKind { name: NOTICE, attempts_max: 10, run: run_notice },
];

/// Members looked at per transaction.
const BATCH: u32 = 200;

fn of_organization(run: &Run) -> Result<OrganizationId, JobError> {
    run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))
}

fn run_advance(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<Work>()?);
        let ctx = run.ctx.clone();
        app.db().write(&run.ctx, move |tx| advance(&ctx, tx, organization, work.rollout)).await?;
        Ok(())
    })
}

/// A run that is repeated goes on behind the last member who was told.
fn run_notice(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = (of_organization(&run)?, run.payload::<Work>()?);
        loop {
            let (inside, ctx) = (app.clone(), run.ctx.clone());
            let told = app
                .db()
                .write(&run.ctx, move |tx| tell_some(&inside, &ctx, tx, organization, work.rollout))
                .await?;
            if !told.value {
                return Ok(());
            }
        }
    })
}

/// Tells the next members; `false` when nobody is left.
fn tell_some(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: RolloutId,
) -> Result<Commit<bool>, DbError> {
    let nobody = Ok(Commit::unchanged(false));
    let Some(rollout) = find(tx, organization, id)?.filter(|one| one.state == RolloutState::Running) else {
        return nobody;
    };
    let Some((before, after)) = when_done(tx, organization, &rollout, ctx.now)? else { return nobody };
    let Some(here) = principals::organization(tx, organization)? else { return nobody };
    let mut run = DryRun::default();
    let from = (rollout.noticed_to.as_str(), BATCH);
    let Some((last, people)) = step(tx, organization, (&before, &after), &mut run, from, ctx.now)? else {
        return nobody;
    };
    let mut messages = Vec::new();
    for (place, touched) in people {
        let Some(touched) = touched else { continue };
        let asked: Vec<&str> = touched.effects.iter().filter_map(|effect| asks(*effect)).collect();
        if let (Some(at), false) = (rollout.reaches_at(&place), asked.is_empty()) {
            messages.push(notice(app, &here.name, &touched.email, at, &asked));
        }
    }
    mail::enqueue_many(app.keyring(), ctx, tx, Some(organization), &messages)?;
    tx.execute(&sql::ROLLOUT_NOTICED, params![organization, id, last.as_str()])?;
    let event = Event::new(organization, "policy.rollout_noticed")
        .target("policy", rollout.policy)
        .with("rollout", id)
        .with("mails", messages.len());
    let recorded = tx.record(event);
    Ok(Commit::changed(true, recorded))
}

/// What a person can do about an effect before it comes; `None`: nothing, so it is not worth a mail.
fn asks(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::LockedOut => {
            Some("you could not sign in from where you signed in lately; ask an admin before that day")
        }
        Effect::SomeNetworksRefused => Some("some of the networks you use will be refused"),
        Effect::AskedToEnrol => {
            Some("you will be asked for a stronger proof at sign-in; set it up now, on your account page")
        }
        Effect::NewPassword => Some("you will be asked to set a new password"),
        Effect::SignedOut | Effect::SessionShortened => None,
    }
}

fn notice(app: &App, organization: &str, to: &str, at: Timestamp, asked: &[&str]) -> Message {
    let list: String = asked.iter().map(|line| format!("- {line}\n")).collect();
    let text = format!(
        "{organization} changes how its people sign in. For you this begins on {}:\n\n{list}\n\
         Your account: {}/account\n\n\
         Until that day nothing changes. If something above cannot work for you, tell an admin of {organization}.\n",
        at.minute_words(),
        app.config().public_origin(),
    );
    Message::text(to, &format!("{organization} changes how you sign in on {}", at.day_words()), &text)
}
