//! The year: what happened on which day. Each step is a rule that a handler calls, too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use compliance::breach_contacts::{self, ContactRole, Details, Secret};
use compliance::breach_regimes::{self, Regime};
use platform::access::Role;
use platform::ctx::{Actor, Ctx, Origin};
use platform::db::DbError;
use platform::ids::{AccountId, GroupId, OrganizationId, Slug};
use platform::principals::Account;
use platform::time::{DAY, HOUR, Timestamp};
use platform::{App, jobs};
use users::accounts::email::EmailAddress;
use users::accounts::{Vouching, vouch};
use users::claims::{self, Starting, Whom};
use users::domains::checks::{self, Checked};
use users::domains::name::{DomainName, Reserved};
use users::domains::{self, Adding, DomainId};
use users::invitations::{self, Inviter, NewInvitation};
use users::names::Name;
use users::organizations::{self, Founding};
use users::people::Authority;
use users::policies::{self, Decided, Rules};
use users::second_step::Entered;
use users::set_up::{self, NewProvider};
use users::{groups, login};

use super::people::{DEVICES, Person, person};
use super::prover::Script;
use super::{DemoError, STEP};

mod access;
mod growth;
mod guessing;
mod support;

/// The story so far, and who acts in it.
pub(super) struct Teller<'a> {
    pub(super) app: &'a App,
    script: &'a Script,
    start: Timestamp,
    /// The secrets in people's authenticator apps.
    apps: Mutex<BTreeMap<AccountId, Vec<u8>>>,
}

pub(super) fn broken(what: impl ToString) -> DemoError {
    DemoError::Story(what.to_string())
}

/// Runs what is due now: jobs, then the matrix.
pub(super) async fn settle(app: &App) -> Result<(), DbError> {
    loop {
        let worked = jobs::run_due(app).await?;
        let evaluated = responsibility::consumer_step(app.clone()).await?
            + users::set_up_guide::consumer_step(app.clone()).await?
            + threats::follow(app.clone()).await?;
        if worked == 0 && evaluated == 0 {
            return Ok(());
        }
    }
}

pub async fn tell(app: &App, script: &Script, end: Timestamp) -> Result<(), DemoError> {
    let teller = Teller { app, script, start: app.clock().now(), apps: Mutex::default() };
    teller.provider().await?;
    teller.until(4).await?;
    let harbor = teller.harbor().await?;
    teller.until(24).await?;
    let meridian = teller.meridian().await?;
    teller.until(52).await?;
    let kestrel = teller.kestrel().await?;
    teller.live_on(&[harbor.clone(), meridian.clone(), kestrel.clone()], end, &harbor, &kestrel).await
}

/// A company of the story.
#[derive(Clone)]
pub(super) struct Company {
    pub(super) id: OrganizationId,
    pub(super) name: &'static str,
    pub(super) owner: Account,
    pub(super) people: Vec<Account>,
    domains: Vec<(DomainId, &'static str)>,
}

impl Teller<'_> {
    pub(super) fn apps(&self) -> MutexGuard<'_, BTreeMap<AccountId, Vec<u8>>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ctx(&self) -> Ctx {
        self.app.ctx(Actor::Operator)
    }

    pub(super) fn ctx_of(&self, account: AccountId, device: usize) -> Ctx {
        let (ip, agent) = DEVICES[device % DEVICES.len()];
        let origin = Origin { ip: ip.parse::<IpAddr>().ok(), user_agent: Some(agent.to_owned()) };
        self.app.ctx(Actor::Account(account)).from_origin(origin)
    }

    async fn settle(&self) -> Result<(), DbError> {
        settle(self.app).await
    }

    /// Lets time pass until `day` of the story.
    async fn until(&self, day: u32) -> Result<(), DbError> {
        self.until_time(self.start.plus(DAY * day)).await
    }

    async fn until_time(&self, time: Timestamp) -> Result<(), DbError> {
        loop {
            self.settle().await?;
            let left = time.since(self.app.clock().now());
            if left.is_zero() {
                return Ok(());
            }
            self.app.clock().advance(left.min(STEP));
        }
    }

    async fn provider(&self) -> Result<(), DemoError> {
        let ctx = self.ctx();
        let at = ctx.clone();
        self.app
            .db()
            .write(&ctx, move |tx| {
                let check = |text: &str| DbError::Check(text.to_owned());
                let new = NewProvider {
                    provider_name: "Northwind Cloud".to_owned(),
                    slug: Slug::parse("northwind").map_err(|_| check("slug"))?,
                    owner_email: EmailAddress::parse("nora.winter@northwind.example")
                        .map_err(|_| check("email"))?,
                    owner_name: "Nora Winter".to_owned(),
                    phc: None,
                };
                set_up::create_without_link(&at, tx, &new)
            })
            .await?;
        for (n, role) in [(3, Role::Admin), (8, Role::Admin), (14, Role::Auditor)] {
            let who = person(n, 31, "northwind.example");
            self.vouch(&who, Some(("northwind", role))).await?;
        }
        Ok(())
    }

    async fn vouch(&self, who: &Person, join: Option<(&'static str, Role)>) -> Result<Account, DemoError> {
        let ctx = self.ctx();
        let (at, name) = (ctx.clone(), who.name.clone());
        let email = EmailAddress::parse(&who.email).map_err(broken)?;
        let made = self.app.db().write(&ctx, move |tx| vouch(&at, tx, &email, &name, join)).await?;
        match made.value {
            Vouching::Done(account) => Ok(account),
            other => Err(broken(format!("{}: {other:?}", who.email))),
        }
    }

    async fn found(
        &self,
        owner: &Person,
        name: &'static str,
        slug: &'static str,
    ) -> Result<Company, DemoError> {
        let owner = self.vouch(owner, None).await?;
        let ctx = self.ctx_of(owner.id, 0);
        let (at, founder) = (ctx.clone(), owner.id);
        let wanted = Name::parse(name).map_err(broken)?;
        let slug = Slug::parse(slug).map_err(broken)?;
        let made = self
            .app
            .db()
            .write(&ctx, move |tx| organizations::create(&at, tx, Some(founder), &wanted, &slug))
            .await?;
        match made.value {
            Founding::Done(made) => {
                Ok(Company { id: made.id, name, owner, people: Vec::new(), domains: Vec::new() })
            }
            other => Err(broken(format!("{name}: {other:?}"))),
        }
    }

    /// `count` people join within `days`.
    async fn staff(
        &self,
        company: &mut Company,
        slug: &'static str,
        count: usize,
        offset: usize,
        domain: &str,
    ) -> Result<(), DemoError> {
        for n in 0..count {
            let role = match n {
                1 => Role::Admin,
                5 => Role::Auditor,
                _ => Role::Member,
            };
            let made = self.vouch(&person(n, offset, domain), Some((slug, role))).await?;
            company.people.push(made);
            if n % 8 == 7 {
                self.until_time(self.app.clock().now().plus(HOUR * 6)).await?;
            }
        }
        Ok(())
    }

    async fn add_domain(
        &self,
        company: &mut Company,
        name: &'static str,
        publish: bool,
    ) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id) = (ctx.clone(), company.id);
        let parsed = DomainName::parse_with(name, Reserved::Allow).map_err(broken)?;
        let added = self.app.db().write(&ctx, move |tx| domains::add(&at, tx, id, &parsed)).await?;
        let Adding::Done(domain) = added.value else { return Err(broken(format!("{name} was not added"))) };
        company.domains.push((domain.id, name));
        if publish {
            self.script.publish(name, &domain.record_value());
            self.app.clock().advance(HOUR);
            self.check(company, domain.id).await?;
        }
        Ok(())
    }

    async fn check(&self, company: &Company, domain: DomainId) -> Result<Checked, DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        checks::check(self.app, &ctx, company.id, domain).await.map_err(broken)
    }

    async fn claim_all(&self, company: &Company, domain: DomainId) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id) = (ctx.clone(), company.id);
        let started = self
            .app
            .db()
            .write(&ctx, move |tx| claims::start(&at, tx, id, domain, &Whom::All, Some(true)))
            .await?;
        match started.value {
            Starting::Done(_) => Ok(self.settle().await?),
            other => Err(broken(format!("claim of {}: {other:?}", company.name))),
        }
    }

    async fn decide(&self, company: &Company, rules: Rules) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let decided = self
            .app
            .db()
            .write(&ctx, move |tx| policies::decide(&at, tx, id, &by, None, rules.clone()))
            .await?;
        match decided.value {
            Decided::Done(_) => Ok(()),
            other => Err(broken(format!("policy of {}: {other:?}", company.name))),
        }
    }

    async fn group(&self, company: &Company, name: &str, members: &[usize]) -> Result<GroupId, DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id) = (ctx.clone(), company.id);
        let name = Name::parse(name).map_err(broken)?;
        let made = self.app.db().write(&ctx, move |tx| groups::create(&at, tx, id, &name, "")).await?;
        let groups::Saved::Done(group) = made.value else { return Err(broken("a group was not made")) };
        for n in members {
            let Some(account) = company.people.get(*n).map(|account| account.id) else { continue };
            let (at, group) = (ctx.clone(), group.id);
            self.app.db().write(&ctx, move |tx| groups::add_member(&at, tx, id, group, account)).await?;
        }
        Ok(group.id)
    }

    async fn invite(&self, company: &Company, email: &str) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, app) = (ctx.clone(), company.id, self.app.clone());
        let inviter = Inviter {
            account: Some(company.owner.id),
            name: company.owner.name.clone(),
            authority: Authority::OPERATOR,
        };
        let new = NewInvitation {
            email: EmailAddress::parse(email).map_err(broken)?,
            role: Role::Member,
            groups: Vec::new(),
        };
        self.app.db().write(&ctx, move |tx| invitations::invite(&app, &at, tx, id, &inviter, &new)).await?;
        Ok(())
    }

    /// Names who is told of a breach; each confirms by the mailed link, as they would.
    async fn breach_contacts(&self, company: &Company) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let id = company.id;
        for (n, role, primary) in [(1, ContactRole::Security, true), (5, ContactRole::Privacy, false)] {
            let Some(who) = company.people.get(n).cloned() else { continue };
            let details = Details::check(&who.name, &who.email, "", role, primary)
                .map_err(|wrong| broken(format!("{wrong:?}")))?;
            let (at, app) = (ctx.clone(), self.app.clone());
            self.app.db().write(&ctx, move |tx| breach_contacts::add(&app, &at, tx, id, &details)).await?;
            self.settle().await?;
            let token = self.mailed(&who.email, "/contacts/confirm/")?;
            let secret = Secret::parse(&token).ok_or_else(|| broken("a mailed link is not readable"))?;
            let at = ctx.clone();
            self.app.db().write(&ctx, move |tx| breach_contacts::confirm(&at, tx, &secret)).await?;
        }
        let at = ctx.clone();
        let regimes = [Regime::Gdpr, Regime::Nis2];
        self.app.db().write(&ctx, move |tx| breach_regimes::choose(&at, tx, id, &regimes, "")).await?;
        Ok(())
    }

    /// What follows `path` in the newest mail to `email`.
    fn mailed(&self, email: &str, path: &str) -> Result<String, DemoError> {
        let folder = self.app.config().mailbox_dir.clone().ok_or_else(|| broken("no mailbox"))?;
        let mut files: Vec<_> =
            std::fs::read_dir(folder).map_err(broken)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files.iter().rev() {
            let mail = std::fs::read_to_string(file).map_err(broken)?.replace("=\r\n", "");
            if let Some((_, rest)) = mail.split_once(path).filter(|_| mail.contains(email)) {
                return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        Err(broken(format!("no mail to {email}")))
    }

    /// Signs somebody in from one of their devices.
    async fn sign_in(&self, account: &Account, device: usize) -> Result<(), DbError> {
        let ctx = self.ctx_of(account.id, device);
        let (at, id, account) = (ctx.clone(), account.id, account.clone());
        let link = self.app.db().write(&ctx, move |tx| login::create_link(&at, tx, &account)).await?;
        let (at, token) = (ctx.clone(), link.value);
        let entered = self.app.db().write(&ctx, move |tx| login::use_link(&at, tx, &token)).await?.value;
        match entered {
            Some(Entered::Pending(waiting)) => self.second_step(&ctx, id, waiting).await,
            _ => Ok(()),
        }
    }

    /// Verified, claimed, decided: an organization that does its part.
    async fn harbor(&self) -> Result<Company, DemoError> {
        let owner = Person { name: "Mara Lind".to_owned(), email: "mara.lind@harbor.example".to_owned() };
        let mut harbor = self.found(&owner, "Harbor Logistics", "harbor").await?;
        let jonas = Person { name: "Jonas Berg".to_owned(), email: "jonas.berg@harbor.example".to_owned() };
        let jonas = self.vouch(&jonas, Some(("harbor", Role::Member))).await?;
        harbor.people.push(jonas);
        self.staff(&mut harbor, "harbor", 58, 0, "harbor.example").await?;
        self.add_domain(&mut harbor, "harbor.example", true).await?;
        self.claim_all(&harbor, harbor.domains[0].0).await?;
        self.staff(&mut harbor, "harbor", 9, 17, "harbor-freight.example").await?;
        self.add_domain(&mut harbor, "harbor-freight.example", true).await?;
        self.claim_all(&harbor, harbor.domains[1].0).await?;
        self.decide(&harbor, Rules { password_reuse_history: 5, ..Rules::RECOMMENDED }).await?;
        self.breach_contacts(&harbor).await?;
        let dispatch = self.group(&harbor, "Dispatch", &[0, 2, 4, 6, 8, 10, 12]).await?;
        self.group(&harbor, "Finance", &[1, 3, 5, 9]).await?;
        // Not those whom the printed links sign in: whoever tries the demo has no authenticator app of theirs.
        for account in harbor.people.iter().skip(1).step_by(2) {
            self.enrol(account).await?;
        }
        self.policies(&harbor).await?;
        self.api_token(&harbor, "Nightly matrix report", 365).await?;
        self.audit_stream(&harbor, "https://siem.harbor.example/audit").await?;
        self.linked_directory(&harbor, "harbor.example").await?;
        self.products().await?;
        self.offers(&harbor, dispatch).await?;
        Ok(harbor)
    }

    /// Never got round to proving its domain: most of its half is open.
    async fn meridian(&self) -> Result<Company, DemoError> {
        let owner = Person { name: "Theo Marsh".to_owned(), email: "theo.marsh@meridian.example".to_owned() };
        let mut meridian = self.found(&owner, "Meridian Clinic", "meridian").await?;
        self.staff(&mut meridian, "meridian", 21, 11, "meridian.example").await?;
        self.add_domain(&mut meridian, "meridian.example", false).await?;
        Ok(meridian)
    }

    /// Verified, with freelancers from outside, a weak policy and a forgotten invitation.
    async fn kestrel(&self) -> Result<Company, DemoError> {
        let owner = Person { name: "Ida Falk".to_owned(), email: "ida.falk@kestrel.example".to_owned() };
        let mut kestrel = self.found(&owner, "Kestrel Studio", "kestrel").await?;
        self.staff(&mut kestrel, "kestrel", 12, 23, "kestrel.example").await?;
        self.add_domain(&mut kestrel, "kestrel.example", true).await?;
        self.claim_all(&kestrel, kestrel.domains[0].0).await?;
        for n in 0..5 {
            let outside = person(n, 29, "freelance.example");
            let made = self.vouch(&outside, Some(("kestrel", Role::Member))).await?;
            kestrel.people.push(made);
        }
        self.decide(&kestrel, Rules { session_absolute_hours: 168, ..Rules::RECOMMENDED }).await?;
        self.group(&kestrel, "Project Heron", &[0, 3, 12, 13]).await?;
        Ok(kestrel)
    }

    /// The months after: people sign in, one domain's record goes missing and comes back, a policy is weakened.
    async fn live_on(
        &self,
        companies: &[Company],
        end: Timestamp,
        harbor: &Company,
        kestrel: &Company,
    ) -> Result<(), DemoError> {
        let (freight, freight_name) = harbor.domains[1];
        let mut month = 0_usize;
        while self.app.clock().now().plus(DAY * 30) < end {
            for company in companies {
                for (n, account) in
                    company.people.iter().enumerate().filter(|(n, _)| (n + month).is_multiple_of(4))
                {
                    self.sign_in(account, n + month / 3).await?;
                }
                self.sign_in(&company.owner, month % 2).await?;
            }
            self.newcomers(month).await?;
            match month {
                3 => self.script.withdraw(freight_name),
                6 => {
                    let relaxed =
                        Rules { password_min_length: 10, session_absolute_hours: 168, ..Rules::RECOMMENDED };
                    self.decide(kestrel, relaxed).await?;
                }
                _ => {}
            }
            self.working_days(companies, 10).await?;
            if month == 3 {
                // The owner saw the notice and put the record back.
                let id = harbor.id;
                let found = self.app.db().read(move |tx| domains::find(tx, id, freight)).await?;
                let domain = found.ok_or_else(|| broken("the domain is gone"))?;
                self.script.publish(freight_name, &domain.record_value());
                self.check(harbor, freight).await?;
            }
            self.working_days(companies, 20).await?;
            month += 1;
        }
        self.working_until(companies, end.minus(DAY * 25)).await?;
        let review = self.start_review(harbor, "Yearly review").await?;
        self.working_until(companies, end.minus(DAY * 22)).await?;
        self.finish_review(harbor, review).await?;
        self.settled_ticket(harbor).await?;
        self.working_until(companies, end.minus(DAY * 20)).await?;
        self.try_report_channel(kestrel).await?;
        self.working_until(companies, end.minus(DAY * 16)).await?;
        self.invite(kestrel, "rita.moss@printworks.example").await?;
        self.noticed_spray(harbor).await?;
        self.working_until(companies, end.minus(DAY * 5)).await?;
        self.start_review(kestrel, "First review").await?;
        self.resolved_ticket(kestrel).await?;
        let granted = self.ask(harbor, 7, ("role:auditor", "The yearly audit of the warehouse", 30)).await?;
        self.working_until(companies, end.minus(DAY * 4)).await?;
        self.approve(harbor, granted).await?;
        self.working_until(companies, end.minus(DAY * 3)).await?;
        self.invite(harbor, "new.colleague@harbor.example").await?;
        self.waiting_ticket(harbor).await?;
        self.working_until(companies, end.minus(DAY * 2)).await?;
        self.report_a_code(kestrel).await?;
        self.working_until(companies, end.minus(DAY)).await?;
        self.roll_out_mfa(harbor, Rules { password_reuse_history: 5, ..Rules::RECOMMENDED }).await?;
        self.ask(harbor, 11, ("group", "I stand in for Anna in the night shift", 14)).await?;
        self.ask(harbor, 13, ("role:admin", "Moving the warehouse to the new directory", 7)).await?;
        self.open_tickets(harbor, companies).await?;
        self.working_until(companies, end.minus(HOUR * 3)).await?;
        if let Some(meridian) = companies.iter().find(|company| company.name == "Meridian Clinic") {
            self.fresh_attacks(meridian, kestrel).await?;
        }
        self.working_until(companies, end).await
    }
}
