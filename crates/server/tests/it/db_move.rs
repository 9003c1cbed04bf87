//! `bailiwick db move` with the real program: an installation goes to PostgreSQL and back, people sign in as before; a
//! server that runs keeps it away; whenever it is killed the target is whole or nothing.

use std::path::Path;

use platform::ctx::{Actor, Ctx, Random};
use platform::db::{Commit, DatabaseUrl, Db, DbError, EngineKind};
use platform::events::Event;
use platform::principals::{self, Organization, OrganizationKind, OrganizationState};
use platform::time::Clock;
use testkit::database::{self, TestDatabase};
use testkit::program::{self, Ended, Program};

use crate::bad_start::{BINARY, Place, sign_in};

const SQLITE: &str = "sqlite:data/bailiwick.db";

fn url(database: &TestDatabase) -> String {
    match &database.url {
        DatabaseUrl::Postgres(dsn) => dsn.clone(),
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
    }
}

/// Until the database has noticed that whoever had it open before is gone.
async fn moves(place: &Place, from: &str, to: &str, more: &[&str]) -> Ended {
    loop {
        let mut arguments = vec!["db", "move", "--from", from, "--to", to];
        arguments.extend(more);
        let ended = place.run(&arguments).await;
        if !ended.stderr.contains("a program has the") {
            return ended;
        }
    }
}

async fn runs(place: &Place, database: &str) -> Program {
    let mut program = Program::start(place.serve(&["--database", database]));
    program.ready(place.port).await;
    sign_in(place.port).await;
    let ended = place
        .run(&[
            "audit",
            "export",
            "--data",
            "data",
            "--database",
            database,
            "--organization",
            "northwind",
            "--to",
            "x",
        ])
        .await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = place.run(&["verify", "x"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    program
}

#[tokio::test]
async fn an_installation_goes_to_postgresql_and_back_and_people_sign_in_as_before() {
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let there = url(&postgres);
    let place = Place::new();
    let running = place.set_up().await;
    let refused = place.run(&["db", "move", "--from", SQLITE, "--to", &there]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("a program has the source open"), "{refused:?}");
    running.stop().await;
    let dry = moves(&place, SQLITE, &there, &["--dry-run"]).await;
    assert!(dry.code == Some(0) && dry.stdout.contains("nothing was done"), "{dry:?}");
    let moved = moves(&place, SQLITE, &there, &[]).await;
    assert!(moved.code == Some(0) && moved.stdout.contains("ledgers with"), "{moved:?}");
    assert!(!moved.stderr.contains("bailiwick_test"), "no password is shown: {moved:?}");
    let running = runs(&place, &there).await;
    let refused = place.run(&["db", "move", "--from", &there, "--to", "sqlite:data/back.db"]).await;
    assert!(refused.stderr.contains("a program has the source open"), "{refused:?}");
    running.stop().await;
    // The target is not empty any more.
    let refused = moves(&place, SQLITE, &there, &[]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("not empty"), "{refused:?}");
    let back = moves(&place, &there, "sqlite:data/back.db", &["--json"]).await;
    assert_eq!(back.code, Some(0), "{back:?}");
    let report: serde_json::Value = serde_json::from_str(&back.stdout).expect("JSON");
    assert_eq!(report["moved"], true);
    runs(&place, "sqlite:data/back.db").await.stop().await;
    postgres.remove().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_urls_is_said() {
    let place = Place::new();
    let ended = place.run(&["db", "move", "--from", "mysql://x", "--to", "sqlite:a"]).await;
    assert!(ended.code == Some(2) && ended.stderr.contains("--from"), "{ended:?}");
    let ended = place.run(&["db", "move", "--from", "sqlite:nowhere.db", "--to", "sqlite:a"]).await;
    assert!(ended.code == Some(1) && ended.stderr.contains("no installation in the source"), "{ended:?}");
    assert!(!place.folder.path().join("a").exists());
}

/// Enough events that a move takes a while.
async fn seed(path: &Path) -> u64 {
    const WRITES: u64 = 15;
    const EVENTS: u64 = 2000;
    let db = Db::open(&DatabaseUrl::Sqlite(path.to_owned())).await.expect("a store");
    let ctx = Ctx::new(Actor::Operator, &Clock::System, &Random::System);
    let provider = Organization {
        id: ctx.id(),
        slug: "northwind".to_owned(),
        name: "Northwind".to_owned(),
        kind: OrganizationKind::Provider,
        state: OrganizationState::Active,
        created_at: ctx.now,
    };
    for write in 0..WRITES {
        let provider = provider.clone();
        db.write(&ctx, move |tx| {
            if write == 0 {
                principals::insert_organization(tx, &provider)?;
            }
            let mut recorded = tx.record(Event::new(provider.id, "test.counted").with("write", write));
            for n in 1..EVENTS {
                recorded = tx.record(Event::new(provider.id, "test.counted").with("n", n).personal("who", n));
            }
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .expect("written");
    }
    db.close(std::time::Duration::from_secs(10)).await;
    WRITES * EVENTS
}

/// How many events are in the target; none when there is no installation in it.
async fn found(target: &TestDatabase) -> Option<u64> {
    match (&target.url, target.as_superuser()) {
        (DatabaseUrl::Sqlite(path), _) => path.exists().then(|| {
            let connection = rusqlite::Connection::open(path).expect("a database");
            let sql = "select count(*) from events";
            let events: i64 = connection.query_row(sql, [], |row| row.get(0)).expect("events");
            u64::try_from(events).expect("a count")
        }),
        (_, Some(dsn)) => {
            let (client, connection) =
                tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(connection);
            let tables = "select count(*) from pg_class where relnamespace = current_schema()::regnamespace";
            let tables: i64 = client.query_one(tables, &[]).await.expect("tables").get(0);
            if tables == 0 {
                return None;
            }
            let events: i64 =
                client.query_one("select count(*) from events", &[]).await.expect("events").get(0);
            u64::try_from(events).ok()
        }
        _ => panic!("neither"),
    }
}

/// Kills it when it has said `word`, or has ended before.
async fn killed_at(place: &Place, from: &str, to: &str, word: &str) {
    let begin = || {
        let mut command = program::command(BINARY, place.folder.path());
        command.args(["db", "move", "--from", from, "--to", to]);
        Program::start(command)
    };
    let mut program = begin();
    let mut looks = 0;
    while !program.stderr().contains(word) && !program.stdout().contains("moved") {
        looks += 1;
        if program.stderr().contains("a program has the") {
            // The database has not noticed yet that the one before was killed.
            program = begin();
        }
        assert!(looks < 60_000 && !program.stderr().contains("error:"), "{word}: {}", program.stderr());
        // real time: another process works.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    program.kill();
}

#[tokio::test]
async fn whenever_it_is_killed_the_target_is_whole_or_nothing() {
    let place = Place::new();
    let source = place.folder.path().join("source.db");
    let events = seed(&source).await;
    let from = format!("sqlite:{}", source.display());
    let mut targets = vec![database::sqlite()];
    if let Some(server) = database::postgres_server() {
        targets.push(database::postgres(&server).await);
    }
    for target in targets {
        let to = url(&target);
        let mut nothing = 0;
        for word in ["copied", "copied    domains", "copied    events", "comparing", "computing every ledger"]
        {
            killed_at(&place, &from, &to, word).await;
            match found(&target).await {
                None => nothing += 1,
                // It was quicker than the kill.
                Some(found) => {
                    assert_eq!(found, events, "{word}: half of it");
                    break;
                }
            }
        }
        assert!(nothing > 0, "it was never killed at work");
        if found(&target).await.is_none() {
            let moved = moves(&place, &from, &to, &[]).await;
            assert_eq!(moved.code, Some(0), "{moved:?}");
        }
        assert_eq!(found(&target).await, Some(events));
        if target.kind == EngineKind::Sqlite {
            let left = std::fs::read_dir(target.folder.path()).expect("the folder");
            let names: Vec<_> = left.map(|entry| entry.expect("a file").file_name()).collect();
            assert!(!names.iter().any(|name| name.to_string_lossy().contains("moving")), "{names:?}");
        }
        target.remove().await;
    }
}

/// `config check --connect` says who the program is to row-level security, and changes nothing.
#[tokio::test]
async fn the_check_says_whether_the_second_wall_holds_the_role() {
    let place = Place::new();
    let check = async |database: &str| {
        let file = place.folder.path().join("bailiwick.toml");
        std::fs::write(file, format!("database = \"{database}\"\n")).expect("the configuration");
        place.run(&["config", "check", "--connect"]).await
    };
    let ended = check("sqlite:nowhere.db").await;
    assert!(ended.code == Some(0) && ended.stdout.contains("the database is empty"), "{ended:?}");
    assert!(!place.folder.path().join("nowhere.db").exists(), "nothing was made");
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let ended = check(&url(&postgres)).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("the database is empty"), "{ended:?}");
    assert!(ended.stdout.contains("row-level security holds"), "{ended:?}");
    drop(Db::open(&postgres.url).await.expect("PostgreSQL opens"));
    let ended = check(&postgres.as_superuser().expect("a superuser")).await;
    assert!(ended.code == Some(0) && ended.stdout.contains("as this program"), "{ended:?}");
    assert!(ended.stderr.contains("bypasses row-level security"), "{ended:?}");
    let ended = check("postgres://nobody:x@127.0.0.1:1/nothing").await;
    assert!(ended.code == Some(1) && ended.stderr.contains("cannot be reached"), "{ended:?}");
    postgres.remove().await;
}
