//! A database of its own for each test.

use platform::db::{DatabaseUrl, EngineKind};

/// Removes what was made when the test ends.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    pub kind: EngineKind,
    pub folder: tempfile::TempDir,
    schema: Option<(String, String)>,
}

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
    client.batch_execute(&format!("create schema \"{schema}\"")).await.expect("a schema of its own");
    let joint = if server.contains('?') { '&' } else { '?' };
    let url = DatabaseUrl::Postgres(format!("{server}{joint}options=-csearch_path%3D{schema}"));
    TestDatabase { url, kind: EngineKind::Postgres, folder, schema: Some((server.to_owned(), schema)) }
}

async fn connect(server: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(server, tokio_postgres::NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

impl TestDatabase {
    /// Drops the schema; a failed test leaves it for a look.
    pub async fn remove(self) {
        if let Some((server, schema)) = &self.schema {
            let client = connect(server).await;
            let _ = client.batch_execute(&format!("drop schema \"{schema}\" cascade")).await;
        }
    }
}
