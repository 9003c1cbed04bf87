//! What detectors and the staff write by mail. A mail names what kind of alert it is and leads to its page: who is
//! attacked from where stands there, behind sign-in.

use std::time::Duration;

use platform::db::{DbError, Tx};
use platform::mail::{self, Message};
use platform::params;
use platform::time::HOUR;
use platform::{App, Ctx};
use users::accounts::join;

use crate::alerts::Alert;
use crate::detectors;

mod sql;

/// Alerts of one severity that the staff is mailed about in an hour: whoever has ten waiting looks at the list anyway, and
/// a flood of alerts must not keep the other mail waiting.
pub const MAILED_MAX: u64 = 10;
const MAILED_IN: Duration = HOUR;
/// Owners and admins who get one.
const STAFF_MAX: usize = 20;

fn text(app: &App, alert: &Alert, what: &str) -> (String, String) {
    let about = detectors::title(&alert.kind);
    let subject = format!("{} alert {what}: {about}", alert.severity.label());
    let page = join(&app.config().public_url, &format!("/provider/alerts/{}", alert.id));
    let text = format!("{subject}.\nFirst seen: {}\n\n{page}\n", alert.first_at.minute_words());
    (subject, text)
}

/// Tells the provider's owners and admins; not more than so many of one severity in an hour.
pub(crate) fn to_staff(app: &App, ctx: &Ctx, tx: &mut Tx, alert: &Alert, what: &str) -> Result<(), DbError> {
    let severity = alert.severity.as_str();
    let since = ctx.now.minus(MAILED_IN);
    let mailed: u64 = tx.scalar(&sql::MAILED, params![alert.organization, severity, since])?.unwrap_or(0);
    if mailed >= MAILED_MAX {
        return Ok(());
    }
    tx.execute(&sql::MAIL, params![alert.organization, alert.id, severity, ctx.now])?;
    let (subject, mut text) = text(app, alert, what);
    if mailed + 1 == MAILED_MAX {
        text.push_str("\nThis hour brings no further mail of this severity: look at the list.\n");
    }
    let staff = users::support::staff(tx)?;
    let messages: Vec<Message> =
        staff.iter().take(STAFF_MAX).map(|one| Message::text(&one.email, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, None, &messages)
}

pub(crate) fn to_assignee(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    alert: &Alert,
    email: &str,
) -> Result<(), DbError> {
    let (subject, text) = text(app, alert, "was assigned to you");
    mail::enqueue(app.keyring(), ctx, tx, None, &Message::text(email, &subject, &text))
}
