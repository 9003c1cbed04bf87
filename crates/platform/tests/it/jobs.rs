//! Jobs: enqueued with the transaction, retried with backoff, taken over after a crash, never silently lost.

use std::time::Duration;

use platform::app::App;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::jobs::{self, JobError, JobFuture, JobKind, NewJob, Run, Schedule};
use platform::time::{HOUR, MINUTE};
use platform::web::routes::Routes;
use platform::{Actor, Area};
use testkit::{Kit, both};

static WORKING: Area = Area {
    name: "working",
    routes: Routes::new,
    jobs: &[
        JobKind { name: "test.good", attempts_max: 3, run: good },
        JobKind { name: "test.flaky", attempts_max: 3, run: flaky },
        JobKind { name: "test.panics", attempts_max: 2, run: panics },
    ],
    schedules: &[Schedule { kind: "test.good", every: HOUR }],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};

fn record(app: App, run: Run, action: &'static str) -> JobFuture {
    Box::pin(async move {
        let organization =
            app.db().read(|tx| platform::principals::organization_by_slug(tx, "harbor")).await?;
        let Some(organization) = organization else { return Ok(()) };
        app.db()
            .write(&run.ctx, move |tx| {
                let recorded = tx.record(Event::new(organization.id, action));
                Ok::<_, DbError>(Commit::changed((), recorded))
            })
            .await?;
        Ok(())
    })
}

fn good(app: App, run: Run) -> JobFuture {
    record(app, run, "test.worked")
}

fn flaky(app: App, run: Run) -> JobFuture {
    if run.attempt < 3 {
        return Box::pin(async { Err(JobError::retry("not yet")) });
    }
    record(app, run, "test.worked_at_last")
}

fn panics(_: App, _: Run) -> JobFuture {
    Box::pin(async { panic!("a job that panics") })
}

async fn enqueue(kit: &Kit, kind: &'static str, commit: bool) {
    let id = kit.organization("harbor").await;
    let ctx = kit.ctx();
    kit.app
        .db()
        .write(&kit.ctx(), move |tx| {
            let job = NewJob { kind, organization: Some(id), unique_key: None, run_at: ctx.now };
            jobs::enqueue(&ctx, tx, &job, &serde_json::json!({ "n": 1 }))?;
            let recorded = tx.record(Event::new(id, "test.asked"));
            Ok::<_, DbError>(if commit { Commit::changed((), recorded) } else { Commit::unchanged(()) })
        })
        .await
        .unwrap();
}

async fn count(kit: &Kit, action: &str) -> usize {
    let id = kit.organization("harbor").await;
    kit.actions(id).await.iter().filter(|found| *found == action).count()
}

#[tokio::test]
async fn a_job_exists_exactly_if_its_transaction_committed() {
    both(
        async |kit| {
            kit.settle().await;
            let before = count(kit, "test.worked").await;
            enqueue(kit, "test.good", false).await;
            kit.settle().await;
            assert_eq!(count(kit, "test.worked").await, before);
            enqueue(kit, "test.good", true).await;
            kit.settle().await;
            assert_eq!(count(kit, "test.worked").await, before + 1);
        },
        &[&WORKING],
    )
    .await;
}

#[tokio::test]
async fn a_failing_job_is_tried_again_later_and_then_works() {
    both(
        async |kit| {
            enqueue(kit, "test.flaky", true).await;
            kit.settle().await;
            assert_eq!(count(kit, "test.worked_at_last").await, 0);
            kit.advance_settled(MINUTE, Duration::from_secs(5)).await;
            assert_eq!(count(kit, "test.worked_at_last").await, 1);
        },
        &[&WORKING],
    )
    .await;
}

#[tokio::test]
async fn a_schedule_runs_once_per_period() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            kit.settle().await;
            let first = count(kit, "test.worked").await;
            kit.advance_settled(HOUR * 3, MINUTE * 10).await;
            assert_eq!(count(kit, "test.worked").await, first + 3);
        },
        &[&WORKING],
    )
    .await;
}

#[tokio::test]
async fn a_job_of_a_dead_node_is_taken_over() {
    both(
        async |kit| {
            kit.settle().await;
            enqueue(kit, "test.good", true).await;
            let before = count(kit, "test.worked").await;
            // A node leases it and dies: nobody finishes it.
            let now = kit.now();
            let leased = kit.app.db().housekeeping(move |tx| jobs::lease_for_test(tx, now)).await.unwrap();
            assert!(leased > 0);
            kit.settle().await;
            assert_eq!(count(kit, "test.worked").await, before, "the lease still holds");
            kit.advance(MINUTE * 3);
            kit.settle().await;
            assert!(count(kit, "test.worked").await > before);
        },
        &[&WORKING],
    )
    .await;
}

#[tokio::test]
#[should_panic(expected = "left jobs behind")]
async fn a_job_that_fails_for_good_stays_visible_and_fails_the_test() {
    testkit::sqlite_only(
        async |kit: &Kit| {
            enqueue(kit, "test.panics", true).await;
            kit.advance_settled(MINUTE, Duration::from_secs(5)).await;
            let jobs = kit.app.db().read(|tx| jobs::list(tx, 10)).await.unwrap();
            let failed = jobs.iter().find(|job| job.kind == "test.panics").unwrap();
            assert_eq!((failed.state.as_str(), failed.attempts), ("failed", 2));
            assert_eq!(failed.last_error.as_deref(), Some("the job panicked"));
            let _ = Actor::Operator;
        },
        testkit::KitOptions::new(&[&WORKING]),
    )
    .await;
}
