//! Once a day, for each SAML connection: its metadata is read again where it has an address, so that a provider's new key is
//! known before it signs; and admins hear 30, 7 and 1 days before its last certificate ends.

use aws_lc_rs::digest::{SHA256, digest};
use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::jobs::{JobFuture, JobKind, Run, Schedule};
use platform::mail::{self, Message};
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::{App, Ctx, params};

use super::settings::Saml;
use super::{Connection, Content, Settings, read_connection, saml, sql};
use crate::accounts::join;
use crate::names::Name;

const LOOK: &str = "single_sign_on.metadata";
/// Days before the end at which a mail goes out.
const STEPS: [u32; 3] = [1, 7, 30];

pub(crate) const JOB: JobKind = JobKind { name: LOOK, attempts_max: 3, run };
pub(crate) const SCHEDULE: Schedule = Schedule { kind: LOOK, every: DAY };

fn run(app: App, run: Run) -> JobFuture {
    Box::pin(async move {
        let all = app.db().read(|tx| tx.list(&sql::ACTIVE_SAML, &[], read_connection)).await?;
        for connection in all {
            let Some(settings) = connection.settings.saml().cloned() else { continue };
            let settings = refreshed(&app, &run, &connection, settings).await?;
            let now = run.ctx.now;
            let last = settings.trusted().into_iter().max_by_key(|one| one.not_after);
            let Some(last) = last else { continue };
            let end = Timestamp::from_micros(last.not_after.0);
            let left = end.since(now);
            let Some(step) = STEPS.into_iter().find(|days| left <= DAY * *days) else { continue };
            let ending = Ending { end, fingerprint: last.fingerprint(), step };
            let (app_in, ctx) = (app.clone(), run.ctx.clone());
            app.db().write(&run.ctx, move |tx| alert(&app_in, &ctx, tx, &connection, &ending)).await?;
        }
        Ok(())
    })
}

/// The settings with what the metadata's address says now. What it does not say, or says of another provider, changes
/// nothing: the keys that are known still count.
async fn refreshed(
    app: &App,
    run: &Run,
    connection: &Connection,
    mut settings: Saml,
) -> Result<Saml, DbError> {
    let Some(address) = settings.metadata_url.clone() else { return Ok(settings) };
    let now = run.ctx.now;
    let read = match saml::fetch_metadata(app, &address).await {
        Ok(xml) => saml::read_metadata(app, &xml, Some(&settings.entity_id), now),
        Err(trouble) => Err(trouble),
    };
    let found = match read {
        Ok(found) => found,
        Err(trouble) => {
            tracing::warn!(connection = %connection.id, %trouble, "the metadata of a provider was not read");
            return Ok(settings);
        }
    };
    let before = settings.clone();
    settings.take(&found);
    let Ok(name) = Name::parse(&connection.name) else { return Ok(before) };
    if settings == before {
        return Ok(settings);
    }
    let content = Content {
        name,
        settings: Settings::Saml(settings.clone()),
        mapping: connection.mapping.clone(),
        secret: None,
    };
    let (app_in, ctx, organization, id) =
        (app.clone(), run.ctx.clone(), connection.organization, connection.id);
    let done = app
        .db()
        .write(&run.ctx, move |tx| {
            // An admin's change in between is newer than what was read.
            let same = super::get(tx, organization, id)?
                .is_some_and(|now| now.settings == Settings::Saml(before.clone()));
            if !same {
                return Ok(Commit::unchanged(super::Saved::NoSuchConnection));
            }
            super::update(&app_in, &ctx, tx, organization, id, &content)
        })
        .await;
    done.map(|_| settings)
}

struct Ending {
    end: Timestamp,
    fingerprint: String,
    step: u32,
}

fn alert(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    connection: &Connection,
    ending: &Ending,
) -> Result<Commit<()>, DbError> {
    let text = format!("certificate|{}|{}|{}", connection.id, ending.fingerprint, ending.step);
    let once = digest(&SHA256, text.as_bytes()).as_ref().to_vec();
    // Kept until no smaller step can come any more.
    let kept_until = ending.end.plus(DAY * 60).max(ctx.now.plus(DAY * 60));
    if tx.execute(&sql::INSERT_MESSAGE, params![once, kept_until])? != 1 {
        return Ok(Commit::unchanged(()));
    }
    let Some(organization) = principals::organization(tx, connection.organization)? else {
        return Ok(Commit::unchanged(()));
    };
    let page =
        join(&app.config().public_url, &format!("/o/{}/connections/{}", organization.slug, connection.id));
    let text = format!(
        "The last certificate with which {name} signs people in to {organization} ends on {end}.\n\
         If the provider changes it then, nobody comes in through the connection any more until its new metadata is here.\n\n\
         Take the provider's new metadata now; the old and the new key both count:\n{page}\n",
        name = connection.name,
        organization = organization.name,
        end = ending.end.day_words(),
    );
    let days = if ending.step == 1 { "1 day".to_owned() } else { format!("{} days", ending.step) };
    let subject = format!("The certificate of {} ends in {days}", connection.name);
    let messages: Vec<Message> = crate::domains::admins(tx, connection.organization)?
        .iter()
        .map(|email| Message::text(email, &subject, &text))
        .collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(connection.organization), &messages)?;
    let event = Event::new(connection.organization, "connection.certificate_ending")
        .target("connection", connection.id)
        .with("certificate", &ending.fingerprint)
        .with("days", ending.step);
    let recorded = tx.record(event);
    Ok(Commit::changed((), recorded))
}
