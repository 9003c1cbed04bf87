//! A new master key: everything stays readable, the old file opens nothing any more, whenever the process is killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use platform::ctx::{Actor, Ctx, Random};
use platform::db::{Commit, DatabaseUrl, Db, DbError, Tx};
use platform::events::signing::{self, OVERLAP};
use platform::events::{self, Event};
use platform::mail::{self, Message};
use platform::params;
use platform::principals::{self, Organization, OrganizationKind, OrganizationState};
use platform::secrets::master_change::{self, Change};
use platform::secrets::{Keyring, MasterKey, SecretsError, open_keyring, records, rotation};
use platform::time::Clock;
use testkit::database::{self, TestDatabase};

const MAILS: usize = 5;

platform::statements! {
    SEALED: Platform = "select id, recipient, sealed from mail_outbox order by recipient";
    DROP_ROOT: Housekeeping = "delete from secret_keys where id = 0";
}

fn ctx() -> Ctx {
    Ctx::new(Actor::Operator, &Clock::System, &Random::System)
}

async fn targets() -> Vec<TestDatabase> {
    let mut targets = vec![database::sqlite()];
    if let Some(server) = database::postgres_server() {
        targets.push(database::postgres(&server).await);
    }
    targets
}

/// An installation with a key file, a rotated ledger key, two data keys and sealed mails.
struct Place {
    database: TestDatabase,
    key: PathBuf,
}

impl Place {
    async fn new(database: TestDatabase) -> Self {
        let place = Self { key: database.folder.path().join("keys/master.key"), database };
        let db = place.alone().await;
        let (keyring, new) = open_keyring(&place.key, &[], ctx().now, &Random::System).unwrap();
        records::save(&db, new).await.unwrap();
        let provider = Organization {
            id: ctx().id(),
            slug: "northwind".to_owned(),
            name: "Northwind".to_owned(),
            kind: OrganizationKind::Provider,
            state: OrganizationState::Active,
            created_at: ctx().now,
        };
        let inside = keyring.clone();
        let filled = move |tx: &mut Tx| {
            principals::insert_organization(tx, &provider)?;
            let messages: Vec<Message> =
                (0..MAILS).map(|n| Message::text(&format!("p{n}@example.com"), "Hello", "secret")).collect();
            mail::enqueue_many(&inside, &ctx(), tx, None, &messages)?;
            let recorded = tx.record(Event::new(provider.id, "organization.created"));
            Ok::<_, DbError>(Commit::changed((), recorded))
        };
        db.write(&ctx(), filled).await.unwrap();
        let inside = keyring.clone();
        let rotated = move |tx: &mut Tx| rotation::rotate(&ctx(), tx, &inside);
        db.write::<_, DbError, _>(&ctx(), rotated).await.unwrap();
        records::refresh(&db, &keyring).await.unwrap();
        let inside = keyring.clone();
        let rotated =
            move |tx: &mut Tx| signing::rotate(&ctx(), tx, &inside, "localhost/ledger-keys", OVERLAP);
        db.write::<_, DbError, _>(&ctx(), rotated).await.unwrap();
        place.close(db).await;
        place
    }

    /// PostgreSQL takes a moment to notice that whoever had it open is gone.
    async fn alone(&self) -> Db {
        loop {
            match Db::open_alone(&self.database.url).await {
                Err(DbError::InUse) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    }

    async fn close(&self, db: Db) {
        db.close(Duration::from_secs(10)).await;
    }

    fn file(&self, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}{ending}", self.key.display()))
    }

    /// Starts as a program does and reads everything that is sealed. Gives the master key's id.
    async fn starts(&self) -> Result<String, SecretsError> {
        let db = self.alone().await;
        let stored = records::load(&db).await.unwrap();
        let keyring = match open_keyring(&self.key, &stored, ctx().now, &Random::System) {
            Ok((keyring, new)) => {
                assert!(new.is_empty(), "no new installation was begun");
                keyring
            }
            Err(error) => {
                self.close(db).await;
                return Err(error);
            }
        };
        let rows = db.read(|tx| {
            tx.list(&SEALED, params![], |row| {
                Ok((row.get::<Vec<u8>>(0)?, row.get::<String>(1)?, row.get::<Vec<u8>>(2)?))
            })
        });
        let rows = rows.await.unwrap();
        assert_eq!(rows.len(), MAILS);
        for (id, recipient, sealed) in rows {
            let opened = keyring.open("mail", &[id.as_slice(), recipient.as_bytes()].concat(), &sealed);
            assert!(opened.is_ok(), "the mail to {recipient} is lost");
        }
        let inside = keyring.clone();
        let signers = db.read(move |tx| signing::signers(tx, &inside, ctx().now)).await.unwrap();
        assert_eq!(signers.handovers().len(), 1);
        self.close(db).await;
        Ok(keyring.master_id())
    }

    async fn rewrap(&self, change: &Change) {
        let db = self.alone().await;
        let keyring = change.keyring(&records::load(&db).await.unwrap()).unwrap();
        let new = change.new_key().clone();
        let rewrap = move |tx: &mut Tx| master_change::rewrap(&ctx(), tx, &keyring, &new);
        let done = db.write::<_, DbError, _>(&ctx(), rewrap).await.unwrap();
        assert_eq!(done.value, 3, "the root and two data keys");
        self.close(db).await;
    }

    async fn wrapped(&self) -> Vec<Vec<u8>> {
        let db = self.alone().await;
        let stored = records::load(&db).await.unwrap().into_iter().map(|key| key.wrapped).collect();
        self.close(db).await;
        stored
    }
}

fn prepare(place: &Place) -> Change {
    Change::prepare(&place.key, None, &Random::System).unwrap()
}

/// Whether any file of the database holds these bytes.
fn on_disk(database: &Path, bytes: &[u8]) -> bool {
    let folder = database.parent().unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .any(|path| std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn the_old_key_file_is_useless_afterwards_and_everything_is_readable() {
    for database in targets().await {
        let place = Place::new(database).await;
        let before = place.starts().await.unwrap();
        let old = std::fs::read(&place.key).unwrap();
        let old_wrapped = place.wrapped().await;
        let change = prepare(&place);
        place.rewrap(&change).await;
        let (file, kept) = change.finish().unwrap();
        assert_eq!((&file, &kept), (&place.key, &place.file(&format!(".replaced-{before}"))));
        assert_eq!(std::fs::read(&kept).unwrap(), old, "backups made before need it");
        assert!(!place.file(".new").exists());
        let after = place.starts().await.unwrap();
        assert_ne!(before, after);
        // Not one record opens by the old key, each for itself.
        let db = place.alone().await;
        let stored = records::load(&db).await.unwrap();
        let (old_key, new_key) = (MasterKey::load(&kept).unwrap(), MasterKey::load(&file).unwrap());
        for record in &stored {
            for with in stored.iter().filter(|with| (with.id == 0) != (record.id == 0)) {
                let pair = [record.clone(), with.clone()];
                assert!(matches!(
                    Keyring::from_records(old_key.clone(), &pair),
                    Err(SecretsError::WrongMasterKey)
                ));
                assert!(Keyring::from_records(new_key.clone(), &pair).is_ok());
            }
        }
        let told = db.read(|tx| {
            let provider = principals::provider(tx)?.expect("a provider").id;
            events::range(tx, provider, 0, 100)
        });
        let told = told.await.unwrap();
        let told = told.iter().find(|event| event.action == "secrets.master_key_changed").expect("an event");
        assert_eq!((&told.target_id, told.actor_kind.as_str()), (&after, "operator"));
        assert_eq!((&told.public["old"], told.public["keys"].as_str()), (&before, "3"));
        let (at, keyring) = (told.at, Keyring::from_records(new_key, &stored).unwrap());
        let status = db.read(move |tx| master_change::status(tx, &keyring)).await.unwrap();
        assert_eq!((status.id, status.since), (after, at));
        place.close(db).await;
        if let DatabaseUrl::Sqlite(path) = &place.database.url {
            assert!(place.wrapped().await.iter().all(|wrapped| on_disk(path, wrapped)));
            assert!(!old_wrapped.iter().any(|wrapped| on_disk(path, wrapped)), "old wrappings lie about");
        }
        std::fs::copy(&kept, &place.key).unwrap();
        assert!(matches!(place.starts().await, Err(SecretsError::WrongMasterKey)));
        place.database.remove().await;
    }
}

#[tokio::test]
async fn killed_anywhere_the_next_start_finds_a_key_that_opens_the_store() {
    for database in targets().await {
        let place = Place::new(database).await;
        let old = place.starts().await.unwrap();
        // After the file was made: the store says the old key.
        let waiting = prepare(&place).new_key().id();
        assert_eq!(place.starts().await.unwrap(), old);
        // The next try uses the file that waits. Within the transaction: nothing of it is stored.
        let change = prepare(&place);
        assert_eq!(change.new_key().id(), waiting);
        let db = place.alone().await;
        let keyring = change.keyring(&records::load(&db).await.unwrap()).unwrap();
        let new = change.new_key().clone();
        let killed = db
            .write::<(), DbError, _>(&ctx(), move |tx| {
                master_change::rewrap(&ctx(), tx, &keyring, &new)?;
                Err(DbError::Closed)
            })
            .await;
        assert_eq!(killed.map(drop), Err(DbError::Closed));
        place.close(db).await;
        assert_eq!(place.starts().await.unwrap(), old);
        // After the commit: the store says the new key, whose file waits.
        place.rewrap(&change).await;
        drop(change);
        assert_eq!(MasterKey::load(&place.key).unwrap().id(), old);
        assert_eq!(place.starts().await.unwrap(), waiting);
        assert_eq!(MasterKey::load(&place.key).unwrap().id(), waiting, "the start put it into its place");
        assert!(place.file(&format!(".replaced-{old}")).exists() && !place.file(".new").exists());
        // Between keeping the old file and putting the new one into its place.
        let change = prepare(&place);
        place.rewrap(&change).await;
        MasterKey::load(&place.key).unwrap().save(&place.file(&format!(".replaced-{waiting}"))).unwrap();
        let third = change.new_key().id();
        assert_eq!(place.starts().await.unwrap(), third);
        assert_eq!(place.starts().await.unwrap(), third);
        place.database.remove().await;
    }
}

#[tokio::test]
async fn a_file_of_the_operators_own_is_used_and_left_where_it_is() {
    for database in targets().await {
        let mut place = Place::new(database).await;
        let to = place.database.folder.path().join("vault.key");
        MasterKey::generate(&Random::System).save(&to).unwrap();
        let change = Change::prepare(&place.key, Some(&to), &Random::System).unwrap();
        place.rewrap(&change).await;
        let old = place.key.clone();
        assert_eq!(change.finish().unwrap(), (to.clone(), old.clone()));
        assert!(matches!(place.starts().await, Err(SecretsError::WrongMasterKey)));
        place.key = to.clone();
        place.starts().await.unwrap();
        let same = Change::prepare(&to, Some(&to), &Random::System).err().unwrap();
        assert!(matches!(same, SecretsError::SameMasterKey { .. }));
        std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let open = Change::prepare(&to, Some(&old), &Random::System).err().unwrap();
        assert!(open.to_string().contains("chmod 600"), "{open}");
        place.database.remove().await;
    }
}

#[tokio::test]
async fn whoever_wants_the_store_alone_waits_for_nobody_and_lets_nobody_on() {
    for database in targets().await {
        let place = Place::new(database).await;
        let alone = place.alone().await;
        assert!(matches!(Db::open(&place.database.url).await.map(drop), Err(DbError::Locked)));
        assert!(matches!(Db::open_alone(&place.database.url).await.map(drop), Err(DbError::InUse)));
        place.close(alone).await;
        let server = loop {
            match Db::open(&place.database.url).await {
                Err(DbError::Locked) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        };
        let error = Db::open_alone(&place.database.url).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("stop every server"), "{error}");
        place.close(server).await;
        place.database.remove().await;
    }
}

/// A program that was not stopped, on a store without locks: what it wraps by the old key would be lost.
#[tokio::test]
async fn a_program_with_the_old_master_key_makes_no_new_keys() {
    for database in targets().await {
        let place = Place::new(database).await;
        let db = place.alone().await;
        let stale =
            Keyring::from_records(MasterKey::load(&place.key).unwrap(), &records::load(&db).await.unwrap());
        let stale = stale.unwrap();
        place.close(db).await;
        let change = prepare(&place);
        place.rewrap(&change).await;
        change.finish().unwrap();
        let db = place.alone().await;
        let inside = stale.clone();
        let rotate = move |tx: &mut Tx| rotation::rotate(&ctx(), tx, &inside);
        let refused = db.write::<_, DbError, _>(&ctx(), rotate).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("another master key"), "{refused}");
        let third = MasterKey::from_bytes([3; 32]);
        let rewrap = move |tx: &mut Tx| master_change::rewrap(&ctx(), tx, &stale, &third);
        assert!(db.write::<_, DbError, _>(&ctx(), rewrap).await.is_err());
        place.close(db).await;
        place.starts().await.unwrap();
        // Nor is a store wrapped anew that has lost its root.
        let db = place.alone().await;
        db.housekeeping::<_, DbError, _>(|tx| tx.execute(&DROP_ROOT, params![]).map(drop)).await.unwrap();
        let change = prepare(&place);
        assert!(change.keyring(&records::load(&db).await.unwrap()).is_err());
        place.close(db).await;
        place.database.remove().await;
    }
}
