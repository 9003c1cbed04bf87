//! The drill of USR-P2: canaries are attacked with leaked-style passwords, and each detector must raise its alert.
//!
//! First every detector has to be running and to come along with the real feed, within the time in which an alert has to
//! be there. Then, in a transaction that is rolled back, two attacks go through the rules of sign-in: one network tries the
//! canaries one after the other and gets into one; one canary is tried from many networks. What those rules recorded is read
//! and judged as the detectors read and judge the feed, and must stand in the list of alerts, with who was attacked by name.
//!
//! Nothing of it remains: no alert, no mail, no count of a throttle. Networks and addresses are made for one run, so nobody
//! else's tries meet them while it lasts. What the drill does not try is the form and the hash of a password, which come
//! before what it calls.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use platform::ctx::Actor;
use platform::db::{DbError, ReadTx, Tx};
use platform::events;
use platform::evidence::{DrillReport, DrillSource};
use platform::ids::OrganizationId;
use platform::principals::{self, Account};
use platform::time::{MINUTE, Timestamp};
use platform::web::guard::limits::network;
use platform::{App, Ctx};
use users::canary::{self, Canary, Stop, broken};
use users::login::{self, Right, Step};
use users::passwords::store;
use users::second_step::Entered;
use users::throttles::Subject;

use super::{MANY_ACCOUNTS, ONE_ACCOUNT, Rule, Try, take};
use crate::alerts::{self, Outcome, Severity, Wanted};
use crate::detectors::jobs::{Pass, pass};

pub const ROW: &str = "USR-P2";
pub const NAME: &str = "synthetic-stuffing";
/// How each part must end.
pub(crate) const RAISED: &str = "raised_its_alert";

pub(crate) const SYNTHETIC_STUFFING: DrillSource = DrillSource {
    row: ROW,
    id: NAME,
    run: |app| {
        Box::pin(async move {
            let ctx = app.ctx(Actor::System(NAME));
            run(&app, &ctx).await
        })
    },
};

/// An alert has to be there after so long.
const IN_TIME: Duration = MINUTE;
/// Canaries that the attack does not get into: as few as make an alert.
const GUESSED_AT: usize = 10;
/// Stands where a hash would: it is compared with itself, and no password fits it.
const HASH: &str = "canary";

/// Runs the drill and records how it ended.
pub async fn run(app: &App, ctx: &Ctx) -> Result<DrillReport, DbError> {
    let Some(provider) = app.db().read(principals::provider).await? else {
        let detail = "this installation is not set up".to_owned();
        return Ok(DrillReport { passed: false, detail });
    };
    let provider = provider.id;
    let mut wrong = Vec::new();
    let mut parts = Vec::new();
    for (rule, field) in [(&MANY_ACCOUNTS, "part_many_accounts"), (&ONE_ACCOUNT, "part_one_account")] {
        let told = match comes_along(app, rule).await? {
            Ok(()) => {
                let attacked =
                    canary::rolled_back(app, ctx, move |app, ctx, tx| attack(app, ctx, tx, provider, rule));
                attacked.await?
            }
            Err(why) => Err(why),
        };
        parts.push((field, if told.is_ok() { RAISED } else { "raised_no_alert" }));
        wrong.extend(told.err());
    }
    let detail = match wrong.is_empty() {
        true => "attacks on canaries raised their alerts at once, and the detectors come along with the feed"
            .to_owned(),
        false => wrong.join("; "),
    };
    let report = DrillReport { passed: wrong.is_empty(), detail };
    canary::record(app, ctx, provider, (ROW, NAME), &report, &parts).await?;
    Ok(report)
}

/// Whether the detector runs, and sees what is committed now within the time that an alert may take.
async fn comes_along(app: &App, rule: &'static Rule) -> Result<Result<(), String>, DbError> {
    let began = Instant::now();
    loop {
        match pass(app, rule).await? {
            Pass::Seen { .. } if began.elapsed() <= IN_TIME => return Ok(Ok(())),
            Pass::Stopped => return Ok(Err(format!("`{}` is stopped", rule.name))),
            Pass::Behind { .. } if began.elapsed() <= IN_TIME => {}
            Pass::Seen { .. } | Pass::Behind { .. } => {
                return Ok(Err(format!("`{}` does not come along with the feed", rule.name)));
            }
        }
    }
}

/// A network that nobody else has: of the range for documentation, new for each run.
fn strange(ctx: &Ctx) -> IpAddr {
    let [a, b, c, d]: [u8; 4] = ctx.random_bytes();
    let (one, other) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, one, other, 0, 0, 0, 1))
}

/// Someone who tries, from there.
fn from(ctx: &Ctx, ip: IpAddr) -> Ctx {
    let mut ctx = ctx.clone().acting_as(Actor::Anonymous);
    ctx.origin.ip = Some(ip);
    ctx
}

fn guess(ctx: &Ctx, tx: &mut Tx, provider: OrganizationId, account: &Account) -> Result<(), Stop> {
    let subject = Subject { email: account.email.clone(), network: network(ctx.origin.ip) };
    login::note_failure(ctx, tx, provider, Some(account.id), &subject)?;
    Ok(())
}

/// The right password from where the others were wrong.
fn get_in(ctx: &Ctx, tx: &mut Tx, provider: OrganizationId, account: &Account) -> Result<(), Stop> {
    store::set(ctx, tx, account.id, HASH)?;
    let subject = Subject { email: account.email.clone(), network: network(ctx.origin.ip) };
    let right = Right { provider, account: account.id, subject: &subject, old: Some(HASH) };
    match login::enter(ctx, tx, &right, None)?.into_value() {
        Step::Entered(Entered::Session(_)) => Ok(()),
        _ => broken("a canary with the right password was not let in"),
    }
}

/// Attacks, lets the detector judge what was recorded, and looks for the alert.
fn attack(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    rule: &'static Rule,
) -> Result<(), Stop> {
    let canary = Canary::found(app, ctx, tx)?;
    let before = tx.pending().len();
    let (subject, expected) = if rule == &MANY_ACCOUNTS {
        let ip = strange(ctx);
        let there = from(ctx, ip);
        for n in 0..GUESSED_AT {
            let account = canary.person(ctx, tx, &format!("guessed-at-{n}"))?;
            guess(&there, tx, provider, &account)?;
        }
        let victim = canary.person(ctx, tx, "got-into")?;
        get_in(&there, tx, provider, &victim)?;
        (network(Some(ip)), Some(victim.id.to_string()))
    } else {
        let victim = canary.person(ctx, tx, "wanted")?;
        for _ in 0..rule.least {
            guess(&from(ctx, strange(ctx)), tx, provider, &victim)?;
        }
        (victim.id.to_string(), None)
    };
    let recorded = tx.pending().iter().skip(before);
    let tries: Vec<Try> = recorded.filter_map(|event| Try::of_pending(event, ctx.now)).collect();
    take(app, ctx, tx, rule, tries)?;
    let wanted = Wanted { state: "open".to_owned(), search: subject.clone(), ..Wanted::default() };
    let listed = alerts::list(tx, &wanted, None, 10)?;
    let Some(alert) = listed.iter().find(|alert| alert.kind == rule.name && alert.subject == subject) else {
        return broken(format!("`{}` raised no alert", rule.name));
    };
    let named = alerts::sightings(tx, alert)?;
    match expected {
        Some(victim) => {
            let got_in = named.iter().any(|one| one.other == victim && one.outcome == Outcome::Entered);
            if alert.severity != Severity::Critical || !got_in {
                return broken(format!("the alert of `{}` does not name who was got into", rule.name));
            }
        }
        None if named.len() < rule.least => {
            return broken(format!("the alert of `{}` does not name the networks", rule.name));
        }
        None => {}
    }
    Ok(())
}

/// When the drill last ended, and whether it passed.
pub(crate) fn last(tx: &mut ReadTx, provider: OrganizationId) -> Result<Option<(Timestamp, bool)>, DbError> {
    const LOOKED_AT: u32 = 50;
    let about = events::about(tx, provider, "row", ROW, LOOKED_AT)?;
    let found = about.into_iter().find(|event| event.action.starts_with("drill."));
    Ok(found.map(|event| (event.at, event.action == "drill.passed")))
}
