//! The change feed: every committed event once, in order, across restarts of its consumer.

use std::sync::{Arc, Mutex};

use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::feed::{self, Cursor};
use testkit::both;

use crate::EMPTY;

#[tokio::test]
async fn concurrent_writers_are_all_consumed_exactly_once() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let mut work = tokio::task::JoinSet::new();
            for writer in 0..8 {
                let (db, ctx) = (kit.app.db().clone(), kit.ctx());
                work.spawn(async move {
                    for n in 0..25 {
                        db.write(&ctx, move |tx| {
                            let event = Event::new(id, "test.counted").with("n", writer * 100 + n);
                            let recorded = tx.record(event);
                            Ok::<_, DbError>(Commit::changed((), recorded))
                        })
                        .await
                        .unwrap();
                    }
                });
            }
            let seen: Arc<Mutex<Vec<String>>> = Arc::default();
            let consume = async || {
                let seen = seen.clone();
                // PostgreSQL may run the body again after a collision: collect only what the last run saw.
                let batch: Arc<Mutex<Vec<String>>> = Arc::default();
                let collected = batch.clone();
                let count = feed::step(kit.app.db(), "test", 7, move |_, events| {
                    *collected.lock().unwrap() =
                        events.iter().filter_map(|event| event.public.get("n").cloned()).collect();
                    Ok(())
                })
                .await
                .unwrap();
                seen.lock().unwrap().extend(batch.lock().unwrap().drain(..));
                count
            };
            while !work.is_empty() {
                consume().await;
                if let Some(done) = work.try_join_next() {
                    done.unwrap();
                }
            }
            while !feed::caught_up(kit.app.db(), "test").await.unwrap() {
                consume().await;
            }
            let mut seen = seen.lock().unwrap().clone();
            seen.sort();
            let count = seen.len();
            seen.dedup();
            assert_eq!((count, seen.len()), (200, 200), "each event once");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_failing_consumer_sees_the_same_events_again() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            // On PostgreSQL events wait for every older transaction of the server, those of other tests too.
            let mut steps = 0;
            while feed::step(kit.app.db(), "test", 10, |_, _| Err(DbError::Check("not yet".to_owned())))
                .await
                .is_ok()
            {
                steps += 1;
                assert!(steps < 10_000, "no event came");
            }
            let count = feed::step(kit.app.db(), "test", 10, |_, _| Ok(())).await.unwrap();
            assert_eq!(count, 1);
            let all = kit.app.db().read(|tx| feed::read(tx, Cursor::default(), 10)).await.unwrap();
            assert_eq!(all.len(), 1);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn of_two_who_looked_at_the_same_events_one_keeps_what_it_found() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            // PostgreSQL shows an event when no older transaction runs any more.
            while kit.app.db().read(|tx| feed::read(tx, Cursor::default(), 1)).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let both_looked = Arc::new(std::sync::Barrier::new(2));
            let kept: Arc<Mutex<usize>> = Arc::default();
            let one = async || {
                let (both_looked, kept) = (both_looked.clone(), kept.clone());
                let look = move |_: &mut platform::db::ReadTx, events: &[_]| {
                    both_looked.wait();
                    Ok(events.len())
                };
                let keep = move |_: &mut platform::db::Tx, events: &[_], looked: &usize| {
                    assert_eq!(events.len(), *looked);
                    *kept.lock().unwrap() += events.len();
                    Ok(())
                };
                feed::step_looking(kit.app.db(), "test", 10, look, keep).await.unwrap()
            };
            let (first, second) = tokio::join!(one(), one());
            assert_eq!(*kept.lock().unwrap(), first.max(second));
            assert_eq!(first.min(second), 0, "they were taken twice");
            assert_ne!(first.max(second), 0);
        },
        &[&EMPTY],
    )
    .await;
}
