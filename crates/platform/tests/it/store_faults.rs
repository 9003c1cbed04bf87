//! What goes wrong under the store: lost connections, full disks, stuck statements, too many at once. Each is an error in
//! words; what was acknowledged stays, what was not is not there; and the store works again afterwards.

use std::time::Duration;

use platform::db::{Commit, DatabaseUrl, Db, DbError, EngineKind, PostgresOptions};
use platform::events::Event;
use platform::params;
use testkit::{both, database};

use crate::EMPTY;

platform::statements! {
    NOTE: Housekeeping = "insert into drill_results (duty, drill, ran_at, passed, detail) values ($1, 'd', 0, 1, $2)";
    AUDITED: Platform = "insert into drill_results (duty, drill, ran_at, passed, detail) values ($1, 'd', 0, 1, $2)";
    NOTES: Platform = "select duty from drill_results order by duty";
    /// No page more than there are.
    NO_MORE_PAGES: Platform = "pragma max_page_count = 1", postgres "select 1";
    PAGES_AGAIN: Platform = "pragma max_page_count = 1000000", postgres "select 1";
    ENDLESS: Platform = "select 1", postgres "select count(*) from generate_series(1, 1000000000)";
    LOCK: Platform = "select 1", postgres "select pg_advisory_xact_lock(84800001)::text";
}

async fn notes(db: &Db) -> Vec<String> {
    db.read(|tx| tx.list(&NOTES, &[], |row| row.get::<String>(0))).await.unwrap()
}

/// PostgreSQL answers the `commit` of a failed transaction with a rollback that looks like success.
#[tokio::test]
async fn an_error_that_a_rule_passes_over_is_not_acknowledged() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let ctx = kit.ctx();
            let written = kit.app.db().write(&ctx, move |tx| {
                tx.execute(&AUDITED, params!["a", ""])?;
                let again = tx.execute(&AUDITED, params!["a", ""]);
                assert!(matches!(again, Err(DbError::Unique(_))), "{again:?}");
                let recorded = tx.record(Event::new(id, "drill.ran"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            });
            let refused = written.await.map(|written| written.value);
            assert!(matches!(refused, Err(DbError::Unique(_))), "{refused:?}");
            assert!(notes(kit.app.db()).await.is_empty());
            let kept = kit.app.db().housekeeping(|tx| {
                let _ = tx.execute(&NOTE, params!["b", ""]);
                let _ = tx.execute(&NOTE, params!["b", ""]);
                Ok::<_, DbError>(())
            });
            assert!(kept.await.is_err());
            assert!(notes(kit.app.db()).await.is_empty());
        },
        &[&EMPTY],
    )
    .await;
}

/// SQLite rolls whole transactions back when the disk is full: with the one that found it so, everything in its group
/// that was done before. Nobody of them is told that it is stored, and nobody who came after is stored by halves.
#[tokio::test]
async fn a_full_disk_in_the_middle_of_a_group_acknowledges_nothing_that_is_not_there() {
    both(
        async |kit| {
            if kit.kind != EngineKind::Sqlite {
                return;
            }
            let db = kit.app.db();
            for round in 0..20 {
                db.read(|tx| tx.query(&PAGES_AGAIN, &[]).map(drop)).await.unwrap();
                db.housekeeping(|tx| tx.query(&NO_MORE_PAGES, &[]).map(drop)).await.unwrap();
                let mut work = tokio::task::JoinSet::new();
                for n in 0..24_usize {
                    let db = db.clone();
                    work.spawn(async move {
                        let name = format!("{round:02} {n:02}");
                        // Every fourth is large.
                        let detail = "x".repeat(if n % 4 == 3 { 100_000 } else { 1 });
                        let told = name.clone();
                        let done = db
                            .housekeeping(move |tx| {
                                tx.execute(&NOTE, params![told.as_str(), detail.as_str()]).map(drop)
                            })
                            .await;
                        (name, done)
                    });
                }
                let done = work.join_all().await;
                let full = done.iter().filter(|(_, done)| matches!(done, Err(DbError::Full))).count();
                assert!(full >= 6, "the large ones at least: {done:?}");
                assert!(
                    done.iter().all(|(_, done)| matches!(done, Ok(()) | Err(DbError::Full))),
                    "said in words: {done:?}"
                );
                let mut acknowledged: Vec<String> =
                    done.into_iter().filter(|(_, done)| done.is_ok()).map(|(name, _)| name).collect();
                acknowledged.sort();
                let start = format!("{round:02} ");
                let found: Vec<String> =
                    notes(db).await.into_iter().filter(|name| name.starts_with(&start)).collect();
                assert_eq!(found, acknowledged, "exactly what was acknowledged");
                db.housekeeping(|tx| tx.query(&PAGES_AGAIN, &[]).map(drop)).await.unwrap();
            }
            db.housekeeping(|tx| tx.execute(&NOTE, params!["after", ""]).map(drop)).await.unwrap();
            assert!(notes(db).await.contains(&"after".to_owned()));
        },
        &[&EMPTY],
    )
    .await;
}

struct Server {
    database: database::TestDatabase,
    dsn: String,
    superuser: tokio_postgres::Client,
    name: String,
}

/// A store whose connections are told apart by their name.
async fn server(name: &str) -> Option<Server> {
    let server = database::postgres_server()?;
    let database = database::postgres(&server).await;
    let DatabaseUrl::Postgres(dsn) = database.url.clone() else { panic!("not PostgreSQL") };
    let name = format!("{name}_{}", std::process::id());
    let dsn = format!("{dsn}&application_name={name}");
    let (superuser, connection) =
        tokio_postgres::connect(&database.as_superuser().unwrap(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    Some(Server { database, dsn, superuser, name })
}

impl Server {
    /// Ends every connection of the store, as a restart or a failover of the server does.
    async fn end_connections(&self) -> usize {
        let mine = "select pid from pg_stat_activity where application_name = $1";
        let rows = self.superuser.query(mine, &[&self.name]).await.unwrap();
        let pids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        self.superuser
            .execute("select pg_terminate_backend(pid) from unnest($1::int[]) p (pid)", &[&pids])
            .await
            .unwrap();
        // It only sends a signal: until they are gone.
        let left = "select count(*) from pg_stat_activity where pid = any($1)";
        while self.superuser.query_one(left, &[&pids]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::task::yield_now().await;
        }
        pids.len()
    }
}

#[tokio::test]
async fn connections_that_died_in_the_pool_fail_nobody() {
    let Some(server) = server("died").await else { return };
    let db = Db::open(&DatabaseUrl::Postgres(server.dsn.clone())).await.unwrap();
    for round in 0..10 {
        // Several connections, so that several dead ones lie in the pool.
        let reads = (0..6).map(|_| notes(&db));
        futures_util::future::join_all(reads).await;
        assert!(server.end_connections().await > 0);
        let name = format!("{round}");
        db.housekeeping(move |tx| tx.execute(&NOTE, params![name.as_str(), ""]).map(drop)).await.unwrap();
        assert_eq!(notes(&db).await.len(), round + 1);
    }
    drop(db);
    server.database.remove().await;
}

/// In the middle of a transaction its connection is lost: nothing of it is kept, it says so, and the next one works.
#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_transaction_keeps_nothing() {
    let Some(server) = server("lost").await else { return };
    let db = Db::open(&DatabaseUrl::Postgres(server.dsn.clone())).await.unwrap();
    let server = std::sync::Arc::new(server);
    let (killer, handle) = (server.clone(), tokio::runtime::Handle::current());
    let kept = db.housekeeping(move |tx| {
        tx.execute(&NOTE, params!["a", ""])?;
        // A store's rule never waits for anything; this one waits until its own connection is gone.
        handle.block_on(killer.end_connections());
        tx.execute(&NOTE, params!["b", ""]).map(drop)
    });
    let refused = kept.await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
    assert!(notes(&db).await.is_empty());
    db.housekeeping(|tx| tx.execute(&NOTE, params!["c", ""]).map(drop)).await.unwrap();
    assert_eq!(notes(&db).await, ["c"]);
    drop(db);
    if let Some(server) = std::sync::Arc::into_inner(server) {
        server.database.remove().await;
    }
}

#[tokio::test]
async fn a_stuck_statement_and_a_lock_that_nobody_gives_back_are_ended() {
    let Some(server) = server("stuck").await else { return };
    let dsn =
        server.dsn.replace("options=", "options=-cstatement_timeout%3D200ms%20-clock_timeout%3D100ms%20");
    let db = Db::open(&DatabaseUrl::Postgres(dsn)).await.unwrap();
    let refused = db.read(|tx| tx.query(&ENDLESS, &[])).await.unwrap_err();
    assert!(matches!(refused, DbError::TooSlow(_)) && refused.retryable(), "{refused}");
    server.superuser.batch_execute("select pg_advisory_lock(84800001)").await.unwrap();
    let refused = db.housekeeping(|tx| tx.query(&LOCK, &[]).map(drop)).await.unwrap_err();
    assert!(matches!(refused, DbError::TooSlow(_)), "{refused}");
    server.superuser.batch_execute("select pg_advisory_unlock(84800001)").await.unwrap();
    db.housekeeping(|tx| tx.query(&LOCK, &[]).map(drop)).await.unwrap();
    drop(db);
    server.database.remove().await;
}

/// The limits stand where nobody set any.
#[tokio::test]
async fn every_session_has_limits() {
    platform::statements! {
        LIMIT: Platform = "select $1", postgres "select current_setting($1)";
    }
    let Some(server) = server("limits").await else { return };
    let db = Db::open(&DatabaseUrl::Postgres(server.dsn.clone())).await.unwrap();
    for (name, wanted) in [
        ("statement_timeout", "1min"),
        ("lock_timeout", "20s"),
        ("idle_in_transaction_session_timeout", "5min"),
    ] {
        let found = db.read(move |tx| tx.scalar::<String>(&LIMIT, params![name])).await.unwrap();
        assert_eq!(found.as_deref(), Some(wanted), "{name}");
    }
    drop(db);
    server.database.remove().await;
}

/// When every connection is in use, whoever comes is told within the time, and served once one is given back. A rule that
/// panics gives its own back.
#[tokio::test]
async fn a_pool_that_is_exhausted_says_so_and_recovers() {
    let Some(server) = server("exhausted").await else { return };
    let options =
        PostgresOptions { dsn: server.dsn.clone(), connections_max: 2, wait_max: Duration::from_millis(200) };
    let db = Db::open_postgres(&options).await.unwrap();
    for _ in 0..6 {
        let panicked = db.read(|_| -> Result<(), DbError> { panic!("a rule that panics") }).await;
        assert_eq!(panicked, Err(DbError::Panicked));
        let panicked = db.housekeeping(|tx| -> Result<(), DbError> {
            tx.execute(&NOTE, params!["never", ""])?;
            panic!("a rule that panics")
        });
        assert_eq!(panicked.await, Err(DbError::Panicked));
    }
    let (go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let holders: Vec<_> = (0..2)
        .map(|_| {
            let (db, held) = (db.clone(), held.clone());
            tokio::spawn(async move {
                db.read(move |tx| {
                    tx.query(&NOTES, &[])?;
                    let _ = held.lock().map(|held| held.recv());
                    Ok::<_, DbError>(())
                })
                .await
            })
        })
        .collect();
    // Until both are held.
    let refused = loop {
        match db.read(|tx| tx.query(&NOTES, &[]).map(drop)).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, DbError::Unavailable(_)) && refused.retryable(), "{refused}");
    drop(go);
    for holder in holders {
        holder.await.unwrap().unwrap();
    }
    assert!(notes(&db).await.is_empty());
    // After the drain nothing more is given out.
    db.close(Duration::from_secs(5)).await;
    assert_eq!(db.read(|tx| tx.query(&NOTES, &[]).map(drop)).await, Err(DbError::Closed));
    drop(db);
    server.database.remove().await;
}
