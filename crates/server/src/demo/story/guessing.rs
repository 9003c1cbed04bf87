//! Two attacks: a spray that was noticed, looked at and settled, and one of this morning that got into an account.

use std::net::IpAddr;

use platform::Ctx;
use platform::ctx::Actor;
use platform::db::{Commit, DbError, Tx};
use platform::principals::{self, Account};
use platform::time::{MINUTE, SECOND};
use platform::web::guard::limits::network;
use threats::alerts::{self, Alert, Changed, Verdict, Wanted};
use users::login::{self, Right, Step};
use users::second_step::Entered;
use users::throttles::Subject;

use super::{Company, DemoError, Teller, broken};

const DESK: &str = "nora.winter@northwind.example";

impl Teller<'_> {
    /// Somebody without a session, who tries from `ip`.
    fn stranger(&self, ip: &str) -> Ctx {
        let mut ctx = self.app.ctx(Actor::Anonymous);
        ctx.origin.ip = ip.parse::<IpAddr>().ok();
        ctx
    }

    async fn guess(&self, ip: &str, account: &Account) -> Result<(), DemoError> {
        let ctx = self.stranger(ip);
        let (at, who) = (ctx.clone(), account.clone());
        let failed = self.app.db().write(&ctx, move |tx| {
            let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?.id;
            let subject = Subject { email: who.email.clone(), network: network(at.origin.ip) };
            login::note_failure(&at, tx, provider, Some(who.id), &subject)
        });
        failed.await?;
        self.app.clock().advance(SECOND * 4);
        Ok(())
    }

    /// A leaked password fits.
    async fn guessed_right(&self, ip: &str, account: &Account) -> Result<(), DemoError> {
        let ctx = self.stranger(ip);
        let (at, who) = (ctx.clone(), account.clone());
        let entered = self.app.db().write(&ctx, move |tx| {
            let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?.id;
            let subject = Subject { email: who.email.clone(), network: network(at.origin.ip) };
            let right = Right { provider, account: who.id, subject: &subject, old: None };
            login::enter(&at, tx, &right, None)
        });
        match entered.await?.value {
            Step::Entered(Entered::Session(_)) => Ok(()),
            _ => Err(broken(format!("{} was not got into", account.email))),
        }
    }

    /// Somebody of the staff does something about the newest alert that is open.
    async fn about_alert<F>(&self, act: F) -> Result<(), DemoError>
    where
        F: Fn(&Ctx, &mut Tx, &Alert, &str) -> Result<Commit<Changed>, DbError> + Send + Sync + 'static,
    {
        let wanted = Wanted { state: "live".to_owned(), ..Wanted::default() };
        let found = self.app.db().read(move |tx| {
            let nora = principals::account_by_email(tx, DESK)?;
            Ok::<_, DbError>(nora.zip(alerts::list(tx, &wanted, None, 1)?.into_iter().next()))
        });
        let (nora, alert) = found.await?.ok_or_else(|| broken("there is no alert"))?;
        let ctx = self.ctx_of(nora.id, 0);
        let at = ctx.clone();
        let done = self.app.db().write(&ctx, move |tx| act(&at, tx, &alert, &nora.name)).await?;
        match done.value {
            Changed::Done(_) => Ok(()),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// One network goes through a list of addresses; nobody is got into.
    pub(super) async fn noticed_spray(&self, company: &Company) -> Result<(), DemoError> {
        for account in company.people.iter().take(24) {
            self.guess("198.51.100.213", account).await?;
        }
        self.settle().await?;
        self.app.clock().advance(MINUTE * 9);
        self.about_alert(|ctx, tx, alert, by| alerts::acknowledge(ctx, tx, alert.id, by)).await?;
        self.app.clock().advance(MINUTE * 40);
        let note = "A list of leaked passwords from elsewhere. Nobody was got into; blocked at the proxy until Friday.";
        self.about_alert(move |ctx, tx, alert, by| {
            alerts::resolve(ctx, tx, alert.id, by, (Verdict::TruePositive, note))
        })
        .await
    }

    /// The same again, and one password fits; and an owner is wanted by many.
    pub(super) async fn fresh_attacks(&self, victims: &Company, wanted: &Company) -> Result<(), DemoError> {
        for n in [18, 44, 71, 102, 155, 203] {
            self.guess(&format!("203.0.113.{n}"), &wanted.owner).await?;
            self.app.clock().advance(MINUTE * 3);
        }
        let network = "2001:db8:77:1::5";
        for account in victims.people.iter().take(14) {
            self.guess(network, account).await?;
        }
        let found = victims.people.get(15).ok_or_else(|| broken("nobody to get into"))?;
        self.guessed_right(network, found).await?;
        Ok(self.settle().await?)
    }
}
