//! The clocks of tickets: the warning before a target, the note that it passed, and closing what was resolved. Each job
//! knows the turn of the ticket that it was made for; when the ticket has moved on, it does nothing.

use platform::db::{Commit, DbError, Tx};
use platform::ids::OrganizationId;
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run};
use platform::params;
use platform::time::Timestamp;
use platform::{App, Ctx};
use serde::{Deserialize, Serialize};

use super::{CLOSES_AFTER, Side, State, Ticket, TicketId, enter, find, notices, sql, write};
use crate::organizations;

const NEAR: &str = "support.near_target";
const PAST: &str = "support.past_target";
const CLOSE: &str = "support.close_resolved";

pub(crate) const KINDS: [JobKind; 3] = [
    JobKind { name: NEAR, attempts_max: 10, run: run_near },
    JobKind { name: PAST, attempts_max: 20, run: run_past },
    JobKind { name: CLOSE, attempts_max: 20, run: run_close },
];

#[derive(Serialize, Deserialize)]
struct Work {
    ticket: TicketId,
    turn: u32,
}

/// What has to happen by itself in the state that the ticket is in now.
pub(super) fn schedule(ctx: &Ctx, tx: &mut Tx, ticket: &Ticket) -> Result<(), DbError> {
    let mut at = |kind: &'static str, run_at: Timestamp| {
        let job = NewJob { kind, organization: Some(ticket.organization), unique_key: None, run_at };
        jobs::enqueue(ctx, tx, &job, &Work { ticket: ticket.id, turn: ticket.turn })
    };
    if let (Some(near), Some(due)) = (ticket.near_at, ticket.due_at) {
        at(NEAR, near)?;
        at(PAST, due)?;
    }
    if ticket.state == State::Resolved {
        at(CLOSE, ctx.now.plus(CLOSES_AFTER))?;
    }
    Ok(())
}

fn of(run: &Run) -> Result<(OrganizationId, Work), JobError> {
    let organization =
        run.organization.ok_or_else(|| JobError::permanent("the job names no organization"))?;
    Ok((organization, run.payload::<Work>()?))
}

/// The ticket, if it is still in the turn that the job was made for.
fn current(tx: &mut Tx, organization: OrganizationId, work: &Work) -> Result<Option<Ticket>, DbError> {
    organizations::lock(tx, organization)?;
    Ok(find(tx, organization, work.ticket)?.filter(|ticket| ticket.turn == work.turn))
}

fn run_near(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = of(&run)?;
        let (inside, ctx) = (app.clone(), run.ctx.clone());
        app.db()
            .write(&run.ctx, move |tx| {
                let found = current(tx, organization, &work)?;
                // Late, it would only say what the other job says.
                let Some(ticket) = found.filter(|ticket| ticket.state.owes() && !ticket.is_past(ctx.now))
                else {
                    return Ok::<_, DbError>(Commit::unchanged(()));
                };
                notices::to_desk(&inside, &ctx, tx, &ticket, "is near its target")?;
                let recorded = tx.record(ticket.event("ticket.near_target"));
                Ok(Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}

fn run_past(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = of(&run)?;
        let (inside, ctx) = (app.clone(), run.ctx.clone());
        app.db()
            .write(&run.ctx, move |tx| {
                let found = current(tx, organization, &work)?;
                let Some(ticket) = found.filter(|ticket| ticket.is_past(ctx.now)) else {
                    return Ok::<_, DbError>(Commit::unchanged(()));
                };
                if tx.execute(&sql::NOTE_PAST, params![organization, ticket.id, ctx.now])? == 0 {
                    return Ok(Commit::unchanged(()));
                }
                notices::to_desk(&inside, &ctx, tx, &ticket, "is past its target")?;
                let recorded = tx.record(ticket.event("ticket.past_target"));
                Ok(Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}

fn run_close(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let (organization, work) = of(&run)?;
        let ctx = run.ctx.clone();
        app.db()
            .write(&run.ctx, move |tx| {
                let found = current(tx, organization, &work)?;
                let Some(mut ticket) = found.filter(|ticket| ticket.state == State::Resolved) else {
                    return Ok::<_, DbError>(Commit::unchanged(()));
                };
                let nobody = (None, "");
                write(tx, &ticket, Side::Provider, nobody, ("closed", ""), ctx.now)?;
                enter(&ctx, tx, &mut ticket, State::Closed)?;
                let recorded = tx.record(ticket.event("ticket.closed").with("by_itself", true));
                Ok(Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}
