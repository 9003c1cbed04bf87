//! A database of its own for each test.
//!
//! On PostgreSQL the program under test is a plain role, as in production: row-level security holds it. The server's own
//! user, who is a superuser, only makes the schema and takes it away.

use platform::db::{DatabaseUrl, EngineKind};

/// Removes what was made when the test ends.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    pub kind: EngineKind,
    pub folder: tempfile::TempDir,
    schema: Option<(String, String)>,
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
    let url = DatabaseUrl::Sqlite(folder.path().join("bailiwick.db"));
    TestDatabase { url, kind: EngineKind::Sqlite, folder, schema: None }
}

pub async fn postgres(server: &str) -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name =
        folder.path().file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let schema: String =
        format!("t_{}_{}", std::process::id(), name.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    let client = connect(server).await;
    make_role(&client).await;
    client
        .batch_execute(&format!("create schema \"{schema}\" authorization {ROLE}"))
        .await
        .expect("a schema of its own");
    let plain = as_plain_role(server);
    let joint = if server.contains('?') { '&' } else { '?' };
    let url = DatabaseUrl::Postgres(format!("{plain}{joint}options=-csearch_path%3D{schema}"));
    TestDatabase { url, kind: EngineKind::Postgres, folder, schema: Some((server.to_owned(), schema)) }
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
    /// The same schema as a role that row-level security does not hold, for tests that look behind the program's back.
    pub fn as_superuser(&self) -> Option<String> {
        let (server, schema) = self.schema.as_ref()?;
        let joint = if server.contains('?') { '&' } else { '?' };
        Some(format!("{server}{joint}options=-csearch_path%3D{schema}"))
    }

    /// Drops the schema; a failed test leaves it for a look.
    pub async fn remove(self) {
        if let Some((server, schema)) = &self.schema {
            let client = connect(server).await;
            let _ = client.batch_execute(&format!("drop schema \"{schema}\" cascade")).await;
        }
    }
}
