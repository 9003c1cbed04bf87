//! What the store promises: nothing without an event, a failing request rolls back alone, acknowledged is visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use platform::db::{Commit, Db, DbError};
use platform::events::Event;
use platform::principals;
use platform::{Ctx, params};
use testkit::both;

use crate::EMPTY;

platform::statements! {
    RENAME: Platform = "update organizations set name = $2 where id = $1";
    NAME: Platform = "select name from organizations where id = $1";
    SWAPPED: Platform = "select cast($2 as integer), cast($1 as integer)",
        postgres "select cast($2 as bigint), cast($1 as bigint)";
    WRONG_TYPE: Platform = "select name from organizations limit 1";
}

async fn name_of(db: &Db, id: platform::ids::OrganizationId) -> String {
    db.read(move |tx| tx.scalar::<String>(&NAME, params![id])).await.unwrap().unwrap()
}

async fn rename(db: &Db, ctx: &Ctx, id: platform::ids::OrganizationId, name: &str) -> Result<(), DbError> {
    let name = name.to_owned();
    db.write(ctx, move |tx| {
        tx.execute(&RENAME, params![id, name.as_str()])?;
        let recorded = tx.record(Event::new(id, "organization.renamed"));
        Ok(Commit::changed((), recorded))
    })
    .await
    .map(|_| ())
}

#[tokio::test]
async fn a_write_with_its_event_is_kept() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            rename(kit.app.db(), &kit.ctx(), id, "Harbor Logistics").await.unwrap();
            assert_eq!(name_of(kit.app.db(), id).await, "Harbor Logistics");
            assert_eq!(kit.actions(id).await, ["organization.created", "organization.renamed"]);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn unchanged_rolls_back_whatever_was_written() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let written = kit
                .app
                .db()
                .write(&kit.ctx(), move |tx| {
                    tx.execute(&RENAME, params![id, "Lost"])?;
                    Ok::<_, DbError>(Commit::unchanged("taken"))
                })
                .await
                .unwrap();
            assert_eq!(written.value, "taken");
            assert_eq!(name_of(kit.app.db(), id).await, "Harbor");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_failing_and_a_panicking_request_roll_back_alone() {
    both(
        async |kit| {
            let (db, ctx) = (kit.app.db().clone(), kit.ctx());
            let id = kit.organization("harbor").await;
            let mut work = tokio::task::JoinSet::new();
            for n in 0..60_usize {
                let (db, ctx) = (db.clone(), ctx.clone());
                work.spawn(async move {
                    db.write(&ctx, move |tx| {
                        let recorded = tx.record(Event::new(id, "test.counted").with("n", n));
                        assert!(n % 3 != 1, "a rule that panics");
                        if n % 3 == 2 {
                            return Err(DbError::Check("a rule that fails".to_owned()));
                        }
                        Ok(Commit::changed((), recorded))
                    })
                    .await
                    .is_ok()
                });
            }
            let done = work.join_all().await.into_iter().filter(|done| *done).count();
            assert_eq!(done, 20);
            let counted = kit.actions(id).await.iter().filter(|action| *action == "test.counted").count();
            assert_eq!(counted, 20, "exactly those that were acknowledged");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn many_writers_of_one_row_lose_nothing() {
    both(
        async |kit| {
            let (db, ctx) = (kit.app.db().clone(), kit.ctx());
            let id = kit.organization("harbor").await;
            rename(&db, &ctx, id, "0").await.unwrap();
            let mut work = tokio::task::JoinSet::new();
            for _ in 0..40 {
                let (db, ctx) = (db.clone(), ctx.clone());
                work.spawn(async move {
                    db.write(&ctx, move |tx| {
                        // The event's ledger head is the lock on PostgreSQL; the read comes after it there.
                        let organization = principals::organization_for_update(tx, id)?.expect("it exists");
                        let next = organization.name.parse::<u32>().expect("a number") + 1;
                        tx.execute(&RENAME, params![id, next.to_string()])?;
                        let recorded = tx.record(Event::new(id, "organization.renamed"));
                        Ok::<_, DbError>(Commit::changed((), recorded))
                    })
                    .await
                });
            }
            for result in work.join_all().await {
                result.unwrap();
            }
            assert_eq!(name_of(&db, id).await, "40");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn housekeeping_may_not_change_audited_state() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let refused = kit
                .app
                .db()
                .housekeeping(move |tx| tx.execute(&RENAME, params![id, "Lost"]))
                .await
                .unwrap_err();
            assert!(matches!(refused, DbError::NoEvent(_)), "{refused}");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_read_cannot_write() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let refused =
                kit.app.db().read(move |tx| tx.query(&RENAME, params![id, "Lost"])).await.unwrap_err();
            assert!(matches!(refused, DbError::WriteInRead(_)), "{refused}");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn placeholders_bind_by_number_on_both_engines() {
    both(
        async |kit| {
            let row =
                kit.app.db().read(|tx| tx.first(&SWAPPED, params![1_i64, 2_i64])).await.unwrap().unwrap();
            assert_eq!((row.get::<i64>(0).unwrap(), row.get::<i64>(1).unwrap()), (2, 1));
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_column_of_another_type_is_an_error_not_a_default() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            let wrong = kit.app.db().read(|tx| tx.scalar::<i64>(&WRONG_TYPE, &[])).await.unwrap_err();
            assert!(matches!(wrong, DbError::Type { column: 0, .. }), "{wrong}");
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_rule_runs_again_after_a_collision_on_postgres() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let tries = Arc::new(AtomicUsize::new(0));
            let counted = tries.clone();
            kit.app
                .db()
                .write(&kit.ctx(), move |tx| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let recorded = tx.record(Event::new(id, "test.counted"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                })
                .await
                .unwrap();
            // Without a collision a rule runs once, and its event stands once.
            assert_eq!(tries.load(Ordering::SeqCst), 1);
            assert_eq!(kit.actions(id).await.len(), 2);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_look_up_runs_on_the_thread_that_asks_once_a_reader_waits() {
    testkit::sqlite_only(
        async |kit| {
            let (id, db) = (kit.organization("harbor").await, kit.app.db());
            let name = name_of(db, id).await;
            let here = std::thread::current().id();
            for _ in 0..2 {
                let looked_up = db.look_up(move |tx| {
                    let found = tx.scalar::<String>(&NAME, params![id])?;
                    Ok::<_, DbError>((found, std::thread::current().id()))
                });
                let (found, there) = looked_up.await.unwrap();
                assert_eq!(found.as_ref(), Some(&name));
                assert_eq!(there, here);
                let panicked: Result<(), DbError> = db.look_up(|_| panic!("a rule with a fault")).await;
                assert_eq!(panicked, Err(DbError::Panicked));
            }
        },
        testkit::KitOptions::new(&[&EMPTY]),
    )
    .await;
}
