//! Tells the organization's admins in time that a token is about to end: 30, 7 and 1 days before.

use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::jobs::{JobFuture, JobKind, Run, Schedule};
use platform::mail::{self, Message};
use platform::params;
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, Ctx};

use super::{DirectoryId, ScimTokenId, sql};
use crate::accounts::join;

const ALERT: &str = "directories.token_alerts";
/// Days before the end at which a mail goes out.
const STEPS: [u32; 3] = [1, 7, 30];

pub(crate) const JOB: JobKind = JobKind { name: ALERT, attempts_max: 5, run };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: ALERT, every: HOUR };

struct Ending {
    organization: OrganizationId,
    id: ScimTokenId,
    directory: DirectoryId,
    expires_at: Timestamp,
    alerted_days: Option<u32>,
    directory_name: String,
    slug: String,
    organization_name: String,
    /// When the directory's last token ends.
    last_ends: Timestamp,
}

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let now = run.ctx.now;
        let until = now.plus(DAY * STEPS[2]);
        let ending = app
            .db()
            .read(move |tx| {
                tx.list(&sql::ENDING, params![now, until], |row| {
                    Ok(Ending {
                        organization: row.get(0)?,
                        id: row.get(1)?,
                        directory: row.get(2)?,
                        expires_at: row.get(3)?,
                        alerted_days: row.get(4)?,
                        directory_name: row.get(5)?,
                        slug: row.get(6)?,
                        organization_name: row.get(7)?,
                        last_ends: row.get(8)?,
                    })
                })
            })
            .await?;
        for token in ending {
            let left = token.expires_at.since(now);
            let Some(step) = STEPS.into_iter().find(|days| left <= DAY * *days) else { continue };
            let told = token.alerted_days.is_some_and(|days| days <= step);
            // Its successor is there already.
            let replaced = token.last_ends > token.expires_at;
            if told || replaced {
                continue;
            }
            let (app_in, ctx) = (app.clone(), run.ctx.clone());
            app.db().write(&run.ctx, move |tx| alert(&app_in, &ctx, tx, &token, step)).await?;
        }
        Ok(())
    })
}

fn alert(app: &App, ctx: &Ctx, tx: &mut Tx, token: &Ending, step: u32) -> Result<Commit<()>, DbError> {
    tx.execute(&sql::SET_ALERTED, params![token.organization, token.id, step])?;
    let page = join(&app.config().public_url, &format!("/o/{}/directories/{}", token.slug, token.directory));
    let text = format!(
        "The token with which your identity provider keeps the directory {name} of {organization} works until {end}.\n\
         After that nobody is added, changed or taken out any more.\n\n\
         Make the next one and enter it at your identity provider; both work for a while:\n{page}\n",
        name = token.directory_name,
        organization = token.organization_name,
        end = token.expires_at.day_words(),
    );
    let days = if step == 1 { "1 day".to_owned() } else { format!("{step} days") };
    let subject = format!("A directory's token ends in {days}: {}", token.directory_name);
    let messages: Vec<Message> = crate::domains::admins(tx, token.organization)?
        .iter()
        .map(|email| Message::text(email, &subject, &text))
        .collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(token.organization), &messages)?;
    let event = Event::new(token.organization, "scim_token.end_announced").target("scim_token", token.id);
    let recorded = tx.record(event.with("directory", token.directory).with("days", step));
    Ok(Commit::changed((), recorded))
}
