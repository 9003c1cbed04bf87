//! What the desk writes to people. A mail names the ticket and its subject and leads to its page; what was written stays
//! there, behind sign-in.

use platform::db::{DbError, ReadTx, Tx};
use platform::ids::AccountId;
use platform::mail::{self, Message};
use platform::params;
use platform::principals;
use platform::{App, Ctx};

use super::{Ticket, desk, sql};
use crate::accounts::join;

/// Mails to one desk without an address of its own.
const MAILS_MAX: usize = 20;

/// Somebody who runs the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    pub account: AccountId,
    pub email: String,
    pub name: String,
}

/// The provider's owners and admins, by address.
pub fn staff(tx: &mut ReadTx) -> Result<Vec<Runner>, DbError> {
    let Some(provider) = principals::provider(tx)? else { return Ok(Vec::new()) };
    tx.list(&sql::STAFF, params![provider.id], |row| {
        Ok(Runner { account: row.get(0)?, email: row.get(1)?, name: row.get(2)? })
    })
}

/// Whom the desk's mail goes to: who is assigned, else the desk's address, else everybody who runs it.
fn desk_addresses(tx: &mut ReadTx, ticket: &Ticket) -> Result<Vec<String>, DbError> {
    let staff = staff(tx)?;
    let assigned = ticket.assigned_to.and_then(|account| staff.iter().find(|one| one.account == account));
    if let Some(one) = assigned {
        return Ok(vec![one.email.clone()]);
    }
    let settings = desk::desk(tx)?.settings;
    if !settings.mail_to.is_empty() {
        return Ok(vec![settings.mail_to]);
    }
    Ok(staff.into_iter().take(MAILS_MAX).map(|one| one.email).collect())
}

/// `what` goes on after the ticket's name, unless it names the ticket itself.
fn sentence(ticket: &Ticket, what: &str) -> String {
    if what.starts_with("a ") {
        format!("{what}: {}", ticket.name())
    } else {
        format!("{} {what}", ticket.name())
    }
}

pub(super) fn to_desk(app: &App, ctx: &Ctx, tx: &mut Tx, ticket: &Ticket, what: &str) -> Result<(), DbError> {
    let whose =
        principals::organization(tx, ticket.organization)?.map(|found| found.name).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/provider/tickets/{}", ticket.id));
    let due = ticket.due_at.map_or_else(
        || "No answer is owed now.".to_owned(),
        |due| format!("An answer is owed by {}.", due.minute_words()),
    );
    let text = format!(
        "{whose}: {}\nSubject: {}\nSeverity: {}\n{due}\n\n{page}\n",
        sentence(ticket, what),
        ticket.subject,
        ticket.severity.label()
    );
    let subject = format!("{whose}: {}", sentence(ticket, what));
    let messages: Vec<Message> =
        desk_addresses(tx, ticket)?.iter().map(|email| Message::text(email, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, None, &messages)
}

/// To those of the organization who wrote on the ticket.
pub(super) fn to_people(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    ticket: &Ticket,
    what: &str,
) -> Result<(), DbError> {
    let found = principals::organization(tx, ticket.organization)?;
    let slug = found.map(|found| found.slug).unwrap_or_default();
    let page = join(&app.config().public_url, &format!("/o/{slug}/support/{}", ticket.id));
    let subject = format!("Your ticket {}", sentence(ticket, what));
    let text = format!("{subject}.\nSubject: {}\n\n{page}\n", ticket.subject);
    let to: Vec<String> =
        tx.list(&sql::WRITERS, params![ticket.organization, ticket.id, ticket.opened_by], |row| row.get(0))?;
    let messages: Vec<Message> = to.iter().map(|email| Message::text(email, &subject, &text)).collect();
    mail::enqueue_many(app.keyring(), ctx, tx, Some(ticket.organization), &messages)
}
