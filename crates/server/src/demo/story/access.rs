//! Access by request, reviews of access, and reports of misuse.

use platform::access::Role;
use platform::db::DbError;
use platform::evidence::Side;
use platform::ids::{AccountId, GroupId};
use platform::principals::{self, Account};
use users::abuse_reports::{self, Answer, NewReport, Opened, ReportId, Reporter, State};
use users::access_offers::{self, Saved, Terms, Wanted};
use users::access_requests::{self, Asked, RequestId, Verdict};
use users::access_reviews::{self, Choice, Decided, Filter, ItemId, Kind, NewReview, ReviewId, Started};
use users::approved_domains::{self, Mode};

use super::{Company, DemoError, Teller, broken};

impl Teller<'_> {
    /// Lets members ask for a group and a role, and the domain's people join.
    pub(super) async fn offers(&self, company: &Company, group: GroupId) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let terms = |approvals| Terms { approvers: None, approvals, days_max: 90, hours_to_decide: 72 };
        let offers =
            [(Wanted::Group(group), 1), (Wanted::Role(Role::Auditor), 1), (Wanted::Role(Role::Admin), 2)];
        for (wanted, approvals) in offers {
            let (at, id, terms) = (ctx.clone(), company.id, terms(approvals));
            let made =
                self.app.db().write(&ctx, move |tx| access_offers::create(&at, tx, id, wanted, &terms));
            let Saved::Done(_) = made.await?.value else { return Err(broken("an offer was refused")) };
        }
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let domain = company.domains.first().map(|(_, name)| *name).unwrap_or_default();
        self.app
            .db()
            .write(&ctx, move |tx| approved_domains::approve(&at, tx, id, &by, (domain, Mode::Join), false))
            .await?;
        Ok(())
    }

    /// Somebody asks for the offer whose key begins with `what`.
    pub(super) async fn ask(
        &self,
        company: &Company,
        person: usize,
        (what, reason, days): (&'static str, &'static str, u32),
    ) -> Result<RequestId, DemoError> {
        let asker = company.people.get(person).ok_or_else(|| broken("nobody asks"))?.id;
        let ctx = self.ctx_of(asker, person);
        let (at, id, app) = (ctx.clone(), company.id, self.app.clone());
        let asked = self.app.db().write(&ctx, move |tx| {
            let offers = access_offers::list(tx, id, None, 10)?;
            let offer = offers.iter().find(|offer| offer.wanted.key().starts_with(what));
            let offer = offer.ok_or_else(|| DbError::Check("an offer".to_owned()))?.id;
            access_requests::ask(&app, &at, tx, id, asker, offer, (reason, days))
        });
        match asked.await?.value {
            Asked::Done(request) => Ok(request.id),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    pub(super) async fn approve(&self, company: &Company, request: RequestId) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, app, owner) = (ctx.clone(), company.id, self.app.clone(), company.owner.id);
        let verdict = Verdict { approve: true, words: "Until the audit is over".to_owned() };
        self.app
            .db()
            .write(&ctx, move |tx| access_requests::decide(&app, &at, tx, id, request, owner, &verdict))
            .await?;
        Ok(())
    }

    /// The owner and a colleague look at everything.
    pub(super) async fn start_review(&self, company: &Company, name: &str) -> Result<ReviewId, DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let colleague = company.people.first().ok_or_else(|| broken("nobody reviews"))?.id;
        let new = NewReview {
            name: name.to_owned(),
            kinds: Kind::ALL.to_vec(),
            reviewers: vec![company.owner.id, colleague],
            days: 14,
            on_silence: Choice::Revoke,
        };
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let started = self.app.db().write(&ctx, move |tx| access_reviews::start(&at, tx, id, &by, &new));
        match started.await?.value {
            Started::Done(review) => Ok(review.id),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// Everything stays but one membership of a group; each leaves their own to the other.
    pub(super) async fn finish_review(&self, company: &Company, review: ReviewId) -> Result<(), DemoError> {
        let colleague = company.people.first().ok_or_else(|| broken("nobody reviews"))?.id;
        let id = company.id;
        let all = self
            .app
            .db()
            .read(move |tx| access_reviews::items(tx, id, review, &Filter::default(), None, 1000))
            .await?;
        let moved = all.iter().rev().find(|item| item.grant.kind() == Kind::Group).map(|item| item.id);
        let of = |own: bool| -> Vec<ItemId> {
            all.iter()
                .filter(|item| (item.account == Some(company.owner.id)) == own && Some(item.id) != moved)
                .map(|item| item.id)
                .collect()
        };
        self.say(company, review, company.owner.id, (of(false), Choice::Keep, "still needed")).await?;
        self.say(company, review, colleague, (of(true), Choice::Keep, "she runs the place")).await?;
        let moved = moved.into_iter().collect();
        self.say(company, review, company.owner.id, (moved, Choice::Revoke, "moved to the office")).await?;
        let ctx = self.ctx_of(company.owner.id, 0);
        let at = ctx.clone();
        self.app.db().write(&ctx, move |tx| access_reviews::finish(&at, tx, id, review)).await?;
        Ok(())
    }

    async fn say(
        &self,
        company: &Company,
        review: ReviewId,
        who: AccountId,
        (items, choice, reason): (Vec<ItemId>, Choice, &'static str),
    ) -> Result<(), DemoError> {
        let ctx = self.ctx_of(who, 0);
        let (at, id) = (ctx.clone(), company.id);
        let said = self.app.db().write(&ctx, move |tx| {
            access_reviews::decide(&at, tx, id, review, who, (&items, choice, reason))
        });
        match said.await?.value {
            Decided::Done(_) => Ok(()),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// Somebody reports misuse, or tries the channel.
    pub(super) async fn report(
        &self,
        company: &Company,
        by: &Account,
        new: NewReport,
    ) -> Result<ReportId, DemoError> {
        let ctx = self.ctx_of(by.id, 0);
        let (at, id, app) = (ctx.clone(), company.id, self.app.clone());
        let from = Reporter::Member { account: Some(by.id), email: by.email.clone() };
        let opened =
            self.app.db().write(&ctx, move |tx| abuse_reports::open(&app, &at, tx, id, &from, &new)).await?;
        match opened.value {
            Opened::Done(report) => Ok(report.id),
            Opened::TooMany => Err(broken("a report was refused")),
        }
    }

    pub(super) async fn answer_report(
        &self,
        company: &Company,
        report: ReportId,
        (side, by, state, note): (Side, &Account, State, &str),
    ) -> Result<(), DemoError> {
        let ctx = self.ctx_of(by.id, 0);
        let (at, id, app) = (ctx.clone(), company.id, self.app.clone());
        let answer = Answer { side, by: by.name.clone(), state, note: note.to_owned() };
        self.app
            .db()
            .write(&ctx, move |tx| abuse_reports::answer(&app, &at, tx, id, report, &answer))
            .await?;
        Ok(())
    }

    /// The channel for reports is tested, and the provider answers.
    pub(super) async fn try_report_channel(&self, company: &Company) -> Result<(), DemoError> {
        let new = NewReport {
            kind: abuse_reports::Kind::Other,
            about: "the report channel".to_owned(),
            body: "A test of the report channel.".to_owned(),
            test: true,
        };
        let test = self.report(company, &company.owner, new).await?;
        let staff =
            self.app.db().read(|tx| principals::account_by_email(tx, "nora.winter@northwind.example"));
        let nora = staff.await?.ok_or_else(|| broken("nobody of the provider answers"))?;
        let answer = (Side::Provider, &nora, State::Resolved, "It arrived within the minute.");
        self.answer_report(company, test, answer).await
    }

    /// A member reports something real, and an admin works on it.
    pub(super) async fn report_a_code(&self, company: &Company) -> Result<(), DemoError> {
        let by = company.people.get(4).ok_or_else(|| broken("nobody reports"))?;
        let new = NewReport {
            kind: abuse_reports::Kind::SignIn,
            about: by.email.clone(),
            body: "Two mails with sign-in links came at night. I was asleep and asked for none.".to_owned(),
            test: false,
        };
        let report = self.report(company, by, new).await?;
        let note = "The password is new, and every other session was ended.";
        let answer = (Side::Customer, &company.owner, State::Working, note);
        self.answer_report(company, report, answer).await
    }
}
