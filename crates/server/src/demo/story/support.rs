//! Tickets: one that is settled, one resolved, one that waits for its people, two that wait for the desk.

use platform::App;
use platform::Ctx;
use platform::db::{Commit, DbError, Tx};
use platform::ids::AccountId;
use platform::principals::{self, Account};
use platform::time::HOUR;
use users::set_up_guide::{self, Skipping, Sources, Step};
use users::support::{self, Acted, Answered, NewTicket, Opened, Severity, Staff, State, TicketId, Who};

use super::{Company, DemoError, Teller, broken};

const DESK: &str = "nora.winter@northwind.example";

impl Teller<'_> {
    async fn later(&self, hours: u32) -> Result<(), DemoError> {
        Ok(self.until_time(self.app.clock().now().plus(HOUR * hours)).await?)
    }

    /// The company's owner opens a ticket.
    async fn ticket(
        &self,
        company: &Company,
        severity: Severity,
        (subject, body, about): (&str, &str, &str),
    ) -> Result<TicketId, DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let new = NewTicket {
            subject: subject.to_owned(),
            severity,
            body: body.to_owned(),
            about: about.to_owned(),
        };
        let (at, app, id, who) = (ctx.clone(), self.app.clone(), company.id, owner_of(company));
        let opened = self.app.db().write(&ctx, move |tx| support::open(&app, &at, tx, id, &who, &new));
        match opened.await?.value {
            Opened::Done(ticket) => Ok(ticket.id),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    async fn write_back(
        &self,
        company: &Company,
        ticket: TicketId,
        body: &'static str,
    ) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, app, id, who) = (ctx.clone(), self.app.clone(), company.id, owner_of(company));
        let said =
            self.app.db().write(&ctx, move |tx| support::reply(&app, &at, tx, id, ticket, (&who, body)));
        match said.await?.value {
            Acted::Done(_) => Ok(()),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// Somebody of the desk does something about a ticket.
    async fn at_desk<F>(&self, act: F) -> Result<(), DemoError>
    where
        F: Fn(&App, &Ctx, &mut Tx, &Staff) -> Result<Commit<Answered>, DbError> + Send + Sync + 'static,
    {
        let found = self.app.db().read(|tx| principals::account_by_email(tx, DESK)).await?;
        let nora: Account = found.ok_or_else(|| broken("nobody runs the desk"))?;
        let ctx = self.ctx_of(nora.id, 0);
        let (at, app) = (ctx.clone(), self.app.clone());
        let staff = Staff { account: Some(nora.id), name: nora.name };
        let done = self.app.db().write(&ctx, move |tx| act(&app, &at, tx, &staff)).await?;
        match done.value {
            Answered::Done(_) => Ok(()),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    async fn answer(&self, ticket: TicketId, body: &'static str, then: State) -> Result<(), DemoError> {
        self.at_desk(move |app, ctx, tx, by| support::answer(app, ctx, tx, ticket, (by, body), then)).await
    }

    async fn note(&self, ticket: TicketId, body: &'static str) -> Result<(), DemoError> {
        self.at_desk(move |_, ctx, tx, by| support::note(ctx, tx, ticket, (by, body))).await
    }

    /// Asked back, answered, resolved; it closed by itself a week later.
    pub(super) async fn settled_ticket(&self, harbor: &Company) -> Result<(), DemoError> {
        let words = (
            "An invitation to our freight company does not arrive",
            "We invited two people at harbor-freight.example yesterday. Neither got a mail.\n\nTheir server says \
             that nothing came in.",
            "/o/harbor/invitations",
        );
        let ticket = self.ticket(harbor, Severity::Normal, words).await?;
        self.later(3).await?;
        self.answer(
            ticket,
            "Both mails were taken by their server within a second. Please ask them to look for a rule that moves \
             mail from outside, and tell us what it says.",
            State::Waiting,
        )
        .await?;
        self.note(ticket, "Their filter holds mail of new senders for a day. Seen twice this month.").await?;
        self.later(20).await?;
        self.write_back(harbor, ticket, "There was such a rule. They let your address through now.").await?;
        self.later(2).await?;
        self.answer(ticket, "Good. The invitations are valid for another five days.", State::Resolved).await
    }

    pub(super) async fn resolved_ticket(&self, kestrel: &Company) -> Result<(), DemoError> {
        let words = (
            "Do freelancers count in a review?",
            "Five of our people are freelancers with addresses of their own. Do they stand in the review?",
            "USR-C3",
        );
        let ticket = self.ticket(kestrel, Severity::Low, words).await?;
        self.later(8).await?;
        let body =
            "Yes: everybody with access does, whatever their address. Your review shows them by address.";
        self.answer(ticket, body, State::Resolved).await?;
        self.leave_out(kestrel, Step::IdentityProvider, "We are 18 people and have none").await
    }

    pub(super) async fn waiting_ticket(&self, harbor: &Company) -> Result<(), DemoError> {
        let words = (
            "Six people lost their group when the directory was connected",
            "Since Tuesday six people of the night shift are no longer in Dispatch, and cannot see the roster.",
            "/o/harbor/directories",
        );
        let ticket = self.ticket(harbor, Severity::High, words).await?;
        self.later(1).await?;
        self.answer(ticket, "We look at what the directory sent. You hear from us today.", State::Answered)
            .await?;
        self.later(3).await?;
        let body = "The directory sends a group called dispatch-night, which is not linked to Dispatch. May we show \
                    you how to settle it, or shall it stay a group of its own?";
        self.answer(ticket, body, State::Waiting).await
    }

    /// What the desk has to answer today.
    pub(super) async fn open_tickets(&self, harbor: &Company, all: &[Company]) -> Result<(), DemoError> {
        let meridian = all.get(1).ok_or_else(|| broken("a company is missing"))?;
        let words = (
            "Where do we publish the record?",
            "Our domain is with a registrar that shows no TXT records. Is there another way to prove it?",
            "USR-C1",
        );
        let ticket = self.ticket(meridian, Severity::Low, words).await?;
        self.note(ticket, "The HTTPS file would do: they have a web site. Write that up for the how-to.")
            .await?;
        self.later(19).await?;
        let words = (
            "The roster signs people out at noon",
            "Everybody is asked to sign in again at twelve, whenever they came in the morning.",
            "USR-C4",
        );
        self.ticket(harbor, Severity::Normal, words).await?;
        Ok(())
    }

    async fn leave_out(&self, company: &Company, step: Step, reason: &'static str) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let sources = Sources::of(self.app);
        let done = self
            .app
            .db()
            .write(&ctx, move |tx| set_up_guide::skip(&at, tx, (&sources, id), &by, (step, reason)));
        match done.await?.value {
            Skipping::Done => Ok(()),
            other => Err(broken(format!("{other:?}"))),
        }
    }
}

fn owner_of(company: &Company) -> Who {
    let account: AccountId = company.owner.id;
    Who { account: Some(account), name: company.owner.name.clone(), manages: true }
}
