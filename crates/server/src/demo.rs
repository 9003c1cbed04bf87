//! The demo: a provider, three organizations, and a year of their history, so that pages can be judged full.
//!
//! Nothing here writes a row. A second app over the same store, with a virtual clock that starts a year ago and a
//! fixed seed, goes through the year day by day: people sign up, domains are proved, claimed and lost, policies decided,
//! through the same rules that handlers call, with the same jobs in between. What the pages show afterwards is what
//! the program would show if it had been used that way.

use std::time::Duration;

use platform::app::{AppBuilder, AppParts};
use platform::config::Config;
use platform::ctx::{Actor, Random};
use platform::db::DbError;
use platform::evidence::{DrillSource, EvidenceSource};
use platform::jobs::{self, NewJob};
use platform::mail::Mailer;
use platform::principals;
use platform::time::{Clock, DAY, HOUR};
use platform::{App, Area};
use responsibility::rows;

mod controls;
mod people;
pub mod prover;
mod story;

/// The history is the same for every installation filled on the same day.
const SEED: u64 = 41_06_47;
/// How far the story's clock goes at once.
const STEP: Duration = Duration::from_secs(12 * HOUR.as_secs());
const YEAR: Duration = Duration::from_secs(365 * DAY.as_secs());

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the demo's mail folder cannot be used: {0}")]
    Mail(#[from] platform::mail::MailError),
    #[error("the demo's story does not go through: {0}")]
    Story(String),
}

/// Who the printed links sign in.
const VISITORS: [(&str, &str); 3] = [
    ("provider owner", "nora.winter@northwind.example"),
    ("organization admin", "mara.lind@harbor.example"),
    ("member", "jonas.berg@harbor.example"),
];

/// Lives through the year that ends now.
pub async fn fill(app: &App) -> Result<(), DemoError> {
    let clock = Clock::virtual_at(app.clock().now().minus(YEAR));
    let end = app.clock().now();
    let mut config: Config = app.config().clone();
    config.smtp_url = None;
    config.mailbox_dir = Some(config.data_dir.join("demo-mail"));
    let script = prover::Script::default();
    let parts = AppParts {
        db: app.db().clone(),
        clock: clock.clone(),
        random: Random::seeded(SEED),
        keyring: app.keyring().clone(),
        areas: app.areas().iter().copied().map(without_short_lived).collect(),
        authenticate: app.authenticate().clone(),
        config: config.clone(),
    };
    let past = AppBuilder::new(parts).service(Mailer::new(&config)?).service(script.service()).build();
    story::tell(&past, &script, end).await?;
    // What the year left out is looked at now, by the program itself.
    let ctx = app.ctx(Actor::System("demo"));
    app.db()
        .housekeeping(move |tx| {
            for kind in [responsibility::drills::jobs::RUN_ALL, responsibility::engine::jobs::EVALUATE_ALL] {
                let job = NewJob { kind, organization: None, unique_key: None, run_at: ctx.now };
                jobs::enqueue(&ctx, tx, &job, &())?;
            }
            Ok::<_, DbError>(())
        })
        .await?;
    Ok(story::settle(app).await?)
}

/// An area without most drills, and without the evidence that lives shorter than a step of the story. Such cells would lapse from each step to the
/// next, as they never do for a program that runs all year; so their history begins when the story ends.
fn without_short_lived(area: &'static Area) -> &'static Area {
    let lives = |source: &&EvidenceSource| {
        let half = rows::find(source.row).and_then(|row| row.half(source.side));
        half.is_none_or(|half| half.time_to_live > STEP)
    };
    let kept: Vec<EvidenceSource> = area.evidence.iter().filter(lives).copied().collect();
    // A year of canaries would be most of the time that the demo takes.
    let drills: Vec<DrillSource> = area
        .drills
        .iter()
        .filter(|drill| drill.row == "USR-P3")
        .map(|drill| DrillSource { row: drill.row, id: drill.id, run: drill.run })
        .collect();
    if kept.len() == area.evidence.len() && drills.len() == area.drills.len() {
        return area;
    }
    // Once per program that fills a demo.
    let (evidence, drills) = (Box::leak(kept.into_boxed_slice()), Box::leak(drills.into_boxed_slice()));
    Box::leak(Box::new(Area { evidence, drills, ..*area }))
}

/// A fresh link for each visitor; each works once.
pub async fn sign_in_links(app: &App) -> Result<Vec<(&'static str, String)>, DbError> {
    let mut links = Vec::new();
    for (who, email) in VISITORS {
        let ctx = app.ctx(Actor::Operator);
        let at = ctx.clone();
        let written = app
            .db()
            .write(&ctx, move |tx| match principals::account_by_email(tx, email)? {
                Some(account) => Ok(users::login::create_link(&at, tx, &account)?.map(Some)),
                None => Ok::<_, DbError>(platform::db::Commit::unchanged(None)),
            })
            .await?;
        if let Some(token) = written.value {
            let path = format!("/sign-in/link/{}", token.text());
            links.push((who, users::accounts::join(&app.config().public_url, &path)));
        }
    }
    Ok(links)
}
