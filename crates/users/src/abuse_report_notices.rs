//! What reports of misuse write to people: the admins of both sides, and whoever reported.

use platform::db::{DbError, Tx};
use platform::evidence::Side;
use platform::mail::{self, Message};
use platform::principals;
use platform::{App, Ctx};

use crate::abuse_reports::{Answer, Report};
use crate::accounts::join;
use crate::domains;

/// One mail to each admin of either side.
pub(crate) fn opened(app: &App, ctx: &Ctx, tx: &mut Tx, report: &Report) -> Result<(), DbError> {
    let here = principals::organization(tx, report.organization)?;
    let (name, slug) = here.map(|here| (here.name, here.slug)).unwrap_or_default();
    let what = if report.test { "A test of the report channel" } else { report.kind.words() };
    let text = |page: &str| {
        let source = if report.from_public_page { "the public page" } else { "a member" };
        format!(
            "{what}.\n\nIt came from {source} of {name}. Read it and say how it stands:\n{}\n",
            join(&app.config().public_url, page)
        )
    };
    let subject = format!("{name}: {}", if report.test { "a test report" } else { "a report of misuse" });
    let mut messages = Vec::new();
    let own = text(&format!("/o/{slug}/abuse-reports/{}", report.id));
    for admin in domains::admins(tx, report.organization)? {
        messages.push(Message::text(&admin, &subject, &own));
    }
    if let Some(provider) = principals::provider(tx)?.filter(|provider| provider.id != report.organization) {
        let theirs = text(&format!("/provider/abuse-reports/{slug}/{}", report.id));
        for staff in domains::admins(tx, provider.id)? {
            messages.push(Message::text(&staff, &subject, &theirs));
        }
    }
    mail::enqueue_many(app.keyring(), ctx, tx, Some(report.organization), &messages)
}

/// To whoever reported as a member. Nobody has proved the address that a stranger leaves.
pub(crate) fn answered(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    report: &Report,
    answer: &Answer,
) -> Result<(), DbError> {
    let Some(account) = report.reporter else { return Ok(()) };
    let Some(account) = principals::account(tx, account)? else { return Ok(()) };
    let here = principals::organization(tx, report.organization)?;
    let (name, slug) = here.map(|here| (here.name, here.slug)).unwrap_or_default();
    let who = match answer.side {
        Side::Customer => name,
        Side::Provider => app.provider_name().to_owned(),
    };
    let words = answer.state.words();
    let note = if answer.note.is_empty() { String::new() } else { format!("\n\n{}", answer.note) };
    let page = join(&app.config().public_url, &format!("/o/{slug}/abuse-reports/new"));
    let text = format!("{who} answered your report: {words}.{note}\n\nYour reports:\n{page}\n");
    let message = Message::text(&account.email, &format!("Your report: {}", words.to_lowercase()), &text);
    mail::enqueue(app.keyring(), ctx, tx, Some(report.organization), &message)
}
