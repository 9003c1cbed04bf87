//! A database of its own for each test.
//!
//! On PostgreSQL the program under test is a plain role, as in production: row-level security holds it. The server's own
//! user, who is a superuser, only makes the place and takes it away.
//!
//! [`sqlite`] and [`postgres`] are empty, for tests of the store itself. All others get a copy of a store that the
//! migrations went over once: they cost more than most tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use platform::db::{DatabaseUrl, Db, EngineKind};
use tokio::sync::OnceCell;

/// Removes what was made when the test ends.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    pub kind: EngineKind,
    pub folder: tempfile::TempDir,
    place: Option<Place>,
}

/// Where on a PostgreSQL server.
struct Place {
    server: String,
    name: String,
    kind: PlaceKind,
}

enum PlaceKind {
    Schema,
    Database,
}

/// Who the program is on PostgreSQL.
const ROLE: &str = "bailiwick_test";
/// Of a server that lives as long as the tests.
const PASSWORD: &str = "bailiwick";

/// The server to test PostgreSQL on, if one runs. In CI there must be one: a skipped half would look green.
pub fn postgres_server() -> Option<String> {
    let server = std::env::var("BAILIWICK_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI runs both databases: start the tests with tools/with-postgres.sh"
        );
        eprintln!("skipped on PostgreSQL: BAILIWICK_TEST_POSTGRES is not set (use tools/with-postgres.sh)");
    }
    server
}

pub fn sqlite() -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = DatabaseUrl::Sqlite(sqlite_file(&folder));
    TestDatabase { url, kind: EngineKind::Sqlite, folder, place: None }
}

fn sqlite_file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("bailiwick.db")
}

/// As [`sqlite`], migrated.
pub async fn sqlite_migrated() -> TestDatabase {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(async || {
        let database = sqlite();
        migrate(&database.url).await;
        std::fs::read(sqlite_file(&database.folder)).expect("the migrated file is read")
    });
    let database = sqlite();
    std::fs::write(sqlite_file(&database.folder), template.await).expect("the migrated file is written");
    database
}

async fn migrate(url: &DatabaseUrl) {
    let db = Db::open(url).await.expect("the migrations run");
    db.close(Duration::from_secs(10)).await;
}

pub async fn postgres(server: &str) -> TestDatabase {
    on_postgres(server, PlaceKind::Schema, |name| format!("create schema \"{name}\" authorization {ROLE}"))
        .await
}

/// As [`postgres`], migrated.
pub async fn postgres_migrated(server: &str) -> TestDatabase {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(async || template(server).await).await;
    let make = |name: &str| format!("create database \"{name}\" owner {ROLE} template \"{template}\"");
    on_postgres(server, PlaceKind::Database, make).await
}

/// `make` is the command that makes the place, given its name.
async fn on_postgres(server: &str, kind: PlaceKind, make: impl FnOnce(&str) -> String) -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = Place { server: server.to_owned(), name: own_name(folder.path()), kind };
    let client = connect(server).await;
    make_role(&client).await;
    client.batch_execute(&make(&place.name)).await.expect("a place of its own");
    let url = DatabaseUrl::Postgres(as_plain_role(&place.url()));
    TestDatabase { url, kind: EngineKind::Postgres, folder, place: Some(place) }
}

/// The database that copies are made of; it stays on the server, for the next test program with the same migrations.
async fn template(server: &str) -> String {
    let name = format!("bailiwick_migrated_{}", migrations_digest());
    let building =
        Place { server: server.to_owned(), name: format!("{name}_new"), kind: PlaceKind::Database };
    let client = connect(server).await;
    make_role(&client).await;
    // Test programs may start at once. The lock goes with the connection.
    client.batch_execute("select pg_advisory_lock(hashtext('bailiwick_migrated'))").await.expect("a lock");
    let there = client
        .query_opt("select 1 from pg_database where datname = $1", &[&name])
        .await
        .expect("the server answers");
    if there.is_none() {
        building.remove(&client).await;
        client
            .batch_execute(&format!("create database \"{}\" owner {ROLE}", building.name))
            .await
            .expect("a database");
        migrate(&DatabaseUrl::Postgres(as_plain_role(&building.url()))).await;
        client
            .batch_execute(&format!("alter database \"{}\" rename to \"{name}\"", building.name))
            .await
            .expect("nobody is in the new database");
    }
    name
}

/// Of the migrations' text, as the folder has it.
fn migrations_digest() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the migrations are beside the crates")
        .map(|file| file.expect("a file of it").path())
        .collect();
    files.sort();
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        context.update(&std::fs::read(file).expect("a migration is read"));
    }
    context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn own_name(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    format!("t_{}_{}", std::process::id(), name.replace(|c: char| !c.is_ascii_alphanumeric(), ""))
}

impl Place {
    /// For the server's own user.
    fn url(&self) -> String {
        let Self { server, name, kind } = self;
        match kind {
            PlaceKind::Schema => {
                let joint = if server.contains('?') { '&' } else { '?' };
                format!("{server}{joint}options=-csearch_path%3D{name}")
            }
            PlaceKind::Database => {
                let (scheme, rest) = server.split_once("://").expect("a URL");
                let (rest, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
                let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                format!("{scheme}://{authority}/{name}{query}")
            }
        }
    }

    async fn remove(&self, client: &tokio_postgres::Client) {
        let name = &self.name;
        let command = match self.kind {
            PlaceKind::Schema => format!("drop schema if exists \"{name}\" cascade"),
            PlaceKind::Database => format!("drop database if exists \"{name}\" with (force)"),
        };
        let _ = client.batch_execute(&command).await;
    }
}

/// Tests of many processes start at once: only one of them makes the role.
async fn make_role(client: &tokio_postgres::Client) {
    let make = format!(
        "do $$ begin
           if not exists (select 1 from pg_roles where rolname = '{ROLE}') then
             create role {ROLE} login password '{PASSWORD}' nosuperuser nobypassrls;
           end if;
         exception when duplicate_object or unique_violation then null;
         end $$"
    );
    client.batch_execute(&make).await.expect("a plain role");
}

/// The server's URL with the plain role instead of the superuser.
fn as_plain_role(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").expect("a URL");
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{ROLE}:{PASSWORD}@{place}")
}

async fn connect(server: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(server, tokio_postgres::NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

impl TestDatabase {
    /// The same place as a role that row-level security does not hold, for tests that look behind the program's back.
    pub fn as_superuser(&self) -> Option<String> {
        Some(self.place.as_ref()?.url())
    }

    /// Drops schema or database; a failed test leaves it for a look.
    pub async fn remove(self) {
        if let Some(place) = &self.place {
            place.remove(&connect(&place.server).await).await;
        }
    }
}
