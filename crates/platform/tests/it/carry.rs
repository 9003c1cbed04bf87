//! Moving an installation: everything arrives, in both directions, or nothing does; and work goes on where it stood.

use std::sync::{Arc, Mutex};

use platform::ctx::{Actor, Ctx, Random};
use platform::db::carry::{MoveError, Moved, move_store};
use platform::db::{Commit, DatabaseUrl, Db, DbError};
use platform::events::{self, Event, proofs};
use platform::ids::OrganizationId;
use platform::principals::{self, Organization, OrganizationKind, OrganizationState};
use platform::time::Clock;
use platform::{feed, params};
use testkit::database::{self, TestDatabase};

/// More than a node of the tree at level 8 needs.
const EVENTS: u64 = 300;

platform::statements! {
    ADD: Tenant =
        "insert into groups (organization_id, id, name, name_key, description, created_at) values ($1, $2, $3, $3, '', 0)";
    REAL: Housekeeping = "insert into schedules (name, next_at, started_at) values ($1, $2, null)";
    GROUPS: Tenant = "select name, id from groups where organization_id = $1 order by name";
}

fn ctx() -> Ctx {
    Ctx::new(Actor::Operator, &Clock::System, &Random::System)
}

async fn note(db: &Db, organization: OrganizationId, n: u64) {
    db.write(&ctx(), move |tx| {
        let recorded =
            tx.record(Event::new(organization, "test.counted").with("n", n).personal("who", "Ana Ünal"));
        Ok::<_, DbError>(Commit::changed((), recorded))
    })
    .await
    .unwrap();
}

/// A store with organizations whose events come in turn, and a consumer of the feed that has seen some of them.
async fn seed(db: &Db) -> Vec<OrganizationId> {
    let mut organizations = Vec::new();
    for (n, slug) in ["northwind", "harbor", "quay"].into_iter().enumerate() {
        let at = ctx();
        let new = Organization {
            id: at.id(),
            slug: slug.to_owned(),
            name: format!("{slug} – naïve \"quotes\" 'and' \\ {n}"),
            kind: if n == 0 { OrganizationKind::Provider } else { OrganizationKind::Customer },
            state: OrganizationState::Active,
            created_at: at.now,
        };
        let id = new.id;
        organizations.push(id);
        db.write(&ctx(), move |tx| {
            principals::insert_organization(tx, &new)?;
            tx.execute(&ADD, params![id, [u8::try_from(n).unwrap(); 16], "everybody"])?;
            let recorded = tx.record(Event::new(id, "organization.created"));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
    }
    for n in 0..EVENTS {
        note(db, organizations[usize::try_from(n % 3).unwrap()], n).await;
    }
    db.housekeeping(|tx| tx.execute(&REAL, params!["a schedule", i64::MIN]).map(drop)).await.unwrap();
    assert_eq!(consume(db, 100).await.len(), 100);
    organizations
}

/// What a consumer of the feed gets next: so many, or all there are. On PostgreSQL an event shows only when no older
/// transaction of the whole server runs any more, other tests' included.
async fn consume(db: &Db, limit: usize) -> Vec<(OrganizationId, u64)> {
    let taken = Arc::new(Mutex::new(Vec::new()));
    loop {
        let (taking, have) = (taken.clone(), taken.lock().unwrap().len());
        if have == limit || feed::caught_up(db, "consumer").await.unwrap() {
            return taken.lock().unwrap().clone();
        }
        feed::step(db, "consumer", u32::try_from(limit - have).unwrap(), move |_, events| {
            let mut taken = taking.lock().unwrap();
            // A transaction that is run again takes its events again.
            taken.truncate(have);
            taken.extend(events.iter().map(|event| (event.organization, event.sequence)));
            Ok(())
        })
        .await
        .unwrap();
        tokio::task::yield_now().await;
    }
}

type Seen = Vec<(String, u64, [u8; 32], Vec<events::StoredEvent>)>;

/// Everything of the organizations that a move must not change.
async fn seen(db: &Db, organizations: &[OrganizationId]) -> Seen {
    let organizations = organizations.to_vec();
    db.read(move |tx| {
        let mut seen = Vec::new();
        for id in organizations {
            let organization = principals::organization(tx, id)?.unwrap();
            let (size, root) = proofs::head(tx, id)?;
            let mut all = events::range(tx, id, 0, 10_000)?;
            for event in &mut all {
                event.cursor = feed::Cursor::default();
            }
            assert_eq!(tx.query(&GROUPS, params![id])?.len(), 1);
            // A proof is made of the nodes, too.
            proofs::inclusion(tx, id, 0, size)?;
            seen.push((organization.name, size, root, all));
        }
        Ok::<_, DbError>(seen)
    })
    .await
    .unwrap()
}

async fn moves(from: &TestDatabase, to: &TestDatabase) -> Result<Moved, MoveError> {
    move_store(from.url.clone(), to.url.clone(), false, |_| {}).await
}

/// After a program has let go of a database, its lock is given back a moment later.
async fn patiently(from: &TestDatabase, to: &TestDatabase, dry_run: bool) -> Result<Moved, MoveError> {
    loop {
        match move_store(from.url.clone(), to.url.clone(), dry_run, |_| {}).await {
            Err(MoveError::InUse(_)) => tokio::task::yield_now().await,
            result => return result,
        }
    }
}

#[tokio::test]
async fn an_installation_is_carried_there_and_back() {
    let Some(server) = database::postgres_server() else { return };
    let (first, second) = (database::sqlite(), database::postgres(&server).await);
    let (third, fourth) = (database::sqlite(), database::postgres(&server).await);
    let db = Db::open(&first.url).await.unwrap();
    let organizations = seed(&db).await;
    let mut before = seen(&db, &organizations).await;
    db.close(std::time::Duration::from_secs(5)).await;
    drop(db);
    let mut next = EVENTS;
    let mut taken = 100;
    let mut sums = Vec::new();
    for (from, to) in [(&first, &second), (&second, &third), (&third, &fourth)] {
        let dry = patiently(from, to, true).await.unwrap();
        assert_eq!(dry.ledgers, None);
        let done = patiently(from, to, false).await.unwrap();
        let rows = |moved: &Moved| moved.tables.iter().map(|table| table.rows).collect::<Vec<_>>();
        assert_eq!(rows(&dry), rows(&done));
        let ledgers = done.ledgers.expect("verified");
        assert_eq!((ledgers.organizations, ledgers.entries), (3, next + 3));
        sums.push(done.tables.iter().find(|table| table.name == "groups").unwrap().checksum.clone());
        let db = Db::open(&to.url).await.unwrap();
        assert_eq!(seen(&db, &organizations).await, before);
        // The consumer goes on where it stood, and events made here come after those that were carried.
        for _ in 0..30 {
            note(&db, organizations[1], next).await;
            next += 1;
        }
        let rest = consume(&db, 50).await;
        assert_eq!(rest.len(), 50);
        for (organization, sequence) in rest {
            let n = taken - 3;
            assert_eq!(organization, organizations[usize::try_from(n % 3).unwrap()], "event {taken}");
            assert_eq!(sequence, n / 3 + 1);
            taken += 1;
        }
        before = seen(&db, &organizations).await;
        db.close(std::time::Duration::from_secs(5)).await;
    }
    assert!(sums.iter().all(|sum| sum.is_some() && *sum == sums[0]), "{sums:?}");
    second.remove().await;
    fourth.remove().await;
}

async fn both_targets() -> Vec<TestDatabase> {
    let mut targets = vec![database::sqlite()];
    if let Some(server) = database::postgres_server() {
        targets.push(database::postgres(&server).await);
    }
    targets
}

fn file(database: &TestDatabase) -> std::path::PathBuf {
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("not SQLite") };
    path.clone()
}

#[tokio::test]
async fn a_target_with_anything_in_it_is_refused() {
    let source = database::sqlite();
    let db = Db::open(&source.url).await.unwrap();
    seed(&db).await;
    db.close(std::time::Duration::from_secs(5)).await;
    drop(db);
    for target in both_targets().await {
        // As a first start leaves it.
        Db::open(&target.url).await.unwrap().close(std::time::Duration::from_secs(5)).await;
        let refused = patiently(&source, &target, false).await.unwrap_err();
        assert!(matches!(refused, MoveError::NotEmpty), "{refused}");
        target.remove().await;
    }
}

#[tokio::test]
async fn a_running_program_keeps_a_move_away_and_a_move_keeps_a_program_away() {
    for source in both_targets().await {
        let running = Db::open(&source.url).await.unwrap();
        seed(&running).await;
        let target = database::sqlite();
        let refused = moves(&source, &target).await.unwrap_err();
        assert!(matches!(refused, MoveError::InUse("source")), "{refused}");
        running.close(std::time::Duration::from_secs(5)).await;
        drop(running);
        // While it runs, nobody else opens the source to write.
        let (url, handle) = (source.url.clone(), tokio::runtime::Handle::current());
        let kept_out = Arc::new(Mutex::new(false));
        let out = kept_out.clone();
        loop {
            let (url, handle, out) = (url.clone(), handle.clone(), out.clone());
            let done = move_store(source.url.clone(), target.url.clone(), false, move |_| {
                let mut out = out.lock().unwrap();
                if !*out {
                    let opened = handle.block_on(Db::open(&url));
                    assert!(matches!(opened.map(drop), Err(DbError::Locked)));
                    *out = true;
                }
            })
            .await;
            match done {
                Err(MoveError::InUse(_)) => tokio::task::yield_now().await,
                done => {
                    done.unwrap();
                    break;
                }
            }
        }
        assert!(*kept_out.lock().unwrap());
        source.remove().await;
    }
}

#[tokio::test]
async fn another_schema_than_this_programs_is_refused() {
    let source = database::sqlite();
    let target = database::sqlite();
    let refused = moves(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MoveError::NoSource), "{refused}");
    let db = Db::open(&source.url).await.unwrap();
    db.close(std::time::Duration::from_secs(5)).await;
    drop(db);
    let raw = rusqlite::Connection::open(file(&source)).unwrap();
    let newest = platform::db::migrate::newest();
    raw.execute("insert into schema_migrations values (?1, 'tomorrow', '00', 0)", [newest + 1]).unwrap();
    let refused = moves(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MoveError::Db(DbError::Newer { .. })), "{refused}");
    raw.execute("delete from schema_migrations where number >= ?1", [newest]).unwrap();
    let refused = moves(&source, &target).await.unwrap_err();
    assert!(matches!(refused, MoveError::Older { .. }), "{refused}");
    assert!(!file(&target).exists());
}

/// Damage in the source is found, by the ledger or by the database, and the target stays as empty as it was.
#[tokio::test]
async fn a_damaged_source_is_not_taken_for_whole() {
    let damages = [
        "update events set action = 'test.forged' where revision = 77",
        "update events set leaf = zeroblob(32) where revision = 77",
        "delete from events where revision = 77",
        "update ledger_heads set frontier = (select frontier from ledger_heads order by organization_id desc limit 1)",
        "pragma foreign_keys = off; delete from organizations where slug = 'quay'",
    ];
    for target in both_targets().await {
        for damage in damages {
            let source = database::sqlite();
            let db = Db::open(&source.url).await.unwrap();
            seed(&db).await;
            db.close(std::time::Duration::from_secs(5)).await;
            drop(db);
            let raw = rusqlite::Connection::open(file(&source)).unwrap();
            raw.execute_batch(damage).unwrap();
            drop(raw);
            let refused = patiently(&source, &target, false).await.unwrap_err();
            let told = matches!(refused, MoveError::Ledger { .. } | MoveError::Db(DbError::ForeignKey));
            assert!(told, "{damage}: {refused}");
        }
        // Nothing is left of the tries: a whole source goes in.
        let source = database::sqlite();
        let db = Db::open(&source.url).await.unwrap();
        seed(&db).await;
        db.close(std::time::Duration::from_secs(5)).await;
        drop(db);
        patiently(&source, &target, false).await.unwrap();
        target.remove().await;
    }
}
