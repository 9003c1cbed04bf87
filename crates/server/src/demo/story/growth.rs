//! How the companies grow and what their people use: newcomers each month, sign-ins on working days, here and at products.

use std::time::Duration;

use platform::access::Role;
use platform::db::DbError;
use platform::principals::Account;
use platform::time::{DAY, MINUTE, Timestamp};
use users::openid_provider::grants::{self, Details};
use users::products::{self, Product};
use users::sessions;

use super::super::YEAR;
use super::super::people::person;
use super::{Company, DemoError, Teller, broken};

/// Before each company's newcomers: how many a month, one more every so many months, and their place among the names.
const NEWCOMERS: [(&str, &str, usize, usize, usize); 3] = [
    ("harbor", "harbor.example", 2, 3, 0),
    ("meridian", "meridian.example", 1, 4, 11),
    ("kestrel", "kestrel.example", 0, 2, 23),
];

impl Teller<'_> {
    /// Lets so many days pass on which people work.
    pub(super) async fn working_days(&self, companies: &[Company], days: u32) -> Result<(), DemoError> {
        for _ in 0..days {
            let now = self.app.clock().now();
            let day = usize::try_from(now.micros() / micros(DAY)).unwrap_or(0);
            // The first of January 1970 was a Thursday. What lies long back is told by one day a week.
            let weekend = day % 7 == 2 || day % 7 == 3;
            let recent = now > self.start.plus(YEAR - DAY * 42);
            if !weekend && (recent || day % 7 == 5) {
                for company in companies {
                    self.working_day(company, day).await?;
                }
            }
            self.until_time(now.plus(DAY)).await?;
        }
        Ok(())
    }

    pub(super) async fn working_until(
        &self,
        companies: &[Company],
        time: Timestamp,
    ) -> Result<(), DemoError> {
        let left = time.since(self.app.clock().now()).as_secs() / DAY.as_secs();
        self.working_days(companies, u32::try_from(left).unwrap_or(0)).await?;
        Ok(self.until_time(time).await?)
    }

    async fn working_day(&self, company: &Company, day: usize) -> Result<(), DemoError> {
        let all = company.people.len().max(1);
        for turn in 0..all.div_ceil(16) {
            let Some(account) = company.people.get((day * 5 + turn * 11) % all) else { continue };
            // One after the other, as they come in; a code of an app works once.
            self.app.clock().advance(MINUTE * 4);
            self.sign_in(account, day + turn).await?;
            if turn.is_multiple_of(2) {
                let product =
                    if day.is_multiple_of(3) { "Northwind Freight Ledger" } else { "Northwind Track" };
                self.use_product(account, product).await?;
            }
        }
        Ok(())
    }

    /// Somebody who has just signed in here goes on to a product.
    async fn use_product(&self, account: &Account, name: &'static str) -> Result<(), DemoError> {
        let ctx = self.ctx_of(account.id, 0);
        let (at, id) = (ctx.clone(), account.id);
        let product: Option<Product> = self
            .app
            .db()
            .read(|tx| products::list(tx, None, 10))
            .await?
            .into_iter()
            .find(|one| one.settings.name == name);
        let product = product.ok_or_else(|| broken(format!("there is no {name}")))?;
        let now = ctx.now;
        let session = self.app.db().read(move |tx| sessions::list(tx, id, now)).await?.into_iter().next();
        // Somebody who did not get through has nothing to go on with.
        let Some(session) = session else { return Ok(()) };
        let details = Details {
            redirect_uri: product.settings.redirect_uris.first().cloned().unwrap_or_default(),
            scopes: vec!["openid".to_owned()],
            auth_time: session.auth_time.micros() / 1_000_000,
            level: session.level,
            amr: session.amr.split(' ').map(str::to_owned).collect(),
            sid: session.id.to_string(),
            ..Details::default()
        };
        let person = grants::Person { account: id, session: session.id };
        self.app
            .db()
            .write(&ctx, move |tx| {
                let standing = products::standing_at(tx, &product, person.account, details.level, at.now)?;
                if !standing.allowed {
                    return Ok::<_, DbError>(platform::db::Commit::unchanged(()));
                }
                Ok(grants::begin(&at, tx, &product, &person, &details, true)?.map(|_| ()))
            })
            .await?;
        Ok(())
    }

    /// Who joins the companies this month.
    pub(super) async fn newcomers(&self, month: usize) -> Result<(), DemoError> {
        for (slug, domain, always, every, offset) in NEWCOMERS {
            for n in 0..always + usize::from(month.is_multiple_of(every)) {
                let who = person(100 + month * 4 + n, offset, domain);
                let account = self.vouch(&who, Some((slug, Role::Member))).await?;
                self.sign_in(&account, n).await?;
            }
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
