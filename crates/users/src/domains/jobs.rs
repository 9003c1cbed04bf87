//! The scheduled re-check and the nightly drill.
//!
//! A run takes every domain that is due, asks the network about all of them first, and only then decides: if more than
//! a fifth of them (and at least [`BREAKER_MIN`]) would become `at_risk`, the fault is more likely here or in a resolver
//! than at so many customers at once, so none gets worse and the provider is told. Once a person has looked, a run that
//! they ask for may accept the losses.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use platform::db::{Commit, DbError, ReadTx};
use platform::events::{self, Event, StoredEvent};
use platform::ids::{Id, OrganizationId};
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use platform::mail::{self, Message};
use platform::params;
use platform::principals;
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use super::checks::{self, Step};
use super::proof::{self, Report};
use super::{Domain, ProverService, State, read_domain, silence, sql};
use crate::accounts::join;

pub const RECHECK: &str = "domains.recheck";
pub const DRILL: &str = "domains.drill";

/// The schedule runs hourly; each domain has its own time in it (`domain_check_hours`, sooner while in doubt).
pub(crate) const SCHEDULES: &[Schedule] = &[
    Schedule { kind: RECHECK, every: HOUR },
    Schedule { kind: DRILL, every: Duration::from_secs(12 * HOUR.as_secs()) },
];

pub(crate) const KINDS: &[JobKind] = &[
    JobKind { name: RECHECK, attempts_max: 5, run: recheck },
    JobKind { name: DRILL, attempts_max: 5, run: run_drill },
];

/// Fewer domains than this never halt a run.
pub const BREAKER_MIN: usize = 5;
/// More than one in so many halts it.
pub const BREAKER_SHARE: usize = 5;
/// A domain whose check is overdue by this was left out.
pub const OVERDUE: Duration = DAY;

/// Domains asked about at the same time, and fetched from the store at once.
const AT_ONCE: usize = 32;
const PAGE: u32 = 128;
/// Real time after which a run ends and leaves the rest to a next one: well below the lease of a job.
const BUDGET: Duration = Duration::from_secs(45);

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Payload {
    /// A person has looked: the breaker stays closed in this run.
    #[serde(default)]
    accept_losses: bool,
}

/// Asks for a run now, e.g. after the breaker halted one and somebody has looked why.
pub fn request(ctx: &Ctx, tx: &mut platform::db::Tx, accept_losses: bool) -> Result<Commit<bool>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Commit::unchanged(false)) };
    let job = NewJob { kind: RECHECK, organization: None, unique_key: None, run_at: ctx.now };
    if accept_losses {
        tx.execute(&sql::MISSED_ARE_DUE, params![ctx.now, ctx.now.minus(silence::SILENT_FOR)])?;
    }
    jobs::enqueue(ctx, tx, &job, &Payload { accept_losses })?;
    let event = Event::new(provider.id, "domain.recheck_requested").target("job", RECHECK);
    let recorded = tx.record(event.with("accept_losses", accept_losses));
    Ok(Commit::changed(true, recorded))
}

/// One domain with what this run makes of it.
struct Looked {
    domain: Domain,
    step: Step,
    report: Report,
    /// The step follows from silence, not from a proof that is gone.
    silent: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    checked: usize,
    found: usize,
    missed: usize,
    unanswered: usize,
    turned: usize,
    recovered: usize,
    held_back: usize,
}

fn recheck(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        // The schedule's own payload is `null`.
        let payload: Payload =
            if run.payload.is_null() { Payload::default() } else { run.payload::<Payload>()? };
        let Some(provider) = app.db().read(principals::provider).await? else { return Ok(()) };
        let (looked, more) = look_at_due(&app, run.ctx.now).await?;
        let turning = looked.iter().filter(|one| one.step == Step::Turn(State::AtRisk)).count();
        let halted =
            !payload.accept_losses && turning >= BREAKER_MIN && turning * BREAKER_SHARE > looked.len();
        let counts = write_all(&app, &run.ctx, looked, halted).await?;
        finish(&app, &run, provider.id, counts, halted, more, payload).await
    })
}

/// Asks the network about what is due; `true` when time ran out before the end.
async fn look_at_due(app: &App, now: Timestamp) -> Result<(Vec<Looked>, bool), JobError> {
    let started = Instant::now();
    let mut looked = Vec::new();
    let mut after = (Timestamp::from_micros(i64::MIN), Vec::new());
    loop {
        let from = after.clone();
        let page: Vec<Domain> = app
            .db()
            .read(move |tx| tx.list(&sql::DUE, params![now, from.0, from.1, PAGE], read_domain))
            .await?;
        let Some(last) = page.last() else { return Ok((looked, false)) };
        after = (last.due_at.unwrap_or(now), last.id.bytes().to_vec());
        let prover = app.find_service::<ProverService>().ok_or_else(|| {
            JobError::permanent("this program was started without a way to look at domains")
        })?;
        let prover = &prover;
        let asked = stream::iter(page).map(|domain| async move { look_at(app, prover, domain, now).await });
        let found: Vec<Result<Option<Looked>, DbError>> = asked.buffer_unordered(AT_ONCE).collect().await;
        for one in found {
            looked.extend(one?);
        }
        if started.elapsed() > BUDGET {
            return Ok((looked, true));
        }
    }
}

async fn look_at(
    app: &App,
    prover: &ProverService,
    domain: Domain,
    now: Timestamp,
) -> Result<Option<Looked>, DbError> {
    let Some(name) = checks::stored_name(&domain.name) else { return Ok(None) };
    let seen = prover.look(&name).await;
    let (verdict, report) = proof::judge(&domain.token, &seen, domain.proof_method);
    if !silence::counts(&domain, &seen, &verdict, now) {
        let step = checks::next_step(&domain, verdict, now);
        return Ok(Some(Looked { step, domain, report, silent: false }));
    }
    let held = domain.clone();
    let rivals = app.db().read(move |tx| silence::rivals(tx, &held, now)).await?;
    let step = silence::next_step(&domain, silence::rival_proves(&rivals, &seen), now);
    Ok(Some(Looked { step, domain, report, silent: true }))
}

async fn write_all(app: &App, ctx: &Ctx, looked: Vec<Looked>, halted: bool) -> Result<Counts, JobError> {
    let mut counts = Counts { checked: looked.len(), ..Counts::default() };
    let mut quiet = Vec::new();
    for mut one in looked {
        match &one.step {
            Step::Found(_) => counts.found += 1,
            Step::Missed(_) => counts.missed += 1,
            Step::Unanswered => counts.unanswered += 1,
            Step::Turn(_) if halted => {
                counts.held_back += 1;
                // The count, or the time, stays, so that the next run decides the same.
                one.step = if one.silent { Step::Unanswered } else { Step::Missed(one.domain.misses.max(1)) };
            }
            Step::Turn(to) => {
                counts.turned += usize::from(turn(app, ctx, &one, *to).await?);
                continue;
            }
            Step::Recover(_) => {
                counts.recovered += 1;
                recover(app, ctx, one).await?;
                continue;
            }
        }
        quiet.push(one);
    }
    write_quiet(app, ctx.now, quiet).await?;
    Ok(counts)
}

async fn turn(app: &App, ctx: &Ctx, one: &Looked, to: State) -> Result<bool, DbError> {
    let (app_in, at) = (app.clone(), ctx.clone());
    let (domain, report, silent) = (one.domain.clone(), one.report.clone(), one.silent);
    let write = move |tx: &mut platform::db::Tx| checks::turn(&app_in, &at, tx, &domain, to, &report, silent);
    let done = app.db().write(ctx, write).await?;
    Ok(done.value)
}

async fn recover(app: &App, ctx: &Ctx, one: Looked) -> Result<(), DbError> {
    let Step::Recover(proof) = one.step else { return Ok(()) };
    let (app_in, at) = (app.clone(), ctx.clone());
    let (domain, report) = (one.domain, one.report);
    app.db()
        .write(ctx, move |tx| checks::recover(&app_in, &at, tx, &domain, &proof, &report))
        .await
        .map(|_| ())
}

async fn write_quiet(app: &App, now: Timestamp, quiet: Vec<Looked>) -> Result<(), DbError> {
    const CHUNK: usize = 200;
    let every = app.config().domain_check_every;
    let mut rest = quiet.into_iter().peekable();
    while rest.peek().is_some() {
        let chunk: Vec<Looked> = rest.by_ref().take(CHUNK).collect();
        app.db()
            .housekeeping(move |tx| {
                for one in &chunk {
                    checks::keep(tx, now, &one.domain, &one.step, &one.report, every)?;
                }
                Ok::<_, DbError>(())
            })
            .await?;
    }
    Ok(())
}

/// Records the run, which is what USR-P3 looks for, and tells the provider of a halt.
async fn finish(
    app: &App,
    run: &Run,
    provider: OrganizationId,
    counts: Counts,
    halted: bool,
    more: bool,
    payload: Payload,
) -> Result<(), JobError> {
    let (app_in, ctx, id) = (app.clone(), run.ctx.clone(), run.id);
    app.db()
        .write(&run.ctx, move |tx| {
            if more {
                // A key of its own: the running job still has its row.
                let key = format!("{RECHECK}:{id}");
                let job =
                    NewJob { kind: RECHECK, organization: None, unique_key: Some(&key), run_at: ctx.now };
                jobs::enqueue(&ctx, tx, &job, &payload)?;
            }
            if halted {
                tell_provider(&app_in, &ctx, tx, provider, counts)?;
            }
            let action = if halted { "domain.recheck_halted" } else { "domain.recheck_completed" };
            let event = Event::new(provider, action)
                .target("job", RECHECK)
                .with("checked", counts.checked)
                .with("found", counts.found)
                .with("missed", counts.missed)
                .with("unanswered", counts.unanswered)
                .with("turned", counts.turned)
                .with("recovered", counts.recovered)
                .with("held_back", counts.held_back);
            let recorded = tx.record(event);
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(())
}

fn tell_provider(
    app: &App,
    ctx: &Ctx,
    tx: &mut platform::db::Tx,
    provider: OrganizationId,
    counts: Counts,
) -> Result<(), DbError> {
    // Hourly mails about the same halt would be ignored soon.
    if last_run(tx, provider)?.is_some_and(|run| run.action == "domain.recheck_halted") {
        return Ok(());
    }
    let text = format!(
        "The check of verified domains found {} of {} proofs gone at once. That is more likely a fault of this server's \
         resolvers or network than of so many customers, so no domain was changed.\n\n\
         Look at the resolvers. If the proofs are really gone, accept the losses here:\n{}\n",
        counts.held_back,
        counts.checked,
        join(&app.config().public_url, "/provider/domains")
    );
    let admins: Vec<String> = super::admins(tx, provider)?;
    for admin in admins {
        let message = Message::text(&admin, "The check of domains was halted", &text);
        mail::enqueue(app.keyring(), ctx, tx, Some(provider), &message)?;
    }
    Ok(())
}

/// The newest finished run, completed or halted.
pub(super) fn last_run(tx: &mut ReadTx, provider: OrganizationId) -> Result<Option<StoredEvent>, DbError> {
    const LOOKED_AT: u32 = 20;
    let runs = events::about(tx, provider, "job", RECHECK, LOOKED_AT)?;
    Ok(runs.into_iter().find(|event| event.action != "domain.recheck_requested"))
}

fn run_drill(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        super::drill::run(&app, &run.ctx).await?;
        Ok(())
    })
}
